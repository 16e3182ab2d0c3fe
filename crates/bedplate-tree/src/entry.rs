//! What lies at a path.

use std::collections::BTreeMap;
use std::sync::Arc;

use bedplate_cas::Digest;

use crate::TreePath;

/// Extended attributes by full name (`security.capability`), with their raw values.
pub type Xattrs = BTreeMap<String, Vec<u8>>;

/// The extended attribute that holds file capabilities (`struct vfs_cap_data` of linux/capability.h).
pub const CAPABILITY_ATTRIBUTE: &str = "security.capability";

/// A file, folder, link or device, with all that an inode holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// Who made it: the NEVRA of a package, or the name of a step of the compose.
    pub origin: Arc<str>,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A plain file, with its content in the store.
    File(Digest),
    /// A symbolic link, with its target as it is written.
    Symlink(String),
    /// Another name of a plain file of the tree, at this path. Mode, owner, time and attributes of the link itself do not count:
    /// those of the file do.
    HardLink(TreePath),
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl Kind {
    /// What it is, with an article.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Directory => "a folder",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::HardLink(_) => "a hard link",
            Self::CharacterDevice { .. } => "a character device",
            Self::BlockDevice { .. } => "a block device",
            Self::Fifo => "a named pipe",
        }
    }
}

impl Entry {
    /// An entry of root, of the year 1970, without extended attributes.
    #[must_use]
    pub fn new(kind: Kind, mode: u16, origin: &Arc<str>) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime: 0, xattrs: Xattrs::new(), origin: Arc::clone(origin) }
    }

    /// True for a folder.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// The content of a plain file.
    #[must_use]
    pub fn content(&self) -> Option<Digest> {
        match self.kind {
            Kind::File(digest) => Some(digest),
            _ => None,
        }
    }
}
