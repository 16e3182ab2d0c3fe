//! `bedplate repo query`: packages of repositories.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use bedplate_model::{Dependency, DependencyKind, FileKind, Sense};
use bedplate_repo::{
    Capability, LoadOptions, NamePattern, QueryError, Repository, RepositoryPackage, Selection, load, same_names,
};
use serde_json::{Value, json};

use super::keys::Keys;
use crate::cli::{ListArgs, RepoQueryArgs};
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// How many entries of a changelog are printed.
const CHANGELOGS: usize = 10;

/// Prints the packages that fit, or their lists.
pub(crate) fn run(args: &RepoQueryArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let (folders, names): (Vec<&String>, Vec<&String>) =
        args.arguments.iter().partition(|argument| argument.contains('/') || Path::new(argument).is_dir());
    if folders.is_empty() {
        return Err(Failure::input("no repository: none of the arguments is a folder")
            .hint("name a folder with `repodata/` or with RPMs"));
    }
    let selection = selection(args, &names).map_err(|error| Failure::input(error.to_string()))?;
    let keys = Keys::read(&args.key)?;
    let counter = ui.counter("packages read");
    let progress = |done, total| counter.show(done, total);
    let options = LoadOptions {
        files: true,
        changelogs: if args.json || args.lists.changelogs { CHANGELOGS } else { 0 },
        signature: Keys::verifier(keys.as_ref()),
        refuse_same_names: false,
        progress: Some(&progress),
    };
    let loaded = load(&folders, &options);
    drop(counter);
    let repositories = match loaded {
        Ok(repositories) => repositories,
        Err(findings) => return super::refuse(&findings, ui),
    };
    let twice = same_names(&repositories).all;
    let packages = repositories.iter().flat_map(|repository| &repository.packages);
    let found = selection.select(packages);
    ui.print(&if args.json { as_json(&found, &repositories) } else { as_text(&found, &args.lists) })?;
    for repository in &repositories {
        super::report(&repository.warnings, ui);
    }
    super::report(&twice, ui);
    Ok(if twice.is_empty() { Outcome::Good } else { Outcome::BadInput })
}

fn selection(args: &RepoQueryArgs, names: &[&String]) -> Result<Selection, QueryError> {
    let capabilities =
        |texts: &[String]| texts.iter().map(|text| Capability::parse(text)).collect::<Result<Vec<_>, _>>();
    let mut need = Vec::new();
    for (kind, texts) in [
        (DependencyKind::Requires, &args.whatrequires),
        (DependencyKind::Conflicts, &args.whatconflicts),
        (DependencyKind::Obsoletes, &args.whatobsoletes),
        (DependencyKind::Recommends, &args.whatrecommends),
        (DependencyKind::Suggests, &args.whatsuggests),
        (DependencyKind::Supplements, &args.whatsupplements),
        (DependencyKind::Enhances, &args.whatenhances),
    ] {
        if !texts.is_empty() {
            need.push((kind, capabilities(texts)?));
        }
    }
    Ok(Selection {
        names: names.iter().map(|name| NamePattern::parse(name)).collect::<Result<_, _>>()?,
        provide: capabilities(&args.whatprovides)?,
        need,
        files: args.file.iter().map(|path| NamePattern::parse(path)).collect::<Result<_, _>>()?,
        exact: args.exact,
    })
}

/// The lists that were asked for.
fn kinds(lists: &ListArgs) -> Vec<DependencyKind> {
    let asked = [
        (DependencyKind::Requires, lists.requires),
        (DependencyKind::Provides, lists.provides),
        (DependencyKind::Conflicts, lists.conflicts),
        (DependencyKind::Obsoletes, lists.obsoletes),
        (DependencyKind::Recommends, lists.recommends),
        (DependencyKind::Suggests, lists.suggests),
        (DependencyKind::Supplements, lists.supplements),
        (DependencyKind::Enhances, lists.enhances),
    ];
    asked.into_iter().filter(|(_, asked)| *asked).map(|(kind, _)| kind).collect()
}

/// Names, sorted; or the lists, sorted and each value once.
fn as_text(found: &[&RepositoryPackage], lists: &ListArgs) -> String {
    let kinds = kinds(lists);
    let mut lines = BTreeSet::new();
    for package in found {
        for kind in &kinds {
            lines.extend(package.package.dependencies(*kind).into_iter().flatten().map(plain));
        }
        if lists.files {
            lines.extend(package.package.files.iter().map(|file| file.path.clone()));
        }
        if lists.changelogs {
            let entries = package.changelogs.iter().rev();
            lines.insert(entries.fold(format!("{}\n", package.package.nevra), |mut text, entry| {
                let _ = writeln!(text, "* {}\n{}", entry.author, entry.text);
                text
            }));
        }
        if kinds.is_empty() && !lists.files && !lists.changelogs {
            lines.insert(package.package.nevra.to_string());
        }
    }
    lines.into_iter().fold(String::new(), |mut text, line| {
        text.push_str(&line);
        text.push('\n');
        text
    })
}

/// `NAME` or `NAME RELATION VERSION`, without qualifiers.
fn plain(dependency: &Dependency) -> String {
    Dependency { sense: dependency.sense.relation(), ..dependency.clone() }.to_string()
}

fn as_json(found: &[&RepositoryPackage], repositories: &[Repository]) -> String {
    let mut text = String::new();
    for package in found {
        let is_from =
            |repository: &&Repository| repository.packages.as_ptr_range().contains(&std::ptr::from_ref(*package));
        let repository = repositories.iter().find(is_from).map(|one| one.path.display().to_string());
        let _ = writeln!(text, "{}", package_json(package, repository));
    }
    text
}

fn package_json(package: &RepositoryPackage, repository: Option<String>) -> Value {
    let (one, nevra) = (&package.package, &package.package.nevra);
    let list = |kind| {
        let of = |one: &Dependency| {
            json!({
                "name": one.name,
                "relation": one.sense.operator(),
                "version": one.evr,
                "pre": one.sense.contains(Sense::PREREQ),
            })
        };
        one.dependencies(kind).into_iter().flatten().map(of).collect::<Vec<_>>()
    };
    let file = |file: &bedplate_model::PackageFile| {
        let kind = match file.kind {
            FileKind::File => "file",
            FileKind::Directory => "dir",
            FileKind::Ghost => "ghost",
        };
        json!({ "path": file.path, "kind": kind })
    };
    let change =
        |entry: &bedplate_repo::Changelog| json!({ "author": entry.author, "date": entry.date, "text": entry.text });
    json!({
        "repository": repository,
        "nevra": nevra.to_string(),
        "name": nevra.name().as_str(),
        "epoch": nevra.evr().epoch().unwrap_or_default(),
        "version": nevra.evr().version(),
        "release": nevra.evr().release(),
        "arch": nevra.arch().as_str(),
        "source_rpm": one.source_rpm,
        "location": package.location,
        "base": package.base,
        "checksum": { "type": package.checksum.kind(), "digits": package.checksum.to_string() },
        "size": { "package": package.size.package, "installed": package.size.installed, "archive": package.size.archive },
        "build_time": package.time.build,
        "summary": package.summary,
        "description": package.description,
        "license": package.license,
        "url": package.url,
        "vendor": package.vendor,
        "group": package.group,
        "packager": package.packager,
        "build_host": package.build_host,
        "requires": list(DependencyKind::Requires),
        "provides": list(DependencyKind::Provides),
        "conflicts": list(DependencyKind::Conflicts),
        "obsoletes": list(DependencyKind::Obsoletes),
        "recommends": list(DependencyKind::Recommends),
        "suggests": list(DependencyKind::Suggests),
        "supplements": list(DependencyKind::Supplements),
        "enhances": list(DependencyKind::Enhances),
        "files": one.files.iter().map(file).collect::<Vec<_>>(),
        "changelogs": package.changelogs.iter().map(change).collect::<Vec<_>>(),
    })
}
