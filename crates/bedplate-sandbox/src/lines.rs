//! Cuts what comes out of a pipe into lines.

use std::io::{self, Read};

/// A longer line is handed on in parts.
const LONGEST: usize = 64 << 10;

/// The line that has no end yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
}

/// What may be left in the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    HasMore,
    /// For now.
    IsEmpty,
    IsOver,
}

impl Lines {
    /// Reads once, and hands on the lines that end there. Once only, because one who writes without end must not keep the
    /// reader from all else.
    pub(crate) fn read(&mut self, mut from: impl Read, on_line: &mut dyn FnMut(&[u8])) -> io::Result<Log> {
        let mut buffer = [0; 32 << 10];
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(Log::IsOver),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Log::IsEmpty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Log::HasMore),
            Err(error) => return Err(error),
        };
        for part in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(rest) if self.open.is_empty() => on_line(rest),
                Some(rest) => {
                    self.open.extend_from_slice(rest);
                    on_line(&self.open);
                    self.open.clear();
                }
                None => self.open.extend_from_slice(part),
            }
            if self.open.len() > LONGEST {
                self.finish(on_line);
            }
        }
        Ok(Log::HasMore)
    }

    /// Hands on what has no end.
    pub(crate) fn finish(&mut self, on_line: &mut dyn FnMut(&[u8])) {
        if !self.open.is_empty() {
            on_line(&std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut() {
        let long = [b'x'; LONGEST + 1];
        for (parts, expected) in [
            (vec![&b"a\nb\n"[..]], vec![&b"a"[..], b"b"]),
            (vec![b"a", b"b\n\nc"], vec![b"ab", b"", b"c"]),
            (vec![b"\n"], vec![b""]),
            (vec![], vec![]),
            (vec![&long[..30_000], &long[..30_000], &long[..10_000], b"\n"], vec![&[b'x'; 70_000][..], b""]),
        ] {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for part in parts {
                assert_eq!(lines.read(part, &mut |line| found.push(line.to_vec())).unwrap(), Log::HasMore);
            }
            lines.finish(&mut |line| found.push(line.to_vec()));
            assert_eq!(found, expected);
        }
        assert_eq!(Lines::default().read(&b""[..], &mut |_| {}).unwrap(), Log::IsOver);
    }
}
