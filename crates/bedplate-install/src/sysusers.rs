//! Lines of sysusers.d(5), and the numbers that `systemd-sysusers` would give to users and groups without one.
//!
//! Only what the owners of files need is read: names and numbers. Lines that make no account (`r`) are passed over.

use std::collections::BTreeMap;

use crate::Accounts;

/// The first number that is tried; then downwards.
const HIGHEST: u32 = 999;

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `u`.
    User { name: String, uid: Option<u32>, group: UserGroup },
    /// `g`.
    Group { name: String, gid: Option<u32> },
    /// `m`: both are made if there is no other line for them.
    Member { user: String, group: String },
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

/// Reads a line; nothing for a comment or one that makes no account.
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
        "r" => return Ok(None),
        other => return Err(format!("`{other}` is no type of a line")),
    }))
}

/// Makes the accounts of lines that are not there yet, in the order of `systemd-sysusers`: groups before users. Of two lines for one
/// name the first counts.
pub(crate) fn make(lines: Vec<Line>, accounts: &mut Accounts) {
    let mut groups: Vec<(String, Option<u32>)> = Vec::new();
    let mut users: Vec<(String, Option<u32>, UserGroup)> = Vec::new();
    let mut members = Vec::new();
    for line in lines {
        match line {
            Line::Group { name, gid } if !groups.iter().any(|one| one.0 == name) => groups.push((name, gid)),
            Line::User { name, uid, group } if !users.iter().any(|one| one.0 == name) => users.push((name, uid, group)),
            Line::Member { user, group } => members.push((user, group)),
            Line::Group { .. } | Line::User { .. } => {}
        }
    }
    for (user, group) in members {
        if !groups.iter().any(|one| one.0 == group) && !users.iter().any(|one| one.0 == group) {
            groups.push((group, None));
        }
        if !users.iter().any(|one| one.0 == user) {
            users.push((user, None, UserGroup::Own));
        }
    }
    let mut search = HIGHEST;
    for (name, gid) in groups {
        add_group(accounts, &name, gid, &mut search);
    }
    for (name, uid, group) in users {
        let gid = match group {
            UserGroup::Own => Some(add_group(accounts, &name, uid, &mut search)),
            UserGroup::Number(gid) => Some(gid),
            UserGroup::Named(group) => accounts.groups.get(&group).copied(),
        };
        add_user(accounts, &name, uid, gid, &mut search);
    }
}

/// Whether a number of one kind is free, and that of the other kind is not another name's.
fn is_free(number: u32, name: &str, these: &BTreeMap<String, u32>, those: &BTreeMap<String, u32>) -> bool {
    !these.values().any(|used| *used == number) && !those.iter().any(|(other, used)| *used == number && other != name)
}

fn add_group(accounts: &mut Accounts, name: &str, wanted: Option<u32>, search: &mut u32) -> u32 {
    if let Some(gid) = accounts.groups.get(name) {
        return *gid;
    }
    let is_good = |gid: u32| is_free(gid, name, &accounts.groups, &accounts.users);
    let gid = wanted.filter(|gid| is_good(*gid)).unwrap_or_else(|| next(search, is_good));
    accounts.groups.insert(name.to_owned(), gid);
    gid
}

fn add_user(accounts: &mut Accounts, name: &str, wanted: Option<u32>, gid: Option<u32>, search: &mut u32) {
    if accounts.users.contains_key(name) {
        return;
    }
    let is_good = |uid: u32| is_free(uid, name, &accounts.users, &accounts.groups);
    let uid = wanted
        .filter(|uid| !accounts.users.values().any(|used| used == uid))
        .or_else(|| gid.filter(|gid| is_good(*gid)))
        .unwrap_or_else(|| next(search, is_good));
    accounts.users.insert(name.to_owned(), uid);
}

fn next(search: &mut u32, is_good: impl Fn(u32) -> bool) -> u32 {
    while *search > 1 && !is_good(*search) {
        *search -= 1;
    }
    *search
}
