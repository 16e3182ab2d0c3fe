//! `bedplate solve`: which packages an installation takes, and why.

use std::fs;
use std::path::Path;

use bedplate_diag::{Category, Source, Sources};
use bedplate_solve::{
    Changed, Failure as NoSolution, Item, Lock, Pattern, Problem, Repository, Request, Solution, Universe, Why, check,
    solve,
};
use serde_json::{Value, json};

use super::repo::ForSolving;
use crate::cli::SolveArgs;
use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::ui::Ui;

/// Solves and prints.
pub(crate) fn run(args: &SolveArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let (ForSolving { mut repositories, sha256, .. }, mut request) = packages(args, ui)?;
    prioritise(&mut repositories, &args.priority)?;
    complete(&mut request, args)?;
    let lock = args.lock.as_ref().map(|path| read_lock(path, ui)).transpose()?;
    if let Some(lock) = &lock {
        request.options.locked = lock.locked();
    }
    let universe = Universe::new(repositories);
    refuse_ambiguous(&universe)?;
    if let Some(path) = &args.dump_problem {
        output::write(path, &Problem::of(&universe, &request).to_json())?;
    }
    let solution = match solve(&universe, &request) {
        Ok(solution) => solution,
        Err(failure) if args.json => {
            ui.print(&reasons_in_json(&failure))?;
            return Ok(Outcome::BadInput);
        }
        Err(failure) => {
            return Err(Failure { category: failure.category(), message: failure.to_string(), hint: None });
        }
    };
    if args.check {
        refuse_wrong(&universe, &request, &solution)?;
    }
    let mut new = Lock::of(&solution);
    for one in &mut new.packages {
        let key = (one.repository.clone().unwrap_or_default(), one.nevra.clone());
        one.sha256 = sha256.get(&key).cloned();
    }
    if let (Some(lock), Some(path)) = (&lock, &args.lock) {
        refuse_changed(path, lock, &new)?;
    }
    if let Some(path) = &args.write_lock {
        output::write(path, &new.to_toml())?;
    }
    ui.print(&if args.json { in_json(&universe, &solution) } else { in_text(&universe, &solution) })?;
    if !args.json {
        ui.summary(&output::many(solution.packages().len(), "package"));
    }
    Ok(Outcome::Good)
}

/// Where the packages come from, and the request to begin with.
fn packages(args: &SolveArgs, ui: &Ui) -> Result<(ForSolving, Request), Failure> {
    let Some(path) = &args.replay else {
        return Ok((super::repo::for_solving(&args.repo, &args.key, ui)?, Request::default()));
    };
    let problem = Problem::parse(&read(path)?).map_err(|error| Failure::input(format!("{path}: {error}")))?;
    let repositories = ForSolving { repositories: problem.repositories, ..ForSolving::default() };
    Ok((repositories, problem.request))
}

fn prioritise(repositories: &mut [Repository], priorities: &[String]) -> Result<(), Failure> {
    for text in priorities {
        let parts = text.split_once('=').and_then(|(name, number)| Some((name, number.parse().ok()?)));
        let Some((name, priority)) = parts else {
            return Err(Failure::input(format!("`--priority {text}` is not of the form NAME=NUMBER")));
        };
        let Some(repository) = repositories.iter_mut().find(|one| one.name == name) else {
            let names: Vec<&str> = repositories.iter().map(|one| one.name.as_str()).collect();
            return Err(
                Failure::input(format!("no repository `{name}`")).hint(format!("there is {}", names.join(", ")))
            );
        };
        repository.priority = priority;
    }
    Ok(())
}

/// Adds what the arguments say to a request.
fn complete(request: &mut Request, args: &SolveArgs) -> Result<(), Failure> {
    let (good, bad): (Vec<_>, Vec<_>) = args.items.iter().map(|text| text.parse::<Item>()).partition(Result::is_ok);
    if !bad.is_empty() {
        let lines: Vec<String> = bad.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        return Err(Failure::input(lines.join("\n")));
    }
    if !good.is_empty() {
        request.install = good.into_iter().flatten().collect();
    }
    let options = &mut request.options;
    options.exclude.extend(args.exclude.iter().map(Pattern::new));
    options.multi_version.extend(args.multi_version.iter().map(Pattern::new));
    options.recommends |= args.recommends;
    if !args.arch.is_empty() {
        options.architectures.clone_from(&args.arch);
        if !args.arch.iter().any(|arch| arch == "noarch") {
            options.architectures.push("noarch".to_owned());
        }
    }
    Ok(())
}

fn read_lock(path: &str, ui: &Ui) -> Result<Lock, Failure> {
    let text = read(path)?;
    let mut sources = Sources::new();
    let id = sources.add(Source::new(path, text.as_str()));
    Lock::parse(id, &text).map_err(|wrong| {
        ui.diagnostics(&wrong, &sources);
        Failure::input(format!("{path} is not a lock"))
    })
}

/// Refuses packages between which only the order of repositories would choose.
fn refuse_ambiguous(universe: &Universe) -> Result<(), Failure> {
    let duplicates = universe.duplicates();
    if duplicates.is_empty() {
        return Ok(());
    }
    let line = |one: &bedplate_solve::Duplicate| {
        let repositories = one.packages.iter().map(|id| universe.repository_name(universe.repository(*id)).0);
        format!("\n{}: {}", one.nevra, repositories.collect::<Vec<_>>().join(", "))
    };
    let lines: String = duplicates.iter().map(line).collect();
    Err(Failure::input(format!("packages are in several repositories of the same priority{lines}"))
        .hint("give one of the repositories another priority: `--priority NAME=N`"))
}

/// Refuses packages that are not those that were locked, though they have the names.
fn refuse_changed(path: &str, lock: &Lock, new: &Lock) -> Result<(), Failure> {
    let line = |one: Changed<'_>| {
        format!("\n{} of {}: expected {}, found {}", one.nevra, one.repository, one.expected, one.found)
    };
    let lines: String = lock.changed(new).map(line).collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(Failure::input(format!("package files have other SHA-256 digests than {path} says{lines}"))
        .hint("write the lock again if the packages were built again on purpose"))
}

fn refuse_wrong(universe: &Universe, request: &Request, solution: &Solution) -> Result<(), Failure> {
    let violations = check(universe, &solution.ids(), request);
    if violations.is_empty() {
        return Ok(());
    }
    let lines: String = violations.iter().map(|one| format!("\n{one}")).collect();
    Err(Failure { category: Category::Internal, message: format!("the solver gave a wrong answer{lines}"), hint: None })
}

fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(Path::new(path)).map_err(|error| Failure::io("cannot read", path, &error))
}

fn in_text(universe: &Universe, solution: &Solution) -> String {
    let line = |chosen: &bedplate_solve::Chosen| {
        format!("{}\t{}\t{}\n", chosen.nevra, chosen.repository, chosen.why.describe(universe))
    };
    solution.packages().iter().map(line).collect()
}

fn in_json(universe: &Universe, solution: &Solution) -> String {
    let package = |chosen: &bedplate_solve::Chosen| {
        let because = |kind: &str, by: &bedplate_solve::PackageId, capability: &str| json!({"kind": kind, "by": universe.package(*by).to_string(), "capability": capability});
        let why = match &chosen.why {
            Why::Requested { item } => json!({"kind": "requested", "item": item}),
            Why::Required { by, capability } => because("required", by, capability),
            Why::Recommended { by, capability } => because("recommended", by, capability),
            Why::KeptBySearch => json!({"kind": "kept-by-search"}),
        };
        json!({"nevra": chosen.nevra.to_string(), "repository": chosen.repository, "why": why})
    };
    let packages: Vec<Value> = solution.packages().iter().map(package).collect();
    format!("{}\n", json!({"version": 1, "solvable": true, "packages": packages}))
}

fn reasons_in_json(failure: &NoSolution) -> String {
    format!("{}\n", json!({"version": 1, "solvable": false, "problems": failure.problems}))
}
