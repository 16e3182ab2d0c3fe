//! Users and groups.

use std::collections::BTreeMap;

use bedplate_diag::{Span, nearest};

use super::{Checks, also};
use crate::spanned::Spanned;

pub(super) fn check(checks: &mut Checks<'_>) {
    let config = checks.config;
    let users = config.users.iter().filter_map(|user| Some((user.name.as_str(), user.uid?)));
    numbers(checks, "uid", users);
    let groups = config.groups.iter().filter_map(|group| Some((group.name.as_str(), group.gid?)));
    numbers(checks, "gid", groups);
    for user in &config.users {
        match (user.name.as_str(), user.uid) {
            ("root", Some(uid)) if *uid != 0 => {
                checks.wrong("bad-user", uid.span, format!("root has the uid 0, not {uid}"), "remove `uid`");
            }
            (name, Some(uid)) if name != "root" && *uid == 0 => {
                let message = format!("`{name}` would be root: only root has the uid 0");
                checks.wrong("bad-user", uid.span, message, "give it another `uid`, or none");
            }
            _ => {}
        }
        for group in user.group.iter().chain(&user.groups) {
            group_name(checks, group.as_str(), group.span);
        }
    }
    for group in &config.groups {
        for member in &group.members {
            user_name(checks, member.as_str(), member.span);
        }
    }
}

/// A number belongs to one name.
fn numbers<'c>(checks: &mut Checks<'_>, key: &str, all: impl Iterator<Item = (&'c str, Spanned<u32>)>) {
    let mut seen: BTreeMap<u32, (&str, Span)> = BTreeMap::new();
    for (name, number) in all {
        let Some((first, at)) = seen.get(&number).copied() else {
            seen.insert(*number, (name, number.span));
            continue;
        };
        let message = format!("`{name}` has the {key} {number}, which `{first}` has");
        let mistake = checks.wrong("twice", number.span, message, format!("give one of them another `{key}`, or none"));
        also(mistake, format!("`{first}` has it here"), at);
    }
}

/// Looks at the name of a user that something belongs to. Packages make users too, so that only a slip of the pen is told.
pub(super) fn user_name(checks: &mut Checks<'_>, name: &str, at: Span) {
    let known = || checks.config.users.iter().map(|user| user.name.as_str()).chain(["root"]);
    slip(checks, "user", name, at, known().collect());
}

/// Looks at the name of a group as [`user_name`] does.
pub(super) fn group_name(checks: &mut Checks<'_>, name: &str, at: Span) {
    let config = checks.config;
    let own = config.users.iter().filter(|user| user.group.is_none()).map(|user| user.name.as_str());
    let known = config.groups.iter().map(|group| group.name.as_str()).chain(own).chain(["root"]).collect();
    slip(checks, "group", name, at, known);
}

fn slip(checks: &mut Checks<'_>, what: &str, name: &str, at: Span, known: Vec<&str>) {
    if known.contains(&name) {
        return;
    }
    let near = nearest(name, known.iter().copied()).map(str::to_owned);
    let nothing_else = checks.config.packages.install.is_empty() && checks.is_sure(&["user", "group", "packages"]);
    let section = if what == "user" { "[[user]]" } else { "[[group]]" };
    if nothing_else {
        let hint = near.map_or_else(
            || format!("declare it in `{section}`, or write a number"),
            |near| format!("did you mean `{near}`?"),
        );
        let message =
            format!("there is no {what} `{name}`: the config does not make it, and no package is installed that could");
        checks.wrong("unknown-account", at, message, hint);
    } else if let Some(near) = near {
        let message = format!("the config makes no {what} `{name}`; unless a package does, it is not there");
        checks.warn("unknown-account", at, message, format!("did you mean `{near}`?"));
    }
}
