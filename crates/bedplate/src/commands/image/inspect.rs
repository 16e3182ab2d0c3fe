//! `bedplate image inspect` and `bedplate image diff`.

use std::path::Path;

use bedplate_compose::{Changed, DescribeError, Described, difference};
use bedplate_diag::Category;
use bedplate_disk::{PartitionTable, open_image};
use serde_json::json;

use super::origins;
use crate::cli::{ImageDiffArgs, ImageInspectArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::ui::Ui;
use crate::units::show_bytes;

/// How many packages and folders are shown without `--all`.
const SHOWN: usize = 15;

/// Shows what is in an image.
pub(crate) fn inspect(args: &ImageInspectArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let image = find(&args.image)?;
    if args.origins || args.require_source {
        return origins::run(args, &image, ui);
    }
    let table = disk_table(&args.image)?;
    if args.json {
        let value = json!({
            "version": 1,
            "manifest": image.manifest,
            "folders": image.sizes_by_folder(2),
            "units": image.units(),
            "disk": table.as_ref().map(|table| table.partitions.iter().map(|one| json!({
                "label": one.label, "type": one.kind.to_string(), "guid": one.guid.to_string(), "offset": one.offset, "size": one.length,
            })).collect::<Vec<_>>()),
        });
        ui.print(&format!("{value:#}\n"))?;
        return Ok(Outcome::Good);
    }
    ui.print(&text(&image, table.as_ref(), args.all))?;
    Ok(Outcome::Good)
}

pub(super) fn find(path: &Path) -> Result<Described, Failure> {
    Described::find(path).map_err(|error| {
        let category = match &error {
            DescribeError::Read { .. } => Category::Environment,
            _ => Category::Input,
        };
        let mut message = error.to_string();
        if let Some(cause) = std::error::Error::source(&error) {
            message.push_str(&format!(": {cause}"));
        }
        let hint =
            "`bedplate image build` writes NAME.manifest.json and NAME.files.zst beside an image; keep them together";
        Failure { category, message, hint: Some(hint.to_owned()) }
    })
}

/// The table of partitions that the disk itself has; none if the image is no disk.
fn disk_table(path: &Path) -> Result<Option<PartitionTable>, Failure> {
    let name = path.to_string_lossy();
    let is_disk = [".raw", ".raw.zst", ".vhd", ".vhdx", ".qcow2"].iter().any(|end| name.ends_with(end));
    if !is_disk {
        return Ok(None);
    }
    let failed = |error: bedplate_disk::DiskError| Failure {
        category: error.category(),
        message: format!("{}: {error}", path.display()),
        hint: None,
    };
    let mut disk = open_image(path).map_err(failed)?;
    let size = disk.size();
    let read = PartitionTable::read(&mut disk, size).map_err(failed)?;
    if let Some(problem) = read.problems.first() {
        return Err(Failure::input(format!("{}: {problem}", path.display())).hint("compose the image again"));
    }
    Ok(Some(read.table))
}

fn text(image: &Described, table: Option<&PartitionTable>, all: bool) -> String {
    let manifest = &image.manifest;
    let version = manifest.image_version.as_deref().unwrap_or("without a version");
    let mut out = format!("{} {version}, {}, {}\n", manifest.name, manifest.architecture, manifest.tool);
    out.push_str(&format!(
        "{} entries, {}; {}\n",
        manifest.tree.entries,
        show_bytes(manifest.tree.size),
        many(manifest.packages.len(), "package")
    ));
    if let Some(boot) = &manifest.boot {
        out.push_str(&format!("\nkernel {}\ncommand line: {}\n", boot.kernel, boot.command_line));
        let (initramfs, uki) = (show_bytes(boot.initramfs_size), show_bytes(boot.uki_size));
        out.push_str(&format!("initramfs {initramfs}, unified kernel image {uki}\n"));
    }
    if !manifest.partitions.is_empty() {
        out.push_str("\npartitions\n");
        for (number, one) in manifest.partitions.iter().enumerate() {
            let filesystem = one.filesystem.as_deref().unwrap_or("-");
            let used = one.used.map_or_else(String::new, |used| format!(", {} used", show_bytes(used)));
            let mount = one.mount.as_deref().unwrap_or("-");
            let hash = one.root_hash.as_ref().map_or_else(String::new, |hash| format!(", root hash {hash}"));
            let signed = one.signed_by.as_ref().map_or_else(String::new, |print| format!(", signed by {print}"));
            let is_there = table.is_none_or(|table| {
                table
                    .partitions
                    .get(number)
                    .is_some_and(|there| there.guid.to_string() == one.guid && there.offset == one.offset)
            });
            let differs = if is_there { "" } else { " (the disk has another one here)" };
            out.push_str(&format!(
                "  {:<16} {filesystem:<6} {mount:<8} {:>10}{used}{hash}{signed}{differs}\n",
                one.label,
                show_bytes(one.size)
            ));
        }
    }
    let mut packages: Vec<(&str, u64)> = manifest.packages.iter().map(|one| (one.nevra.as_str(), one.size)).collect();
    packages.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    out.push_str(&list("packages", &packages, all));
    let folders = image.sizes_by_folder(2);
    let mut folders: Vec<(&str, u64)> = folders.iter().map(|(folder, size)| (folder.as_str(), *size)).collect();
    folders.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    out.push_str(&list("folders", &folders, all));
    let units = image.units();
    if !units.is_empty() {
        out.push_str("\nunits that start\n");
        for (wanting, units) in units {
            out.push_str(&format!("  {wanting}: {}\n", units.into_iter().collect::<Vec<_>>().join(" ")));
        }
    }
    out
}

fn list(title: &str, items: &[(&str, u64)], all: bool) -> String {
    let mut out = format!("\n{title}\n");
    let shown = if all { items.len() } else { SHOWN.min(items.len()) };
    for (name, size) in &items[..shown] {
        out.push_str(&format!("  {:>10}  {name}\n", show_bytes(*size)));
    }
    if shown < items.len() {
        let rest: u64 = items[shown..].iter().map(|(_, size)| size).sum();
        out.push_str(&format!("  {:>10}  in {} more (--all)\n", show_bytes(rest), items.len() - shown));
    }
    out
}

/// Shows what is otherwise in one image than in another.
pub(crate) fn diff(args: &ImageDiffArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let (before, after) = (find(&args.before)?, find(&args.after)?);
    let found = difference(&before, &after);
    if args.json {
        ui.print(&format!("{:#}\n", json!({"version": 1, "difference": found})))?;
        return Ok(Outcome::Good);
    }
    for (title, list) in
        [("facts", &found.facts), ("packages", &found.packages), ("units", &found.units), ("files", &found.files)]
    {
        if !list.is_empty() {
            ui.print(&format!("{title}\n{}", list.iter().map(line).collect::<String>()))?;
        }
    }
    if found.is_empty() {
        ui.summary("the images are the same");
    }
    Ok(Outcome::Good)
}

fn line(one: &Changed) -> String {
    match (&one.before, &one.after) {
        (Some(before), Some(after)) => format!("  ~ {}: {before} -> {after}\n", one.what),
        (Some(before), None) => format!("  - {}: {before}\n", one.what),
        (None, Some(after)) => format!("  + {}: {after}\n", one.what),
        (None, None) => String::new(),
    }
}
