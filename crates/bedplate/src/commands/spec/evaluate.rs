//! Many specs in parallel, answers in order.

use std::sync::Arc;

use bedplate_diag::{Diagnostic, Source, Sources, Span};
use bedplate_spec::{Evaluation, SourcePackage, SpecInput, Tag};
use rayon::prelude::*;

use crate::cli::SpecPaths;
use crate::outcome::Failure;
use crate::settings::{STACK_SIZE, SpecPath, World};

/// Specs of one batch: answers are printed after each, so that memory does not grow with the number of specs.
const BATCH: usize = 256;

/// A file of this many bytes is no spec.
const MAX_SPEC: u64 = 64 << 20;

/// Evaluates all specs in parallel, makes a value of each, and hands the values over in order.
pub(crate) fn each<T: Send>(
    world: &World,
    args: &SpecPaths,
    specs: &[SpecPath],
    find_undefined: bool,
    make: impl Fn(&SpecPath, Evaluation) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .stack_size(STACK_SIZE)
        .num_threads(args.jobs.unwrap_or(0))
        .build()
        .map_err(|error| Failure::environment(format!("cannot start threads: {error}")))?;
    let defines = if args.passes == 2 { pool.install(|| version_macros(world, specs)) } else { Vec::new() };
    for batch in specs.chunks(BATCH) {
        let made: Vec<T> = pool.install(|| {
            batch.par_iter().map(|spec| make(spec, evaluate(world, spec, &defines, find_undefined))).collect()
        });
        made.into_iter().try_for_each(&mut take)?;
    }
    Ok(())
}

/// Evaluates one spec on a thread with room for deep macros.
pub(crate) fn one(world: &World, spec: &SpecPath) -> Result<Evaluation, Failure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .stack_size(STACK_SIZE)
        .num_threads(1)
        .build()
        .map_err(|error| Failure::environment(format!("cannot start a thread: {error}")))?;
    Ok(pool.install(|| evaluate(world, spec, &[], false)))
}

/// The spec without its tests, if it has a condition for them, and with them, if they are off unless asked for: what only
/// the second asks for is only for `%check`. Two habits are known: a build condition (`%bcond_without check`), which is
/// taken as its default says, and the macro `with_check` of Azure Linux, which is set.
pub(crate) fn check_variants(world: &World, spec: &SpecPath) -> Option<(Evaluation, Option<Evaluation>)> {
    let content = read(&spec.path).ok()?;
    let has = |word: &[u8]| content.windows(word.len()).any(|part| part == word);
    let with = if has(b"bcond") && (has(b"check") || has(b"test")) {
        None
    } else if has(b"?with_check") {
        Some(evaluate(world, spec, &["with_check 1".to_owned()], false))
    } else {
        return None;
    };
    let without = evaluate(world, spec, &["check", "tests", "test"].map(|name| format!("_without_{name} 1")), false);
    (without.is_good() && with.as_ref().is_none_or(Evaluation::is_good)).then_some((without, with))
}

/// What another text of a spec says; nothing if that is bad.
pub(crate) fn text(world: &World, spec: &SpecPath, content: &[u8]) -> Option<SourcePackage> {
    let found = evaluate_text(world, spec, content, &[], false);
    found.is_good().then_some(found.spec)
}

fn evaluate(world: &World, spec: &SpecPath, defines: &[String], find_undefined: bool) -> Evaluation {
    match read(&spec.path) {
        Ok(content) => evaluate_text(world, spec, &content, defines, find_undefined),
        Err(problem) => unreadable(world, &spec.shown, &problem),
    }
}

fn evaluate_text(
    world: &World,
    spec: &SpecPath,
    content: &[u8],
    defines: &[String],
    find_undefined: bool,
) -> Evaluation {
    let input = SpecInput {
        shown: Some(&spec.shown),
        source_dir: Some(world.source_dir.clone().unwrap_or_else(|| spec.folder())),
        find_undefined,
        defines,
        ..SpecInput::new(&spec.path, content)
    };
    bedplate_spec::evaluate(&world.config, input, &world.files, &world.shell(), &world.machine)
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let data = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if data.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !data.is_file() {
        return Err("it is not a plain file".to_owned());
    }
    if data.len() > MAX_SPEC {
        return Err(format!("it has {} MiB; a spec has at most {}", data.len() >> 20, MAX_SPEC >> 20));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// The answer about a file that cannot be read: a bad spec among others, not the end of the run.
fn unreadable(world: &World, shown: &str, problem: &str) -> Evaluation {
    let mut sources = world.config.sources();
    let id = sources.add(Source::new(shown, ""));
    let diagnostic = Diagnostic::error("unreadable-file", format!("unable to open {shown}: {problem}"));
    Evaluation {
        spec: SourcePackage::default(),
        diagnostics: vec![diagnostic.at(Span::new(id, 0, 0))],
        sources,
        default_clean: String::new(),
    }
}

/// Version and release of every spec as macros, as Azure Linux's build makes them for its second pass. Names that no
/// macro can have are left out.
fn version_macros(world: &World, specs: &[SpecPath]) -> Vec<String> {
    let found: Vec<Vec<String>> = specs
        .par_iter()
        .map(|spec| {
            let answer = evaluate(world, spec, &[], false);
            let Some(main) = answer.spec.packages.first().filter(|_| answer.is_good()) else { return Vec::new() };
            let name = main.name().replace('-', "_");
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Vec::new();
            }
            [("version", Tag::Version), ("release", Tag::Release)]
                .into_iter()
                .filter_map(|(word, tag)| Some(format!("azl_{name}_{word} {}", main.tags.text(tag)?)))
                .collect()
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// The world's shell, for expansions outside of a spec.
pub(crate) fn expand(world: &World, text: &str) -> (Option<String>, Vec<Diagnostic>, Sources) {
    let shell = world.shell();
    bedplate_spec::expand(&world.config, text, &world.files, &shell, &Arc::clone(&world.machine))
}
