//! The list of a new version: where a spec names `zlib-1.3.2.tar.gz` and its list has `zlib-1.3.1.tar.gz`, the entry becomes that
//! of the new file. Only text is changed here; hashes are another matter.

use crate::{Package, SourceFile};

/// The text of a package's list with the names that its spec has now. Each entry that the spec does not name any more takes the
/// name of a file that differs from it only in its version.
pub(crate) fn renamed(package: &Package, text: &str) -> String {
    let is_named = |entry: &&SourceFile| package.files.iter().any(|file| file.name == entry.name);
    let mut new: Vec<&str> = package
        .files
        .iter()
        .map(|file| file.name.as_str())
        .filter(|name| package.list.file(name).is_none() && !package.folder.join(name).is_file())
        .collect();
    new.dedup();
    let mut out = text.to_owned();
    // From the end, so that places before it stay what they are.
    for entry in package.list.files.iter().rev().filter(|entry| !is_named(entry)) {
        let found = new.iter().position(|name| versions(&entry.name, name).is_some());
        let Some(name) = found.map(|at| new.remove(at)) else { continue };
        let Some((old_version, new_version)) = versions(&entry.name, name) else { continue };
        let (start, end) = block(&out, entry.at.name.start as usize);
        let changed: String = out[start..end]
            .split_inclusive('\n')
            .map(|line| {
                let key = line.trim_start();
                if ["#", "sha256", "size"].iter().any(|word| key.starts_with(word)) {
                    return line.to_owned();
                }
                changed(line, &old_version, &new_version)
            })
            .collect();
        out.replace_range(start..end, &changed);
    }
    out
}

/// The lines of the entry around a place: from its `[[file]]` to the next.
fn block(text: &str, at: usize) -> (usize, usize) {
    let start = text[..at].rfind("[[file]]").unwrap_or(0);
    let end = text[at..].find("\n[[file]]").map_or(text.len(), |found| at + found + 1);
    (start, end)
}

/// The versions in two names that are the same but for them.
fn versions(old: &str, new: &str) -> Option<(String, String)> {
    if !old.is_ascii() || !new.is_ascii() || old == new {
        return None;
    }
    let (a, b) = (old.as_bytes(), new.as_bytes());
    let mut start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let is_version = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    while start > 0 && is_version(a[start - 1]) {
        start -= 1;
    }
    while start < a.len().min(b.len()) && a[start] == b[start] && !a[start].is_ascii_digit() {
        start += 1;
    }
    let room = a.len().min(b.len()) - start;
    let mut rest = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(x, y)| x == y).count();
    // Digits that both versions end with are of the versions.
    while rest > 0 {
        let (first, second) = (a[a.len() - rest], a.get(a.len() - rest + 1).copied().unwrap_or(b' '));
        if first.is_ascii_digit() || (is_version(first) && second.is_ascii_digit()) {
            rest -= 1;
        } else {
            break;
        }
    }
    let (old, new) = (&old[start..a.len() - rest], &new[start..b.len() - rest]);
    let is_good = |version: &str| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| c.is_ascii_alphanumeric() || "._+~-".contains(c))
    };
    (is_good(old) && is_good(new)).then(|| (old.to_owned(), new.to_owned()))
}

/// A line with the new version in the place of the old one, however it is written: `1.3.1`, `1_3_1`, `1-3-1`, and the folder of a
/// series: `/1.3/`.
fn changed(line: &str, old: &str, new: &str) -> String {
    let with = |text: &str, to: &str| text.replace(['.', '_'], to);
    let mut line = replaced(line, old, new, |_| true);
    for to in [".", "_", "-"] {
        if with(old, to) != old {
            line = replaced(&line, &with(old, to), &with(new, to), |_| true);
        }
    }
    let series = |version: &str| version.rmatch_indices(['.', '_']).next().map(|(at, _)| with(&version[..at], "."));
    if let (Some(old), Some(new)) = (series(old), series(new)) {
        line = replaced(&line, &old, &new, |next| next == Some('/'));
    }
    line
}

/// Puts one version in the place of another where it stands alone, and what follows it is liked.
fn replaced(line: &str, old: &str, new: &str, likes: impl Fn(Option<char>) -> bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let previous = before.chars().next_back().or(out.chars().next_back());
        out.push_str(before);
        let stands_alone = !is_part(previous) && !is_part(after.chars().next());
        out.push_str(if stands_alone && likes(after.chars().next()) { new } else { old });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_their_versions_are_one() {
        for (old, new, want) in [
            ("zlib-1.3.1.tar.gz", "zlib-1.3.2.tar.gz", Some(("1.3.1", "1.3.2"))),
            ("zlib-1.9.tar.gz", "zlib-1.10.tar.gz", Some(("1.9", "1.10"))),
            ("zlib-1.3.tar.gz", "zlib-1.3.1.tar.gz", Some(("1.3", "1.3.1"))),
            ("boost_1_83_0.tar.gz", "boost_1_84_0.tar.gz", Some(("1_83_0", "1_84_0"))),
            ("a-1.0rc1.tar.xz", "a-1.0.tar.xz", Some(("1.0rc1", "1.0"))),
            ("openssh-9.9p1.tar.gz", "openssh-10.0p2.tar.gz", Some(("9.9p1", "10.0p2"))),
            (
                "zlib_1.3.dfsg+really1.3.1.orig.tar.gz",
                "zlib_1.3.dfsg+really1.3.2.orig.tar.gz",
                Some(("1.3.1", "1.3.2")),
            ),
            ("v1.2.tar.gz", "v1.3.tar.gz", Some(("1.2", "1.3"))),
            ("zlib-1.3.1.tar.gz", "zlib-1.3.1.tar.gz", None),
            ("zlib-1.3.1.tar.gz", "bash-1.3.1.tar.gz", None),
            ("zlib-1.3.1.tar.gz", "zlib-1.3.1.tar.xz", None),
            ("a.patch", "b.patch", None),
        ] {
            let found = versions(old, new);
            assert_eq!(found.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), want, "{old} {new}");
        }
    }

    #[test]
    fn versions_are_changed_wherever_they_stand() {
        for (line, old, new, want) in [
            (
                "https://h/zlib/1.3/v1.3.1/zlib-1.3.1.tar.gz",
                "1.3.1",
                "1.4.0",
                "https://h/zlib/1.4/v1.4.0/zlib-1.4.0.tar.gz",
            ),
            ("https://h/1.83.0/boost_1_83_0.tar.gz", "1_83_0", "1_84_0", "https://h/1.84.0/boost_1_84_0.tar.gz"),
            ("https://h/R_2_6_4/expat-2.6.4.tar.xz", "2.6.4", "2.7.0", "https://h/R_2_7_0/expat-2.7.0.tar.xz"),
            ("https://h/11.3.1/x-1.3.10", "1.3.1", "2", "https://h/11.3.1/x-1.3.10"),
        ] {
            assert_eq!(changed(line, old, new), want);
        }
    }
}
