//! Architectures and operating systems: rpmrc files and what follows from them (`lib/rpmrc.c`).
//!
//! ```text
//! optflags: ARCH FLAGS…               archcolor: ARCH NUMBER
//! arch_canon: NAME: SHORT NUMBER      os_canon: …
//! buildarchtranslate: NAME: NAME      buildostranslate: …
//! arch_compat: NAME: NAME…            os_compat, buildarch_compat, buildos_compat: …
//! include: PATH                       macrofiles: …  (read and not used, as in rpm)
//! ```
//!
//! The machine is never asked for its kind: the caller gives a [`Machine`]. What rpm does when it starts, in its order, all
//! at the level `RMIL_RPMRC` (-11), where a set of [`target_macros`] replaces the topmost definition of each name:
//!
//! 1. the [`target_macros`] of an empty [`RpmRc`] (so `%{_target}` in the paths of the macro files is known);
//! 2. reading the rpmrc files; every `optflags` line of the machine's own name is pushed as `%optflags`;
//! 3. reading the macro files;
//! 4. the [`target_macros`] of what was read. If they have no `optflags`, 4.18 leaves `%optflags` as it is (that of step 2,
//!    or of a macro file) and 4.20 sets it to [`RpmRc::build_optflags`] if there are such.
//!
//! No other macro is made here: `%_host_cpu`, `%_build_cpu`, `%_arch`, `%_os` and their like are in the macro files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::strings::is_space;

/// How deeply rpmrc files may include each other. rpm has no limit.
const MAX_INCLUDE_DEPTH: usize = 16;

/// The machine that a build runs on, as `uname` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine {
    /// `uname -m`.
    pub arch: String,
    /// `uname -s`.
    pub os: String,
}

impl Machine {
    /// A Linux machine.
    pub fn linux(arch: impl Into<String>) -> Self {
        Self { arch: arch.into(), os: "Linux".into() }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::linux("x86_64")
    }
}

/// The tables of an rpmrc: `RPM_MACHTABLE_*` of `include/rpm/rpmlib.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MachineTable {
    /// `arch_…`: what a machine can run.
    InstallArch,
    /// `os_…`
    InstallOs,
    /// `buildarch_…`: what a machine can build.
    BuildArch,
    /// `buildos_…`
    BuildOs,
}

/// A line of an rpmrc that rpm cannot use. rpm reads no further in that file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmRcProblem {
    /// The path of an `include:`, or `None` for the text itself.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: u32,
    /// rpm's words.
    pub message: String,
}

impl fmt::Display for RpmRcProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.message, self.file.as_deref().unwrap_or("rpmrc"), self.line)
    }
}

impl std::error::Error for RpmRcProblem {}

/// `NAME: SHORT NUMBER` of an `arch_canon` or `os_canon` line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Canonical {
    short_name: String,
    number: i32,
}

/// The content of one or more rpmrc files. A later line wins over an earlier one for the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RpmRc {
    optflags: BTreeMap<String, String>,
    colors: BTreeMap<String, String>,
    canonical: BTreeMap<(MachineTable, String), Canonical>,
    translated: BTreeMap<(MachineTable, String), String>,
    compatible: BTreeMap<(MachineTable, String), Vec<String>>,
}

impl RpmRc {
    /// Reads a text and adds what it says: `doReadRC`. `include` gives the text of a path after `include:`; rpm expands the
    /// macros of such a path, which is left to `include`.
    ///
    /// The answer is empty if all is well. rpm goes on with the next file after a mistake.
    pub fn read(&mut self, text: &str, include: &mut dyn FnMut(&str) -> Option<String>) -> Vec<RpmRcProblem> {
        let mut problems = Vec::new();
        self.read_file(text, None, 0, include, &mut problems);
        problems
    }

    fn read_file(
        &mut self,
        text: &str,
        file: Option<&str>,
        depth: usize,
        include: &mut dyn FnMut(&str) -> Option<String>,
        problems: &mut Vec<RpmRcProblem>,
    ) {
        for (line, number) in text.split('\n').zip(1..) {
            let message = match self.read_line(line) {
                Ok(None) => continue,
                Ok(Some(path)) => {
                    let before = problems.len();
                    let text = if depth < MAX_INCLUDE_DEPTH { include(path) } else { None };
                    if let Some(text) = &text {
                        self.read_file(text, Some(path), depth + 1, include, problems);
                    }
                    if text.is_some() && problems.len() == before {
                        continue;
                    }
                    format!("cannot open {path}")
                }
                Err(message) => message,
            };
            problems.push(RpmRcProblem { file: file.map(Into::into), line: number, message });
            return;
        }
    }

    /// Takes in one line; gives the path of an `include:`.
    fn read_line<'a>(&mut self, line: &'a str) -> Result<Option<&'a str>, String> {
        let line = skip_space(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let keyword_end = line.bytes().position(|byte| is_space(byte) || byte == b':').unwrap_or(line.len());
        let (keyword, rest) = line.split_at(keyword_end);
        let rest = skip_space(rest);
        let Some(value) = rest.strip_prefix(':') else {
            return Err(format!("missing ':' (found {:#04x})", rest.bytes().next().unwrap_or(0)));
        };
        let value = skip_space(value);
        let option = keyword.to_ascii_lowercase();
        match option.as_str() {
            "optflags" | "archcolor" | "include" | "macrofiles" if value.is_empty() => {
                Err(format!("missing argument for {option}"))
            }
            "include" => Ok(value.split(|c: char| c.is_ascii() && is_space(c as u8)).next()),
            "macrofiles" => Ok(None),
            "optflags" | "archcolor" => {
                let Some(end) = value.bytes().position(is_space) else {
                    return Err(format!("missing architecture for {option}"));
                };
                let (arch, flags) = (&value[..end], skip_space(&value[end..]));
                if flags.is_empty() {
                    return Err(format!("missing argument for {option}"));
                }
                let values = if option == "optflags" { &mut self.optflags } else { &mut self.colors };
                values.insert(arch.into(), flags.into());
                Ok(None)
            }
            _ => self.read_table(keyword, value).map(|()| None),
        }
    }

    fn read_table(&mut self, keyword: &str, value: &str) -> Result<(), String> {
        let tables = [
            ("arch", MachineTable::InstallArch),
            ("os", MachineTable::InstallOs),
            ("buildarch", MachineTable::BuildArch),
            ("buildos", MachineTable::BuildOs),
        ];
        let found = tables.into_iter().find_map(|(key, table)| Some((table, keyword.strip_prefix(key)?)));
        let is_build = |table| matches!(table, MachineTable::BuildArch | MachineTable::BuildOs);
        match found.map(|(table, rest)| (table, rest.strip_prefix('_').unwrap_or(rest))) {
            Some((table, "compat")) => self.read_compat(table, value),
            Some((table, "translate")) if is_build(table) => {
                let (name, rest) = token(value, ": \t");
                let (translated, rest) = token(rest, " \t");
                if translated.is_empty() {
                    return Err("Incomplete default line".into());
                }
                if !token(rest, " \t").0.is_empty() {
                    return Err("Too many args in default line".into());
                }
                self.translated.insert((table, name.into()), translated.into());
                Ok(())
            }
            Some((table, "canon")) if !is_build(table) => self.read_canon(table, value),
            _ => Err(format!("bad option '{keyword}'")),
        }
    }

    /// `machCompatCacheAdd`: a line replaces an earlier one for the same name; one without names removes it.
    fn read_compat(&mut self, table: MachineTable, value: &str) -> Result<(), String> {
        let Some(colon) = value.find(':') else {
            return Err("missing second ':'".into());
        };
        let name = value[..colon].trim_end_matches(|c: char| c == ':' || (c.is_ascii() && is_space(c as u8)));
        if name.is_empty() {
            return Err("missing architecture name".into());
        }
        // With a blank before the colon rpm takes the colon for a name. Nothing is compatible with it.
        let names = skip_space(value.get(name.len() + 1..).unwrap_or_default());
        let names = names.split(' ').filter(|name| !name.is_empty()).map(Into::into).collect();
        self.compatible.insert((table, name.into()), names);
        Ok(())
    }

    fn read_canon(&mut self, table: MachineTable, value: &str) -> Result<(), String> {
        let (name, rest) = token(value, ": \t");
        let (short_name, rest) = token(rest, " \t");
        let (number, rest) = token(rest, " \t");
        if number.is_empty() {
            return Err("Incomplete data line".into());
        }
        if !token(rest, " \t").0.is_empty() {
            return Err("Too many args in data line".into());
        }
        let Ok(number) = number.parse::<i32>() else {
            return Err(format!("Bad arch/os number: {number}"));
        };
        let canonical = Canonical { short_name: short_name.into(), number };
        self.canonical.insert((table, name.into()), canonical.clone());
        self.canonical.insert((table, short_name.into()), canonical);
        Ok(())
    }

    /// The compiler flags of an architecture.
    pub fn optflags(&self, arch: &str) -> Option<&str> {
        self.optflags.get(arch).map(String::as_str)
    }

    /// The compiler flags of what the machine builds by default: rpm 4.20 and later use them for a target that has none.
    pub fn build_optflags(&self, machine: &Machine) -> Option<&str> {
        self.optflags(self.build_arch(&machine.arch))
    }

    /// The name that packages have for an architecture (`arch_canon`); the name itself if there is no line.
    pub fn canonical_arch<'a>(&'a self, name: &'a str) -> &'a str {
        self.canonical(MachineTable::InstallArch, name).map_or(name, |canonical| &canonical.short_name)
    }

    /// The name that packages have for an operating system (`os_canon`); the name itself if there is no line.
    pub fn canonical_os<'a>(&'a self, name: &'a str) -> &'a str {
        self.canonical(MachineTable::InstallOs, name).map_or(name, |canonical| &canonical.short_name)
    }

    /// The number of an architecture in the lead of a package; 255 if there is no line (`getMachineInfo`).
    pub fn arch_number(&self, name: &str) -> i32 {
        self.canonical(MachineTable::InstallArch, name).map_or(255, |canonical| canonical.number)
    }

    fn canonical(&self, table: MachineTable, name: &str) -> Option<&Canonical> {
        self.canonical.get(&(table, name.to_owned()))
    }

    /// True if the architecture has an `arch_canon` line or is `noarch`: `rpmIsKnownArch`.
    pub fn is_known_arch(&self, name: &str) -> bool {
        name == "noarch" || self.canonical(MachineTable::InstallArch, name).is_some()
    }

    /// The architecture that a machine builds by default (`buildarchtranslate`); the name itself if there is no line.
    pub fn build_arch<'a>(&'a self, name: &'a str) -> &'a str {
        self.translate(MachineTable::BuildArch, name)
    }

    /// The operating system that a machine builds for by default (`buildostranslate`); the name itself if there is no line.
    pub fn build_os<'a>(&'a self, name: &'a str) -> &'a str {
        self.translate(MachineTable::BuildOs, name)
    }

    fn translate<'a>(&'a self, table: MachineTable, name: &'a str) -> &'a str {
        self.translated.get(&(table, name.to_owned())).map_or(name, String::as_str)
    }

    /// The colour of an architecture's ELF files: `rpmGetArchColor`. `None` if there is no line or no number in it.
    pub fn arch_color(&self, name: &str) -> Option<i32> {
        self.colors.get(self.build_arch(name))?.parse().ok()
    }

    /// What is compatible with `name`, the nearest first as rpm finds it, with its distance from 1 (`machFindEquivs`).
    ///
    /// rpm walks in depth and keeps the first distance it finds, which need not be the least. For the build tables `name`
    /// is the machine's name, whatever the target is.
    pub fn equivalents(&self, table: MachineTable, name: &str) -> Vec<(String, u32)> {
        let mut found = vec![(name.to_owned(), 1)];
        let mut visited = BTreeSet::new();
        let mut open = vec![(name, 2)];
        while let Some((name, distance)) = open.pop() {
            let Some(names) = self.compatible.get(&(table, name.to_owned())) else { continue };
            if !visited.insert(name) {
                continue;
            }
            for equivalent in names {
                if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(equivalent)) {
                    found.push((equivalent.clone(), distance));
                }
            }
            open.extend(names.iter().rev().map(|next| (next.as_str(), distance + 1)));
        }
        found
    }

    /// How far `name` is from `machine` in a table, from 1; 0 if they are not compatible: `rpmMachineScore`. Case does not
    /// count for `name`.
    ///
    /// `BuildArch: name` is passed over where the score in [`MachineTable::BuildArch`] is 0 (`build/parseSpec.c`).
    pub fn machine_score(&self, table: MachineTable, machine: &Machine, name: &str) -> u32 {
        let start = match table {
            MachineTable::InstallArch | MachineTable::BuildArch => &machine.arch,
            MachineTable::InstallOs | MachineTable::BuildOs => &machine.os,
        };
        let equivalents = self.equivalents(table, start);
        equivalents.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(0, |(_, score)| *score)
    }
}

/// The macros that rpm sets for a target, in its order: `_target`, `_target_cpu`, `_target_os`, and `optflags` if the rpmrc
/// has a line for the architecture (`rpmRebuildTargetVars`). The module's documentation says when.
///
/// `target` is the argument of `--target`: `cpu`, `cpu-os`, `cpu-vendor-os`, each perhaps with `-gnu` after it; without a `-`
/// the operating system is the machine's. Without a target it is what the machine builds by default. All is lowered.
pub fn target_macros(rpmrc: &RpmRc, machine: &Machine, target: Option<&str>) -> Vec<(String, String)> {
    let (cpu, os) = match target {
        Some(target) => match target.split_once('-') {
            Some((cpu, rest)) => (cpu, os_of_target(rest)),
            None => (target, machine.os.as_str()),
        },
        None => {
            // rpm spells the current system with a capital: the canon table decides, then all is lowered.
            let os = match rpmrc.build_os(&machine.os) {
                "linux" => "Linux",
                os => os,
            };
            (rpmrc.canonical_arch(rpmrc.build_arch(&machine.arch)), rpmrc.canonical_os(os))
        }
    };
    let (cpu, os) = (cpu.to_ascii_lowercase(), os.to_ascii_lowercase());
    let mut macros = vec![("_target".to_owned(), format!("{cpu}-{os}"))];
    let optflags = rpmrc.optflags(&cpu).map(|flags| ("optflags".to_owned(), flags.to_owned()));
    macros.push(("_target_cpu".to_owned(), cpu));
    macros.push(("_target_os".to_owned(), os));
    macros.extend(optflags);
    macros
}

/// The operating system of what is after the first `-` of a target.
fn os_of_target(rest: &str) -> &str {
    let Some((before, last)) = rest.rsplit_once('-') else { return rest };
    if last.eq_ignore_ascii_case("gnu") { before.rsplit_once('-').map_or(before, |(_, os)| os) } else { last }
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// `strtok`: the first word between separators, and what is after the separator that ends it. Empty if there is no word.
fn token<'a>(text: &'a str, separators: &str) -> (&'a str, &'a str) {
    let text = text.trim_start_matches(|c| separators.contains(c));
    match text.find(|c| separators.contains(c)) {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine family of the rpmrc of rpm, and what its syntax allows.
    const RPMRC: &str = "\
# A comment
optflags: i386 -O2 -g -march=i386
  OptFlags:i686   -O2 -g -march=i686
optflags: x86_64 -O2 -g
archcolor: x86_64 2
archcolor: i386 1
arch_canon:\tathlon:\tathlon\t1
arch_canon: i686: i686 1
arch_canon: i386: i386 1
arch_canon: x86_64: x86_64 1
arch_canon: riscv: riscv64 22
archcanon: alphapca56:alphapca56 2
os_canon: Linux: Linux 1
os_canon: UNIX_SV: MP_RAS: 16
buildarchtranslate: athlon: i386
buildarchtranslate: i686: i386
buildarchtranslate: amd64: x86_64
arch_compat: x86_64: amd64 em64t athlon noarch
arch_compat: amd64: x86_64 em64t athlon noarch
arch_compat: athlon: i686
arch_compat: i686: i386
arch_compat: i386: noarch fat
buildarch_compat: x86_64: noarch
buildarch_compat : athlon: i686
buildarch_compat: i686: i386
buildarch_compat: i386: noarch fat
os_compat: Linux: TOS
macrofiles: /a:/b
";

    fn rpmrc() -> RpmRc {
        let mut rpmrc = RpmRc::default();
        assert_eq!(rpmrc.read(RPMRC, &mut |_| None), []);
        rpmrc
    }

    #[test]
    fn tables_answer_by_name() {
        let rpmrc = rpmrc();
        assert_eq!(rpmrc.optflags("i686"), Some("-O2 -g -march=i686"));
        assert_eq!(rpmrc.optflags("sparc"), None);
        assert_eq!((rpmrc.canonical_arch("riscv"), rpmrc.canonical_arch("riscv64")), ("riscv64", "riscv64"));
        assert_eq!((rpmrc.arch_number("riscv64"), rpmrc.arch_number("foo")), (22, 255));
        assert_eq!(rpmrc.canonical_os("UNIX_SV"), "MP_RAS:");
        assert_eq!(
            (rpmrc.build_arch("athlon"), rpmrc.build_arch("foo"), rpmrc.build_os("Linux")),
            ("i386", "foo", "Linux")
        );
        assert_eq!((rpmrc.arch_color("athlon"), rpmrc.arch_color("ppc")), (Some(1), None));
        for (name, known) in [("alphapca56", true), ("noarch", true), ("em64t", false)] {
            assert_eq!(rpmrc.is_known_arch(name), known, "{name}");
        }
    }

    #[test]
    fn compatibility_is_transitive_and_the_first_way_counts() {
        let rpmrc = rpmrc();
        let names = |table, name| {
            let found = rpmrc.equivalents(table, name);
            found.iter().map(|(name, score)| format!("{name} {score}")).collect::<Vec<_>>()
        };
        let want = ["x86_64 1", "amd64 2", "em64t 2", "athlon 2", "noarch 2", "i686 4", "i386 5", "fat 6"];
        assert_eq!(names(MachineTable::InstallArch, "x86_64"), want);
        assert_eq!(names(MachineTable::BuildArch, "x86_64"), ["x86_64 1", "noarch 2"]);
        let score = |machine, name| rpmrc.machine_score(MachineTable::BuildArch, &Machine::linux(machine), name);
        assert_eq!((score("x86_64", "noarch"), score("x86_64", "i686"), score("i686", "NOARCH")), (2, 0, 3));
        assert_eq!(rpmrc.machine_score(MachineTable::InstallOs, &Machine::default(), "linux"), 1);
    }

    #[test]
    fn targets_come_apart_as_in_rpm() {
        let rpmrc = rpmrc();
        for (machine, target, cpu, os, optflags) in [
            ("x86_64", None, "x86_64", "linux", Some("-O2 -g")),
            ("i686", None, "i386", "linux", Some("-O2 -g -march=i386")),
            ("x86_64", Some("i686"), "i686", "linux", Some("-O2 -g -march=i686")),
            ("x86_64", Some("I686-Linux"), "i686", "linux", Some("-O2 -g -march=i686")),
            ("x86_64", Some("aarch64-unknown-linux-gnu"), "aarch64", "linux", None),
            ("x86_64", Some("aarch64-linux-gnu"), "aarch64", "linux", None),
            ("x86_64", Some("arm-foo-linux-gnueabi"), "arm", "gnueabi", None),
            ("x86_64", Some("a-"), "a", "", None),
            ("x86_64", Some(""), "", "linux", None),
        ] {
            let macros = target_macros(&rpmrc, &Machine::linux(machine), target);
            let target_name = format!("{cpu}-{os}");
            let mut want = vec![("_target", target_name.as_str()), ("_target_cpu", cpu), ("_target_os", os)];
            want.extend(optflags.map(|flags| ("optflags", flags)));
            let got: Vec<_> = macros.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(got, want, "{machine} {target:?}");
        }
        assert_eq!(rpmrc.build_optflags(&Machine::linux("athlon")), Some("-O2 -g -march=i386"));
    }

    #[test]
    fn mistakes_have_a_line_and_end_the_file() {
        for (text, line, message) in [
            ("\nfoo\n", 2, "missing ':' (found 0x00)"),
            ("foo bar: x", 1, "missing ':' (found 0x62)"),
            ("foo: x", 1, "bad option 'foo'"),
            ("arch_translate: a: b", 1, "bad option 'arch_translate'"),
            ("buildarch_canon: a: b 1", 1, "bad option 'buildarch_canon'"),
            ("optflags:", 1, "missing argument for optflags"),
            ("optflags: i386", 1, "missing architecture for optflags"),
            ("optflags: i386 ", 1, "missing argument for optflags"),
            ("arch_canon: a: b", 1, "Incomplete data line"),
            ("arch_canon: a: b 1 2", 1, "Too many args in data line"),
            ("arch_canon: a: b x", 1, "Bad arch/os number: x"),
            ("buildarchtranslate: a:", 1, "Incomplete default line"),
            ("buildarchtranslate: a: b c", 1, "Too many args in default line"),
            ("arch_compat: a", 1, "missing second ':'"),
            ("arch_compat: : b", 1, "missing architecture name"),
            ("include: /nowhere", 1, "cannot open /nowhere"),
        ] {
            let mut rpmrc = RpmRc::default();
            let problems = rpmrc.read(&format!("{text}\noptflags: late x"), &mut |_| None);
            assert_eq!(problems, [RpmRcProblem { file: None, line, message: message.into() }], "{text}");
            assert_eq!(rpmrc, RpmRc::default());
        }
    }

    #[test]
    fn includes_are_asked_for_and_may_not_turn_in_circles() {
        let mut rpmrc = RpmRc::default();
        let problems = rpmrc.read("include: /a b\noptflags: x 1\n", &mut |path| {
            assert_eq!(path, "/a");
            Some("optflags: y 2".into())
        });
        assert_eq!((problems, rpmrc.optflags("x"), rpmrc.optflags("y")), (vec![], Some("1"), Some("2")));
        let problems = rpmrc.read("include: /a", &mut |_| Some("include: /a".into()));
        assert_eq!(problems.len(), MAX_INCLUDE_DEPTH + 1);
    }

    #[test]
    fn a_later_line_replaces_and_an_empty_one_removes() {
        let mut rpmrc = rpmrc();
        rpmrc.read("arch_compat: i386: x\narch_compat: x86_64:\nbuildarch_compat: a : b c", &mut |_| None);
        let names = |table, name| rpmrc.equivalents(table, name).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(MachineTable::InstallArch, "i386"), ["i386", "x"]);
        assert_eq!(names(MachineTable::InstallArch, "x86_64"), ["x86_64"]);
        assert_eq!(names(MachineTable::BuildArch, "a"), ["a", ":", "b", "c"]);
    }
}
