//! `bedplate image validate`.

use crate::answer;
use crate::cli::ValidateArgs;
use crate::image_config::load;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;

pub(crate) fn run(args: &ValidateArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let (mut errors, mut warnings, mut bad) = (0, 0, 0);
    for path in &args.configs {
        let loaded = load(path);
        let wrong = loaded.diagnostics.iter().filter(|one| one.is_error()).count();
        errors += wrong;
        warnings += loaded.diagnostics.len() - wrong;
        bad += usize::from(loaded.config.is_none());
        if args.json {
            let lines = loaded.diagnostics.iter().map(|one| format!("{}\n", answer::diagnostic(one, &loaded.sources)));
            ui.print(&lines.collect::<String>())?;
        } else {
            ui.diagnostics(&loaded.diagnostics, &loaded.sources);
        }
    }
    if !args.json {
        let configs = many(args.configs.len(), "config");
        ui.summary(&format!("{configs}, {bad} bad: {}, {}", many(errors, "error"), many(warnings, "warning")));
    }
    Ok(if bad > 0 { Outcome::BadInput } else { Outcome::Good })
}
