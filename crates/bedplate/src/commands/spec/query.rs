//! `bedplate spec query`: what specs say.

use bedplate_diag::{Diagnostic, Severity, Sources};
use bedplate_spec::{Evaluation, Package, Tag};

use super::evaluate;
use crate::answer::{Places, answer};
use crate::cli::QueryArgs;
use crate::outcome::{Failure, Outcome};
use crate::query_format::QueryFormat;
use crate::settings::{SpecPath, World, spec_paths};
use crate::ui::Ui;

/// What is printed of one spec.
struct Printed {
    text: String,
    problems: Vec<Diagnostic>,
    sources: Sources,
    good: bool,
}

/// Prints what specs say.
pub(crate) fn run(args: &QueryArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let format = QueryFormat::parse(args.format.as_deref().unwrap_or("%{NVRA}\n"))?;
    let world = World::new(&args.macros, ui)?;
    let specs = spec_paths(&args.specs)?;
    // One spec named by itself is answered as the conformance suite asks for it; of several each answer says its spec.
    let named =
        args.specs.list.is_some() || specs.len() != 1 || args.specs.paths.iter().any(|path| path != &specs[0].shown);
    let mut outcome = Outcome::Good;
    let print = |spec: &SpecPath, found: Evaluation| {
        if args.json { json(args, &world, spec, &found, named) } else { text(args, &format, found) }
    };
    let take = |printed: Printed| {
        if !printed.good {
            outcome = Outcome::BadInput;
        }
        ui.diagnostics(&printed.problems, &printed.sources);
        ui.print(&printed.text)
    };
    evaluate::each(&world, &args.specs, &specs, false, print, take)?;
    world.finish()?;
    // A JSON answer says by itself whether the spec is good.
    Ok(if args.json { Outcome::Good } else { outcome })
}

fn json(args: &QueryArgs, world: &World, spec: &SpecPath, found: &Evaluation, named: bool) -> Printed {
    let places = Places { spec_dir: spec.folder(), config_dir: world.config_dir.clone() };
    let mut object = answer(found, &places, args.full);
    if named {
        object.insert("spec".to_owned(), spec.shown.as_str().into());
    }
    let text = format!("{}\n", serde_json::Value::Object(object));
    Printed { text, problems: Vec::new(), sources: Sources::new(), good: found.is_good() }
}

fn text(args: &QueryArgs, format: &QueryFormat, found: Evaluation) -> Printed {
    let good = found.is_good();
    let mut text = String::new();
    if good {
        let chosen: Vec<&Package> = if args.srpm {
            vec![&found.spec.source]
        } else {
            found.spec.packages.iter().filter(|package| !args.builtrpms || package.is_built()).collect()
        };
        let source_arch = if found.spec.sources.iter().any(|source| source.is_left_out) { "nosrc" } else { "src" };
        for package in chosen {
            let arch = if args.srpm { source_arch } else { package.tags.text(Tag::Arch).unwrap_or_default() };
            text.push_str(&format.render(package, arch));
        }
    }
    let is_problem = |one: &Diagnostic| matches!(one.severity, Severity::Error | Severity::Passed);
    let problems = found.diagnostics.into_iter().filter(is_problem).collect();
    Printed { text, problems, sources: found.sources, good }
}
