//! `bedplate repo capabilities`: what builds taught.

use bedplate_graph::{CapabilityLock, Learnt};

use crate::cli::CapabilitiesArgs;
use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::settings::read_checked;
use crate::ui::Ui;

/// Learns from the packages of folders, and prints or writes the capability lock.
pub(crate) fn run(args: &CapabilitiesArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let counter = ui.counter("packages read");
    let progress = |done, total| counter.show(done, total);
    let built = bedplate_repo::read_built(&args.folders, Some(&progress));
    drop(counter);
    let packages = match built {
        Ok(packages) => packages,
        Err(findings) => return super::refuse(&findings, ui),
    };
    // What is known of packages that are not in these folders stays.
    let known = args.output.as_ref().filter(|path| std::path::Path::new(path).is_file());
    let mut lock = match known {
        Some(path) => read_checked(path, ui, CapabilityLock::parse)?,
        None => CapabilityLock::default(),
    };
    let before = lock.clone();
    lock.learn(packages.iter().filter(|package| !package.nevra.arch().is_source()));
    match &args.output {
        Some(path) => {
            let is_new = |(name, learnt): &(&String, &Learnt)| before.packages.get(*name) != Some(*learnt);
            let changed = lock.packages.iter().filter(is_new).count();
            if changed > 0 || known.is_none() {
                output::write(path, &lock.to_string())?;
            }
            let packages = output::many(lock.packages.len(), "package");
            ui.summary(&format!("{path}: {packages}, {changed} changed"));
        }
        None => ui.print(&lock.to_string())?,
    }
    Ok(Outcome::Good)
}
