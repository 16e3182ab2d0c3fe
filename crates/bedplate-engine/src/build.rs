//! Builds packages: steps as actions, their keys, their results, and the plan of a run.
//!
//! ```text
//! BuildSpec, seed, packages, policy ─prepare─▶ action ─▶ in the store? ─▶ Built
//!                                                 └─ no ─▶ sandbox: rpmbuild ─▶ RPMs, trees, facts ─▶ store
//! ```

mod action;
mod builder;
mod facts;
mod hint;
mod inputs;
mod job;
mod leftovers;
mod plan;
mod request;
pub mod results;
mod session;
mod spec;
mod tree;

pub use action::{BUILD_FORMAT, Policy, Step};
pub use builder::{Builder, Built, SourcePackage, Stopped, chain};
pub use facts::{PackageFacts, is_debug};
pub use hint::Providers;
pub use inputs::{NamedInputs, Reason};
pub use leftovers::Leftovers;
pub use plan::{SpecResult, Verdict};
pub use request::{Checks, Request, Supplies};
pub use session::{BuildRun, Examined, build, examine, fresh_root};
pub use spec::{BuildSpec, CheckWay, FilePlace, SpecFile};
pub use tree::{TreeFault, unpack};
