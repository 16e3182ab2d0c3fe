//! What the config says of the kernel and of the start: modules, sysctl, tmpfiles.
//!
//! Each becomes one file below `/etc`, which is stronger than files of packages below `/usr/lib`.

use std::collections::BTreeSet;

use bedplate_diag::{Diagnostic, nearest};
use bedplate_image_config::{ImageConfig, ModuleName, Spanned, Tmpfiles};
use bedplate_tree::TreePath;

use crate::files::{group_id, user_id};
use crate::{Accounts, CustomiseError, Editor};

/// Writes `/etc/modules-load.d/image.conf`, `/etc/modprobe.d/image.conf`, `/etc/sysctl.d/99-image.conf` and
/// `/etc/tmpfiles.d/image.conf`, each only if the config has something for it.
///
/// # Errors
///
/// If a file cannot be written. A module, user or group that the image does not have is a diagnostic.
pub fn configure_kernel(
    editor: &mut Editor<'_>,
    config: &ImageConfig,
    accounts: &Accounts,
) -> Result<(), CustomiseError> {
    editor.step("kernel");
    let modules = &config.kernel.modules;
    let known = known_modules(editor)?;
    for (name, is_needed) in modules
        .load
        .iter()
        .map(|name| (name, true))
        .chain(modules.options.iter().map(|(name, _)| (name, true)))
        .chain(modules.blacklist.iter().map(|name| (name, false)))
    {
        check_module(editor, &known, name, is_needed);
    }
    let load: String = modules.load.iter().map(|name| format!("{name}\n")).collect();
    write(editor, "/etc/modules-load.d/image.conf", &load)?;

    // `blacklist` alone only stops loading by alias; `install` also stops loading by name.
    let blacklist = modules.blacklist.iter().map(|name| format!("blacklist {name}\ninstall {name} /bin/false\n"));
    let options = modules.options.iter().map(|(name, options)| format!("options {name} {options}\n"));
    write(editor, "/etc/modprobe.d/image.conf", &blacklist.chain(options).collect::<String>())?;

    let sysctl: String = config.sysctl.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    write(editor, "/etc/sysctl.d/99-image.conf", &sysctl)?;

    let tmpfiles: String = config.tmpfiles.iter().map(|line| tmpfiles_line(editor, accounts, line)).collect();
    write(editor, "/etc/tmpfiles.d/image.conf", &tmpfiles)
}

fn write(editor: &mut Editor<'_>, path: &str, text: &str) -> Result<(), CustomiseError> {
    if text.is_empty() {
        return Ok(());
    }
    let text = format!("# Written by bedplate from the image config.\n{text}");
    editor.write(&path.parse().expect("it is a path"), text.as_bytes(), 0o644)
}

/// The names of all modules of the image's kernels, with `_` for `-`; empty if it has no kernel.
fn known_modules(editor: &Editor<'_>) -> Result<BTreeSet<String>, CustomiseError> {
    let folder: TreePath = "/usr/lib/modules".parse().expect("it is a path");
    let stem = |name: &str| {
        let end = name.find(".ko").filter(|at| ["", ".xz", ".zst", ".gz"].contains(&&name[at + 3..]));
        end.map(|end| name[..end].replace('-', "_"))
    };
    let mut known: BTreeSet<String> = editor.tree.below(&folder).filter_map(|(path, _)| stem(path.name())).collect();
    let lists = editor.tree.below(&folder).filter(|(path, _)| path.name() == "modules.builtin");
    for list in lists.map(|(path, _)| path.clone()).collect::<Vec<_>>() {
        let text = editor.text(&list)?.unwrap_or_default();
        known.extend(text.lines().filter_map(|line| stem(line.rsplit('/').next()?)));
    }
    Ok(known)
}

fn check_module(editor: &mut Editor<'_>, known: &BTreeSet<String>, name: &Spanned<ModuleName>, is_needed: bool) {
    let folded = name.as_str().replace('-', "_");
    if known.is_empty() || known.contains(&folded) {
        return;
    }
    let near = nearest(&folded, known.iter().map(String::as_str));
    // To forbid what is not there is harmless, unless it is a slip of the pen.
    if !is_needed && near.is_none() {
        return;
    }
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "install the package that has it; some kernels have their modules in several packages".to_owned(),
    };
    let message = format!("no kernel of the image has the module `{name}`");
    editor.diagnostics.push(Diagnostic::warning("unknown-module", message).at(name.span).hint(hint));
}

fn tmpfiles_line(editor: &mut Editor<'_>, accounts: &Accounts, line: &Tmpfiles) -> String {
    for (id, owner) in [(user_id as fn(&mut Editor<'_>, &Accounts, &_) -> _, &line.owner), (group_id, &line.group)] {
        if let Some(owner) = owner {
            let _: Option<u32> = id(editor, accounts, owner);
        }
    }
    let field = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut fields = vec![
        line.kind.as_str().to_owned(),
        escaped(line.path.as_str()),
        field(line.mode.map(|mode| mode.to_string())),
        field(line.owner.as_ref().map(ToString::to_string)),
        field(line.group.as_ref().map(ToString::to_string)),
        field(line.age.as_ref().map(ToString::to_string)),
    ];
    // Only what is written into files has escapes.
    let has_escapes = line.kind.as_str().starts_with(['f', 'F', 'w']);
    fields.extend(line.argument.as_ref().map(|argument| match has_escapes {
        true => argument.replace('%', "%%").replace('\\', "\\\\").replace('\n', "\\n"),
        false => argument.replace('%', "%%"),
    }));
    fields.join(" ") + "\n"
}

/// A path as a word of tmpfiles.d.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    for character in path.chars() {
        match character {
            '%' => out.push_str("%%"),
            ' ' => out.push_str("\\x20"),
            '\\' | '"' | '\'' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    fn configure(image: &mut Image, text: &str) {
        let config = image.config(text);
        image.edit(|editor| {
            let accounts = Accounts::read(editor).unwrap();
            configure_kernel(editor, &config, &accounts).unwrap();
        });
    }

    #[test]
    fn writes_one_file_each() {
        let mut image = Image::new();
        image.file("/usr/lib/modules/6.1/kernel/net/br_netfilter.ko.zst", "");
        image.file("/usr/lib/modules/6.1/kernel/nvme-core.ko", "");
        image.file("/usr/lib/modules/6.1/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
        configure(
            &mut image,
            "[kernel.modules]\nload = ['br_netfilter', 'ext4']\nblacklist = ['floppy']\noptions = { nvme_core = 'io_timeout=255' }\n\
             [sysctl]\n\"net.ipv4.ip_forward\" = 1\n\
             [[tmpfiles]]\ntype = 'f'\npath = '/var/lib/a b'\nmode = '0640'\nargument = \"one\\ntwo 5% \\\\\"\n\
             [[tmpfiles]]\ntype = 'L'\npath = \"/var/it's\"\nargument = 'a\\b'\n",
        );
        assert_eq!(image.said(), Vec::<String>::new());
        let note = "# Written by bedplate from the image config.\n";
        for (path, want) in [
            ("/etc/modules-load.d/image.conf", "br_netfilter\next4\n"),
            (
                "/etc/modprobe.d/image.conf",
                "blacklist floppy\ninstall floppy /bin/false\noptions nvme_core io_timeout=255\n",
            ),
            ("/etc/sysctl.d/99-image.conf", "net.ipv4.ip_forward = 1\n"),
            (
                "/etc/tmpfiles.d/image.conf",
                "f /var/lib/a\\x20b 0640 - - - one\\ntwo 5%% \\\\\nL /var/it\\'s - - - - a\\b\n",
            ),
        ] {
            assert_eq!(image.text(path), format!("{note}{want}"), "{path}");
        }
    }

    #[test]
    fn says_what_the_image_does_not_have() {
        let mut image = Image::new();
        image.file("/usr/lib/modules/6.1/kernel/floppy.ko", "");
        configure(
            &mut image,
            "[kernel.modules]\nload = ['btrfs']\nblacklist = ['flopy', 'pcspkr']\n\
             [[tmpfiles]]\ntype = 'd'\npath = '/run/x'\nowner = 'who'\ngroup = 'what'\n",
        );
        assert_eq!(
            image.said(),
            [
                "image.toml:4: warning unknown-module: no kernel of the image has the module `btrfs`",
                "image.toml:5: warning unknown-module: no kernel of the image has the module `flopy`",
                "image.toml:9: error unknown-account: the image has no user `who`",
                "image.toml:10: error unknown-account: the image has no group `what`",
            ]
        );
        assert!(image.tree.get("/etc/sysctl.d").is_none());
    }
}
