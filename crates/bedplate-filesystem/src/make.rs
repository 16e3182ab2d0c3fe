//! One image.

use std::path::Path;

use crate::check::check;
use crate::sandboxed::Workshop;
use crate::{Context, FilesystemError, FilesystemKind, Made, Request, Size, erofs, ext4, tools, vfat, xfs};

/// Makes a file system at `target`, whatever is there: it is whole then, or as it was before.
///
/// # Errors
///
/// If the file system cannot hold the tree, or not in a fixed size; if a tool is missing or fails; if the system refuses
/// something. See [`FilesystemError`].
pub fn make(context: &Context<'_>, request: &Request<'_>, target: &Path) -> Result<Made, FilesystemError> {
    check(request.kind, request.tree, request.label)?;
    if let Size::Fixed(size) = request.size
        && (size == 0 || !size.is_multiple_of(4096))
    {
        let why = "it must be a multiple of 4096".to_owned();
        return Err(FilesystemError::BadSize { kind: request.kind.name(), size, why });
    }
    tools(context.tools, &[request.kind])?;
    let shop = Workshop::new(context, target, request.epoch)?;
    let made = match request.kind {
        FilesystemKind::Erofs(options) => erofs::make(&shop, request, options),
        FilesystemKind::Ext4(options) => ext4::make(&shop, request, options),
        FilesystemKind::Xfs(_) => xfs::make(&shop, context.store, request),
        FilesystemKind::Vfat(_) => vfat::make(&shop, context.store, request),
    }?;
    shop.publish(target)?;
    Ok(made)
}
