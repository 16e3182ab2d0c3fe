//! What a build cannot do, and how that is named.

use super::*;

/// The violations of a script, as a user reads them.
fn violations(place: &Place, script: &str) -> Vec<String> {
    let (outcome, log) = place.sh(script);
    assert_eq!(outcome.end, End::Exited(0), "{log}");
    outcome.violations.iter().map(ToString::to_string).collect()
}

#[test]
fn the_network_is_away_and_who_tries_it_is_named() {
    let place = Place::new();
    for (script, expected) in [
        ("nc -w 1 192.0.2.1 443 && echo reached", "`nc` tried to reach 192.0.2.1 port 443 over TCP"),
        ("wget -q http://[2001:db8::1]:8080/x", "`wget` tried to reach 2001:db8::1 port 8080 over TCP"),
        ("tftp -g -r x -l /tmp/x 192.0.2.9", "`tftp` tried to reach 192.0.2.9 port 69 over UDP"),
        ("nslookup example.com 192.0.2.53", "`nslookup` tried to look up a name by DNS (server 192.0.2.53 port 53)"),
        ("wget -q http://example.com/", "`wget` tried to look up a name by DNS (server 127.0.0.1 port 53)"),
    ] {
        let found = violations(&place, &format!("{script} && exit 1; true"));
        assert_eq!(found.first().map(String::as_str), Some(expected), "{found:?}");
    }
}

#[test]
fn datagrams_without_connect_are_named_too() {
    let place = Place::new().with_probe();
    let (outcome, log) = place.sh("probe datagrams");
    assert_eq!(log, "sendto ENETUNREACH\nsendmsg ENETUNREACH\nsendmmsg ENETUNREACH\n");
    let named: Vec<_> = outcome.violations.iter().map(|one| (one.address.to_string(), one.port)).collect();
    let expected = [("192.0.2.1", 1001), ("192.0.2.2", 1002), ("192.0.2.3", 1003)];
    assert_eq!(named, expected.map(|(address, port)| (address.to_owned(), port)));
}

#[test]
fn a_build_can_talk_to_itself() {
    let place = Place::new();
    let script =
        "(echo answer | nc -l -p 8000) & for i in 1 2 3 4 5 6 7 8 9; do nc 127.0.0.1 8000 && exit; sleep 0.1; done";
    let (outcome, log) = place.sh(script);
    assert!(log.ends_with("answer\n"), "{log}");
    assert_eq!(outcome.violations, []);
}

#[test]
fn calls_that_lead_out_are_refused() {
    let (_, log) = Place::new().with_probe().sh("probe calls");
    for line in log.lines() {
        let (name, result) = line.split_once(' ').unwrap();
        let expected = match name {
            "clone3" => "ENOSYS",
            "vsock" | "alg" | "packet" => "EAFNOSUPPORT",
            "unix" | "inet6" | "netlink" | "trace-child" => "allowed",
            _ => "EPERM",
        };
        assert_eq!(result, expected, "{name}");
    }
    assert_eq!(log.lines().count(), 28, "{log}");
}

#[test]
fn open_files_of_whoever_starts_us_stay_outside() {
    let place = Place::new();
    let script = "exec 7</etc/passwd 250>/dev/null; exec \"$0\" run \"$1\" 'ls /proc/self/fd'";
    let mut command = std::process::Command::new("bash");
    let output = command.args(["-c", script, HELPER]).arg(place.folder.path()).output().unwrap();
    // The last is the folder itself, which `ls` reads.
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n3\nend: exit status 0\n");
}

#[test]
fn set_uid_has_no_effect() {
    let place = Place::new().with_probe();
    let probe = place.layer().join("usr/bin/probe");
    std::fs::set_permissions(&probe, std::fs::Permissions::from_mode(0o6755)).unwrap();
    let (_, log) =
        place.sh("probe ids; cp /usr/bin/probe /tmp/own && chmod 6755 /tmp/own && /tmp/own ids; ls -l /tmp/own");
    assert!(log.starts_with("1000 1000 1000 1000\n1000 1000 1000 1000\n-rwsr-sr-x"), "{log}");
}

#[test]
fn builds_do_not_see_each_other() {
    let (one, other) = (Place::new(), Place::new());
    let marker = marker();
    std::thread::scope(|scope| {
        let script = format!("echo {marker} > /tmp/mine; echo {marker} > /dev/shm/mine; sleep {marker}");
        let mut job = one.job(&script);
        job.limits.wall = Duration::from_secs(3);
        let first = scope.spawn(move || log_of(&job));
        let start = Instant::now();
        while count_running(&marker) == 0 {
            assert!(start.elapsed() < Duration::from_secs(3), "it never ran");
            std::thread::yield_now();
        }
        let path = one.scratch().join("upper/tmp/mine");
        let script = format!(
            "cat /proc/[0-9]*/cmdline | grep -c '^sleep'; cat {} 2>/dev/null; ls -A /tmp /dev/shm; kill -9 -1; ls /proc | grep -c '^[0-9]'",
            path.display()
        );
        let (_, log) = other.sh(&format!("sh -c '{}'; echo", script.replace('\'', "'\\''")));
        assert!(log.starts_with("0\n/dev/shm:\n\n/tmp:\n"), "{log}");
        assert_eq!(count_running(&marker) > 0, !first.is_finished());
        let (outcome, _) = first.join().unwrap();
        assert!(matches!(outcome.end, End::Limit(LimitKind::Wall, _)), "{:?}", outcome.end);
    });
    assert_gone(&marker);
}
