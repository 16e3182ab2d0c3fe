//! `bedplate repo capabilities`: what builds taught.

use bedplate_graph::CapabilityLock;

use crate::cli::CapabilitiesArgs;
use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::settings::read_checked;
use crate::ui::Ui;

/// Learns from the packages of repositories, and prints or writes the capability lock.
pub(crate) fn run(args: &CapabilitiesArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let repositories = super::for_solving(&args.folders, &args.key, ui)?.repositories;
    // What is known of packages that are not in these repositories stays.
    let known = args.output.as_ref().filter(|path| std::path::Path::new(path).exists());
    let mut lock = match known {
        Some(path) => read_checked(path, ui, CapabilityLock::parse)?,
        None => CapabilityLock::default(),
    };
    let before = lock.clone();
    lock.learn(repositories.iter().flat_map(|repository| &repository.packages));
    match &args.output {
        Some(path) => {
            let changed =
                lock.packages.iter().filter(|(name, learnt)| before.packages.get(*name) != Some(learnt)).count();
            if changed > 0 || known.is_none() {
                output::write(path, &lock.to_string())?;
            }
            ui.summary(&format!("{path}: {} packages, {changed} changed", lock.packages.len()));
        }
        None => ui.print(&lock.to_string())?,
    }
    Ok(Outcome::Good)
}
