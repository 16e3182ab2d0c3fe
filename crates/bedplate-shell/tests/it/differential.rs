//! Every command of `data/commands.txt`: where the small sh knows an answer, it is bash's, byte for byte.

use super::*;
use bedplate_sys::process::{Limits, Request, run};

/// The commands, and whether each must be known.
fn commands() -> Vec<(bool, String)> {
    let mut commands: Vec<(bool, String)> = Vec::new();
    for line in include_str!("../data/commands.txt").lines() {
        if let Some(more) = line.strip_prefix('|')
            && let Some((_, last)) = commands.last_mut()
            && !more.starts_with(" cat")
        {
            last.push('\n');
            last.push_str(more);
        } else if !line.is_empty() && !line.starts_with("# ") {
            match line.strip_prefix('!') {
                Some(command) if !line.starts_with("! ") => commands.push((true, command.to_owned())),
                _ => commands.push((false, line.to_owned())),
            }
        }
    }
    commands
}

#[test]
fn known_answers_are_those_of_bash() {
    let folder = source_folder();
    let environment = environment();
    let (mut known, mut wrong, mut missed) = (0, Vec::new(), Vec::new());
    let commands = commands();
    for (must_be_known, command) in &commands {
        let answer = match native(command.as_bytes(), path_text(folder.path()), clock()) {
            Ok(answer) => answer,
            Err(why) => {
                if *must_be_known {
                    missed.push(format!("{command}\n    {why}"));
                }
                continue;
            }
        };
        known += 1;
        let arguments: [&[u8]; 3] = [b"sh", b"-c", command.as_bytes()];
        let finished = run(&Request {
            program: Path::new("/bin/bash"),
            arguments: &arguments,
            environment: &environment,
            folder: folder.path(),
            limits: Limits::default(),
        })
        .unwrap();
        if (&finished.stdout, &finished.stderr, finished.status) != (&answer.stdout, &answer.stderr, answer.status) {
            let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            wrong.push(format!(
                "{command}\n    bash:   {:?} {:?} {}\n    native: {:?} {:?} {}",
                show(&finished.stdout),
                show(&finished.stderr),
                finished.status,
                show(&answer.stdout),
                show(&answer.stderr),
                answer.status
            ));
        }
    }
    eprintln!("{known} of {} commands are known natively", commands.len());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(missed.is_empty(), "{} must be known:\n{}", missed.len(), missed.join("\n"));
    assert!(commands.len() > 500);
}
