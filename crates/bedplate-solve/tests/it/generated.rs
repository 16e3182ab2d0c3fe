//! Universes that `ci/solver-differential --write` made at random, each with libsolv's verdict: one JSON object a line.

use bedplate_solve::{Problem, Reason, Universe, What, check, solve};

use crate::determinism::shown;

#[test]
fn libsolv_and_we_agree_on_generated_universes() {
    let cases = include_str!("../data/generated.jsonl");
    let (mut solvable, mut count) = (0, 0);
    for line in cases.lines() {
        let (verdict, problem) = line.split_once('\t').unwrap();
        let (universe, request) = Problem::parse(problem).unwrap().into_parts();
        let answer = solve(&universe, &request);
        let said = if answer.is_ok() { "solvable" } else { "unsolvable" };
        assert_eq!(said, verdict, "{problem}");
        match answer {
            Ok(solution) => {
                assert_eq!(check(&universe, &solution.ids(), &request), [], "{problem}");
                solvable += 1;
            }
            Err(failure) => {
                let is_told = |one: &Reason| !one.because.is_empty() || matches!(one.what, What::LockedMissing { .. });
                assert!(!failure.problems.is_empty() && failure.problems.iter().all(is_told), "{failure}\n{problem}");
            }
        }
        count += 1;
    }
    assert!(count >= 60 && solvable > 15 && solvable < count - 15, "{solvable} of {count}");
}

#[test]
fn a_dump_has_the_answer_of_the_whole() {
    for line in include_str!("../data/generated.jsonl").lines() {
        let whole = Problem::parse(line.split_once('\t').unwrap().1).unwrap();
        let dump = Problem::of(&Universe::new(whole.repositories.clone()), &whole.request);
        let dump = Problem::parse(&dump.to_json()).unwrap();
        let answer = shown(&whole.repositories, &whole.request);
        assert_eq!(shown(&dump.repositories, &dump.request), answer, "{line}");
    }
}
