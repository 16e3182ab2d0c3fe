//! Blobs: files named by the digest of their content, hashed again whenever they are read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::digest::{self, Copied, CopyError, Hashing, copy_all};
use crate::record::{remove_file, rename_into};
use crate::store::hold;
use crate::{Damage, Digest, Store, StoreError};

/// Which of a blob's two possible files: hard links share a mode, so that an executable has an inode of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlobKind {
    /// Mode 0444.
    Plain,
    /// Mode 0555.
    Executable,
}

impl BlobKind {
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Executable];

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Executable => ".x",
        }
    }

    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::Plain => 0o444,
            Self::Executable => 0o555,
        }
    }

    /// The kind that a file of this mode is.
    pub fn of_mode(mode: u32) -> Self {
        if mode & 0o111 == 0 { Self::Plain } else { Self::Executable }
    }
}

/// Where the bytes of a content are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A file. It must not be changed.
    pub path: PathBuf,
    /// Where they begin in it; others may follow them.
    pub offset: u64,
    /// The file has nothing else.
    pub is_whole: bool,
    /// It is known that no 8 KiB in a row are zero.
    pub is_dense: bool,
}

/// The time that all blobs, and folders and links of checkouts, have: builds see it.
pub(crate) const FIXED_TIME: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A complete file that has no name in the store yet; removed if it gets none.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) digest: Digest,
    kind: BlobKind,
    path: PathBuf,
    inode: u64,
    copied: Copied,
    /// Whether it has its name.
    is_published: AtomicBool,
}

impl Staged {
    fn new(digest: Digest, kind: BlobKind, path: PathBuf) -> Self {
        let copied = Copied { is_dense: false };
        Self { digest, kind, path, inode: 0, copied, is_published: AtomicBool::new(false) }
    }

    /// Writes it to the disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(StoreError::io("write", &self.path))
    }

    /// Gives it its name.
    pub(crate) fn publish(&self, store: &Store) -> Result<(), StoreError> {
        rename_into(&self.path, &store.inner.layout.blob(&self.digest, self.kind))?;
        self.is_published.store(true, Ordering::Relaxed);
        hold(&store.inner.written).insert(self.inode, (self.digest, self.copied));
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !*self.is_published.get_mut() {
            // Nobody else uses its name.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Store {
    /// Puts bytes in; they are on the disk when this returns.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if !self.use_again(&digest) {
            self.finish(&self.stage_bytes(bytes, digest, BlobKind::Plain)?)?;
        }
        Ok(digest)
    }

    /// Puts the content of a file in.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let mut file = File::open(path).map_err(StoreError::io("read", path))?;
        let digest = hash(&mut file, path)?;
        if self.use_again(&digest) {
            return Ok(digest);
        }
        let staged = self.stage_reader(file, BlobKind::Plain, path)?;
        self.finish(&staged)?;
        Ok(staged.digest)
    }

    /// Takes a file of a work folder of this store as it is: it is hashed, and gets another name. It is not there any more then.
    ///
    /// # Errors
    /// If it cannot be read or named.
    pub fn take_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let mut file = File::open(path).map_err(StoreError::io("read", path))?;
        let digest = hash(&mut file, path)?;
        // It is removed if there is such a blob already.
        let mut staged = Staged::new(digest, BlobKind::Plain, path.to_owned());
        if !self.use_again(&digest) {
            staged.inode = fix(&file, staged.kind).map_err(StoreError::io("write", path))?;
            self.finish(&staged)?;
        }
        Ok(digest)
    }

    /// Puts all that a reader gives in.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn put_reader(&self, reader: impl Read) -> Result<Digest, StoreError> {
        let staged = self.stage_reader(reader, BlobKind::Plain, Path::new("a stream"))?;
        let digest = staged.digest;
        if !self.use_again(&digest) {
            self.finish(&staged)?;
        }
        Ok(digest)
    }

    fn finish(&self, staged: &Staged) -> Result<(), StoreError> {
        staged.sync()?;
        staged.publish(self)
    }

    /// Whether a blob is there, as far as its size, mode and time tell. Its content is hashed when it is read.
    pub fn has(&self, digest: &Digest) -> bool {
        self.is_packed(digest) || self.has_blob(digest)
    }

    /// Whether it is there as a file of its own.
    pub(crate) fn has_blob(&self, digest: &Digest) -> bool {
        BlobKind::ALL.into_iter().any(|kind| self.has_kind(digest, kind))
    }

    fn has_kind(&self, digest: &Digest, kind: BlobKind) -> bool {
        let data = fs::symlink_metadata(self.inner.layout.blob(digest, kind));
        data.is_ok_and(|data| data.len() == digest.size && wrong_file(&data, kind).is_none())
    }

    /// As [`Store::has`]; one that is there counts as used just now.
    pub(crate) fn use_again(&self, digest: &Digest) -> bool {
        let found = BlobKind::ALL.into_iter().find(|kind| self.has_kind(digest, *kind));
        // Where it cannot be noted, the blob only goes earlier.
        found.is_some_and(|kind| fix_time(&self.inner.layout.blob(digest, kind)).is_ok() || self.has_blob(digest))
    }

    /// The content of a blob. It was hashed after it was read.
    ///
    /// # Errors
    /// If it is not there, or was damaged: then it is dropped.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.read_packed(digest)? {
            return Ok(bytes);
        }
        self.with_blob(digest, |path, file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
            Ok((Digest::of(&bytes), bytes))
        })
    }

    /// The file of a blob, which was hashed just now. It must not be changed; its mode is 0444 or 0555.
    ///
    /// # Errors
    /// If it is not there, or was damaged: then it is dropped.
    pub fn path_of(&self, digest: &Digest) -> Result<PathBuf, StoreError> {
        self.with_blob(digest, |path, file| {
            let found = digest::of_reader(file).map_err(StoreError::io("read", path))?;
            Ok((found, path.to_owned()))
        })
    }

    /// Where a content is. As for [`Store::path_of`], but a file that this process has hashed or written already, and that is as it was
    /// then by its inode, is not hashed again.
    ///
    /// # Errors
    /// If it is not there, or was damaged: then it is dropped.
    pub fn sound_place_of(&self, digest: &Digest) -> Result<Place, StoreError> {
        let Some((pack, offset)) = self.packed(digest) else { return self.sound_blob(digest) };
        let place = self.sound_blob(&pack).inspect_err(|_| self.forget_pack(&pack))?;
        Ok(Place { offset, is_whole: false, ..place })
    }

    fn sound_blob(&self, digest: &Digest) -> Result<Place, StoreError> {
        let place = |path, is_dense| Place { path, offset: 0, is_whole: true, is_dense };
        for kind in BlobKind::ALL {
            let path = self.inner.layout.blob(digest, kind);
            if let Some(Copied { is_dense }) = self.written(digest, kind, &path) {
                return Ok(place(path, is_dense));
            }
            if matches!(self.wrong(digest, kind, &path), Ok(None)) {
                return Ok(place(path, false));
            }
        }
        // Whatever is wrong with its files is found out and told there.
        Ok(place(self.path_of(digest)?, false))
    }

    /// What is known of a file that this process wrote, if it is as it was then by its inode.
    fn written(&self, digest: &Digest, kind: BlobKind, path: &Path) -> Option<Copied> {
        let data = fs::symlink_metadata(path).ok()?;
        let is_whole = data.len() == digest.size && wrong_file(&data, kind).is_none();
        let (written, copied) = *hold(&self.inner.written).get(&data.ino()).filter(|_| is_whole)?;
        (written == *digest).then_some(copied)
    }

    /// Where the file of a blob is, if it has one; it is not hashed. For those who compare what they read themselves.
    pub fn place_of(&self, digest: &Digest) -> Option<PathBuf> {
        let kind = BlobKind::ALL.into_iter().find(|kind| self.has_kind(digest, *kind))?;
        Some(self.inner.layout.blob(digest, kind))
    }

    /// Copies a blob to a new file (or over an old one), hashed on the way: there is the whole file or none.
    ///
    /// # Errors
    /// If it is not there, was damaged (then it is dropped), or the file cannot be written.
    pub fn copy(&self, digest: &Digest, target: &Path) -> Result<(), StoreError> {
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = self.with_blob(digest, |path, from| {
            // Readable for all, as far as the umask allows.
            let made = tempfile::Builder::new()
                .prefix(".bedplate-")
                .permissions(fs::Permissions::from_mode(0o666))
                .tempfile_in(folder);
            let file = made.map_err(StoreError::io("write", target))?;
            let mut hashing = Hashing::new(file);
            copy_all(from, &mut hashing).map_err(copy_error(path, target))?;
            Ok(hashing.finish())
        })?;
        file.persist(target).map_err(|error| StoreError::io("write", target)(error.error))?;
        Ok(())
    }

    /// Tries the files of a blob, until what is read has the right digest. Those that have not are dropped.
    fn with_blob<T>(
        &self,
        digest: &Digest,
        mut read: impl FnMut(&Path, &mut File) -> Result<(Digest, T), StoreError>,
    ) -> Result<T, StoreError> {
        let mut damaged = None;
        for kind in BlobKind::ALL {
            let path = self.inner.layout.blob(digest, kind);
            let Some((mut file, data)) = open(&path)? else { continue };
            let why = match wrong_file(&data, kind) {
                Some(why) => why,
                None => {
                    let (found, value) = read(&path, &mut file)?;
                    if found == *digest {
                        // It is used: setting its time anew is what garbage collection sees.
                        let _ = fix_time(&path);
                        return Ok(value);
                    }
                    // The file is good, and the size that was asked for is not that of any blob.
                    if found.hash == digest.hash {
                        continue;
                    }
                    wrong_content(digest, &found)
                }
            };
            damaged = Some(self.drop_blob(digest, path, why)?);
        }
        match damaged {
            Some(error) => Err(error),
            None if self.unpack(digest)? => self.with_blob(digest, read),
            None => Err(StoreError::Missing { digest: *digest }),
        }
    }

    /// The first byte of a blob as it is on the disk; nothing if it has none or is not there.
    pub(crate) fn first_byte(&self, digest: &Digest) -> Result<Option<u8>, StoreError> {
        for kind in BlobKind::ALL {
            let path = self.inner.layout.blob(digest, kind);
            if let Some((mut file, _)) = open(&path)? {
                let mut byte = [0];
                let count = file.read(&mut byte).map_err(StoreError::io("read", &path))?;
                return Ok((count > 0).then_some(byte[0]));
            }
        }
        Ok(None)
    }

    /// Removes a damaged blob, notes it and gives the error.
    pub(crate) fn drop_blob(&self, digest: &Digest, path: PathBuf, why: String) -> Result<StoreError, StoreError> {
        remove_file(&path)?;
        self.note(Damage { what: format!("blob {digest}"), path: path.clone(), why: why.clone() });
        Ok(StoreError::Damaged { digest: *digest, path, why })
    }

    /// The file of a blob of this kind, made from the other kind if need be. Its content was hashed in this process.
    pub(crate) fn blob_for_link(&self, digest: &Digest, kind: BlobKind) -> Result<PathBuf, StoreError> {
        let path = self.inner.layout.blob(digest, kind);
        let io = || StoreError::io("read", &path);
        let mut damaged = None;
        match self.wrong(digest, kind, &path) {
            Ok(None) => return Ok(path),
            Ok(Some(why)) => {
                let found = File::open(&path).and_then(digest::of_reader).map_err(io())?;
                // A digest with the size of no blob says nothing about the file.
                if found.hash == digest.hash && found.size != digest.size {
                    return Err(StoreError::Missing { digest: *digest });
                }
                damaged = Some(self.drop_blob(digest, path.clone(), why)?);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io()(error)),
        }
        let other = match (self.path_of(digest), damaged) {
            (Err(StoreError::Missing { .. }), Some(damaged)) => return Err(damaged),
            (other, _) => other?,
        };
        let file = File::open(&other).map_err(StoreError::io("read", &other))?;
        let staged = self.stage_reader(file, kind, &other)?;
        if staged.digest != *digest {
            let why = wrong_content(digest, &staged.digest);
            return Err(self.drop_blob(digest, other, why)?);
        }
        // It need not survive a power loss: it can be made again.
        staged.publish(self)?;
        Ok(path)
    }

    /// What is wrong with a file of a blob. A file is hashed once in a process, unless its inode shows that it changed.
    pub(crate) fn wrong(&self, digest: &Digest, kind: BlobKind, path: &Path) -> io::Result<Option<String>> {
        let data = fs::symlink_metadata(path)?;
        if let Some(why) = wrong_file(&data, kind) {
            return Ok(Some(why));
        }
        if data.len() != digest.size {
            return Ok(Some(format!("it has {} bytes instead of {}", data.len(), digest.size)));
        }
        // Who writes to a file changes its time, which was looked at.
        if hold(&self.inner.seen).get(&data.ino()) == Some(digest) {
            return Ok(None);
        }
        let found = digest::of_reader(File::open(path)?)?;
        if found != *digest {
            return Ok(Some(wrong_content(digest, &found)));
        }
        hold(&self.inner.seen).insert(data.ino(), *digest);
        // It is used: setting its time anew is what garbage collection sees.
        let _ = fix_time(path);
        Ok(None)
    }

    /// Writes bytes to a file that has no name in the store yet.
    pub(crate) fn stage_bytes(&self, bytes: &[u8], digest: Digest, kind: BlobKind) -> Result<Staged, StoreError> {
        let (mut file, mut staged) = self.begin(digest, kind)?;
        let written = file.write_all(bytes).and_then(|()| fix(&file, kind));
        staged.inode = written.map_err(StoreError::io("write", &staged.path))?;
        Ok(staged)
    }

    /// Writes what a reader gives to such a file. `from` is for messages.
    pub(crate) fn stage_reader(&self, reader: impl Read, kind: BlobKind, from: &Path) -> Result<Staged, StoreError> {
        let (file, mut staged) = self.begin(Digest { hash: [0; 32], size: 0 }, kind)?;
        let mut hashing = Hashing::new(file);
        staged.copied = copy_all(reader, &mut hashing).map_err(copy_error(from, &staged.path))?;
        let (digest, file) = hashing.finish();
        staged.inode = fix(&file, kind).map_err(StoreError::io("write", &staged.path))?;
        staged.digest = digest;
        Ok(staged)
    }

    /// The same for a reader whose digest the caller compares itself, before the file gets its name.
    pub(crate) fn stage_known(
        &self,
        reader: impl Read,
        digest: Digest,
        kind: BlobKind,
        from: &Path,
    ) -> Result<Staged, StoreError> {
        let (mut file, mut staged) = self.begin(digest, kind)?;
        staged.copied = copy_all(reader, &mut file).map_err(copy_error(from, &staged.path))?;
        staged.inode = fix(&file, kind).map_err(StoreError::io("write", &staged.path))?;
        Ok(staged)
    }

    fn begin(&self, digest: Digest, kind: BlobKind) -> Result<(File, Staged), StoreError> {
        let staged = Staged::new(digest, kind, self.scratch_file()?);
        let opened = File::options().write(true).create_new(true).mode(kind.mode()).open(&staged.path);
        Ok((opened.map_err(StoreError::io("write", &staged.path))?, staged))
    }
}

fn copy_error(from: &Path, to: &Path) -> impl FnOnce(CopyError) -> StoreError {
    move |error| match error {
        CopyError::Read(error) => StoreError::io("read", from)(error),
        CopyError::Write(error) => StoreError::io("write", to)(error),
    }
}

/// The digest of a file, which is at its beginning then again: what is in the store already need not be written.
pub(crate) fn hash(file: &mut File, path: &Path) -> Result<Digest, StoreError> {
    let digest = digest::of_reader(&mut *file).and_then(|digest| {
        file.rewind()?;
        Ok(digest)
    });
    digest.map_err(StoreError::io("read", path))
}

/// Gives a new file the mode and time of a blob; gives its inode.
fn fix(file: &File, kind: BlobKind) -> io::Result<u64> {
    let data = file.metadata()?;
    // A mask of the user may have taken bits away.
    if data.mode() & 0o7777 != kind.mode() {
        file.set_permissions(fs::Permissions::from_mode(kind.mode()))?;
    }
    rustix::fs::futimens(file, &Timestamps { last_access: FIXED_TIME, last_modification: FIXED_TIME })?;
    Ok(data.ino())
}

/// Gives a file, folder or link the fixed time.
pub(crate) fn fix_time(path: &Path) -> io::Result<()> {
    let times = Timestamps { last_access: FIXED_TIME, last_modification: FIXED_TIME };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn open(path: &Path) -> Result<Option<(File, Metadata)>, StoreError> {
    let opened = File::open(path).and_then(|file| {
        let data = file.metadata()?;
        Ok((file, data))
    });
    match opened {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("read", path)(error)),
    }
}

/// What is wrong with the inode of a blob: builds see mode and time.
pub(crate) fn wrong_file(data: &Metadata, kind: BlobKind) -> Option<String> {
    let mode = data.mode() & 0o7777;
    let fixed = SystemTime::UNIX_EPOCH + Duration::from_secs(FIXED_TIME.tv_sec.unsigned_abs());
    if !data.is_file() {
        Some("it is no plain file".to_owned())
    } else if mode != kind.mode() {
        Some(format!("its mode is {mode:04o} instead of {:04o}", kind.mode()))
    } else if data.modified().ok() != Some(fixed) {
        Some("its time was changed".to_owned())
    } else {
        None
    }
}

pub(crate) fn wrong_content(expected: &Digest, found: &Digest) -> String {
    if found.size == expected.size {
        format!("its SHA-256 is {}", found.hex())
    } else {
        format!("it has {} bytes instead of {}", found.size, expected.size)
    }
}
