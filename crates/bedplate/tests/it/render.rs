//! What is shown of recorded runs: plain lines, a terminal, JSON lines, a trace. `BLESS=1` writes the texts.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{PROGRAM, TestEnv};

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/events");

fn recorded(name: &str) -> String {
    format!("{EVENTS}/{name}.jsonl")
}

/// The lines of a file as JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn plain_lines_of_a_good_and_of_a_failed_run() {
    let env = TestEnv::new();
    for name in ["good", "failed"] {
        let answer = env.run(&["replay", &recorded(name)]).exits(0);
        assert_eq!(answer.stdout, "");
        assert!(!answer.stderr.contains('\u{1b}'), "no control codes");
        let path = format!("{EVENTS}/{name}.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &answer.stderr).unwrap();
        }
        assert_eq!(answer.stderr, std::fs::read_to_string(&path).unwrap_or_default(), "{path} (BLESS=1 writes it)");
    }
}

#[test]
fn the_events_are_written_again_but_output_only_five_times_a_second() {
    let env = TestEnv::new();
    env.run(&["replay", &recorded("good"), "--events", "again.jsonl"]).exits(0);
    let again = std::fs::read_to_string(env.path().join("again.jsonl")).unwrap();
    let was = lines(&std::fs::read_to_string(recorded("good")).unwrap());
    let is_throttled = |event: &Value| ["output", "bytes"].contains(&event["event"].as_str().unwrap());
    let (mut kept, mut last) = (Vec::new(), Vec::<(u64, f64)>::new());
    for event in was {
        let (node, time) = (event["node"].as_u64().unwrap_or(0), event["seconds"].as_f64().unwrap());
        if is_throttled(&event) {
            if last.iter().any(|(one, told)| *one == node && time - told < 0.2) {
                continue;
            }
            last.push((node, time));
        }
        kept.push(event);
    }
    let again_lines = lines(&again);
    assert_eq!(again_lines.len(), kept.len());
    again_lines.iter().zip(&kept).for_each(|(again, was)| assert_eq!(again, was));
    // What was written is a stream that can be shown.
    env.run(&["replay", "again.jsonl"]).exits(0).says("5 done, 1 there already");
}

/// Checks lines against the schema; gives the numbers of those that are not as it says.
fn lines_against_schema(folder: &TestEnv, file: &str) -> String {
    let program = "
import json, sys, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
validator.check_schema(validator.schema)
print([number for number, line in enumerate(open(sys.argv[2]), 1) if not validator.is_valid(json.loads(line))])";
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../toolkit/schemas/events.schema.json");
    let mut python = Command::new("/usr/bin/python3");
    let output = python.args(["-c", program, schema, file]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_events_are_as_their_schema_says() {
    let env = TestEnv::new();
    for name in ["good", "failed"] {
        env.run(&["replay", &recorded(name), "--events", "written.jsonl"]).exits(0);
        assert_eq!(lines_against_schema(&env, "written.jsonl"), "[]\n", "{name}");
    }
    let bad = [
        r#"{"seconds":0,"event":"phase","node":0}"#,
        r#"{"seconds":0,"event":"phase","node":0,"phase":"%prep"}"#,
        r#"{"seconds":-1,"event":"note","message":"x"}"#,
        r#"{"seconds":0,"event":"no_such"}"#,
    ];
    env.write("bad.jsonl", bad.join("\n"));
    assert_eq!(lines_against_schema(&env, "bad.jsonl"), "[1, 3, 4]\n");
}

#[test]
fn a_trace_has_phases_inside_of_jobs_and_no_worker_does_two_things() {
    let env = TestEnv::new();
    env.run(&["replay", &recorded("good"), "--trace", "trace.json"]).exits(0);
    let trace: Value = serde_json::from_slice(&std::fs::read(env.path().join("trace.json")).unwrap()).unwrap();
    let spans: Vec<&Value> = trace["traceEvents"].as_array().unwrap().iter().filter(|one| one["ph"] == "X").collect();
    let range =
        |span: &Value| (span["ts"].as_u64().unwrap(), span["ts"].as_u64().unwrap() + span["dur"].as_u64().unwrap());
    let (phases, jobs): (Vec<&Value>, Vec<&Value>) = spans.into_iter().partition(|span| span["cat"] == "phase");
    assert_eq!((phases.len(), jobs.len()), (4, 6));
    for (at, job) in jobs.iter().enumerate() {
        for other in jobs[at + 1..].iter().filter(|other| other["tid"] == job["tid"]) {
            let ((from, to), (other_from, other_to)) = (range(job), range(other));
            assert!(to <= other_from || other_to <= from, "{job} and {other}");
        }
    }
    for phase in phases {
        let (from, to) = range(phase);
        let is_inside = |job: &&&Value| job["tid"] == phase["tid"] && range(job).0 <= from && to <= range(job).1;
        assert_eq!(jobs.iter().filter(is_inside).count(), 1, "{phase}");
    }
}

#[test]
fn a_run_that_begins_again_counts_anew() {
    let env = TestEnv::new();
    let of = |name: &str| std::fs::read_to_string(recorded(name)).unwrap();
    let note = "{\"seconds\":155.1,\"event\":\"note\",\"message\":\"once more\"}\n";
    env.write("twice.jsonl", format!("{}{note}{}", of("good"), of("failed")));
    let answer = env.run(&["replay", "twice.jsonl", "--trace", "trace.json"]).exits(0);
    answer.says("5 done, 1 there already").says("note: once more").says("zlib: done in 12.0 s (1 of 14)");
    let trace: Value = serde_json::from_slice(&std::fs::read(env.path().join("trace.json")).unwrap()).unwrap();
    let names = trace["traceEvents"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
    assert_eq!(names.filter(|name| ["gcc", "xz"].contains(name)).count(), 2, "both runs are in it");
}

#[test]
fn what_is_no_stream_of_events_is_refused_with_its_line() {
    let env = TestEnv::new();
    env.write("none.jsonl", "{\"seconds\":0,\"event\":\"phase\",\"node\":0,\"phase\":\"%prep\"}\n");
    env.run(&["replay", "none.jsonl"]).exits(2).says("none.jsonl:1: the first event is not `run_started`");
    let first = "{\"seconds\":0,\"event\":\"run_started\",\"version\":1,\"tool\":\"x\",\"jobs\":1,\"nodes\":0}\n";
    env.write("torn.jsonl", format!("{first}{{\"seconds\":1,\"ev"));
    env.run(&["replay", "torn.jsonl"]).exits(2).says("torn.jsonl:2: this is no event");
    env.write("new.jsonl", first.replace("\"version\":1", "\"version\":99"));
    env.run(&["replay", "new.jsonl"]).exits(2).says("version 99");
    env.run(&["replay", "missing.jsonl"]).exits(3).says("missing.jsonl");
    env.run(&["replay", "torn.jsonl", "--speed", "0"]).exits(2).says("over 0");
    env.write("empty.jsonl", "");
    env.run(&["replay", "empty.jsonl", "--events", "/nonexistent-folder/x"]).exits(3).says("/nonexistent-folder/x");
}

/// Shows a run on a terminal of so many columns; gives all screens that were different, the last one last.
fn screens(name: &str, columns: u16, environment: &[(&str, &str)]) -> Vec<String> {
    let shell = format!("stty cols {columns} rows 24; exec '{PROGRAM}' replay '{}' --speed 60", recorded(name));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &shell, "/dev/null"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut terminal = vt100::Parser::new(24, columns, 0);
    let (mut screens, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = output.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        terminal.process(&buffer[..count]);
        // By rows: `contents` would join those that are full.
        let rows = terminal.screen().rows(0, columns).map(|row| row.trim_end().to_owned());
        let screen = rows.collect::<Vec<_>>().join("\n");
        if screens.last() != Some(&screen) {
            screens.push(screen);
        }
    }
    assert!(child.wait().unwrap().success());
    screens
}

#[test]
fn a_terminal_has_a_bar_and_rows_and_is_clean_in_the_end() {
    let screens = screens("good", 70, &[]);
    let row = |text: &str| screens.iter().any(|screen| screen.lines().any(|line| line.contains(text)));
    assert!(row("%build     g++ -c     tree.cc"), "the last line, without colours:\n{}", screens.join("\n----\n"));
    assert!(row(" of 6 done, 2 running") && row("about 1:"), "{}", screens.join("\n----\n"));
    let last = screens.last().unwrap();
    let wanted = "\
note: the recorded times are of another machine
bash: attempt 2 of 3: no space left on /store
slowest:
       2:35  gcc  critical
     31.0 s  bash
     12.0 s  zlib
      3.2 s  zlib (check)
      1.5 s  zlib-1.3.1.tar.gz (source)
5 done, 1 there already in 2:35 (processors 6:03, critical path 2:35)";
    assert_eq!(last.trim_end(), wanted);
}

#[test]
fn a_narrow_terminal_cuts_lines_and_never_wraps_them() {
    let screens = screens("failed", 30, &[]);
    let all = screens.join("\n----\n");
    for screen in &screens {
        let bars = screen.lines().filter(|line| line.starts_with('[')).count();
        assert!(bars <= 1, "{all}");
    }
    assert!(!screens.last().unwrap().contains("running"), "{all}");
    assert!(screens.last().unwrap().contains("1 done, 2 failed"), "{all}");
}

#[test]
fn in_ci_a_terminal_gets_plain_lines() {
    let screens = screens("failed", 100, &[("CI", "true")]);
    assert!(screens.last().unwrap().contains("[0:00:12] zlib: done in 12.0 s"), "{}", screens.last().unwrap());
}

#[test]
fn times_are_a_table_of_what_was_done() {
    let env = TestEnv::new();
    let answer = env.run(&["replay", &recorded("good"), "--times"]).exits(0);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert!(lines[0].split_whitespace().eq(["wall", "processor", "memory", "step"]), "{}", answer.stdout);
    let json = env.run(&["replay", &recorded("good"), "--times", "--json"]).exits(0).json();
    assert_eq!(lines.len(), json.len() + 2, "{}", answer.stdout);
    let walls: Vec<f64> = json.iter().map(|line| line["wall_seconds"].as_f64().unwrap()).collect();
    assert!(walls.is_sorted_by(|a, b| a >= b), "{walls:?}");
    assert!(json.iter().all(|line| line["name"].is_string() && line["kind"].is_string()));
    env.run(&["replay", &recorded("good"), "--json"]).exits(2);
}
