//! Paths of an installed system: which are kept, and under which name.

/// Folders that have moved into `/usr`; the links in their places are in the package `base-files`.
const MOVED: &[&str] = &["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// Folders that stay, without what is in them: nothing of it is read by a build, or it is another one each time.
const EMPTIED: &[&str] = &[
    "dev",
    "etc/alternatives",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/man",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
];

/// Files that are ours in every root, or none's.
const REPLACED: &[&str] = &[
    "etc/group",
    "etc/gshadow",
    "etc/hostname",
    "etc/hosts",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/machine-id",
    "etc/mtab",
    "etc/nsswitch.conf",
    "etc/passwd",
    "etc/resolv.conf",
    "etc/shadow",
    "etc/subgid",
    "etc/subuid",
];

/// A path of a package or a tar archive (`/lib/x`, `./lib/x`) as a tree has it: `usr/lib/x`. The root is the empty path.
pub(crate) fn plain(path: &str) -> String {
    let path = path.strip_prefix('.').unwrap_or(path).trim_matches('/');
    let path = if path == "." { "" } else { path };
    match path.split_once('/') {
        Some((first, _)) if MOVED.contains(&first) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

/// Whether an entry is left out of every tree.
pub(crate) fn is_dropped(path: &str) -> bool {
    let below = |folder: &&&str| path.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/'));
    // Translations; what is in the folder itself is about all of them.
    let is_translation = path.strip_prefix("usr/share/locale/").is_some_and(|rest| rest.contains('/'));
    EMPTIED.iter().any(|folder| below(&folder))
        || REPLACED.contains(&path)
        || is_translation
        // Python writes them when it first needs them; the time of the source is in them.
        || path.ends_with(".pyc")
        || path.ends_with("/__pycache__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_a_merged_usr() {
        for (path, expected) in [
            ("/.", ""),
            ("./", ""),
            ("/", ""),
            ("/lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
            ("./bin/sh", "usr/bin/sh"),
            ("/bin", "bin"),
            ("/library/x", "library/x"),
            ("/usr/lib/x", "usr/lib/x"),
            ("/.hidden", ".hidden"),
            ("./.hidden", ".hidden"),
        ] {
            assert_eq!(plain(path), expected, "{path}");
        }
    }

    #[test]
    fn documentation_caches_and_state_are_dropped() {
        for path in [
            "usr/share/doc/bash/copyright",
            "usr/share/locale/de/LC_MESSAGES/x.mo",
            "usr/lib/python3/x.pyc",
            "usr/lib/python3/__pycache__",
            "etc/passwd",
            "etc/alternatives/cc",
            "var/lib/dpkg/status",
            "dev/null",
        ] {
            assert!(is_dropped(path), "{path}");
        }
        for path in [
            "",
            "usr/share/doc",
            "usr/share/locale/locale.alias",
            "boot/vmlinuz-6.12",
            "etc/bash.bashrc",
            "usr/bin/cc",
            "usr/share/docbook/x",
        ] {
            assert!(!is_dropped(path), "{path}");
        }
    }
}
