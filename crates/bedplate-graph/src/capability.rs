//! Capabilities as text, and the capability lock: what builds taught.
//!
//! rpm generates capabilities from built files (sonames, `pkgconfig()`, `perl()`). A cold plan cannot see them in specs. After
//! a build they are written into the capability lock, which is committed, so that the next cold plan is exact:
//!
//! ```toml
//! version = 1
//!
//! [[package]]
//! name = "zlib"
//! source = "zlib"
//! evr = "1.3.1-1"
//! provides = ["libz.so.1()(64bit)"]
//! requires = ["libc.so.6(GLIBC_2.14)(64bit)"]
//! files = ["/usr/lib64/libz.so.1"]
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bedplate_config::{Entry, Reader, Table, quoted};
use bedplate_diag::{Diagnostic, SourceId};
use bedplate_model::{BinaryPackage, Dependency, FileKind, Sense};

const VERSION: u64 = 1;

/// A list of dependencies, rich ones only if they may be.
pub(crate) fn dependencies(reader: &mut Reader, entry: Entry<'_, '_>, may_be_rich: bool) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (text, range) in reader.list(entry) {
        match text.parse::<Dependency>() {
            Ok(one) if one.is_rich() && !may_be_rich => {
                reader.wrong("bad-capability", format!("`{text}` is a rich dependency: nothing can provide it"), range);
            }
            Ok(one) => found.push(one),
            Err(why) => {
                reader.wrong("bad-capability", format!("`{text}` is no capability: {why}"), range).hint =
                    Some("write `NAME` or `NAME = VERSION`".to_owned());
            }
        }
    }
    found
}

/// What a build taught about one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learnt {
    /// The source package.
    pub source: String,
    /// The version that was built.
    pub evr: String,
    /// Generated `Provides`.
    pub provides: Vec<Dependency>,
    /// Generated `Requires`.
    pub requires: Vec<Dependency>,
    /// Paths that other packages may require.
    pub files: Vec<String>,
}

/// The capability lock: learnt capabilities by package name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapabilityLock {
    /// By package name.
    pub packages: BTreeMap<String, Learnt>,
}

impl CapabilityLock {
    /// Reads a lock; `source` is the id for the places of its mistakes.
    ///
    /// # Errors
    /// All mistakes of the file, each with its place.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, |reader, table| {
            let mut lock = Self::default();
            reader.version(table, VERSION);
            for entry in table {
                match entry.0.get_ref().as_ref() {
                    "version" => {}
                    "package" => {
                        for (table, range) in reader.tables(entry) {
                            let (name, learnt) = package(reader, table);
                            if name.is_empty() {
                                reader.wrong("missing-key", "a package needs a `name`", range);
                            } else if lock.packages.insert(name.clone(), learnt).is_some() {
                                reader.wrong("second-package", format!("`{name}` is here twice"), range);
                            }
                        }
                    }
                    _ => reader.unknown(entry, &["version", "package"]),
                }
            }
            lock
        })
    }

    /// Learns from packages that were built: replaces what was known of each. Of several versions of a package the newest
    /// counts. Their lists have the marks of headers (`FIND_PROVIDES`, `FIND_REQUIRES`).
    pub fn learn<'a>(&mut self, packages: impl IntoIterator<Item = &'a BinaryPackage>) {
        let mut newest: BTreeMap<&str, &BinaryPackage> = BTreeMap::new();
        for package in packages {
            let known = newest.entry(package.name()).or_insert(package);
            if package.nevra.evr().compare(known.nevra.evr()).is_gt() {
                *known = package;
            }
        }
        for package in newest.into_values() {
            let source = package.source_rpm.as_deref().unwrap_or_default();
            let learnt = Learnt {
                source: source_name(source).to_owned(),
                evr: package.nevra.evr().to_string(),
                provides: generated(&package.provides, Sense::FIND_PROVIDES),
                requires: generated(&package.requires, Sense::FIND_REQUIRES),
                files: package
                    .files
                    .iter()
                    .filter(|file| is_asked_for(&file.path, file.kind))
                    .map(|file| file.path.clone())
                    .collect(),
            };
            self.packages.insert(package.name().to_owned(), learnt);
        }
    }
}

/// The generated ones of a header's list.
fn generated(list: &[Dependency], mark: Sense) -> Vec<Dependency> {
    let marked = list.iter().filter(|one| one.sense.intersects(mark));
    let mut found: Vec<Dependency> =
        marked.map(|one| Dependency::new(one.name.clone(), one.evr.clone(), one.sense.relation())).collect();
    found.sort_by(|a, b| (&a.name, &a.evr, a.sense).cmp(&(&b.name, &b.evr, b.sense)));
    found.dedup();
    found
}

/// The paths that packages name in requirements: the rule of createrepo_c for `primary.xml`.
fn is_asked_for(path: &str, kind: FileKind) -> bool {
    kind != FileKind::Directory && (path.contains("bin/") || path.starts_with("/etc/") || path == "/usr/lib/sendmail")
}

/// The name in `name-version-release.src.rpm`.
fn source_name(file: &str) -> &str {
    let mut parts = file.rsplitn(3, '-');
    let (release, version) = (parts.next(), parts.next());
    match (parts.next(), version, release) {
        (Some(name), Some(_), Some(_)) => name,
        _ => file,
    }
}

fn package(reader: &mut Reader, table: &Table<'_>) -> (String, Learnt) {
    let (mut name, mut learnt) = (String::new(), Learnt::default());
    for entry in table {
        match entry.0.get_ref().as_ref() {
            "name" => name = reader.text(entry).unwrap_or_default(),
            "source" => learnt.source = reader.text(entry).unwrap_or_default(),
            "evr" => learnt.evr = reader.text(entry).unwrap_or_default(),
            "provides" => learnt.provides = dependencies(reader, entry, false),
            "requires" => learnt.requires = dependencies(reader, entry, true),
            "files" => learnt.files = reader.list(entry).into_iter().map(|(path, _)| path).collect(),
            _ => reader.unknown(entry, &["name", "source", "evr", "provides", "requires", "files"]),
        }
    }
    (name, learnt)
}

impl std::fmt::Display for CapabilityLock {
    /// The file's text: sorted, one capability a line, so that a change is a small difference.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "# What builds taught: capabilities that rpm generated. Written by `bedplate repo capabilities`.")?;
        writeln!(f, "version = {VERSION}")?;
        for (name, learnt) in &self.packages {
            writeln!(f, "\n[[package]]")?;
            for (key, value) in [("name", name), ("source", &learnt.source), ("evr", &learnt.evr)] {
                writeln!(f, "{key} = {}", quoted(value))?;
            }
            let shown = |list: &[Dependency]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
            for (key, list) in [
                ("provides", shown(&learnt.provides)),
                ("requires", shown(&learnt.requires)),
                ("files", learnt.files.clone()),
            ] {
                if !list.is_empty() {
                    let lines = list.iter().fold(String::new(), |mut text, one| {
                        let _ = writeln!(text, "  {},", quoted(one));
                        text
                    });
                    writeln!(f, "{key} = [\n{lines}]")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_reads_what_it_writes() {
        let mut package = BinaryPackage::new("zlib-1.3.1-1.x86_64".parse().unwrap());
        package.source_rpm = Some("zlib-1.3.1-1.src.rpm".to_owned());
        let found = |name: &str, mark| Dependency::new(name, "", mark);
        package.provides =
            vec![Dependency::new("zlib", "1.3.1-1", Sense::EQUAL), found("libz.so.1()(64bit)", Sense::FIND_PROVIDES)];
        package.requires = vec![
            found("libc.so.6()(64bit)", Sense::FIND_REQUIRES),
            found("(a if b)", Sense::FIND_REQUIRES),
            found("c", Sense::ANY),
        ];
        let mut lock = CapabilityLock::default();
        lock.learn([&package]);
        let learnt = &lock.packages["zlib"];
        assert_eq!((learnt.source.as_str(), learnt.evr.as_str()), ("zlib", "1.3.1-1"));
        assert_eq!((learnt.provides.len(), learnt.requires.len()), (1, 2));
        let text = lock.to_string();
        assert_eq!(CapabilityLock::parse(SourceId(0), &text), Ok(lock));
    }

    #[test]
    fn all_mistakes_of_a_lock_are_found() {
        let text = "version = 2\n[[package]]\nnmae = \"a\"\n[[package]]\nname = \"b\"\nprovides = [\"a ~ b\", 3]\n[[package]]\nname = \"b\"\n";
        let mistakes = CapabilityLock::parse(SourceId(0), text).unwrap_err();
        let codes: Vec<&str> = mistakes.iter().map(|one| one.code).collect();
        assert_eq!(
            codes,
            ["bad-version", "missing-key", "unknown-key", "bad-capability", "wrong-type", "second-package"]
        );
    }
}
