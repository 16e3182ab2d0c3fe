//! Archives of the kernel's initramfs: cpio in the "new ASCII" form (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! All files are root's, have a time of zero, one link and numbers in the order in which they are written.

use std::io::{self, Write};

/// The bits of a mode that say what a file is.
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// What an entry of an archive is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CpioEntry<'a> {
    Directory { mode: u16 },
    File { mode: u16, content: &'a [u8] },
    Symlink { target: &'a str },
}

/// Writes an archive.
#[derive(Debug)]
pub(crate) struct CpioWriter<W> {
    target: W,
    written: u64,
    number: u32,
}

impl<W: Write> CpioWriter<W> {
    pub(crate) fn new(target: W) -> Self {
        Self { target, written: 0, number: 0 }
    }

    /// Writes an entry. `path` is relative; its folder has to be written before.
    pub(crate) fn entry(&mut self, path: &str, entry: CpioEntry<'_>) -> io::Result<()> {
        let (mode, content) = match entry {
            CpioEntry::Directory { mode } => (DIRECTORY | u32::from(mode), &[][..]),
            CpioEntry::File { mode, content } => (FILE | u32::from(mode), content),
            CpioEntry::Symlink { target } => (SYMLINK | 0o777, target.as_bytes()),
        };
        self.number += 1;
        self.record(path, self.number, mode, content)
    }

    /// Writes the end; gives the target and how many bytes went there.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64)> {
        self.record("TRAILER!!!", 0, 0, &[])?;
        Ok((self.target, self.written))
    }

    fn record(&mut self, name: &str, number: u32, mode: u32, content: &[u8]) -> io::Result<()> {
        let too_large =
            |_| io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} does not fit into a cpio archive"));
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_large)?;
        // number, mode, owner, group, links, time, size, device (2), device it is (2), length of the name, checksum
        let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        let mut header = String::with_capacity(110 + name.len() + 4);
        header.push_str("070701");
        for field in fields {
            header.push_str(&format!("{field:08x}"));
        }
        header.push_str(name);
        header.push('\0');
        self.write_padded(header.as_bytes())?;
        self.write_padded(content)
    }

    /// Headers with their names, and contents, end at multiples of four.
    fn write_padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.target.write_all(bytes)?;
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        self.target.write_all(&[0; 3][..padding])?;
        self.written += (bytes.len() + padding) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn cpio_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = CpioWriter::new(Vec::new());
        writer.entry("etc", CpioEntry::Directory { mode: 0o755 }).unwrap();
        writer.entry("etc/five", CpioEntry::File { mode: 0o640, content: b"12345" }).unwrap();
        writer.entry("etc/empty", CpioEntry::File { mode: 0o644, content: b"" }).unwrap();
        writer.entry("init", CpioEntry::Symlink { target: "etc/five" }).unwrap();
        let (bytes, written) = writer.finish().unwrap();
        assert_eq!(bytes.len() as u64, written);
        let file = folder.path().join("archive");
        std::fs::write(&file, &bytes).unwrap();
        let output = Command::new("cpio")
            .args(["--quiet", "-itvn"])
            .stdin(std::fs::File::open(&file).unwrap())
            .env("TZ", "UTC")
            .output()
            .expect("cpio is installed by toolkit/host-setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> =
            listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x 1 0 0 0 Jan 1 1970 etc",
                "-rw-r----- 1 0 0 5 Jan 1 1970 etc/five",
                "-rw-r--r-- 1 0 0 0 Jan 1 1970 etc/empty",
                "lrwxrwxrwx 1 0 0 8 Jan 1 1970 init -> etc/five",
            ]
        );
    }
}
