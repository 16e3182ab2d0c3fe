//! Writes a disk as images, several formats from one reading.
//!
//! A few chunks are read, on all processors, while the ones before are hashed and written. Each image grows beside its target and gets its
//! name when all of them are complete and synced, so that nobody sees a half-written one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::buffer::Buffer;
use crate::new_file::{NewFile, folder_of, sync_folder};
use crate::source::{Chunk, OpenDisk};
use crate::{Disk, DiskError, Format, Packing, SectorSize, qcow2, raw, raw_zstd, vhd, vhdx};

/// How many chunks are read at once: they bound the memory, twice over.
const BATCH: usize = 8;

/// An image to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where; what is there is replaced.
    pub path: PathBuf,
    /// In which format.
    pub format: Format,
    /// How it is packed. Without one, raw.zst takes zstd of the usual level, and QCOW2 is not packed; the other formats never are.
    pub packing: Option<Packing>,
}

/// What goes into images besides the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// The date in the images that have one, in seconds since 1970.
    pub epoch: u64,
    /// The name of the disk: the names in VHD and VHDX are made from it. The GUID of its partition table, if that comes from
    /// its content.
    pub identity: Uuid,
}

/// A file that was written, as far as that is known without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of them.
    pub sha256: [u8; 32],
}

/// What an image needs to know before its first byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) size: u64,
    pub(crate) sector_size: SectorSize,
    pub(crate) packing: Option<Packing>,
    pub(crate) options: WriteOptions,
}

/// A format at work.
pub(crate) trait Sink: Send {
    /// Takes chunks with data, in the order of the disk.
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()>;

    /// Writes what can be written only when all chunks are known.
    fn finish(&mut self) -> io::Result<()>;

    /// What follows on the bytes of the disk, if the file is just these: then it is hashed on the way.
    fn tail(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Images that are complete, and on the disk of the machine, but have no names yet. If they are dropped, they are gone.
#[derive(Debug)]
#[must_use]
pub struct Unnamed {
    files: Vec<NewFile>,
    written: Vec<Option<Written>>,
    folders: BTreeSet<PathBuf>,
}

impl Unnamed {
    /// Gives them their names, in place of what has these now. Gives what is known of each file: those that are the bytes of the disk in
    /// their order (raw, VHD of fixed size) were hashed while they were written.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn persist(self) -> Result<Vec<Option<Written>>, DiskError> {
        self.files.into_iter().try_for_each(NewFile::persist)?;
        self.folders.iter().try_for_each(|folder| sync_folder(folder))?;
        Ok(self.written)
    }
}

/// Writes a disk to all targets, and gives them their names: see [`write()`] and [`Unnamed::persist`].
///
/// # Errors
/// If a format does not suit the disk, or what the system refuses; the targets are then as they were before.
pub fn write_all(disk: &Disk, targets: &[Target], options: WriteOptions) -> Result<Vec<Option<Written>>, DiskError> {
    write(disk, targets, options, &|| false)?.persist()
}

/// Writes a disk beside all targets. Nothing is at any of them before [`Unnamed::persist`].
///
/// Where bytes are hashed in their order, a processor that waits for that does a piece of other work at a time: `meanwhile`, until it gives
/// false.
///
/// # Errors
/// If a format does not suit the disk, or what the system refuses.
pub fn write(
    disk: &Disk,
    targets: &[Target],
    options: WriteOptions,
    meanwhile: &(dyn Fn() -> bool + Sync),
) -> Result<Unnamed, DiskError> {
    for (number, target) in targets.iter().enumerate() {
        check(disk, target)?;
        if targets[..number].iter().any(|other| other.path == target.path) {
            return Err(DiskError::SameTarget { path: target.path.clone() });
        }
    }
    let open = OpenDisk::new(disk)?;
    let mut files = Vec::new();
    let mut sinks = Vec::new();
    for target in targets {
        let file = NewFile::create(&target.path)?;
        let handle = file.file().try_clone().map_err(DiskError::io("write", &target.path))?;
        let plan = Plan { size: disk.size(), sector_size: disk.sector_size(), packing: target.packing, options };
        let sink = sink(target.format, handle, plan).map_err(DiskError::io("write", &target.path))?;
        files.push(file);
        sinks.push((target.path.as_path(), sink));
    }

    let hashed = fill(&open, &mut sinks, meanwhile)?;
    let written = sinks.iter().map(|(_, sink)| {
        let tail = sink.tail()?;
        let sha256 = hashed.clone()?.chain_update(&tail).finalize().into();
        Some(Written { size: disk.size() + tail.len() as u64, sha256 })
    });
    let written = written.collect();
    drop(sinks);
    // On the disk of the machine before any has its name.
    files.par_iter().try_for_each(NewFile::sync)?;
    let folders = targets.iter().map(|target| folder_of(&target.path).to_owned()).collect();
    Ok(Unnamed { files, written, folders })
}

/// The bytes of a disk, hashed in their order.
struct Linear {
    hasher: Sha256,
    /// How many were hashed.
    at: u64,
}

impl Linear {
    /// Hashes chunks; counts them down.
    fn update(&mut self, chunks: &[Chunk], left: &AtomicUsize) {
        for chunk in chunks {
            self.skip_to(chunk.offset());
            for page in chunk.bytes.chunks(4096) {
                // All of it is asked of the memory at once: the hash alone would wait for line after line, and takes a tenth longer.
                std::hint::black_box(page.iter().step_by(64).fold(0, |all, byte| all | byte));
                self.hasher.update(page);
            }
            self.at += chunk.bytes.len() as u64;
            left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What lies between is zero.
    fn skip_to(&mut self, offset: u64) {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        while self.at < offset {
            // It fits: it is not more than the zeros are.
            let count = (offset - self.at).min(ZEROS.len() as u64) as usize;
            self.hasher.update(&ZEROS[..count]);
            self.at += count as u64;
        }
    }
}

/// Gives all sinks the data of a disk, from one reading. Gives what its bytes hash to, if a sink wants that.
fn fill(
    open: &OpenDisk<'_>,
    sinks: &mut [(&Path, Box<dyn Sink>)],
    meanwhile: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Sha256>, DiskError> {
    let is_hashed = sinks.iter().any(|(_, sink)| sink.tail().is_some());
    let mut linear = is_hashed.then(|| Linear { hasher: Sha256::new(), at: 0 });
    let mut chunks = open.chunks();
    let mut pool: Vec<Buffer> = Vec::new();
    let mut batch = read_batch(open, &mut chunks, &mut pool)?;
    while !batch.is_empty() {
        let mut buffers = std::mem::take(&mut pool);
        let (batch_now, linear, chunks) = (&batch, &mut linear, &mut chunks);
        let next = std::thread::scope(|scope| {
            // Each has a thread of its own: who waits for the disk of the machine holds up nobody who has work.
            let writers: Vec<_> = sinks
                .iter_mut()
                .map(|(path, sink)| scope.spawn(|| sink.write(batch_now).map_err(DiskError::io("write", path))))
                .collect();
            let left = AtomicUsize::new(if linear.is_some() { batch_now.len() } else { 0 });
            let hash = || linear.iter_mut().for_each(|linear| linear.update(batch_now, &left));
            let read = || {
                let next = read_batch(open, chunks, &mut buffers);
                // One that is hashed just now may be done before a piece of other work.
                let has_time = || left.load(Ordering::Relaxed) > 1;
                while has_time() && meanwhile() {}
                next
            };
            let ((), next) = rayon::join(hash, read);
            let written = writers.into_iter().map(|writer| writer.join().unwrap_or_else(|panic| resume_unwind(panic)));
            written.collect::<Result<(), _>>().and(Ok(next))
        })?;
        pool = buffers;
        let done = std::mem::replace(&mut batch, next?);
        pool.extend(done.into_iter().map(|chunk| chunk.bytes));
    }
    sinks.par_iter_mut().try_for_each(|(path, sink)| sink.finish().map_err(DiskError::io("write", path)))?;
    Ok(linear.map(|mut linear| {
        linear.skip_to(open.size());
        linear.hasher
    }))
}

/// The next chunks with data. None only at the end of the disk.
fn read_batch(
    open: &OpenDisk<'_>,
    chunks: &mut (impl Iterator<Item = u64> + Send),
    pool: &mut Vec<Buffer>,
) -> Result<Vec<Chunk>, DiskError> {
    loop {
        let numbers: Vec<(u64, Buffer)> =
            chunks.by_ref().take(BATCH).map(|index| (index, pool.pop().unwrap_or_default())).collect();
        let at_end = numbers.is_empty();
        let read: Result<Vec<Option<Chunk>>, DiskError> =
            numbers.into_par_iter().map(|(index, buffer)| open.chunk(index, buffer)).collect();
        let batch: Vec<Chunk> = read?.into_iter().flatten().collect();
        if at_end || !batch.is_empty() {
            return Ok(batch);
        }
    }
}

fn check(disk: &Disk, target: &Target) -> Result<(), DiskError> {
    let format = target.format;
    let size = disk.size();
    let unsuitable = |why: String| Err(DiskError::Unsuitable { format, size, why });
    if size == 0 {
        return unsuitable("a disk has at least one sector".to_owned());
    }
    let sector = disk.sector_size().bytes();
    if !size.is_multiple_of(sector) {
        return unsuitable(format!("its sectors have {sector} bytes"));
    }
    if let Some(packing) = target.packing
        && let Some(why) = format.refusal(packing)
    {
        return Err(DiskError::Packing { format, packing, why });
    }
    match format {
        Format::VhdFixed | Format::VhdDynamic => match vhd::refusal(size, disk.sector_size(), format) {
            Some(why) => unsuitable(why),
            None => Ok(()),
        },
        Format::Vhdx if size > vhdx::LARGEST => unsuitable("a VHDX has 64 TiB at most".to_owned()),
        Format::Qcow2 if size > qcow2::LARGEST => unsuitable("a QCOW2 has 2 PiB at most".to_owned()),
        Format::Raw | Format::RawZstd | Format::Vhdx | Format::Qcow2 => Ok(()),
    }
}

fn sink(format: Format, file: File, plan: Plan) -> io::Result<Box<dyn Sink>> {
    Ok(match format {
        Format::Raw => Box::new(raw::Writer::new(file, plan)?),
        Format::VhdFixed => Box::new(vhd::FixedWriter::new(file, plan)?),
        Format::VhdDynamic => Box::new(vhd::DynamicWriter::new(file, plan)),
        Format::Vhdx => Box::new(vhdx::Writer::new(file, plan)),
        Format::Qcow2 => Box::new(qcow2::Writer::new(file, plan)),
        Format::RawZstd => Box::new(raw_zstd::Writer::new(file, plan)?),
    })
}

/// Writes the data of a chunk at an offset of a file whose bytes are zero, and leaves holes where it is zero.
pub(crate) fn write_sparse(file: &File, offset: u64, chunk: &Chunk) -> io::Result<()> {
    chunk.runs().try_for_each(|(start, run)| file.write_all_at(run, offset + start as u64))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;
    use crate::image::{self, Image};

    fn in_memory(disk: &Disk, format: Format, packing: Option<Packing>) -> File {
        let options = WriteOptions { epoch: 0, identity: Uuid::from_u128(9) };
        let plan = Plan { size: disk.size(), sector_size: disk.sector_size(), packing, options };
        let file = tempfile::tempfile().unwrap();
        let sink = sink(format, file.try_clone().unwrap(), plan).unwrap();
        fill(&OpenDisk::new(disk).unwrap(), &mut [(Path::new("image"), sink)], &|| false).unwrap();
        file
    }

    fn kinds() -> impl Iterator<Item = (Format, Option<Packing>)> {
        let packed = [Packing::Zlib(1), Packing::Zstd(1)].map(|packing| (Format::Qcow2, Some(packing)));
        Format::ALL.into_iter().map(|format| (format, None)).chain(packed)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// What is written is what is read, wherever the data is, in steps of any size.
        #[test]
        fn what_is_read_is_what_was_written(
            sectors in 1_u64..20_000,
            extents in proptest::collection::vec((0_u64..11_000_000, 1_usize..700_000), 0..5),
            step in 1_usize..300_000,
        ) {
            let size = sectors * 512;
            let mut disk = Disk::new(size, SectorSize::Bytes512);
            for (number, (offset, length)) in (1_u64..).zip(extents) {
                let noise = |at: u64| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(number | 1) as u8;
                // Every other one packs well. Those that overlap or lie outside are refused, and left out.
                let bytes = (0..length as u64).map(|at| if number % 2 == 0 { 7 } else { noise(at) }).collect();
                drop(disk.add_bytes(offset, bytes));
            }
            let mut expected = Vec::new();
            Image::of_disk(&disk).unwrap().read_to_end(&mut expected).unwrap();
            prop_assert_eq!(expected.len() as u64, size);
            for (format, packing) in kinds() {
                let file = in_memory(&disk, format, packing);
                let mut image = image::open(file, &mut "image").unwrap();
                prop_assert_eq!(image.format(), Some(format));
                let (mut found, mut buffer) = (Vec::new(), vec![0; step]);
                loop {
                    match image.read(&mut buffer).unwrap() {
                        0 => break,
                        count => found.extend_from_slice(&buffer[..count]),
                    }
                }
                prop_assert!(found == expected, "{}", format);
            }
        }

        /// Whatever is in a file, it is read or refused: nothing panics, and nothing takes all memory.
        #[test]
        fn damaged_images_are_read_or_refused(
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..6),
        ) {
            let mut disk = Disk::new(3 << 20, SectorSize::Bytes512);
            disk.add_bytes(70_000, vec![5; 200_000]).unwrap();
            for (format, packing) in kinds() {
                let file = in_memory(&disk, format, packing);
                let length = file.metadata().unwrap().len();
                for (place, is_last, byte) in &flips {
                    // Headers and tables are at one of the two ends, or at a round place.
                    let at = place.index(1600) as u64;
                    let round = [0, 65_536, 196_608, 2 << 20, (2 << 20) + 65_536, 3 << 20][place.index(6)];
                    let at = if *is_last { length - 1 - at.min(length - 1) } else { (round + at).min(length - 1) };
                    file.write_all_at(&[*byte], at).unwrap();
                }
                if let Ok(image) = image::open(file, &mut "image") {
                    // A damaged size may be any.
                    drop(image.take(8 << 20).read_to_end(&mut Vec::new()));
                }
            }
        }
    }
}
