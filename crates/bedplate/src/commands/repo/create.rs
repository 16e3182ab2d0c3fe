//! `bedplate repo create`: repodata of a folder of RPMs.

use std::path::Path;

use bedplate_repo::{Compression, CreateOptions, Progress, create};

use crate::cli::{CompressChoice, CreateArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;

/// Writes repodata and says what was written.
pub(crate) fn run(args: &CreateArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let compression = match args.compress {
        CompressChoice::Zstd => Compression::Zstd,
        CompressChoice::Gz => Compression::Gzip,
        CompressChoice::Xz => Compression::Xz,
        CompressChoice::None => Compression::None,
    };
    let counter = ui.counter(format!("{}: packages read", args.folder));
    let progress = |done, total| counter.show(done, total);
    let (epoch, changelogs, progress) = (args.epoch, args.changelogs, Some(&progress as &Progress<'_>));
    let options = CreateOptions { compression, epoch, changelogs, sign: None, progress };
    let made = super::on_threads(args.jobs, || create(Path::new(&args.folder), &options))?;
    drop(counter);
    match made {
        Ok(made) => {
            super::report(&made.warnings, ui);
            if args.json {
                let files: Vec<String> = made.files.iter().map(|file| file.display().to_string()).collect();
                let answer = serde_json::json!({
                    "packages": made.packages,
                    "package_bytes": made.package_bytes,
                    "revision": made.revision,
                    "files": files,
                });
                ui.print(&format!("{answer}\n"))?;
            }
            ui.summary(&format!(
                "{}: repodata of {} ({} MiB), {}",
                args.folder,
                many(made.packages, "package"),
                made.package_bytes >> 20,
                super::count(&made.warnings),
            ));
            Ok(Outcome::Good)
        }
        Err(findings) => super::refuse(&findings, ui),
    }
}
