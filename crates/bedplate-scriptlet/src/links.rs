//! Where paths really are: folders that packages bring as symbolic links (`/bin`) are followed.

use std::collections::HashMap;

use crate::Package;

/// How many links a path may lead through, as the kernel has it.
const MOST: usize = 40;

/// The symbolic links of some packages.
#[derive(Debug)]
pub(crate) struct Links<'a> {
    targets: HashMap<&'a str, &'a str>,
}

impl<'a> Links<'a> {
    pub(crate) fn of(packages: &'a [Package]) -> Self {
        let files = packages.iter().flat_map(|package| &package.files);
        let link = |file: &'a crate::File| Some((file.path.as_str(), file.target.as_deref()?));
        Self { targets: files.filter_map(link).collect() }
    }

    /// The path with all links of its folders followed; its last part stays as it is. A loop is left as it is.
    pub(crate) fn real(&self, path: &str) -> String {
        let Some((folder, name)) = path.rsplit_once('/') else { return path.to_owned() };
        let mut real = String::with_capacity(path.len());
        let mut left: Vec<&str> = folder.split('/').rev().filter(|part| !part.is_empty()).collect();
        let mut followed = 0;
        while let Some(part) = left.pop() {
            match part {
                "." => continue,
                ".." => {
                    real.truncate(real.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let above = real.len();
            real.push('/');
            real.push_str(part);
            if let Some(target) = self.targets.get(real.as_str()) {
                followed += 1;
                if followed > MOST {
                    return path.to_owned();
                }
                real.truncate(if target.starts_with('/') { 0 } else { above });
                left.extend(target.split('/').rev().filter(|part| !part.is_empty()));
            }
        }
        real.push('/');
        real.push_str(name);
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_followed_and_last_parts_are_not() {
        let targets = HashMap::from([
            ("/bin", "usr/bin"),
            ("/usr/lib64", "lib"),
            ("/up", "/usr/../bin/./x"),
            ("/loop", "loop"),
            ("/usr/bin/sh", "bash"),
        ]);
        let links = Links { targets };
        for (path, real) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/bin", "/bin"),
            ("/usr/lib64/libc.so.6", "/usr/lib/libc.so.6"),
            ("/up/y", "/usr/bin/x/y"),
            ("/loop/x", "/loop/x"),
            ("/etc/passwd", "/etc/passwd"),
        ] {
            assert_eq!(links.real(path), real, "{path}");
        }
    }
}
