//! What a build needs of a spec beside what the graph needs.

use std::path::PathBuf;

use bedplate_diag::Sources;
use bedplate_engine::build::CheckWay;
use bedplate_spec::{BuildSection, Evaluation, SourcePackage};

use crate::commands::spec::evaluate;
use crate::settings::{SpecPath, World};
use crate::spec_sources::{NamedFile, named_files};

/// A spec, as far as a build needs it.
pub(crate) struct SpecDetails {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: Vec<u8>,
    /// Its text without comments that rpm passes over.
    pub(crate) canonical: Vec<u8>,
    /// Its sources and patches.
    pub(crate) files: Vec<NamedFile>,
    /// How its tests run.
    pub(crate) check: Option<CheckWay>,
    /// Whether it has `%generate_buildrequires`.
    pub(crate) generates_requires: bool,
    /// Seconds since 1970 of its newest changelog entry; 0 without one.
    pub(crate) time: i64,
}

/// Sections that a build goes through before its tests.
const BUILDING: [BuildSection; 4] =
    [BuildSection::Prep, BuildSection::Conf, BuildSection::Build, BuildSection::Install];

pub(crate) fn details(
    world: &World,
    path: &SpecPath,
    spec: &SourcePackage,
    has_check: bool,
    variants: Option<&(Evaluation, Option<Evaluation>)>,
    sources: &Sources,
) -> SpecDetails {
    let text = std::fs::read(&path.path).unwrap_or_default();
    let mut canonical = bedplate_spec::canonical::spec(&text);
    // What is left out must be nothing to rpm: the same spec has to come out.
    if canonical != text && !evaluate::text(world, path, &canonical).is_some_and(|other| is_same(spec, &other)) {
        canonical.clone_from(&text);
    }
    let is_same_build = |(without, with): &(Evaluation, Option<Evaluation>)| {
        let with = with.as_ref().map_or(spec, |with| &with.spec);
        // A condition around `%check` adds an empty line to the section before it.
        let text = |spec: &SourcePackage, section| spec.section(section).map(|text| text.trim_end().to_owned());
        BUILDING.iter().all(|section| text(&without.spec, *section) == text(with, *section))
    };
    let check = has_check.then(|| match variants {
        Some(variants) if !is_same_build(variants) => CheckWay::Whole,
        _ => CheckWay::Continue,
    });
    let changelog = spec.packages.first().and_then(|main| main.changelog.first());
    SpecDetails {
        path: PathBuf::from(&path.path),
        text,
        canonical,
        files: named_files(spec, &path.shown, sources),
        check,
        generates_requires: spec.section(BuildSection::GenerateBuildRequires).is_some(),
        time: changelog.map_or(0, |entry| entry.time),
    }
}

/// True if two readings make the same packages in the same way.
fn is_same(one: &SourcePackage, other: &SourcePackage) -> bool {
    let list = |spec: &SourcePackage| {
        let package = |package: &bedplate_spec::Package| {
            format!("{:?} {:?} {:?} {:?}", package.tags, package.scripts, package.triggers, package.changelog)
        };
        spec.packages.iter().chain([&spec.source]).map(package).collect::<Vec<_>>()
    };
    one.sections == other.sections && list(one) == list(other)
}
