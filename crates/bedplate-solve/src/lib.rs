//! Which packages to install, and why.
//!
//! Pure: packages in, an answer out. The same question has the same answer, always.
//!
//! ```text
//! Repository ── Universe ──┐
//! Request ─────────────────┴─ solve ──▶ Solution: packages, each with its reason
//!                                └────▶ Failure: a tree of reasons
//! ```
//!
//! The search is resolvo's; `encoding.rs` says how packages are told to it, `catalogue.rs` which are tried first, and
//! `docs/solver.md` what all of it means. An answer can be checked without the search: [`check()`].

mod catalogue;
mod check;
mod encoding;
mod explain;
mod facts;
mod lock;
mod logic;
mod pattern;
mod problem;
mod reason;
mod request;
mod rpmlib;
mod solution;
mod solver;
mod universe;

pub use check::{Violation, check, holds};
pub use lock::{Changed, Lock, LockEntry};
pub use pattern::Pattern;
pub use problem::{Problem, ProblemError};
pub use reason::{Failure, Reason, What};
pub use request::{Item, ItemError, LockedPackage, Options, Request, Wanted};
pub use solution::{Chosen, Solution, Why};
pub use solver::{Solver, solve};
pub use universe::{Duplicate, PackageId, Repository, RepositoryId, Universe};
