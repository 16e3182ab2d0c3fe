//! `bedplate repo sign`: signatures of packages and of their metadata.

use std::path::Path;
use std::time::SystemTime;

use bedplate_engine::sign_repository;
use bedplate_sign::Signer;

use crate::cli::SignArgs;
use crate::commands::key::signing_key;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;

/// Signs what is not signed, and makes the repodata again.
pub(crate) fn run(args: &SignArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let key = signing_key(&args.key)?;
    let folder = Path::new(&args.folder);
    let signed = super::on_threads(args.jobs, || sign_repository(folder, &key, args.replace, SystemTime::now()))?;
    match signed {
        Ok(signed) => {
            super::report(&signed.metadata.warnings, ui);
            ui.summary(&format!(
                "{}: {} signed by {}, {} before, {}",
                args.folder,
                many(signed.signed, "package"),
                key.public_key().fingerprint(),
                signed.kept,
                super::count(&signed.metadata.warnings),
            ));
            Ok(Outcome::Good)
        }
        Err(findings) => super::refuse(&findings, ui),
    }
}
