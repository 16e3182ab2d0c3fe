//! Formats, and what they need of the rest.

use super::Checks;
use crate::config::{BootKind, PartitionType};

pub(super) fn check(checks: &mut Checks<'_>) {
    let config = checks.config;
    let formats = &config.output.formats;
    let disk = formats.iter().find(|format| format.is_disk());
    let partitions = &config.storage.partitions;
    if let (Some(disk), true) = (disk, partitions.is_empty() && checks.is_sure(&["storage"])) {
        let message = format!("`{disk}` is a disk, and the config has no partition");
        let hint = "write `[[storage.partition]]` with `type = \"root\"`, and one with `type = \"esp\"` if it boots";
        checks.wrong("no-partition", disk.span, message, hint);
    }
    let has_esp = partitions.iter().any(|one| *one.kind == PartitionType::Esp);
    if *config.boot.kind != BootKind::None && !partitions.is_empty() && !has_esp && checks.is_sure(&["storage", "boot"])
    {
        let (at, kind) = (config.boot.kind.span, *config.boot.kind);
        // A default has no place of its own; the partitions have.
        let at = if at == config.boot.span { config.storage.partitions[0].span } else { at };
        let message = format!("an image that boots by `{kind}` has a partition of type `esp`, and this has none");
        let hint = "add `[[storage.partition]]` with `type = \"esp\"` and `size = \"256M\"`, or write `kind = \"none\"` in `[boot]`";
        checks.wrong("no-esp", at, message, hint);
    }
    if *config.boot.kind != BootKind::SystemdBoot && config.boot.timeout.0 != 0 {
        let message = format!("`timeout` is of systemd-boot, and the image boots by `{}`", *config.boot.kind);
        checks.warn("unused-key", config.boot.timeout.span, message, "write `kind = \"systemd-boot\"`, or remove it");
    }
    let sure = checks.is_sure(&["output"]) && !formats.is_empty();
    let oci = &config.oci;
    let is_container = formats.iter().any(|format| format.is_container());
    let is_written =
        !oci.labels.is_empty() || !oci.layers.is_empty() || !oci.entrypoint.0.is_empty() || oci.reference.is_some();
    if sure && is_written && !is_container {
        let message = "`[oci]` is not used: neither `oci` nor `docker-archive` is in `output.formats`".to_owned();
        checks.warn("unused-key", oci.span, message, "add one of them, or remove the section");
    }
    for layer in &oci.layers {
        if layer.packages.is_empty() && layer.paths.is_empty() {
            let message = format!("the layer `{}` asks for nothing", layer.name);
            checks.wrong("missing-key", layer.span, message, "write `packages` or `paths`");
        }
    }
}
