//! `bedplate spec lint`: all mistakes and traps at once.

use bedplate_diag::{Severity, Sources};
use bedplate_spec::Evaluation;

use super::evaluate;
use crate::answer;
use crate::cli::LintArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::settings::{SpecPath, World, spec_paths};
use crate::ui::Ui;

/// Prints what is wrong with specs.
pub(crate) fn run(args: &LintArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let world = World::new(&args.macros, ui)?;
    let specs = spec_paths(&args.specs)?;
    let (mut errors, mut warnings, mut bad_specs) = (0_usize, 0_usize, 0_usize);
    let print = |_: &SpecPath, found: Evaluation| {
        let mut problems = found.diagnostics;
        problems.extend(crate::lints::lints(&found.spec));
        problems.retain(|one| one.severity != Severity::Info && !args.allow.iter().any(|code| code == one.code));
        for one in &mut problems {
            let denied = args.deny.iter().any(|code| code == one.code || code == "warnings");
            if one.severity == Severity::Passed || (one.severity == Severity::Warning && denied) {
                one.severity = Severity::Error;
            }
        }
        (problems, found.sources)
    };
    let take = |(problems, sources): (Vec<bedplate_diag::Diagnostic>, Sources)| {
        let bad = problems.iter().filter(|one| one.is_error()).count();
        errors += bad;
        warnings += problems.len() - bad;
        bad_specs += usize::from(bad > 0);
        if args.json {
            let lines: String = problems.iter().map(|one| format!("{}\n", answer::diagnostic(one, &sources))).collect();
            return ui.print(&lines);
        }
        ui.diagnostics(&problems, &sources);
        Ok(())
    };
    evaluate::each(&world, &args.specs, &specs, true, print, take)?;
    world.finish()?;
    if !args.json {
        let count = specs.len();
        let (specs, errors, warnings) = (many(count, "spec"), many(errors, "error"), many(warnings, "warning"));
        ui.summary(&format!("{specs}, {bad_specs} bad: {errors}, {warnings}"));
    }
    Ok(if errors > 0 { Outcome::BadInput } else { Outcome::Good })
}
