//! erofs, by mkfs.erofs from an archive.

use std::fs::File;

use crate::sandboxed::{IMAGE, TREE, Workshop, quoted, uuid_text};
use crate::{ErofsCompression, ErofsOptions, FilesystemError, Made, Request, Size};

/// erofs is made of blocks of so many bytes; the size of a fixed one must be a multiple.
const BLOCK: u64 = 4096;

/// Bytes of compressed data that are read at once: larger ones are denser, smaller ones quicker to read at random.
const CLUSTER: u32 = 65536;

/// Makes the image; it is as large as asked for, with a hole at its end.
pub(crate) fn make(shop: &Workshop<'_>, request: &Request<'_>, options: ErofsOptions) -> Result<Made, FilesystemError> {
    shop.clear_image(0)?;
    let mut command = format!(
        "mkfs.erofs --quiet -d0 --tar=f -T{} --mkfs-time --preserve-mtime -b{BLOCK} -U{}",
        request.epoch,
        uuid_text(&request.uuid)
    );
    // Any number of workers gives the same bytes, but none at all gives others.
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    match options.compression {
        ErofsCompression::None => {}
        ErofsCompression::Lz4hc(level) => {
            command.push_str(&format!(" --workers={workers} -zlz4hc,level={level} -C{CLUSTER}"))
        }
        ErofsCompression::Zstd(level) => {
            command.push_str(&format!(" --workers={workers} -zzstd,level={level} -C{CLUSTER}"))
        }
    }
    if !request.label.is_empty() {
        command.push_str(&format!(" -L {}", quoted(request.label)));
    }
    shop.run(&format!("{command} {IMAGE} {TREE}"), Some(request.tree), &[])?;
    let image = shop.image();
    let io = || FilesystemError::io("read", &image);
    let used = image.metadata().map_err(io())?.len();
    match request.size {
        Size::Minimal { .. } => Ok(Made { size: used, used }),
        Size::Fixed(size) if size < used => Err(FilesystemError::TooSmall { kind: "erofs", size, needed: used }),
        Size::Fixed(size) => {
            let file = File::options().write(true).open(&image).map_err(io())?;
            file.set_len(size).map_err(io())?;
            Ok(Made { size, used })
        }
    }
}
