//! What a build would find in the store, without running anything.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildPlan, RootState, SpecResult, Task};
use crate::NodeFailure;
use crate::build::action::Step;
use crate::build::builder::store_failure;
use crate::build::inputs::Reason;

/// What would become of a spec if a build started now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its result is in the store; it was last built for these reasons.
    UpToDate(Vec<Reason>),
    /// It would be built.
    Rebuild(Vec<Reason>),
    /// This repository has its packages in this version.
    Taken(String),
    /// It cannot be built.
    Impossible(String),
}

impl BuildPlan<'_> {
    /// Takes what is in the store, and says of each spec whether it would be built, and why.
    pub(crate) fn learn_all(&mut self) -> Result<BTreeMap<String, Verdict>, NodeFailure> {
        let mut verdicts = BTreeMap::new();
        let mut open: Vec<String> = self.tasks.iter().filter_map(Task::build).map(str::to_owned).collect();
        // Roots are complete only after what they need was looked at; a pass that learns nothing ends it.
        loop {
            let mut rest = Vec::new();
            let before = open.len();
            for name in open {
                self.refresh();
                match self.verdict(&name, &verdicts)? {
                    Some(verdict) => drop(verdicts.insert(name, verdict)),
                    None => rest.push(name),
                }
            }
            if rest.is_empty() || rest.len() == before {
                break;
            }
            open = rest;
        }
        Ok(verdicts)
    }

    /// The specs that were learnt whose tests are known to pass.
    pub(crate) fn all_checked(&mut self) -> Result<BTreeSet<String>, NodeFailure> {
        let mut checked = BTreeSet::new();
        let tasks: Vec<String> = self.tasks.iter().filter_map(Task::check).map(str::to_owned).collect();
        for name in tasks {
            self.refresh();
            if !self.results.contains_key(&name) {
                continue;
            }
            let RootState::Complete(root) = self.root(&name, Step::Check)? else { continue };
            let spec = self.request.texts[&name].clone();
            let prepared = self.prepare(&spec, Step::Check, &root)?;
            if self.builder.cached_check(&prepared.action).map_err(|error| store_failure(&error))? {
                checked.insert(name);
            }
        }
        Ok(checked)
    }

    fn verdict(&mut self, name: &str, known: &BTreeMap<String, Verdict>) -> Result<Option<Verdict>, NodeFailure> {
        if let Some(repository) = self.taken_from(name) {
            return Ok(Some(Verdict::Taken(repository)));
        }
        let root = match self.root(name, Step::Build)? {
            RootState::Complete(root) => root,
            RootState::Impossible(failure) => return Ok(Some(Verdict::Impossible(failure.message))),
            RootState::NoSeed(groups) => {
                let packages = self.supplies.seed_packages(&groups)?;
                let earlier = self.recorded(&Task::Build(name.to_owned()));
                let mut reasons = match &earlier {
                    Some(earlier) => earlier.with_seed(&packages).since(Some(earlier)),
                    None => vec![Reason::NeverBuilt],
                };
                if reasons.is_empty() {
                    reasons.push(Reason::MayChange { spec: "the seed".to_owned() });
                }
                return Ok(Some(Verdict::Rebuild(reasons)));
            }
            RootState::Lacks { specs, packages } => {
                if specs.is_empty() {
                    let reasons = packages.into_iter().map(|spec| Reason::MayChange { spec }).collect();
                    return Ok(Some(Verdict::Rebuild(reasons)));
                }
                let is_known = specs.iter().all(|spec| known.contains_key(spec));
                let reasons = specs.into_iter().map(|spec| Reason::MayChange { spec }).collect();
                return Ok(is_known.then_some(Verdict::Rebuild(reasons)));
            }
        };
        let spec = self.request.texts[name].clone();
        if spec.generates_requires {
            let asked = self.prepare(&spec, Step::Requires, &root)?;
            match self.builder.cached_requires(&asked.action).map_err(|error| store_failure(&error))? {
                Some(list) => {
                    if self.take_generated(name, list)? {
                        return Ok(None);
                    }
                }
                None => return Ok(Some(Verdict::Rebuild(self.reasons(&Task::Build(name.to_owned()), &asked.inputs)))),
            }
        }
        let prepared = self.prepare(&spec, Step::Build, &root)?;
        let earlier = self.recorded(&Task::Build(name.to_owned()));
        let Some(built) = self.builder.cached_build(&prepared.action).map_err(|error| store_failure(&error))? else {
            return Ok(Some(Verdict::Rebuild(self.reasons(&Task::Build(name.to_owned()), &prepared.inputs))));
        };
        self.accept(name, SpecResult { built, source: None, actions: vec![prepared.action] });
        Ok(Some(Verdict::UpToDate(earlier.map(|one| one.reasons).unwrap_or_default())))
    }
}
