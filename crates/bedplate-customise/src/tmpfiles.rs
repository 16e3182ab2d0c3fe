//! Lines of tmpfiles.d(5), as far as an image needs them.

use bedplate_tree::TreePath;

use crate::specifier::{SpecifierError, Specifiers, Vocabulary};
use crate::words::{self, Escapes};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TmpfilesLine {
    /// The letter of the type.
    pub(crate) kind: char,
    /// `+`: what is there is replaced or added to.
    pub(crate) is_forced: bool,
    /// `=`: what is there and of another kind is removed.
    pub(crate) replaces_other: bool,
    /// `?`: a link is made only if what it leads to is there.
    pub(crate) is_conditional: bool,
    /// Where; a pattern for the types that adjust what is there.
    pub(crate) path: String,
    pub(crate) mode: Option<TmpfilesMode>,
    /// Name or number of the owner.
    pub(crate) user: Option<String>,
    /// `:` before the owner: only for what is made.
    pub(crate) user_if_new: bool,
    pub(crate) group: Option<String>,
    pub(crate) group_if_new: bool,
    /// The rest of the line.
    pub(crate) argument: Option<String>,
}

/// A mode, and for what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TmpfilesMode {
    pub(crate) bits: u16,
    /// `~`: bits that what is there has for nobody are left out.
    pub(crate) is_masked: bool,
    /// `:`: only for what is made.
    pub(crate) if_new: bool,
}

/// What a line is for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// No line: empty, or a comment.
    Nothing,
    /// One that only the booted system can do.
    AtBoot,
    /// One to be done now.
    Line(TmpfilesLine),
}

/// The types that make something.
const MAKERS: &str = "fFdDvqQpLC";
/// The types that change mode and owner of what is there.
const ADJUSTERS: &str = "ezZm";
/// The types that clean, write into the kernel, make devices, or need more than a tree has.
const OTHERS: &str = "wcbxXrRtThHaA";

impl TmpfilesLine {
    /// Reads a line.
    pub(crate) fn parse(line: &str, specifiers: &Specifiers) -> Result<Parsed, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(Parsed::Nothing);
        }
        let mut rest = line;
        let mut fields: Vec<String> = Vec::new();
        while fields.len() < 6
            && let Some((word, left)) = words::first(rest, Escapes::C)?
        {
            fields.push(word);
            rest = left;
        }
        if fields.len() < 2 {
            return Err("a line has at least a type and a path".to_owned());
        }
        let mut modifiers = fields[0].chars();
        let kind = modifiers.next().unwrap_or(' ');
        let modifiers = modifiers.as_str();
        let is_type = [MAKERS, ADJUSTERS, OTHERS].iter().any(|types| types.contains(kind));
        if !is_type || modifiers.contains(|c| !"+!-=~^?$".contains(c)) {
            return Err(format!("`{}` is no type of tmpfiles.d", fields[0]));
        }
        // `!`: at boot only; `~`: an encoded argument, `^`: a credential of the machine.
        if OTHERS.contains(kind) || modifiers.contains(['!', '^', '~']) {
            return Ok(Parsed::AtBoot);
        }
        let path = match specifiers.expand(&fields[1], Vocabulary::Files) {
            Ok(path) => path,
            Err(SpecifierError::AtBoot(_)) => return Ok(Parsed::AtBoot),
            Err(error) => return Err(error.to_string()),
        };
        if !path.starts_with('/') {
            return Err(format!("`{path}` is no absolute path"));
        }
        let rest = rest.trim();
        let mut argument = (!rest.is_empty() && rest != "-").then(|| rest.to_owned());
        if let Some(text) = &argument {
            let plain = if "fF".contains(kind) { words::unescaped(text)? } else { text.clone() };
            argument = match specifiers.expand(&plain, Vocabulary::Files) {
                Ok(text) => Some(text),
                Err(SpecifierError::AtBoot(_)) => return Ok(Parsed::AtBoot),
                Err(error) => return Err(error.to_string()),
            };
        }
        let owner = |index: usize| {
            let text = fields.get(index).filter(|text| *text != "-" && !text.is_empty());
            text.map(|text| (text.trim_start_matches(':').to_owned(), text.starts_with(':')))
        };
        let (user, group) = (owner(3), owner(4));
        Ok(Parsed::Line(Self {
            kind,
            is_forced: modifiers.contains('+'),
            replaces_other: modifiers.contains('='),
            is_conditional: modifiers.contains('?'),
            path: normal(&path),
            mode: fields.get(2).filter(|text| *text != "-").map(|text| mode(text)).transpose()?,
            user_if_new: user.as_ref().is_some_and(|(_, if_new)| *if_new),
            user: user.map(|(name, _)| name),
            group_if_new: group.as_ref().is_some_and(|(_, if_new)| *if_new),
            group: group.map(|(name, _)| name),
            argument,
        }))
    }

    /// True for a line that makes something; the others adjust what is there.
    pub(crate) fn is_maker(&self) -> bool {
        MAKERS.contains(self.kind)
    }

    /// The path as one of a tree; none if it is a pattern or none of a tree.
    pub(crate) fn place(&self) -> Option<TreePath> {
        self.path.parse().ok()
    }
}

/// A path without double slashes, `.` parts and a slash at its end.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

fn mode(text: &str) -> Result<TmpfilesMode, String> {
    let digits = text.trim_start_matches(['~', ':']);
    let prefix = &text[..text.len() - digits.len()];
    let bits = u16::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o7777);
    let bits = bits.ok_or_else(|| format!("`{text}` is no mode"))?;
    Ok(TmpfilesMode { bits, is_masked: prefix.contains('~'), if_new: prefix.contains(':') })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    #[test]
    fn reads_lines() {
        let specifiers = Image::new().edit(|editor| Specifiers::of(editor, "x86-64").unwrap());
        let parse = |line: &str| TmpfilesLine::parse(line, &specifiers);
        for line in
            ["w /sys/x - - - - 1", "D! /tmp/x", "d /var/log/%m", "L /x - - - - /%b", "f^ /x - - - - cred", "r /x"]
        {
            assert_eq!(parse(line), Ok(Parsed::AtBoot), "{line}");
        }
        for line in ["", " # d /x"] {
            assert_eq!(parse(line), Ok(Parsed::Nothing), "{line}");
        }
        for (line, message) in [
            ("d", "a line has at least a type and a path"),
            ("j /x", "`j` is no type of tmpfiles.d"),
            ("d* /x", "`d*` is no type of tmpfiles.d"),
            ("d x", "`x` is no absolute path"),
            ("d /x 9", "`9` is no mode"),
            ("d /x%", "a single `%` ends the text"),
            ("f /x - - - - \\q", "a backslash stands before what is no escape"),
        ] {
            assert_eq!(parse(line), Err(message.to_owned()), "{line}");
        }
        let Ok(Parsed::Line(line)) = parse("f+ /var//a\\x20b/ ~:0640 app :tty 10d  one  two\\n%% ") else { panic!() };
        assert_eq!((line.kind, line.is_forced, line.path.as_str()), ('f', true, "/var/a b"));
        assert_eq!(line.mode, Some(TmpfilesMode { bits: 0o640, is_masked: true, if_new: true }));
        assert_eq!((line.user.as_deref(), line.user_if_new), (Some("app"), false));
        assert_eq!((line.group.as_deref(), line.group_if_new), (Some("tty"), true));
        assert_eq!(line.argument.as_deref(), Some("one  two\n%"));
    }
}
