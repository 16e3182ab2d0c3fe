//! The frames between us and a worker.
//!
//! ```text
//! frame   = "BPS1" length:u32 body
//! request = time_ms:u64 output:u64 program folder arguments:list environment:list visible:list   (a list: count:u32, then texts)
//! answer  = 0 (ready) | 1 status:i32 stdout stderr | 2 (timed out) | 3 (too much output) | 4 text (failed)
//! text    = length:u32 bytes           numbers are little-endian
//! ```

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Finished, Limits, Request};

/// Bytes before the body of a frame.
pub(super) const HEAD: usize = 8;
const MAGIC: [u8; 4] = *b"BPS1";

/// What a worker reads of a [`Request`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OwnedRequest {
    pub(super) program: Vec<u8>,
    pub(super) folder: PathBuf,
    pub(super) arguments: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub(super) environment: Vec<Vec<u8>>,
    pub(super) visible: Vec<PathBuf>,
    pub(super) limits: Limits,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready,
    Finished(Finished),
    TimedOut,
    TooMuchOutput,
    Failed(String),
}

/// The length of the body, or `None` if this is no frame of ours.
pub(super) fn frame_length(head: [u8; HEAD]) -> Option<usize> {
    let (magic, length) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return None;
    }
    usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = MAGIC.to_vec();
    put(&mut frame, body);
    frame
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    // Longer than 4 GiB cannot come here: outputs are bounded and a command comes from a spec.
    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend_from_slice(bytes);
}

pub(super) fn encode_request(request: &Request<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&u64::try_from(request.limits.time.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
    body.extend_from_slice(&request.limits.output.to_le_bytes());
    put(&mut body, request.program.as_os_str().as_bytes());
    put(&mut body, request.folder.as_os_str().as_bytes());
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    body.extend_from_slice(&count(request.arguments.len()));
    for argument in request.arguments {
        put(&mut body, argument);
    }
    body.extend_from_slice(&count(request.environment.len()));
    for (name, value) in request.environment {
        put(&mut body, format!("{name}={value}").as_bytes());
    }
    body.extend_from_slice(&count(request.visible.len()));
    for folder in request.visible {
        put(&mut body, folder.as_os_str().as_bytes());
    }
    frame(&body)
}

pub(super) fn decode_request(body: &[u8]) -> Option<OwnedRequest> {
    let mut reader = Reader(body);
    let time = Duration::from_millis(reader.number()?);
    let output = reader.number()?;
    let program = reader.text()?;
    let folder = PathBuf::from(OsStr::from_bytes(&reader.text()?));
    let arguments = reader.list()?;
    let environment = reader.list()?;
    let visible = reader.list()?.iter().map(|path| PathBuf::from(OsStr::from_bytes(path))).collect();
    let limits = Limits { time, output };
    reader.0.is_empty().then_some(OwnedRequest { program, folder, arguments, environment, visible, limits })
}

pub(super) fn encode_answer(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    match answer {
        Answer::Ready => body.push(0),
        Answer::Finished(Finished { stdout, stderr, status }) => {
            body.push(1);
            body.extend_from_slice(&status.to_le_bytes());
            put(&mut body, stdout);
            put(&mut body, stderr);
        }
        Answer::TimedOut => body.push(2),
        Answer::TooMuchOutput => body.push(3),
        Answer::Failed(why) => {
            body.push(4);
            put(&mut body, why.as_bytes());
        }
    }
    frame(&body)
}

pub(super) fn decode_answer(body: &[u8]) -> Option<Answer> {
    let (kind, rest) = body.split_first()?;
    let mut reader = Reader(rest);
    let answer = match kind {
        0 => Answer::Ready,
        1 => {
            let status = i32::from_le_bytes(reader.take(4)?.try_into().ok()?);
            Answer::Finished(Finished { stdout: reader.text()?, stderr: reader.text()?, status })
        }
        2 => Answer::TimedOut,
        3 => Answer::TooMuchOutput,
        4 => Answer::Failed(String::from_utf8(reader.text()?).ok()?),
        _ => return None,
    };
    reader.0.is_empty().then_some(answer)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = self.count()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        (0..self.count()?).map(|_| self.text()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn frames_round_trip() {
        let environment = BTreeMap::from([("A".to_owned(), "b=c".to_owned())]);
        let request = Request {
            program: Path::new("/bin/bash"),
            arguments: &[b"sh", b"-c", b"echo \xff"],
            environment: &environment,
            folder: Path::new("/src"),
            visible: &[PathBuf::from("/conf")],
            limits: Limits { time: Duration::from_millis(1500), output: 7 },
        };
        let frame = encode_request(&request);
        let (head, body) = frame.split_at(HEAD);
        assert_eq!(frame_length(head.try_into().unwrap()), Some(body.len()));
        let read = decode_request(body).unwrap();
        assert_eq!(read.arguments, [b"sh".to_vec(), b"-c".to_vec(), b"echo \xff".to_vec()]);
        assert_eq!(read.environment, [b"A=b=c".to_vec()]);
        assert_eq!((read.folder.as_path(), read.limits), (request.folder, request.limits));
        assert_eq!(read.visible, request.visible);

        let finished = Finished { stdout: b"x".to_vec(), stderr: Vec::new(), status: -3 };
        for answer in [
            Answer::Ready,
            Answer::Finished(finished),
            Answer::TimedOut,
            Answer::TooMuchOutput,
            Answer::Failed("no".to_owned()),
        ] {
            assert_eq!(decode_answer(&encode_answer(&answer)[HEAD..]), Some(answer));
        }
    }

    #[test]
    fn cut_or_strange_frames_are_refused() {
        assert_eq!(frame_length(*b"running "), None);
        let whole = encode_answer(&Answer::Failed("why".to_owned()));
        for end in HEAD..whole.len() {
            assert_eq!(decode_answer(&whole[HEAD..end]), None);
        }
        assert_eq!(decode_answer(&[9]), None);
    }
}
