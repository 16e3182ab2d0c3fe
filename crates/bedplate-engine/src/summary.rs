//! How a run ended, in figures and root causes.

use std::path::PathBuf;
use std::time::Duration;

use crate::event::{FailedNode, NodeFailure, NodeId, State, Summary, TimedNode};
use crate::work::Work;

/// What the dispatcher knows of a node's job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    /// When it started last, from the start of the run.
    pub(crate) started: Duration,
    /// How often it was started.
    pub(crate) attempts: u32,
    /// The time of all its attempts.
    pub(crate) wall_seconds: f64,
    /// The processor time of all its attempts.
    pub(crate) cpu_seconds: f64,
    pub(crate) is_cached: bool,
    pub(crate) log: Option<PathBuf>,
    pub(crate) failure: Option<NodeFailure>,
}

/// Counts and names; `failed` are the root causes in their order.
pub(crate) fn summarise(
    work: &Work,
    records: &[Record],
    failed: &[NodeId],
    wall: Duration,
    was_cancelled: bool,
) -> Summary {
    let count = |state| work.nodes().filter(|node| work.state(*node) == state).count();
    let cached = records.iter().filter(|record| record.is_cached).count();
    Summary {
        done: count(State::Done) - cached,
        cached,
        skipped: count(State::Skipped),
        failed: failed.iter().map(|node| failed_node(work, *node, &records[node.index()])).collect(),
        blocked: count(State::Blocked),
        cancelled: count(State::Cancelled),
        was_cancelled,
        wall_seconds: wall.as_secs_f64(),
        cpu_seconds: records.iter().map(|record| record.cpu_seconds).sum(),
        critical: critical(work, records),
    }
}

fn failed_node(work: &Work, node: NodeId, record: &Record) -> FailedNode {
    let blocked = work.all_users(node).into_iter().filter(|user| work.state(*user) == State::Blocked);
    let mut blocks: Vec<String> = blocked.map(|user| work.name(user).to_owned()).collect();
    blocks.sort();
    blocks.dedup();
    FailedNode {
        node,
        name: work.name(node).to_owned(),
        kind: work.kind(node),
        failure: record.failure.clone().expect("a failed node has a failure"),
        log: record.log.clone(),
        blocks,
    }
}

/// The way of needs that took longest, in the order in which it ran; what took no time is left out.
fn critical(work: &Work, records: &[Record]) -> Vec<TimedNode> {
    let (mut open, mut waits) = (Vec::new(), Vec::new());
    for node in work.nodes() {
        waits.push(work.needs(node).len());
        if work.needs(node).is_empty() {
            open.push(node);
        }
    }
    let mut longest = vec![0.0_f64; work.len()];
    let mut before: Vec<Option<NodeId>> = vec![None; work.len()];
    let mut last = None;
    while let Some(node) = open.pop() {
        longest[node.index()] += records[node.index()].wall_seconds;
        if last.is_none_or(|last: NodeId| longest[node.index()] > longest[last.index()]) {
            last = Some(node);
        }
        for user in work.users(node) {
            if longest[node.index()] > longest[user.index()] {
                longest[user.index()] = longest[node.index()];
                before[user.index()] = Some(node);
            }
            waits[user.index()] -= 1;
            if waits[user.index()] == 0 {
                open.push(*user);
            }
        }
    }
    let way = std::iter::successors(last, |node| before[node.index()]);
    let timed = |node: NodeId| TimedNode {
        name: work.name(node).to_owned(),
        kind: work.kind(node),
        seconds: records[node.index()].wall_seconds,
    };
    let mut way: Vec<TimedNode> = way.map(timed).filter(|node| node.seconds > 0.0).collect();
    way.reverse();
    way
}
