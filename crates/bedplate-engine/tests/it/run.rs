//! Runs: order, failures, retries, dynamic edges, cancellation.

use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use bedplate_diag::Category;
use bedplate_engine::{Cancel, End, Event, Limits, NodeFailure, OnFailure, Options, State};

use crate::plan::{Named, Ran, broken, go};

fn options(jobs: usize, on_failure: OnFailure) -> Options {
    Options { limits: Limits { jobs, ..Limits::default() }, on_failure, ..Options::default() }
}

fn simple(text: &str, jobs: usize, on_failure: OnFailure, bad: &[&str]) -> Ran {
    let job = |name: &str, _: &_| if bad.contains(&name) { broken() } else { End::Done(()) };
    go(Named::new(text), &options(jobs, on_failure), &Cancel::new(), job)
}

#[test]
fn the_longest_way_starts_first_and_builds_before_checks() {
    let ran = simple("short, b?, a?, first, mid: first, last: mid", 1, OnFailure::Stop, &[]);
    assert_eq!(ran.started(), ["first", "mid", "short", "last", "b?", "a?"]);
    assert!(ran.summary.is_good());
    assert_eq!((ran.summary.done, ran.summary.cached), (6, 0));
}

#[test]
fn the_stream_begins_and_ends_and_has_every_transition_in_order() {
    let ran = simple("a, b: a", 1, OnFailure::Stop, &[]);
    let text: Vec<String> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RunStarted { version, nodes, .. } => Some(format!("start {version} {nodes}")),
            Event::NodeState { name, state, .. } => Some(format!("{name} {state:?}")),
            Event::NodeFinished { node, status, .. } => Some(format!("end {} {status:?}", node.0)),
            Event::RunFinished { .. } => Some("end".to_owned()),
            _ => None,
        })
        .collect();
    let wanted = [
        "start 1 2",
        "a Ready",
        "b Waiting",
        "a Running",
        "end 0 Done",
        "a Done",
        "b Ready",
        "b Running",
        "end 1 Done",
        "b Done",
        "end",
    ];
    assert_eq!(text, wanted);
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    let text = "a, b: a, c: b, free, other: free, d: c other";
    let ran = simple(text, 2, OnFailure::KeepGoing, &["a"]);
    assert_eq!(ran.failed(), ["a"]);
    assert_eq!(ran.summary.failed[0].blocks, ["b", "c", "d"]);
    assert_eq!((ran.state("free"), ran.state("other")), (State::Done, State::Done));
    assert_eq!((ran.summary.blocked, ran.summary.cancelled, ran.summary.category()), (3, 0, Some(Category::Build)));
}

#[test]
fn a_run_stops_at_the_first_failure_but_what_runs_is_finished() {
    // `b` ends only while the dispatcher learns of the failure of `a`.
    let both = Arc::new(Barrier::new(2));
    let mut named = Named::new("a, b, c, d");
    let (bad, other) = (named.ids["a"], Arc::clone(&both));
    named.hook = Box::new(move |node, _| {
        if node == bad {
            other.wait();
        }
    });
    let ran = go(named, &options(2, OnFailure::Stop), &Cancel::new(), |name, _| {
        if name == "a" {
            return broken();
        }
        both.wait();
        End::Done(())
    });
    assert_eq!(ran.started(), ["a", "b"]);
    assert_eq!((ran.state("a"), ran.state("b")), (State::Failed, State::Done));
    assert_eq!((ran.state("c"), ran.state("d"), ran.summary.cancelled), (State::Cancelled, State::Cancelled, 2));
}

#[test]
fn what_may_pass_is_tried_again_and_only_so_often() {
    let tries = Mutex::new(Vec::new());
    let flaky = |retryable| NodeFailure { retryable, ..NodeFailure::new(Category::Environment, "no answer") };
    let named = Named::new("heals, never, hopeless");
    let ran = go(named, &options(1, OnFailure::KeepGoing), &Cancel::new(), |name, context| {
        tries.lock().unwrap().push((name.to_owned(), context.attempt));
        match name {
            "heals" if context.attempt == 2 => End::Done(()),
            "hopeless" => End::Failed(flaky(false)),
            _ => End::Failed(flaky(true)),
        }
    });
    let tries = tries.into_inner().unwrap();
    let of = |name: &str| tries.iter().filter(|(one, _)| one == name).map(|(_, n)| *n).collect::<Vec<_>>();
    assert_eq!((of("heals"), of("never"), of("hopeless")), (vec![0, 1, 2], vec![0, 1, 2], vec![0]));
    assert_eq!(ran.failed(), ["never", "hopeless"]);
    assert_eq!(ran.summary.category(), Some(Category::Environment));
    let whys: Vec<&str> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            Event::NodeState { name, state: State::Ready, why: Some(why), .. } if name == "heals" => Some(why.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(whys, ["attempt 2 of 3: no answer", "attempt 3 of 3: no answer"]);
}

#[test]
fn what_is_cached_is_done_at_once() {
    let mut named = Named::new("a, b: a, c: b");
    named.cached = vec!["a", "b"];
    let ran = go(named, &options(1, OnFailure::Stop), &Cancel::new(), |_, _| End::Done(()));
    assert_eq!(ran.started(), ["c"]);
    assert_eq!((ran.summary.done, ran.summary.cached), (1, 2));
}

#[test]
fn a_plan_adds_and_drops_work_while_it_runs() {
    let mut named = Named::new("a, b, last: a, unneeded: b");
    let (last, unneeded, first) = (named.ids["last"], named.ids["unneeded"], named.ids["a"]);
    named.hook = Box::new(move |node, work| {
        if node == first {
            // What `a` made says that `last` needs more, and that `unneeded` is not.
            let more = work.add(bedplate_engine::NewNode {
                name: "more".to_owned(),
                kind: bedplate_engine::NodeKind::Build,
                seconds: 1.0,
                memory: None,
            });
            work.need(last, more).unwrap();
            work.skip(unneeded, "nothing asks for it");
        }
    });
    let ran = go(named, &options(1, OnFailure::Stop), &Cancel::new(), |_, _| End::Done(()));
    assert_eq!(ran.started(), ["a", "more", "b", "last"]);
    assert_eq!((ran.state("unneeded"), ran.summary.skipped), (State::Skipped, 1));
    assert!(ran.summary.is_good());
}

#[test]
fn a_plan_that_knows_another_way_is_not_blocked() {
    let mut named = Named::new("bad, good, user: bad good");
    let (bad, user) = (named.ids["bad"], named.ids["user"]);
    named.hook = Box::new(move |node, work| {
        if node == bad {
            assert!(work.drop_need(user, bad));
        }
    });
    let job = |name: &str, _: &_| if name == "bad" { broken() } else { End::Done(()) };
    let ran = go(named, &options(1, OnFailure::KeepGoing), &Cancel::new(), job);
    assert_eq!((ran.state("user"), ran.failed()), (State::Done, vec!["bad"]));
    assert!(ran.summary.failed[0].blocks.is_empty());
}

#[test]
fn cancellation_stops_what_runs_and_starts_nothing() {
    let (cancel, started) = (Cancel::new(), Instant::now());
    let ran = go(Named::new("a, b: a, c"), &options(1, OnFailure::Stop), &cancel, |_, context| {
        cancel.cancel();
        assert!(context.cancel.is_cancelled());
        End::Cancelled
    });
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(ran.started().len(), 1);
    assert!(ran.summary.was_cancelled && !ran.summary.is_good() && ran.summary.failed.is_empty());
    assert_eq!(ran.summary.cancelled, 3);
}

#[test]
fn a_worker_that_panics_is_our_bug_and_the_run_goes_on() {
    let ran = go(Named::new("a, b"), &options(1, OnFailure::KeepGoing), &Cancel::new(), |name, _| {
        assert!(name != "a", "no such thing");
        End::Done(())
    });
    assert_eq!((ran.failed(), ran.state("b")), (vec!["a"], State::Done));
    let failure = &ran.summary.failed[0].failure;
    assert_eq!(
        (failure.category, failure.message.as_str()),
        (Category::Internal, "the worker panicked: no such thing")
    );
    assert_eq!(ran.summary.category(), Some(Category::Internal));
}

#[test]
fn a_plan_that_panics_leaves_no_worker_behind() {
    let mut named = Named::new("quick, loud");
    named.hook = Box::new(|_, _| panic!("the plan is wrong"));
    let cancel = Cancel::new();
    let run = || {
        go(named, &options(2, OnFailure::Stop), &cancel, |name, context| {
            while name == "loud" && !context.cancel.is_cancelled() {
                context.output("more");
            }
            End::Done(())
        })
    };
    // That it comes back at all is the point: it waits for its workers.
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).err().unwrap();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the plan is wrong"));
}

#[test]
fn a_flood_of_output_waits_for_nobody_for_ever() {
    let ran = go(Named::new("loud, b: loud"), &options(2, OnFailure::Stop), &Cancel::new(), |name, context| {
        context.phase("%build");
        if name == "loud" {
            (0..50_000).for_each(|n| context.output(format!("line {n}")));
        }
        End::Done(())
    });
    let lines = ran.events.iter().filter(|event| matches!(event, Event::Output { .. })).count();
    assert_eq!((lines, ran.summary.is_good()), (50_000, true));
}

#[test]
fn the_critical_way_is_that_of_this_run() {
    let ran =
        go(Named::new("slow, quick, end: slow quick"), &options(2, OnFailure::Stop), &Cancel::new(), |name, _| {
            // The only way to be slow is to take time.
            std::thread::sleep(Duration::from_millis(if name == "slow" { 60 } else { 5 }));
            End::Done(())
        });
    let names: Vec<&str> = ran.summary.critical.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["slow", "end"]);
    let length = ran.summary.critical_seconds();
    assert!((0.065..=ran.summary.wall_seconds).contains(&length), "{length}");
}
