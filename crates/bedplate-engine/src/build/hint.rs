//! What the last lines of a failed build mean, for a person who does not know the sandbox.
//!
//! The sandbox itself reports what it refused; this module reads the words of the tools, and only adds to them: nothing that
//! the builder does depends on it.

use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// How a missing thing is called in a spec, and whether something provides it.
pub trait Providers: Sync {
    /// The package, of the seed or of a spec, that would provide a capability.
    fn provider(&self, capability: &str) -> Option<String>;
}

struct Rule {
    pattern: Regex,
    meaning: fn(&str, &dyn Providers) -> Option<String>,
}

fn rule(pattern: &str, meaning: fn(&str, &dyn Providers) -> Option<String>) -> Rule {
    Rule { pattern: Regex::new(pattern).expect("the patterns of this module are right"), meaning }
}

/// Where a build may write.
const WRITABLE: [&str; 4] = ["/build/", "/tmp/", "/var/tmp/", "/dev/"];

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    vec![
        rule(r"(?:^|[\s:/])([\w+.-]+): (?:command )?not found\s*$", |tool, known| Some(missing_tool(tool, known))),
        rule(r"env: [‘'`]?([\w+.-]+)[’'`]?: No such file or directory", |tool, known| {
            Some(missing_tool(tool, known))
        }),
        rule(r"make(?:\[\d+\])?: ([\w+.-]+): No such file or directory", |tool, known| Some(missing_tool(tool, known))),
        rule(r"fatal error: ([\w+./-]+): No such file or directory", |header, _| {
            Some(format!(
                "no package of the build root has the header `{header}`: a `-devel` package is missing in BuildRequires"
            ))
        }),
        rule(
            r"(?:No package '|Package ')([^',\s]+)'?(?:' found|, required by|.* not found| was not found)",
            |name, known| Some(missing(&format!("pkgconfig({name})"), known)),
        ),
        rule(r"Can't locate ([\w/]+)\.pm in @INC", |name, known| {
            Some(missing(&format!("perl({})", name.replace('/', "::")), known))
        }),
        rule(r"ModuleNotFoundError: No module named '([\w]+)", |name, known| {
            Some(missing(&format!("python3dist({name})"), known))
        }),
        rule(r"(/[\w+./-]+)['’]?: (?:No such file or directory|cannot open)", |path, _| seen_only_outside(path)),
        rule(r"(/[\w+./-]+)['’]?: (?:Permission denied|Read-only file system)", |path, _| {
            let is_ours = WRITABLE.iter().any(|folder| path.starts_with(folder));
            (!is_ours).then(|| format!("`{path}`: a build may write only below /build, /tmp and /var/tmp"))
        }),
        rule(
            r"(Network is unreachable|Temporary failure in name resolution|Could not resolve host|unable to resolve host)",
            |_, _| Some("a build has no network: what it needs has to be a source of the spec".to_owned()),
        ),
        rule(r"fork: (?:retry: )?(Resource temporarily unavailable)|(Cannot fork)", |_, _| {
            Some("the build reached the bound on the number of its processes".to_owned())
        }),
        rule(r"(No space left on device|File too large|Disk quota exceeded)", |_, _| {
            Some("the build reached the bound on its disk space, or the disk of the store is full".to_owned())
        }),
    ]
});

fn missing_tool(tool: &str, known: &dyn Providers) -> String {
    missing(&format!("/usr/bin/{tool}"), known)
}

fn missing(capability: &str, known: &dyn Providers) -> String {
    match known.provider(capability) {
        Some(package) => format!("`{capability}` is not in the build root: {package} has it; add it to BuildRequires"),
        None => format!("`{capability}` is not in the build root, and neither a spec nor the seed is known to have it"),
    }
}

fn seen_only_outside(path: &str) -> Option<String> {
    let is_own = ["/build/", "/dev/", "/usr/"].iter().any(|folder| path.starts_with(folder));
    // That a file is there tells nothing about it; its content is never looked at.
    (!is_own && Path::new(path).exists())
        .then(|| format!("`{path}` exists on this machine, but a build sees only its declared inputs"))
}

/// What lines of a log mean: each meaning once, in the order of the lines, at most five.
pub(crate) fn hints<'a>(lines: impl IntoIterator<Item = &'a [u8]>, known: &dyn Providers) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in lines {
        for rule in RULES.iter() {
            let Some(captures) = rule.pattern.captures(line) else { continue };
            let Some(word) = captures.iter().skip(1).flatten().next() else { continue };
            if let Some(meaning) = (rule.meaning)(&String::from_utf8_lossy(word.as_bytes()), known)
                && !found.contains(&meaning)
            {
                found.push(meaning);
            }
        }
        if found.len() >= 5 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Providers for Known {
        fn provider(&self, capability: &str) -> Option<String> {
            (capability == "/usr/bin/gperf").then(|| "gperf (seed, group parsers)".to_owned())
        }
    }

    #[test]
    fn words_of_tools_are_understood() {
        let cases = [
            (
                "/var/tmp/rpm-tmp.x: line 3: gperf: command not found",
                "`/usr/bin/gperf` is not in the build root: gperf (seed, group parsers) has it; add it to BuildRequires",
            ),
            (
                "make[2]: xyz: No such file or directory",
                "`/usr/bin/xyz` is not in the build root, and neither a spec nor the seed is known to have it",
            ),
            (
                "a.c:1:10: fatal error: zlib.h: No such file or directory",
                "no package of the build root has the header `zlib.h`: a `-devel` package is missing in BuildRequires",
            ),
            (
                "Package 'tinfo', required by 'readline', not found",
                "`pkgconfig(tinfo)` is not in the build root, and neither a spec nor the seed is known to have it",
            ),
            (
                "cat: /etc/hostname: No such file or directory",
                "`/etc/hostname` exists on this machine, but a build sees only its declared inputs",
            ),
            (
                "touch: cannot touch '/usr/bin/x': Permission denied",
                "`/usr/bin/x`: a build may write only below /build, /tmp and /var/tmp",
            ),
            (
                "curl: (6) Could not resolve host: example.org",
                "a build has no network: what it needs has to be a source of the spec",
            ),
            (
                "sh: fork: retry: Resource temporarily unavailable",
                "the build reached the bound on the number of its processes",
            ),
            (
                "dd: writing to 'x': No space left on device",
                "the build reached the bound on its disk space, or the disk of the store is full",
            ),
        ];
        for (line, meaning) in cases {
            assert_eq!(hints([line.as_bytes()], &Known), [meaning], "{line}");
        }
    }

    #[test]
    fn own_files_and_plain_failures_mean_nothing_more() {
        let lines = ["cat: /build/x: No such file or directory", "FAIL: test 3", "touch: '/tmp/x': Permission denied"];
        assert!(hints(lines.iter().map(|line| line.as_bytes()), &Known).is_empty());
    }
}
