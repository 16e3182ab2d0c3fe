//! One command of the tools, run in the sandbox with a folder that it may write to.
//!
//! ```text
//! TARGET's folder/.bedplate-RANDOM/   0700
//!   io/                               /build/io inside; 0755
//!     image                           what becomes the target; 0666, for the builder is another user
//!     tree                            the pipe
//!     …                               scripts and values
//! ```

use std::collections::VecDeque;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bedplate_cas::WorkFolder;
use bedplate_sandbox::{Bind, End, Job, Limits, Mode, run};
use bedplate_tree::FileTree;
use tempfile::TempDir;

use crate::feed::{self, Fed};
use crate::{Context, FilesystemError};

/// Lines of a program's output that an error has.
const LINES: usize = 30;

/// The image, inside.
pub(crate) const IMAGE: &str = "/build/io/image";

/// The pipe with the archive, inside.
pub(crate) const TREE: &str = "/build/io/tree";

/// A place to make one image.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    context: &'a Context<'a>,
    folder: TempDir,
    scratch: WorkFolder,
}

impl<'a> Workshop<'a> {
    /// Makes one beside the target.
    pub(crate) fn new(context: &'a Context<'a>, target: &Path) -> Result<Self, FilesystemError> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".bedplate-").tempdir_in(folder);
        let folder = made.map_err(FilesystemError::io("make a folder in", folder))?;
        let scratch = context.store.work("filesystem")?;
        let shop = Self { context, folder, scratch };
        let io = shop.io();
        fs::create_dir(&io).and_then(|()| open_up(&io, 0o755)).map_err(FilesystemError::io("make", &io))?;
        Ok(shop)
    }

    fn io(&self) -> PathBuf {
        self.folder.path().join("io")
    }

    /// Where the image is.
    pub(crate) fn image(&self) -> PathBuf {
        self.io().join("image")
    }

    /// Makes the image a hole of this size.
    pub(crate) fn clear_image(&self, size: u64) -> Result<(), FilesystemError> {
        let image = self.image();
        let made = File::create(&image).and_then(|file| file.set_len(size));
        made.and_then(|()| open_up(&image, 0o666)).map_err(FilesystemError::io("make", &image))
    }

    /// Puts a file beside the image; gives its path inside.
    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> Result<String, FilesystemError> {
        let path = self.io().join(name);
        let made = fs::write(&path, content).and_then(|()| open_up(&path, 0o644));
        made.map_err(FilesystemError::io("write", &path))?;
        Ok(format!("/build/io/{name}"))
    }

    /// Runs a script of the shell. If there is a tree, its archive comes out of [`TREE`]. Gives what the script wrote.
    pub(crate) fn run(
        &self,
        script: &str,
        tree: Option<&FileTree>,
        binds: &[Bind],
    ) -> Result<Vec<String>, FilesystemError> {
        let mut binds = binds.to_vec();
        binds.push(Bind { source: self.io(), target: "/build/io".into(), writable: true });
        let env = [
            ("PATH", "/usr/sbin:/usr/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            // No SOURCE_DATE_EPOCH: with that, mkfs.erofs changes later times of files to it.
        ];
        let job = Job {
            layers: vec![self.context.tools.to_owned()],
            scratch: self.scratch.path().join("root"),
            binds,
            prepare: Vec::new(),
            argv: ["sh", "-ec", script].map(Into::into).to_vec(),
            env: env.map(|(name, value)| (name.into(), value.into())).to_vec(),
            folder: "/build".into(),
            limits: Limits { wall: Duration::from_secs(3600), disk: 1 << 40, file: 1 << 50, ..Limits::default() },
            mode: Mode::Batch,
        };
        let mut lines = VecDeque::new();
        let mut run = || {
            run(&job, self.context.helper, self.context.cancel, &mut |line| {
                lines.push_back(String::from_utf8_lossy(line).into_owned());
            })
        };
        let (outcome, fed) = match tree {
            None => (run(), Ok(Fed::Whole)),
            Some(tree) => {
                let pipe = self.io().join("tree");
                if !pipe.exists() {
                    feed::make_pipe(&pipe)?;
                }
                feed::while_feeding(tree, self.context.store, &pipe, run)
            }
        };
        bedplate_sandbox::remove(&self.scratch.path().join("root"), self.context.helper)?;
        let end = outcome?.end;
        let command = || script.to_owned();
        let output = |lines: VecDeque<String>| -> Vec<String> {
            let first = lines.len().saturating_sub(LINES);
            lines.into_iter().skip(first).collect()
        };
        match (end, fed) {
            (End::Cancelled, _) => Err(FilesystemError::Cancelled),
            // A content that could not be read is why the program failed.
            (_, Err(error)) => Err(error),
            (End::Exited(0), Ok(Fed::Whole)) => Ok(lines.into()),
            (End::Exited(0), Ok(Fed::Part)) => {
                Err(FilesystemError::Incomplete { command: command(), output: output(lines) })
            }
            (end, _) => Err(FilesystemError::Tool { command: command(), end, output: output(lines) }),
        }
    }

    /// The image becomes the target, whatever was there.
    pub(crate) fn publish(&self, target: &Path) -> Result<(), FilesystemError> {
        let image = self.image();
        open_up(&image, 0o644).and_then(|()| fs::rename(&image, target)).map_err(FilesystemError::io("write", target))
    }
}

fn open_up(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// A word of a shell's command.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A UUID as text.
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [&uuid[..4], &uuid[4..6], &uuid[6..8], &uuid[8..10], &uuid[10..]].map(hex).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_uuids() {
        assert_eq!(quoted("a'b c"), r"'a'\''b c'");
        let uuid = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(uuid_text(&uuid), "12345678-9abc-def0-0102-030405060708");
    }
}
