//! The users of a sandbox: root, the builder and nobody, and who they are outside.
//!
//! ```text
//! inside   outside
//!      0   ourselves, who own the store
//!   1000   as root: an id that belongs to no user; else the first of our sub-ids
//!  65534   as root: nobody; else the second of our sub-ids, if we have two
//! ```

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use crate::BUILDER;
use crate::channel::Report;

const NOBODY: u32 = 65534;

/// In the range that containers take for themselves by convention, so that it is nobody's.
const PREFERRED_BUILDER: u32 = 0x7000_0000 + BUILDER;

/// A user or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn map_file(self) -> &'static str {
        match self {
            Self::User => "uid_map",
            Self::Group => "gid_map",
        }
    }

    fn sub_id_file(self) -> &'static str {
        match self {
            Self::User => "/etc/subuid",
            Self::Group => "/etc/subgid",
        }
    }

    fn tool(self) -> &'static str {
        match self {
            Self::User => "newuidmap",
            Self::Group => "newgidmap",
        }
    }

    fn own(self) -> u32 {
        match self {
            Self::User => rustix::process::geteuid().as_raw(),
            Self::Group => rustix::process::getegid().as_raw(),
        }
    }
}

/// An unbroken range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u32,
    count: u32,
}

impl Range {
    fn holds(self, id: u32) -> bool {
        id.checked_sub(self.first).is_some_and(|offset| offset < self.count)
    }
}

/// Maps the users and groups of the process's namespace.
pub(crate) fn map(process: Pid) -> Result<(), Report> {
    let write = if rustix::process::geteuid().is_root() { map_as_root } else { map_by_tool };
    write(process, Kind::Group).and_then(|()| write(process, Kind::User)).map_err(Report::Refused)
}

fn map_as_root(process: Pid, kind: Kind) -> Result<(), String> {
    let file = format!("/proc/self/{}", kind.map_file());
    let ranges = fs::read_to_string(&file).map_err(|error| format!("read `{file}`: {error}"))?;
    let pairs = root_pairs(kind.own(), &parse_map(&ranges)).ok_or_else(|| {
        format!("`{file}` has only one id: this container must be started with a range of ids for its users")
    })?;
    let text: String = pairs.iter().map(|(inside, outside)| format!("{inside} {outside} 1\n")).collect();
    let file = format!("/proc/{process}/{}", kind.map_file());
    fs::write(&file, text).map_err(|error| format!("give the sandbox its users: write `{file}`: {error}"))
}

/// The first number of each line is an id of ours, the third says how many follow.
fn parse_map(text: &str) -> Vec<Range> {
    let line = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let first = words.next()?.parse().ok()?;
        Some(Range { first, count: words.nth(1)?.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}

/// Who the three users are outside, if we have `ranges` of ids.
fn root_pairs(own: u32, ranges: &[Range]) -> Option<Vec<(u32, u32)>> {
    let builder = if ranges.iter().any(|range| range.holds(PREFERRED_BUILDER)) {
        PREFERRED_BUILDER
    } else {
        // The last of the largest range: the first ones are those of real users.
        let largest = ranges.iter().max_by_key(|range| range.count)?;
        largest.first.checked_add(largest.count)?.checked_sub(1)?
    };
    if builder == own {
        return None;
    }
    let mut pairs = vec![(0, own), (BUILDER, builder)];
    if builder != NOBODY && ranges.iter().any(|range| range.holds(NOBODY)) {
        pairs.push((NOBODY, NOBODY));
    }
    Some(pairs)
}

fn map_by_tool(process: Pid, kind: Kind) -> Result<(), String> {
    let own = kind.own();
    let user = rustix::process::geteuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = user_name(&passwd, user).unwrap_or_else(|| user.to_string());
    let file = kind.sub_id_file();
    let fix = format!(
        "give `{name}` a range of ids (as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`)"
    );
    let text = fs::read_to_string(file).map_err(|error| format!("read `{file}`: {error}; {fix}"))?;
    let ids = sub_ids(&text, &name, user);
    let Some(&builder) = ids.first() else {
        return Err(format!("`{file}` has no ids for `{name}`, and a build does not run as its user; {fix}"));
    };
    let mut arguments = vec![process.to_string()];
    let mut pair = |inside: u32, outside: u32| {
        arguments.extend([inside.to_string(), outside.to_string(), "1".to_owned()]);
    };
    pair(0, own);
    pair(BUILDER, builder);
    if let Some(&nobody) = ids.get(1) {
        pair(NOBODY, nobody);
    }
    let tool = kind.tool();
    let path = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"]
        .map(|folder| format!("{folder}/{tool}"))
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
        .ok_or_else(|| format!("`{tool}` is missing, which gives a sandbox its users; install the package `uidmap`"))?;
    let output = Command::new(&path)
        .args(&arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("run `{path}`: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{path} {}` failed: {}", arguments.join(" "), said.trim_end()));
    }
    Ok(())
}

fn user_name(passwd: &str, user: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    })
}

/// The first two sub-ids of a user, who is named or numbered there.
fn sub_ids(text: &str, name: &str, user: u32) -> Vec<u32> {
    let mut ids = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let (Some(owner), Some(first), Some(count)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (Ok(first), Ok(count)) = (first.parse::<u32>(), count.trim().parse::<u32>()) else { continue };
        if owner == name || owner.parse() == Ok(user) {
            ids.extend((first..first.saturating_add(count)).take(2));
        }
    }
    ids.truncate(2);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_takes_ids_that_it_has() {
        for (map, expected) in [
            ("0 0 4294967295", vec![(0, 0), (1000, PREFERRED_BUILDER), (65534, 65534)]),
            ("0 1000 1\n1 100000 65536\n", vec![(0, 0), (1000, 65536), (65534, 65534)]),
            ("0 1000 1\n1 100000 1000\n", vec![(0, 0), (1000, 1000)]),
            ("0 1000 1\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(root_pairs(0, &parse_map(map)).unwrap_or_default(), expected, "{map}");
        }
    }

    #[test]
    fn sub_ids_are_found_by_name_and_number() {
        let text = "root:1:5\nann:100000:65536\n1001:7:1\nbob:300000:1\nbob:400000:9\nbad:x:1\n";
        for (name, user, expected) in [
            ("ann", 1000, vec![100_000, 100_001]),
            ("eve", 1001, vec![7]),
            ("bob", 1002, vec![300_000, 400_000]),
            ("bad", 1003, vec![]),
            ("nobody", 65534, vec![]),
        ] {
            assert_eq!(sub_ids(text, name, user), expected, "{name}");
        }
        assert_eq!(user_name("root:x:0:0:\nann:x:1000:1000::/:\n", 1000).as_deref(), Some("ann"));
        assert_eq!(user_name("root:x:0:0:\n", 1000), None);
    }
}
