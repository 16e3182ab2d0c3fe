//! What a worker does for a node of a plan.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::action::Prepared;
use super::builder::{Builder, Built, Fault, Ran, SourcePackage};
use super::hint::Providers;
use super::leftovers::Left;
use super::request::Supplies;
use super::spec::BuildSpec;
use crate::{End, NodeFailure, Outcome, Usage, WorkerContext};

/// What a worker gets.
#[derive(Debug)]
pub(crate) enum Job {
    Seed(Vec<String>),
    Fetch(String),
    Take(String),
    Requires(Box<(BuildSpec, Prepared)>),
    /// The steps of source package and build, as far as they have to run.
    Build(Box<(BuildSpec, Option<Prepared>, Option<Prepared>)>),
    Check(Box<(BuildSpec, Prepared, Option<Arc<Left>>)>),
}

/// What a worker gives back.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) built: Option<Built>,
    pub(crate) source: Option<SourcePackage>,
    /// What the build left, for its check.
    pub(crate) left: Option<Arc<Left>>,
    pub(crate) wall: Duration,
}

/// Does a job, in a worker.
pub(crate) fn run_job(
    builder: &Builder,
    supplies: &dyn Supplies,
    providers: &dyn Providers,
    job: Job,
    context: &WorkerContext,
) -> Outcome<Made> {
    let done = |result: Result<(), NodeFailure>| match result {
        Ok(()) => Outcome::new(End::Done(Made::default())),
        Err(_) if context.cancel.is_cancelled() => Outcome::new(End::Cancelled),
        Err(failure) => Outcome::new(End::Failed(failure)),
    };
    // A job that runs holds one token of the jobserver: the one that make takes for granted.
    let result = match job {
        Job::Seed(groups) => return done(supplies.make_seed(&groups, context)),
        Job::Fetch(name) => return done(supplies.fetch(&name, context)),
        Job::Take(name) => {
            context.phase("unpack");
            return done(supplies.package(&name).and_then(|rpm| builder.take(&name, &rpm)));
        }
        Job::Requires(job) => {
            let (spec, prepared) = *job;
            builder.requires(&spec, &prepared, providers, context).map(Ran::without_left)
        }
        Job::Build(job) => build_packages(builder, *job, providers, context),
        Job::Check(job) => {
            let (spec, prepared, left) = *job;
            let left = left.as_ref().map(|left| left.path());
            builder.check(&spec, &prepared, left, providers, context).map(Ran::without_left)
        }
    };
    match result {
        Ok((made, usage, log)) => Outcome { end: End::Done(made), usage, log },
        Err(Fault::Cancelled) => Outcome::new(End::Cancelled),
        Err(Fault::Failed { failure, usage, log }) => Outcome { end: End::Failed(*failure), usage, log },
    }
}

type Done = (Made, Usage, Option<PathBuf>);

impl<T> Ran<T> {
    fn without_left(self) -> Done {
        (Made { wall: self.wall, ..Made::default() }, self.usage, Some(self.log))
    }
}

fn build_packages(
    builder: &Builder,
    (spec, source, build): (BuildSpec, Option<Prepared>, Option<Prepared>),
    providers: &dyn Providers,
    context: &WorkerContext,
) -> Result<Done, Fault> {
    let mut done: Done = (Made::default(), Usage::default(), None);
    if let Some(prepared) = source {
        done.0.source = Some(builder.source(&spec, &prepared, providers, context)?);
    }
    if let Some(prepared) = build {
        let ran = builder.build(&spec, &prepared, providers, context)?;
        done.0.built = Some(ran.made);
        done.0.left = Some(Arc::new(ran.left));
        done.0.wall = ran.wall;
        (done.1, done.2) = (ran.usage, Some(ran.log));
    }
    Ok(done)
}
