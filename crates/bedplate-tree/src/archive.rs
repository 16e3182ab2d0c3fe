//! A tree as a tar archive (pax), the same bytes for the same tree: what mkfs tools, OCI layers and root archives are made from.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use bedplate_cas::{Place, Store, StoreError};
use bedplate_diag::Category;
use tar::{Builder, EntryType, Header};

use crate::{Entry, FileTree, Kind, TreePath};

/// The largest number that the eight octal digits of an owner hold.
const LARGEST_OWNER: u32 = 0o7_777_777;

/// The name of an extended attribute in a pax header, as GNU tar, bsdtar and the OCI image specification have it.
const XATTR_PREFIX: &str = "SCHILY.xattr.";

/// Why an archive was not written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The target took no bytes.
    #[error("failed to write the archive at `{path}`")]
    Write {
        /// The entry that was written.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// A file's content could not be opened.
    #[error("failed to read `{}`", file.display())]
    Read {
        /// The file of the store.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file's content is not in the store, or damaged.
    #[error("failed to read the content of `{path}`")]
    Content {
        /// The entry.
        path: TreePath,
        /// Why.
        source: StoreError,
    },
}

impl ArchiveError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Write { .. } | Self::Read { .. } => Category::Environment,
            Self::Content { source, .. } => source.category(),
        }
    }
}

/// Writes a tree as a tar archive: entries by path, hard links after all others; names relative (`./` is the root); owners as
/// numbers only; extended attributes in pax headers.
///
/// # Errors
///
/// See [`ArchiveError`].
pub fn write_archive<W: Write>(tree: &FileTree, store: &Store, target: W) -> Result<W, ArchiveError> {
    let mut archive = Builder::new(target);
    for links in [false, true] {
        for (path, entry) in tree.iter().filter(|(_, entry)| matches!(entry.kind, Kind::HardLink(_)) == links) {
            write_entry(&mut archive, tree, store, path, entry)?;
        }
    }
    archive.into_inner().map_err(|source| ArchiveError::Write { path: TreePath::root(), source })
}

fn write_entry<W: Write>(
    archive: &mut Builder<W>,
    tree: &FileTree,
    store: &Store,
    path: &TreePath,
    entry: &Entry,
) -> Result<(), ArchiveError> {
    let failed = |source| ArchiveError::Write { path: path.clone(), source };
    // A link says what its file says.
    let facts = match &entry.kind {
        Kind::HardLink(target) => tree.get(target.as_str()).unwrap_or(entry),
        _ => entry,
    };
    let mut header = Header::new_ustar();
    header.set_mode(u32::from(facts.mode));
    header.set_size(0);
    let mut records: Vec<(String, Vec<u8>)> = Vec::new();
    let mut number = |key: &str, value: u32| {
        if value > LARGEST_OWNER {
            records.push((key.to_owned(), value.to_string().into_bytes()));
        }
        u64::from(value.min(LARGEST_OWNER))
    };
    header.set_uid(number("uid", facts.uid));
    header.set_gid(number("gid", facts.gid));
    match u64::try_from(facts.mtime) {
        Ok(time) if time < 1 << 33 => header.set_mtime(time),
        _ => {
            header.set_mtime(0);
            records.push(("mtime".to_owned(), facts.mtime.to_string().into_bytes()));
        }
    }
    let mut name = if path.is_root() { "./".to_owned() } else { path.relative().to_owned() };
    let mut link = None;
    let mut content = None;
    let kind = match &entry.kind {
        Kind::Directory => {
            if !path.is_root() {
                name.push('/');
            }
            EntryType::Directory
        }
        Kind::File(digest) => {
            let place = store.sound_place_of(digest);
            let Place { path: file, offset, .. } =
                place.map_err(|source| ArchiveError::Content { path: path.clone(), source })?;
            let opened = File::open(&file).and_then(|mut opened| {
                opened.seek(SeekFrom::Start(offset))?;
                Ok(opened.take(digest.size))
            });
            content = Some(opened.map_err(|source| ArchiveError::Read { file, source })?);
            header.set_size(digest.size.min(LARGEST_SIZE));
            if digest.size > LARGEST_SIZE {
                records.push(("size".to_owned(), digest.size.to_string().into_bytes()));
            }
            EntryType::Regular
        }
        Kind::Symlink(target) => {
            link = Some(target.as_str());
            EntryType::Symlink
        }
        Kind::HardLink(target) => {
            link = Some(target.relative());
            EntryType::Link
        }
        Kind::CharacterDevice { major, minor } => {
            header.set_device_major(*major).map_err(failed)?;
            header.set_device_minor(*minor).map_err(failed)?;
            EntryType::Char
        }
        Kind::BlockDevice { major, minor } => {
            header.set_device_major(*major).map_err(failed)?;
            header.set_device_minor(*minor).map_err(failed)?;
            EntryType::Block
        }
        Kind::Fifo => EntryType::Fifo,
    };
    header.set_entry_type(kind);
    // Long names: a pax record has them whole, the header what fits.
    if header.set_path(&name).is_err() || name.len() > 100 {
        records.push(("path".to_owned(), name.clone().into_bytes()));
        set_text(&mut header.as_ustar_mut().expect("it was made as one").name, &name);
        header.as_ustar_mut().expect("it was made as one").prefix = [0; 155];
    }
    if let Some(link) = link {
        if link.len() > 100 {
            records.push(("linkpath".to_owned(), link.as_bytes().to_vec()));
        }
        set_text(&mut header.as_ustar_mut().expect("it was made as one").linkname, link);
    }
    records.extend(facts.xattrs.iter().map(|(name, value)| (format!("{XATTR_PREFIX}{name}"), value.clone())));
    records.sort();
    if !records.is_empty() {
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        archive.append_pax_extensions(records).map_err(failed)?;
    }
    header.set_cksum();
    match content {
        Some(file) => archive.append(&header, file).map_err(failed),
        None => archive.append(&header, io::empty()).map_err(failed),
    }
}

/// The largest size that eleven octal digits hold.
const LARGEST_SIZE: u64 = 0o77_777_777_777;

fn set_text(field: &mut [u8], text: &str) {
    field.fill(0);
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::Arc;

    use bedplate_cas::Digest;

    use super::*;
    use crate::Xattrs;

    /// GNU tar reads what we write.
    #[test]
    fn tar_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let origin: Arc<str> = Arc::from("test");
        let mut tree = FileTree::new();
        let long = format!("/{}/{}", "d".repeat(120), "n".repeat(200));
        let mut add = |path: &str, kind: Kind, mode: u16, uid: u32| {
            let entry = Entry { uid, gid: 7, mtime: 1_700_000_000, ..Entry::new(kind, mode, &origin) };
            tree.insert(path.parse().unwrap(), entry).unwrap();
        };
        let file = Kind::File(store.put(b"text").unwrap());
        add("/usr/bin/tool", file.clone(), 0o4755, 3_000_000_000);
        add("/bin", Kind::Symlink("usr/bin".into()), 0o777, 0);
        add(&long, file, 0o600, 1);
        add("/a-link", Kind::HardLink("/usr/bin/tool".parse().unwrap()), 0o644, 0);
        add("/far", Kind::Symlink("x".repeat(300)), 0o777, 0);
        add("/dev/null", Kind::CharacterDevice { major: 1, minor: 3 }, 0o666, 0);
        add("/run/pipe", Kind::Fifo, 0o600, 0);
        tree.get_mut("/usr/bin/tool").unwrap().xattrs = Xattrs::from([("user.note".to_owned(), b"a\0b\n".to_vec())]);

        let bytes = write_archive(&tree, &store, Vec::new()).unwrap();
        assert_eq!(bytes, write_archive(&tree, &store, Vec::new()).unwrap());
        let archive = folder.path().join("a.tar");
        std::fs::write(&archive, &bytes).unwrap();
        let run = |arguments: &[&str]| {
            let out = Command::new("tar").args(arguments).arg("-f").arg(&archive).env("TZ", "UTC").output().unwrap();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        let listing = run(&["--numeric-owner", "--full-time", "-tv"]);
        let time = "2023-11-14 22:13:20";
        for line in [
            format!("-rwsr-xr-x 3000000000/7       4 {time} usr/bin/tool"),
            format!("lrwxrwxrwx 0/7               0 {time} bin -> usr/bin"),
            format!("hrwsr-xr-x 3000000000/7       0 {time} a-link link to usr/bin/tool"),
            format!("crw-rw-rw- 0/7             1,3 {time} dev/null"),
            format!("prw------- 0/7               0 {time} run/pipe"),
            format!("lrwxrwxrwx 0/7               0 {time} far -> {}", "x".repeat(300)),
            format!("-rw------- 1/7               4 {time} {}", &long[1..]),
        ] {
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(listing.lines().any(|other| squeeze(other) == squeeze(&line)), "{line}\n{listing}");
        }
        assert_eq!(
            listing.lines().last().map(|line| line.contains("a-link")),
            Some(true),
            "links come last\n{listing}"
        );
        assert!(run(&["--xattrs", "-tvv"]).contains("user.note"));
        assert_eq!(run(&["-xO", "usr/bin/tool"]), "text");
    }

    #[test]
    fn names_the_file_whose_content_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut tree = FileTree::new();
        let entry = Entry::new(Kind::File(Digest::of(b"nowhere")), 0o644, &Arc::from("test"));
        tree.insert("/etc/x".parse().unwrap(), entry).unwrap();
        let error = write_archive(&tree, &store, Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "failed to read the content of `/etc/x`");
    }
}
