//! Processes with bounds, plain and in the sandbox.

#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod plain;
mod sandbox;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bedplate_sys::process::{Finished, Limits, Request, RunError};

/// The environment that all tests use.
fn environment() -> BTreeMap<String, String> {
    [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Runs `script` as `/bin/sh -c` does, with `run`.
fn bash(
    run: impl FnOnce(&Request<'_>) -> Result<Finished, RunError>,
    script: &str,
    folder: &Path,
    limits: Limits,
) -> Result<Finished, RunError> {
    let environment = environment();
    let arguments: [&[u8]; 3] = [b"sh", b"-c", script.as_bytes()];
    let program = Path::new("/bin/bash");
    run(&Request { program, arguments: &arguments, environment: &environment, folder, visible: &[], limits })
}

/// Bounds that a test can wait for.
fn short() -> Limits {
    Limits { time: Duration::from_millis(700), output: 1 << 16 }
}

/// A number of seconds to sleep that no other process has on its command line.
fn marker() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("7{:07}.{:04}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How many processes have `marker` on their command line.
fn count_running(marker: &str) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
            let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
            count += usize::from(is_process && line.windows(marker.len()).any(|part| part == marker.as_bytes()));
        }
    }
    count
}

/// Waits until no process with `marker` is left.
fn assert_gone(marker: &str) {
    let start = Instant::now();
    while count_running(marker) > 0 {
        assert!(start.elapsed() < Duration::from_secs(5), "a process is left behind: {marker}");
        std::thread::yield_now();
    }
}
