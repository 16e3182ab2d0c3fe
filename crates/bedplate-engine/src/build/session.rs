//! What can be asked of builds: that they run, what they would do, what their roots are.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_diag::Category;
use bedplate_graph::CapabilityLock;

use super::action::Step;
use super::builder::{Builder, Stopped};
use super::hint::Providers;
use super::job::{Job, run_job};
use super::plan::{BuildPlan, RootState, SpecResult, Verdict};
use super::request::{Request, Supplies};
use crate::{Cancel, Event, Events, History, NodeFailure, Options, Summary, WorkerContext};

/// How a run of builds ended.
#[derive(Debug)]
pub struct BuildRun {
    /// Figures and root causes.
    pub summary: Summary,
    /// What was built or found, by name of the spec.
    pub results: BTreeMap<String, SpecResult>,
    /// Specs that were not built because repositories have their packages.
    pub taken: BTreeSet<String>,
    /// What builds taught until now.
    pub lock: CapabilityLock,
    /// How long builds took, this run's with them.
    pub history: History,
}

/// Damaged results are built again in another round; a disk that damages them faster than that is lost.
const MAX_REPAIRS: usize = 3;

/// Builds targets and what they need.
///
/// What turns out to be damaged or lost in the store is forgotten, told, and built again.
///
/// # Errors
/// If the store cannot be read or written.
pub fn build(
    builder: &Builder,
    supplies: &dyn Supplies,
    providers: &dyn Providers,
    mut request: Request,
    options: &Options,
    cancel: &Cancel,
    events: &mut Events,
) -> Result<BuildRun, NodeFailure> {
    for repair in 0.. {
        let (mut plan, work) = BuildPlan::new(builder, supplies, request);
        let worker = |job: Job, context: &WorkerContext| run_job(builder, supplies, providers, job, context);
        let (summary, _) = crate::run(&mut plan, work, options, &worker, cancel, events);
        let lost = if summary.is_good() { Vec::new() } else { plan.forget_lost()? };
        let results = std::mem::take(&mut plan.results);
        let taken = plan.all_taken();
        request = plan.request;
        if lost.is_empty() || repair == MAX_REPAIRS {
            return Ok(BuildRun { summary, results, taken, lock: request.lock, history: request.history });
        }
        for message in lost {
            events.emit(&Event::Note { message, node: None });
        }
    }
    unreachable!("the loop has a bound")
}

/// What a build would find in the store.
#[derive(Debug)]
pub struct Examined {
    /// Of each target, and of all that it needs, whether a build would build it, and why.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Those whose tests are known to pass.
    pub checked: BTreeSet<String>,
}

/// Looks at what is in the store, and runs nothing.
///
/// # Errors
/// If the store or the seed cannot be read.
pub fn examine(builder: &Builder, supplies: &dyn Supplies, request: Request) -> Result<Examined, NodeFailure> {
    let (mut plan, _) = BuildPlan::new(builder, supplies, request);
    let verdicts = plan.learn_all()?;
    Ok(Examined { checked: plan.all_checked()?, verdicts })
}

/// The root that the build of a target would get; what it needs has to be built.
///
/// # Errors
/// If something that it needs is not there.
pub fn fresh_root(
    builder: &Builder,
    supplies: &dyn Supplies,
    request: Request,
    name: &str,
) -> Result<Stopped, NodeFailure> {
    let (mut plan, _) = BuildPlan::new(builder, supplies, request);
    plan.learn_all()?;
    let input = |message: String| {
        let hint = Some(format!("build first: `bedplate build {name}`"));
        NodeFailure { hint, ..NodeFailure::new(Category::Input, message) }
    };
    let root = match plan.root(name, Step::Build)? {
        RootState::Complete(root) => root,
        RootState::Impossible(failure) => return Err(failure),
        RootState::NoSeed(groups) => return Err(input(format!("the seed is not made yet: {}", groups.join(", ")))),
        RootState::Lacks { specs, packages } => {
            return Err(input(format!("not built or unpacked yet: {}", [specs, packages].concat().join(", "))));
        }
    };
    let spec = plan.request.texts[name].clone();
    let prepared = plan.prepare(&spec, Step::Build, &root)?;
    Ok(Stopped::before(&spec, &prepared))
}
