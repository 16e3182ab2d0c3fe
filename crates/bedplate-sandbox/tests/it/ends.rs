//! However a run ends, nothing of it is left.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

/// Groups of control of our helper processes.
fn groups_of(process: u32) -> usize {
    fn count(folder: &Path, prefix: &str) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders
            .map(|entry| {
                usize::from(entry.file_name().to_string_lossy().starts_with(prefix)) + count(&entry.path(), prefix)
            })
            .sum()
    }
    count(Path::new("/sys/fs/cgroup"), &format!("bedplate-build-{process}-"))
}

fn assert_no_mount(place: &Place) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*place.folder.path().to_string_lossy()), "{mounts}");
}

#[test]
fn cancelled() {
    let (place, marker, cancel) = (Place::new(), marker(), Cancel::default());
    let job = place.job(&format!("setsid sleep {marker} & sleep {marker}"));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &helper(), &cancel.clone(), &mut |_| {}).unwrap());
        while count_running(&marker) < 2 {
            std::thread::yield_now();
        }
        let start = Instant::now();
        cancel.cancel();
        assert_eq!(running.join().unwrap().end, End::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(count_running(&marker), 0);
    });
    assert_eq!(run(&job, &helper(), &cancel, &mut |_| {}).unwrap().end, End::Cancelled);
    assert_eq!(groups_of(std::process::id()), 0);
    assert_no_mount(&place);
}

#[test]
fn a_daemon_does_not_outlive_its_build() {
    let (place, marker) = (Place::new(), marker());
    let (outcome, log) = place.sh(&format!("setsid sleep {marker} & (sleep {marker} >/dev/null 2>&1 &) ; echo done"));
    assert_eq!((outcome.end, log.as_str()), (End::Exited(0), "done\n"));
    assert_eq!(count_running(&marker), 0);
}

#[test]
fn our_own_death_at_any_moment_leaves_nothing() {
    // A run takes some 30 ms to start; the moments are spread over it and the time after.
    for turn in 0..20_u64 {
        let (place, marker) = (Place::new(), marker());
        // Its name is the marker, so that the keeper and process 1 are missed as well.
        let helper = place.folder.path().join(&marker);
        std::fs::hard_link(HELPER, &helper).or_else(|_| std::fs::copy(HELPER, &helper).map(drop)).unwrap();
        let script = format!("echo started; setsid sleep {marker} & sleep {marker}");
        let mut parent = Command::new(&helper)
            .args(["run".as_ref(), place.folder.path().as_os_str(), script.as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if turn == 19 {
            // Once for sure when all is running.
            let mut line = String::new();
            BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "started\n");
        } else {
            std::thread::sleep(Duration::from_micros((turn * 7919) % 60_000));
        }
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert_gone(&marker);
        assert_no_mount(&place);
        // The groups of the dead are removed by the next run, and the scratch folder is good for it.
        let (outcome, log) = place.sh("echo next");
        assert_eq!((outcome.end, log.as_str()), (End::Exited(0), "next\n"));
        // The kernel may need a moment to let go of the group of a process that is dead.
        let start = Instant::now();
        while groups_of(parent.id()) > 0 {
            assert!(start.elapsed() < Duration::from_secs(5), "turn {turn}");
            place.sh(":");
        }
    }
}

#[test]
fn the_death_of_the_keeper_or_of_process_1_is_told() {
    for name in ["keeper", "process 1"] {
        let (place, marker) = (Place::new(), marker());
        let job = place.job(&format!("sleep {marker}"));
        std::thread::scope(|scope| {
            let running = scope.spawn(|| try_run(&job).0);
            let start = Instant::now();
            let sleeper = loop {
                assert!(start.elapsed() < Duration::from_secs(10), "it never ran");
                if let Some(found) = find_process(|line| line == format!("sleep\0{marker}\0").as_bytes()) {
                    break found;
                }
            };
            let init = parent_of(sleeper);
            let victim = if name == "keeper" { parent_of(init) } else { init };
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(victim).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
            let error = running.join().unwrap().unwrap_err();
            assert!(error.to_string().starts_with("the build sandbox was lost"), "{name}: {error}");
        });
        assert_gone(&marker);
    }
}

fn find_process(is_wanted: impl Fn(&[u8]) -> bool) -> Option<i32> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        is_wanted(&std::fs::read(entry.path().join("cmdline")).ok()?).then_some(number)
    })
}

fn parent_of(process: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok()).unwrap()
}

#[test]
fn an_ordinary_user_with_sub_ids_builds_and_cleans_up() {
    assert!(rustix::process::geteuid().is_root(), "this test makes the sub-ids, as root");
    let place = Place::below(Path::new("/var/tmp")).with_probe();
    let (folder, base) = (place.folder.path(), place.folder.path().join("of-user"));
    std::fs::create_dir(&base).unwrap();
    std::fs::rename(place.layer(), base.join("layer")).unwrap();
    // A copy, because this user may not come to where the tests keep theirs.
    let copied = Command::new("cp").arg("-a").arg(busybox_root()).arg(base.join("base")).status();
    assert!(copied.unwrap().success());
    std::fs::copy(HELPER, folder.join("helper")).unwrap();
    for ids in ["subuid", "subgid"] {
        std::fs::write(folder.join(ids), "nobody:1500000000:10\n").unwrap();
    }
    assert!(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&base).status().unwrap().success());
    // The sub-ids are in files that only this command sees in the place of the machine's.
    let as_user = |with_ids: bool, words: &[&str]| {
        let binds =
            if with_ids { "mount --bind $0/subuid /etc/subuid; mount --bind $0/subgid /etc/subgid;" } else { "" };
        let user = "--reuid nobody --regid nogroup --clear-groups --";
        let script = format!("{binds} exec setpriv {user} $0/helper \"$@\" 2>&1");
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", &script]).arg(folder).args(words).current_dir("/");
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for ids in ["/etc/subuid", "/etc/subgid"] {
        // Something to mount over.
        std::fs::OpenOptions::new().append(true).create(true).open(ids).unwrap();
    }
    let base = base.to_str().unwrap();
    let script = "id -u; cat /proc/self/uid_map | tr -s ' '; touch /usr/x || echo refused; mkdir -m 700 /build/BUILD/own; \
                  echo x > /build/BUILD/own/file; nc -w 1 192.0.2.1 80; true";
    let said = as_user(true, &["run", base, script]);
    let expected = "1000\n 0 65534 1\n 1000 1500000000 1\n 65534 1500000001 1\n\
                    touch: /usr/x: Permission denied\nrefused\nnc: can't connect to remote host (192.0.2.1): \
                    Network is unreachable\nend: exit status 0\n\
                    violation: `nc` tried to reach 192.0.2.1 port 80 over TCP\n";
    assert_eq!(said, expected);
    // Again in the same folder, whose overlay has left what only root of the sandbox can remove.
    let said = as_user(true, &["run", base, "ls -n /build/BUILD/own | grep -c 1000"]);
    assert_eq!(said, "1\nend: exit status 0\n");
    // No group of control can be written to by this user: we look at the processes ourselves.
    let marker = marker();
    let bomb = format!("f() {{ sleep {marker} & f & f; }}; f");
    for (script, expected) in [
        ("probe hog; sleep 60", "of memory, more than the limit of 200 MiB"),
        (&*bomb, "end: started more than 100 processes, which is the limit"),
        (
            "mkdir -m 700 /tmp/own; cd /tmp/own; dd if=/dev/zero of=x bs=1M count=40; sleep 60",
            "more than the limit of 32 MiB",
        ),
    ] {
        let said = as_user(true, &["limited", base, script]);
        assert!(said.contains(expected), "{script}: {said}");
        assert_gone(&marker);
    }
    assert_eq!(as_user(true, &["remove", &format!("{base}/scratch")]), "");
    assert!(!Path::new(base).join("scratch").exists());
    // Without sub-ids, the error says what to do.
    let said = as_user(false, &["run", base, "true"]);
    assert!(said.contains("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody"), "{said}");
}

#[test]
fn a_person_gets_a_terminal() {
    let place = Place::new();
    let script = "tty; stty size; echo > /dev/tty; read -r line; echo got:$line; id -u; nc -w 1 192.0.2.1 80; exit 4";
    let command = format!("stty rows 33 cols 111; {HELPER} interactive {} '{script}'", place.folder.path().display());
    let mut session = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = session.stdin.take().unwrap();
    keys.write_all(b"typed\n").unwrap();
    let output = session.wait_with_output().unwrap();
    drop(keys);
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    for expected in ["/dev/pts/0\n33 111\n", "got:typed\n1000\n", "end: exit status 4\n", "violation: `nc` tried"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn an_interactive_command_reads_a_pipe_to_its_end() {
    let place = Place::new();
    let folder = place.folder.path().as_os_str();
    let mut session = Command::new(HELPER)
        .args(["interactive".as_ref(), folder, "stty -echo; sort".as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    session.stdin.take().unwrap().write_all(b"b\na\n").unwrap();
    let output = session.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert!(said.ends_with("a\nb\nend: exit status 0\n"), "{said}");
}
