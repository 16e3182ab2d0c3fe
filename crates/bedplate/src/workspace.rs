//! Specs, seed, locks and repositories become a build graph.

use std::collections::BTreeMap;
use std::path::Path;

use bedplate_diag::{Diagnostic, Severity, SourceId, Sources, Span};
use bedplate_graph::{
    BuildGraph, CapabilityLock, Durations, Fetch, Inputs, NodeKind, Seed, Spec, SpecId, SpecPackage, Wanted,
};
use bedplate_model::{BinaryPackage, Dependency, DependencyKind};
use bedplate_seed::Lock;
use bedplate_solve::PackageId;
use bedplate_spec::{BuildSection, Evaluation, Package, SourcePackage, Tag};

use crate::cli::{SpecPaths, SpecsArgs, WorkspaceArgs};
use crate::commands::spec::evaluate;
use crate::details::{SpecDetails, details};
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::settings::{SpecPath, World, read_checked, spec_paths};
use crate::ui::Ui;

pub(crate) const DEFAULT_SEED: &str = "toolkit/seed/debian-trixie.toml";

/// The build graph of a run, and the texts that its places are in.
pub(crate) struct Workspace {
    pub(crate) graph: BuildGraph,
    pub(crate) sources: Sources,
    /// How many builds run at a time.
    pub(crate) jobs: usize,
    /// Specs that rpm would not take; they are not in the graph.
    pub(crate) bad_specs: usize,
}

impl Workspace {
    /// Reads everything, makes the graph, and prints all that is wrong; what is good is in the graph nevertheless.
    pub(crate) fn load(args: &WorkspaceArgs, ui: &Ui) -> Result<Self, Failure> {
        let workspace = Self::load_quietly(args, ui)?;
        ui.diagnostics(&workspace.graph.diagnostics(), &workspace.sources);
        Ok(workspace)
    }

    /// The same, and prints only what is wrong with files as such, not what is wrong with the graph.
    pub(crate) fn load_quietly(args: &WorkspaceArgs, ui: &Ui) -> Result<Self, Failure> {
        // A build reads specs over the macros of the seed's rpm; here those of the machine have to do, so that nothing is fetched.
        let policy = Policy::of(&args.specs.files)?;
        let mut read = read(&args.specs, &policy, Detail::Graph, ui)?;
        read.inputs.repositories = crate::commands::repo::for_solving(&args.repo, &args.key, ui)?.repositories;
        let graph = BuildGraph::new(read.inputs);
        let jobs = args.jobs.unwrap_or_else(processors).max(1);
        Ok(Self { graph, sources: read.sources, jobs, bad_specs: read.bad_specs })
    }

    /// True if nothing is wrong with the specs.
    pub(crate) fn is_good(&self) -> bool {
        self.bad_specs == 0 && self.graph.is_good()
    }

    /// What is wrong with some builds and checks.
    pub(crate) fn diagnostics_about(&self, wanted: impl Fn(SpecId, NodeKind) -> bool) -> Vec<Diagnostic> {
        let all = self.graph.findings.iter();
        let about = all.filter(|finding| finding.about.iter().any(|(spec, kind)| wanted(*spec, *kind)));
        about.map(|finding| finding.diagnostic.clone()).collect()
    }

    /// `file:line:column` of a place.
    pub(crate) fn place(&self, span: Option<Span>) -> Option<String> {
        let (name, at) = self.sources.locate(span?)?;
        Some(format!("{}:{}:{}", crate::ui::plain_path(name), at.line, at.column))
    }

    /// What a name of the command line means: a spec by its name, packages by name or NEVRA, or those that provide it.
    pub(crate) fn find(&self, name: &str) -> Result<Found, Failure> {
        let graph = &self.graph;
        let is_meant = |id: &SpecId| graph.spec(*id).name == name && graph.spec(*id).excluded.is_none();
        if let Some(spec) = graph.spec_ids().find(is_meant) {
            return Ok(Found::Spec(spec));
        }
        let universe = &graph.pool.universe;
        let mut found: Vec<PackageId> = universe
            .packages()
            .filter(|(_, package)| package.name() == name || package.nevra.to_string() == name)
            .map(|(id, _)| id)
            .collect();
        if found.is_empty() {
            found = name.parse().map(|wanted: Dependency| universe.providers(&wanted)).unwrap_or_default();
        }
        if !found.is_empty() {
            return Ok(Found::Packages(found));
        }
        if let Some(spec) = graph.specs.iter().find(|spec| spec.name == name) {
            let why = spec.excluded.as_deref().unwrap_or_default();
            return Err(Failure::input(format!("{} is left out: {why}", spec.path)));
        }
        let mut names: Vec<&str> = universe.provided_names().collect();
        names.extend(graph.specs.iter().map(|spec| spec.name.as_str()));
        names.sort_unstable();
        let failure = Failure::input(format!("no spec and no package is called `{name}`, and nothing provides it"));
        Err(match bedplate_diag::nearest(name, names) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`bedplate graph --json` lists all specs and packages"),
        })
    }
}

/// How many jobs run at a time unless somebody says so: one for each processor.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What is read of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What the graph needs.
    Graph,
    /// What a build needs, too.
    Build,
}

/// All specs and what belongs to them, as it was read.
pub(crate) struct ReadSpecs {
    pub(crate) inputs: Inputs,
    pub(crate) sources: Sources,
    /// Specs that rpm would not take; they are not in the inputs.
    pub(crate) bad_specs: usize,
    /// What builds need of the good ones, by name, if that was asked for.
    pub(crate) details: BTreeMap<String, SpecDetails>,
}

/// Specs and folders of specs that are there; all that are not are an error.
pub(crate) fn existing(specs: &[String]) -> Result<SpecPaths, Failure> {
    let missing: Vec<&str> = specs.iter().map(String::as_str).filter(|path| !Path::new(path).exists()).collect();
    if !missing.is_empty() {
        return Err(Failure::input(format!("no such file or folder: {}", missing.join(", ")))
            .hint("`--specs` names a folder of specs; without it, that is `specs` in the working directory"));
    }
    Ok(SpecPaths { paths: specs.to_vec(), list: None, root: None, passes: 1, jobs: None })
}

/// Reads all specs, the seed, the lock and the durations; prints what is wrong with them as such.
pub(crate) fn read(args: &SpecsArgs, policy: &Policy, detail: Detail, ui: &Ui) -> Result<ReadSpecs, Failure> {
    let world = World::with_policy(&args.files.macros, policy, ui)?;
    let paths = existing(&args.files.specs)?;
    let specs = spec_paths(&paths)?;
    let mut sources = world.config.sources();
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    let target = args.files.macros.target.split('-').next().unwrap_or_default().to_owned();
    let read = |path: &SpecPath, found: Evaluation| read_spec(&world, path, found, &target, detail);
    let (mut bad_specs, mut details) = (0, BTreeMap::new());
    evaluate::each(&world, &paths, &specs, false, read, |read: ReadSpec| {
        let here = sources.absorb(read.sources);
        wrong.extend(read.mistakes.into_iter().map(|mistake| moved(mistake, &here)));
        match read.spec {
            Some(mut spec) => {
                move_spans(&mut spec, &here);
                if let Some(mut detail) = read.detail {
                    detail.files.iter_mut().for_each(|file| file.span = file.span.map(&here));
                    details.insert(spec.name.clone(), detail);
                }
                good.push(spec);
            }
            None => bad_specs += 1,
        }
        Ok(())
    })?;
    world.finish()?;
    ui.diagnostics(&wrong, &sources);
    let beside = |name: &str| beside_specs(args, name);
    let inputs = Inputs {
        specs: good,
        seed: read_seed(args, ui)?,
        lock: read_optional(args.capabilities.as_deref(), &beside("capabilities.lock"), ui, CapabilityLock::parse)?,
        durations: read_optional(args.durations.as_deref(), &beside("durations.jsonl"), ui, Durations::parse)?,
        repositories: Vec::new(),
    };
    Ok(ReadSpecs { inputs, sources, bad_specs, details })
}

/// A file in the folder of the specs.
pub(crate) fn beside_specs(args: &SpecsArgs, name: &str) -> String {
    let folder = args.files.specs.first().map(String::as_str).unwrap_or_default();
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// The seed, with what its lock knows of the libraries that its packages bring along.
fn read_seed(args: &SpecsArgs, ui: &Ui) -> Result<Seed, Failure> {
    let path = args.seed.as_deref();
    let mut seed = read_optional(path, DEFAULT_SEED, ui, Seed::parse)?;
    let lock = Path::new(path.unwrap_or(DEFAULT_SEED)).with_extension("lock");
    if lock.is_file() {
        read_checked(&lock.to_string_lossy(), ui, Lock::parse)?.complete(&mut seed);
    }
    Ok(seed)
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Spec(SpecId),
    Packages(Vec<PackageId>),
}

/// A file that may be missing if it was not named.
fn read_optional<T: Default>(
    named: Option<&str>,
    default: &str,
    ui: &Ui,
    parse: impl FnOnce(SourceId, &str) -> Result<T, Vec<Diagnostic>>,
) -> Result<T, Failure> {
    match named {
        Some(path) => read_checked(path, ui, parse),
        None if Path::new(default).is_file() => read_checked(default, ui, parse),
        None => Ok(T::default()),
    }
}

/// What became of one spec.
struct ReadSpec {
    spec: Option<Spec>,
    detail: Option<SpecDetails>,
    mistakes: Vec<Diagnostic>,
    sources: Sources,
}

fn read_spec(world: &World, path: &SpecPath, found: Evaluation, target: &str, wanted: Detail) -> ReadSpec {
    let is_good = found.is_good();
    let mistakes = found
        .diagnostics
        .into_iter()
        .filter(|one| matches!(one.severity, Severity::Error | Severity::Passed))
        .collect();
    let mut sources = found.sources;
    let mut detail = None;
    let spec = is_good.then(|| {
        let has_check = found.spec.section(BuildSection::Check).is_some_and(|text| !text.trim().is_empty());
        let variants = has_check.then(|| evaluate::check_variants(world, path)).flatten();
        if wanted == Detail::Build {
            detail = Some(details(world, path, &found.spec, has_check, variants.as_ref(), &sources));
        }
        let requires = build_requires(&found.spec, variants, &mut sources);
        convert(path, &found.spec, requires, has_check, target, &sources)
    });
    ReadSpec { spec, detail, mistakes, sources }
}

/// What the build requires, and what only the check does.
fn build_requires(
    spec: &SourcePackage,
    variants: Option<(Evaluation, Option<Evaluation>)>,
    sources: &mut Sources,
) -> (Vec<Wanted>, Vec<Wanted>) {
    let requires = |spec: &SourcePackage| wanted(&spec.source, DependencyKind::Requires);
    let mut all = requires(spec);
    let Some((without, with)) = variants else { return (all, Vec::new()) };
    let mut of_variant = |variant: Evaluation| {
        let mut list = requires(&variant.spec);
        let here = sources.absorb(variant.sources);
        list.iter_mut().for_each(|wanted| wanted.span = wanted.span.map(&here));
        list
    };
    if let Some(with) = with {
        all = of_variant(with);
    }
    let build = of_variant(without);
    all.retain(|one| build.iter().all(|kept| kept.dependency != one.dependency));
    (build, all)
}

fn convert(
    path: &SpecPath,
    spec: &SourcePackage,
    (build_requires, for_check): (Vec<Wanted>, Vec<Wanted>),
    has_check: bool,
    target: &str,
    sources: &Sources,
) -> Spec {
    let main = spec.packages.first();
    let source_rpm = main.map(|main| format!("{}-{}.src.rpm", main.name(), without_epoch(&main.evr())));
    let packages = spec.packages.iter().filter(|package| package.is_built());
    let id = sources.iter().position(|source| source.name() == path.shown);
    Spec {
        name: main.map(|main| main.name().to_owned()).unwrap_or_default(),
        evr: main.map(Package::evr).unwrap_or_default(),
        path: path.shown.clone(),
        span: id.map(|id| Span::new(SourceId(u32::try_from(id).unwrap_or(u32::MAX)), 0, 0)),
        build_requires,
        build_conflicts: wanted(&spec.source, DependencyKind::Conflicts),
        check: has_check.then_some(for_check),
        packages: packages.filter_map(|package| spec_package(package, source_rpm.as_deref())).collect(),
        fetches: spec
            .sources
            .iter()
            .map(|source| Fetch {
                location: source.full.clone(),
                file: source.name.clone(),
                is_here: Path::new(&source.path).exists(),
            })
            .collect(),
        excluded: excluded(spec, target),
    }
}

fn without_epoch(evr: &str) -> &str {
    evr.split_once(':').map_or(evr, |(_, rest)| rest)
}

/// What a package wants, with places; features of rpm are left out.
fn wanted(package: &Package, kind: DependencyKind) -> Vec<Wanted> {
    let all = package.dependencies(kind).into_iter().flatten();
    all.filter(|one| !one.name.starts_with("rpmlib("))
        .map(|one| Wanted { dependency: one.clone(), span: package.origin(kind, one) })
        .collect()
}

fn spec_package(package: &Package, source_rpm: Option<&str>) -> Option<SpecPackage> {
    let arch = package.tags.text(Tag::Arch)?;
    let nevra = format!("{}-{}.{arch}", package.name(), package.evr()).parse().ok()?;
    let mut made = BinaryPackage::new(nevra);
    made.source_rpm = source_rpm.map(str::to_owned);
    for kind in BinaryPackage::KINDS {
        if let (Some(list), Some(set)) = (made.dependencies_mut(kind), package.dependencies(kind)) {
            list.extend(set.iter().cloned());
        }
    }
    let origins: Vec<(Dependency, Span)> = package
        .origins
        .iter()
        .filter(|origin| origin.kind == DependencyKind::Requires)
        .map(|origin| (origin.dependency.clone(), origin.span))
        .collect();
    Some(SpecPackage { package: made, origins, file_lines: package.files.clone().unwrap_or_default() })
}

/// Why a spec is not for a target, if it is not.
fn excluded(spec: &SourcePackage, target: &str) -> Option<String> {
    let is_listed = |list: &[String], word: &str| list.iter().any(|one| one == word);
    let is_noarch = spec.build_archs.iter().any(|arch| arch == "noarch");
    let fits = spec.exclusive_arch.is_empty()
        || is_listed(&spec.exclusive_arch, target)
        || (is_noarch && is_listed(&spec.exclusive_arch, "noarch"));
    if !fits {
        return Some(format!("`ExclusiveArch` does not name {target}"));
    }
    if is_listed(&spec.exclude_arch, target) {
        return Some(format!("`ExcludeArch` names {target}"));
    }
    if !spec.exclusive_os.is_empty() && !is_listed(&spec.exclusive_os, "linux") {
        return Some("`ExclusiveOS` does not name linux".to_owned());
    }
    is_listed(&spec.exclude_os, "linux").then(|| "`ExcludeOS` names linux".to_owned())
}

/// A diagnostic whose places are in the texts of the run.
pub(crate) fn moved(mut mistake: Diagnostic, here: impl Fn(Span) -> Span) -> Diagnostic {
    mistake.span = mistake.span.map(&here);
    for note in &mut mistake.notes {
        note.span = note.span.map(&here);
    }
    mistake
}

/// Moves all places of a spec into the texts of the run.
fn move_spans(spec: &mut Spec, here: impl Fn(Span) -> Span) {
    spec.span = spec.span.map(&here);
    let check = spec.check.iter_mut().flatten();
    for wanted in spec.build_requires.iter_mut().chain(&mut spec.build_conflicts).chain(check) {
        wanted.span = wanted.span.map(&here);
    }
    for package in &mut spec.packages {
        package.origins.iter_mut().for_each(|(_, span)| *span = here(*span));
    }
}
