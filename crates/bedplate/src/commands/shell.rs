//! `bedplate shell`: the sandbox of a build, for a person.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use bedplate_engine::build::{self, Checks, Stopped};
use bedplate_sandbox::{Cancel, End, Helper, Job, Limits, Mode};

use crate::building::Building;
use crate::cli::{NetworkArgs, ShellArguments};
use crate::module_keys::ModuleKeys;
use crate::outcome::{Failure, Outcome};
use crate::ui::Ui;

/// Nobody looks at a failed build for longer.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Opens it.
pub(crate) fn run(args: &ShellArguments, ui: &Ui) -> Result<Outcome, Failure> {
    let store = crate::store::open(&args.specs.store)?;
    let failed = store.path().join("failed").join(&args.name);
    let kept = (!args.fresh).then(|| std::fs::read(failed.join("stopped.json")).ok()).flatten();
    let (stopped, mut layers) = match kept {
        Some(text) => {
            let stopped: Stopped = serde_json::from_slice(&text).map_err(|error| {
                Failure::environment(format!("{} is damaged: {error}", failed.display()))
                    .hint("`--fresh` opens the root as a build finds it")
            })?;
            let mut layers = vec![failed.join("upper")];
            if stopped.has_below {
                layers.push(failed.join("below"));
            }
            ui.summary(&format!(
                "where the {} of {} stopped; what ran: {}",
                stopped.step,
                args.name,
                stopped.arguments.join(" ")
            ));
            (stopped, layers)
        }
        None => {
            let network = NetworkArgs::default();
            let building =
                Building::open(&args.specs, &args.prebuilt, &network, ModuleKeys::of_certificate(&args.modules)?, ui)?;
            let request = building.request(BTreeSet::from([args.name.clone()]), Checks::Off)?;
            if !request.texts.contains_key(&args.name) {
                return Err(Failure::input(format!("there is no spec of `{}`", args.name)));
            }
            let builder = building.builder(std::env::temp_dir(), Limits::default(), 1, None);
            let stopped = build::fresh_root(&builder, &building, request, &args.name)?;
            ui.summary(&format!("the root of {} before its build", args.name));
            (stopped, Vec::new())
        }
    };
    for layer in &stopped.layers {
        layers.push(store.checkout(layer)?);
    }
    let scratch = store.work(&format!("{}-shell", args.name))?;
    let mut argv: Vec<OsString> = args.command.iter().map(OsString::from).collect();
    if argv.is_empty() {
        argv = vec!["/bin/bash".into(), "-i".into()];
    }
    let mut env: Vec<(OsString, OsString)> =
        stopped.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    env.push(("TERM".into(), std::env::var_os("TERM").unwrap_or_else(|| "dumb".into())));
    env.push(("RPM_BUILD_NCPUS".into(), crate::workspace::processors().to_string().into()));
    let limits = Limits { wall: WEEK, ..Limits::default() };
    let job = Job {
        layers,
        scratch: scratch.path().to_owned(),
        binds: Vec::new(),
        prepare: vec![vec!["/sbin/ldconfig".into()]],
        argv,
        env,
        folder: "/build".into(),
        limits,
        mode: Mode::Interactive,
    };
    let outcome = bedplate_sandbox::run(&job, &Helper::default(), &Cancel::default(), &mut |line| {
        ui.summary(&String::from_utf8_lossy(line));
    });
    let outcome =
        outcome.map_err(|error| Failure { category: error.category(), message: build::chain(&error), hint: None })?;
    Ok(if outcome.end == End::Exited(0) { Outcome::Good } else { Outcome::BuildFailed })
}
