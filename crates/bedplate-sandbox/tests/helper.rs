//! An executable that can be a keeper of builds, for the tests; and one that runs a build by itself, to be killed, to be run by
//! another user, or in a terminal.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bedplate_sandbox::{
    Cancel, Command, Helper, Job, Limits, Mode, Owner, Series, SeriesEvent, SeriesOutcome, run, run_series, written,
};

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
        ["series", folder, ref scripts @ ..] => series(folder.into(), scripts),
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

/// Runs scripts as root of the image `folder/layer` above `folder/base`, then lists what they wrote.
fn series(folder: PathBuf, scripts: &[&str]) -> ExitCode {
    let command = |script: &&str| Command {
        argv: ["/bin/sh", "/var/tmp/script", "argument"].map(Into::into).into(),
        env: vec![("PATH".into(), "/usr/bin".into()), ("SCRIPT".into(), "yes".into())],
        input: b"one\ntwo\n".to_vec(),
        file: Some(("/var/tmp/script".into(), script.as_bytes().to_vec())),
    };
    let owned = folder.join("layer/owned");
    let series = Series {
        layers: vec![folder.join("layer"), folder.join("base")],
        scratch: folder.join("scratch"),
        binds: Vec::new(),
        owners: vec![Owner { path: owned, user: 81, group: 82, mode: Some(0o4750) }],
        commands: scripts.iter().map(command).collect(),
        limits: Limits { wall: Duration::from_secs(20), ..Limits::default() },
    };
    let outcome = run_series(&series, &Helper::Ourselves, &Cancel::default(), &mut |event| match event {
        SeriesEvent::Output { command, line } => println!("{command}: {}", String::from_utf8_lossy(line)),
        SeriesEvent::Ended { command, end } => println!("{command} ended: {end:?}"),
    });
    match outcome {
        Ok(SeriesOutcome { end, violations, .. }) => {
            println!("end: {end}");
            violations.iter().for_each(|violation| println!("violation: {violation}"));
        }
        Err(error) => {
            println!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    for one in written(&folder.join("scratch"), &Helper::Ourselves).unwrap() {
        let path = one.path.display();
        println!("{path} {:?} {:04o} {}:{} {:?}", one.kind, one.mode, one.user, one.group, one.attributes);
        if one.kind == bedplate_sandbox::WrittenKind::File {
            print!("{}", std::fs::read_to_string(folder.join("scratch/upper").join(&one.path)).unwrap());
        }
    }
    bedplate_sandbox::remove(&folder.join("scratch"), &Helper::Ourselves).unwrap();
    ExitCode::SUCCESS
}
