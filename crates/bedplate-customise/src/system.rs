//! Who the system is, and where: host name, locale, time zone (`[system]`).

use bedplate_diag::{Diagnostic, nearest};
use bedplate_image_config::{ImageConfig, LocaleName, Spanned, TimeZone};
use bedplate_tree::TreePath;

use crate::{CustomiseError, Editor};

const ZONES: &str = "/usr/share/zoneinfo";

/// Writes `/etc/hostname`, `/etc/locale.conf` and the link `/etc/localtime`.
///
/// # Errors
///
/// If a file cannot be read or written. A locale or a time zone that the image does not have is a diagnostic.
pub fn name_system(editor: &mut Editor<'_>, config: &ImageConfig) -> Result<(), CustomiseError> {
    editor.step("system");
    if let Some(name) = &config.system.hostname {
        editor.write(&"/etc/hostname".parse().expect("it is a path"), format!("{name}\n").as_bytes(), 0o644)?;
    }
    set_locale(editor, &config.system.locale)?;
    set_zone(editor, &config.system.timezone)
}

fn set_locale(editor: &mut Editor<'_>, locale: &Spanned<LocaleName>) -> Result<(), CustomiseError> {
    if !has_locale(editor, locale.as_str()) {
        let message = format!("the image has no locale `{locale}`");
        let hint =
            "install the package that has it, and see that `packages.locales` keeps it; programs use `C` instead";
        editor.diagnostics.push(Diagnostic::warning("missing-locale", message).at(locale.span).hint(hint));
    }
    let file: TreePath = "/etc/locale.conf".parse().expect("it is a path");
    let old = editor.text(&file)?.unwrap_or_default();
    let mut text = format!("LANG={locale}\n");
    for line in old.lines().filter(|line| !line.starts_with("LANG=")) {
        text.push_str(&format!("{line}\n"));
    }
    editor.rewrite(&file, text.as_bytes(), 0o644)
}

/// True for those that are built into glibc, and those below /usr/lib/locale. What an archive has is not looked into.
fn has_locale(editor: &Editor<'_>, locale: &str) -> bool {
    // As `localedef` names folders: `de_DE.UTF-8` is `de_DE.utf8`.
    let folded = match locale.split_once('.') {
        Some((language, charset)) => {
            let (charset, modifier) =
                charset.split_once('@').map_or((charset, ""), |(charset, after)| (charset, after));
            let at = if modifier.is_empty() { "" } else { "@" };
            format!("{language}.{}{at}{modifier}", charset.replace('-', "").to_ascii_lowercase())
        }
        None => locale.to_owned(),
    };
    ["C", "POSIX", "C.utf8"].contains(&folded.as_str())
        || [locale, folded.as_str(), "locale-archive"]
            .iter()
            .any(|name| editor.look(&format!("/usr/lib/locale/{name}")).is_some())
}

fn set_zone(editor: &mut Editor<'_>, zone: &Spanned<TimeZone>) -> Result<(), CustomiseError> {
    let path: TreePath = format!("{ZONES}/{zone}").parse().expect("zones are parts of paths");
    let is_there = editor.follow(&path).is_some_and(|(_, entry)| !entry.is_directory());
    if is_there {
        return editor.link(&"/etc/localtime".parse().expect("it is a path"), &format!("..{path}"));
    }
    // Without a file, the C library and systemd take UTC.
    if zone.as_str() == "UTC" {
        return Ok(());
    }
    let folder: TreePath = ZONES.parse().expect("it is a path");
    let known: Vec<String> =
        editor.tree.below(&folder).filter_map(|(path, _)| Some(path.below(&folder)?.relative().to_owned())).collect();
    let hint = match nearest(zone.as_str(), known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "install the package that has the time zones, `tzdata` as a rule".to_owned(),
        None => format!("zones are named like the files below {ZONES}"),
    };
    let message = format!("the image has no time zone `{zone}`");
    editor.diagnostics.push(Diagnostic::error("unknown-timezone", message).at(zone.span).hint(hint));
    Ok(())
}

#[cfg(test)]
mod tests {
    use bedplate_tree::Kind;

    use super::*;
    use crate::testing::Image;

    #[test]
    fn names_the_system() {
        let mut image = Image::new();
        image.file("/etc/locale.conf", "LANG=x\nLC_TIME=C\n");
        image.file("/usr/lib/locale/de_DE.utf8/LC_TIME", "");
        image.file("/usr/share/zoneinfo/Europe/Berlin", "TZif");
        let config = image.config("[system]\nhostname = 'node'\nlocale = 'de_DE.UTF-8'\ntimezone = 'Europe/Berlin'\n");
        image.edit(|editor| name_system(editor, &config).unwrap());
        assert_eq!(image.said(), Vec::<String>::new());
        assert_eq!(image.text("/etc/hostname"), "node\n");
        assert_eq!(image.text("/etc/locale.conf"), "LANG=de_DE.UTF-8\nLC_TIME=C\n");
        let link = Kind::Symlink("../usr/share/zoneinfo/Europe/Berlin".into());
        assert_eq!(image.tree.get("/etc/localtime").unwrap().kind, link);
    }

    #[test]
    fn says_what_the_image_does_not_have() {
        let mut image = Image::new();
        image.file("/usr/share/zoneinfo/Europe/Berlin", "TZif");
        let config = image.config("[system]\nlocale = 'fr_FR.UTF-8@euro'\ntimezone = 'Europe/Belin'\n");
        image.edit(|editor| name_system(editor, &config).unwrap());
        assert_eq!(
            image.said(),
            [
                "image.toml:4: warning missing-locale: the image has no locale `fr_FR.UTF-8@euro`",
                "image.toml:5: error unknown-timezone: the image has no time zone `Europe/Belin`",
            ]
        );
        assert_eq!(image.diagnostics[1].hint.as_deref(), Some("did you mean `Europe/Berlin`?"));
        // The defaults ask for nothing.
        let config = image.config("");
        image.edit(|editor| name_system(editor, &config).unwrap());
        assert_eq!(image.said(), Vec::<String>::new());
        assert!(image.tree.get("/etc/localtime").is_none() && image.tree.get("/etc/hostname").is_none());
    }
}
