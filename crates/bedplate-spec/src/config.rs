//! The configuration that all specs of a run share: rpmrc, macro files, target, definitions of the command line.

use std::rc::Rc;
use std::sync::Arc;

use bedplate_diag::{Diagnostic, Source, Sources, text};
use bedplate_model::{Machine as TargetMachine, MachineTable, RpmRc, target_macros};

use crate::dialect::Dialect;
use crate::host::{Files, Machine, Shell};
use crate::macros::builtin::Builtin;
use crate::macros::engine::{Engine, World};
use crate::macros::table::{BaseTable, Body, level};

/// What to read, and for which target. The caller says which files; nothing of the machine is read by itself.
#[derive(Debug, Clone)]
pub struct ConfigRequest {
    /// Which rpm to follow.
    pub dialect: Dialect,
    /// What `%{getconfdir}` says: the folder of rpm's configuration.
    pub directory: String,
    /// `rpmrc` files, in order.
    pub rpmrc: Vec<String>,
    /// Macro files as shell patterns, in order; `%{_target}` in them is the target. Later definitions win.
    pub macros: Vec<String>,
    /// The target: `x86_64`, `x86_64-linux`, `x86_64-vendor-linux-gnu`; the machine itself if there is none.
    pub target: Option<String>,
    /// The architecture of the machine as `uname -m` gives it.
    pub machine: String,
    /// Definitions of the command line, `NAME BODY` each, in order.
    pub defines: Vec<String>,
}

impl ConfigRequest {
    /// The files of a configuration folder as rpm installs it: `rpmrc`, `macros`, `macros.d/macros.*` and
    /// `platform/TARGET/macros`.
    pub fn of_directory(directory: &str, dialect: Dialect) -> Self {
        let files = ["macros", "macros.d/macros.*", "platform/%{_target}/macros"];
        Self {
            dialect,
            directory: directory.to_owned(),
            rpmrc: vec![format!("{directory}/rpmrc")],
            macros: files.iter().map(|file| format!("{directory}/{file}")).collect(),
            target: None,
            machine: "x86_64".to_owned(),
            defines: Vec::new(),
        }
    }

    /// Adds the definitions of `--with NAME`.
    pub fn with(&mut self, name: &str) {
        self.defines.push(format!("_with_{name} --with-{name}"));
    }

    /// Adds the definitions of `--without NAME`.
    pub fn without(&mut self, name: &str) {
        self.defines.push(format!("_without_{name} --without-{name}"));
    }
}

/// A configuration that was read: shared by all specs of a run.
pub struct MacroConfig {
    pub(crate) dialect: Dialect,
    pub(crate) directory: String,
    pub(crate) base: Arc<BaseTable>,
    pub(crate) texts: Arc<Vec<Arc<Source>>>,
    pub(crate) rpmrc: RpmRc,
    pub(crate) machine: TargetMachine,
    diagnostics: Vec<Diagnostic>,
}

impl std::fmt::Debug for MacroConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MacroConfig")
            .field("dialect", &self.dialect)
            .field("directory", &self.directory)
            .field("macros", &self.base.len())
            .finish_non_exhaustive()
    }
}

/// Definitions of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroDefinition {
    /// The name without its percent sign.
    pub name: String,
    /// Options of a parametric macro.
    pub options: Option<String>,
    /// The body before expansion.
    pub body: String,
    /// File, line and column of the definition; none for built-ins and for what the engine defines.
    pub origin: Option<(String, u32, u32)>,
    /// True for the macros that rpm itself knows.
    pub is_builtin: bool,
}

impl MacroConfig {
    /// Reads a configuration (`rpmReadConfigFiles()` in `lib/rpmrc.c`).
    ///
    /// Mistakes in the files are kept in [`Self::diagnostics`]: a bad definition is left out, the rest is good.
    pub fn read(
        request: &ConfigRequest,
        files: &Arc<dyn Files>,
        shell: &Arc<dyn Shell>,
        machine: &Machine,
    ) -> Arc<Self> {
        let mut diagnostics = Vec::new();
        let target_machine = TargetMachine::linux(request.machine.as_str());
        let rpmrc = read_rpmrc(request, files.as_ref(), &mut diagnostics);
        let bootstrap = Arc::new(Self {
            dialect: request.dialect,
            directory: request.directory.clone(),
            base: Arc::default(),
            texts: Arc::default(),
            rpmrc: rpmrc.clone(),
            machine: target_machine.clone(),
            diagnostics: Vec::new(),
        });
        let world = World { files: Arc::clone(files), shell: Arc::clone(shell), machine: Arc::new(machine.clone()) };
        let engine = Engine::new(bootstrap, world);
        for (name, builtin) in Builtin::all(request.dialect) {
            engine.push(name, Body::Builtin(builtin), level::BUILTIN);
        }
        let target = request.target.as_deref();
        for (name, body) in target_macros(&RpmRc::default(), &target_machine, target) {
            engine.define(&name, &body, level::RPMRC);
        }
        if let Some(flags) = rpmrc.optflags(&request.machine) {
            engine.define("optflags", flags, level::RPMRC);
        }
        // All patterns are expanded before the first file is read: files may redefine `%{_target}`.
        let patterns: Vec<String> = request.macros.iter().map(|pattern| engine.expand_path(pattern)).collect();
        for pattern in &patterns {
            for path in files.glob(pattern) {
                if !is_left_over(&path, request.dialect) {
                    // What is wrong in a file is in the engine's diagnostics.
                    let _ = engine.load_macro_file(&path);
                }
            }
        }
        let settled = target_macros(&rpmrc, &target_machine, target);
        let has_flags = settled.iter().any(|(name, _)| name == "optflags");
        for (name, body) in settled {
            engine.pop(&name);
            engine.define(&name, &body, level::RPMRC);
        }
        if !has_flags
            && request.dialect >= Dialect::V4_20
            && let Some(flags) = rpmrc.build_optflags(&target_machine)
        {
            engine.pop("optflags");
            engine.define("optflags", flags, level::RPMRC);
        }
        for define in &request.defines {
            define_on_command_line(&engine, define);
        }
        diagnostics.append(&mut engine.diagnostics.borrow_mut());
        let texts: Vec<Arc<Source>> = engine.texts.borrow().iter().cloned().collect();
        let base = engine.table.take().into_base();
        Arc::new(Self {
            dialect: request.dialect,
            directory: request.directory.clone(),
            base: Arc::new(base),
            texts: Arc::new(texts),
            rpmrc,
            machine: target_machine,
            diagnostics,
        })
    }

    /// What was wrong in the files.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The texts that the diagnostics point into.
    pub fn sources(&self) -> Sources {
        Sources::with_base(Arc::clone(&self.texts))
    }

    /// Which rpm is followed.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// True if the machine can build packages of an architecture.
    pub(crate) fn can_build(&self, arch: &str) -> bool {
        self.rpmrc.machine_score(MachineTable::BuildArch, &self.machine, arch) != 0
    }

    /// All definitions in force, sorted by name.
    pub fn definitions(self: &Arc<Self>) -> Vec<MacroDefinition> {
        let table = crate::macros::table::Table::over(Arc::clone(&self.base));
        let sources = self.sources();
        let all = table.all();
        all.iter()
            .map(|entry| MacroDefinition {
                name: entry.name.to_string(),
                options: entry.options.as_deref().map(str::to_owned).filter(|_| !entry.is_builtin()),
                body: entry.body_text().to_owned(),
                origin: entry.origin.and_then(|span| {
                    let (name, at) = sources.locate(span)?;
                    Some((name.to_owned(), at.line, at.column))
                }),
                is_builtin: entry.is_builtin(),
            })
            .collect()
    }
}

/// Makes a definition of `--define`, and reports a bad one with the argument as its text.
pub(crate) fn define_on_command_line(engine: &Rc<Engine>, define: &str) {
    let source = engine.add_text("<command line>", define);
    let place = crate::macros::engine::Place { source, base: 0, call: (0, define.len()) };
    let before = engine.place.replace(Some(place));
    // The mistake is in the diagnostics, and makes the run bad there.
    let _ = engine.define_text(define, level::COMMAND_LINE);
    engine.place.set(before);
}

fn read_rpmrc(request: &ConfigRequest, files: &dyn Files, diagnostics: &mut Vec<Diagnostic>) -> RpmRc {
    let mut rpmrc = RpmRc::default();
    for path in &request.rpmrc {
        match files.read(path) {
            Ok(bytes) => {
                let mut include = |path: &str| files.read(path).ok().map(|bytes| text::from_bytes(&bytes));
                for problem in rpmrc.read(&text::from_bytes(&bytes), &mut include) {
                    let file = problem.file.as_ref().unwrap_or(path);
                    diagnostics
                        .push(Diagnostic::error("bad-rpmrc", format!("{file}:{}: {}", problem.line, problem.message)));
                }
            }
            Err(error) => diagnostics.push(
                Diagnostic::error("unreadable-file", format!("unable to open {path} for reading: {error}"))
                    .hint("`--config` names a folder with `rpmrc` and `macros`, such as `/usr/lib/rpm`"),
            ),
        }
    }
    rpmrc
}

/// True for what a package manager or an editor left beside a macro file.
fn is_left_over(path: &str, dialect: Dialect) -> bool {
    let odd_end = || path.bytes().last().is_some_and(|b| !b.is_ascii_alphanumeric());
    [".rpmnew", ".rpmsave", ".rpmorig"].iter().any(|suffix| path.ends_with(suffix))
        || (dialect >= Dialect::V4_20 && odd_end())
}
