//! `bedplate solve`: which packages an installation takes, and why.

use std::fs;

use bedplate_diag::Category;
use bedplate_solve::{Failure as NoSolution, Problem, Request, Solution, Universe, Violation, Why, check, solve};
use serde_json::{Value, json};

use crate::cli::SolveArgs;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Solves and prints.
pub(crate) fn run(args: &SolveArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let problem = problem(args)?;
    let (universe, request) = problem.into_parts();
    ambiguous(&universe)?;
    if let Some(path) = &args.dump_problem {
        let text = Problem::of(&universe, &request).to_json();
        fs::write(path, text).map_err(|error| Failure::io("cannot write", path, &error))?;
    }
    match solve(&universe, &request) {
        Ok(solution) => {
            if args.check {
                checked(&universe, &request, &solution)?;
            }
            ui.print(&if args.json { in_json(&universe, &solution) } else { in_text(&universe, &solution) })?;
            Ok(Outcome::Good)
        }
        Err(failure) if args.json => {
            ui.print(&no_solution_in_json(&failure))?;
            Ok(Outcome::BadInput)
        }
        Err(failure) => {
            let failure_text = failure.to_string();
            Err(Failure { category: failure.category(), message: failure_text, hint: None })
        }
    }
}

/// The packages and the request.
fn problem(args: &SolveArgs) -> Result<Problem, Failure> {
    let path = args.replay.as_deref().unwrap_or_default();
    let text = fs::read_to_string(path).map_err(|error| Failure::io("cannot read", path, &error))?;
    Problem::parse(&text).map_err(|error| Failure::input(format!("{path}: {error}")))
}

/// Refuses packages between which only the order of repositories would choose.
fn ambiguous(universe: &Universe) -> Result<(), Failure> {
    let duplicates = universe.duplicates();
    if duplicates.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = duplicates
        .iter()
        .map(|one| {
            let repositories = one.packages.iter().map(|id| universe.repository_name(universe.repository(*id)).0);
            format!("\n  {}: {}", one.nevra, repositories.collect::<Vec<_>>().join(", "))
        })
        .collect();
    Err(Failure::input(format!("packages are in several repositories of the same priority:{}", lines.concat()))
        .hint("give one of the repositories another priority"))
}

fn checked(universe: &Universe, request: &Request, solution: &Solution) -> Result<(), Failure> {
    let violations = check(universe, &solution.ids(), request);
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(|one: &Violation| format!("\n  {one}")).collect();
    let message = format!("the solver gave a wrong answer:{}", lines.concat());
    Err(Failure { category: Category::Internal, message, hint: None })
}

fn in_text(universe: &Universe, solution: &Solution) -> String {
    let mut text = String::new();
    for chosen in solution.packages() {
        let why = match &chosen.why {
            Why::Requested { item } => format!("asked for as {item}"),
            Why::Required { by, capability } => format!("{} requires {capability}", universe.package(*by)),
            Why::Recommended { by, capability } => format!("{} recommends {capability}", universe.package(*by)),
        };
        text.push_str(&format!("{}\t{}\t{why}\n", chosen.nevra, chosen.repository));
    }
    text
}

fn in_json(universe: &Universe, solution: &Solution) -> String {
    let packages: Vec<Value> = solution
        .packages()
        .iter()
        .map(|chosen| {
            let why = match &chosen.why {
                Why::Requested { item } => json!({"kind": "requested", "item": item}),
                Why::Required { by, capability } => {
                    json!({"kind": "required", "by": universe.package(*by).to_string(), "capability": capability})
                }
                Why::Recommended { by, capability } => {
                    json!({"kind": "recommended", "by": universe.package(*by).to_string(), "capability": capability})
                }
            };
            json!({"nevra": chosen.nevra.to_string(), "repository": chosen.repository, "why": why})
        })
        .collect();
    format!("{}\n", json!({"version": 1, "solvable": true, "packages": packages}))
}

fn no_solution_in_json(failure: &NoSolution) -> String {
    format!("{}\n", json!({"version": 1, "solvable": false, "problems": failure.problems}))
}
