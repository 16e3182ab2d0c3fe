//! Enables, disables and masks units: the links that systemctl(1) would make.

use std::collections::BTreeSet;

use bedplate_diag::{Diagnostic, Span, nearest};
use bedplate_image_config::{Spanned, UnitName as ConfigUnit};
use bedplate_tree::{Kind, TreePath};

use crate::preset::{Decision, Presets};
use crate::unit::{self, Found, Install, Scope, Unit, UnitName};
use crate::{CustomiseError, Editor};

/// Brings all units into the state that the presets say, as `systemctl preset-all` does for an image that never booted.
///
/// # Errors
///
/// If a file cannot be read, or a link has no place.
pub fn apply_presets(editor: &mut Editor<'_>, scope: Scope) -> Result<(), CustomiseError> {
    editor.step("presets");
    let presets = Presets::read(editor, scope)?;
    let (mut enabled, mut disabled) = (Vec::new(), Vec::new());
    for name in unit::all(editor, scope) {
        // An alias is done with the unit that it leads to.
        let Found::Unit(found) = unit::find(editor, scope, &name) else { continue };
        if found.name != name {
            continue;
        }
        match presets.decide(&name) {
            Decision::Enable => enabled.push(found),
            Decision::Instances(names) => {
                for name in names {
                    if let Found::Unit(found) = unit::find(editor, scope, &name) {
                        enabled.push(found);
                    }
                }
            }
            Decision::Disable => disabled.push(name),
            Decision::Leave => {}
        }
    }
    remove_links(editor, scope, disabled)?;
    Enabling { editor, scope, span: None, is_preset: true, done: BTreeSet::new() }.all(enabled)
}

/// Enables units by their `[Install]` sections, and those that they name in `Also=`.
///
/// # Errors
///
/// If a file cannot be read, or a link has no place. A unit that is not there or cannot be enabled is a diagnostic.
pub fn enable(editor: &mut Editor<'_>, scope: Scope, units: &[Spanned<ConfigUnit>]) -> Result<(), CustomiseError> {
    editor.step("services");
    for named in units {
        let Some(name) = UnitName::new(named.as_str()) else { continue };
        let unit = match unit::find(editor, scope, &name) {
            Found::Unit(unit) => unit,
            Found::Masked => {
                let message = format!("`{}` is masked and cannot be enabled", name.as_str());
                let hint = "a link to `/dev/null` or an empty file hides the unit: do not mask it, or do not enable it";
                report(editor, Some(named.span), Diagnostic::error("masked-unit", message).hint(hint));
                continue;
            }
            Found::Nothing => {
                not_there(editor, scope, &name, Some(named.span), Diagnostic::error);
                continue;
            }
        };
        let install = unit::install(editor, scope, &unit)?;
        if install.is_empty() {
            let message = format!("`{}` has no [Install] section: there is nothing to enable", name.as_str());
            let hint =
                "another unit starts it as a rule; a drop-in with `[Install]` and `WantedBy=` makes it one to enable";
            report(editor, Some(named.span), Diagnostic::warning("static-unit", message).hint(hint));
            continue;
        }
        if unit.name.is_template() && install.default_instance.is_none() && install.alias.is_empty() {
            let message = format!("`{}` is a template without a default instance", name.as_str());
            let hint = format!("name an instance: `{}`", name.with_instance("INSTANCE").as_str());
            report(editor, Some(named.span), Diagnostic::error("template-unit", message).hint(hint));
            continue;
        }
        Enabling { editor, scope, span: Some(named.span), is_preset: false, done: BTreeSet::new() }.all(vec![unit])?;
    }
    Ok(())
}

/// Disables units: takes all links away that enabled them or those of their `Also=`.
///
/// # Errors
///
/// If a file cannot be read. A unit that is not there is a diagnostic.
pub fn disable(editor: &mut Editor<'_>, scope: Scope, units: &[Spanned<ConfigUnit>]) -> Result<(), CustomiseError> {
    editor.step("services");
    let mut names = Vec::new();
    for named in units {
        let Some(name) = UnitName::new(named.as_str()) else { continue };
        if unit::find(editor, scope, &name) == Found::Nothing {
            not_there(editor, scope, &name, Some(named.span), Diagnostic::error);
        }
        names.push(name);
    }
    remove_links(editor, scope, names)
}

/// Masks units: nothing can start them. A unit that is not there is masked too, with a warning.
///
/// # Errors
///
/// If a link has no place.
pub fn mask(editor: &mut Editor<'_>, scope: Scope, units: &[Spanned<ConfigUnit>]) -> Result<(), CustomiseError> {
    editor.step("services");
    for named in units {
        let Some(name) = UnitName::new(named.as_str()) else { continue };
        if unit::find(editor, scope, &name) == Found::Nothing {
            not_there(editor, scope, &name, Some(named.span), Diagnostic::warning);
        }
        let path: TreePath = format!("{}/{}", scope.configuration(), name.as_str()).parse().expect("it is a path");
        match editor.look(path.as_str()).map(|entry| &entry.kind) {
            None | Some(Kind::Symlink(_)) => editor.link(&path, "/dev/null")?,
            Some(_) => {
                let message = format!("`{}` cannot be masked: `{path}` is there", name.as_str());
                let hint = "a mask is a link at this path; put the unit below /usr/lib, or do not mask it";
                report(editor, Some(named.span), Diagnostic::error("unit-in-etc", message).hint(hint));
            }
        }
    }
    Ok(())
}

fn report(editor: &mut Editor<'_>, span: Option<Span>, mut diagnostic: Diagnostic) {
    diagnostic.span = span;
    editor.diagnostics.push(diagnostic);
}

fn not_there(
    editor: &mut Editor<'_>,
    scope: Scope,
    name: &UnitName,
    span: Option<Span>,
    diagnostic: fn(&'static str, String) -> Diagnostic,
) {
    let names = unit::all(editor, scope);
    let near = nearest(name.as_str(), names.iter().map(UnitName::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("no package of the image has it; it has {} units", names.len()),
    };
    report(editor, span, diagnostic("unknown-unit", format!("there is no unit `{}`", name.as_str())).hint(hint));
}

/// Units being enabled, with those that their `Also=` leads to.
struct Enabling<'e, 'a> {
    editor: &'e mut Editor<'a>,
    scope: Scope,
    span: Option<Span>,
    /// Presets pass over what they cannot do.
    is_preset: bool,
    done: BTreeSet<UnitName>,
}

impl Enabling<'_, '_> {
    fn all(mut self, units: Vec<Unit>) -> Result<(), CustomiseError> {
        let mut waiting: Vec<Unit> = units.into_iter().rev().collect();
        while let Some(unit) = waiting.pop() {
            if !self.done.insert(unit.name.clone()) {
                continue;
            }
            let install = unit::install(self.editor, self.scope, &unit)?;
            for name in &install.also {
                match UnitName::new(name).map(|name| unit::find(self.editor, self.scope, &name)) {
                    Some(Found::Unit(other)) => waiting.push(other),
                    Some(Found::Masked) => {}
                    _ => self.complain(
                        "unknown-unit",
                        format!("`{name}`, which `{}` names in `Also=`, is no unit of the image", unit.name.as_str()),
                    ),
                }
            }
            self.links(&unit, &install)?;
        }
        Ok(())
    }

    fn links(&mut self, unit: &Unit, install: &Install) -> Result<(), CustomiseError> {
        for alias in &install.alias {
            // The alias of an instance is an instance; templates and plain units keep to their kind.
            let own = unit.name.instance();
            let name = UnitName::new(alias).filter(|alias| alias.suffix() == unit.name.suffix());
            let name = match (name, own) {
                (Some(name), Some(own)) if name.is_template() => Some(name.with_instance(own)),
                (name, _) => name.filter(|name| name.instance() == own),
            };
            match name {
                Some(name) if name == unit.name => {}
                Some(name) => self.link(name.as_str(), unit)?,
                None => {
                    self.complain("bad-unit-alias", format!("`{alias}` cannot be an alias of `{}`", unit.name.as_str()))
                }
            }
        }
        // A template stands for its default instance; without one it can only be wanted by what has an instance itself.
        let instance = install.default_instance.as_deref().filter(|_| unit.name.is_template());
        let name = instance.map_or(unit.name.clone(), |instance| unit.name.with_instance(instance));
        for (targets, folder) in
            [(&install.wanted_by, "wants"), (&install.required_by, "requires"), (&install.upheld_by, "upholds")]
        {
            for target in targets {
                match UnitName::new(target) {
                    Some(target) if name.is_template() && target.instance().is_none() => {}
                    Some(target) => self.link(&format!("{}.{folder}/{}", target.as_str(), name.as_str()), unit)?,
                    None => self.complain(
                        "bad-unit-name",
                        format!(
                            "`{}` wants to be started by `{target}`, which is no name of a unit",
                            unit.name.as_str()
                        ),
                    ),
                }
            }
        }
        Ok(())
    }

    fn link(&mut self, at: &str, unit: &Unit) -> Result<(), CustomiseError> {
        let path: TreePath =
            format!("{}/{at}", self.scope.configuration()).parse().expect("names of units are parts of paths");
        match self.editor.look(path.as_str()).map(|entry| entry.kind.clone()) {
            None => self.editor.link(&path, unit.path.as_str()),
            Some(Kind::Symlink(target)) if target.rsplit('/').next() == Some(unit.path.name()) => Ok(()),
            Some(Kind::Symlink(target)) => {
                self.complain(
                    "unit-link-taken",
                    format!("`{path}` leads to `{target}` already, not to `{}`", unit.path),
                );
                Ok(())
            }
            Some(_) => {
                self.complain(
                    "unit-link-taken",
                    format!("`{path}` is no link, and cannot become one to `{}`", unit.path),
                );
                Ok(())
            }
        }
    }

    fn complain(&mut self, code: &'static str, message: String) {
        let diagnostic =
            if self.is_preset { Diagnostic::warning(code, message) } else { Diagnostic::error(code, message) };
        report(self.editor, self.span, diagnostic);
    }
}

/// Takes away all links of the configuration that are named like one of these units or their `Also=`, or lead to it; links to
/// these links follow.
fn remove_links(editor: &mut Editor<'_>, scope: Scope, names: Vec<UnitName>) -> Result<(), CustomiseError> {
    let folder: TreePath = scope.configuration().parse().expect("it is a path");
    let Some(folder) = editor.tree.resolve(&folder) else { return Ok(()) };
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut waiting = names;
    while let Some(name) = waiting.pop() {
        if !gone.insert(name.as_str().to_owned()) {
            continue;
        }
        if let Found::Unit(unit) = unit::find(editor, scope, &name) {
            gone.insert(unit.name.as_str().to_owned());
            waiting.extend(unit::install(editor, scope, &unit)?.also.iter().filter_map(|name| UnitName::new(name)));
        }
    }
    loop {
        let links: Vec<TreePath> = editor
            .tree
            .below(&folder)
            .filter(|(path, entry)| match &entry.kind {
                // Masks stay: they were not made by enabling.
                Kind::Symlink(target) if target != "/dev/null" => {
                    let target = target.rsplit('/').next().unwrap_or("");
                    gone.contains(path.name()) || gone.contains(target)
                }
                _ => false,
            })
            .map(|(path, _)| path.clone())
            .collect();
        if links.is_empty() {
            return Ok(());
        }
        for link in links {
            gone.insert(link.name().to_owned());
            editor.tree.remove(&link);
            if let Some(parent) = link.parent()
                && parent != folder
                && editor.tree.children(&parent).next().is_none()
            {
                editor.tree.remove(&parent);
            }
        }
    }
}
