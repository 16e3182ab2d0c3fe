//! When what is built: waves, the critical path, and how long it should take.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bedplate_diag::{Diagnostic, SourceId, Span};
use serde_json::Value;

/// How long a build is thought to take if nothing is recorded, in seconds.
pub const DEFAULT_SECONDS: f64 = 60.0;

/// No build takes longer, in seconds: eleven days.
const MAX_SECONDS: f64 = 1e6;

/// What is recorded of the builds and checks of sources, by the name of the source package.
///
/// The file has a JSON object on each line; a later line for the same source wins. Times are in seconds, peaks of memory in bytes;
/// all but the source may be missing:
///
/// ```text
/// {"source":"zlib","build":12.5,"check":3.1,"build_peak":94371840,"check_peak":52428800}
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    sources: BTreeMap<String, Recorded>,
}

/// What is recorded of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Recorded {
    build: Option<f64>,
    check: Option<f64>,
    build_peak: Option<u64>,
    check_peak: Option<u64>,
}

impl Durations {
    /// Reads a file of durations; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let (mut durations, mut wrong) = (Self::default(), Vec::new());
        let mut start = 0;
        for line in text.split('\n') {
            let span = Span::new(source, start, start + line.len());
            start += line.len() + 1;
            if line.trim().is_empty() {
                continue;
            }
            if let Err(message) = durations.read_line(line) {
                wrong.push(
                    Diagnostic::error("bad-duration", message)
                        .at(span)
                        .hint("a line is `{\"source\":\"NAME\",\"build\":SECONDS,\"check\":SECONDS}`"),
                );
            }
        }
        if wrong.is_empty() { Ok(durations) } else { Err(wrong) }
    }

    /// Reads a line that the program wrote itself; says what is wrong with it.
    ///
    /// # Errors
    /// A lower-case fragment; nothing of the line is kept then.
    pub fn read_line(&mut self, line: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(line).map_err(|error| format!("the line is no JSON: {error}"))?;
        let source = value["source"].as_str().ok_or("the line has no `source`")?;
        let mut recorded = self.sources.get(source).copied().unwrap_or_default();
        for (key, field) in [("build", &mut recorded.build), ("check", &mut recorded.check)] {
            let Some(value) = value.get(key) else { continue };
            let seconds = value.as_f64().filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds));
            let seconds = seconds.ok_or_else(|| format!("`{key}` is no number of seconds up to {MAX_SECONDS}"))?;
            *field = Some(seconds);
        }
        for (key, field) in [("build_peak", &mut recorded.build_peak), ("check_peak", &mut recorded.check_peak)] {
            let Some(value) = value.get(key) else { continue };
            *field = Some(value.as_u64().ok_or_else(|| format!("`{key}` is no whole number of bytes"))?);
        }
        self.sources.insert(source.to_owned(), recorded);
        Ok(())
    }

    /// The recorded time of a build, in seconds.
    pub fn build(&self, source: &str) -> Option<f64> {
        self.sources.get(source)?.build
    }

    /// The recorded time of a check, in seconds.
    pub fn check(&self, source: &str) -> Option<f64> {
        self.sources.get(source)?.check
    }

    /// The most memory that a build took, in bytes.
    pub fn build_peak(&self, source: &str) -> Option<u64> {
        self.sources.get(source)?.build_peak
    }

    /// The most memory that a check took, in bytes.
    pub fn check_peak(&self, source: &str) -> Option<u64> {
        self.sources.get(source)?.check_peak
    }

    /// Records a build: its time in seconds (whole milliseconds are kept), its peak in bytes if that is known.
    pub fn record_build(&mut self, source: &str, seconds: f64, peak: Option<u64>) {
        let recorded = self.sources.entry(source.to_owned()).or_default();
        recorded.build = Some(rounded(seconds));
        recorded.build_peak = peak.or(recorded.build_peak);
    }

    /// Records a check: its time in seconds (whole milliseconds are kept), its peak in bytes if that is known.
    pub fn record_check(&mut self, source: &str, seconds: f64, peak: Option<u64>) {
        let recorded = self.sources.entry(source.to_owned()).or_default();
        recorded.check = Some(rounded(seconds));
        recorded.check_peak = peak.or(recorded.check_peak);
    }

    /// The text of a file with all that is recorded, sorted by source.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (source, recorded) in &self.sources {
            let mut line = format!("{{\"source\":{}", Value::from(source.as_str()));
            let mut insert = |key, value: Option<Value>| {
                value.iter().for_each(|value| line.push_str(&format!(",\"{key}\":{value}")));
            };
            insert("build", recorded.build.map(Value::from));
            insert("check", recorded.check.map(Value::from));
            insert("build_peak", recorded.build_peak.map(Value::from));
            insert("check_peak", recorded.check_peak.map(Value::from));
            text.push_str(&line);
            text.push_str("}\n");
        }
        text
    }
}

/// A time as it is recorded.
fn rounded(time: f64) -> f64 {
    seconds(milliseconds(time.clamp(0.0, MAX_SECONDS)))
}

/// A time that can be sorted: whole milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive and below centuries")]
fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "centuries in milliseconds fit")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// The length of the longest way from each node to the end of the work that waits for it, its own time in it, in seconds.
///
/// `order` has every node after what it needs.
pub(crate) fn remaining(order: &[usize], needs: &[Vec<usize>], times: &[f64]) -> Vec<f64> {
    let mut longest = times.to_vec();
    for node in order.iter().rev() {
        for need in &needs[*node] {
            longest[*need] = longest[*need].max(times[*need] + longest[*node]);
        }
    }
    longest
}

/// How long the work takes with some workers, in seconds: ready nodes start by the longest remaining way, as the builder
/// starts them.
pub(crate) fn makespan(needs: &[Vec<usize>], times: &[f64], remaining: &[f64], workers: usize) -> f64 {
    let mut waits: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut users = vec![Vec::new(); needs.len()];
    for (node, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|need| users[*need].push(node));
    }
    let mut ready: BinaryHeap<(u64, Reverse<usize>)> = BinaryHeap::new();
    let enter = |ready: &mut BinaryHeap<_>, node: usize| ready.push((milliseconds(remaining[node]), Reverse(node)));
    (0..needs.len()).filter(|node| waits[*node] == 0).for_each(|node| enter(&mut ready, node));
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut now = 0;
    loop {
        while running.len() < workers.max(1) {
            let Some((_, Reverse(node))) = ready.pop() else { break };
            running.push(Reverse((now + milliseconds(times[node]), node)));
        }
        let Some(Reverse((end, node))) = running.pop() else { return seconds(now) };
        now = end;
        for user in &users[node] {
            waits[*user] -= 1;
            if waits[*user] == 0 {
                enter(&mut ready, *user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_mistakes_have_lines() {
        let text = "{\"source\":\"a\",\"build\":2}\n\n{\"source\":\"a\",\"build\":3.5,\"check\":1}\n";
        let durations = Durations::parse(SourceId(0), text).unwrap();
        assert_eq!((durations.build("a"), durations.check("a"), durations.build("b")), (Some(3.5), Some(1.0), None));
        let text = "{\n{\"source\":\"a\",\"build\":-1}\n{\"build\":1}\n{\"source\":\"a\",\"check\":1e300}\n";
        let wrong = Durations::parse(SourceId(0), text).unwrap_err();
        assert_eq!(wrong.iter().map(|one| one.span.unwrap().start).collect::<Vec<_>>(), [0, 2, 28, 40]);
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let mut durations = Durations::default();
        durations.record_build("zlib", 12.500_04, Some(90 << 20));
        durations.record_check("zlib", 3.0, None);
        durations.record_build("bash", 1e9, None);
        // A peak that is not known this time was known before.
        durations.record_build("zlib", 11.0, None);
        let text = durations.to_text();
        let lines = [
            r#"{"source":"bash","build":1000000.0}"#,
            r#"{"source":"zlib","build":11.0,"check":3.0,"build_peak":94371840}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
        let again = Durations::parse(SourceId(0), &text).unwrap();
        assert_eq!(again, durations);
        assert_eq!(
            (again.build_peak("zlib"), again.check_peak("zlib"), again.build_peak("none")),
            (Some(94_371_840), None, None)
        );
        let wrong = Durations::parse(SourceId(0), "{\"source\":\"a\",\"build_peak\":-1}").unwrap_err();
        assert_eq!(wrong[0].message, "`build_peak` is no whole number of bytes");
    }

    #[test]
    fn the_longest_way_is_started_first() {
        // 0 and 1 are ready; 2 (long) needs 1. One worker: the sum. Two: 1 and 2 beside 0.
        let (needs, times) = (vec![vec![], vec![], vec![1]], [5.0, 1.0, 5.0]);
        let remaining = remaining(&[0, 1, 2], &needs, &times);
        assert_eq!(remaining, [5.0, 6.0, 5.0]);
        let took = |workers| makespan(&needs, &times, &remaining, workers);
        assert!((took(1) - 11.0).abs() < 1e-9 && (took(2) - 6.0).abs() < 1e-9);
    }
}
