//! Runs a build in a root of its own, without network, with limits.
//!
//! ```text
//! us ──start──▶ keeper ──clone──▶ process 1 of new namespaces: user, mount, pid, ipc, uts, net, cgroup
//!  │ order       maps the users    │ overlay of the layers and a private upper folder, pivot_root, /proc, /dev
//!  ├────────────▶ waits            ├─fork─▶ watcher of the disk
//!  │                               ├─fork─▶ preparing commands, as root of the sandbox
//!  ◀─ log (pipe), reports (socket) ┴─fork─▶ the build: user `builder`, no rights, seccomp
//! ```
//!
//! [`run`] blocks until the build has ended, a limit was hit or somebody called [`Cancel::cancel`]; then no process of it lives,
//! no mount is left, and what it wrote lies in `scratch/upper`. Nothing outlives us, however we die: the keeper sees its
//! socket close and kills process 1, and with it the kernel kills all the others and drops the mounts.
//!
//! What a build sees and what it does not is a table in `docs/sandbox.md`. This crate decides the policy; the system calls are
//! in `bedplate-sys`. It knows nothing of packages.
//!
//! The executable must call [`child_main`] when its first argument is [`HELPER_ARGUMENT`].

mod cgroup;
mod channel;
mod command;
mod disk;
mod error;
mod handle;
mod image;
mod init;
mod job;
mod keeper;
mod lines;
mod numbers;
mod outcome;
mod policy;
mod process_tree;
mod remove;
mod root;
mod series;
mod supervisor;
mod terminal;
mod text;
mod users;
mod violation;
mod written;

pub use bedplate_sys::sandbox::Helper;
pub use error::SandboxError;
pub use job::{Bind, Cancel, Job, Limits, Mode};
pub use keeper::child_main;
pub use outcome::{End, LimitKind, Outcome, Protocol, Violation};
pub use remove::remove;
pub use series::{Command, CommandEnd, Owner, Series, SeriesEvent, SeriesOutcome, run_series};
pub use supervisor::run;
pub use written::{Written, WrittenKind, written};

/// The first argument that makes our executable a keeper of builds instead of the command a person asked for.
pub const HELPER_ARGUMENT: &str = "__bedplate-build";

/// The user and the group that builds run as.
pub const BUILDER: u32 = 1000;

/// The host name that builds see.
pub const HOST_NAME: &str = "bedplate";

/// The home of the builder, and the top folder of its builds.
pub const BUILD_FOLDER: &str = "/build";
