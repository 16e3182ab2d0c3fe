//! Gives system users and groups their ids, in the way of systemd-sysusers(8).
//!
//! The same files give the same ids: files are read by name, groups come before users, and a free id is looked for from the top of
//! the range downwards.

use std::collections::BTreeMap;

use bedplate_diag::{Diagnostic, Span};
use bedplate_tree::TreePath;

use crate::accounts::NewUser;
use crate::configuration;
use crate::specifier::Specifiers;
use crate::sysusers::{Id, PrimaryGroup, SystemUser};
use crate::{Accounts, CustomiseError, Editor};

/// Ids of the system, where no `r` line says otherwise.
const RANGE: (u32, u32) = (100, 999);

/// The shell of a user who shall not log in.
pub(crate) const NO_LOGIN: &str = "/usr/sbin/nologin";

/// A line, and where it stands.
#[derive(Debug, Clone)]
struct Request {
    what: SystemUser,
    span: Option<Span>,
}

/// Makes the users and groups of the tree's sysusers.d files and of `extra` lines (of rpm's `user()` and `group()` provides, see
/// [`provided_line`]), which come last, and writes the account files. Whoever is there already stays as they are.
///
/// # Errors
///
/// If a file cannot be read or written. What is wrong with a line is a diagnostic.
pub fn create_system_users(
    editor: &mut Editor<'_>,
    specifiers: &Specifiers,
    extra: &[String],
) -> Result<Accounts, CustomiseError> {
    editor.step("sysusers");
    let mut requests = Vec::new();
    for file in configuration::files(editor, &configuration::folders("sysusers.d"), ".conf") {
        let text = editor.text(&file)?.unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            match SystemUser::parse(line, specifiers) {
                Ok(None) => {}
                Ok(Some(what)) => {
                    let source = editor.source(&file, &text);
                    let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
                    let span = editor.sources.get(source).map(|text| text.line_span(source, number));
                    requests.push(Request { what, span });
                }
                Err(message) => {
                    editor.report_line(&file, &text, index + 1, Diagnostic::error("bad-sysusers-line", message));
                }
            }
        }
    }
    for line in extra {
        match SystemUser::parse(line, specifiers) {
            Ok(what) => requests.extend(what.map(|what| Request { what, span: None })),
            Err(message) => {
                let message = format!("a package provides the user line `{line}`: {message}");
                editor.diagnostics.push(Diagnostic::error("bad-sysusers-line", message));
            }
        }
    }
    let mut accounts = Accounts::read(editor)?;
    let mut allocation = Allocation::new(&mut accounts, &requests, editor.epoch() / 86_400);
    let owner = |path: &TreePath| editor.follow(path).map(|(_, entry)| (entry.uid, entry.gid));
    allocation.run(&requests, &owner);
    let found = allocation.diagnostics;
    editor.diagnostics.extend(found);
    accounts.write(editor)?;
    Ok(accounts)
}

/// The sysusers.d line of an rpm dependency `user(NAME) = VALUE` or `group(NAME) = VALUE`: rpm writes it in base 64, so that it is
/// a version. None if the value is something else.
#[must_use]
pub fn provided_line(value: &str) -> Option<String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in value.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|&known| known == digit)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let line = String::from_utf8(bytes).ok()?;
    ["u ", "u!", "g ", "m ", "r "]
        .iter()
        .any(|start| line.starts_with(start))
        .then(|| line.trim_end_matches('\0').to_owned())
}

/// Ids being given.
struct Allocation<'a> {
    accounts: &'a mut Accounts,
    /// Free ids are looked for here.
    ranges: Vec<(u32, u32)>,
    /// Greater ids have been looked at already.
    next: u32,
    day: i64,
    diagnostics: Vec<Diagnostic>,
}

/// Finds the numeric owner and group of a file of the tree.
type OwnerOf<'a> = &'a dyn Fn(&TreePath) -> Option<(u32, u32)>;

impl<'a> Allocation<'a> {
    fn new(accounts: &'a mut Accounts, requests: &[Request], day: i64) -> Self {
        let asked = requests.iter().filter_map(|request| match request.what {
            SystemUser::Range { first, last } => Some((first, last)),
            _ => None,
        });
        let mut ranges: Vec<_> = asked.collect();
        if ranges.is_empty() {
            ranges.push(RANGE);
        }
        Self { accounts, ranges, next: u32::MAX, day, diagnostics: Vec::new() }
    }

    fn run(&mut self, requests: &[Request], owner: OwnerOf<'_>) {
        let (users, groups) = self.sort_out(requests);
        for (name, (id, span)) in &groups.entries {
            self.group(name, id, None, *span, owner);
        }
        for request in users.entries.iter().map(|(_, request)| request) {
            self.user(request, &groups, owner);
        }
        for request in requests {
            if let SystemUser::Member { user, group } = &request.what {
                self.accounts.add_member(group, user);
            }
        }
    }

    /// Users and groups, each name once: the first line counts, and another that says something else is a warning. Those that only
    /// an `m` line names follow.
    fn sort_out(&mut self, requests: &[Request]) -> (Named<Request>, Named<(Id, Option<Span>)>) {
        let (mut users, mut groups) = (Named::<Request>::default(), Named::default());
        for request in requests {
            let span = request.span;
            match &request.what {
                SystemUser::User { name, .. } => match users.get(name) {
                    Some(first) if first.what == request.what => {}
                    Some(first) => self.differs("user", name, span, first.span),
                    None => users.add(name, request.clone()),
                },
                SystemUser::Group { name, id } => match groups.get(name) {
                    Some((first, _)) if first == id => {}
                    Some((_, first)) => self.differs("group", name, span, *first),
                    None => groups.add(name, (id.clone(), span)),
                },
                SystemUser::Member { .. } | SystemUser::Range { .. } => {}
            }
        }
        for request in requests {
            let SystemUser::Member { user, group } = &request.what else { continue };
            // A user's line makes the group of its name.
            if groups.get(group).is_none() && users.get(group).is_none() {
                groups.add(group, (Id::Any, request.span));
            }
            if users.get(user).is_none() {
                let what = SystemUser::User {
                    name: user.clone(),
                    id: Id::Any,
                    group: PrimaryGroup::Own,
                    comment: String::new(),
                    home: None,
                    shell: None,
                    is_locked: false,
                };
                users.add(user, Request { what, span: request.span });
            }
        }
        (users, groups)
    }

    fn differs(&mut self, what: &str, name: &str, span: Option<Span>, first: Option<Span>) {
        let message = format!("the {what} `{name}` is asked for in two ways; the first counts");
        let mut diagnostic = Diagnostic::warning("sysusers-conflict", message);
        diagnostic.span = span;
        self.diagnostics.push(diagnostic.note("the first is here", first));
    }

    fn failed(&mut self, span: Option<Span>, message: String) {
        let mut diagnostic = Diagnostic::error("no-system-id", message);
        diagnostic.span = span;
        self.diagnostics.push(diagnostic);
    }

    /// Makes a group if it is not there; gives its id. `uid` is the id that the user of its name wants.
    fn group(&mut self, name: &str, id: &Id, uid: Option<u32>, span: Option<Span>, owner: OwnerOf<'_>) -> Option<u32> {
        if let Some(gid) = self.accounts.gid(name) {
            return Some(gid);
        }
        let asked = match id {
            Id::Number(gid) => Some(*gid),
            _ => None,
        };
        // An id that was asked for may be another user's; one that was not may not.
        let suggested = asked.filter(|&gid| self.is_free_gid(gid, name, false));
        let found = suggested
            .or_else(|| uid.filter(|&gid| self.is_free_gid(gid, name, true)))
            .or_else(|| match id {
                Id::OwnerOf(path) => owner(path).map(|(_, gid)| gid).filter(|&gid| self.is_free_gid(gid, name, true)),
                _ => None,
            })
            .or_else(|| self.search(|this, gid| this.is_free_gid(gid, name, true)));
        match found {
            Some(gid) => self.accounts.add_group(name, gid),
            None => self.failed(span, format!("no id is free for the group `{name}`")),
        }
        found
    }

    fn user(&mut self, request: &Request, groups: &Named<(Id, Option<Span>)>, owner: OwnerOf<'_>) {
        let SystemUser::User { name, id, group, comment, home, shell, is_locked } = &request.what else { return };
        let asked = match id {
            Id::Number(uid) => Some(*uid),
            _ => None,
        };
        let gid = match group {
            PrimaryGroup::Number(gid) if self.accounts.group_of(*gid).is_none() => {
                self.failed(request.span, format!("the user `{name}` wants the group {gid}, which is not there"));
                return;
            }
            PrimaryGroup::Number(gid) => Some(*gid),
            PrimaryGroup::Named(group) => match self.accounts.gid(group) {
                Some(gid) => Some(gid),
                None => {
                    self.failed(
                        request.span,
                        format!("the user `{name}` wants the group `{group}`, which is not there"),
                    );
                    return;
                }
            },
            PrimaryGroup::Own => match groups.get(name) {
                Some((id, span)) => self.group(name, id, None, *span, owner),
                None => self.group(name, &with_number(id, None), asked, request.span, owner),
            },
        };
        let Some(gid) = gid else { return };
        if self.accounts.uid(name).is_some() {
            return;
        }
        let is_strict = *group != PrimaryGroup::Own;
        let found = asked
            .filter(|&uid| self.is_free_uid(uid, name, !is_strict))
            .or_else(|| match id {
                Id::OwnerOf(path) => owner(path).map(|(uid, _)| uid).filter(|&uid| self.is_free_uid(uid, name, true)),
                _ => None,
            })
            .or_else(|| Some(gid).filter(|&uid| self.is_free_uid(uid, name, true)))
            .or_else(|| self.search(|this, uid| this.is_free_uid(uid, name, true)));
        let Some(uid) = found else {
            self.failed(request.span, format!("no id is free for the user `{name}`"));
            return;
        };
        let user = NewUser {
            name: name.clone(),
            uid,
            gid,
            comment: comment.clone(),
            home: home.clone().unwrap_or_else(|| "/".to_owned()),
            shell: shell.clone().unwrap_or_else(|| if uid == 0 { "/bin/sh" } else { NO_LOGIN }.to_owned()),
            password: None,
            is_locked: *is_locked,
        };
        self.accounts.add_user(&user, self.day);
    }

    /// The next lower id of the ranges that suits.
    fn search(&mut self, suits: impl Fn(&Self, u32) -> bool) -> Option<u32> {
        loop {
            let below = self.next;
            let next =
                self.ranges.iter().filter(|(first, _)| *first < below).map(|(_, last)| (*last).min(below - 1)).max()?;
            self.next = next;
            if suits(self, next) {
                return Some(next);
            }
        }
    }

    /// True if no user has it, and no group of another name (if that matters).
    fn is_free_uid(&self, uid: u32, name: &str, with_group: bool) -> bool {
        self.accounts.user_of(uid).is_none()
            && !(with_group && self.accounts.group_of(uid).is_some_and(|group| group != name))
    }

    fn is_free_gid(&self, gid: u32, name: &str, with_user: bool) -> bool {
        self.accounts.group_of(gid).is_none()
            && !(with_user && self.accounts.user_of(gid).is_some_and(|user| user != name))
    }
}

/// The id of a user's own group: as the user's, but a number is only a wish.
fn with_number(id: &Id, number: Option<u32>) -> Id {
    match id {
        Id::OwnerOf(path) => Id::OwnerOf(path.clone()),
        _ => number.map_or(Id::Any, Id::Number),
    }
}

/// Things by name, in the order in which they came.
#[derive(Debug)]
struct Named<T> {
    entries: Vec<(String, T)>,
    index: BTreeMap<String, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: BTreeMap::new() }
    }
}

impl<T> Named<T> {
    fn get(&self, name: &str) -> Option<&T> {
        self.index.get(name).map(|&at| &self.entries[at].1)
    }

    fn add(&mut self, name: &str, what: T) {
        self.index.insert(name.to_owned(), self.entries.len());
        self.entries.push((name.to_owned(), what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    fn create(image: &mut Image, extra: &[&str]) -> Accounts {
        let extra: Vec<String> = extra.iter().map(|&line| line.to_owned()).collect();
        image.edit(|editor| {
            let specifiers = Specifiers::of(editor, "x86-64").unwrap();
            create_system_users(editor, &specifiers, &extra).unwrap()
        })
    }

    #[test]
    fn names_mistakes_with_their_line() {
        let mut image = Image::new();
        image.file("/usr/lib/sysusers.d/a.conf", "u one 50\nx two\nu three -:nowhere\n");
        image.file("/usr/lib/sysusers.d/b.conf", "u one 51\n");
        let accounts = create(&mut image, &["g", "g extra 61"]);
        assert_eq!((accounts.uid("one"), accounts.gid("extra"), accounts.uid("three")), (Some(50), Some(61), None));
        assert_eq!(
            image.said(),
            [
                "/usr/lib/sysusers.d/a.conf:2: error bad-sysusers-line: `x` is no type of line; the types are u, u!, g, m and r",
                "error bad-sysusers-line: a package provides the user line `g`: a line of type `g` needs a name",
                "/usr/lib/sysusers.d/b.conf:1: warning sysusers-conflict: the user `one` is asked for in two ways; the first counts",
                "/usr/lib/sysusers.d/a.conf:3: error no-system-id: the user `three` wants the group `nowhere`, which is not there",
            ]
        );
    }

    #[test]
    fn a_full_range_is_said() {
        let mut image = Image::new();
        image.file("/usr/lib/sysusers.d/a.conf", "r - 500-501\ng a\ng b\ng c\nu d\n");
        let accounts = create(&mut image, &[]);
        assert_eq!((accounts.gid("a"), accounts.gid("b"), accounts.gid("c")), (Some(501), Some(500), None));
        assert_eq!(image.said().len(), 2, "{:?}", image.said());
    }

    #[test]
    fn a_second_run_changes_nothing() {
        let mut image = Image::new();
        image.file("/usr/lib/sysusers.d/a.conf", "u one\nm one wheel\nu two 7\n");
        let first = create(&mut image, &[]);
        let tree = image.tree.clone();
        assert_eq!(create(&mut image, &[]), first);
        assert_eq!(image.tree, tree);
        assert_eq!(image.tree.get("/etc/shadow").unwrap().mode, 0);
    }

    #[test]
    fn reads_what_rpm_provides() {
        for (value, want) in [
            (
                "dSBzeXN0ZW1kLW5ldHdvcmsgMTkyICJzeXN0ZW1kIE5ldHdvcmsgTWFuYWdlbWVudCIA",
                "u systemd-network 192 \"systemd Network Management\"",
            ),
            ("ZyBpbnB1dCA=", "g input "),
            ("1.0-1", ""),
            ("aGVsbG8=", ""),
        ] {
            assert_eq!(provided_line(value), Some(want.to_owned()).filter(|want| !want.is_empty()), "{value}");
        }
    }
}
