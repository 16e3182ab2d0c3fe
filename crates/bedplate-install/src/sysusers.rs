//! Lines of sysusers.d(5), and the numbers that `systemd-sysusers` would give to users and groups without one.
//!
//! Only what the owners of files need is read: names and numbers.

use std::collections::BTreeMap;

use crate::Accounts;

/// The numbers for those that have none, unless lines give others. The highest is tried first.
const SYSTEM: (u32, u32) = (1, 999);

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `u`.
    User { name: String, uid: Option<u32>, group: UserGroup },
    /// `g`.
    Group { name: String, gid: Option<u32> },
    /// `m`: both are made if there is no other line for them.
    Member { user: String, group: String },
    /// `r`: numbers for those that have none.
    Range(u32, u32),
}

/// The group of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserGroup {
    /// One of the same name, and number if that is free.
    Own,
    /// The one with this number.
    Number(u32),
    /// The one with this name.
    Named(String),
}

/// Reads a line; nothing for a comment.
pub(crate) fn parse(line: &str) -> Result<Option<Line>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(|word| word.trim_matches('"'));
    let (kind, name, id) = (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or("-"));
    let name = name.ok_or("it has no name")?;
    if name.contains('%') {
        return Err("specifiers in names are not known here".to_owned());
    }
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is no number"));
    let optional = |text: &str| if text == "-" || text.starts_with('/') { Ok(None) } else { number(text).map(Some) };
    let name = name.to_owned();
    Ok(Some(match kind.trim_end_matches(['!', '-']) {
        "u" => {
            let (uid, group) = match id.split_once(':') {
                Some((uid, group)) if group.starts_with(|c: char| c.is_ascii_digit()) => {
                    (uid, UserGroup::Number(number(group)?))
                }
                Some((uid, group)) => (uid, UserGroup::Named(group.to_owned())),
                None => (id, UserGroup::Own),
            };
            Line::User { name, uid: optional(uid)?, group }
        }
        "g" => Line::Group { name, gid: optional(id)? },
        "m" if id != "-" => Line::Member { user: name, group: id.to_owned() },
        "m" => return Err("it names no group".to_owned()),
        "r" => {
            let (low, high) = id.split_once('-').unwrap_or((id, id));
            Line::Range(number(low)?, number(high)?)
        }
        other => return Err(format!("`{other}` is no type of a line")),
    }))
}

/// Makes the accounts of lines that are not there yet, in the order of `systemd-sysusers`: groups before users. Of two lines for one
/// name the first counts.
pub(crate) fn make(lines: Vec<Line>, accounts: &mut Accounts) {
    let mut groups: Vec<(String, Option<u32>)> = Vec::new();
    let mut users: Vec<(String, Option<u32>, UserGroup)> = Vec::new();
    let (mut members, mut ranges) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::Group { name, gid } if !groups.iter().any(|one| one.0 == name) => groups.push((name, gid)),
            Line::User { name, uid, group } if !users.iter().any(|one| one.0 == name) => users.push((name, uid, group)),
            Line::Member { user, group } => members.push((user, group)),
            Line::Range(low, high) => ranges.push((low, high)),
            Line::Group { .. } | Line::User { .. } => {}
        }
    }
    for (user, group) in members {
        if !users.iter().any(|one| one.0 == user) {
            users.push((user, None, UserGroup::Own));
        }
        if !groups.iter().any(|one| one.0 == group) && !users.iter().any(|one| one.0 == group) {
            groups.push((group, None));
        }
    }
    if ranges.is_empty() {
        ranges.push(SYSTEM);
    }
    let mut maker = Maker { accounts, numbers: Numbers { ranges, last: u32::MAX } };
    for (name, gid) in &groups {
        maker.group(name, *gid);
    }
    for (name, uid, group) in users {
        let has_own_line = groups.iter().any(|one| one.0 == name);
        match group {
            UserGroup::Own if has_own_line => maker.user(&name, uid, maker.accounts.groups.get(&name).copied(), false),
            UserGroup::Own => {
                let gid = maker.group(&name, uid);
                maker.user(&name, uid, Some(gid), true);
            }
            UserGroup::Number(gid) => maker.user(&name, uid, Some(gid), false),
            UserGroup::Named(group) => maker.user(&name, uid, maker.accounts.groups.get(&group).copied(), false),
        }
    }
}

/// Numbers that were not given out yet, downwards; users and groups share them.
struct Numbers {
    ranges: Vec<(u32, u32)>,
    last: u32,
}

impl Numbers {
    fn next(&mut self, is_good: impl Fn(u32) -> bool) -> u32 {
        loop {
            let below = self.ranges.iter().filter(|(low, _)| *low < self.last);
            match below.map(|(_, high)| (*high).min(self.last - 1)).max() {
                Some(number) => self.last = number,
                // Nothing is free: systemd-sysusers fails then, and root is what rpm would take.
                None => return 0,
            }
            if is_good(self.last) {
                return self.last;
            }
        }
    }
}

struct Maker<'a> {
    accounts: &'a mut Accounts,
    numbers: Numbers,
}

impl Maker<'_> {
    fn group(&mut self, name: &str, wanted: Option<u32>) -> u32 {
        if let Some(gid) = self.accounts.groups.get(name) {
            return *gid;
        }
        let is_good = |gid: u32| is_free(gid, name, &self.accounts.groups, &self.accounts.users);
        let gid = wanted.filter(|gid| is_good(*gid)).unwrap_or_else(|| self.numbers.next(is_good));
        self.accounts.groups.insert(name.to_owned(), gid);
        gid
    }

    /// `is_own` is whether the group was made for this user: then no other group may have the number that is wanted.
    fn user(&mut self, name: &str, wanted: Option<u32>, gid: Option<u32>, is_own: bool) {
        if self.accounts.users.contains_key(name) {
            return;
        }
        let is_good = |uid: u32| is_free(uid, name, &self.accounts.users, &self.accounts.groups);
        let is_unused = |uid: u32| !self.accounts.users.values().any(|used| *used == uid);
        let uid = wanted
            .filter(|uid| if is_own { is_good(*uid) } else { is_unused(*uid) })
            .or_else(|| gid.filter(|gid| is_good(*gid)))
            .unwrap_or_else(|| self.numbers.next(is_good));
        self.accounts.users.insert(name.to_owned(), uid);
    }
}

/// Whether a number of one kind is free, and that of the other kind is not another name's.
fn is_free(number: u32, name: &str, these: &BTreeMap<String, u32>, those: &BTreeMap<String, u32>) -> bool {
    !these.values().any(|used| *used == number) && !those.iter().any(|(other, used)| *used == number && other != name)
}
