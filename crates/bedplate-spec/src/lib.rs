//! Reads RPM spec files as rpm reads them, without rpm.
//!
//! The crate is pure: files, shell commands and facts of the machine come in through the traits of [`host`], and what it
//! finds wrong comes out as [`bedplate_diag::Diagnostic`] data. It follows the rpm of a chosen [`Dialect`].
//!
//! ```text
//! ConfigRequest ──read──▶ MacroConfig (shared: rpmrc, macro files, target, --define)
//!                              │
//! spec text ──────────evaluate─┴──▶ Evaluation { SourcePackage, diagnostics, texts }
//! ```
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use bedplate_spec::host::{Files, Machine, MemoryFiles, NoShell, Shell};
//! use bedplate_spec::{ConfigRequest, Dialect, MacroConfig, SpecInput, evaluate};
//!
//! let files: Arc<dyn Files> = Arc::new(MemoryFiles::new([("/conf/rpmrc", "arch_canon: x86_64: x86_64 1\n")]));
//! let shell: Arc<dyn Shell> = Arc::new(NoShell);
//! let machine = Machine::default();
//! let request = ConfigRequest::of_directory("/conf", Dialect::V4_18);
//! let config = MacroConfig::read(&request, &files, &shell, &machine);
//!
//! let text = "Name: hello\nVersion: 1.0\nRelease: 1\nSummary: A greeting\nLicense: MIT\n%description\nSays hello.\n";
//! let input = SpecInput { buildroot: Some("/root".to_owned()), ..SpecInput::new("hello.spec", text.as_bytes()) };
//! let answer = evaluate(&config, input, &files, &shell, &Arc::new(machine));
//! assert!(answer.is_good());
//! assert_eq!(answer.spec.packages[0].evr(), "1.0-1");
//! ```
//!
//! # Where the rules are from
//!
//! rpm's manual (`docs/manual/{macros,spec,conditionalbuilds,boolean_dependencies,buildsystem,lua}.md`) and, where it is
//! silent, the behaviour of rpm's `rpmio/macro.c`, `rpmio/expression.c` and `build/parse*.c`, checked by thousands of
//! answers of the real rpm. Each module names its source.

pub mod canonical;
mod config;
mod dialect;
mod expr;
pub mod host;
mod lua;
mod luahost;
mod macros;
mod package;
mod parser;
mod popt;
mod prep;
mod undefined;

use std::sync::Arc;

use bedplate_diag::{Diagnostic, Severity, Sources, text};

pub use config::{ConfigRequest, MacroConfig, MacroDefinition};
pub use dialect::Dialect;
use host::{Files, Machine, Shell};
use macros::engine::{Engine, World};
use macros::table::level;
pub use package::{
    BuildSection, ChangelogEntry, DependencyOrigin, Package, Script, ScriptKind, SourcePackage, Tag, Tags, Trigger,
    Value,
};
pub use prep::SpecSource;

/// One spec to evaluate.
#[derive(Debug, Clone)]
pub struct SpecInput<'a> {
    /// What `%{__file_name}` says: the path of the file.
    pub name: &'a str,
    /// The name in messages, if it is another: the path as the user wrote it.
    pub shown: Option<&'a str>,
    /// The bytes of the file.
    pub content: &'a [u8],
    /// `%{_sourcedir}`; what the configuration says if there is none.
    pub source_dir: Option<String>,
    /// `%{buildroot}`; what the configuration says if there is none.
    pub buildroot: Option<String>,
    /// Look for macro calls that nothing defines, and warn of them: rpm leaves them as they are.
    pub find_undefined: bool,
    /// More definitions of the command-line level, `NAME BODY` each, made before the source folder.
    pub defines: &'a [String],
}

impl<'a> SpecInput<'a> {
    /// A spec with the configuration's folders.
    pub fn new(name: &'a str, content: &'a [u8]) -> Self {
        Self { name, shown: None, content, source_dir: None, buildroot: None, find_undefined: false, defines: &[] }
    }
}

/// What an evaluation found.
#[derive(Debug)]
pub struct Evaluation {
    /// What the spec says; to be used only if it is good.
    pub spec: SourcePackage,
    /// Errors, warnings and output, in the order in which they came up.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// `rm -rf` of the build root as this configuration writes it: what rpm makes up for a missing `%clean`.
    pub default_clean: String,
}

impl Evaluation {
    /// True if rpm would have taken the spec.
    pub fn is_good(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// True if rpm would have printed an error and gone on because this is a query.
    pub fn is_forced(&self) -> bool {
        self.diagnostics.iter().any(|one| one.severity == Severity::Passed)
    }
}

/// Evaluates a spec for the target of a configuration, as `rpmspec` does: the target need not fit `ExclusiveArch`, and
/// sources need not exist.
pub fn evaluate(
    config: &Arc<MacroConfig>,
    input: SpecInput<'_>,
    files: &Arc<dyn Files>,
    shell: &Arc<dyn Shell>,
    machine: &Arc<Machine>,
) -> Evaluation {
    let world = World { files: Arc::clone(files), shell: Arc::clone(shell), machine: Arc::clone(machine) };
    let engine = Engine::new(Arc::clone(config), world);
    for define in input.defines {
        config::define_on_command_line(&engine, define);
    }
    if let Some(folder) = &input.source_dir {
        engine.define("_sourcedir", folder, level::COMMAND_LINE);
    }
    if let Some(folder) = &input.buildroot {
        engine.define("buildroot", folder, level::COMMAND_LINE);
    }
    let content: Arc<str> = text::from_bytes(input.content).into();
    if input.find_undefined {
        engine.undefined.replace(Some(Vec::new()));
    }
    let mut spec = parser::parse(&engine, input.name, input.shown.unwrap_or(input.name), content);
    undefined::report(&engine);
    let default_clean = engine.expand_loosely("%{__rm} -rf %{buildroot}");
    let sources = engine.texts.take();
    for package in std::iter::once(&mut spec.source).chain(&mut spec.packages) {
        package.origins.iter_mut().for_each(|origin| origin.span = sources.fit(origin.span));
    }
    let diagnostics = settled(engine.diagnostics.take(), &sources);
    Evaluation { spec, diagnostics, sources, default_clean }
}

/// Expands text in a configuration, as `rpm --eval` does.
pub fn expand(
    config: &Arc<MacroConfig>,
    text: &str,
    files: &Arc<dyn Files>,
    shell: &Arc<dyn Shell>,
    machine: &Arc<Machine>,
) -> (Option<String>, Vec<Diagnostic>, Sources) {
    let world = World { files: Arc::clone(files), shell: Arc::clone(shell), machine: Arc::clone(machine) };
    let engine = Engine::new(Arc::clone(config), world);
    let source = engine.add_text("<eval>", text);
    let place = macros::engine::Place { source, base: 0, call: (0, text.len()) };
    let result = engine.expand_at(text, place, &mut macros::engine::LineMap::default()).ok();
    let sources = engine.texts.take();
    (result, settled(engine.diagnostics.take(), &sources), sources)
}

/// Diagnostics as they are handed out: places lie within their texts, and what the second reading of a spec with
/// `BuildArch` found again is left out.
fn settled(diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(diagnostics.len());
    let mut seen = rustc_hash::FxHashSet::default();
    for mut diagnostic in diagnostics {
        diagnostic.span = diagnostic.span.map(|span| sources.fit(span));
        for note in &mut diagnostic.notes {
            note.span = note.span.map(|span| sources.fit(span));
        }
        let is_new = seen.insert((diagnostic.code, diagnostic.message.clone(), diagnostic.span, diagnostic.rpm_line));
        if is_new || diagnostic.severity == Severity::Info {
            kept.push(diagnostic);
        }
    }
    kept
}
