//! `bedplate image schema`.

use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

pub(crate) fn run(ui: &Ui) -> Result<Outcome, Failure> {
    ui.print(&format!("{:#}\n", bedplate_image_config::schema()))?;
    Ok(Outcome::Good)
}
