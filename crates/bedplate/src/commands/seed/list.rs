//! `bedplate seed list`.

use bedplate_seed::{Definition, Lock, SeedRoots};
use serde_json::{Value, json};

use crate::cli::SeedListArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::seed::{SeedFiles, apt};
use crate::store;
use crate::ui::Ui;
use crate::units::show_bytes;

/// A package that a group names.
struct Listed<'a> {
    name: &'a str,
    version: &'a str,
    size: u64,
    is_stored: bool,
    capabilities: Vec<String>,
}

pub(crate) fn run(args: &SeedListArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let files = SeedFiles::read(&args.seed.seed, ui)?;
    let lock = files.checked_lock(ui)?;
    let store = store::open(&args.seed.store)?;
    let apt = apt(&store, files.suite()?)?;
    let temporary = std::env::temp_dir();
    let roots = SeedRoots { store: &store, definition: &files.definition, lock, apt: &apt, temporary: &temporary };
    let mut groups = Vec::new();
    for name in files.definition.seed.groups.keys() {
        let listed = packages(&roots, &files.definition, lock, name)?;
        // What a group needs belongs to its root, though only the packages that it names are listed.
        let root = roots.packages(&[name])?;
        let bytes: u64 = root.iter().filter_map(|name| lock.packages.get(*name)).map(|package| package.size).sum();
        groups.push((name.as_str(), listed, root.len(), bytes));
    }
    if args.json {
        let groups: Vec<Value> = groups
            .iter()
            .map(|(name, packages, root, bytes)| {
                let group = &files.definition.seed.groups[*name];
                json!({
                    "name": name,
                    "description": group.description,
                    "needs": group.needs,
                    "root_packages": root,
                    "root_bytes": bytes,
                    "packages": packages.iter().map(|one| json!({
                        "name": one.name,
                        "version": one.version,
                        "size": one.size,
                        "stored": one.is_stored,
                        "provides": one.capabilities,
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        let answer = json!({ "name": files.definition.seed.name, "packages": lock.packages.len(), "groups": groups });
        ui.print(&format!("{answer}\n"))?;
        return Ok(Outcome::Good);
    }
    let mut text = String::new();
    for (name, packages, root, bytes) in &groups {
        let group = &files.definition.seed.groups[*name];
        let needs = if group.needs.is_empty() { String::new() } else { format!(", with {}", group.needs.join(", ")) };
        let root = many(*root, "package");
        text.push_str(&format!("{name}: {} ({root}, {}{needs})\n", group.description, show_bytes(*bytes)));
        for one in packages {
            let mark = if one.is_stored { "stored" } else { "-" };
            text.push_str(&format!("  {:<24} {:<28} {:>10}  {mark}\n", one.name, one.version, show_bytes(one.size)));
        }
    }
    ui.print(&text)?;
    Ok(Outcome::Good)
}

fn packages<'a>(
    roots: &SeedRoots<'_>,
    definition: &'a Definition,
    lock: &'a Lock,
    group: &str,
) -> Result<Vec<Listed<'a>>, Failure> {
    let mut listed = Vec::new();
    for (name, provides) in &definition.seed.groups[group].packages {
        let Some(package) = lock.packages.get(name) else { continue };
        listed.push(Listed {
            name,
            version: &package.version,
            size: package.size,
            is_stored: roots.has(name, package)?,
            capabilities: provides.iter().map(ToString::to_string).collect(),
        });
    }
    Ok(listed)
}
