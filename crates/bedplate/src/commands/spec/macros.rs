//! `bedplate spec macros`: what is defined, where, and what text expands to.

use bedplate_diag::{nearest, text};
use serde_json::json;

use super::evaluate;
use crate::cli::MacrosArgs;
use crate::outcome::{Failure, Outcome};
use crate::settings::World;
use crate::ui::Ui;

/// Lists macros, or expands text.
pub(crate) fn run(args: &MacrosArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let world = World::new(&args.macros, ui)?;
    let mut outcome = Outcome::Good;
    if !args.eval.is_empty() {
        for input in &args.eval {
            let (result, diagnostics, sources) = evaluate::expand(&world, input);
            ui.diagnostics(&diagnostics, &sources);
            match result {
                Some(result) => {
                    ui.print_bytes(&text::to_bytes(&result))?;
                    ui.print("\n")?;
                }
                None => outcome = Outcome::BadInput,
            }
        }
        world.finish()?;
        return Ok(outcome);
    }
    let definitions = world.config.definitions();
    for name in &args.names {
        if !definitions.iter().any(|one| &one.name == name) {
            let mut failure = Failure::input(format!("no macro `{name}` is defined"));
            if let Some(near) = nearest(name, definitions.iter().map(|one| one.name.as_str())) {
                failure = failure.hint(format!("did you mean `{near}`?"));
            }
            return Err(failure);
        }
    }
    let chosen = definitions.iter().filter(|one| args.names.is_empty() || args.names.contains(&one.name));
    let mut out = String::new();
    for one in chosen {
        let body = text::escape_invalid(&one.body);
        if args.json {
            let mut object = json!({ "name": one.name, "body": body, "builtin": one.is_builtin });
            if let Some(options) = &one.options {
                object["options"] = options.as_str().into();
            }
            if let Some((file, line, column)) = &one.origin {
                object["defined"] = json!({ "file": file, "line": line, "column": column });
            }
            out.push_str(&format!("{object}\n"));
            continue;
        }
        let options = one.options.as_ref().map(|options| format!("({options})")).unwrap_or_default();
        let place = match &one.origin {
            Some((file, line, _)) => format!("{file}:{line}"),
            None if one.is_builtin => "built in".to_owned(),
            None => "target".to_owned(),
        };
        out.push_str(&format!("%{}{options}\t{body}\t# {place}\n", one.name));
    }
    ui.print(&out)?;
    Ok(outcome)
}
