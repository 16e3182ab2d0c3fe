//! What builds and checks took before, as one small document.
//!
//! It is advice, never an input of a build: it decides only the order, the estimate of the end, and how much runs beside what. So
//! a damaged document is no error; what can be read of it is kept.

use bedplate_graph::Durations;

use crate::event::NodeKind;

/// How much of the last peak counts beside a lower new one: a build does not always show its peak.
const PEAK_KEPT: f64 = 0.9;

/// Recorded times and peaks of memory by source package.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    durations: Durations,
}

impl History {
    /// Reads a document; lines that cannot be read are left out, and counted in the second value.
    pub fn read(bytes: &[u8]) -> (Self, usize) {
        let (mut durations, mut damaged) = (Durations::default(), 0);
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let read = std::str::from_utf8(line).is_ok_and(|line| durations.read_line(line).is_ok());
            damaged += usize::from(!read);
        }
        (Self { durations }, damaged)
    }

    /// The document: JSON lines, as `bedplate plan --durations` reads them.
    pub fn write(&self) -> Vec<u8> {
        self.durations.to_text().into_bytes()
    }

    /// The recorded durations.
    pub fn durations(&self) -> &Durations {
        &self.durations
    }

    /// How long a build or check took, in seconds. Other kinds are not recorded.
    pub fn seconds(&self, source: &str, kind: NodeKind) -> Option<f64> {
        match kind {
            NodeKind::Build => self.durations.build(source),
            NodeKind::Check => self.durations.check(source),
            NodeKind::Seed | NodeKind::Source | NodeKind::Publish => None,
        }
    }

    /// The most memory that a build or check took, in bytes.
    pub fn peak(&self, source: &str, kind: NodeKind) -> Option<u64> {
        match kind {
            NodeKind::Build => self.durations.build_peak(source),
            NodeKind::Check => self.durations.check_peak(source),
            NodeKind::Seed | NodeKind::Source | NodeKind::Publish => None,
        }
    }

    /// Records a build or check that was done, in seconds and bytes.
    ///
    /// The time is the mean of this one and the one before, as machines are not always equally busy; a peak sinks slowly.
    pub fn record(&mut self, source: &str, kind: NodeKind, seconds: f64, peak: Option<u64>) {
        let seconds = self.seconds(source, kind).map_or(seconds, |old| f64::midpoint(old, seconds));
        let old = self.peak(source, kind).unwrap_or(0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a guess"
        )]
        let peak = peak.map(|peak| peak.max((old as f64 * PEAK_KEPT) as u64));
        match kind {
            NodeKind::Build => self.durations.record_build(source, seconds, peak),
            NodeKind::Check => self.durations.record_check(source, seconds, peak),
            NodeKind::Seed | NodeKind::Source | NodeKind::Publish => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_means_and_peaks_sink_slowly() {
        let mut history = History::default();
        for (seconds, peak) in [(10.0, Some(1000)), (20.0, Some(100)), (15.0, None)] {
            history.record("zlib", NodeKind::Build, seconds, peak);
        }
        history.record("zlib", NodeKind::Source, 99.0, Some(99));
        assert_eq!(history.seconds("zlib", NodeKind::Build), Some(15.0));
        assert_eq!(history.peak("zlib", NodeKind::Build), Some(900));
        assert_eq!(history.seconds("zlib", NodeKind::Check), None);
        assert_eq!(History::read(&history.write()), (history, 0));
    }

    #[test]
    fn a_damaged_document_keeps_what_can_be_read() {
        let (history, damaged) = History::read(b"{\"source\":\"a\",\"build\":2}\n\xff\xfe\n{\"source\":\"b\",\"bui");
        assert_eq!((history.seconds("a", NodeKind::Build), damaged), (Some(2.0), 2));
    }
}
