//! The users of a sandbox, and who they are outside.
//!
//! ```text
//! inside       outside
//!          0   ourselves, who own the store
//! 1 to 65534   as root: ids that belong to no user; else our sub-ids
//! ```
//!
//! The builder is 1000, nobody is 65534. The others are nobody who runs: tests put them into access lists. Who has fewer ids
//! gets the builder and, if there is one more, nobody; then such tests fail.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use crate::BUILDER;
use crate::channel::Report;

const NOBODY: u32 = 65534;

/// In the range that containers take for themselves by convention, so that it is nobody's: who 0 would be.
const PREFERRED: Range = Range { first: 0x7000_0000, count: NOBODY + 1 };

/// So many ids inside, from the first number, are those outside from the second number.
type Mapped = (u32, u32, u32);

/// Root, and all others in the range that comes after an id.
fn all_users(own: u32, before: u32) -> Vec<Mapped> {
    vec![(0, own, 1), (1, before + 1, NOBODY)]
}

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
        self.holds_all(Self { first: id, count: 1 })
    }

    fn holds_all(self, other: Self) -> bool {
        let offset = other.first.checked_sub(self.first);
        offset.is_some_and(|offset| offset.checked_add(other.count).is_some_and(|end| end <= self.count))
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
    let mapped = mapped_by_root(kind.own(), &parse_map(&ranges)).ok_or_else(|| {
        format!("`{file}` has only one id: this container must be started with a range of ids for its users")
    })?;
    let text: String = mapped.iter().map(|(inside, outside, count)| format!("{inside} {outside} {count}\n")).collect();
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

/// Who the users are outside, if we have `ranges` of ids.
fn mapped_by_root(own: u32, ranges: &[Range]) -> Option<Vec<Mapped>> {
    if ranges.iter().any(|range| range.holds_all(PREFERRED)) && !PREFERRED.holds(own) {
        return Some(all_users(own, PREFERRED.first));
    }
    // The last of the largest range: the first ones are those of real users.
    let largest = ranges.iter().max_by_key(|range| range.count)?;
    let builder = largest.first.checked_add(largest.count)?.checked_sub(1)?;
    if builder == own {
        return None;
    }
    let mut mapped = vec![(0, own, 1), (BUILDER, builder, 1)];
    if builder != NOBODY && ranges.iter().any(|range| range.holds(NOBODY)) {
        mapped.push((NOBODY, NOBODY, 1));
    }
    Some(mapped)
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
    let mapped = mapped_by_tool(own, &sub_ids(&text, &name, user))
        .ok_or_else(|| format!("`{file}` has no ids for `{name}`, and a build does not run as its user; {fix}"))?;
    let mut arguments = vec![process.to_string()];
    for (inside, outside, count) in mapped {
        arguments.extend([inside, outside, count].map(|number| number.to_string()));
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

/// Who the users are outside, if we have these sub-ids.
fn mapped_by_tool(own: u32, ids: &[Range]) -> Option<Vec<Mapped>> {
    if let Some(range) = ids.iter().find(|range| range.count >= NOBODY && range.first > 0) {
        return Some(all_users(own, range.first - 1));
    }
    let mut few = ids.iter().flat_map(|range| (range.first..).take(range.count.min(2) as usize));
    let mut mapped = vec![(0, own, 1), (BUILDER, few.next()?, 1)];
    mapped.extend(few.next().map(|nobody| (NOBODY, nobody, 1)));
    Some(mapped)
}

/// The sub-ids of a user, who is named or numbered there.
fn sub_ids(text: &str, name: &str, user: u32) -> Vec<Range> {
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next().filter(|owner| *owner == name || owner.parse() == Ok(user));
        owner?;
        Some(Range { first: fields.next()?.parse().ok()?, count: fields.next()?.trim().parse().ok()? })
    };
    text.lines().filter_map(range).filter(|range| range.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_takes_ids_that_it_has() {
        for (map, expected) in [
            ("0 0 4294967295", vec![(0, 0, 1), (1, 0x7000_0001, 65534)]),
            ("0 1000 1\n1 100000 65536\n", vec![(0, 0, 1), (1000, 65536, 1), (65534, 65534, 1)]),
            ("0 1000 1\n1 100000 1000\n", vec![(0, 0, 1), (1000, 1000, 1)]),
            ("0 1000 1\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(mapped_by_root(0, &parse_map(map)).unwrap_or_default(), expected, "{map}");
        }
    }

    #[test]
    fn sub_ids_are_found_by_name_and_number() {
        let text = "root:1:5\nann:100000:65536\n1001:7:1\nbob:300000:1\nbob:400000:9\nbad:x:1\n";
        for (name, user, expected) in [
            ("ann", 1000, vec![(0, 5, 1), (1, 100_000, 65534)]),
            ("eve", 1001, vec![(0, 5, 1), (1000, 7, 1)]),
            ("bob", 1002, vec![(0, 5, 1), (1000, 300_000, 1), (65534, 400_000, 1)]),
            ("bad", 1003, vec![]),
            ("nobody", 65534, vec![]),
        ] {
            assert_eq!(mapped_by_tool(5, &sub_ids(text, name, user)).unwrap_or_default(), expected, "{name}");
        }
        assert_eq!(user_name("root:x:0:0:\nann:x:1000:1000::/:\n", 1000).as_deref(), Some("ann"));
        assert_eq!(user_name("root:x:0:0:\n", 1000), None);
    }
}
