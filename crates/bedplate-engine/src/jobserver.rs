//! One GNU make jobserver for all builds: so many processes in all, however many builds run.
//!
//! A named pipe holds one byte for each process that may start (make 4.4 and later, ninja 1.13 and later, cargo read it). A build
//! holds one token for as long as it runs, its implicit one, and its make takes another for each further process:
//!
//! ```text
//! fifo [+ + + + +]   8 tokens in all
//!   ├── build zlib   holds 1; its make took 1 more
//!   └── build bash   holds 1
//! ```
//!
//! A build that is killed takes tokens with it. Nobody can count them while others run, but as soon as no build holds one, all
//! tokens have to be in the pipe: it is filled again then. Until that, each running build still has its own, so that nothing waits
//! for ever.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedplate_diag::Category;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

use crate::worker::Cancel;

/// The byte of a token: what make itself writes.
const TOKEN: u8 = b'+';
/// More tokens than a pipe takes on any system.
const MOST_TOKENS: usize = 4096;
/// How often somebody who waits for a token looks whether the run is cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// The jobserver cannot be had.
#[derive(Debug, Error)]
#[error("cannot {action} the jobserver's pipe {}", path.display())]
pub struct JobserverError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl JobserverError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        Category::Environment
    }
}

/// A pipe of tokens; it is removed with the value.
#[derive(Debug)]
pub struct Jobserver {
    path: PathBuf,
    tokens: usize,
    pipe: OwnedFd,
    /// How many builds hold a token. Who takes or gives one for a build has this lock.
    held: Mutex<usize>,
}

/// The token of a build that runs; it is given back when this is dropped.
#[derive(Debug)]
pub struct Token<'a>(&'a Jobserver);

impl Jobserver {
    /// Makes the pipe at a path where nothing is, with so many tokens (1 to 4096; what is beyond is taken as the bound).
    ///
    /// Everybody may read and write it, as a build runs as another user: who may reach it is the folder's matter.
    ///
    /// # Errors
    /// If the pipe cannot be made.
    pub fn create(path: &Path, tokens: usize) -> Result<Self, JobserverError> {
        let fail = |action| move |error: Errno| JobserverError { action, path: path.to_owned(), source: error.into() };
        let all = Mode::from_raw_mode(0o666);
        rustix::fs::mkfifoat(CWD, path, all).map_err(fail("make"))?;
        // The umask took its part.
        rustix::fs::chmodat(CWD, path, all, rustix::fs::AtFlags::empty()).map_err(fail("open up"))?;
        // For reading and writing: the pipe keeps its tokens while nobody else has it open.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let pipe = rustix::fs::open(path, flags, Mode::empty()).map_err(fail("open"))?;
        let tokens = tokens.clamp(1, MOST_TOKENS);
        let server = Self { path: path.to_owned(), tokens, pipe, held: Mutex::new(0) };
        server.fill().map_err(fail("fill"))?;
        Ok(server)
    }

    /// The pipe.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many processes may run in all.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The value of `MAKEFLAGS` for a build that sees the pipe at this path.
    ///
    /// It does not say how many tokens there are: a build must not be able to depend on that.
    pub fn make_flags(path: &str) -> String {
        format!("-j --jobserver-auth=fifo:{path}")
    }

    /// Takes the token of a build that starts; waits until there is one. None if the run was cancelled meanwhile.
    ///
    /// # Errors
    /// If the pipe is broken.
    pub fn acquire(&self, cancel: &Cancel) -> Result<Option<Token<'_>>, JobserverError> {
        let fail = |error: Errno| JobserverError { action: "read", path: self.path.clone(), source: error.into() };
        while !cancel.is_cancelled() {
            {
                let mut held = self.lock();
                if *held == 0 {
                    // A token that somebody lost is missing, and nobody is left who could give it back.
                    self.fill().map_err(fail)?;
                }
                if self.take().map_err(fail)? {
                    *held += 1;
                    return Ok(Some(Token(self)));
                }
            }
            let wait = Timespec::try_from(LOOK).expect("a tenth of a second is a time");
            match poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], Some(&wait)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        Ok(None)
    }

    /// Takes a token, if there is one.
    fn take(&self) -> Result<bool, Errno> {
        loop {
            match rustix::io::read(&self.pipe, &mut [0_u8; 1][..]) {
                Ok(count) => return Ok(count == 1),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts as many tokens into the pipe as there are, no more and no less. Nobody may hold one.
    fn fill(&self) -> Result<(), Errno> {
        while self.take()? {}
        let tokens = vec![TOKEN; self.tokens];
        let mut written = 0;
        while written < tokens.len() {
            match rustix::io::write(&self.pipe, &tokens[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        *held -= 1;
        // If the pipe is full, somebody wrote tokens that were none. The next who finds it idle mends it.
        let _ = rustix::io::write(&self.0.pipe, &[TOKEN]);
        if *held == 0 {
            let _ = self.0.fill();
        }
    }
}

impl Drop for Jobserver {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    fn server(tokens: usize) -> (tempfile::TempDir, Jobserver) {
        let folder = tempfile::tempdir().unwrap();
        let server = Jobserver::create(&folder.path().join("jobserver"), tokens).unwrap();
        (folder, server)
    }

    /// How many tokens are in the pipe.
    fn count(server: &Jobserver) -> usize {
        let held = server.lock();
        let mut count = 0;
        while server.take().unwrap() {
            count += 1;
        }
        rustix::io::write(&server.pipe, &vec![TOKEN; count]).unwrap();
        drop(held);
        count
    }

    /// Another process takes tokens, as make does, and keeps them for ever.
    fn steal(server: &Jobserver, tokens: usize) {
        let command = format!("exec dd bs=1 count={tokens} of=/dev/null status=none < '{}'", server.path().display());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    #[test]
    fn each_build_holds_a_token_and_gives_it_back() {
        let (folder, server) = server(4);
        assert_eq!(count(&server), 4);
        let cancel = Cancel::new();
        let first = server.acquire(&cancel).unwrap().unwrap();
        let second = server.acquire(&cancel).unwrap().unwrap();
        assert_eq!(count(&server), 2);
        drop(first);
        assert_eq!(count(&server), 3);
        drop(second);
        assert_eq!(count(&server), 4);
        let mode = std::fs::metadata(server.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        drop(server);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn tokens_of_a_killed_build_come_back_as_soon_as_nothing_runs() {
        let (_folder, server) = server(5);
        let cancel = Cancel::new();
        let (killed, other) = (server.acquire(&cancel).unwrap().unwrap(), server.acquire(&cancel).unwrap().unwrap());
        steal(&server, 3);
        drop(killed);
        assert_eq!(count(&server), 1);
        drop(other);
        assert_eq!(count(&server), 5);
    }

    #[test]
    fn tokens_that_a_build_made_up_are_gone_as_well() {
        let (_folder, server) = server(2);
        let token = server.acquire(&Cancel::new()).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(server.path())
            .and_then(|mut to| io::Write::write_all(&mut to, b"+++"))
            .unwrap();
        assert_eq!(count(&server), 4);
        drop(token);
        assert_eq!(count(&server), 2);
    }

    #[test]
    fn who_finds_no_token_waits_for_one_or_for_the_end() {
        let (_folder, server) = server(1);
        let cancel = Cancel::new();
        let first = server.acquire(&cancel).unwrap().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| server.acquire(&cancel).unwrap().is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
        let first = server.acquire(&cancel).unwrap().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| server.acquire(&cancel).unwrap().is_some());
            cancel.cancel();
            assert!(!second.join().unwrap());
        });
        drop(first);
    }

    #[test]
    fn a_pipe_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere/pipe");
        let error = Jobserver::create(&path, 1).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot make the jobserver's pipe {}", path.display()));
        assert_eq!(error.category(), Category::Environment);
    }
}
