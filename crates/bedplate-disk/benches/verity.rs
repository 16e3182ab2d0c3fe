//! How long hash trees take, compared with `veritysetup format` on the same data.
//!
//! `cargo bench -p bedplate-disk --bench verity [-- MEBIBYTES [ROUNDS]]`; the stable toolchain has no other kind of benchmark.
//! `BEDPLATE_BENCH_FOLDER` names the file system that is measured. Both read the data from memory: it was just written.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::File;
use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use bedplate_disk::{Salt, Uuid, VerityRequest, write_verity};

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let mebibytes = numbers.next().unwrap_or(300);
    let rounds = numbers.next().unwrap_or(5);
    let parent = std::env::var_os("BEDPLATE_BENCH_FOLDER").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(parent).expect("a scratch folder can be made");
    let path = |name: &str| folder.path().join(name);
    let (data, ours, theirs) = (path("data"), path("ours"), path("theirs"));
    write_noise(&data, mebibytes);
    let request = VerityRequest { salt: Salt::of(b"benchmark"), uuid: Uuid::from_u128(1) };
    let salt: String = request.salt.bytes().iter().map(|byte| format!("{byte:02x}")).collect();

    let (mut our_best, mut their_best) = (f64::INFINITY, f64::INFINITY);
    let mut root = String::new();
    // By turns, so that what else the machine does slows both.
    for _ in 0..rounds {
        let start = Instant::now();
        root = write_verity(&data, &ours, &request).expect("the tree can be made").root_hash.to_string();
        our_best = our_best.min(start.elapsed().as_secs_f64());

        let start = Instant::now();
        let output = Command::new("veritysetup")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["format", &format!("--uuid={}", request.uuid), &format!("--salt={salt}")])
            .args([&data, &theirs])
            .output()
            .expect("veritysetup runs");
        their_best = their_best.min(start.elapsed().as_secs_f64());
        assert!(String::from_utf8_lossy(&output.stdout).contains(&root), "both have the same root hash");
    }
    let mebibytes = mebibytes as f64;
    println!("root hash        {root}");
    println!("write_verity     {our_best:.3} s, {:.0} MiB/s", mebibytes / our_best);
    println!("veritysetup      {their_best:.3} s, {:.0} MiB/s", mebibytes / their_best);
    println!("times faster     {:.2}", their_best / our_best);
}

/// Data without a block that is like another.
fn write_noise(path: &std::path::Path, mebibytes: u64) {
    let mut file = File::create(path).expect("the file can be made");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..mebibytes {
        let mut bytes = Vec::with_capacity(1 << 20);
        while bytes.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        file.write_all(&bytes).expect("there is room");
    }
}
