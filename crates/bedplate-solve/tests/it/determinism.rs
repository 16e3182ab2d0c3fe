//! The same question has the same answer: asked again, asked of a solver that answered others, asked with the packages of
//! each repository in another order.

use bedplate_solve::{Problem, Repository, Request, Solver, Universe, solve};
use proptest::prelude::*;

/// An answer without ids, which depend on the order of the input.
pub(crate) fn shown(repositories: &[Repository], request: &Request) -> String {
    let universe = Universe::new(repositories.to_vec());
    match solve(&universe, request) {
        Ok(solution) => solution
            .packages()
            .iter()
            .map(|chosen| {
                let chain = solution.chain(chosen.package).into_iter().map(|step| step.nevra.to_string());
                format!("{}@{} {}\n", chosen.nevra, chosen.repository, chain.collect::<Vec<_>>().join(" > "))
            })
            .collect(),
        Err(failure) => failure.to_string(),
    }
}

fn generated() -> Vec<Problem> {
    let cases = include_str!("../data/generated.jsonl");
    cases.lines().map(|line| Problem::parse(line.split_once('\t').unwrap().1).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn the_order_of_packages_does_not_matter(seed in any::<u64>()) {
        for problem in generated().into_iter().step_by(4) {
            let mut shuffled = problem.repositories.clone();
            let mut state = seed | 1;
            for repository in &mut shuffled {
                for at in (1..repository.packages.len()).rev() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let other = usize::try_from(state >> 33).unwrap_or(0) % (at + 1);
                    repository.packages.swap(at, other);
                }
            }
            prop_assert_eq!(shown(&shuffled, &problem.request), shown(&problem.repositories, &problem.request));
        }
    }
}

#[test]
fn what_was_asked_before_does_not_matter() {
    for problem in generated() {
        let universe = Universe::new(problem.repositories.clone());
        let mut solver = Solver::new(&universe, problem.request.options.clone());
        let names: Vec<_> = universe.names().map(|name| vec![name.parse().unwrap()]).collect();
        let first = solver.solve(&problem.request.install);
        for items in &names {
            let _ = solver.solve(items);
        }
        assert_eq!(solver.solve(&problem.request.install), first);
        assert_eq!(solve(&universe, &problem.request), first);
    }
}
