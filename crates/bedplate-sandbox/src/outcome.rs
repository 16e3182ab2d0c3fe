//! What came of a run.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A run that came to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// From the start to the end.
    pub wall: Duration,
    /// Processor time of all its processes.
    pub cpu_seconds: f64,
    /// The most memory that its processes had together, without cached files. Looked at ten times a second; never less than the
    /// peak of the largest single process.
    pub peak_memory_bytes: u64,
    /// What it tried and must not, each once, in the order of the first try.
    pub violations: Vec<Violation>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// A signal that is not from us ended it.
    Signal(i32),
    /// It hit a limit and was killed. The text has the numbers: lower-case, without a full stop.
    Limit(LimitKind, String),
    /// It was killed because [`Cancel`](crate::Cancel) said so.
    Cancelled,
}

impl End {
    /// True for an exit status of 0.
    pub fn is_success(&self) -> bool {
        *self == Self::Exited(0)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::Limit(_, detail) => f.write_str(detail),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// [`Limits::wall`](crate::Limits::wall).
    Wall,
    /// [`Limits::silence`](crate::Limits::silence).
    Silence,
    /// [`Limits::memory`](crate::Limits::memory).
    Memory,
    /// [`Limits::processes`](crate::Limits::processes).
    Processes,
    /// [`Limits::disk`](crate::Limits::disk).
    Disk,
    /// [`Limits::file`](crate::Limits::file).
    File,
}

/// Something that the sandbox does not allow was tried. It failed; this says who tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Violation {
    /// The name of the process (the first 15 bytes of its file name, as a rule).
    pub process: String,
    /// How.
    pub protocol: Protocol,
    /// Whom.
    pub address: IpAddr,
    /// Where; 0 where there is none.
    pub port: u16,
}

/// What a process wanted to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
    /// A name to be looked up: port 53 of whomever.
    Dns,
    /// Another, or one that could not be found out.
    Other,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, protocol, address, port } = self;
        match protocol {
            Protocol::Dns => write!(f, "`{process}` tried to look up a name by DNS (server {address} port {port})"),
            Protocol::Tcp => write!(f, "`{process}` tried to reach {address} port {port} over TCP"),
            Protocol::Udp => write!(f, "`{process}` tried to reach {address} port {port} over UDP"),
            Protocol::Other => write!(f, "`{process}` tried to reach {address} port {port}"),
        }
    }
}
