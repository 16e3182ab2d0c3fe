//! `bedplate key`: the key that signs packages.

use std::path::PathBuf;
use std::time::SystemTime;

use bedplate_sign::{FileKey, KeyError, Signer};
use serde_json::json;

use crate::cli::{KeyCommand, SigningKeyArgs};
use crate::module_keys::ModuleKeys;
use crate::outcome::{Failure, Outcome};
use crate::ui::{Ui, plain_path};

/// Owner of a key that nobody named an owner for. It is public, and says nothing of the machine.
pub(crate) const DEVELOPER: &str = "Bedplate developer key";

/// Runs a command of the group.
pub(crate) fn run(command: KeyCommand, ui: &Ui) -> Result<Outcome, Failure> {
    let (key, is_json) = match command {
        KeyCommand::Modules => {
            let keys = ModuleKeys::developers()?;
            ui.print(keys.certificate().pem())?;
            return Ok(Outcome::Good);
        }
        KeyCommand::Create(args) => (FileKey::create(&path(&args.key)?, &args.user, SystemTime::now())?, args.json),
        KeyCommand::Show(args) => (FileKey::load(&path(&args.key)?)?, args.json),
    };
    let public = key.public_key();
    let path = key.path().display().to_string();
    if is_json {
        let answer = json!({
            "path": path,
            "fingerprint": public.fingerprint(),
            "key_id": public.key_id(),
            "algorithm": public.algorithm(),
            "user": public.user(),
            "public": public.armored(),
        });
        ui.print(&format!("{answer}\n"))?;
        return Ok(Outcome::Good);
    }
    ui.print(public.armored())?;
    ui.summary(&format!(
        "{}: {} {} of {}",
        plain_path(&path),
        public.algorithm(),
        public.fingerprint(),
        plain_path(&public.user().unwrap_or_default()),
    ));
    Ok(Outcome::Good)
}

/// The key to sign with; it is made if there is none.
pub(crate) fn signing_key(args: &SigningKeyArgs) -> Result<FileKey, Failure> {
    Ok(FileKey::load_or_create(&path(args)?, DEVELOPER, SystemTime::now())?)
}

fn path(args: &SigningKeyArgs) -> Result<PathBuf, Failure> {
    if let Some(path) = &args.key {
        return Ok(path.clone());
    }
    data_file("signing-key.asc", "`--key FILE`, or BEDPLATE_KEY")
}

/// A file of the user's own; `instead` is how to name another one.
pub(crate) fn data_file(name: &str, instead: &str) -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    data.map(|data| data.join("bedplate").join(name)).ok_or_else(|| {
        Failure::environment("there is no folder for the key: neither XDG_DATA_HOME nor HOME is set")
            .hint(format!("name a file: {instead}"))
    })
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self { category: error.category(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}
