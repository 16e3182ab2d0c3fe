//! What we, the keeper and process 1 say to each other.
//!
//! ```text
//! us ─▶ keeper       one packet: "order" and a memory file with an Order as JSON
//! keeper, 1 ─▶ us    packets: a Report as JSON, some with a descriptor
//! ```
//!
//! The socket keeps packets apart, so two processes may write to it. The end of the stream is the end of the other side.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::text::Text;

/// Longest packet. Reports are short; the texts of errors are cut to fit.
const PACKET: usize = 32 << 10;

/// What the keeper has to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Run(Box<RunOrder>),
    /// Delete a folder as root of a sandbox, who may.
    Remove(Text),
    /// Write down what lies below a folder, as root of a sandbox sees it.
    Written(WrittenOrder),
}

/// What [`crate::written()`] asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WrittenOrder {
    /// The folder that is looked at.
    pub(crate) folder: Text,
    /// The new file for the answer.
    pub(crate) answer: Text,
}

/// [`Job`](crate::Job) as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunOrder {
    pub(crate) layers: Vec<Text>,
    pub(crate) scratch: Text,
    pub(crate) binds: Vec<BindOrder>,
    pub(crate) prepare: Vec<Vec<Text>>,
    pub(crate) argv: Vec<Text>,
    pub(crate) env: Vec<(Text, Text)>,
    pub(crate) folder: Text,
    pub(crate) processes: u64,
    pub(crate) disk: u64,
    pub(crate) file: u64,
    pub(crate) open_files: u64,
    /// Lines and columns of the terminal that it is to have, if any.
    pub(crate) terminal: Option<(u16, u16)>,
    /// Commands of an image, instead of a build.
    pub(crate) series: Option<SeriesOrder>,
}

/// [`Series`](crate::Series) as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SeriesOrder {
    pub(crate) token: String,
    pub(crate) owners: Vec<OwnerOrder>,
    pub(crate) commands: Vec<CommandOrder>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OwnerOrder {
    pub(crate) path: Text,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) mode: Option<u32>,
}

impl From<&crate::Owner> for OwnerOrder {
    fn from(owner: &crate::Owner) -> Self {
        Self { path: owner.path.clone().into(), user: owner.user, group: owner.group, mode: owner.mode }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommandOrder {
    pub(crate) argv: Vec<Text>,
    pub(crate) env: Vec<(Text, Text)>,
    /// Bytes, as text where they are UTF-8.
    pub(crate) input: Text,
    pub(crate) file: Option<(Text, Text)>,
}

impl From<&crate::Command> for CommandOrder {
    fn from(command: &crate::Command) -> Self {
        let bytes = |bytes: &[u8]| Text::from(std::ffi::OsStr::from_bytes(bytes));
        Self {
            argv: command.argv.iter().map(Text::from).collect(),
            env: command.env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            input: bytes(&command.input),
            file: command.file.as_ref().map(|(path, content)| (path.clone().into(), bytes(content))),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BindOrder {
    pub(crate) source: Text,
    pub(crate) target: Text,
    pub(crate) is_writable: bool,
}

/// What we are told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The next descriptor shows system calls of the build.
    Calls,
    /// The next descriptor is the outer end of the build's terminal.
    Terminal,
    /// The command was started.
    Started,
    /// The command ended with this status, as `wait` gives it.
    Ended(i32),
    /// More was written than allowed.
    DiskOver { bytes: u64 },
    /// After a failure: a file as large as allowed, by its path inside.
    FileFull { path: String },
    /// After a failure: how many processes there were besides process 1.
    Left { processes: u64 },
    /// A folder was deleted.
    Removed,
    /// What lies below a folder was written down.
    Written,
    /// What all processes together have used, and the largest of them at its peak.
    Usage { processor_time: Duration, largest_memory: u64 },
    /// A preparing command failed.
    Prepare { command: String, end: String },
    /// The machine refused something.
    Refused(String),
    /// The job names something that is not there.
    Job(String),
}

/// Sends an order to the keeper.
pub(crate) fn send_order(socket: impl AsFd, order: &Order) -> io::Result<()> {
    let mut file = File::from(memfd_create(c"bedplate-order", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(order)?)?;
    file.rewind()?;
    send(socket, b"order", Some(file.as_fd()))
}

/// The order that the keeper was started for; `None` if whoever started it is gone.
pub(crate) fn receive_order(socket: impl AsFd) -> io::Result<Option<Order>> {
    let Some((_, Some(file))) = receive_bytes(socket)? else { return Ok(None) };
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Sends a report, with a descriptor or without.
pub(crate) fn report(socket: impl AsFd, report: &Report, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    send(socket, &serde_json::to_vec(report)?, descriptor)
}

/// The next report; `None` at the end of the other side.
pub(crate) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    match receive_bytes(socket)? {
        Some((bytes, descriptor)) => Ok(Some((serde_json::from_slice(&bytes)?, descriptor))),
        None => Ok(None),
    }
}

fn send(socket: impl AsFd, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let slices = [IoSlice::new(bytes)];
    rustix::net::sendmsg(socket, &slices, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_bytes(socket: impl AsFd) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut bytes = vec![0; PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(&socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            // The keeper was killed with an order unread.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            result => break result?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptor = descriptors.next();
        }
    }
    Ok(Some((bytes, descriptor)))
}

/// A text that fits into a packet, and that a terminal shows as it is: names inside are a build's own choice.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 4 << 10;
    let characters = text.char_indices().take_while(|(index, _)| *index < MOST);
    characters.map(|(_, character)| if character.is_control() { '?' } else { character }).collect()
}
