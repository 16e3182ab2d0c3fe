//! `bedplate spec expand`: a spec after macro expansion.

use bedplate_diag::{Severity, text};

use super::evaluate;
use crate::cli::ExpandArgs;
use crate::outcome::{Failure, Outcome};
use crate::settings::{SpecPath, World, absolute};
use crate::ui::Ui;

/// Prints a spec after macro expansion.
pub(crate) fn run(args: &ExpandArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let world = World::new(&args.macros, ui)?;
    let spec = SpecPath { path: absolute(&args.path)?, shown: args.path.clone() };
    let found = evaluate::one(&world, &spec)?;
    let loud: Vec<_> = found.diagnostics.iter().filter(|one| one.severity != Severity::Warning).cloned().collect();
    ui.diagnostics(&loud, &found.sources);
    world.finish()?;
    if !found.is_good() {
        return Ok(Outcome::BadInput);
    }
    ui.print_bytes(&text::to_bytes(&found.spec.parsed))?;
    ui.print("\n")?;
    Ok(Outcome::Good)
}
