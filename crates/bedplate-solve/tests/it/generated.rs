//! Universes that `ci/solver-differential --write` made at random, each with libsolv's verdict: one JSON object a line.

use bedplate_solve::{Problem, check, solve};

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
        if let Ok(solution) = answer {
            assert_eq!(check(&universe, &solution.ids(), &request), [], "{problem}");
            solvable += 1;
        }
        count += 1;
    }
    assert!(count >= 60 && solvable > 15 && solvable < count - 15, "{solvable} of {count}");
}
