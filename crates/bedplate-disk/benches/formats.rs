//! How long the formats take, one by one and all from one reading, and what `qemu-img convert` takes for those that it knows.
//!
//! `cargo bench -p bedplate-disk --bench formats [-- MEBIBYTES]`; the stable toolchain has no other kind of benchmark.
//! `BEDPLATE_BENCH_FOLDER` names the file system that is measured. The disk is four times as large as its data. Ours are synced to the
//! disk of the machine, those of qemu-img are not.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bedplate_disk::{Disk, Extent, Format, Packing, SectorSize, Source, Target, Uuid, WriteOptions, write_all};

fn main() {
    let mebibytes = std::env::args().skip(1).find_map(|argument| argument.parse::<u64>().ok()).unwrap_or(300);
    let parent = std::env::var_os("BEDPLATE_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).expect("a scratch folder can be made");
    let data = folder.path().join("data");
    write_data(&data, mebibytes);
    let size = mebibytes << 22;
    File::options().write(true).open(&data).and_then(|file| file.set_len(size)).expect("a file can have a hole");
    let mut disk = Disk::new(size, SectorSize::Bytes512);
    let source = Source::File { path: data.clone(), offset: 0 };
    disk.add(Extent { offset: 0, length: size, source }).expect("it fits");
    let options = WriteOptions { epoch: 1_700_000_000, identity: Uuid::from_u128(1) };

    let target = |format: Format, packing| Target { path: folder.path().join(format.name()), format, packing };
    let mut kinds: Vec<(Format, Option<Packing>)> = Format::ALL.into_iter().map(|format| (format, None)).collect();
    kinds.push((Format::Qcow2, Some(Packing::Zstd(0))));
    for (format, packing) in &kinds {
        let target = target(*format, *packing);
        let name = packing.map_or_else(|| format.to_string(), |packing| format!("{format}, {packing}"));
        measure(&name, || drop(write_all(&disk, std::slice::from_ref(&target), options).expect("it can be written")));
        if let (Some(call), None) = (qemu(*format), packing) {
            measure(&format!("  qemu-img {call}"), || {
                let status = Command::new("qemu-img")
                    .args(["convert", "-f", "raw", "-O"])
                    .args(call.split(' '))
                    .args([&data, &folder.path().join("of-qemu")])
                    .status();
                assert!(status.expect("qemu-img runs").success());
            });
        }
    }
    let all: Vec<Target> = Format::ALL.into_iter().map(|format| target(format, None)).collect();
    measure("all six", || drop(write_all(&disk, &all, options).expect("they can be written")));
}

fn qemu(format: Format) -> Option<&'static str> {
    match format {
        Format::Raw => Some("raw"),
        Format::VhdFixed => Some("vpc -o subformat=fixed,force_size=on"),
        Format::VhdDynamic => Some("vpc -o subformat=dynamic,force_size=on"),
        Format::Vhdx => Some("vhdx"),
        Format::Qcow2 => Some("qcow2"),
        Format::RawZstd => None,
    }
}

fn measure(what: &str, mut work: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:<48} {best:.3} s");
}

/// Data that packs to about two thirds.
fn write_data(path: &Path, mebibytes: u64) {
    let mut file = File::create(path).expect("the file can be made");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..mebibytes {
        let mut bytes = Vec::with_capacity(1 << 20);
        while bytes.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend((state & 0xFFFF_FFFF_FFFF).to_le_bytes());
        }
        file.write_all(&bytes).expect("there is room");
    }
}
