//! What a build sees, and what it leaves.

use super::*;

#[test]
fn a_command_runs_and_its_output_and_status_come_back() {
    let (outcome, log) = Place::new().sh("echo out; echo err >&2; printf end; exit 3");
    assert_eq!(outcome.end, End::Exited(3));
    assert_eq!(log, "out\nerr\nend\n");
    assert_eq!(outcome.violations, []);
    let (outcome, _) = Place::new().sh("kill -SEGV $$");
    assert_eq!(outcome.end, End::Signal(11));
}

#[test]
fn user_host_and_environment_are_as_promised() {
    let place = Place::new();
    let script = "id -u; id -g; id -un; hostname; pwd; umask; env | sort; date +%Z; ulimit -c; \
                  grep -E '^(Groups|SigIgn|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status; cat | wc -c";
    let (_, log) = place.sh(script);
    let expected = "1000\n1000\nbuilder\nbedplate\n/build\n0022\n\
                    HOME=/build\nPATH=/usr/bin\nPWD=/build\nSHLVL=1\nTZ=UTC\nUTC\n0\n\
                    Groups:\t \nSigIgn:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n\
                    CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n0\n";
    assert_eq!(log, expected);
}

#[test]
fn there_is_nothing_of_the_host() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("secret"), "of the host").unwrap();
    let marker = marker();
    let mut other = std::process::Command::new("sleep").arg(&marker).spawn().unwrap();
    let script = format!(
        "echo / /*; echo /dev/*; echo /dev/shm/* /dev/pts/*; ls -A /root /tmp /var/tmp /run; cat {secret} /etc/shadow; \
         cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^sleep'; cat /proc/1/cmdline | tr '\\0' ' '; echo; kill -0 {pid} || echo no process; \
         cat /proc/net/dev | grep -c ':'; cat /proc/self/cgroup | grep -v ':/$'; cat /proc/kcore /proc/kmsg 2>/dev/null | wc -c; \
         cat /proc/mounts | grep -v -E ' (/|/proc|/proc/.*|/dev|/dev/.*) '",
        secret = place.folder.path().join("secret").display(),
        pid = other.id(),
    );
    let (_, log) = place.sh(&script);
    other.kill().unwrap();
    other.wait().unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("can't kill")).collect();
    let secret = format!("cat: can't open '{}/secret': No such file or directory", place.folder.path().display());
    let expected = [
        "/ /bin /build /dev /etc /proc /root /run /tmp /usr /var",
        "/dev/fd /dev/full /dev/null /dev/ptmx /dev/pts /dev/random /dev/shm /dev/stderr /dev/stdin /dev/stdout /dev/tty \
         /dev/urandom /dev/zero",
        "/dev/shm/* /dev/pts/ptmx",
        "/root:",
        "",
        "/run:",
        "",
        "/tmp:",
        "",
        "/var/tmp:",
        &secret,
        "cat: can't open '/etc/shadow': No such file or directory",
        "0",
        "bedplate __bedplate-build ",
        "no process",
        "1",
        "0",
    ];
    assert_eq!(lines, expected, "{log}");
}

#[test]
fn only_its_own_folders_can_be_written() {
    let place = Place::new();
    let script = "for f in / /usr /usr/bin /etc /root /dev /dev/pts /proc /proc/sys/kernel/hostname /run /var /build/SPECS \
                  /build/SOURCES; do touch $f/x 2>/dev/null && echo written: $f; done; \
                  echo x 2>/dev/null >> /usr/bin/busybox && echo changed; \
                  echo 1 2>/dev/null > /proc/sys/kernel/core_pattern && echo escaped; \
                  for f in /build /build/BUILD /build/BUILDROOT /build/RPMS /build/SRPMS /tmp /var/tmp /dev/shm; do \
                  touch $f/x || echo refused: $f; done";
    let (outcome, log) = place.sh(script);
    assert_eq!((outcome.end, log.as_str()), (End::Exited(0), ""));
    // What was written is in the upper folder, and the layer is what it was.
    assert!(place.scratch().join("upper/build/BUILD/x").exists() && place.scratch().join("upper/tmp/x").exists());
    assert!(!place.layer().join("build").exists() && !place.layer().join("tmp").exists());
    assert!(!place.scratch().join("work").exists() && !place.scratch().join("root").exists());
}

#[test]
fn upper_layers_win_and_lower_ones_stay() {
    let place = Place::new();
    let top = place.folder.path().join("top");
    std::fs::create_dir_all(top.join("etc")).unwrap();
    std::fs::write(top.join("etc/which"), "top\n").unwrap();
    std::fs::write(top.join("etc/passwd"), "builder:x:1000:1000::/nowhere:/bin/false").unwrap();
    std::fs::write(place.layer().join("etc/which"), "bottom\n").unwrap();
    std::fs::write(place.layer().join("etc/only"), "here\n").unwrap();
    let mut job = place.job("cat /etc/which /etc/only; cat /etc/passwd");
    job.layers.insert(0, top.clone());
    let (_, log) = log_of(&job);
    let expected = "top\nhere\nbuilder:x:1000:1000::/nowhere:/bin/false\nroot:x:0:0:root:/root:/bin/sh\n";
    assert_eq!(log, expected);
    assert_eq!(std::fs::read_dir(top.join("etc")).unwrap().count(), 2);
}

#[test]
fn many_layers_cost_little() {
    let place = Place::new();
    let mut job = place.job("cat /parts/149");
    let time = |job: &Job| {
        let start = Instant::now();
        let (_, log) = log_of(job);
        (start.elapsed(), log)
    };
    let (few, _) = time(&job);
    for index in 0..150 {
        // Longer than the 256 bytes that the kernel's newer way takes for one layer.
        let layer = place.folder.path().join(format!("{:0>200}/{index:0>100}", "layer"));
        std::fs::create_dir_all(layer.join("parts")).unwrap();
        std::fs::write(layer.join(format!("parts/{index}")), format!("part {index}\n")).unwrap();
        job.layers.push(layer);
    }
    // The fastest of three: the machine may be busy.
    let many = (0..3).map(|_| time(&job)).min().unwrap();
    assert_eq!(many.1, "part 149\n");
    assert!(many.0.saturating_sub(few) < Duration::from_millis(100), "{many:?} against {few:?}");
}

#[test]
fn binds_are_seen_and_kept() {
    let place = Place::new();
    let outside = place.folder.path().join("outside");
    std::fs::create_dir_all(outside.join("read")).unwrap();
    std::fs::create_dir_all(outside.join("write")).unwrap();
    std::fs::set_permissions(outside.join("write"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::set_permissions(outside.join("read"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(outside.join("file"), "a file\n").unwrap();
    let pipe = outside.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    std::fs::set_permissions(&pipe, std::fs::Permissions::from_mode(0o666)).unwrap();
    // The place of a bind is found inside, also behind a link that would lead elsewhere outside.
    symlink("/etc", place.layer().join("elsewhere")).unwrap();

    let mut job = place.job(
        "cat /mnt/file; touch /mnt/read/x 2>/dev/null || echo read-only; echo out > /mnt/write/made; \
         exec 3<>/elsewhere/pipe; echo token >&3; read -r t <&3; echo $t; ls /etc/pipe",
    );
    for (name, target, writable) in [
        ("file", "/mnt/file", false),
        ("read", "/mnt/read", false),
        ("write", "/mnt/write", true),
        ("pipe", "/elsewhere/pipe", true),
    ] {
        job.binds.push(Bind { source: outside.join(name), target: target.into(), writable });
    }
    let (_, log) = log_of(&job);
    assert_eq!(log, "a file\nread-only\ntoken\n/etc/pipe\n");
    assert_eq!(std::fs::read_to_string(outside.join("write/made")).unwrap(), "out\n");
    assert!(!Path::new("/etc/pipe").exists());
}

#[test]
fn root_of_the_sandbox_prepares() {
    let place = Place::new();
    let mut job = place.job("pidof sleep; cat /etc/prepared; ls -n /etc/prepared /build/given | cut -c 1-22");
    job.prepare = vec![
        words(&["sh", "-c", "id -u; grep CapBnd /proc/self/status; echo done > /etc/prepared"]),
        words(&[
            "sh",
            "-c",
            "(sleep 1234 >/dev/null 2>&1 &); touch /build/given; chown 1000:1000 /build/given; mount -t tmpfs x /mnt || echo refused",
        ]),
        words(&["sh", "-c", "echo 1 2>/dev/null > /proc/sys/kernel/core_pattern || echo kept"]),
    ];
    let (_, log) = log_of(&job);
    let log = log.lines().filter(|line| !line.starts_with("mount: ")).collect::<Vec<_>>().join("\n");
    let expected = "0\nCapBnd:\t000000000000000b\nrefused\nkept\ndone\n-rw-r--r--    1 1000 \n-rw-r--r--    1 0    ";
    assert_eq!(log.replace("1 1000  ", "1 1000 ").replace("1 0     ", "1 0    "), expected, "{log}");

    job.prepare = vec![words(&["sh", "-c", "echo why; exit 7"])];
    let (outcome, log) = try_run(&job);
    assert_eq!(log, "why\n");
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "`sh -c echo why; exit 7` failed while the build root was prepared: exit status 7"
    );
}

#[test]
fn a_sandbox_is_opened_again_where_it_stopped() {
    let place = Place::new();
    assert_eq!(
        place.sh("echo half > /build/BUILD/half; rm /usr/bin/nothing 2>/dev/null; exit 1").0.end,
        End::Exited(1)
    );
    let (outcome, log) = place.sh("cat /build/BUILD/half; grep -c builder /etc/passwd");
    assert_eq!((outcome.end, log.as_str()), (End::Exited(0), "half\n1\n"));
}

#[test]
fn mistakes_of_the_caller_are_named() {
    let place = Place::new();
    let error = |change: &dyn Fn(&mut Job)| {
        let mut job = place.job("true");
        change(&mut job);
        let error = try_run(&job).0.expect_err("it must not run");
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        format!("{error}{cause}")
    };
    let base = place.base();
    for (said, expected) in [
        (error(&|job| job.layers.clear()), "a build root needs at least one layer".to_owned()),
        (error(&|job| job.layers.push("/no/such".into())), "find `/no/such`: No such file".to_owned()),
        (error(&|job| job.layers.push(base.join("usr/bin/busybox"))), "busybox` is not a folder".to_owned()),
        (error(&|job| job.argv = words(&["gcc"])), "`gcc` is not in the build root's PATH (/usr/bin)".to_owned()),
        (error(&|job| job.argv = words(&["/no/cc"])), "start `/no/cc`: No such file".to_owned()),
        (error(&|job| job.argv.clear()), "there is no command".to_owned()),
        (error(&|job| job.folder = "/nowhere".into()), "go to `/nowhere`: No such file".to_owned()),
    ] {
        assert!(said.contains(&expected), "{said}");
    }
    let other = Helper::At("/bin/true".into());
    let lost = run(&place.job("true"), &other, &Cancel::default(), &mut |_| {}).unwrap_err();
    assert!(lost.to_string().starts_with("the build sandbox was lost"), "{lost}");
    let other = Helper::At("/no/such/helper".into());
    let lost = run(&place.job("true"), &other, &Cancel::default(), &mut |_| {}).unwrap_err();
    assert!(lost.to_string().contains("/no/such/helper"), "{lost}");
}
