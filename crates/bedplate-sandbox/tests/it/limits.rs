//! Limits, each reached by a build that is made for it.

use super::*;

fn limited(script: &str, change: impl FnOnce(&mut Limits)) -> Outcome {
    let place = Place::new().with_probe();
    let mut job = place.job(script);
    job.limits = Limits { wall: Duration::from_secs(20), ..Limits::default() };
    change(&mut job.limits);
    let start = Instant::now();
    let (outcome, log) = log_of(&job);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}: {log}", outcome.end);
    outcome
}

fn assert_limit(outcome: &Outcome, kind: LimitKind, text: &str) {
    match &outcome.end {
        End::Limit(found, detail) => assert!(*found == kind && detail.contains(text), "{found:?}: {detail}"),
        end => panic!("{end:?}"),
    }
}

#[test]
fn one_that_never_ends() {
    let marker = marker();
    let script = format!("setsid sleep {marker} & trap '' TERM HUP INT; while :; do sleep {marker}; done");
    let outcome = limited(&script, |limits| limits.wall = Duration::from_millis(1500));
    assert_limit(&outcome, LimitKind::Wall, "ran longer than the limit of 1.5 s");
    assert_eq!(count_running(&marker), 0, "all must be dead when `run` comes back");
}

#[test]
fn one_that_falls_silent() {
    let outcome = limited("for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; sleep 60", |limits| {
        limits.silence = Some(Duration::from_millis(700));
    });
    assert_limit(&outcome, LimitKind::Silence, "wrote nothing for 0.7 s");
    assert!(outcome.wall > Duration::from_millis(1400), "{:?}", outcome.wall);
}

#[test]
fn a_fork_bomb() {
    let marker = marker();
    let script = format!("f() {{ sleep {marker} & f & f; }}; f");
    let outcome = limited(&script, |limits| limits.processes = 200);
    assert_limit(&outcome, LimitKind::Processes, "more than 200 processes");
    assert_eq!(count_running(&marker), 0);
}

#[test]
fn a_disk_filler() {
    // Many files, one of them with a name that is no text, none of them large.
    let script = "mkdir /build/BUILD/$(printf '\\377'); cd /build/BUILD/*; i=0; \
                  while :; do i=$((i+1)); dd if=/dev/zero of=$i bs=1M count=1 2>/dev/null || exit 1; done";
    let outcome = limited(script, |limits| limits.disk = 64 << 20);
    assert_limit(&outcome, LimitKind::Disk, "more than the limit of 64 MiB");
}

#[test]
fn a_large_file() {
    let outcome = limited("dd if=/dev/zero of=/build/BUILD/large bs=1M count=100; echo no; exit 1", |limits| {
        limits.file = 10 << 20;
    });
    assert_limit(&outcome, LimitKind::File, "`/build/BUILD/large` grew to the limit of a single file, 10 MiB");
}

#[test]
fn a_memory_hog() {
    let outcome = limited("probe hog; echo $?; sleep 60", |limits| limits.memory = Some(200 << 20));
    assert_limit(&outcome, LimitKind::Memory, "limit of 200 MiB");
    assert!(outcome.peak_memory_bytes > 100 << 20, "{}", outcome.peak_memory_bytes);
}

#[test]
fn open_files() {
    let outcome = limited("test $(ulimit -n) = 77", |limits| limits.open_files = 77);
    assert_eq!(outcome.end, End::Exited(0));
}

#[test]
fn time_and_memory_are_measured() {
    let outcome = limited("probe hog & sleep 0.7; kill $!; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", |_| {});
    assert_eq!(outcome.end, End::Exited(0));
    assert!(outcome.peak_memory_bytes > 30 << 20, "{}", outcome.peak_memory_bytes);
    assert!(outcome.cpu_seconds > 0.05 && outcome.cpu_seconds < 20.0, "{}", outcome.cpu_seconds);
    assert!(outcome.wall > Duration::from_millis(700), "{:?}", outcome.wall);
}

#[test]
fn a_flood_of_output_is_handed_on() {
    let place = Place::new();
    let (mut lines, mut bytes) = (0, 0);
    let job = place.job("head -c 300000 /dev/zero; echo; seq 100000");
    let outcome = run(&job, &helper(), &Cancel::default(), &mut |line| {
        lines += 1;
        bytes += line.len();
    });
    assert_eq!(outcome.unwrap().end, End::Exited(0));
    assert_eq!(bytes, 300_000 + 488_895);
    assert!((100_002..100_010).contains(&lines), "{lines}");
}
