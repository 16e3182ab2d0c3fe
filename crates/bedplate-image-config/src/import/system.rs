//! An entry of `SystemConfigs`.

use serde_json::Value as Json;

use super::draft::{Draft, Item, list, number, text};
use super::reader::Reader;
use super::{ImportError, Source};

/// What a system says of the disk.
pub(super) struct DiskSettings {
    /// Where partitions are mounted.
    pub(super) partitions: Vec<Reader>,
    /// What makes the root read-only.
    pub(super) verity: Option<VerityRoot>,
    pub(super) boot: BootType,
}

/// How the system boots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BootType {
    Efi,
    /// By the BIOS, which is not there.
    Legacy,
    None,
}

/// A root that dm-verity protects.
pub(super) struct VerityRoot {
    pub(super) is_signed: bool,
}

pub(super) fn import(
    mut system: Reader,
    source: &mut Source<'_, '_>,
    draft: &mut Draft,
) -> Result<DiskSettings, ImportError> {
    if let Some(name) = system.text("Name", draft) {
        draft.text(&system.at("Name"), "description", &name);
    }
    system.forget("IsDefault");
    packages(&mut system, source, draft)?;
    kernel(&mut system, draft);
    if let Some(name) = system.text("Hostname", draft) {
        draft.text(&system.at("Hostname"), "system.hostname", &name);
    }
    accounts(&mut system, source, draft)?;
    files(&mut system, source, draft);
    for key in ["PostInstallScripts", "FinalizeImageScripts"] {
        scripts(&mut system, key, source, draft);
    }
    repositories(&mut system, draft);
    for (key, why) in [
        (
            "PreInstallScripts",
            "they choose partitions for an installer; write the partitions into `[[storage.partition]]`",
        ),
        ("IsKickStartBoot", "images are composed, not installed"),
        ("IsIsoInstall", "images are composed, not installed"),
        ("EnableGrubMkconfig", "there is no GRUB: a unified kernel image boots"),
        ("EnableSystemdFirstboot", "what first boot would ask is in the config"),
        ("Networks", "write the configuration of the network with `[[file]]`, for example below /etc/systemd/network"),
        ("RemoveRpmDb", "the rpm database stays, so that scanners find what is installed"),
        ("PreserveTdnfCache", "no package manager runs, so that there is no cache"),
        ("EnableHidepid", "write the options of /proc with a unit of systemd in `[[file]]`"),
        ("HidepidDisabled", "/proc is mounted as systemd does it"),
    ] {
        system.drop(key, why, draft);
    }
    if let Some(mut encryption) = system.object("Encryption", draft)
        && encryption.is_true("Enable", draft)
    {
        let why = "encryption is not done at build time: every machine would have the same key";
        draft.dropped(encryption.path(), why);
    }
    let boot = match system.text("BootType", draft).as_deref() {
        Some("legacy") => {
            draft.changed(&system.at("BootType"), "only UEFI boots: the image gets a unified kernel image");
            BootType::Legacy
        }
        Some("none") => {
            draft.text(&system.at("BootType"), "boot.kind", "none");
            BootType::None
        }
        _ => BootType::Efi,
    };
    let partitions = system.list("PartitionSettings", draft);
    let verity = system.object("ReadOnlyVerityRoot", draft).and_then(|verity| verity_root(verity, &partitions, draft));
    system.finish(draft);
    Ok(DiskSettings { partitions, verity, boot })
}

fn packages(system: &mut Reader, source: &mut Source<'_, '_>, draft: &mut Draft) -> Result<(), ImportError> {
    for (at, written) in system.texts("PackageLists", draft).into_iter().enumerate() {
        let from = format!("{}[{at}]", system.at("PackageLists"));
        let Some(mut file) = Reader::new(written.clone(), source.read_json(&written)?) else {
            return Err(ImportError::NoConfig { path: written, why: "it is no list of packages".to_owned() });
        };
        for package in file.texts("packages", draft) {
            draft.add(&from, "packages.install", &spaced(&package));
        }
        file.finish(draft);
    }
    for package in system.texts("Packages", draft) {
        draft.add(&system.at("Packages"), "packages.install", &spaced(&package));
    }
    if let Some(mut kernels) = system.object("KernelOptions", draft) {
        if let Some(kernel) = kernels.text("default", draft) {
            draft.add(&kernels.at("default"), "packages.install", &kernel);
        }
        for (name, _) in kernels.rest() {
            draft.dropped(&kernels.at(&name), "an image has one kernel, the `default` one");
        }
    }
    // Documentation is not installed unless the config asks for it.
    system.forget("DisableRpmDocs");
    match system.text("OverrideRpmLocales", draft).as_deref() {
        None => {}
        Some("NONE") => draft.set(&system.at("OverrideRpmLocales"), "packages.locales", list([])),
        Some(locales) => {
            let locales = locales.split(':').map(text);
            draft.set(&system.at("OverrideRpmLocales"), "packages.locales", list(locales));
        }
    }
    Ok(())
}

/// A request with spaces around its comparison: `a>=1` is `a >= 1`.
fn spaced(package: &str) -> String {
    let package = package.trim();
    let (Some(start), Some(end)) = (package.find(['<', '>', '=']), package.rfind(['<', '>', '='])) else {
        return package.to_owned();
    };
    let (name, sense, version) = (&package[..start], &package[start..=end], &package[end + 1..]);
    format!("{} {} {}", name.trim(), sense.trim(), version.trim())
}

fn kernel(system: &mut Reader, draft: &mut Draft) {
    let Some(mut line) = system.object("KernelCommandLine", draft) else { return };
    let add = |draft: &mut Draft, from: &str, parameter: &str| draft.add(from, "kernel.command-line.add", parameter);
    if let Some(extra) = line.text("ExtraCommandLine", draft) {
        let from = line.at("ExtraCommandLine");
        for parameter in parameters(&extra) {
            match parameter.split_once('=') {
                Some(("console", device)) => draft.add(&from, "boot.console", device),
                Some(("root" | "roothash" | "usrhash", _)) => {
                    draft.dropped(&from, format!("`{parameter}` follows from the partitions"));
                }
                _ => add(draft, &from, &parameter),
            }
        }
    }
    match line.text("CGroup", draft).as_deref() {
        Some("version_one") => add(draft, &line.at("CGroup"), "systemd.unified_cgroup_hierarchy=0"),
        Some("version_two") => add(draft, &line.at("CGroup"), "systemd.unified_cgroup_hierarchy=1"),
        Some("default") | None => {}
        Some(other) => draft.dropped(&line.at("CGroup"), format!("`{other}` is no version of cgroups")),
    }
    for policy in line.texts("ImaPolicy", draft) {
        add(draft, &line.at("ImaPolicy"), &format!("ima_policy={policy}"));
    }
    if line.is_true("EnableFIPS", draft) {
        add(draft, &line.at("EnableFIPS"), "fips=1");
    }
    let why = "files get no SELinux labels; without them the system would not start";
    line.drop("SELinux", why, draft);
    line.drop("SELinuxPolicy", why, draft);
    line.finish(draft);
}

/// Words of a command line; spaces in double quotes do not separate.
fn parameters(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        if c == '"' {
            is_quoted = !is_quoted;
        }
        if c.is_whitespace() && !is_quoted {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(c);
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn accounts(system: &mut Reader, source: &mut Source<'_, '_>, draft: &mut Draft) -> Result<(), ImportError> {
    for mut group in system.list("Groups", draft) {
        let mut item = Item::new("group");
        let name = group.text("Name", draft);
        item.text(draft, &group.at("Name"), "name", name);
        if let Some(gid) = group.number_or_text("GID", draft) {
            item.set(draft, &group.at("GID"), "gid", number(gid));
        }
        draft.push(item);
        group.finish(draft);
    }
    for mut user in system.list("Users", draft) {
        let mut item = Item::new("user");
        for (from, key) in
            [("Name", "name"), ("PrimaryGroup", "group"), ("HomeDirectory", "home"), ("StartupCommand", "shell")]
        {
            let value = user.text(from, draft);
            item.text(draft, &user.at(from), key, value);
        }
        if let Some(uid) = user.number_or_text("UID", draft) {
            item.set(draft, &user.at("UID"), "uid", number(uid));
        }
        let groups = user.texts("SecondaryGroups", draft);
        if !groups.is_empty() {
            item.set(draft, &user.at("SecondaryGroups"), "groups", list(groups.into_iter().map(text)));
        }
        let (password, is_hashed) = (user.text("Password", draft), user.is_true("PasswordHashed", draft));
        match password {
            Some(hash) if is_hashed => item.text(draft, &user.at("Password"), "password", Some(hash)),
            Some(_) => {
                let why = "a password is only taken as a hash: write what `mkpasswd --method=yescrypt` prints into `password` of the user";
                draft.dropped(&user.at("Password"), why);
            }
            None => {}
        }
        user.drop(
            "PasswordExpiresDays",
            "passwords do not expire by the config; write /etc/login.defs with `[[file]]`",
            draft,
        );
        let mut keys = Vec::new();
        for key in ["SSHPubKeyPaths", "SSHPubkeyPaths"] {
            for path in user.texts(key, draft) {
                keys.extend(source.read(&path)?.lines().map(|line| line.trim().to_owned()));
            }
        }
        keys.extend(user.texts("SSHPubKeys", draft));
        keys.retain(|key| !key.is_empty() && !key.starts_with('#'));
        if !keys.is_empty() {
            item.set(draft, &user.at("SSHPubKeyPaths"), "ssh-keys", list(keys.into_iter().map(text)));
        }
        draft.push(item);
        user.finish(draft);
    }
    Ok(())
}

fn files(system: &mut Reader, source: &Source<'_, '_>, draft: &mut Draft) {
    let Some(mut files) = system.object("AdditionalFiles", draft) else { return };
    let path = files.path().to_owned();
    for (local, json) in files.rest() {
        let from = format!("{path}[{local:?}]");
        let targets = match json {
            Json::Array(items) => items,
            one => vec![one],
        };
        for target in targets {
            file(&local, &from, target, source, draft);
        }
    }
}

fn file(local: &str, from: &str, target: Json, source: &Source<'_, '_>, draft: &mut Draft) {
    let mut item = Item::new("file");
    let (path, rest) = match target {
        Json::String(path) => (Some(path), None),
        other => {
            let mut rest = Reader::new(from.to_owned(), other);
            (rest.as_mut().and_then(|rest| rest.text("Path", draft)), rest)
        }
    };
    let Some(path) = path else { return draft.dropped(from, "it has no path in the image") };
    // A folder as the target takes the name of the file.
    let name = local.rsplit('/').next().unwrap_or(local);
    let path = if path.ends_with('/') { format!("{path}{name}") } else { path };
    item.set(draft, from, "path", text(path));
    item.set(draft, from, "source", text(source.rebased(local)));
    if let Some(mut rest) = rest {
        if let Some(mode) = rest.text("Permissions", draft) {
            item.set(draft, from, "mode", text(mode));
        }
        rest.finish(draft);
    }
    draft.push(item);
}

fn scripts(system: &mut Reader, key: &str, source: &Source<'_, '_>, draft: &mut Draft) {
    for mut script in system.list(key, draft) {
        let Some(path) = script.text("Path", draft) else { continue };
        let mut item = Item::new("script");
        let stem = path.rsplit('/').next().unwrap_or(&path);
        let stem = stem.strip_suffix(".sh").unwrap_or(stem);
        // Two systems of scripts may use the same file; a name is there once.
        let name = if key == "FinalizeImageScripts" { format!("{stem}-final") } else { stem.to_owned() };
        item.set(draft, &script.at("Path"), "name", text(name));
        item.set(draft, &script.at("Path"), "source", text(source.rebased(&path)));
        if let Some(arguments) = script.text("Args", draft) {
            let words = parameters(&arguments).into_iter().map(|word| text(word.replace('"', "")));
            item.set(draft, &script.at("Args"), "arguments", list(words));
        }
        draft.push(item);
        script.finish(draft);
    }
}

fn repositories(system: &mut Reader, draft: &mut Draft) {
    for repository in system.list("PackageRepos", draft) {
        let url = repository.peek_text("BaseUrl").unwrap_or_default();
        let why = format!(
            "packages of {url} are only taken when they are signed by a key that you have: write `[[repository]]` with its `key`"
        );
        draft.dropped(repository.path(), why);
    }
}

fn verity_root(mut verity: Reader, partitions: &[Reader], draft: &mut Draft) -> Option<VerityRoot> {
    if !verity.is_true("Enable", draft) {
        return None;
    }
    draft.text(verity.path(), "storage.root", "read-only");
    let is_signed = verity.is_true("RootHashSignatureEnable", draft);
    let overlays = verity.texts("TmpfsOverlays", draft);
    let is_mounted = |path: &str| partitions.iter().any(|one| one.peek_text("MountPoint").as_deref() == Some(path));
    for (path, key) in [("/etc", "storage.etc"), ("/var", "storage.var")] {
        if !is_mounted(path) {
            let is_overlay = overlays.iter().any(|overlay| overlay == path);
            draft.text(&verity.at("TmpfsOverlays"), key, if is_overlay { "overlay" } else { "read-only" });
        }
    }
    for overlay in overlays.iter().filter(|overlay| !["/etc", "/var"].contains(&overlay.as_str())) {
        draft.dropped(
            &verity.at("TmpfsOverlays"),
            format!("only /etc and /var can be writable overlays, not {overlay}"),
        );
    }
    for (key, why) in [
        ("Name", "the name of the protected root is that of systemd"),
        ("ErrorCorrectionEnable", "there is no forward error correction"),
        ("ErrorCorrectionEncodingRoots", "there is no forward error correction"),
        ("ValidateOnBoot", "blocks are checked when they are read"),
        ("VerityErrorBehavior", "a block that is wrong cannot be read"),
        ("TmpfsOverlaySize", "overlays in memory have the size that the kernel gives them"),
        ("TmpfsOverlayDebugEnabled", "overlays are not shown elsewhere"),
    ] {
        verity.drop(key, why, draft);
    }
    verity.finish(draft);
    Some(VerityRoot { is_signed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_command_lines_are_taken_apart() {
        for (written, want) in [("a", "a"), ("a>=1.2", "a >= 1.2"), ("a = 1-2", "a = 1-2"), (" b<3 ", "b < 3")] {
            assert_eq!(spaced(written), want);
        }
        assert_eq!(parameters("a=b  c=\"d e\" f"), ["a=b", "c=\"d e\"", "f"]);
        assert_eq!(parameters(" "), [""; 0]);
    }
}
