//! Scripts that need no run: they only bring a cache or a database up to date, which is done once for the whole image, or tell a
//! running system, which there is not.

mod lua;
mod shell;

use std::collections::BTreeSet;

use crate::Script;

/// What is done for the whole image instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Native {
    /// The cache of the dynamic linker: `ldconfig`.
    LinkerCache,
    /// Users and groups of `sysusers.d`: `systemd-sysusers`.
    Users,
    /// Files of `tmpfiles.d`: `systemd-tmpfiles --create`.
    TemporaryFiles,
    /// Dependencies of kernel modules: `depmod`.
    KernelModules,
    /// The database of hardware: `systemd-hwdb update`.
    HardwareDatabase,
    /// The catalogue of messages: `journalctl --update-catalog`.
    MessageCatalog,
    /// Which units are enabled: `systemctl preset`, `systemd-update-helper install-system-units`.
    Presets,
    /// Nothing: something that runs would be told.
    RunningSystem,
}

impl Native {
    /// Its name in a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LinkerCache => "linker cache",
            Self::Users => "users",
            Self::TemporaryFiles => "temporary files",
            Self::KernelModules => "kernel modules",
            Self::HardwareDatabase => "hardware database",
            Self::MessageCatalog => "message catalogue",
            Self::Presets => "presets",
            Self::RunningSystem => "running system",
        }
    }
}

/// What a script does, if it does nothing but that; an empty set if it does nothing at all. `arguments` are those that it is run with,
/// so that what it would only do for an update does not count.
///
/// It is exact: a script of which one word is not known is not recognised.
#[must_use]
pub fn classify(script: &Script, arguments: &[String]) -> Option<BTreeSet<Native>> {
    let words: Vec<&str> = script.program.iter().map(String::as_str).collect();
    let text = std::str::from_utf8(script.body.as_deref().unwrap_or_default()).ok()?;
    match words[..] {
        ["/bin/sh" | "/usr/bin/sh" | "/bin/bash" | "/usr/bin/bash"] => shell::classify(text, arguments),
        ["<lua>"] => lua::classify(text),
        _ if script.body.is_none() => Some(command(&words)?.into_iter().collect()),
        _ => None,
    }
}

/// What a command does, if it is one of those.
fn command(words: &[&str]) -> Option<Option<Native>> {
    let (program, arguments) = words.split_first()?;
    let known = ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/systemd/", "/lib/systemd/"];
    let name = known.iter().find_map(|folder| program.strip_prefix(folder)).unwrap_or(program);
    if name.contains('/') {
        return None;
    }
    let options = |allowed: &[&str]| arguments.iter().all(|argument| allowed.contains(argument));
    let native = match (name, arguments) {
        (":" | "true", _) => return Some(None),
        ("exit", [] | ["0"]) => return Some(None),
        ("ldconfig", _) if options(&["-X"]) => Native::LinkerCache,
        // Given files are those of packages, and the whole of them is looked at.
        ("systemd-sysusers", _) if arguments.iter().all(|argument| is_file_of("sysusers.d", argument)) => Native::Users,
        ("systemd-tmpfiles", _)
            if arguments.contains(&"--create")
                && arguments.iter().all(|one| *one == "--create" || is_file_of("tmpfiles.d", one)) =>
        {
            Native::TemporaryFiles
        }
        ("depmod", _)
            if arguments
                .iter()
                .all(|one| matches!(*one, "-a" | "-A" | "--all" | "--quick") || !one.starts_with('-')) =>
        {
            Native::KernelModules
        }
        ("systemd-hwdb", ["update"] | ["--usr", "update"]) => Native::HardwareDatabase,
        ("journalctl", ["--update-catalog"]) => Native::MessageCatalog,
        ("systemctl", ["preset" | "--no-reload", ..]) if arguments.contains(&"preset") => Native::Presets,
        ("systemctl", ["daemon-reload" | "daemon-reexec" | "try-restart" | "reload", ..]) => Native::RunningSystem,
        ("systemd-update-helper", ["install-system-units" | "install-user-units", ..]) => Native::Presets,
        (
            "systemd-update-helper",
            [
                "system-reload-restart"
                | "user-reload-restart"
                | "system-reload"
                | "user-reload"
                | "system-restart"
                | "user-restart"
                | "mark-restart-system-units"
                | "mark-reload-system-units"
                | "mark-restart-user-units",
                ..,
            ],
        ) => Native::RunningSystem,
        ("udevadm", ["control" | "trigger" | "settle", ..]) | ("systemd-sysctl" | "systemd-binfmt", _) => {
            Native::RunningSystem
        }
        _ => return None,
    };
    Some(Some(native))
}

/// True for the standard input (of a here document), and for a file of this sort of configuration.
fn is_file_of(folder: &str, argument: &str) -> bool {
    let path = argument.strip_prefix("--replace=").unwrap_or(argument);
    path == "-" || path.ends_with(".conf") && (!path.contains('/') || path.contains(&format!("/{folder}/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(program: &str, body: Option<&str>, arguments: &[usize]) -> Option<Vec<&'static str>> {
        let script = Script {
            program: program.split(' ').map(str::to_owned).collect(),
            body: body.map(|body| body.as_bytes().to_vec()),
            flags: 0,
        };
        let arguments: Vec<String> = arguments.iter().map(usize::to_string).collect();
        classify(&script, &arguments).map(|all| all.into_iter().map(Native::name).collect())
    }

    #[test]
    fn programs_that_run_alone() {
        for (program, expected) in [
            ("/sbin/ldconfig", Some(vec!["linker cache"])),
            ("/usr/sbin/ldconfig -X", Some(vec!["linker cache"])),
            ("/usr/sbin/ldconfig -r /x", None),
            ("/opt/bin/ldconfig", None),
            ("/usr/bin/systemd-sysusers", Some(vec!["users"])),
            ("/usr/bin/true", Some(vec![])),
            ("/usr/bin/install-info", None),
        ] {
            assert_eq!(of(program, None, &[1]), expected, "{program}");
        }
    }

    #[test]
    fn scripts_of_the_shell() {
        let unit = "\nif [ $1 -eq 1 ] && [ -x \"/usr/lib/systemd/systemd-update-helper\" ]; then\n    # Initial installation\n    \
                    /usr/lib/systemd/systemd-update-helper install-system-units sshd.service sshd.socket || :\nfi\n";
        let users = "systemd-sysusers --replace=/usr/lib/sysusers.d/x.conf - <<SYSTEMD_INLINE_EOF &>/dev/null || :\n\
                     u x - 'X user; of `x`' /var/x\nSYSTEMD_INLINE_EOF\n";
        for (body, arguments, expected) in [
            ("", &[1][..], Some(vec![])),
            ("# only a comment\n:\nexit 0\n", &[1], Some(vec![])),
            ("/sbin/ldconfig\n", &[1], Some(vec!["linker cache"])),
            (unit, &[1], Some(vec!["presets"])),
            (unit, &[2], Some(vec![])),
            (users, &[1], Some(vec!["users"])),
            (
                "[ -x /usr/bin/systemd-hwdb ] && systemd-hwdb update >/dev/null 2>&1 || :",
                &[1],
                Some(vec!["hardware database"]),
            ),
            ("systemd-tmpfiles --create x.conf &>/dev/null || :", &[0], Some(vec!["temporary files"])),
            ("systemd-tmpfiles --create --remove || :", &[0], None),
            ("if test -x /sbin/depmod; then /sbin/depmod -a 6.12.3; fi", &[1], Some(vec!["kernel modules"])),
            (
                "journalctl --update-catalog || :\nsystemd-sysusers || true",
                &[1],
                Some(vec!["users", "message catalogue"]),
            ),
            ("if [ \"$1\" -gt 1 ]; then systemctl try-restart x; rm -f /y; fi", &[1], Some(vec![])),
            ("if [ $1 -gt 1 ]; then rm -f /y; fi", &[2], None),
            ("if [ $1 = 1 ]; then ldconfig; else rm /x; fi", &[1], Some(vec!["linker cache"])),
            ("if [ -e /x ]; then ldconfig; else rm /x; fi", &[1], None),
            (
                "if [ -e /x ]; then ldconfig; elif [ -e /y ]; then depmod; else :; fi",
                &[1],
                Some(vec!["linker cache", "kernel modules"]),
            ),
            ("ldconfig; touch /x", &[1], None),
            ("ldconfig $OPTIONS", &[1], None),
            ("ldconfig `x`", &[1], None),
            ("ldconfig >/etc/x", &[1], None),
            ("ldconfig | x", &[1], None),
            ("ldconfig &", &[1], None),
            ("X=1 ldconfig", &[1], None),
            ("for i in 1; do ldconfig; done", &[1], None),
            ("if [ -e /x ]; then ldconfig", &[1], None),
            ("getent group x >/dev/null || groupadd -r x", &[1], None),
        ] {
            assert_eq!(of("/bin/sh", Some(body), arguments), expected, "{body}");
        }
        assert_eq!(of("/bin/sh -x", Some("ldconfig"), &[1]), None);
        assert_eq!(of("/usr/bin/python3", Some(""), &[1]), None);
    }

    #[test]
    fn scripts_in_lua() {
        let systemd = "-- after any package\nif posix.access(\"/run/systemd/system\") then\n    pid = posix.fork()\n    \
                       if pid == 0 then\n        assert(posix.execp(\"systemd-sysusers\"))\n    elseif pid > 0 then\n        \
                       posix.wait(pid)\n    end\nend\n";
        for (body, expected) in [
            ("rpm.execute(\"/usr/sbin/ldconfig\")", Some(vec!["linker cache"])),
            ("-- x\nrpm.execute ('/sbin/ldconfig', \"-X\");\n", Some(vec!["linker cache"])),
            (systemd, Some(vec!["users"])),
            ("", Some(vec![])),
            ("rpm.execute(\"/usr/sbin/ldconfig\") os.remove(\"/x\")", None),
            ("rpm.execute(path)", None),
            ("posix.mkdir(\"/x\")", None),
            ("--[[ a comment\nof lines ]] rpm.execute(\"ldconfig\")", Some(vec!["linker cache"])),
            ("rpm.execute(\"ldconfig\"", None),
        ] {
            assert_eq!(of("<lua>", Some(body), &[1]), expected, "{body}");
        }
    }
}
