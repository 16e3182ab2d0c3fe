//! An archive of the tree, through a named pipe into a program that runs in the sandbox: no copy of it is ever on disk.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;

use bedplate_cas::Store;
use bedplate_tree::{FileTree, write_archive};
use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::FilesystemError;

/// Bytes that wait in the pipe, so that the two sides need not take turns.
const PIPE: usize = 1 << 20;

/// An archive ends with so many zero bytes, and a reader that has seen the first of them may leave.
const END: u64 = 1024;

/// Makes the pipe, which anybody may read from.
pub(crate) fn make_pipe(path: &Path) -> Result<(), FilesystemError> {
    let made = rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0);
    made.and_then(|()| rustix::fs::chmod(path, Mode::from_raw_mode(0o644)))
        .map_err(FilesystemError::io("make the pipe", path))
}

/// What became of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The reader has all of it.
    Whole,
    /// Nobody opened the pipe, or the reader left before the end.
    Part,
}

/// How far the two sides are.
#[derive(Debug, Default)]
struct State {
    /// Both ends of the pipe are open, or were.
    is_open: bool,
    /// There is no reader any more.
    is_over: bool,
}

/// Writes the archive of a tree to the pipe while `read` runs, which has a program read it.
pub(crate) fn while_feeding<T>(
    tree: &FileTree,
    store: &Store,
    pipe: &Path,
    read: impl FnOnce() -> T,
) -> (T, Result<Fed, FilesystemError>) {
    let state = Mutex::new(State::default());
    let lock = || state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // Waits for the reader.
            let file = File::options().write(true).open(pipe).map_err(FilesystemError::io("open the pipe", pipe))?;
            {
                let mut state = lock();
                if state.is_over {
                    return Ok(Fed::Part);
                }
                state.is_open = true;
            }
            // A smaller pipe only makes it slower.
            let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE);
            let target = BufWriter::with_capacity(PIPE, Pipe { file, lost: 0 });
            let target = write_archive(tree, store, target)?;
            let pipe_end = target.into_inner().map_err(|error| error.into_error());
            let pipe_end = pipe_end.map_err(FilesystemError::io("write to the pipe", pipe))?;
            Ok(if pipe_end.lost <= END { Fed::Whole } else { Fed::Part })
        });
        let value = read();
        let mut state = lock();
        state.is_over = true;
        let is_open = state.is_open;
        drop(state);
        // A writer that waits for a reader yet gets one, and sees that it is over.
        let wake = (!is_open).then(|| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::open(pipe, flags, Mode::empty())
        });
        let fed = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        drop(wake);
        (value, fed)
    })
}

/// The writing end. When nobody reads any more, it counts what is lost: what the program says of why is worth more than that.
struct Pipe {
    file: File,
    lost: u64,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lost == 0 {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                other => return other,
            }
        }
        self.lost += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
