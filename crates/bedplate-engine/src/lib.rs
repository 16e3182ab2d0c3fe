//! Plans, schedules and runs actions: all concurrency is here.
//!
//! [`run`](run()) does the work of a [`Plan`]: a dispatcher owns the [`Work`] graph and starts its nodes by the longest remaining way;
//! workers are threads. All that happens is one stream of [`Event`]s.

pub mod build;
mod event;
mod excerpt;
mod files;
mod history;
mod jobserver;
mod modules;
mod publish;
mod run;
mod scheduler;
mod signing;
mod simulate;
mod summary;
mod work;
mod worker;

pub use event::{
    EVENTS_VERSION, Event, Events, FailedNode, NodeFailure, NodeId, NodeKind, Progress, Sink, State, Summary,
    TimedEvent, TimedNode, Usage,
};
pub use excerpt::{plain_line, relevant_lines};
pub use history::History;
pub use jobserver::{Jobserver, JobserverError, Token};
pub use publish::{
    KEY_FILE, Part, Publication, PublishError, Published, PublishedPackage, Signers, publish, published_packages,
};
pub use run::{OnFailure, Options, Plan, Start, Worker, run};
pub use scheduler::{Limits, Running, Scheduler};
pub use signing::{SignedRepository, sign_repository, sign_rpm};
pub use simulate::{Span, simulate};
pub use work::{NeedError, NewNode, Work};
pub use worker::{Cancel, End, Outcome, WorkerContext};
