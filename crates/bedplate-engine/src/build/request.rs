//! What a build starts from, and what the machine has to do for it.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::Digest;
use bedplate_graph::{CapabilityLock, Repository, Seed};

use super::spec::BuildSpec;
use crate::{History, NodeFailure, WorkerContext};

/// Where seed and sources come from: the machine's part of a build.
pub trait Supplies: Sync {
    /// Package and version of all that some groups of the seed bring along, sorted.
    ///
    /// # Errors
    /// If the seed's lock does not fit.
    fn seed_packages(&self, groups: &[String]) -> Result<Vec<(String, String)>, NodeFailure>;

    /// The tree of some groups of the seed, if the store has it.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn seed(&self, groups: &[String]) -> Result<Option<Digest>, NodeFailure>;

    /// Reads all that the store has of some groups of the seed, and forgets what is damaged, so that it is made again. Gives
    /// the names of the packages that were.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn repair_seed(&self, groups: &[String]) -> Result<Vec<String>, NodeFailure>;

    /// Makes the trees of some groups.
    ///
    /// # Errors
    /// If the distribution's packages cannot be had, or do not become a root.
    fn make_seed(&self, groups: &[String], context: &WorkerContext) -> Result<(), NodeFailure>;

    /// The file of a package of a repository, by its full name: a blob of the store, checked against what its repository says
    /// of it.
    ///
    /// # Errors
    /// If the file cannot be read, or is another than its repository says.
    fn package(&self, nevra: &str) -> Result<Digest, NodeFailure>;

    /// Fetches the pinned sources of a spec into the store.
    ///
    /// # Errors
    /// If a file cannot be had, or is another than the pinned one.
    fn fetch(&self, spec: &str, context: &WorkerContext) -> Result<(), NodeFailure>;
}

/// Whether tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checks {
    /// They do not.
    Off,
    /// They do, and a failed one makes the run fail; the packages are made nevertheless.
    #[default]
    Run,
    /// What needs a package waits for its tests, and does not start if they fail.
    Require,
}

/// What a build starts from.
#[derive(Debug)]
pub struct Request {
    /// The specs, as the graph knows them.
    pub specs: Vec<bedplate_graph::Spec>,
    /// The specs, as the builder takes them, by name.
    pub texts: BTreeMap<String, BuildSpec>,
    /// The seed.
    pub seed: Seed,
    /// What builds taught so far.
    pub lock: CapabilityLock,
    /// Built packages: a spec all of whose packages are there in its version is not built.
    pub repositories: Vec<Repository>,
    /// How long builds took, and what they needed.
    pub history: History,
    /// Names of the specs to build.
    pub targets: BTreeSet<String>,
    /// Whether tests run.
    pub checks: Checks,
    /// A group of the seed that every root has: that of rpmbuild.
    pub base_group: String,
}
