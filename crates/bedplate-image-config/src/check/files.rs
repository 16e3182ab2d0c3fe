//! Files, folders, links, services, scripts.

use std::collections::BTreeMap;

use bedplate_diag::Span;

use super::{Checks, accounts, also};
use crate::paths::{ImagePath, Owner};
use crate::spanned::Spanned;

/// Folders that are empty memory when the system starts.
const VOLATILE: [&str; 5] = ["/run", "/tmp", "/proc", "/sys", "/dev"];

pub(super) fn check(checks: &mut Checks<'_>) {
    let config = checks.config;
    let files = config.files.iter().map(|one| (&one.path, "file"));
    let links = config.links.iter().map(|one| (&one.path, "link"));
    let folders = config.directories.iter().map(|one| (&one.path, "directory"));
    let all: Vec<(&Spanned<ImagePath>, &str)> = files.chain(links).chain(folders).collect();
    same_path(checks, &all);
    for (path, kind) in &all {
        if path.as_str() == "/" && *kind != "directory" {
            checks.wrong("bad-value", path.span, format!("`/` cannot be a {kind}"), "give the path of the file itself");
        }
        if let Some(folder) = VOLATILE.iter().find(|folder| path.is_below(folder) && path.as_str() != **folder) {
            let message = format!("`{path}` will not be seen: {folder} is empty when the system starts");
            checks.warn("volatile-path", path.span, message, "let systemd make it: write it as `[[tmpfiles]]`");
        }
    }
    let files = config.files.iter().map(|one| (Some(&one.owner), Some(&one.group)));
    let folders = config.directories.iter().map(|one| (Some(&one.owner), Some(&one.group)));
    let lines = config.tmpfiles.iter().map(|one| (one.owner.as_ref(), one.group.as_ref()));
    for (owner, group) in files.chain(folders).chain(lines) {
        if let Some(Spanned { value: Owner::Name(name), span }) = owner {
            accounts::user_name(checks, name.as_str(), *span);
        }
        if let Some(Spanned { value: Owner::Name(name), span }) = group {
            accounts::group_name(checks, name.as_str(), *span);
        }
    }
    services(checks);
    for script in &config.scripts {
        if *script.network {
            let message = format!("the script `{}` cannot have the network", script.name);
            let hint = "fetch what it needs beforehand and put it into the image with `[[file]]`, or as a package";
            checks.wrong("script-network", script.network.span, message, hint);
        }
    }
}

/// A path is one thing, and what has something below it is a folder.
fn same_path(checks: &mut Checks<'_>, all: &[(&Spanned<ImagePath>, &str)]) {
    let mut seen: BTreeMap<&str, (Span, &str)> = BTreeMap::new();
    for (path, kind) in all {
        match seen.get(path.as_str()).copied() {
            // Two of a kind are told as such.
            Some((_, first)) if first == *kind => {}
            Some((at, first)) => checks.conflict("twice", (at, first), (path.span, kind), format!("`{path}`")),
            None => {
                seen.insert(path.as_str(), (path.span, kind));
            }
        }
    }
    for (path, _) in all {
        let mut folder = path.as_str();
        while let Some((parent, _)) = folder.rsplit_once('/') {
            folder = parent;
            if let Some((at, "file")) = seen.get(folder).copied() {
                let message = format!("`{path}` cannot be there: `{folder}` is a file");
                let mistake = checks.wrong("contradiction", path.span, message, "give one of them another path");
                also(mistake, "it is a file here", at);
            }
        }
    }
}

fn services(checks: &mut Checks<'_>) {
    let services = &checks.config.services;
    for enabled in &services.enable {
        for (units, key) in [(&services.disable, "services.disable"), (&services.mask, "services.mask")] {
            if let Some(other) = units.iter().find(|unit| unit.value == enabled.value) {
                let (one, other) = ((enabled.span, "services.enable"), (other.span, key));
                checks.conflict("contradiction", one, other, format!("`{enabled}`"));
            }
        }
    }
}
