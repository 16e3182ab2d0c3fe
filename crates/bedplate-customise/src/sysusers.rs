//! Lines of sysusers.d(5): system users and groups that packages ask for.

use bedplate_tree::TreePath;

use crate::specifier::{Specifiers, Vocabulary};
use crate::words::{self, Escapes};

/// What one line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemUser {
    /// `u`, `u!`: a user, and a group of its name.
    User {
        /// Login name.
        name: String,
        /// Which id it gets.
        id: Id,
        /// Which group it gets.
        group: PrimaryGroup,
        /// Its purpose.
        comment: String,
        /// Home folder; none: `/`.
        home: Option<String>,
        /// Login shell; none: one that lets nobody in.
        shell: Option<String>,
        /// `u!`: the account is expired.
        is_locked: bool,
    },
    /// `g`: a group.
    Group {
        /// Its name.
        name: String,
        /// Which id it gets.
        id: Id,
    },
    /// `m`: a user becomes member of a group; both are made if they are not there.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `r`: ids that may be given to users and groups without one; both bounds belong to it.
    Range {
        /// Least id.
        first: u32,
        /// Greatest id.
        last: u32,
    },
}

/// Which id a user or a group gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// Any that is free.
    Any,
    /// This one, if it is free.
    Number(u32),
    /// That of the owner of this file.
    OwnerOf(TreePath),
}

/// The primary group of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrimaryGroup {
    /// One of the user's name, which is made.
    Own,
    /// The group with this id, which must be there.
    Number(u32),
    /// The group of this name, which must be there.
    Named(String),
}

/// The bound of ids that no user has: both stand for "none" in some interface.
fn is_id(number: u32) -> bool {
    number != u32::MAX && number != u32::from(u16::MAX)
}

impl SystemUser {
    /// Reads one line; none for an empty one or a comment.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a lower-case fragment.
    pub fn parse(line: &str, specifiers: &Specifiers) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let words = words::all(line, Escapes::Plain)?;
        if words.len() > 6 {
            return Err("a line has at most six fields: type, name, id, comment, home and shell".to_owned());
        }
        let field = |index: usize| match words.get(index).map_or("-", String::as_str) {
            "-" | "" => Ok(None),
            text => specifiers.expand(text, Vocabulary::Users).map(Some).map_err(|error| error.to_string()),
        };
        let name = field(1)?;
        let id = field(2)?;
        let needs_name = |what: &str| name.clone().ok_or_else(|| format!("a line of type `{what}` needs a name"));
        let none_from = |first: usize, kind: &str| match words.iter().skip(first).find(|word| *word != "-") {
            Some(word) => Err(format!("a line of type `{kind}` has no field for `{word}`")),
            None => Ok(()),
        };
        match words[0].as_str() {
            kind @ ("u" | "u!") => {
                let name = valid_name(needs_name(kind)?)?;
                let (id, group) = user_ids(id.as_deref())?;
                let comment = field(3)?.unwrap_or_default();
                if comment.contains(':') {
                    return Err(format!("the comment `{comment}` has a colon"));
                }
                let path = |what: &str, value: Option<String>| match value {
                    Some(path) if !path.starts_with('/') || path.contains(':') => {
                        Err(format!("the {what} `{path}` is no absolute path"))
                    }
                    other => Ok(other),
                };
                let (home, shell) = (path("home", field(4)?)?, path("shell", field(5)?)?);
                Ok(Some(Self::User { name, id, group, comment, home, shell, is_locked: kind == "u!" }))
            }
            "g" => {
                let name = valid_name(needs_name("g")?)?;
                none_from(3, "g")?;
                Ok(Some(Self::Group { name, id: single_id(id.as_deref())? }))
            }
            "m" => {
                let user = valid_name(needs_name("m")?)?;
                let group = valid_name(id.ok_or("a line of type `m` needs a group")?)?;
                none_from(3, "m")?;
                Ok(Some(Self::Member { user, group }))
            }
            "r" => {
                if let Some(name) = name {
                    return Err(format!("a line of type `r` has no name, but `{name}` stands there"));
                }
                none_from(3, "r")?;
                let text = id.ok_or("a line of type `r` needs ids")?;
                let (first, last) = text.split_once('-').unwrap_or((&text, &text));
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(format!("the range `{text}` ends before it begins"));
                }
                Ok(Some(Self::Range { first, last }))
            }
            other => Err(format!("`{other}` is no type of line; the types are u, u!, g, m and r")),
        }
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|&id| is_id(id)).ok_or_else(|| format!("`{text}` is no id"))
}

fn single_id(text: Option<&str>) -> Result<Id, String> {
    match text {
        None => Ok(Id::Any),
        Some(path) if path.starts_with('/') => path.parse().map(Id::OwnerOf).map_err(|error| format!("{error}")),
        Some(text) => number(text).map(Id::Number),
    }
}

fn user_ids(text: Option<&str>) -> Result<(Id, PrimaryGroup), String> {
    let Some((user, group)) = text.filter(|text| !text.starts_with('/')).and_then(|text| text.split_once(':')) else {
        return Ok((single_id(text)?, PrimaryGroup::Own));
    };
    let user = if user == "-" { Id::Any } else { Id::Number(number(user)?) };
    let group = match number(group) {
        Ok(gid) => PrimaryGroup::Number(gid),
        Err(_) => PrimaryGroup::Named(valid_name(group.to_owned())?),
    };
    Ok((user, group))
}

/// Checks the name of a user or a group by the strict rule of systemd: letters, digits, `_` and `-`, no digit or dash first, at
/// most 31 characters.
pub(crate) fn valid_name(name: String) -> Result<String, String> {
    let is_good =
        |(at, c): (usize, char)| c.is_ascii_alphabetic() || c == '_' || at > 0 && (c.is_ascii_digit() || c == '-');
    if !name.is_empty() && name.len() <= 31 && name.char_indices().all(is_good) {
        return Ok(name);
    }
    Err(format!("`{name}` is no name of a user or a group"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn reads_lines_and_names_mistakes() {
        let specifiers = Image::new().edit(|editor| Specifiers::of(editor, "x86-64").unwrap());
        let user = |name: &str, id: Id, group: PrimaryGroup, comment: &str, home: Option<&str>, shell: Option<&str>| {
            let (name, comment) = (name.to_owned(), comment.to_owned());
            let (home, shell) = (home.map(str::to_owned), shell.map(str::to_owned));
            Ok(Some(SystemUser::User { name, id, group, comment, home, shell, is_locked: false }))
        };
        let own = PrimaryGroup::Own;
        for (line, want) in [
            ("", Ok(None)),
            ("  # u x", Ok(None)),
            ("u app", user("app", Id::Any, own.clone(), "", None, None)),
            (
                "u app 77 \"An app\" %V/app /bin/sh",
                user("app", Id::Number(77), own.clone(), "An app", Some("/var/tmp/app"), Some("/bin/sh")),
            ),
            ("u app /usr/bin/x", user("app", Id::OwnerOf("/usr/bin/x".parse().unwrap()), own, "", None, None)),
            ("u app 7:8", user("app", Id::Number(7), PrimaryGroup::Number(8), "", None, None)),
            ("u app -:tty - -", user("app", Id::Any, PrimaryGroup::Named("tty".into()), "", None, None)),
            ("g tty 5 -", Ok(Some(SystemUser::Group { name: "tty".into(), id: Id::Number(5) }))),
            ("m app tty", Ok(Some(SystemUser::Member { user: "app".into(), group: "tty".into() }))),
            ("r - 500-900", Ok(Some(SystemUser::Range { first: 500, last: 900 }))),
            ("r - 5", Ok(Some(SystemUser::Range { first: 5, last: 5 }))),
            ("r - 9-5", Err("the range `9-5` ends before it begins")),
            ("x app", Err("`x` is no type of line; the types are u, u!, g, m and r")),
            ("u 0app", Err("`0app` is no name of a user or a group")),
            ("u", Err("a line of type `u` needs a name")),
            ("u app 4294967295", Err("`4294967295` is no id")),
            ("u app - a:b", Err("the comment `a:b` has a colon")),
            ("u app - - home", Err("the home `home` is no absolute path")),
            ("u app %m", Err("`%m` is known only when the image boots")),
            ("g app - more", Err("a line of type `g` has no field for `more`")),
            ("u a - - - - x", Err("a line has at most six fields: type, name, id, comment, home and shell")),
            ("m app", Err("a line of type `m` needs a group")),
            ("u app \"", Err("a quote does not end")),
        ] {
            assert_eq!(SystemUser::parse(line, &specifiers), want.map_err(str::to_owned), "{line}");
        }
    }
}
