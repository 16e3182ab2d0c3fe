//! [`bedplate_sys::sandbox`]: what a command can and cannot do, and that nothing is left of it.

use super::*;
use bedplate_sys::sandbox::{Helper, Sandbox};
use std::process::{Command, Stdio};

const HELPER: &str = env!("CARGO_BIN_EXE_bedplate-sys-test-helper");

fn sandbox() -> Sandbox {
    Sandbox::new(Helper::At(HELPER.into()), 4)
}

fn run_in(sandbox: &Sandbox, script: &str, limits: Limits) -> Result<Finished, RunError> {
    bash(|request| sandbox.run(request), script, Path::new("/"), limits)
}

/// Standard output of a command in a fresh sandbox, or `None` (and a word about it) where the kernel refuses sandboxes.
fn output(script: &str) -> Option<String> {
    match run_in(&sandbox(), script, Limits::default()) {
        Ok(finished) => {
            Some(String::from_utf8(finished.stdout).unwrap() + &String::from_utf8(finished.stderr).unwrap())
        }
        Err(RunError::Failed(why)) if why.contains("cannot be set up") => {
            eprintln!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn can_run() -> bool {
    output("true").is_some()
}

#[test]
fn outputs_and_status_come_back() {
    if !can_run() {
        return;
    }
    let sandbox = sandbox();
    let finished = run_in(&sandbox, "echo out; echo err >&2; echo $0 $PATH; pwd; exit 3", Limits::default()).unwrap();
    assert_eq!(finished.stdout, b"out\nsh /usr/bin:/bin\n/\n");
    assert_eq!(finished.stderr, b"err\n");
    assert_eq!(finished.status, 3);
    assert_eq!(run_in(&sandbox, "kill -9 $$", Limits::default()).unwrap().status, 137);
    assert_eq!(run_in(&sandbox, "yes | head -n 1; cat", Limits::default()).unwrap().stdout, b"y\n");
}

#[test]
fn the_network_is_refused() {
    let script = "echo > /dev/tcp/127.0.0.1/22; cat /proc/net/dev | grep -vc '|\\|lo:'; hostname; \
                  perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or print qq{unix: $!\\n}'";
    let Some(output) = output(script) else { return };
    assert!(output.starts_with("0\nlocalhost\nunix: Operation not permitted\n"), "{output}");
    assert!(output.contains("/dev/tcp/127.0.0.1/22: "), "{output}");
}

#[test]
fn nothing_can_be_written_but_private_folders() {
    let here = tempfile::tempdir_in("/var").or_else(|_| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let file = here.path().join("file");
    std::fs::write(&file, "before").unwrap();
    let path = file.display();
    let script = format!(
        "echo after > {path}; rm -f {path}; chmod 0 {path}; touch {path}.new /root/x /usr/x /etc/x /run/x /dev/x /proc/x; \
         mount -o remount,rw / ; mount -t tmpfs x /mnt; unshare -Ur true; mknod /tmp/dev b 8 0; \
         for i in /tmp /var/tmp /dev/shm; do echo ok > $i/of-sandbox && cat $i/of-sandbox; done; ls /tmp"
    );
    let Some(output) = output(&script) else { return };
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 1);
    assert!(output.starts_with("ok\nok\nok\nof-sandbox\n"), "{output}");
    assert!(output.contains("Read-only file system"), "{output}");
    assert!(!Path::new("/usr/x").exists() && !Path::new("/tmp/of-sandbox").exists());
}

#[test]
fn there_are_no_devices_no_others_and_no_rights() {
    let script = "echo /dev/*; echo /proc/[0-9]* | wc -w; grep -E 'Cap(Eff|Bnd)|NoNewPrivs|Seccomp:' /proc/self/status; \
                  cat /proc/1/environ; kill -STOP 1; kill -9 1; echo alive; tty < /dev/tty";
    let Some(output) = output(script) else { return };
    assert!(output.starts_with("/dev/fd /dev/full /dev/null /dev/random /dev/shm /dev/stderr"), "{output}");
    // As root, the one right to read all files; else none.
    let rights =
        if rustix::process::geteuid().is_root() { "CapEff:\t0000000000000004" } else { "CapEff:\t0000000000000000" };
    assert!(output.contains(rights), "{output}");
    assert!(output.contains("CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"), "{output}");
    assert!(output.contains("alive\n"), "{output}");
    assert!(output.contains("/proc/1/environ: Permission denied"), "{output}");
}

#[test]
fn private_folders_are_empty_each_time_and_gone_after() {
    if !can_run() {
        return;
    }
    let sandbox = Sandbox::new(Helper::At(HELPER.into()), 1);
    let script = "ls -A /tmp /var/tmp /dev/shm | grep -c .; touch /tmp/a /var/tmp/b /dev/shm/c; ls -A /tmp";
    for _ in 0..3 {
        let finished = run_in(&sandbox, script, Limits::default()).unwrap();
        assert_eq!(String::from_utf8(finished.stdout).unwrap(), "3\na\n");
    }
}

#[test]
fn a_source_folder_below_tmp_is_there_and_read_only() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::write(folder.path().join("VERSION"), "1.2\n").unwrap();
    let run = |script| bash(|request| sandbox().run(request), script, folder.path(), Limits::default()).unwrap();
    let finished = run("cat VERSION; pwd; ls -A /tmp | wc -l; touch x; echo y > VERSION; touch /tmp/z && echo tmp");
    let expected = format!("1.2\n{}\n1\ntmp\n", folder.path().display());
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), expected);
    assert_eq!(std::fs::read(folder.path().join("VERSION")).unwrap(), b"1.2\n");
}

#[test]
fn a_time_limit_kills_grandchildren_that_hide() {
    if !can_run() {
        return;
    }
    let (marker, sandbox) = (marker(), sandbox());
    let start = Instant::now();
    let script = format!("setsid -f sleep {marker}; (trap '' TERM HUP; sleep {marker}; sleep {marker})");
    assert_eq!(run_in(&sandbox, &script, short()), Err(RunError::TimedOut(short().time)));
    assert!(start.elapsed() < Duration::from_secs(3));
    // Before the sandbox is dropped: the worker has reaped them, and goes on.
    assert_gone(&marker);
    assert_eq!(run_in(&sandbox, "echo next", short()).unwrap().stdout, b"next\n");
}

#[test]
fn a_daemon_does_not_outlive_its_command() {
    if !can_run() {
        return;
    }
    let (marker, sandbox) = (marker(), sandbox());
    let script = format!("setsid -f sleep {marker} >/dev/null 2>&1; echo done");
    assert_eq!(run_in(&sandbox, &script, Limits::default()).unwrap().stdout, b"done\n");
    assert_gone(&marker);
}

#[test]
fn output_is_bounded() {
    if !can_run() {
        return;
    }
    let sandbox = sandbox();
    assert_eq!(run_in(&sandbox, "yes", short()), Err(RunError::TooMuchOutput(short().output)));
    assert_eq!(run_in(&sandbox, "yes >&2", short()), Err(RunError::TooMuchOutput(short().output)));
    assert_eq!(run_in(&sandbox, "echo next", short()).unwrap().stdout, b"next\n");
}

#[test]
fn a_fork_bomb_is_bounded() {
    if !can_run() {
        return;
    }
    let (marker, sandbox) = (marker(), sandbox());
    let script = format!("f() {{ sleep {marker} & f & f; }}; f");
    let start = Instant::now();
    std::thread::scope(|scope| {
        let bomb = scope.spawn(|| run_in(&sandbox, &script, Limits { time: Duration::from_secs(2), output: 1 << 20 }));
        let mut most = 0;
        while !bomb.is_finished() {
            most = most.max(count_running(&marker));
        }
        assert!(most <= 512, "{most} processes");
        // It either dies of its own failures or of the limit.
        let _ = bomb.join().unwrap();
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_gone(&marker);
    assert_eq!(run_in(&sandbox, "echo next", short()).unwrap().stdout, b"next\n");
}

#[test]
fn many_threads_share_the_workers() {
    if !can_run() {
        return;
    }
    let sandbox = sandbox();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for turn in 0..10 {
                    let finished = run_in(sandbox, &format!("echo {thread}.{turn}"), Limits::default()).unwrap();
                    assert_eq!(finished.stdout, format!("{thread}.{turn}\n").as_bytes());
                }
            });
        }
    });
}

#[test]
fn a_warm_worker_is_fast() {
    if !can_run() {
        return;
    }
    let sandbox = sandbox();
    run_in(&sandbox, ":", Limits::default()).unwrap();
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        for _ in 0..50 {
            run();
        }
        start.elapsed() / 50
    };
    let inside = time(&|| drop(run_in(&sandbox, ":", Limits::default())));
    let outside = time(&|| drop(bash(bedplate_sys::process::run, ":", Path::new("/"), Limits::default())));
    eprintln!("a command costs {inside:?} in the sandbox, {outside:?} without");
    // Generous: the machine may be busy.
    assert!(inside < outside + Duration::from_millis(20), "{inside:?} against {outside:?}");
}

#[test]
fn a_helper_that_is_none_is_told() {
    let refused = |path: &str| {
        let sandbox = Sandbox::new(Helper::At(path.into()), 1);
        let Err(RunError::Failed(why)) = run_in(&sandbox, "true", short()) else { panic!("it ran") };
        why
    };
    assert!(refused("/no/such/helper").contains("/no/such/helper"));
    assert!(refused("/bin/true").contains("the sandbox's worker"));
    assert!(refused("/bin/echo").contains("the sandbox's worker"));
}

#[test]
fn nothing_survives_a_killed_parent() {
    if !can_run() {
        return;
    }
    // A process that runs a command in the sandbox: this very test binary, asked for the ignored test below.
    let marker = marker();
    // The worker's own name holds the marker too, so that it is missed as well.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let helper = folder.path().join(&marker);
    std::fs::hard_link(HELPER, &helper).or_else(|_| std::fs::copy(HELPER, &helper).map(drop)).unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sandbox::run_the_marker"])
        .env("BEDPLATE_TEST_MARKER", &marker)
        .env("BEDPLATE_TEST_HELPER", &helper)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    // Keeper, worker and both sleepers.
    while count_running(&marker) < 4 {
        assert!(start.elapsed() < Duration::from_secs(20), "the command never ran");
        std::thread::yield_now();
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_gone(&marker);
}

#[test]
#[ignore = "the other half of nothing_survives_a_killed_parent"]
fn run_the_marker() {
    let (Ok(marker), Ok(helper)) = (std::env::var("BEDPLATE_TEST_MARKER"), std::env::var("BEDPLATE_TEST_HELPER"))
    else {
        return;
    };
    let script = format!("setsid -f sleep {marker}; sleep {marker}");
    let sandbox = Sandbox::new(Helper::At(helper.into()), 1);
    let _ = run_in(&sandbox, &script, Limits { time: Duration::from_secs(60), output: 1 << 20 });
}

#[test]
fn it_works_for_an_ordinary_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: not root, so the other tests have shown it");
        return;
    }
    if !can_run() {
        return;
    }
    // The test binary itself, as nobody, from a place that nobody can reach.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let helper = folder.path().join("helper");
    std::fs::copy(HELPER, &helper).unwrap();
    let test = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    let result = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(&test)
        .args(["--ignored", "--exact", "sandbox::as_ordinary_user", "--nocapture"])
        .env("BEDPLATE_TEST_HELPER", &helper)
        .current_dir("/")
        .output();
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            eprintln!("skipped: setpriv: {error}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&result.stdout).into_owned() + &String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "the other half of it_works_for_an_ordinary_user"]
fn as_ordinary_user() {
    let Ok(helper) = std::env::var("BEDPLATE_TEST_HELPER") else { return };
    let sandbox = Sandbox::new(Helper::At(helper.into()), 2);
    let script = "id -u; grep CapEff /proc/self/status; echo x > /tmp/x && cat /tmp/x; touch /var/x; cat /etc/shadow; \
                  echo > /dev/tcp/127.0.0.1/1";
    let finished = match run_in(&sandbox, script, Limits::default()) {
        Err(RunError::Failed(why)) if why.contains("user namespaces are refused") => {
            eprintln!("skipped: {why}");
            return;
        }
        result => result.unwrap(),
    };
    let (stdout, stderr) = (String::from_utf8(finished.stdout).unwrap(), String::from_utf8(finished.stderr).unwrap());
    assert_eq!(stdout, "65534\nCapEff:\t0000000000000000\nx\n", "{stderr}");
    assert!(stderr.contains("Read-only file system") && stderr.contains("/etc/shadow: Permission denied"), "{stderr}");
    let marker = marker();
    assert!(run_in(&sandbox, &format!("setsid -f sleep {marker}; sleep {marker}"), short()).is_err());
    assert_gone(&marker);
}
