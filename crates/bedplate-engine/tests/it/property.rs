//! What holds for every work: random graphs, limits, failures and changes on the way.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bedplate_engine::{
    Cancel, End, Event, Limits, NewNode, NodeId, NodeKind, OnFailure, Options, Scheduler, Span, State, Work, simulate,
};
use proptest::prelude::*;

use crate::plan::{Named, broken, go};

/// Nodes, each with its kind, seconds, memory, and what it needs (numbers of earlier ones).
type Graph = Vec<(u8, u32, Option<u64>, BTreeSet<usize>)>;

fn graphs(most: usize) -> impl Strategy<Value = Graph> {
    let node =
        (0_u8..5, 0_u32..100, prop::option::of(0_u64..50), prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    prop::collection::vec(node, 1..most).prop_map(|nodes| {
        let of = |at: usize, needs: Vec<prop::sample::Index>| {
            if at == 0 { BTreeSet::new() } else { needs.iter().map(|need| need.index(at)).collect() }
        };
        let nodes = nodes.into_iter().enumerate();
        nodes.map(|(at, (kind, seconds, memory, needs))| (kind, seconds, memory, of(at, needs))).collect()
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..6, 1_usize..3, prop::option::of(1_u64..120), 0_u64..40)
        .prop_map(|(jobs, fetches, max_memory, assumed_memory)| Limits { jobs, fetches, max_memory, assumed_memory })
}

fn kind(number: u8) -> NodeKind {
    [NodeKind::Build, NodeKind::Check, NodeKind::Source, NodeKind::Build, NodeKind::Seed][usize::from(number)]
}

fn work_of(graph: &Graph) -> Work {
    let mut work = Work::new();
    for (at, (number, seconds, memory, needs)) in graph.iter().enumerate() {
        let seconds = f64::from(*seconds);
        let id = work.add(NewNode { name: format!("n{at}"), kind: kind(*number), seconds, memory: *memory });
        for need in needs {
            work.need(id, NodeId(u32::try_from(*need).unwrap())).unwrap();
        }
    }
    work
}

/// All that run in the middle of the time from a start on.
fn beside(spans: &[Span], at: f64) -> Vec<&Span> {
    spans.iter().filter(|span| span.start <= at && at < span.end).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_and_needs_hold_and_all_is_done(graph in graphs(30), limits in limits()) {
        let scheduler = Scheduler::new(work_of(&graph), limits);
        let spans = simulate(&scheduler, |_| 0.0);
        prop_assert_eq!(spans.len(), graph.len());
        for span in &spans {
            for need in scheduler.work.needs(span.node) {
                let before = spans.iter().find(|one| one.node == *need).unwrap();
                prop_assert!(before.end <= span.start, "{:?} starts before {:?} ends", span, before);
            }
            let (fetches, jobs): (Vec<&Span>, Vec<&Span>) =
                beside(&spans, span.start).into_iter().partition(|one| scheduler.work.kind(one.node) == NodeKind::Source);
            prop_assert!(fetches.len() <= limits.fetches && jobs.len() <= limits.jobs);
            let memory: u64 = jobs.iter().map(|one| scheduler.memory(one.node)).sum();
            prop_assert!(jobs.len() <= 1 || memory <= limits.max_memory.unwrap_or(u64::MAX), "{} of {:?}", memory, limits);
            let slots: BTreeSet<usize> = fetches.iter().chain(&jobs).map(|one| one.slot).collect();
            prop_assert_eq!(slots.len(), fetches.len() + jobs.len());
        }
    }

    #[test]
    fn nothing_that_is_large_waits_for_ever(jobs in 1_usize..5, small in 20_usize..60) {
        // Many small nodes and one that fits only beside nothing: it may not be the last.
        let mut work = Work::new();
        let mut add = |seconds: f64, memory| {
            work.add(NewNode { name: String::new(), kind: NodeKind::Build, seconds, memory: Some(memory) })
        };
        let large = add(500.0, 100);
        (0..small).for_each(|n| { add(10.0 + f64::from(u32::try_from(n % 7).unwrap()), 1); });
        // It is ready while a small one runs.
        let mut scheduler = Scheduler::new(work, Limits { jobs, max_memory: Some(100), ..Limits::default() });
        scheduler.start(NodeId(1));
        let spans = simulate(&scheduler, |_| 0.0);
        let start = spans.iter().find(|span| span.node == large).unwrap().start;
        let before = spans.iter().filter(|span| span.start < start).count();
        prop_assert!(before <= 2 * jobs + 1, "{} started before it with {} slots", before, jobs);
    }

    #[test]
    fn keep_going_blocks_exactly_what_needs_a_failure(graph in graphs(25), bad in prop::collection::btree_set(0_usize..25, 0..4), jobs in 1_usize..4) {
        let named = named(&graph);
        let options = options(jobs, OnFailure::KeepGoing);
        let ran = go(named, &options, &Cancel::new(), |name, _| if bad.contains(&number(name)) { broken() } else { End::Done(()) });
        // By the meaning of the words: a node is blocked if one of its needs failed or is blocked.
        let mut wanted: Vec<State> = Vec::new();
        for (at, (_, _, _, needs)) in graph.iter().enumerate() {
            let is_blocked = needs.iter().any(|need| matches!(wanted[*need], State::Failed | State::Blocked));
            wanted.push(if is_blocked { State::Blocked } else if bad.contains(&at) { State::Failed } else { State::Done });
        }
        let got: Vec<State> = ran.work.nodes().map(|node| ran.work.state(node)).collect();
        prop_assert_eq!(&got, &wanted);
        let roots = wanted.iter().filter(|state| **state == State::Failed).count();
        prop_assert_eq!(ran.summary.failed.len(), roots);
    }

    #[test]
    fn edges_that_come_and_go_on_the_way_are_respected(graph in graphs(20), changes in prop::collection::vec((0_u32..20, 0_u32..20, any::<bool>()), 0..40), jobs in 1_usize..4) {
        let mut named = named(&graph);
        // Each end of a node brings two changes; what they were is what the starts are compared with.
        let made = std::sync::Arc::new(Mutex::new(Vec::new()));
        let (mut changes, count, out) = (changes.into_iter(), u32::try_from(graph.len()).unwrap(), std::sync::Arc::clone(&made));
        named.hook = Box::new(move |_, work| {
            for (user, need, is_new) in changes.by_ref().take(2) {
                let (user, need) = (NodeId(user % count), NodeId(need % count));
                if is_new && work.need(user, need).is_ok() {
                    out.lock().unwrap().push((user, need, true));
                } else if !is_new && work.drop_need(user, need) {
                    out.lock().unwrap().push((user, need, false));
                }
            }
        });
        let ran = go(named, &options(jobs, OnFailure::Stop), &Cancel::new(), |_, _| End::Done(()));
        prop_assert!(ran.summary.is_good());
        let at = |node: NodeId, wanted: State| ran.events.iter().position(|event| {
            matches!(event, Event::NodeState { node: one, state, .. } if *one == node && *state == wanted)
        }).unwrap();
        // The edges that there are in the end were there when the node started, as none can be added later.
        for node in ran.work.nodes() {
            for need in ran.work.needs(node) {
                prop_assert!(at(*need, State::Done) < at(node, State::Running), "{node:?} needs {need:?}: {:?}", made.lock().unwrap());
            }
        }
    }

    #[test]
    fn a_cancelled_run_ends_and_starts_nothing_more(graph in graphs(20), after in 0_usize..10, jobs in 1_usize..4) {
        let (cancel, started) = (Cancel::new(), Mutex::new(0));
        let ran = go(named(&graph), &options(jobs, OnFailure::Stop), &cancel, |_, _| {
            let mut started = started.lock().unwrap();
            *started += 1;
            if *started > after {
                cancel.cancel();
                return End::Cancelled;
            }
            End::Done(())
        });
        let started = started.into_inner().unwrap();
        prop_assert!(started <= after + jobs + options(jobs, OnFailure::Stop).limits.fetches);
        prop_assert!(ran.work.nodes().all(|node| ran.work.state(node).is_final()));
        prop_assert_eq!(ran.summary.was_cancelled, started > after);
        prop_assert_eq!(ran.summary.done + ran.summary.cancelled, graph.len());
    }

    #[test]
    fn no_edge_closes_a_cycle(graph in graphs(15), edges in prop::collection::vec((0_u32..15, 0_u32..15), 0..30)) {
        let mut work = work_of(&graph);
        let count = u32::try_from(graph.len()).unwrap();
        for (user, need) in edges {
            let (user, need) = (NodeId(user % count), NodeId(need % count));
            let is_cycle = user == need || work.all_users(user).contains(&need);
            prop_assert_eq!(work.need(user, need).is_err(), is_cycle);
        }
        // So all of it can be done.
        let spans = simulate(&Scheduler::new(work, Limits::default()), |_| 0.0);
        prop_assert_eq!(spans.len(), graph.len());
    }
}

fn named(graph: &Graph) -> Named {
    let mut named = Named::new("n0");
    named.work = work_of(graph);
    named
}

fn number(name: &str) -> usize {
    name[1..].parse().unwrap()
}

fn options(jobs: usize, on_failure: OnFailure) -> Options {
    Options { limits: Limits { jobs, fetches: 2, ..Limits::default() }, on_failure, ..Options::default() }
}

#[test]
fn a_cycle_is_named_in_the_order_of_needs() {
    let mut work = Named::new("a, b: a, c: b").work;
    let error = work.need(NodeId(0), NodeId(2)).unwrap_err();
    assert_eq!(error.to_string(), "the builds need each other in a circle: c → b → a");
    let error = work.need(NodeId(1), NodeId(1)).unwrap_err();
    assert_eq!(error.to_string(), "the builds need each other in a circle: b");
}
