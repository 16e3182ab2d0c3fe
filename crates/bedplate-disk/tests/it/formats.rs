//! Images as qemu reads and writes them.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bedplate_disk::{Disk, Extent, Format, Image, Packing, SectorSize, Source, Target, open_image, write, write_all};

use crate::common::{arguments, good, noise, options, run, sparse_file};

/// How qemu calls a format; it knows no raw.zst.
fn qemu_name(format: Format) -> Option<&'static str> {
    match format {
        Format::Raw => Some("raw"),
        Format::RawZstd => None,
        Format::VhdFixed | Format::VhdDynamic => Some("vpc"),
        Format::Vhdx => Some("vhdx"),
        Format::Qcow2 => Some("qcow2"),
    }
}

/// A target of each format that suits the size, and packed QCOW2s.
fn targets(folder: &Path, size: u64) -> Vec<Target> {
    let mut targets: Vec<Target> = Format::ALL
        .into_iter()
        .filter(|format| *format != Format::VhdFixed || size.is_multiple_of(1 << 20))
        .map(|format| Target { path: folder.join(format.name()), format, packing: None })
        .collect();
    for (name, packing) in [("zstd.qcow2", Packing::Zstd(0)), ("zlib.qcow2", Packing::Zlib(0))] {
        targets.push(Target { path: folder.join(name), format: Format::Qcow2, packing: Some(packing) });
    }
    targets
}

/// A disk out of one file.
fn disk_of(path: &Path, size: u64) -> Disk {
    let mut disk = Disk::new(size, SectorSize::Bytes512);
    disk.add(Extent { offset: 0, length: size, source: Source::File { path: path.to_owned(), offset: 0 } }).unwrap();
    disk
}

/// Compares parts of two disks: all data of the one, and some of what lies between.
fn assert_same(expected: &mut Image<'_>, found: &mut Image<'_>, parts: &[(u64, usize)], what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    for (offset, length) in parts {
        let read = |image: &mut Image<'_>| {
            let mut bytes = vec![0xEE; *length];
            image.seek(SeekFrom::Start(*offset)).unwrap();
            image.read_exact(&mut bytes).unwrap();
            bytes
        };
        assert!(read(expected) == read(found), "{what}: {length} bytes at {offset}");
    }
}

/// What zstd itself says of a file: all of it is good, and has this many bytes when unpacked.
fn assert_zstd_has(path: &Path, size: u64) {
    if size < 1 << 30 {
        good("zstd", arguments!["-tq", path]);
    }
    let listing = good("zstd", arguments!["-lv", path]);
    let line = listing.lines().find_map(|line| line.strip_prefix("Decompressed Size: ")).unwrap();
    assert!(line.ends_with(&format!("({size} B)")), "{listing}");
}

/// Compares the whole MiB around a part with what qemu reads there.
fn assert_qemu_reads(disk: &Disk, path: &Path, format: &str, (offset, length): (u64, usize)) {
    let (first, end) = (offset / MIB, (offset + length as u64).div_ceil(MIB));
    let (from, to) = (format!("if={}", path.display()), path.with_extension("part"));
    let (skip, count, output) = (format!("skip={first}"), format!("count={end}"), format!("of={}", to.display()));
    // The count is from the start of the disk, as the skipped ones are counted, too.
    good("qemu-img", arguments!["dd", "-f", format, "-O", "raw", "bs=1M", &skip, &count, &from, &output]);
    let mut expected = vec![0; ((end - first) * MIB) as usize];
    let mut image = Image::of_disk(disk).unwrap();
    image.seek(SeekFrom::Start(first * MIB)).unwrap();
    image.read_exact(&mut expected).unwrap();
    assert!(std::fs::read(to).unwrap() == expected, "{format} at {offset}");
}

const MIB: u64 = 1 << 20;

#[test]
fn qemu_accepts_all_formats_and_reads_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    for (size, data) in [
        (MIB, vec![(0, MIB as usize)]),
        (MIB, vec![]),
        (512, vec![(0, 512)]),
        (MIB + 512, vec![(MIB, 512)]),
        (3 * MIB - 512, vec![(100, 5), (2 * MIB - 1, 2)]),
        (5 * MIB + 64 * 1024 + 512, vec![(0, 2_100_000), (5 * MIB + 64 * 1024, 512)]),
        (64 * MIB, vec![(0, 34 * 512), (7 * MIB + 4096, 2_500_000), (64 * MIB - 33 * 512, 33 * 512)]),
        (513 * MIB, vec![(511 * MIB + 5, 2_000_000)]),
        (8 << 30, vec![(0, 70_000), (5 << 30, 700_000), ((8 << 30) - 512, 512)]),
    ] {
        sparse_file(&source, size, &data);
        let disk = disk_of(&source, size);
        let targets = targets(folder.path(), size);
        write_all(&disk, &targets, options()).unwrap();
        let parts: Vec<(u64, usize)> = data
            .iter()
            .flat_map(|(offset, length)| {
                let start = offset.saturating_sub(5000);
                [(start, (size - start).min(*length as u64 + 10_000) as usize), (*offset, *length)]
            })
            .chain([(0, size.min(100_000) as usize), (size / 2, (size / 2).min(100_000) as usize)])
            .collect();
        for target in &targets {
            let what = format!("{} of {size} bytes", target.format);
            let mut image = open_image(&target.path).unwrap();
            assert_eq!(image.format(), Some(target.format), "{what}");
            assert_same(&mut Image::of_disk(&disk).unwrap(), &mut image, &parts, &what);
            let Some(name) = qemu_name(target.format) else {
                assert_zstd_has(&target.path, size);
                continue;
            };
            let info = good("qemu-img", arguments!["info", "--output=json", "-f", name, &target.path]);
            let info: serde_json::Value = serde_json::from_str(&info).unwrap();
            assert_eq!(info["virtual-size"], size, "{what}");
            if target.format == Format::Vhdx && size > 1 << 30 {
                // qemu does not know where a VHDX has holes, and would take a minute to read them.
                parts.iter().for_each(|part| assert_qemu_reads(&disk, &target.path, name, *part));
            } else {
                good("qemu-img", arguments!["compare", "-f", "raw", "-F", name, &source, &target.path]);
            }
            if ["qcow2", "vhdx"].contains(&name) {
                let check = good("qemu-img", arguments!["check", "--output=json", "-f", name, &target.path]);
                let check: serde_json::Value = serde_json::from_str(&check).unwrap();
                for bad in ["check-errors", "corruptions", "leaks"] {
                    assert!(check.get(bad).is_none_or(|number| number == 0), "{what}: {check}");
                }
            }
            // A fixed size is one on paper only, too: holes stay holes.
            let used = std::fs::metadata(&target.path).unwrap().blocks() * 512;
            let needed: u64 = data.iter().map(|(_, length)| *length as u64).sum();
            assert!(used < needed + 24 * MIB, "{what} takes {used} bytes");
        }
    }
}

#[test]
fn what_qemu_converts_to_raw_is_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (source, raw) = (folder.path().join("source"), folder.path().join("raw-of-qemu"));
    let size = 40 * MIB;
    sparse_file(&source, size, &[(0, 5_000), (9 * MIB - 7, 2_200_000), (39 * MIB + 5, 512)]);
    let targets = targets(folder.path(), size);
    write_all(&disk_of(&source, size), &targets, options()).unwrap();
    for target in targets {
        match qemu_name(target.format) {
            Some(name) => drop(good(
                "qemu-img",
                arguments!["convert", "-t", "unsafe", "-f", name, "-O", "raw", &target.path, &raw],
            )),
            None => drop(good("zstd", arguments!["-dqf", &target.path, "-o", &raw])),
        }
        assert!(std::fs::read(&raw).unwrap() == std::fs::read(&source).unwrap(), "{}", target.format);
    }
}

#[test]
fn images_of_qemu_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (source, image) = (folder.path().join("source"), folder.path().join("image"));
    let size = 33 * MIB + 512;
    let data = [(0, 5_000), (9 * MIB - 7, 1_000_000), (33 * MIB, 512)];
    sparse_file(&source, size, &data);
    let disk = disk_of(&source, size);
    for (format, options) in [
        ("qcow2", "cluster_size=65536"),
        ("qcow2", "cluster_size=4096"),
        ("qcow2", "cluster_size=2097152"),
        ("qcow2", "compat=0.10"),
        ("qcow2", "compression_type=zstd"),
        ("qcow2", "preallocation=metadata"),
        ("vpc", "force_size=on,subformat=dynamic"),
        ("vpc", "force_size=on,subformat=fixed"),
        ("vhdx", "subformat=dynamic"),
        ("vhdx", "subformat=fixed"),
        ("vhdx", "block_size=1048576"),
    ] {
        for packed in [false, true] {
            if packed && (format != "qcow2" || options.starts_with("prealloc")) {
                continue;
            }
            let mut call = vec!["convert", "-t", "unsafe", "-f", "raw", "-O", format, "-o", options];
            if packed {
                call.push("-c");
            }
            let mut call: Vec<&std::ffi::OsStr> = call.into_iter().map(std::ffi::OsStr::new).collect();
            call.extend([source.as_os_str(), image.as_os_str()]);
            good("qemu-img", &call);
            let mut found = open_image(&image).unwrap();
            let what = format!("{format} {options} {packed}");
            assert_same(&mut Image::of_disk(&disk).unwrap(), &mut found, &[(0, size as usize)], &what);
        }
    }
}

#[test]
fn images_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    sparse_file(&path("source"), 4 * MIB, &[(0, 3_000_000)]);
    let targets = targets(folder.path(), 4 * MIB);
    write_all(&disk_of(&path("source"), 4 * MIB), &targets, options()).unwrap();
    good("qemu-img", arguments!["create", "-q", "-f", "qcow2", "-b", &path("raw"), "-F", "raw", &path("over.qcow2")]);
    good("qemu-img", arguments!["create", "-q", "-f", "vpc", &path("small.vhd"), "4M"]);
    good("zstd", arguments!["-q", &path("source"), "-o", &path("plain.zst")]);
    let cut = |from: &str, to: &str, length: u64| {
        std::fs::copy(path(from), path(to)).unwrap();
        File::options().write(true).open(path(to)).unwrap().set_len(length).unwrap();
    };
    cut("vhdx", "cut.vhdx", 300_000);
    cut("qcow2", "cut.qcow2", 90_000);
    cut("vhd-dynamic", "cut.vhd", 2 * MIB);
    let flip = |from: &str, to: &str, at: usize| {
        let mut bytes = std::fs::read(path(from)).unwrap();
        bytes[at] ^= 16;
        std::fs::write(path(to), bytes).unwrap();
    };
    flip("vhd-dynamic", "flipped.vhd", 512 + 20);
    flip("vhd-fixed", "flipped-fixed.vhd", 4 * MIB as usize + 50);
    flip("qcow2", "flipped.qcow2", 79);
    for (name, expected) in [
        ("over.qcow2", "cannot be read: it is a QCOW2, and it is the difference to another disk"),
        (
            "plain.zst",
            "cannot be read: it is a file packed by zstd, and it has no table of its frames: unpack it first, with `zstd -d`",
        ),
        ("cut.vhdx", "is a damaged VHDX: its metadata lack the signature"),
        ("cut.qcow2", "is a damaged QCOW2: it ends too early"),
        ("cut.vhd", "is a damaged VHD: its footer lacks the cookie"),
        ("flipped.vhd", "is a damaged VHD: the checksum of its header is wrong"),
        ("flipped-fixed.vhd", "is a damaged VHD: the checksum of its footer is wrong"),
        ("flipped.qcow2", "is a QCOW2, and its clusters have parts"),
        ("absent", "failed to open"),
    ] {
        let message = open_image(&path(name)).unwrap_err().to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[test]
fn several_formats_are_written_from_one_reading_or_none_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    sparse_file(&source, 2 * MIB, &[(0, 100_000)]);
    let target = |name: &str, format: Format| Target { path: folder.path().join(name), format, packing: None };
    let odd = disk_of(&source, MIB + 512);
    let good_disk = disk_of(&source, MIB);
    let large = Disk::new(2041 << 30, SectorSize::Bytes512);
    let wide = Disk::new(MIB, SectorSize::Bytes4096);
    for (disk, targets, expected) in [
        (
            &odd,
            vec![target("a", Format::Raw), target("b", Format::VhdFixed)],
            "a disk of 1049088 bytes cannot be written as vhd-fixed: Azure takes only whole numbers of MiB",
        ),
        (
            &large,
            vec![target("a", Format::VhdDynamic)],
            "a disk of 2191507062784 bytes cannot be written as vhd-dynamic: a VHD has 2040 GiB at most",
        ),
        (
            &wide,
            vec![target("a", Format::VhdFixed)],
            "a disk of 1048576 bytes cannot be written as vhd-fixed: VHD knows only sectors of 512 bytes",
        ),
        (
            &Disk::new(0, SectorSize::Bytes512),
            vec![target("a", Format::Raw)],
            "a disk of 0 bytes cannot be written as raw: a disk has at least one sector",
        ),
        (
            &good_disk,
            vec![Target { packing: Some(Packing::Zstd(3)), ..target("a", Format::Vhdx) }],
            "vhdx cannot be packed with zstd of level 3: only raw.zst and qcow2 are packed",
        ),
        (
            &good_disk,
            vec![Target { packing: Some(Packing::Zstd(20)), ..target("a", Format::Qcow2) }],
            "qcow2 cannot be packed with zstd of level 20: levels go from 1 to 19, and 0 is the usual one",
        ),
        (
            &good_disk,
            vec![Target { packing: Some(Packing::Zlib(1)), ..target("a", Format::RawZstd) }],
            "raw.zst cannot be packed with zlib of level 1: it is always packed with zstd",
        ),
    ] {
        assert_eq!(write_all(disk, &targets, options()).unwrap_err().to_string(), expected);
    }
    let message =
        write_all(&good_disk, &[target("a", Format::Raw), target("a", Format::Qcow2)], options()).unwrap_err();
    assert!(message.to_string().ends_with("is the target of two formats"), "{message}");
    let message =
        write_all(&good_disk, &[target("a", Format::Raw), target("none/a", Format::Raw)], options()).unwrap_err();
    assert!(message.to_string().starts_with("failed to make a file beside"), "{message}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["source"]);
}

/// Nobody sees an image before the caller says so, and what the caller does meanwhile is not in it.
#[test]
fn an_image_has_no_name_before_the_caller_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let disk = {
        let mut disk = Disk::new(24 * MIB, SectorSize::Bytes512);
        disk.add_bytes(0, noise(3, 24 << 20)).unwrap();
        disk
    };
    let raw = [target_in(folder.path(), "raw")];
    std::fs::write(&raw[0].path, "the old one").unwrap();
    let pieces = AtomicUsize::new(0);
    let meanwhile = || pieces.fetch_add(1, Ordering::Relaxed) < 5;
    drop(write(&disk, &raw, options(), &meanwhile).unwrap());
    let files = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files().collect::<Vec<_>>(), ["raw"]);
    assert_eq!(std::fs::read(&raw[0].path).unwrap(), b"the old one");

    let written = write(&disk, &raw, options(), &meanwhile).unwrap().persist().unwrap();
    let plain = [target_in(folder.path(), "plain")];
    assert_eq!(written, write_all(&disk, &plain, options()).unwrap());
    assert!(std::fs::read(&raw[0].path).unwrap() == std::fs::read(&plain[0].path).unwrap());
}

fn target_in(folder: &Path, name: &str) -> Target {
    Target { path: folder.join(name), format: Format::Raw, packing: None }
}

/// The same disk gives the same bytes, however many threads there are and however its extents are cut.
#[test]
fn images_are_the_same_on_any_number_of_processors() {
    let folder = tempfile::tempdir().unwrap();
    let size = 12 * MIB;
    let bytes: Vec<u8> = noise(1, 2_500_000).into_iter().chain(vec![7; 2_500_000]).collect();
    let mut whole = Disk::new(size, SectorSize::Bytes512);
    whole.add_bytes(5 * MIB, bytes.clone()).unwrap();
    let mut cut = Disk::new(size, SectorSize::Bytes512);
    for (number, part) in bytes.chunks(434_567).enumerate() {
        cut.add_bytes(5 * MIB + number as u64 * 434_567, part.to_vec()).unwrap();
    }
    let mut images = Vec::new();
    for (name, threads, disk) in [("one", 1, &whole), ("four", 4, &cut)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let targets = targets(&folder, size);
        pool.install(|| write_all(disk, &targets, options())).unwrap();
        images.push(targets.into_iter().map(|target| std::fs::read(target.path).unwrap()).collect::<Vec<_>>());
    }
    assert!(images[0] == images[1]);
}

/// VHDX and VHD are named by the disk, and dated by the epoch.
#[test]
fn names_and_dates_are_those_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(4 * MIB, SectorSize::Bytes512);
    let write = |options| {
        let targets = targets(folder.path(), 4 * MIB);
        write_all(&disk, &targets, options).unwrap();
        targets.into_iter().map(|target| (target.format, std::fs::read(target.path).unwrap())).collect::<Vec<_>>()
    };
    let first = write(options());
    let mut other = options();
    other.epoch += 1;
    let later = write(other);
    other = options();
    other.identity = bedplate_disk::content_uuid(&[b"another"]);
    let renamed = write(other);
    for ((format, bytes), (later, renamed)) in first.iter().zip(later.iter().zip(&renamed)) {
        let is_vhd = matches!(format, Format::VhdFixed | Format::VhdDynamic);
        assert_eq!(later.1 != *bytes, is_vhd, "{format}");
        assert_eq!(renamed.1 != *bytes, is_vhd || *format == Format::Vhdx, "{format}");
    }
    let vhd = &first.iter().find(|(format, _)| *format == Format::VhdFixed).unwrap().1;
    assert_eq!(vhd.len() as u64, 4 * MIB + 512);
    assert_eq!(vhd[vhd.len() - 512 + 24..][..4], (1_700_000_000_u32 - 946_684_800).to_be_bytes());
    assert!(run("qemu-img", arguments!["info", &folder.path().join("vhdx")]).status.success());
}
