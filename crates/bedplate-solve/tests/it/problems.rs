//! Kept problems: `tests/data/problems/NAME.json` with the answer in `NAME.txt`. `BLESS=1 cargo test -p bedplate-solve` writes
//! the answers.

use std::path::{Path, PathBuf};

use bedplate_solve::{Problem, ProblemError, Universe, check, solve};

use crate::dsl;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/problems")
}

/// The answer with all reasons, as text.
fn answer(problem: Problem) -> String {
    let (universe, request) = problem.into_parts();
    match solve(&universe, &request) {
        Ok(solution) => {
            assert_eq!(check(&universe, &solution.ids(), &request), []);
            let line = |chosen: &bedplate_solve::Chosen| {
                let chain = solution.chain(chosen.package).into_iter().map(|step| step.nevra.to_string());
                format!("{} {} {}\n", chosen.nevra, chosen.repository, chain.collect::<Vec<_>>().join(" > "))
            };
            solution.packages().iter().map(line).collect()
        }
        Err(failure) => failure.problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn kept_problems_have_their_answers() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let got = answer(Problem::parse(&std::fs::read_to_string(&path).unwrap()).unwrap());
            let text = path.with_extension("txt");
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&text, &got).unwrap();
            }
            let want = std::fs::read_to_string(&text).unwrap_or_default();
            assert_eq!(got, want, "{} (BLESS=1 writes it)", path.display());
            count += 1;
        }
    }
    assert!(count >= 6, "{count} problems");
}

#[test]
fn a_dumped_problem_has_the_same_answer_and_only_what_matters() {
    let (repositories, request) = dsl::parse(
        "repository near 10\na 1-1: requires b >= 2; requires (c if d); requires mising\nb 1-1\nb 2-1: requires /bin/sh
         far 1-1: requires further\nrepository base 99\nb 2-1\nmissing 1-1\nsh 1-1: file /bin/sh; conflicts (x unless y)
         further 1-1\nx 1-1\ny 1-1\nc 1-1\nd 1-1\nlock far-1-1.x86_64\nexclude further\ninstall a, b, sh, d",
    );
    let universe = Universe::new(repositories.clone());
    let dumped = Problem::of(&universe, &request);
    let names: Vec<String> = dumped
        .repositories
        .iter()
        .flat_map(|one| one.packages.iter().map(|package| format!("{}@{}", package.name(), one.name)))
        .collect();
    assert_eq!(
        names,
        [
            "a@near",
            "b@near",
            "b@near",
            "far@near",
            "b@base",
            "missing@base",
            "sh@base",
            "x@base",
            "y@base",
            "c@base",
            "d@base"
        ]
    );
    let replayed = Problem::parse(&dumped.to_json()).unwrap();
    assert_eq!(replayed, dumped);
    let whole = answer(Problem { repositories, request });
    assert!(whole.contains("did you mean `missing`?"), "{whole}");
    assert_eq!(answer(replayed), whole);
}

#[test]
fn a_bad_file_says_all_that_is_wrong() {
    let text = r#"{"version": 1, "repositories": [{"name": "r", "priority": 1, "packages": [
        {"nevra": "a", "provides": []}, {"nevra": "b-1-1.x86_64", "requires": ["c ~ 2", "d"]}]}],
        "request": {"install": ["(a or"], "architectures": ["x86_64"], "locked": [{"nevra": "x"}]}}"#;
    let error = Problem::parse(text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad texts in the problem:
  `a`: not of the form `name-[epoch:]version-release.arch`
  `c ~ 2` of b-1-1.x86_64 is not a dependency: `~` is not a relation; write `=`, `<`, `<=`, `>` or `>=`
  `(a or` is not a dependency: Name required
  `x`: not of the form `name-[epoch:]version-release.arch`"
    );
    let newer = r#"{"version": 7, "repositories": [], "request": {"install": [], "architectures": []}}"#;
    assert_eq!(Problem::parse(newer), Err(ProblemError::Version(7)));
    assert!(matches!(Problem::parse("{}"), Err(ProblemError::Form(_))));
}
