//! The search itself.

use std::collections::HashSet;
use std::rc::Rc;

use bedplate_model::Nevra;
use resolvo::{Problem, SolvableId, UnsolvableOrCancelled};

use crate::catalogue::Catalogue;
use crate::check::check;
use crate::encoding::{Encoding, Provider};
use crate::explain;
use crate::reason::Failure;
use crate::request::{Item, Options, Request, Wanted};
use crate::solution::Solution;
use crate::universe::{PackageId, Universe};

/// Answers a request.
///
/// # Errors
/// Why there is no answer: all reasons that do not depend on each other.
pub fn solve(universe: &Universe, request: &Request) -> Result<Solution, Failure> {
    Solver::new(universe, request.options.clone()).solve(&request.install)
}

/// Answers several requests over one universe under the same options; what was prepared for one serves the next.
pub struct Solver<'u> {
    catalogue: Rc<Catalogue<'u>>,
    encoding: Rc<Encoding<'u>>,
    engine: resolvo::Solver<Provider<'u>>,
}

impl std::fmt::Debug for Solver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solver").field("options", &self.catalogue.options).finish_non_exhaustive()
    }
}

impl<'u> Solver<'u> {
    /// Prepares the packages of a universe.
    pub fn new(universe: &'u Universe, options: Options) -> Self {
        let catalogue = Rc::new(Catalogue::new(universe, options));
        let encoding = Rc::new(Encoding::new(&catalogue, None));
        let engine = resolvo::Solver::new(Provider(Rc::clone(&encoding)));
        Self { catalogue, encoding, engine }
    }

    /// Answers a request. The answer depends on nothing that was asked before.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn solve(&mut self, install: &[Item]) -> Result<Solution, Failure> {
        self.find(install).ok_or_else(|| self.explain(install))
    }

    /// Answers a request like [`Self::solve`], without the search for reasons: that takes many times longer.
    pub fn find(&mut self, install: &[Item]) -> Option<Solution> {
        if !explain::missing_locks(&self.catalogue).is_empty() {
            return None;
        }
        let items: Vec<&Item> = install.iter().collect();
        let mut chosen = self.search(&items, &[])?;
        if self.catalogue.options.recommends {
            chosen = self.with_recommended(&items, chosen);
        }
        let solution = Solution::new(&self.catalogue, install, chosen);
        // A package may be there for a clause that matters no longer.
        if let Some(wanted) = solution.wanted() {
            let request = Request { install: install.to_vec(), options: self.catalogue.options.clone() };
            if check(self.catalogue.universe, &wanted, &request).is_empty() {
                return Some(Solution::new(&self.catalogue, install, wanted));
            }
        }
        Some(solution)
    }

    /// Why there is no answer, where [`Self::find`] has none.
    pub fn explain(&self, install: &[Item]) -> Failure {
        let missing = explain::missing_locks(&self.catalogue);
        if missing.is_empty() { explain::explain(&self.catalogue, install) } else { Failure { problems: missing } }
    }

    /// Adds what is recommended, until nothing new is: what one package recommends is wanted as soon as the package is there.
    fn with_recommended(&mut self, items: &[&Item], mut chosen: Vec<PackageId>) -> Vec<PackageId> {
        let mut asked: HashSet<(PackageId, usize)> = HashSet::new();
        let mut wanted: Vec<SolvableId> = Vec::new();
        loop {
            let before = wanted.len();
            let there: HashSet<PackageId> = chosen.iter().copied().collect();
            for id in &chosen {
                for (at, dependency) in self.catalogue.universe.package(*id).recommends.iter().enumerate() {
                    let open = !crate::check::holds(self.catalogue.universe, &there, dependency);
                    if open && asked.insert((*id, at)) {
                        wanted.push(self.encoding.recommendation(*id, dependency));
                    }
                }
            }
            if wanted.len() == before {
                return chosen;
            }
            match self.search(items, &wanted) {
                Some(more) => chosen = more,
                None => return chosen,
            }
        }
    }

    fn search(&mut self, items: &[&Item], wanted: &[SolvableId]) -> Option<Vec<PackageId>> {
        if self.encoding.forget_added() {
            self.engine = resolvo::Solver::new(Provider(Rc::clone(&self.encoding)));
        }
        run(&mut self.engine, &self.encoding, items, wanted)
    }
}

/// Searches until no guarded clause is broken: the packages, in the order of rows.
fn run<'u>(
    engine: &mut resolvo::Solver<Provider<'u>>,
    encoding: &Rc<Encoding<'u>>,
    items: &[&Item],
    wanted: &[SolvableId],
) -> Option<Vec<PackageId>> {
    let request = encoding.request(items);
    loop {
        let needs = encoding.all_needs(request);
        let problem = Problem::new()
            .requirements(needs.requirements)
            .constraints(needs.constrains)
            .soft_requirements(wanted.iter().copied());
        let mut chosen = match engine.solve(problem) {
            Ok(chosen) => chosen,
            Err(UnsolvableOrCancelled::Unsolvable(_)) => return None,
            Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nothing cancels a search"),
        };
        chosen.sort_unstable();
        if !encoding.add_broken(request, &chosen) {
            return Some(chosen.into_iter().filter_map(|solvable| encoding.package(solvable)).collect());
        }
        // resolvo remembers what the owners of the added clauses needed before.
        *engine = resolvo::Solver::new(Provider(Rc::clone(encoding)));
    }
}

/// True if the items have a solution, as far as the facts go that are not muted.
pub(crate) fn is_solvable(encoding: Encoding<'_>, items: &[&Item]) -> bool {
    let encoding = Rc::new(encoding);
    let mut engine = resolvo::Solver::new(Provider(Rc::clone(&encoding)));
    run(&mut engine, &encoding, items, &[]).is_some()
}

/// The packages that an item of a request can mean, if it is not a rich one: what provides it; else, if it is the full name of
/// a package, that package.
pub(crate) fn providers_of_item(universe: &Universe, item: &Item) -> Vec<PackageId> {
    let Wanted::Simple(dependency) = item.wanted() else { return Vec::new() };
    let found = universe.providers(dependency);
    if !found.is_empty() || !dependency.sense.relation().is_empty() {
        return found;
    }
    let Ok(nevra) = dependency.name.parse::<Nevra>() else { return found };
    let named = universe.named(nevra.name().as_str()).iter().copied();
    named.filter(|id| universe.package(*id).nevra == nevra).collect()
}
