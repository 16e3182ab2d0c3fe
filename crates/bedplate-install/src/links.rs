//! Folders that are symbolic links: `/bin/sh` of a package lies in `/usr/bin` if another package makes `/bin` a link there.
//!
//! All links of all packages are known before the first file is placed, so that the order of packages does not matter. rpm would
//! fail if a link came after a folder of its name.

use std::cell::RefCell;

use rustc_hash::FxHashMap;

/// How many links a path may lead through, as the kernel has it.
const MOST: usize = 40;

/// The symbolic links of a tree. Paths have no slash at their start or end.
#[derive(Debug, Default)]
pub(crate) struct Links {
    targets: FxHashMap<String, String>,
    folders: RefCell<FxHashMap<String, Option<String>>>,
}

impl Links {
    /// From the paths of links, as the packages have them, and where they lead. Of two links of one path the first counts.
    pub(crate) fn new<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let links: Vec<(&str, &str)> = links.collect();
        let mut this = Self::default();
        // Links may lie in folders that are links: each round places those behind one more.
        for _ in 0..MOST {
            let mut targets: FxHashMap<String, String> = FxHashMap::default();
            for (path, target) in &links {
                if let Some(placed) = this.place(path) {
                    targets.entry(placed).or_insert_with(|| (*target).to_owned());
                }
            }
            if targets == this.targets {
                break;
            }
            this = Self { targets, folders: RefCell::default() };
        }
        this
    }

    /// Where a path lies when the links on the way to it are followed; its last part is not. None for a loop.
    pub(crate) fn place(&self, path: &str) -> Option<String> {
        let Some((folder, name)) = path.rsplit_once('/') else { return Some(path.to_owned()) };
        if self.targets.is_empty() {
            return Some(path.to_owned());
        }
        let mut folders = self.folders.borrow_mut();
        let found = match folders.get(folder) {
            Some(found) => found,
            None => folders.entry(folder.to_owned()).or_insert_with(|| self.follow(folder)),
        };
        found.as_ref().map(|folder| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") })
    }

    fn follow(&self, path: &str) -> Option<String> {
        let mut left: Vec<&str> = path.rsplit('/').collect();
        let mut at = String::new();
        let mut count = 0;
        while let Some(part) = left.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or_default());
                    continue;
                }
                _ => {}
            }
            let start = at.len();
            if start > 0 {
                at.push('/');
            }
            at.push_str(part);
            if let Some(target) = self.targets.get(&at) {
                count += 1;
                if count > MOST {
                    return None;
                }
                at.truncate(if target.starts_with('/') { 0 } else { start });
                left.extend(target.rsplit('/'));
            }
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lie_where_links_lead() {
        let links = [
            ("deep/er", "/lib/x"),
            ("lib/x", "../share"),
            ("bin", "usr/bin"),
            ("lib", "usr/lib"),
            ("sbin", "bin"),
            ("up", "../../.."),
            ("loop", "loop/x"),
            ("bin", "elsewhere"),
        ];
        let links = Links::new(links.into_iter());
        for (path, placed) in [
            ("bin/sh", Some("usr/bin/sh")),
            ("sbin/init", Some("usr/bin/init")),
            ("lib/x", Some("usr/lib/x")),
            ("lib/x/y", Some("usr/share/y")),
            ("deep/er/z", Some("usr/share/z")),
            ("up/etc/x", Some("etc/x")),
            ("bin", Some("bin")),
            ("binary/x", Some("binary/x")),
            ("loop/x", None),
        ] {
            assert_eq!(links.place(path).as_deref(), placed, "{path}");
        }
    }
}
