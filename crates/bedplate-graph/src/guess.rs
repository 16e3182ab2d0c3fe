//! Capabilities that a build will generate, guessed from the lines of `%files`.
//!
//! rpm's generators look at files when a package is built; before its first build a graph can only guess what they will
//! find. A path without wildcards says it exactly (`/usr/lib64/pkgconfig/zlib.pc` makes `pkgconfig(zlib)`); one with
//! wildcards is a pattern. Guesses only count where nothing else provides a capability, and what a build taught (the
//! capability lock) takes their place.
//!
//! | path | capability | generator of rpm |
//! |---|---|---|
//! | `…/pkgconfig/NAME.pc` | `pkgconfig(NAME)` | `pkgconfigdeps.sh` |
//! | `/usr/lib64/libNAME.so.1.2` | `libNAME.so.1()(64bit)` | `elfdeps` |
//! | `…/cmake/NAME/NAMEConfig.cmake`, `…/NAME-config.cmake` | `cmake(NAME)` | `cmake.prov` |
//! | `…/perl5/…/A/B.pm` | `perl(A::B)` | `perl.prov` |
//! | `…/site-packages/NAME-1.0.dist-info` | `python3dist(NAME)` | `pythondistdeps.py` |

use bedplate_model::{FileKind, PackageFile};

/// What the file list of a package says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Guesses {
    /// Paths without wildcards.
    pub(crate) files: Vec<PackageFile>,
    /// Capabilities that follow from them.
    pub(crate) capabilities: Vec<String>,
    /// Capabilities with wildcards in them.
    pub(crate) patterns: Vec<String>,
    /// Paths with wildcards in them.
    pub(crate) path_patterns: Vec<String>,
}

/// Reads the lines of `%files`.
pub(crate) fn guess(lines: &[String]) -> Guesses {
    let mut found = Guesses::default();
    for line in lines.iter().flat_map(|line| line.split('\n')) {
        let Some((path, kind)) = path_of(line) else { continue };
        let has_wildcard = path.contains(['*', '?', '[', '{']);
        if let Some(capability) = capability_of(&path) {
            let list = if capability.contains('*') { &mut found.patterns } else { &mut found.capabilities };
            list.push(capability);
        }
        if has_wildcard {
            found.path_patterns.push(path);
        } else {
            found.files.push(PackageFile { path, kind });
        }
    }
    for list in [&mut found.capabilities, &mut found.patterns, &mut found.path_patterns] {
        list.sort();
        list.dedup();
    }
    found.files.sort();
    found.files.dedup();
    found
}

/// The path of a line, without the directives before it.
fn path_of(line: &str) -> Option<(String, FileKind)> {
    let line = line.trim();
    let mut kind = FileKind::File;
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if !rest.starts_with('%') {
            break;
        }
        let word_end = rest.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(rest.len());
        match &rest[..word_end] {
            "%exclude" => return None,
            "%dir" => kind = FileKind::Directory,
            "%ghost" => kind = FileKind::Ghost,
            _ => {}
        }
        rest = &rest[word_end..];
        if rest.starts_with('(') {
            rest = &rest[rest.find(')')? + 1..];
        }
    }
    let path = rest.trim().trim_matches('"');
    // `%doc README` names files of the build folder.
    (path.starts_with('/') && !path.contains(char::is_whitespace))
        .then(|| (path.trim_end_matches('/').to_owned(), kind))
        .filter(|(path, _)| !path.is_empty())
}

/// The capability of a path; wildcards of the path are `*` in it.
fn capability_of(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    if folder.ends_with("/pkgconfig")
        && let Some(stem) = name.strip_suffix(".pc").or_else(|| name.ends_with('*').then_some(name))
    {
        return Some(format!("pkgconfig({stem})"));
    }
    if let Some(at) = name.find(".so.")
        && name.starts_with("lib")
    {
        let bits = if folder.ends_with("lib64") { "()(64bit)" } else { "" };
        let version = &name[at + 4..];
        let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
        let soname = match version.chars().next() {
            _ if digits > 0 => name[..at + 4 + digits].to_owned(),
            Some('*' | '?' | '[' | '{') => format!("{}*", &name[..at + 4]),
            _ => return None,
        };
        return Some(format!("{soname}{bits}"));
    }
    if folder.contains("/cmake") {
        let stem = name.strip_suffix("Config.cmake").or_else(|| name.strip_suffix("-config.cmake"));
        if let Some(stem) = stem.filter(|stem| !stem.is_empty() && *stem != "*") {
            return Some(format!("cmake({stem})"));
        }
        if matches!(name, "*" | "*.cmake")
            && let Some((_, package)) = folder.rsplit_once("/cmake/")
        {
            return Some(format!("cmake({package})"));
        }
    }
    if let Some(stem) = name.strip_suffix(".pm") {
        let module = folder
            .rsplit_once("/vendor_perl/")
            .or_else(|| folder.rsplit_once("/perl5/"))
            .map(|(_, module)| format!("{}::{stem}", module.replace('/', "::")));
        return Some(format!("perl({})", module.unwrap_or_else(|| stem.to_owned())));
    }
    if folder.ends_with("/site-packages")
        && let Some(stem) = name.strip_suffix(".dist-info").or_else(|| name.strip_suffix(".egg-info"))
    {
        let project = stem.split_once('-').map_or(stem, |(project, _)| project);
        return Some(format!("python3dist({})", project.to_lowercase().replace(['_', '.'], "-")));
    }
    None
}

/// True if a text fits a pattern with `*`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// True if a pattern that fits nearly everything (`pkgconfig(*)`) may be meant: the capability is named like the package.
pub(crate) fn relates(capability: &str, names: [&str; 2]) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let inner = capability.split_once('(').map_or(capability, |(_, inner)| inner.trim_end_matches(')'));
    let inner = plain(inner);
    let inner = inner.trim_start_matches("lib");
    names.iter().any(|name| {
        let name = name.trim_end_matches("-devel").trim_end_matches("-libs");
        let name = name.trim_start_matches("perl-").trim_start_matches("python3-").trim_start_matches("python-");
        let name = plain(name);
        let name = name.trim_start_matches("lib").trim_end_matches(|c: char| c.is_ascii_digit());
        name.len() >= 2 && (inner.starts_with(name) || (inner.len() >= 3 && name.starts_with(inner)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_paths_and_capabilities() {
        for (line, want) in [
            ("/usr/lib64/pkgconfig/zlib.pc", Some("pkgconfig(zlib)")),
            ("%{x}/usr", None),
            ("%attr(755,root,root) %config(noreplace) /usr/lib64/libz.so.1.3.1", Some("libz.so.1()(64bit)")),
            ("/usr/lib64/pkgconfig/libz*", Some("pkgconfig(libz*)")),
            ("/usr/lib64/libz.so.1*", Some("libz.so.1()(64bit)")),
            ("/usr/lib64/libz.so.*", Some("libz.so.*()(64bit)")),
            ("/usr/lib64/libz.so.[0-9]*", Some("libz.so.*()(64bit)")),
            ("/usr/lib64/libz.so.", None),
            ("/usr/lib64/libz.so.é", None),
            ("/usr/lib64/libz.so.%{?x}", None),
            ("/usr/lib/libz.so.1", Some("libz.so.1")),
            ("/usr/lib64/libz.so", None),
            ("/usr/lib64/cmake/Foo/FooConfig.cmake", Some("cmake(Foo)")),
            ("/usr/lib64/cmake/Foo/*.cmake", Some("cmake(Foo)")),
            ("/usr/share/perl5/vendor_perl/A/B.pm", Some("perl(A::B)")),
            ("/usr/lib/python3.12/site-packages/Foo_Bar-1.2.dist-info", Some("python3dist(foo-bar)")),
            ("%exclude /usr/lib64/pkgconfig/zlib.pc", None),
            ("%doc README.md", None),
        ] {
            let found = guess(&[line.to_owned()]);
            let capability = found.capabilities.iter().chain(&found.patterns).next();
            assert_eq!(capability.map(String::as_str), want, "{line}");
        }
        let found = guess(&["%dir /etc/x/\n%ghost /run/x\n\"/usr/bin/x\"\n".to_owned()]);
        let file = |path: &str, kind| PackageFile { path: path.to_owned(), kind };
        let want =
            [file("/etc/x", FileKind::Directory), file("/run/x", FileKind::Ghost), file("/usr/bin/x", FileKind::File)];
        assert_eq!(found.files, want);
    }

    #[test]
    fn patterns_fit_as_globs_do() {
        for (pattern, text, want) in [
            ("a", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("pkgconfig(lib*)", "pkgconfig(libx)", true),
            ("pkgconfig(lib*)", "pkgconfig(x)", false),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
        assert!(relates("pkgconfig(libpng16)", ["libpng-devel", "libpng"]));
        assert!(relates("pkgconfig(gtk+-3.0)", ["gtk3-devel", "gtk3"]));
        assert!(!relates("pkgconfig(x11)", ["libpng-devel", "libpng"]));
    }
}
