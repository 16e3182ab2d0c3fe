//! From arguments to what the engine needs: configuration, files, shell, the list of specs.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedplate_diag::{Diagnostic, Source, Sources};
use bedplate_shell::{Chain, DiskFiles, Facts, Profile, Recorded, ShellMode};
use bedplate_spec::host::{Files, Machine, Shell};
use bedplate_spec::{ConfigRequest, Dialect, MacroConfig};

use crate::cli::{MacroArgs, ShellArgs, ShellChoice, SpecPaths};
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::ui::Ui;

/// Stack of a thread that reads specs: macros may nest 64 deep, with Lua in between.
pub(crate) const STACK_SIZE: usize = 64 << 20;

/// The rpm configuration of the host.
const DEFAULT_CONFIG: &str = "/usr/lib/rpm";

/// All that is shared by the specs of a run.
pub(crate) struct World {
    pub(crate) config: Arc<MacroConfig>,
    pub(crate) config_dir: String,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) source_dir: Option<String>,
    record: Option<(String, Arc<Recorded>)>,
}

impl World {
    /// Reads the configuration that the arguments name; what is wrong in it is reported.
    pub(crate) fn new(args: &MacroArgs, ui: &Ui) -> Result<Self, Failure> {
        Self::with_policy(args, &Policy::default(), ui)
    }

    /// The same, with the macros of a distribution over it. What the arguments say goes before what the policy says.
    pub(crate) fn with_policy(args: &MacroArgs, policy: &Policy, ui: &Ui) -> Result<Self, Failure> {
        let seed = policy.config.as_deref().and_then(Path::to_str);
        let config_dir = absolute(args.config.as_deref().or(seed).unwrap_or(DEFAULT_CONFIG))?;
        if !Path::new(&config_dir).is_dir() {
            return Err(Failure::input(format!("no such folder: {config_dir}"))
                .hint("`--config` names an rpm configuration, with `rpmrc` and `macros` in it"));
        }
        let files: Arc<dyn Files> = Arc::new(DiskFiles);
        let machine = machine(&config_dir);
        let (chain, record) = chain(&args.shell, &config_dir, &files, &machine, ui)?;
        let shell: Arc<dyn Shell> = Arc::clone(&chain) as Arc<dyn Shell>;
        let mut request =
            ConfigRequest::of_directory(&config_dir, args.dialect.or(policy.dialect).unwrap_or(Dialect::V4_18));
        if let Some(macros) = &args.macros {
            request.macros = macros.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        }
        if args.config.is_none() && seed.is_some() {
            // A build sees it in its own root.
            DEFAULT_CONFIG.clone_into(&mut request.directory);
        }
        request.macros.extend(policy.files.iter().map(|path| path.to_string_lossy().into_owned()));
        request.target = Some(args.target.clone());
        request.defines.clone_from(&args.define);
        args.with.iter().for_each(|name| request.with(name));
        args.without.iter().for_each(|name| request.without(name));
        let config = MacroConfig::read(&request, &files, &shell, &machine);
        let bad: Vec<Diagnostic> = config.diagnostics().iter().filter(|one| one.is_error()).cloned().collect();
        let sources = config.sources();
        // A bad definition in a macro file is left out, as rpm does; a bad one of the command line is the user's.
        let (mine, theirs): (Vec<_>, Vec<_>) = bad.into_iter().partition(|one| {
            one.span.and_then(|span| sources.get(span.source)).is_some_and(|source| source.name() == "<command line>")
        });
        ui.diagnostics(&theirs, &sources);
        if !mine.is_empty() {
            ui.diagnostics(&mine, &sources);
            return Err(Failure::input("a definition of the command line is bad").hint("write `--define 'NAME BODY'`"));
        }
        let source_dir = args.sourcedir.as_deref().map(absolute).transpose()?;
        Ok(Self { config, config_dir, files, chain, machine: Arc::new(machine), source_dir, record })
    }

    pub(crate) fn shell(&self) -> Arc<dyn Shell> {
        Arc::clone(&self.chain) as Arc<dyn Shell>
    }

    /// Writes the recorded answers, if that was asked for.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let Some((path, recorded)) = &self.record else { return Ok(()) };
        recorded.save(Path::new(path)).map_err(|error| Failure::io("cannot write", path, &error.source))
    }
}

/// The machine as specs see it: nothing of the real one but the number of processors.
fn machine(config_dir: &str) -> Machine {
    let cpus = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let mut machine = Machine { cpus, now, ..Machine::default() };
    // The schema of the JSON answer names both variables; the second lets the conformance cases see that the
    // environment is this one and not the machine's.
    machine.environment.insert("RPM_CONFIGDIR".to_owned(), config_dir.to_owned());
    machine.environment.insert("CONFORMANCE".to_owned(), "from environment".to_owned());
    machine
}

type Record = Option<(String, Arc<Recorded>)>;

fn chain(
    args: &ShellArgs,
    config_dir: &str,
    files: &Arc<dyn Files>,
    machine: &Machine,
    ui: &Ui,
) -> Result<(Arc<Chain>, Record), Failure> {
    let mode = match args.shell {
        ShellChoice::Sandbox => ShellMode::Sandbox,
        ShellChoice::Run => ShellMode::Run,
        ShellChoice::Off => ShellMode::Off,
    };
    let mut chain = Chain::new(mode, Arc::clone(files)).showing(vec![PathBuf::from(config_dir)]);
    let mut profile = match &args.profile {
        Some(path) => read_checked(path, ui, Profile::parse)?,
        None => Profile::of_facts(Facts::default()),
    };
    // Builds run as root of their own world, whoever started them: `%(id -un)` says the same everywhere.
    let facts = profile.facts_mut();
    facts.cpus.get_or_insert(machine.cpus);
    facts.user.get_or_insert_with(|| "root".to_owned());
    facts.now.get_or_insert(machine.now);
    chain = chain.with_profile(profile);
    if let Some(path) = &args.recorded {
        chain = chain.with_recorded(Arc::new(read_checked(path, ui, Recorded::parse)?));
    }
    let mut record = None;
    if let Some(path) = &args.record {
        let recorded = Arc::new(Recorded::new());
        chain = chain.recording_to(Arc::clone(&recorded));
        record = Some((path.clone(), recorded));
    }
    Ok((Arc::new(chain), record))
}

/// Reads a file whose parser reports diagnostics.
pub(crate) fn read_checked<T>(
    path: &str,
    ui: &Ui,
    parse: impl FnOnce(bedplate_diag::SourceId, &str) -> Result<T, Vec<Diagnostic>>,
) -> Result<T, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::io("cannot read", path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::input(format!("{path}:{line}: the text is not UTF-8"))
    })?;
    let mut sources = Sources::new();
    let id = sources.add(Source::new(path, text.as_str()));
    parse(id, &text).map_err(|diagnostics| {
        ui.diagnostics(&diagnostics, &sources);
        Failure::input(format!("{path} has mistakes"))
    })
}

/// A path from the root, without `.` and `..` where it can be said.
pub(crate) fn absolute(path: &str) -> Result<String, Failure> {
    let path = Path::new(path);
    let full = std::path::absolute(path).map_err(|error| Failure::io("bad path", &path.to_string_lossy(), &error))?;
    let mut plain = PathBuf::new();
    for part in full.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Ok(plain.to_string_lossy().into_owned())
}

/// A spec to read: where it is and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct SpecPath {
    /// Path from the root.
    pub(crate) path: String,
    /// As the user named it.
    pub(crate) shown: String,
}

impl SpecPath {
    /// The folder of the spec.
    pub(crate) fn folder(&self) -> String {
        Path::new(&self.path).parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// The specs that the arguments name, in their order; those of a folder are sorted by path.
pub(crate) fn spec_paths(args: &SpecPaths) -> Result<Vec<SpecPath>, Failure> {
    let mut found = Vec::new();
    for path in &args.paths {
        let full = absolute(path)?;
        if Path::new(&full).is_dir() {
            let before = found.len();
            specs_below(Path::new(path), &mut found)?;
            if found.len() == before {
                return Err(Failure::input(format!("no spec below {path}")).hint("a spec's name ends in `.spec`"));
            }
        } else {
            found.push(SpecPath { path: full, shown: path.clone() });
        }
    }
    if let Some(list) = &args.list {
        let mut text = String::new();
        if list == "-" {
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::io("cannot read", "standard input", &error))?;
        } else {
            text = std::fs::read_to_string(list).map_err(|error| Failure::io("cannot read", list, &error))?;
        }
        let root = args.root.as_deref().unwrap_or_default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            let path = if root.is_empty() { line.to_owned() } else { format!("{root}/{line}") };
            found.push(SpecPath { path: absolute(&path)?, shown: line.to_owned() });
        }
    }
    Ok(found)
}

fn specs_below(folder: &Path, found: &mut Vec<SpecPath>) -> Result<(), Failure> {
    let shown = folder.to_string_lossy();
    let fail = |error: std::io::Error| Failure::io("cannot read folder", &shown, &error);
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        entries.push(entry.map_err(fail)?.path());
    }
    entries.sort();
    for entry in entries {
        let is_link = entry.symlink_metadata().is_ok_and(|data| data.is_symlink());
        if entry.is_dir() && !is_link {
            specs_below(&entry, found)?;
        } else if entry.extension().is_some_and(|extension| extension == "spec") {
            let shown = entry.to_string_lossy().into_owned();
            found.push(SpecPath { path: absolute(&shown)?, shown });
        }
    }
    Ok(())
}
