//! `bedplate seed lock`.

use bedplate_apt::Apt;
use bedplate_cas::Store;
use bedplate_seed::{Change, Lock, LockedPackage, SeedRoots};

use crate::cli::SeedLockArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::{many, write};
use crate::seed::{SeedFiles, SeedTeller, apt};
use crate::store;
use crate::ui::Ui;

pub(crate) fn run(args: &SeedLockArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let files = SeedFiles::read(&args.seed.seed, ui)?;
    let suite = files.suite()?;
    let store = store::open(&args.seed.store)?;
    ui.summary("seed: fetching the lists of packages");
    let apt = apt(&store, suite)?;
    apt.update()?;
    let mut new = Lock::resolve(&files.definition, &apt, suite)?;
    add_libraries(&mut new, &files, &store, &apt, ui)?;
    ui.diagnostics(&files.check(&new), &files.sources);
    let old = files.lock.clone().unwrap_or_default();
    let changes = old.changes(&new);
    let lines: String = changes.iter().map(line).collect();
    let path = files.lock_path.display().to_string();
    let is_same = changes.is_empty() && old.name == new.name;
    if !is_same {
        write(&path, &new.to_text())?;
    }
    ui.print(&lines)?;
    let bytes: u64 = new.packages.values().map(|package| package.size).sum();
    ui.summary(&format!(
        "{path}: {}, {}; {}",
        many(new.packages.len(), "package"),
        crate::units::show_bytes(bytes),
        if is_same { "as it was".to_owned() } else { many(changes.len(), "change") }
    ));
    Ok(Outcome::Good)
}

/// Adds to each package what its shared libraries provide. They are read from the packages themselves.
fn add_libraries(lock: &mut Lock, files: &SeedFiles, store: &Store, apt: &Apt, ui: &Ui) -> Result<(), Failure> {
    let teller = SeedTeller::new(ui);
    let temporary = std::env::temp_dir();
    let roots = SeedRoots { store, definition: &files.definition, lock, apt, temporary: &temporary };
    let mut libraries = roots.libraries(&|progress| teller.tell(progress))?;
    for (name, package) in &mut lock.packages {
        package.provides = libraries.remove(name).unwrap_or_default();
    }
    Ok(())
}

/// A change as people read it; the same version may have other bytes, or other needs.
fn line(change: &Change<'_>) -> String {
    let name = change.name;
    match (change.old, change.new) {
        (None, Some(new)) => format!("+ {name} {}\n", new.version),
        (Some(old), None) => format!("- {name} {}\n", old.version),
        (Some(old), Some(new)) if old.version != new.version => {
            format!("  {name} {} -> {}\n", old.version, new.version)
        }
        (Some(old), Some(new)) => format!("  {name} {}: {}\n", new.version, what_else(old, new)),
        (None, None) => String::new(),
    }
}

fn what_else(old: &LockedPackage, new: &LockedPackage) -> String {
    if old.sha256 != new.sha256 {
        return "other bytes".to_owned();
    }
    let added = new.depends.difference(&old.depends).map(|name| format!("+{name}"));
    let removed = old.depends.difference(&new.depends).map(|name| format!("-{name}"));
    let needs: Vec<String> = added.chain(removed).collect();
    if needs.is_empty() && old.provides != new.provides {
        return "other libraries".to_owned();
    }
    if needs.is_empty() { "another place or mark".to_owned() } else { format!("needs {}", needs.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_a_line_each() {
        let package = |version: &str, sha256: u8, depends: &[&str]| LockedPackage {
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            suite: "trixie".to_owned(),
            path: "pool/a.deb".to_owned(),
            sha256: bedplate_apt::Sha256([sha256; 32]),
            size: 1,
            is_essential: false,
            depends: depends.iter().map(|name| (*name).to_owned()).collect(),
            provides: Vec::new(),
        };
        let (one, two) = (package("1", 1, &["b"]), package("2", 2, &["b"]));
        let (bytes, needs) = (package("1", 3, &["b"]), package("1", 1, &["c"]));
        for (old, new, expected) in [
            (None, Some(&one), "+ a 1\n"),
            (Some(&one), None, "- a 1\n"),
            (Some(&one), Some(&two), "  a 1 -> 2\n"),
            (Some(&one), Some(&bytes), "  a 1: other bytes\n"),
            (Some(&one), Some(&needs), "  a 1: needs +c -b\n"),
        ] {
            assert_eq!(line(&Change { name: "a", old, new }), expected);
        }
    }
}
