//! One image.

use std::path::Path;

use bedplate_cas::Store;

use crate::check::check;
use crate::sandboxed::Workshop;
use crate::{Context, FilesystemError, FilesystemKind, Image, Made, Request, Size, erofs, ext4, tools, vfat, xfs};

/// Makes a file system at `target`, whatever is there: it is whole then, or as it was before.
///
/// # Errors
///
/// If the file system cannot hold the tree, or not in a fixed size; if a tool is missing or fails; if the system refuses
/// something. See [`FilesystemError`].
pub fn make(context: &Context<'_>, request: &Request<'_>, target: &Path) -> Result<Made, FilesystemError> {
    check_request(request)?;
    if context.cancel.is_cancelled() {
        return Err(FilesystemError::Cancelled);
    }
    tools(context.tools, &[request.kind])?;
    let shop = Workshop::new(context, target)?;
    let made = match request.kind {
        FilesystemKind::Erofs(options) => erofs::make(&shop, request, options),
        FilesystemKind::Ext4(options) => ext4::make(&shop, context.store, request, options),
        FilesystemKind::Xfs(_) => xfs::make(&shop, context.store, request),
        FilesystemKind::Vfat(_) => vfat::make(&shop, context.store, request),
    }?;
    shop.publish(target)?;
    Ok(made)
}

/// Works a file system out without writing it, if it is one that needs no program of others: ext4. The contents of its files stay where
/// they are in the store; each of them was hashed.
///
/// # Errors
///
/// If the file system cannot hold the tree, or not in a fixed size; if a content is not in the store or damaged.
pub fn image(store: &Store, request: &Request<'_>) -> Result<Option<Image>, FilesystemError> {
    let FilesystemKind::Ext4(options) = request.kind else { return Ok(None) };
    check_request(request)?;
    ext4::image(store, request, options).map(Some)
}

fn check_request(request: &Request<'_>) -> Result<(), FilesystemError> {
    check(request.kind, request.tree, request.label)?;
    match request.size {
        Size::Fixed(size) if size == 0 || !size.is_multiple_of(4096) => {
            let why = "it must be a multiple of 4096".to_owned();
            Err(FilesystemError::BadSize { kind: request.kind.name(), size, why })
        }
        _ => Ok(()),
    }
}
