//! An executable that can be a keeper of builds, for the tests; and one that runs a build by itself, to be killed, to be run by
//! another user, or in a terminal.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bedplate_sandbox::{Cancel, Helper, Job, Limits, Mode, run};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bedplate_sandbox::HELPER_ARGUMENT] => bedplate_sandbox::child_main(),
        ["run", folder, script] => build(folder.into(), script, Mode::Batch, Limits::default()),
        ["interactive", folder, script] => build(folder.into(), script, Mode::Interactive, Limits::default()),
        ["limited", folder, script] => {
            let limits = Limits { memory: Some(200 << 20), processes: 100, disk: 32 << 20, ..Limits::default() };
            build(folder.into(), script, Mode::Batch, limits)
        }
        ["remove", folder] => match bedplate_sandbox::remove(&PathBuf::from(folder), &Helper::Ourselves) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        },
        _ => ExitCode::FAILURE,
    }
}

/// Runs a script in the root of `folder/layer` above `folder/base`, with the scratch folder `folder/scratch`.
fn build(folder: PathBuf, script: &str, mode: Mode, limits: Limits) -> ExitCode {
    let job = Job {
        layers: vec![folder.join("layer"), folder.join("base")],
        scratch: folder.join("scratch"),
        binds: Vec::new(),
        prepare: Vec::new(),
        argv: ["/bin/sh", "-c", script].map(Into::into).into(),
        env: vec![("PATH".into(), "/usr/bin".into())],
        folder: "/build".into(),
        limits: Limits { wall: Duration::from_secs(100), ..limits },
        mode,
    };
    match run(&job, &Helper::Ourselves, &Cancel::default(), &mut |line| println!("{}", String::from_utf8_lossy(line))) {
        Ok(outcome) => {
            println!("end: {}", outcome.end);
            for violation in outcome.violations {
                println!("violation: {violation}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
