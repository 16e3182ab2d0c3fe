//! File systems out of a [`FileTree`](bedplate_tree::FileTree): erofs, ext4, xfs and vfat.
//!
//! ```text
//! FileTree ─write_archive─▶ pipe ─▶ mkfs.erofs --tar      in the sandbox ─▶ image beside the target ─rename─▶ target
//!          ─prototype, blobs─▶ mkfs.xfs -p, then xfs_db   in the sandbox ─▶ …
//!          ─▶ ext4, FAT: written here                                    ─▶ …
//!          ─▶ ext4 as data: an Image, whose contents stay in the store
//! ```
//!
//! [`make()`] needs no root, no loop device and no mount. The image depends on the request alone: same tree, same bytes, wherever
//! and whenever it is made. What a file system cannot hold of a tree is an error that names all such entries; nothing is left
//! out silently. See `docs/filesystems.md`.

mod check;
mod erofs;
mod error;
mod ext4;
mod feed;
mod image;
mod make;
mod request;
mod sandboxed;
mod tools;
mod vfat;
mod xfs;

pub use error::{FilesystemError, Unsupported};
pub use image::{Bytes, Image, Piece};
pub use make::{image, make};
pub use request::{
    Context, ErofsCompression, ErofsOptions, Ext4Options, FilesystemKind, Made, Request, Size, VfatOptions, XfsOptions,
};
pub use tools::tools;
