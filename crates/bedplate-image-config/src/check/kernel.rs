//! Kernel command line, modules, settings.

use std::collections::BTreeMap;

use super::{Checks, also};

/// Parameters that follow from the rest of the config, and which key decides about them.
const OURS: [(&str, &str); 6] = [
    ("root", "storage"),
    ("roothash", "storage.partition.verity"),
    ("usrhash", "storage.partition.verity"),
    ("systemd.verity", "storage.partition.verity"),
    ("systemd.volatile", "storage.root"),
    ("mount.usr", "storage.partition"),
];

pub(super) fn check(checks: &mut Checks<'_>) {
    let config = checks.config;
    let line = &config.kernel.command_line;
    for added in &line.add {
        let removed = line.remove.iter().find(|removed| match removed.value() {
            Some(_) => removed.as_str() == added.as_str(),
            None => removed.name() == added.name(),
        });
        if let Some(removed) = removed {
            let (one, other) = ((added.span, "add"), (removed.span, "remove"));
            checks.conflict("contradiction", one, other, format!("`{}`", added.name()));
        }
        if let Some((name, key)) = OURS.iter().find(|(name, _)| *name == added.name()) {
            let message = format!("`{name}=` follows from `{key}` and cannot be added");
            checks.wrong("contradiction", added.span, message, "remove it");
        }
    }
    let modules = &config.kernel.modules;
    for (key, used) in [("load", &modules.load), ("initramfs", &modules.initramfs)] {
        for module in used {
            if let Some(never) = modules.blacklist.iter().find(|never| never.canonical() == module.canonical()) {
                checks.conflict("contradiction", (module.span, key), (never.span, "blacklist"), format!("`{module}`"));
            }
        }
    }
    let mut seen = BTreeMap::new();
    for (key, _) in config.sysctl.iter() {
        if let Some((first, at)) = seen.insert(key.path(), (key, key.span)) {
            let message = format!("`{key}` is the same key as `{first}`");
            let mistake = checks.wrong("twice", key.span, message, "remove one of them");
            also(mistake, "it is here first", at);
        }
    }
}
