//! The root that a step gets: trees of the seed, of what specs made, and of packages of repositories.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::Digest;
use bedplate_diag::Category;
use bedplate_graph::{Origin, SpecId, State};

use super::{BuildPlan, SpecResult};
use crate::NodeFailure;
use crate::build::action::{Prepared, Root, Step, prepare};
use crate::build::builder::store_failure;
use crate::build::results;
use crate::build::spec::BuildSpec;

/// Whether a root is complete.
pub(crate) enum RootState {
    Complete(Root),
    /// These specs have to be built first, and these packages of repositories have to be unpacked.
    Lacks {
        specs: Vec<String>,
        packages: Vec<String>,
    },
    /// These groups of the seed have to be made first.
    NoSeed(Vec<String>),
    Impossible(NodeFailure),
}

impl BuildPlan<'_> {
    /// Whether a repository has the packages of a spec.
    pub(super) fn is_taken(&self, spec: SpecId) -> bool {
        self.graph.node(self.graph.build_node(spec)).state == State::Built
    }

    /// The repository that has the packages of a spec in its version.
    pub(super) fn taken_from(&self, name: &str) -> Option<String> {
        let id = self.ids.get(name).copied().filter(|id| self.is_taken(*id))?;
        let pool = &self.graph.pool;
        let number = pool.packages_of(id).find_map(|package| pool.prebuilt(package))?;
        Some(pool.repositories[number as usize].clone())
    }

    /// The specs whose packages repositories have.
    pub(crate) fn all_taken(&self) -> BTreeSet<String> {
        let all = self.graph.spec_ids().filter(|id| self.is_taken(*id));
        all.map(|id| self.graph.spec(id).name.clone()).collect()
    }

    /// What a package of a repository installs, if the store has it.
    pub(super) fn take(&mut self, nevra: &str) -> Result<Option<Digest>, NodeFailure> {
        if let Some((_, tree)) = self.taken.get(nevra) {
            return Ok(Some(*tree));
        }
        let rpm = self.supplies.package(nevra)?;
        let (key, tree) = self.builder.cached_tree(&rpm)?;
        if let Some(tree) = tree {
            self.taken.insert(nevra.to_owned(), (key, tree));
        }
        Ok(tree)
    }

    pub(crate) fn root(&mut self, name: &str, step: Step) -> Result<RootState, NodeFailure> {
        let input = |message: String| NodeFailure::new(Category::Input, message);
        let Some(id) = self.ids.get(name).copied() else {
            return Ok(RootState::Impossible(input(format!("there is no spec of `{name}`"))));
        };
        let node = match step {
            Step::Check => self.graph.check_node(id).unwrap_or_else(|| self.graph.build_node(id)),
            _ => self.graph.build_node(id),
        };
        let kind = self.graph.node(node).kind;
        if self.graph.node(node).state != State::Planned {
            let about = |one: &&bedplate_graph::Finding| one.about.contains(&(id, kind));
            let why: Vec<String> =
                self.graph.findings.iter().filter(about).map(|one| one.diagnostic.message.clone()).collect();
            let why = if why.is_empty() { vec!["something that it needs cannot be built".to_owned()] } else { why };
            return Ok(RootState::Impossible(input(why.join("; "))));
        }
        let groups = self.group_names(self.graph.node(node).groups.iter().copied());
        let members = if step == Step::Check { self.graph.check_root_of(id) } else { self.graph.root_of(id) };
        let (mut packages, mut lacks, mut not_taken) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for (package, _) in members {
            let maker = match self.graph.pool.origin(package) {
                Origin::Spec(maker, _) if !self.is_taken(maker) => self.graph.spec(maker).name.clone(),
                Origin::Seed(_) => continue,
                Origin::Spec(..) | Origin::Repository(_) => {
                    let nevra = self.graph.pool.universe.package(package).nevra.to_string();
                    match self.take(&nevra)? {
                        Some(tree) => drop(packages.insert(nevra, tree)),
                        None => drop(not_taken.insert(nevra)),
                    }
                    continue;
                }
            };
            // The tests of a spec may use its own packages.
            let Some(result) = self.results.get(&maker) else {
                lacks.insert(maker);
                continue;
            };
            let nevra = self.graph.pool.universe.package(package).nevra.to_string();
            let facts = result.built.packages.iter().find(|facts| facts.nevra == nevra);
            match facts.and_then(|facts| facts.tree) {
                Some(tree) => drop(packages.insert(nevra, tree)),
                None => {
                    let message = format!("the build of {maker} did not make {nevra}, which its spec declares");
                    return Ok(RootState::Impossible(input(message)));
                }
            }
        }
        if !lacks.is_empty() || !not_taken.is_empty() {
            let (specs, packages) = (lacks.into_iter().collect(), not_taken.into_iter().collect());
            return Ok(RootState::Lacks { specs, packages });
        }
        let Some(seed) = self.supplies.seed(&groups)? else { return Ok(RootState::NoSeed(groups)) };
        let seed_packages = self.supplies.seed_packages(&groups)?;
        self.seeds.insert(seed, groups);
        Ok(RootState::Complete(Root { seed, seed_packages, packages: packages.into_iter().collect() }))
    }

    pub(crate) fn prepare(&self, spec: &BuildSpec, step: Step, root: &Root) -> Result<Prepared, NodeFailure> {
        let prepared = prepare(&self.builder.store, &self.builder.policy, spec, step, root);
        prepared.map_err(|error| {
            if error.lost().is_some() {
                let layers = [root.seed].into_iter().chain(root.packages.iter().map(|(_, tree)| *tree));
                layers.for_each(|tree| self.builder.note_if_lost(&tree));
            }
            store_failure(&error)
        })
    }

    /// Forgets whoever made trees that turned out to be damaged, so that another round makes them anew. Gives what to tell
    /// people: nothing if nothing was damaged.
    pub(crate) fn forget_lost(&self) -> Result<Vec<String>, NodeFailure> {
        let lost = self.builder.take_lost();
        let mut said = Vec::new();
        for groups in lost.iter().filter_map(|tree| self.seeds.get(tree)) {
            let damaged = self.supplies.repair_seed(groups)?;
            said.push(match damaged.as_slice() {
                [] => "the root of the seed was damaged in the store; it is put together again".to_owned(),
                names => format!("of the seed, {} was damaged in the store; it is installed again", names.join(", ")),
            });
        }
        let is_lost = |result: &SpecResult| {
            Ok(result.built.packages.iter().filter_map(|facts| facts.tree).any(|tree| lost.contains(&tree)))
        };
        for (name, (key, _)) in self.taken.iter().filter(|(_, (_, tree))| lost.contains(tree)) {
            self.builder.store.forget(key).map_err(|error| store_failure(&error))?;
            said.push(format!("what was unpacked of {name} was damaged in the store; it is unpacked again"));
        }
        let specs =
            results::forget(&self.builder.store, &self.results, is_lost).map_err(|error| store_failure(&error))?;
        said.extend(specs.iter().map(|name| results::built_again(name)));
        Ok(said)
    }
}
