//! `bedplate image explain`.

use bedplate_image_config::explain;

use crate::cli::ExplainArgs;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

pub(crate) fn run(args: &ExplainArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let text = explain(args.key.as_deref()).map_err(|error| {
        let hint = match &error.near[..] {
            [] => "`bedplate image explain` lists all sections".to_owned(),
            near => {
                format!("did you mean {}?", near.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" or "))
            }
        };
        Failure::input(error.to_string()).hint(hint)
    })?;
    ui.print(&text)?;
    Ok(Outcome::Good)
}
