//! Files and programs of tests.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Output};

use bedplate_disk::{Uuid, WriteOptions};

/// Runs a program that `toolkit/host-setup` installs.
pub(crate) fn run(program: &str, arguments: &[&OsStr]) -> Output {
    let output =
        Command::new(program).args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; toolkit/host-setup installs what tests need"))
}

/// Runs a program that has to succeed; its standard output.
#[track_caller]
pub(crate) fn good(program: &str, arguments: &[&OsStr]) -> String {
    let output = run(program, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Arguments of a program.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => { &[$(std::ffi::OsStr::new($argument)),*] };
}
pub(crate) use arguments;

/// Bytes that do not repeat, the same ones for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Makes a file with holes: its size, and where there is noise.
pub(crate) fn sparse_file(path: &Path, size: u64, data: &[(u64, usize)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (seed, (offset, length)) in (1..).zip(data) {
        file.write_all_at(&noise(seed, *length), *offset).unwrap();
    }
}

/// What goes into images.
pub(crate) fn options() -> WriteOptions {
    WriteOptions { epoch: 1_700_000_000, identity: Uuid::from_u128(0x1234_5678_9abc_8def_8123_4567_89ab_cdef) }
}
