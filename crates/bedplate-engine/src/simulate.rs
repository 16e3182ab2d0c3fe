//! How long the rest takes: the real scheduler with a clock that jumps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::{NodeId, State};
use crate::scheduler::Scheduler;

/// When a node starts and ends in a simulation, in seconds from its beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The node.
    pub node: NodeId,
    /// The number of its worker.
    pub slot: usize,
    /// When it starts; what runs already starts at 0.
    pub start: f64,
    /// When it ends.
    pub end: f64,
}

/// Runs the rest of the work if each node takes as long as expected; `elapsed` is how long a running node has run already, in
/// seconds. Gives the nodes in the order of their ends.
///
/// A node that takes longer than expected is thought to go on for a tenth of what it took.
pub fn simulate(scheduler: &Scheduler, elapsed: impl Fn(NodeId) -> f64) -> Vec<Span> {
    let mut scheduler = scheduler.clone();
    let mut ends: BinaryHeap<Reverse<(u64, NodeId)>> = BinaryHeap::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut open: Vec<Span> = Vec::new();
    let begin = |open: &mut Vec<Span>, ends: &mut BinaryHeap<_>, span: Span| {
        ends.push(Reverse((microseconds(span.end), span.node)));
        open.push(span);
    };
    for one in scheduler.running().to_vec() {
        let took = elapsed(one.node);
        let end = (scheduler.work.seconds(one.node) - took).max(took / 10.0);
        begin(&mut open, &mut ends, Span { node: one.node, slot: one.slot, start: 0.0, end });
    }
    let mut now = 0.0;
    loop {
        while let Some(node) = scheduler.choose() {
            let slot = scheduler.start(node).slot;
            let end = now + scheduler.work.seconds(node);
            begin(&mut open, &mut ends, Span { node, slot, start: now, end });
        }
        let Some(Reverse((_, node))) = ends.pop() else { break };
        let at = open.iter().position(|span| span.node == node).expect("what ends has begun");
        let span = open.swap_remove(at);
        now = span.end.max(now);
        spans.push(span);
        scheduler.end(node, State::Done, None);
        // Transitions of a simulation are nobody's news.
        scheduler.work.take_changes();
    }
    spans
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive and below centuries")]
fn microseconds(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}
