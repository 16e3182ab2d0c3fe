//! Image configs of Azure Linux, and what becomes of them: `tests/data/import/*.toml`, which end with what was not kept. `BLESS=1`
//! writes them anew.

use std::fmt::Write;
use std::path::Path;

use bedplate_image_config::{Import, ImportError, Imported, import, load};

use crate::support::{Memory, tell};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/import");

const KEY: &str =
    "# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKIyrN1ZyzVlkNQ1mBnFsYV4XqXZbPgT7Kk5gX0yqV core@example\n";

/// The files that the configs name.
const FILES: [(&str, &str); 5] = [
    ("azl/lists/base.json", "{ \"packages\": [\"systemd\", \"openssh-server\", \"nano\"] }"),
    ("azl/keys/core.pub", KEY),
    ("azl/files/motd", "hello"),
    ("azl/files/conf", ""),
    ("azl/scripts/setup.sh", "true\n"),
];

fn try_import(name: &str, text: &str, system: Option<&str>) -> Result<Imported, ImportError> {
    let path = format!("azl/{name}.json");
    let mut files: Vec<(&str, &str)> = FILES.to_vec();
    files.push((&path, text));
    import(&Import { file: Path::new(&path), folder: Path::new("azl"), system }, &mut Memory::of(&files))
}

#[test]
fn what_has_a_meaning_is_kept_and_the_rest_is_listed() {
    for (name, system) in [("vm", None), ("verity", Some("Locked")), ("container", None)] {
        let json = std::fs::read_to_string(format!("{FOLDER}/{name}.json")).unwrap();
        let imported = try_import(name, &json, system).unwrap();
        let mut text = imported.toml.clone();
        text.push('\n');
        for dropped in &imported.dropped {
            writeln!(text, "# {}: {}: {}", dropped.kind.word(), dropped.path, dropped.why).unwrap();
        }
        let path = format!("{FOLDER}/{name}.toml");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{path} (BLESS=1 writes it)");
        let mut files: Vec<(&str, &str)> = FILES.to_vec();
        files.push(("new.toml", &imported.toml));
        let loaded = load(Path::new("new.toml"), &mut Memory::of(&files));
        assert_eq!(tell(&loaded.diagnostics, &loaded.sources), "", "{name}");
        assert!(loaded.config.is_some(), "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_imported_says_why() {
    let two = "{ \"SystemConfigs\": [{ \"Name\": \"A\" }, { \"Name\": \"B\" }] }";
    for (text, system, says) in [
        ("{ \"a\": 1, }", None, "azl/x.json:1:11: this is no JSON"),
        ("[]", None, "azl/x.json is no image config: it is no object"),
        ("{}", None, "azl/x.json is no image config: it has no `SystemConfigs`"),
        (two, None, "azl/x.json has several systems: A, B"),
        (two, Some("C"), "azl/x.json has no system `C`; it has A, B"),
        ("{ \"SystemConfigs\": [{ \"PackageLists\": [\"no.json\"] }] }", None, "cannot read azl/no.json"),
    ] {
        let error = try_import("x", text, system).unwrap_err();
        assert_eq!(error.to_string(), says);
        assert_eq!(error.category().exit_code(), 2);
    }
}
