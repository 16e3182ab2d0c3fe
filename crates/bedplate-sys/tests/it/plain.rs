//! [`bedplate_sys::process::run`].

use super::*;
use bedplate_sys::process::run;

fn plain(script: &str, limits: Limits) -> Result<Finished, RunError> {
    bash(run, script, Path::new("/"), limits)
}

#[test]
fn outputs_and_status_come_back() {
    let finished = plain("echo out; echo err >&2; pwd; echo $0; exit 3", Limits::default()).unwrap();
    assert_eq!(finished.stdout, b"out\n/\nsh\n");
    assert_eq!(finished.stderr, b"err\n");
    assert_eq!(finished.status, 3);
    assert_eq!(plain("kill -9 $$", Limits::default()).unwrap().status, 137);
}

#[test]
fn a_time_limit_kills_grandchildren_too() {
    let marker = marker();
    let start = Instant::now();
    let result = plain(&format!("(sleep {marker} & sleep {marker}); echo never"), short());
    assert_eq!(result, Err(RunError::TimedOut(short().time)));
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_gone(&marker);
}

#[test]
fn a_background_process_that_holds_no_output_is_killed_at_the_end() {
    let marker = marker();
    let finished = plain(&format!("sleep {marker} >/dev/null 2>&1 & echo done"), short()).unwrap();
    assert_eq!(finished.stdout, b"done\n");
    assert_gone(&marker);
}

#[test]
fn output_is_bounded() {
    assert_eq!(plain("yes", short()), Err(RunError::TooMuchOutput(short().output)));
    assert_eq!(plain("yes >&2", short()), Err(RunError::TooMuchOutput(short().output)));
    assert_eq!(plain("head -c 65536 /dev/zero", short()).unwrap().stdout.len(), 1 << 16);
}

#[test]
fn a_missing_program_is_told() {
    let environment = environment();
    let request = Request {
        program: Path::new("/no/such/bash"),
        arguments: &[b"sh"],
        environment: &environment,
        folder: Path::new("/"),
        visible: &[],
        limits: short(),
    };
    let Err(RunError::Failed(why)) = run(&request) else { panic!("it ran") };
    assert!(why.starts_with("start `/no/such/bash`: "), "{why}");
}
