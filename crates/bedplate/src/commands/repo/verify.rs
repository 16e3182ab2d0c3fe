//! `bedplate repo verify`: all that is wrong with repositories.

use std::path::Path;

use bedplate_diag::{Category, Severity};
use bedplate_repo::{Finding, VerifyOptions, verify};
use serde_json::json;

use super::keys::Keys;
use crate::cli::VerifyArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;

/// Checks repositories one after the other, each in parallel.
pub(crate) fn run(args: &VerifyArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let keys = Keys::read(&args.key)?;
    let (mut packages, mut all) = (0, Vec::new());
    let mut files_read = true;
    let mut environment = false;
    for folder in &args.folders {
        let counter = ui.counter(format!("{folder}: packages read"));
        let progress = |done, total| counter.show(done, total);
        let options = VerifyOptions {
            signature: Keys::verifier(keys.as_ref()),
            packages: args.packages,
            progress: Some(&progress),
        };
        let verified = super::on_threads(args.jobs, || verify(Path::new(folder), &options))?;
        drop(counter);
        packages += verified.packages;
        files_read &= verified.files_read;
        environment |= verified.findings.has_errors() && verified.findings.category() == Category::Environment;
        if args.json {
            let lines: String =
                verified.findings.all.iter().map(|finding| format!("{}\n", to_json(folder, finding))).collect();
            ui.print(&lines)?;
        } else {
            super::report(&verified.findings.all, ui);
        }
        all.extend(verified.findings.all);
    }
    let what = if files_read { "checked" } else { "described, their files not read" };
    ui.summary(&format!(
        "{}: {} {what}, {}",
        many(args.folders.len(), "folder"),
        many(packages, "package"),
        super::count(&all),
    ));
    if environment {
        return Err(Failure::environment("not everything could be read"));
    }
    Ok(if all.iter().any(Finding::is_error) { Outcome::BadInput } else { Outcome::Good })
}

fn to_json(folder: &str, finding: &Finding) -> serde_json::Value {
    json!({
        "repository": folder,
        "severity": if finding.problem.severity() == Severity::Error { "error" } else { "warning" },
        "code": finding.problem.code(),
        "message": finding.problem.to_string(),
        "path": finding.path.display().to_string(),
        "line": finding.place.map(|place| place.line),
        "column": finding.place.map(|place| place.column),
        "hint": finding.problem.hint(),
    })
}
