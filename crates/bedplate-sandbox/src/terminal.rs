//! Our terminal, for as long as a build has it: keys go in, its screen comes out.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// Lines and columns of our own terminal; those of an old one if we have none.
pub(crate) fn size() -> (u16, u16) {
    match tcgetwinsize(rustix::stdio::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => (24, 80),
    }
}

/// The outer end of a build's terminal, joined to our standard input and output. Dropping it gives our terminal back as it was.
#[derive(Debug)]
pub(crate) struct Terminal {
    outer: OwnedFd,
    before: Option<Termios>,
    /// Keys that the build has not taken yet.
    keys: Vec<u8>,
    has_input: bool,
    is_open: bool,
}

impl Terminal {
    pub(crate) fn join(outer: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&outer, true)?;
        let stdin = rustix::stdio::stdin();
        let mut before = None;
        if isatty(stdin) {
            let termios = tcgetattr(stdin)?;
            let mut raw = termios.clone();
            raw.make_raw();
            tcsetattr(stdin, OptionalActions::Now, &raw)?;
            before = Some(termios);
        }
        let terminal = Self { outer, before, keys: Vec::new(), has_input: true, is_open: true };
        terminal.follow_size();
        Ok(terminal)
    }

    /// Gives the build's terminal the size that ours has now.
    pub(crate) fn follow_size(&self) {
        // Either may be no terminal, or gone; then there is no size to follow.
        if let (Ok(ours), Ok(theirs)) = (tcgetwinsize(rustix::stdio::stdin()), tcgetwinsize(&self.outer))
            && ours.ws_row > 0
            && (ours.ws_row, ours.ws_col) != (theirs.ws_row, theirs.ws_col)
        {
            let _ = tcsetwinsize(&self.outer, ours);
        }
    }

    /// What to wait for: ours and theirs.
    pub(crate) fn wishes(&self) -> (Option<BorrowedFd<'_>>, Option<(BorrowedFd<'_>, PollFlags)>) {
        let ours = (self.has_input && self.keys.is_empty()).then(rustix::stdio::stdin);
        let wanted = if self.keys.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        (ours, self.is_open.then(|| (self.outer.as_fd(), wanted)))
    }

    /// Takes keys from our terminal.
    pub(crate) fn take_keys(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => {
                self.has_input = false;
                // As if somebody had typed the end of the input; harmless if nobody reads lines.
                self.keys.push(4);
            }
            Ok(count) => self.keys.extend_from_slice(&buffer[..count]),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.has_input = false,
        }
    }

    /// Hands keys in and writes out what there is.
    pub(crate) fn relay(&mut self) -> io::Result<()> {
        if !self.keys.is_empty()
            && let Ok(count) = rustix::io::write(&self.outer, &self.keys)
        {
            self.keys.drain(..count);
        }
        let mut buffer = [0; 16 << 10];
        loop {
            match rustix::io::read(&self.outer, &mut buffer) {
                Ok(0) => self.is_open = false,
                Ok(count) => write_all(rustix::stdio::stdout(), &buffer[..count])?,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                // The last who had it open is gone.
                Err(_) => self.is_open = false,
            }
            if !self.is_open {
                return Ok(());
            }
        }
    }
}

fn write_all(target: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&target, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.relay();
        if let Some(before) = &self.before {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, before);
        }
    }
}
