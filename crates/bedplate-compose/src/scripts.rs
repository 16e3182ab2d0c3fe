//! Scripts of packages, and those of the config.

use bedplate_diag::Diagnostic;
use bedplate_scriptlet::{
    Done, Failure, Owner, Package, Ran, RunOptions, Script, ScriptError, Step, StepKind, plan, run,
};
use bedplate_tree::FileTree;

use crate::install::RPM;
use crate::step::Steps;
use crate::{ComposeError, Request};

/// What scripts did.
pub(crate) struct Scripts {
    pub(crate) tree: FileTree,
    /// How many ran.
    pub(crate) ran: usize,
    /// All of them with what they printed, for people.
    pub(crate) log: String,
}

/// Runs the scripts of the packages, in rpm's order.
pub(crate) fn of_packages(
    request: &Request<'_>,
    tree: &FileTree,
    packages: &[Package],
    steps: &Steps<'_>,
) -> Result<Scripts, ComposeError> {
    let order: Vec<usize> = (0..packages.len()).collect();
    let plan = plan(packages, &order, RPM);
    run_plan(request, tree, packages, &plan, steps, "scriptlets")
}

/// Runs the scripts of the config, in their order.
pub(crate) fn of_config(request: &Request<'_>, tree: &FileTree, steps: &Steps<'_>) -> Result<Scripts, ComposeError> {
    refuse_without_interpreter(request, tree)?;
    let all = &request.config.scripts;
    let mut scripts = Vec::new();
    for script in all {
        let body = match (&script.content, &script.source) {
            (Some(content), _) => content.value.clone().into_bytes(),
            (None, Some(source)) => std::fs::read(&source.path).map_err(ComposeError::io("read", &source.path))?,
            (None, None) => Vec::new(),
        };
        let program = vec![script.interpreter.to_string()];
        scripts.push(Script { program, body: Some(body), flags: 0 });
    }
    let plan: Vec<Step<'_>> = all
        .iter()
        .zip(&scripts)
        .map(|(written, script)| Step {
            owner: Owner::Config(written.name.as_str()),
            kind: StepKind::Config,
            script,
            arguments: written.arguments.0.iter().map(|argument| argument.value.clone()).collect(),
            cause: None,
            input: Vec::new(),
        })
        .collect();
    run_plan(request, tree, &[], &plan, steps, "scripts").map_err(|error| match error {
        ComposeError::Script(ScriptError::Failed(failure)) => {
            ComposeError::ConfigScript(Box::new(told(&failure).at(all[failure.step].name.span)))
        }
        other => other,
    })
}

/// What is to be said of a script of the config that failed.
fn told(failure: &Failure) -> Diagnostic {
    let mut told = Diagnostic::error("script-failed", format!("{} failed: {}", failure.script_name, failure.end))
        .note(format!("command: {}", failure.command), None);
    if let Some((line, text)) = failure.line.and_then(|line| Some((line, failure.script.lines().nth(line - 1)?))) {
        told = told.note(format!("line {line} of the script: {}", text.trim()), None);
    }
    let printed = if failure.output.is_empty() {
        "it printed nothing".to_owned()
    } else {
        format!("the last that it printed:\n{}", failure.output.join("\n"))
    };
    told = told.note(printed, None);
    if let Some(hint) = &failure.hint { told.hint(hint.clone()) } else { told }
}

/// Every script needs what runs it: a program of the image.
fn refuse_without_interpreter(request: &Request<'_>, tree: &FileTree) -> Result<(), ComposeError> {
    let is_there = |path: &str| {
        let place = path.parse().ok().and_then(|path| tree.resolve(&path));
        place.is_some_and(|place| tree.get(place.as_str()).is_some())
    };
    let lacking = request.config.scripts.iter().filter(|script| !is_there(script.interpreter.as_str()));
    let mistakes: Vec<Diagnostic> = lacking
        .map(|script| {
            let program = &script.interpreter;
            let message = format!("the script `{}` cannot run: the image has no `{}`", *script.name, **program);
            Diagnostic::error("no-interpreter", message)
                .at(script.name.span)
                .hint("install a package that has it, or name another one: `interpreter`")
        })
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(ComposeError::Mistakes(mistakes)) }
}

fn run_plan(
    request: &Request<'_>,
    tree: &FileTree,
    packages: &[Package],
    plan: &[Step<'_>],
    steps: &Steps<'_>,
    name: &'static str,
) -> Result<Scripts, ComposeError> {
    let mut tree = tree.clone();
    let ran = run_all(request, &mut tree, packages, plan, steps, name)?;
    let count = ran.records.iter().filter(|record| matches!(record.done, Done::Run(_))).count();
    Ok(Scripts { tree, ran: count, log: ran.log() })
}

fn run_all(
    request: &Request<'_>,
    tree: &mut FileTree,
    packages: &[Package],
    plan: &[Step<'_>],
    steps: &Steps<'_>,
    name: &'static str,
) -> Result<Ran, ComposeError> {
    let needs_lua = plan.iter().any(|step| step.script.is_lua() && step.natives().is_none());
    let options = RunOptions {
        epoch: request.epoch,
        lua: needs_lua.then(|| (request.seed)("rpm").map(|root| root.root)).transpose()?,
        helper: request.helper.clone(),
        cancel: request.cancel.clone(),
        ..RunOptions::default()
    };
    let mut on_line = |script: &str, line: &str| steps.line(name, &format!("{script}: {line}"));
    Ok(run(tree, packages, plan, request.store, &options, &mut on_line)?)
}
