//! What is to be done: nodes, what they need, and the state of each.
//!
//! A plan changes it while the run goes on: nodes come, edges come and go, expected times change. All transitions of
//! states go through one function.
//!
//! ```text
//! Waiting ⇄ Ready ─▶ Running ─▶ Done          (of what needs it: Waiting ─▶ Ready)
//!    │        │         ├─────▶ Failed        (of what needs it: Waiting, Ready ─▶ Blocked)
//!    │        │         ├─────▶ Cancelled
//!    │        │         └─────▶ Ready         (tried again)
//!    └────────┴──▶ Blocked, Skipped, Cancelled
//! ```

use std::cmp::Reverse;

use thiserror::Error;

use crate::event::{NodeId, NodeKind, State};

/// A node to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNode {
    /// Its name: of a build or check, that of the source package.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// How long it should take, in seconds.
    pub seconds: f64,
    /// The most memory that it took before, in bytes; none if nobody knows.
    pub memory: Option<u64>,
}

/// An edge that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NeedError {
    /// The edge would close a cycle: each name needs the next, the last one the first.
    #[error("the builds need each other in a circle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
    /// The node has started already.
    #[error("`{0}` has started already and cannot wait for anything more")]
    Started(String),
}

#[derive(Debug, Clone)]
struct Node {
    new: NewNode,
    needs: Vec<NodeId>,
    users: Vec<NodeId>,
    /// How many of its needs are not done.
    open: usize,
    state: State,
    /// The longest way from its start to the end of what waits for it, in seconds.
    remaining: f64,
}

/// A transition, for the stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) node: NodeId,
    pub(crate) state: State,
    pub(crate) why: Option<String>,
}

/// Nodes and edges.
#[derive(Debug, Clone, Default)]
pub struct Work {
    nodes: Vec<Node>,
    /// Ready nodes, in the order in which they should start.
    ready: Vec<NodeId>,
    /// What happened since [`take_changes`](Self::take_changes).
    changes: Vec<Change>,
    /// Whether an edge, a node or a time is new, so that the longest ways and the order have to be found again.
    is_stale: bool,
}

impl Work {
    /// Nothing to do yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node that needs nothing yet.
    pub fn add(&mut self, new: NewNode) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).expect("there are fewer nodes than 2^32"));
        debug_assert!(new.seconds.is_finite() && new.seconds >= 0.0, "a time is a positive number");
        let remaining = new.seconds;
        let node = Node { new, needs: Vec::new(), users: Vec::new(), open: 0, state: State::Waiting, remaining };
        self.nodes.push(node);
        self.set_state(id, State::Ready, None);
        id
    }

    /// Makes a node wait for another. An edge that is there already is no second one.
    ///
    /// If what is needed has failed, the node is blocked. Nodes that are loaded in the order in which they can run cost least:
    /// nothing has to be searched for cycles then.
    ///
    /// # Errors
    /// If the edge closes a cycle, or the node has started.
    pub fn need(&mut self, user: NodeId, need: NodeId) -> Result<(), NeedError> {
        let state = self.state(user);
        if self.nodes[user.index()].needs.contains(&need) {
            return Ok(());
        }
        if !matches!(state, State::Waiting | State::Ready | State::Blocked) {
            return Err(NeedError::Started(self.name(user).to_owned()));
        }
        if let Some(way) = self.way(user, need) {
            return Err(NeedError::Cycle(way.iter().map(|node| self.name(*node).to_owned()).collect()));
        }
        self.nodes[user.index()].needs.push(need);
        self.nodes[need.index()].users.push(user);
        self.is_stale = true;
        match self.state(need) {
            State::Done | State::Skipped => {}
            State::Failed | State::Blocked | State::Cancelled if state != State::Blocked => {
                self.nodes[user.index()].open += 1;
                self.block([vec![user], self.all_users(user)].concat(), need);
            }
            _ => {
                self.nodes[user.index()].open += 1;
                if state == State::Ready {
                    self.set_state(user, State::Waiting, None);
                }
            }
        }
        Ok(())
    }

    /// Makes a node not wait for another any more; says whether it did.
    ///
    /// A node that is blocked stays so: a plan that knows another way takes the edge away while it is told of the failure.
    pub fn drop_need(&mut self, user: NodeId, need: NodeId) -> bool {
        let Some(at) = self.nodes[user.index()].needs.iter().position(|one| *one == need) else { return false };
        self.nodes[user.index()].needs.remove(at);
        self.nodes[need.index()].users.retain(|one| *one != user);
        self.is_stale = true;
        if !matches!(self.state(need), State::Done | State::Skipped) {
            self.nodes[user.index()].open -= 1;
            if self.nodes[user.index()].open == 0 && self.state(user) == State::Waiting {
                self.set_state(user, State::Ready, None);
            }
        }
        true
    }

    /// Says that nobody needs a node. One that runs or is done is left alone.
    pub fn skip(&mut self, node: NodeId, why: impl Into<String>) {
        if matches!(self.state(node), State::Waiting | State::Ready) {
            self.set_state(node, State::Skipped, Some(why.into()));
        }
    }

    /// Changes how long a node should take, in seconds.
    pub fn set_seconds(&mut self, node: NodeId, seconds: f64) {
        debug_assert!(seconds.is_finite() && seconds >= 0.0, "a time is a positive number");
        self.nodes[node.index()].new.seconds = seconds;
        self.is_stale = true;
    }

    /// Changes how much memory a node should take, in bytes.
    pub fn set_memory(&mut self, node: NodeId, memory: Option<u64>) {
        self.nodes[node.index()].new.memory = memory;
    }

    /// All nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        let count = u32::try_from(self.nodes.len()).expect("there are fewer nodes than 2^32");
        (0..count).map(NodeId)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The name of a node.
    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node.index()].new.name
    }

    /// What a node does.
    pub fn kind(&self, node: NodeId) -> NodeKind {
        self.nodes[node.index()].new.kind
    }

    /// Where a node is on its way.
    pub fn state(&self, node: NodeId) -> State {
        self.nodes[node.index()].state
    }

    /// How long a node should take, in seconds.
    pub fn seconds(&self, node: NodeId) -> f64 {
        self.nodes[node.index()].new.seconds
    }

    /// How much memory a node should take, in bytes; none if nobody knows.
    pub fn memory(&self, node: NodeId) -> Option<u64> {
        self.nodes[node.index()].new.memory
    }

    /// What a node waits for, or waited for.
    pub fn needs(&self, node: NodeId) -> &[NodeId] {
        &self.nodes[node.index()].needs
    }

    /// What waits for a node, or waited for it.
    pub fn users(&self, node: NodeId) -> &[NodeId] {
        &self.nodes[node.index()].users
    }

    /// All that waits for a node, directly or not; sorted.
    pub fn all_users(&self, node: NodeId) -> Vec<NodeId> {
        let (mut found, mut open) = (vec![false; self.nodes.len()], vec![node]);
        while let Some(one) = open.pop() {
            for user in self.users(one) {
                if !std::mem::replace(&mut found[user.index()], true) {
                    open.push(*user);
                }
            }
        }
        self.nodes().filter(|one| found[one.index()]).collect()
    }

    /// The longest way from the start of a node to the end of all that waits for it, in seconds, by expected times.
    pub fn remaining(&mut self, node: NodeId) -> f64 {
        self.refresh();
        self.nodes[node.index()].remaining
    }

    /// Ready nodes, in the order in which they should start: longest remaining way first, then builds before checks. It is
    /// right after [`refresh`](Self::refresh).
    pub(crate) fn ready(&self) -> &[NodeId] {
        debug_assert!(!self.is_stale, "the order is that of an older graph");
        &self.ready
    }

    /// All transitions since the last call, in their order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.changes);
        // What nobody saw: a node that was ready until its needs were named.
        let mut later = vec![false; self.nodes.len()];
        changes.reverse();
        changes.retain(|change| {
            let is_passed = std::mem::replace(&mut later[change.node.index()], true);
            !is_passed || change.why.is_some() || !matches!(change.state, State::Waiting | State::Ready)
        });
        changes.reverse();
        changes
    }

    /// The one way in which a state changes.
    pub(crate) fn set_state(&mut self, node: NodeId, state: State, why: Option<String>) {
        let old = std::mem::replace(&mut self.nodes[node.index()].state, state);
        debug_assert!(is_allowed(old, state), "{}: {old:?} to {state:?}", self.name(node));
        debug_assert!(state != State::Ready || self.nodes[node.index()].open == 0, "a ready node waits for nothing");
        if old == State::Ready {
            self.ready.retain(|one| *one != node);
        }
        self.changes.push(Change { node, state, why });
        self.is_stale |= matches!(state, State::Skipped | State::Blocked);
        match state {
            State::Ready if self.is_stale => self.ready.push(node),
            State::Ready => {
                let rank = self.rank(node);
                let at = self.ready.partition_point(|one| self.rank(*one) <= rank);
                self.ready.insert(at, node);
            }
            State::Done | State::Skipped => {
                for user in self.nodes[node.index()].users.clone() {
                    self.nodes[user.index()].open -= 1;
                    if self.nodes[user.index()].open == 0 && self.state(user) == State::Waiting {
                        self.set_state(user, State::Ready, None);
                    }
                }
            }
            State::Failed => {
                self.block(self.all_users(node), node);
            }
            State::Waiting | State::Running | State::Blocked | State::Cancelled => {}
        }
    }

    /// Blocks those of some nodes that have not started.
    fn block(&mut self, nodes: impl IntoIterator<Item = NodeId>, cause: NodeId) {
        for node in nodes {
            if matches!(self.state(node), State::Waiting | State::Ready) {
                let why = format!("`{}` is not there", self.name(cause));
                self.set_state(node, State::Blocked, Some(why));
            }
        }
    }

    /// The way along users from a node to another: from `from` to `to`, both in it, each needed by the next.
    fn way(&self, from: NodeId, to: NodeId) -> Option<Vec<NodeId>> {
        if from == to {
            return Some(vec![from]);
        }
        // A node that nothing waits for, or that waits for nothing, is in no cycle.
        if self.users(from).is_empty() || self.needs(to).is_empty() {
            return None;
        }
        let mut came = vec![None; self.nodes.len()];
        let mut open = vec![from];
        while let Some(one) = open.pop() {
            for user in self.users(one) {
                if *user != from && came[user.index()].is_none() {
                    came[user.index()] = Some(one);
                    open.push(*user);
                }
            }
        }
        came[to.index()]?;
        let step = |node: &NodeId| came[node.index()];
        // From the end back: each needs the next, and the first is what `from` would need.
        Some(std::iter::successors(Some(to), step).collect())
    }

    /// What decides who starts first; the least starts first.
    fn rank(&self, node: NodeId) -> (Reverse<Milliseconds>, NodeKind, NodeId) {
        let one = &self.nodes[node.index()];
        (Reverse(milliseconds(one.remaining)), one.new.kind, node)
    }

    /// Finds the longest ways and the order again, if something changed.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        let mut waits: Vec<usize> = self.nodes.iter().map(|node| node.users.len()).collect();
        let mut open: Vec<NodeId> = self.nodes().filter(|node| waits[node.index()] == 0).collect();
        let mut seen = 0;
        while let Some(id) = open.pop() {
            seen += 1;
            let node = &self.nodes[id.index()];
            let after = node.users.iter().map(|user| self.nodes[user.index()].remaining).fold(0.0, f64::max);
            // What will never start hurries nobody.
            let is_off = matches!(node.state, State::Skipped | State::Blocked | State::Cancelled);
            let own = if is_off { 0.0 } else { node.new.seconds };
            self.nodes[id.index()].remaining = own + after;
            for at in 0..self.nodes[id.index()].needs.len() {
                let need = self.nodes[id.index()].needs[at];
                waits[need.index()] -= 1;
                if waits[need.index()] == 0 {
                    open.push(need);
                }
            }
        }
        debug_assert_eq!(seen, self.nodes.len(), "`need` lets no cycle in");
        let mut ready = std::mem::take(&mut self.ready);
        ready.sort_by_key(|node| self.rank(*node));
        self.ready = ready;
    }
}

type Milliseconds = u64;

/// A time that can be sorted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are positive and below centuries")]
fn milliseconds(seconds: f64) -> Milliseconds {
    (seconds * 1000.0).round() as u64
}

/// Which transitions there are.
fn is_allowed(from: State, to: State) -> bool {
    match from {
        State::Waiting => matches!(to, State::Ready | State::Blocked | State::Skipped | State::Cancelled),
        State::Ready => {
            matches!(to, State::Waiting | State::Running | State::Done | State::Failed)
                || matches!(to, State::Blocked | State::Skipped | State::Cancelled)
        }
        State::Running => matches!(to, State::Done | State::Failed | State::Cancelled | State::Ready),
        State::Done | State::Skipped | State::Failed | State::Blocked | State::Cancelled => false,
    }
}
