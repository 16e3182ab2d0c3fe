//! The text of a spec or macro file without what a build cannot see: comments and empty lines between tags.
//!
//! An action's key covers its input files byte by byte. A comment that changes would change the key of a build that it cannot
//! change, so the build is given the spec without it. Only lines are taken out that rpm itself passes over; a comment in a script
//! belongs to the script.

use crate::parser::{PARTS, Part};

/// A spec without the comments and empty lines of its tags and file lists.
pub fn spec(text: &[u8]) -> Vec<u8> {
    strip(text, true)
}

/// A macro file without comments and empty lines between definitions.
pub fn macros(text: &[u8]) -> Vec<u8> {
    strip(text, false)
}

fn strip(text: &[u8], has_sections: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut passes_over, mut depth, mut goes_on) = (true, 0_i64, false);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = line.trim_ascii();
        let is_inside = depth > 0 || goes_on;
        if !is_inside && has_sections {
            passes_over = section(trimmed).unwrap_or(passes_over);
        }
        let is_comment = trimmed.first() == Some(&b'#') && !trimmed.contains(&b'%') && !trimmed.ends_with(b"\\");
        if !is_inside && passes_over && (trimmed.is_empty() || is_comment) {
            continue;
        }
        out.extend_from_slice(line);
        goes_on = trimmed.ends_with(b"\\");
        depth = (depth + braces(line)).max(0);
    }
    out
}

/// Whether comments are passed over in the section that a line begins; none if it begins no section.
fn section(line: &[u8]) -> Option<bool> {
    let word = line.strip_prefix(b"%")?;
    let end = word.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(word.len());
    let (_, part, _) = PARTS.iter().find(|(name, ..)| name.as_bytes()[1..].eq_ignore_ascii_case(&word[..end]))?;
    Some(matches!(part, Part::Preamble | Part::Files | Part::SourceList | Part::PatchList))
}

/// How many more braces of macro calls a line opens than it closes. Plain braces count only within a call, as for rpm.
fn braces(line: &[u8]) -> i64 {
    let count = |byte: u8| i64::try_from(line.iter().filter(|one| **one == byte).count()).unwrap_or(0);
    if line.contains(&b'%') || line.contains(&b'}') { count(b'{') - count(b'}') } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        String::from_utf8(spec(text.as_bytes())).unwrap()
    }

    #[test]
    fn comments_of_tags_and_file_lists_are_left_out() {
        let cases = [
            ("# a\n\nName: x\n  # b\nVersion: 1\n", "Name: x\nVersion: 1\n"),
            ("%files\n# c\n/usr\n\n", "%files\n/usr\n"),
            ("%package devel\n# d\nSummary: s\n", "%package devel\nSummary: s\n"),
        ];
        for (text, wanted) in cases {
            assert_eq!(of(text), wanted);
        }
    }

    #[test]
    fn what_rpm_looks_at_stays() {
        let same = [
            "%build\n# a comment of the script\nmake\n\n",
            "%description\n# no comment\n\nText.\n",
            "%global body \\\n# part of the body \\\nmore\n",
            "%{lua:\n# odd, but Lua's\n}\n",
            "# %define x 1\nName: x\n",
            "%changelog\n* Mon Jan 05 2026 A <a@example.org> - 1-1\n\n# one\n",
        ];
        for text in same {
            assert_eq!(of(text), text);
        }
    }

    #[test]
    fn a_comment_and_a_space_between_tags_change_nothing() {
        let (one, other) = ("Name: x\n%prep\nset\n%files\n/a\n", "#!\nName: x\n\n# y\n%prep\nset\n%files\n\n/a\n# z\n");
        assert_eq!(of(one), of(other));
    }
}
