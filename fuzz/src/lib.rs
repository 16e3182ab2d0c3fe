//! What the fuzz targets do with their input, and what must hold for every answer.
//!
//! The tests of `bedplate-spec` read this file too: they replay the seeds through the same functions.

use std::sync::{Arc, LazyLock};

use bedplate_diag::{Diagnostic, Severity, Sources, Span, text};
use bedplate_model::{DependencyKind, parse_rich};
use bedplate_spec::host::{Files, Machine, MemoryFiles, Shell, ShellAnswer, ShellCall, ShellError};
use bedplate_spec::{ConfigRequest, Dialect, Evaluation, MacroConfig, SpecInput, evaluate, expand};

/// Stack of a thread that runs the engine: macros nest 64 deep, and a build with checks has large frames.
pub const STACK: usize = 256 << 20;

struct World {
    configs: Vec<Arc<MacroConfig>>,
    files: Arc<dyn Files>,
    shell: Arc<dyn Shell>,
    machine: Arc<Machine>,
}

/// Answers every command with the same two lines.
#[derive(Debug)]
pub struct OneAnswer;

impl Shell for OneAnswer {
    fn run(&self, _call: ShellCall<'_>) -> Result<ShellAnswer, ShellError> {
        Ok(ShellAnswer { stdout: b"answer 1\nof the shell\n".to_vec(), ..ShellAnswer::default() })
    }
}

macro_rules! macro_file {
    ($name:literal) => {
        (
            concat!("/conf/", $name),
            include_str!(concat!("../../crates/bedplate-spec/tests/data/conformance/macros/", $name)),
        )
    };
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let files: Arc<dyn Files> = Arc::new(MemoryFiles::new([
        macro_file!("rpmrc"),
        macro_file!("macros"),
        macro_file!("macros.d/macros.build"),
        macro_file!("macros.d/macros.conditionals"),
        macro_file!("macros.d/macros.prep"),
        macro_file!("platform/x86_64-linux/macros"),
        ("/spec/some.inc", "Provides: included\n%define included yes\n"),
        ("/spec/some.macros", "%loaded yes\n%function() <%1>\n"),
    ]));
    let shell: Arc<dyn Shell> = Arc::new(OneAnswer);
    let machine = Machine::default();
    let configs = Dialect::ALL.into_iter().map(|dialect| {
        let mut request = ConfigRequest::of_directory("/conf", dialect);
        request.target = Some("x86_64".to_owned());
        MacroConfig::read(&request, &files, &shell, &machine)
    });
    World { configs: configs.collect(), files, shell, machine: Arc::new(machine) }
});

/// Runs something on a thread with room for deep macros.
pub fn with_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.expect("a thread starts").join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The first byte chooses the dialect, the rest is the input.
fn split(data: &[u8]) -> Option<(&'static Arc<MacroConfig>, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((&WORLD.configs[usize::from(*first) % WORLD.configs.len()], rest))
}

/// Expands the input.
pub fn macros(data: &[u8]) {
    let Some((config, rest)) = split(data) else { return };
    let input = text::from_bytes(rest);
    with_stack(|| {
        let (result, diagnostics, sources) = expand(config, &input, &WORLD.files, &WORLD.shell, &WORLD.machine);
        check_diagnostics(&diagnostics, &sources);
        let failed = diagnostics.iter().any(|one| matches!(one.severity, Severity::Error | Severity::Passed));
        assert!(result.is_some() || failed, "no result and no error");
        if !input.contains('%') {
            assert_eq!(result.as_deref(), Some(input.as_str()), "text without percent signs is changed");
        }
    });
}

/// Reads the input as a spec.
pub fn spec(data: &[u8]) {
    let Some((config, rest)) = split(data) else { return };
    with_stack(|| {
        let input = SpecInput { source_dir: Some("/spec".to_owned()), ..SpecInput::new("/spec/fuzz.spec", rest) };
        check(&evaluate(config, input, &WORLD.files, &WORLD.shell, &WORLD.machine));
    });
}

/// Reads the input as a rich dependency; one that is good displays as what reads to the same tree.
pub fn rich(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let kind = if first % 2 == 0 { DependencyKind::Requires } else { DependencyKind::Supplements };
    let input = text::from_bytes(rest);
    with_stack(|| {
        let Ok((tree, _)) = parse_rich(&input, kind) else { return };
        // A name such as `a(` is good before a blank; shown before a bracket it is another name, in rpm as here.
        let balanced = |text: &str| text.matches('(').count() == text.matches(')').count();
        if !tree.singles().iter().all(|single| balanced(&single.to_string())) {
            return;
        }
        let shown = tree.to_string();
        let (again, left) = parse_rich(&shown, kind).expect("what is displayed is good");
        assert_eq!((&again, left), (&tree, ""), "{shown:?} reads as another tree");
    });
}

/// Checks what holds for every answer about a spec.
pub fn check(found: &Evaluation) {
    check_diagnostics(&found.diagnostics, &found.sources);
    if found.is_good() {
        assert!(!found.spec.packages.is_empty(), "a good spec has a package");
        assert!(found.spec.packages.iter().all(|package| !package.name().is_empty()), "a package has a name");
    }
}

/// Checks what holds for every diagnostic: its places lie within their texts, on the borders of characters.
pub fn check_diagnostics(diagnostics: &[Diagnostic], sources: &Sources) {
    for one in diagnostics {
        assert!(!one.code.is_empty(), "no code: {one:?}");
        for span in std::iter::once(one.span).chain(one.notes.iter().map(|note| note.span)).flatten() {
            check_span(span, sources, one);
        }
    }
}

fn check_span(span: Span, sources: &Sources, of: &Diagnostic) {
    let Some(source) = sources.get(span.source) else { panic!("a span of no text: {of:?}") };
    let (text, start, end) = (source.text(), span.start as usize, span.end as usize);
    assert!(start <= end && end <= text.len(), "{start}..{end} is not within {} bytes: {of:?}", text.len());
    assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{start}..{end} cuts a character: {of:?}");
}
