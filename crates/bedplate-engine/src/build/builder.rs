//! Runs the steps of builds in the sandbox, and keeps what they make.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use bedplate_cas::{ActionEntry, Digest, Output as OutputFile, OutputTree, Store, StoreError};
use bedplate_diag::Category;
use bedplate_repo::{Payload, read_package};
use bedplate_sandbox::{Bind, Cancel, End as SandboxEnd, Helper, Job, Limits, Mode};
use serde::{Deserialize, Serialize};

use super::action::{Policy, Prepared, Step, TOP};
use super::facts::{PackageFacts, is_debug};
use super::hint::{Providers, hints};
use super::leftovers::{Left, Leftovers};
use super::spec::BuildSpec;
use super::tree::{TreeFault, unpack};
use crate::files::files_below;
use crate::{Jobserver, NodeFailure, Usage, WorkerContext, relevant_lines};

/// Changes when the same package would be unpacked to another tree.
const TAKEN: &str = "bedplate package tree 1";

/// Where the jobserver is in a sandbox.
const JOBSERVER: &str = "/run/bedplate/jobserver";

/// What all builds of a run share.
#[derive(Debug)]
pub struct Builder {
    /// The store.
    pub store: Store,
    /// The macros of the distribution.
    pub policy: Policy,
    /// Which executable the sandbox starts.
    pub helper: Helper,
    /// The bounds of each step.
    pub limits: Limits,
    /// The tokens that all builds share; none gives each build as many processes as there are jobs.
    pub jobserver: Option<Jobserver>,
    /// How many processes builds may run together.
    pub cpus: usize,
    /// The folder of logs.
    pub logs: PathBuf,
    /// The folder of roots of failed steps, on the file system of the store.
    pub failed: PathBuf,
    /// Trees of which something is lost.
    pub lost: Mutex<Vec<Digest>>,
    /// Deletes what steps left.
    pub leftovers: Leftovers,
}

/// What a build made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Built {
    /// Its packages.
    pub packages: Vec<PackageFacts>,
}

/// What `rpmbuild -bs` made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePackage {
    /// The file's name.
    pub file: String,
    /// The file, without a signature.
    pub rpm: Digest,
    /// Its content identity.
    pub identity: String,
}

/// A step that ran to its end.
pub(crate) struct Ran<T> {
    pub(crate) made: T,
    pub(crate) usage: Usage,
    pub(crate) wall: Duration,
    pub(crate) log: PathBuf,
    /// What it left in its root.
    pub(crate) left: Left,
}

/// Why a step gave nothing.
pub(crate) enum Fault {
    Failed { failure: Box<NodeFailure>, usage: Usage, log: Option<PathBuf> },
    Cancelled,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Failed { failure: Box::new(store_failure(&error)), usage: Usage::default(), log: None }
    }
}

/// A failure of the store, for people. A lost blob can be made again.
pub(crate) fn store_failure(error: &StoreError) -> NodeFailure {
    NodeFailure {
        hint: error.hint().map(str::to_owned),
        retryable: false,
        ..NodeFailure::new(error.category(), error.to_string())
    }
}

fn environment(message: impl Into<String>) -> NodeFailure {
    NodeFailure::new(Category::Environment, message)
}

impl Builder {
    /// What a build made, if the store has it.
    pub(crate) fn cached_build(&self, action: &Digest) -> Result<Option<Built>, StoreError> {
        self.cached(action)
    }

    /// The source package, if the store has it.
    pub(crate) fn cached_source(&self, action: &Digest) -> Result<Option<SourcePackage>, StoreError> {
        self.cached(action)
    }

    /// What `%generate_buildrequires` said, if the store has it.
    pub(crate) fn cached_requires(&self, action: &Digest) -> Result<Option<Vec<String>>, StoreError> {
        self.cached(action)
    }

    /// Whether the tests are known to pass.
    pub(crate) fn cached_check(&self, action: &Digest) -> Result<bool, StoreError> {
        Ok(self.store.action(action)?.is_some())
    }

    fn cached<T: serde::de::DeserializeOwned>(&self, action: &Digest) -> Result<Option<T>, StoreError> {
        let Some(entry) = self.store.action(action)? else { return Ok(None) };
        // An entry whose words are not ours is as good as none.
        Ok(serde_json::from_value(entry.about).ok())
    }

    /// The key of what a package file installs, by its content identity, and the tree if the store has it.
    pub(crate) fn cached_tree(&self, rpm: &Digest) -> Result<(Digest, Option<Digest>), NodeFailure> {
        let path = self.store.path_of(rpm).map_err(|error| store_failure(&error))?;
        let key = Digest::of(format!("{TAKEN}\n{}\n", self.identity(&path)?).as_bytes());
        let entry = self.store.action(&key).map_err(|error| store_failure(&error))?;
        Ok((key, entry.and_then(|entry| Some(entry.trees.first()?.digest))))
    }

    /// Unpacks a package of a repository.
    pub(crate) fn take(&self, name: &str, rpm: &Digest) -> Result<(), NodeFailure> {
        let (key, _) = self.cached_tree(rpm)?;
        let path = self.store.path_of(rpm).map_err(|error| store_failure(&error))?;
        let tree = self.unpacked(&path)?;
        let entry = ActionEntry::assembled(
            Vec::new(),
            vec![OutputTree { path: String::new(), digest: tree }],
            serde_json::json!({ "package": name }),
        );
        self.store.record(&key, &entry).map_err(|error| store_failure(&error))
    }

    /// The tree of a package file.
    fn unpacked(&self, path: &Path) -> Result<Digest, NodeFailure> {
        unpack(&self.store, path).map_err(|fault| match fault {
            TreeFault::Store(error) => store_failure(&error),
            TreeFault::Package(why) => environment(why),
        })
    }

    /// Makes the source package.
    pub(crate) fn source(
        &self,
        spec: &BuildSpec,
        prepared: &Prepared,
        providers: &dyn Providers,
        context: &WorkerContext,
    ) -> Result<SourcePackage, Fault> {
        let ran = self.run(spec, Step::Source, prepared, None, providers, context)?;
        let found = files_of(&ran.left.path().join("upper/build/SRPMS"))?;
        let [path] = found.as_slice() else {
            return Err(ran.failed(environment(format!("rpmbuild made {} source packages", found.len()))));
        };
        let made = SourcePackage {
            file: file_name(path),
            rpm: self.store.put_file(path)?,
            identity: self.identity(path).map_err(|failure| ran.failed(failure))?,
        };
        let outputs = vec![OutputFile { path: format!("SRPMS/{}", made.file), digest: made.rpm, executable: false }];
        self.remember(prepared, &ran, outputs, Vec::new(), &made)?;
        Ok(made)
    }

    /// Asks `%generate_buildrequires` what it needs beside what is there.
    pub(crate) fn requires(
        &self,
        spec: &BuildSpec,
        prepared: &Prepared,
        providers: &dyn Providers,
        context: &WorkerContext,
    ) -> Result<Ran<Vec<String>>, Fault> {
        let ran = self.run(spec, Step::Requires, prepared, None, providers, context)?;
        let found = files_of(&ran.left.path().join("upper/build/SRPMS"))?;
        let [path] = found.as_slice() else {
            return Err(ran.failed(environment("rpmbuild wrote no list of build requirements")));
        };
        let read = read_package(path, &file_name(path), 0, Payload::Size);
        let read = read.map_err(|problems| ran.failed(environment(text_of(path, &problems))))?;
        let requires = read.package.package.requires.iter().filter(|one| !one.name.starts_with("rpmlib("));
        let made: Vec<String> = requires.map(ToString::to_string).collect();
        self.remember(prepared, &ran, Vec::new(), Vec::new(), &made)?;
        Ok(ran.with(made))
    }

    /// Builds the binary packages.
    pub(crate) fn build(
        &self,
        spec: &BuildSpec,
        prepared: &Prepared,
        providers: &dyn Providers,
        context: &WorkerContext,
    ) -> Result<Ran<Built>, Fault> {
        let ran = self.run(spec, Step::Build, prepared, None, providers, context)?;
        context.phase("keep");
        let found = files_of(&ran.left.path().join("upper/build/RPMS"))?;
        if found.is_empty() {
            let failure = NodeFailure {
                hint: Some("a package is made if it has a `%files` section".to_owned()),
                ..NodeFailure::new(Category::Build, "the build made no package")
            };
            return Err(ran.failed(failure));
        }
        let mut built = Built::default();
        let (mut outputs, mut trees) = (Vec::new(), Vec::new());
        for path in &found {
            let facts = self.keep(path).map_err(|failure| ran.failed(failure))?;
            let below = format!("RPMS/{}", facts.file);
            outputs.push(OutputFile { path: below.clone(), digest: facts.rpm, executable: false });
            trees.extend(facts.tree.map(|digest| OutputTree { path: below, digest }));
            built.packages.push(facts);
        }
        built.packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
        self.remember(prepared, &ran, outputs, trees, &built)?;
        Ok(ran.with(built))
    }

    /// Runs the tests: in what the build left, if it is given, else from the start.
    pub(crate) fn check(
        &self,
        spec: &BuildSpec,
        prepared: &Prepared,
        left: Option<&Path>,
        providers: &dyn Providers,
        context: &WorkerContext,
    ) -> Result<Ran<()>, Fault> {
        let ran = self.run(spec, Step::Check, prepared, left, providers, context)?;
        self.remember(prepared, &ran, Vec::new(), Vec::new(), &())?;
        Ok(ran)
    }

    /// Puts a package into the store, with its tree and what planning needs of it.
    fn keep(&self, path: &Path) -> Result<PackageFacts, NodeFailure> {
        let file = file_name(path);
        let read = read_package(path, &file, 0, Payload::Size);
        let package = read.map_err(|problems| environment(text_of(path, &problems)))?.package.package;
        let rpm = self.store.put_file(path).map_err(|error| store_failure(&error))?;
        let identity = self.identity(path)?;
        let tree = (!is_debug(package.name())).then(|| self.unpacked(path)).transpose()?;
        Ok(PackageFacts::new(&package, file, rpm, identity, tree))
    }

    fn identity(&self, path: &Path) -> Result<String, NodeFailure> {
        let identity = bedplate_repo::content_identity(path);
        let identity = identity.map_err(|problem| environment(format!("{}: {problem}", path.display())))?;
        Ok(Digest { hash: identity, size: 0 }.hex())
    }

    fn remember<T>(
        &self,
        prepared: &Prepared,
        ran: &Ran<T>,
        outputs: Vec<OutputFile>,
        trees: Vec<OutputTree>,
        about: &impl Serialize,
    ) -> Result<(), StoreError> {
        let log = self.store.put_file(&ran.log)?;
        let entry = ActionEntry {
            exit_code: 0,
            outputs,
            trees,
            log: Some(log),
            wall_seconds: ran.wall.as_secs_f64(),
            cpu_seconds: ran.usage.cpu_seconds,
            peak_memory_bytes: ran.usage.peak_memory.unwrap_or(0),
            about: serde_json::to_value(about).unwrap_or_default(),
        };
        self.store.record(&prepared.action, &entry)
    }

    /// Runs one step. `below` is what an earlier step left, which lies over the step's own layers.
    fn run(
        &self,
        spec: &BuildSpec,
        step: Step,
        prepared: &Prepared,
        below: Option<&Path>,
        providers: &dyn Providers,
        context: &WorkerContext,
    ) -> Result<Ran<()>, Fault> {
        context.phase("root");
        let mut layers = Vec::with_capacity(prepared.layers.len() + 1);
        layers.extend(below.map(|left| left.join("upper")));
        for layer in &prepared.layers {
            layers.push(self.layer(layer)?);
        }
        let folder = self.store.work(&format!("{}-{}", spec.name, step.word()))?;
        let left = self.leftovers.look_after(folder);
        let log_path = self.logs.join(match step {
            Step::Build => format!("{}.log", spec.name),
            other => format!("{}.{}.log", spec.name, other.word()),
        });
        let log_error = |error: std::io::Error| Fault::Failed {
            failure: Box::new(environment(format!("cannot write {}: {error}", log_path.display()))),
            usage: Usage::default(),
            log: None,
        };
        let mut log = std::fs::create_dir_all(&self.logs)
            .and_then(|()| File::create(&log_path))
            .map(std::io::BufWriter::new)
            .map_err(log_error)?;

        let mut argv: Vec<String> = prepared.arguments.clone();
        if below.is_some() {
            argv.insert(2, "--short-circuit".to_owned());
        }
        let mut env = prepared.environment.clone();
        let mut binds = Vec::new();
        env.push(("RPM_BUILD_NCPUS".to_owned(), self.cpus.to_string()));
        match &self.jobserver {
            Some(jobserver) => {
                binds.push(Bind { source: jobserver.path().to_owned(), target: JOBSERVER.into(), writable: true });
                let flags = Jobserver::make_flags(JOBSERVER);
                env.push(("MAKEFLAGS".to_owned(), flags.clone()));
                env.push(("CARGO_MAKEFLAGS".to_owned(), flags));
            }
            None => env.push(("MAKEFLAGS".to_owned(), format!("-j{}", self.cpus))),
        }
        let job = Job {
            layers,
            scratch: left.path().to_owned(),
            binds,
            prepare: vec![vec!["/sbin/ldconfig".into()]],
            argv: argv.into_iter().map(Into::into).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            folder: TOP.into(),
            limits: self.limits.clone(),
            mode: Mode::Batch,
        };
        let (mut written, mut reached) = (Ok(()), String::new());
        let mut on_line = |line: &[u8]| {
            if written.is_ok() {
                written = log.write_all(line).and_then(|()| log.write_all(b"\n"));
            }
            let text = String::from_utf8_lossy(line);
            if let Some(phase) = phase(&text) {
                reached.clone_from(&phase);
                context.phase(phase);
            }
            context.output(text);
        };
        // Who runs holds a token: the one process that make takes for granted.
        let token = match &self.jobserver {
            Some(jobserver) => {
                let token = jobserver.acquire(&context.cancel).map_err(|error| Fault::Failed {
                    failure: Box::new(NodeFailure::new(error.category(), chain(&error))),
                    usage: Usage::default(),
                    log: None,
                })?;
                Some(token.ok_or(Fault::Cancelled)?)
            }
            None => None,
        };
        context.phase("start");
        let cancel = Cancel::from(std::sync::Arc::clone(context.cancel.flag()));
        let outcome = bedplate_sandbox::run(&job, &self.helper, &cancel, &mut on_line);
        drop(token);
        written.and_then(|()| log.flush()).map_err(log_error)?;
        let outcome = outcome.map_err(|error| Fault::Failed {
            failure: Box::new(NodeFailure::new(error.category(), chain(&error))),
            usage: Usage::default(),
            log: Some(log_path.clone()),
        })?;
        let usage = Usage { cpu_seconds: outcome.cpu_seconds, peak_memory: Some(outcome.peak_memory_bytes) };
        let ran = Ran { made: (), usage, wall: outcome.wall, log: log_path, left };
        // With `-br`, rpm says 11 when it wrote the list.
        let is_good =
            matches!((&outcome.end, step), (SandboxEnd::Exited(0), _) | (SandboxEnd::Exited(11), Step::Requires));
        if is_good {
            return Ok(ran);
        }
        if outcome.end == SandboxEnd::Cancelled {
            return Err(Fault::Cancelled);
        }
        let failure = self.explain(&outcome, &ran.log, providers, &reached);
        let fault = ran.failed(failure);
        self.keep_failed(spec, step, prepared, below, ran.left.path());
        Err(fault)
    }

    /// What to say of a step that failed.
    fn explain(
        &self,
        outcome: &bedplate_sandbox::Outcome,
        log: &Path,
        providers: &dyn Providers,
        phase: &str,
    ) -> NodeFailure {
        let what = match &outcome.end {
            SandboxEnd::Exited(status) => format!("rpmbuild ended with status {status}"),
            SandboxEnd::Limit(_, why) => why.clone(),
            other => format!("rpmbuild was ended by {other}"),
        };
        let message = if phase.is_empty() { what } else { format!("{phase}: {what}") };
        let text = std::fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(MOST_READ)..]);
        let mut failure = NodeFailure::new(Category::Build, message);
        failure.lines = relevant_lines(&text);
        let mut said: Vec<String> =
            outcome.violations.iter().map(|one| format!("{one}: a build has no network")).collect();
        said.extend(hints(failure.lines.iter().map(String::as_bytes), providers));
        failure.hint = (!said.is_empty()).then(|| said.join("; "));
        failure
    }

    /// Keeps the root of a failed step for `bedplate shell`; the one that was kept before goes.
    fn keep_failed(&self, spec: &BuildSpec, step: Step, prepared: &Prepared, below: Option<&Path>, left: &Path) {
        let folder = self.failed_folder(&spec.name);
        let stopped =
            Stopped { step: step.word().to_owned(), has_below: below.is_some(), ..Stopped::before(spec, prepared) };
        // It is a service to people: that a build failed is told, whether its root could be kept or not.
        let _ = bedplate_sandbox::remove(&folder, &self.helper);
        let kept = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::rename(left.join("upper"), folder.join("upper")))
            .and_then(|()| match below {
                Some(below) => std::fs::rename(below.join("upper"), folder.join("below")),
                None => Ok(()),
            })
            .and_then(|()| {
                let text = serde_json::to_vec_pretty(&stopped).unwrap_or_default();
                std::fs::write(folder.join("stopped.json"), text)
            });
        if kept.is_err() {
            let _ = bedplate_sandbox::remove(&folder, &self.helper);
        }
    }

    /// Where the root of a spec's failed step is kept.
    fn failed_folder(&self, name: &str) -> PathBuf {
        self.failed.join(name)
    }

    /// The trees that turned out to be damaged since the last call.
    pub(crate) fn take_lost(&self) -> Vec<Digest> {
        std::mem::take(&mut self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Notes a tree whose folders cannot all be read because something of it is lost.
    pub(crate) fn note_if_lost(&self, tree: &Digest) {
        if self.store.tree(tree).is_err_and(|error| error.lost().is_some()) {
            self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(*tree);
        }
    }

    /// The folder of a tree of the root; if it cannot be had because something of it is lost, that is noted.
    fn layer(&self, tree: &Digest) -> Result<PathBuf, StoreError> {
        self.store.checkout(tree).inspect_err(|error| {
            if error.lost().is_some() {
                self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(*tree);
            }
        })
    }
}

/// What is kept beside the root of a failed step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stopped {
    /// The file name of the spec.
    pub spec: String,
    /// The step: `build`, `check`, …
    pub step: String,
    /// The trees of its root, topmost first.
    pub layers: Vec<Digest>,
    /// What ran.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Whether what the build left lies between: the tests ran in it.
    pub has_below: bool,
}

impl Stopped {
    /// A build that did not begin.
    pub(crate) fn before(spec: &BuildSpec, prepared: &Prepared) -> Self {
        Self {
            spec: spec.file_name.clone(),
            step: Step::Build.word().to_owned(),
            layers: prepared.layers.clone(),
            arguments: prepared.arguments.clone(),
            environment: prepared.environment.clone(),
            has_below: false,
        }
    }
}

/// No more of a log is searched for the reason of a failure, in bytes from its end.
const MOST_READ: usize = 8 << 20;

impl<T> Ran<T> {
    fn with<U>(self, made: U) -> Ran<U> {
        Ran { made, usage: self.usage, wall: self.wall, log: self.log, left: self.left }
    }

    fn failed(&self, failure: NodeFailure) -> Fault {
        Fault::Failed { failure: Box::new(failure), usage: self.usage, log: Some(self.log.clone()) }
    }
}

/// The part of its work that rpmbuild says it begins.
fn phase(line: &str) -> Option<String> {
    let rest = line.strip_prefix("Executing(")?;
    let (phase, _) = rest.split_once(')')?;
    Some(phase.to_owned())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// An error and what caused it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn text_of(path: &Path, problems: &[bedplate_repo::Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("{}: {}", path.display(), all.join("; "))
}

/// The files that a step left in a folder, sorted; none if it is not there. Links are not files.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    match files_below(folder) {
        Ok(found) => {
            let files = found.into_iter().filter(|(_, data)| data.is_file());
            Ok(files.map(|(path, _)| folder.join(path)).collect())
        }
        Err((_, error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err((path, error)) => {
            let failure = Box::new(environment(format!("cannot read {}: {error}", path.display())));
            Err(Fault::Failed { failure, usage: Usage::default(), log: None })
        }
    }
}
