//! What has to be built before what, and why.
//!
//! Pure: specs, seed, locks and packages in, a graph out. Nothing is read, run or printed.
//!
//! ```text
//! specs ─┐
//! seed ──┼─▶ Pool (packages, who provides what) ─▶ closures of build roots ─▶ BuildGraph
//! lock ──┤                                             ▲                        │ cycles
//! repos ─┘                                             └──── cuts ◀─────────────┘
//! ```

mod capability;
mod closure;
mod cycles;
mod graph;
mod guess;
mod input;
mod maker;
mod pool;
mod schedule;
mod seed;
mod why;

pub use bedplate_solve::Repository;
pub use capability::{CapabilityLock, Learnt};
pub use cycles::Unit;
pub use graph::{BuildGraph, CutUnit, Cycle, CycleGroup, Finding, Inputs, Node, NodeId, NodeKind, State};
pub use input::{Fetch, Spec, SpecPackage, Wanted};
pub use pool::{Origin, Pool, SpecId};
pub use schedule::{DEFAULT_SECONDS, Durations};
pub use seed::{Seed, SeedGroup};
pub use why::{Goal, Step, StepKind};
