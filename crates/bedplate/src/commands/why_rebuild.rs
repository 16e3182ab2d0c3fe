//! `bedplate why-rebuild`.

use std::fmt::Write as _;

use bedplate_engine::build::{self, Checks, Verdict};
use bedplate_sandbox::Limits;
use serde_json::json;

use super::build::targets;
use crate::building::Building;
use crate::cli::{NetworkArgs, WhyRebuildArgs};
use crate::module_keys::ModuleKeys;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Says what a build would do again, and why.
pub(crate) fn run(args: &WhyRebuildArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let network = NetworkArgs::default();
    let building =
        Building::open(&args.specs, &args.prebuilt, &network, ModuleKeys::of_certificate(&args.modules)?, ui)?;
    let workspace = building.workspace(1);
    let wanted = targets(&workspace, &args.names)?;
    let wanted = wanted.iter().map(|id| workspace.graph.spec(*id).name.clone()).collect();
    let request = building.request(wanted, Checks::Off)?;
    let asked = request.targets.clone();
    let builder = building.builder(std::env::temp_dir(), Limits::default(), 1, None);
    let verdicts = build::examine(&builder, &building, request)?.verdicts;
    let mut text = String::new();
    for (name, verdict) in verdicts.iter().filter(|(name, _)| asked.contains(*name)) {
        let (word, reasons): (&str, &[build::Reason]) = match verdict {
            Verdict::UpToDate(reasons) => ("up-to-date", reasons),
            Verdict::Rebuild(reasons) => ("rebuild", reasons),
            Verdict::Taken(_) => ("taken", &[]),
            Verdict::Impossible(_) => ("impossible", &[]),
        };
        if args.json {
            let said: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            let mut line = json!({ "version": 1, "name": name, "verdict": word, "reasons": reasons, "text": said });
            match verdict {
                Verdict::Impossible(why) => line["why"] = why.as_str().into(),
                Verdict::Taken(repository) => line["repository"] = repository.as_str().into(),
                _ => {}
            }
            let _ = writeln!(text, "{line}");
            continue;
        }
        match verdict {
            Verdict::UpToDate(_) if reasons.is_empty() => {
                let _ = writeln!(text, "{name}: up to date");
            }
            Verdict::UpToDate(_) => {
                let _ = writeln!(text, "{name}: up to date; it was last built because");
            }
            Verdict::Rebuild(_) => {
                let _ = writeln!(text, "{name}: would be built, because");
            }
            Verdict::Taken(repository) => {
                let _ = writeln!(text, "{name}: not built: {repository} has its packages");
            }
            Verdict::Impossible(why) => {
                let _ = writeln!(text, "{name}: cannot be built: {why}");
            }
        }
        for reason in reasons {
            let _ = writeln!(text, "  {reason}");
        }
    }
    ui.print(&text)?;
    Ok(Outcome::Good)
}
