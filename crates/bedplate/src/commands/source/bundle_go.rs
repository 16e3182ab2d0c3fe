//! `bedplate source bundle-go`.

use std::path::Path;

use bedplate_apt::Apt;
use bedplate_diag::SourceId;
use bedplate_source::{BundleError, GoLock, GoWanted, Package, Place, Sha256, SourceFile, bundle, fetch_packages, pin};

use super::selection::Selection;
use crate::cli::BundleGoArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::{self, many};
use crate::settings::read_checked;
use crate::store;
use crate::ui::Ui;
use crate::units::show_bytes;

/// Makes the vendor archive of a spec, and pins it.
pub(super) fn run(args: &BundleGoArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let names = std::slice::from_ref(&args.name);
    let selection = Selection::load(names, &args.files, ui)?;
    let Some(package) = selection.packages.first() else { return Ok(Outcome::BadInput) };
    let store = store::open(&args.store)?;
    let apt = super::apt(&store)?;
    let lock_path = package.folder.join(format!("{}.go.lock", package.name));
    let lock = lock(args, &lock_path, &apt, ui)?;
    let Some(entry) = package.list.files.iter().find(|file| is_of(file, &lock_path)) else {
        return Err(Failure::input(format!("no entry of {} has the lock", package.list_path().display())).hint(format!(
            "add one: name = \"{}-VERSION-vendor.tar\", 64 zeros as sha256, size = 0, go = {{ lock = \"{}.go.lock\" }}",
            package.name, package.name
        )));
    };
    let counter = ui.counter("packages fetched");
    fetch_packages(&store, &lock, Some(&apt), &|done, total| counter.show(done, total)).map_err(failure)?;
    drop(counter);
    let work = store.work("bundle-go")?;
    let target = work.path().join("archive");
    let made = bundle(&store, &lock, &entry.name, &target).map_err(failure)?;
    for one in &made.left_out {
        ui.summary(&format!("left out, as it leads out of the Go sources: {one}"));
    }
    let digest = store.put_file(&target)?;
    let sha256 = Sha256(digest.hash);
    pin_archive(package, entry, sha256, digest.size)?;
    let text = format!(
        "{}: {} of {}\n  sha256  {} -> {sha256}\n  size    {} -> {} ({})\n",
        entry.name,
        many(made.files, "file"),
        many(lock.packages.len(), "package"),
        entry.sha256,
        entry.size.unwrap_or_default(),
        digest.size,
        show_bytes(digest.size)
    );
    ui.print(&text)?;
    Ok(Outcome::Good)
}

fn is_of(file: &SourceFile, lock: &Path) -> bool {
    let name = lock.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    file.places.iter().any(|place| matches!(place, Place::Go { lock } if lock == name))
}

/// The lock that is there; or a new one, which is written.
fn lock(args: &BundleGoArgs, path: &Path, apt: &Apt, ui: &Ui) -> Result<GoLock, Failure> {
    let shown = path.display().to_string();
    let old = path.exists().then(|| read_checked(&shown, ui, GoLock::parse)).transpose()?;
    let wanted = match (&args.source, args.package.is_empty(), &old) {
        (Some(source), ..) => Some(GoWanted::BuildDependsOf(source.clone())),
        (None, false, _) => Some(GoWanted::Packages(args.package.clone())),
        (None, true, Some(old)) if args.update => Some(old.wanted.clone()),
        (None, true, Some(_)) => None,
        (None, true, None) => {
            return Err(Failure::input(format!("there is no {shown}"))
                .hint("say what to pin: `--source` names a source package of Debian, `--package` a Go library"));
        }
    };
    let suite = args.suite.clone().or_else(|| Some(old.as_ref()?.suite.clone()));
    let Some(wanted) = wanted else { return Ok(old.unwrap_or_default()) };
    let newest = args.update.then(|| apt.updated()).transpose().map_err(super::apt_failure)?;
    let apt = newest.as_ref().unwrap_or(apt);
    let lock = GoLock::resolve(apt, &suite.unwrap_or_else(|| "sid".to_owned()), wanted).map_err(failure)?;
    output::write(&shown, &lock.text())?;
    ui.summary(&format!("{shown}: {} pinned", many(lock.packages.len(), "package")));
    // What is written is what the next run reads.
    debug_assert_eq!(GoLock::parse(SourceId(0), &lock.text()).as_ref(), Ok(&lock));
    Ok(lock)
}

/// Writes hash and size of the archive into the list.
fn pin_archive(package: &Package, entry: &SourceFile, sha256: Sha256, bytes: u64) -> Result<(), Failure> {
    let path = package.list_path().display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::io("cannot read", &path, &error))?;
    let new = pin(&text, entry, sha256, bytes);
    if new == text { Ok(()) } else { output::write(&path, &new) }
}

fn failure(error: BundleError) -> Failure {
    Failure { category: error.category(), message: error.to_string(), hint: None }
}
