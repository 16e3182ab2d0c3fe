//! What is drawn: nodes in waves, and who needs whom.

/// A graph to draw. Its edges name nodes that are there.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    title: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// A box.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The name, in the first line. More than 64 characters are cut short in the box, not in the tooltip.
    pub label: String,
    /// The second line, such as a version; may be empty.
    pub sublabel: String,
    /// The number of the wave: what a node needs is in lower ones.
    pub group: u32,
    /// What kind of node it is.
    pub class: NodeClass,
    /// More about it, shown to those who point at it; may be empty and may have several lines.
    pub tooltip: String,
    /// How long the work takes, in seconds; `None` (or what is no positive number) if that is not known.
    pub seconds: Option<f64>,
    /// True if it is on the critical path.
    pub critical: bool,
}

impl Node {
    /// A build of a wave, with nothing known but its name.
    pub fn new(label: impl Into<String>, group: u32) -> Self {
        Self {
            label: label.into(),
            sublabel: String::new(),
            group,
            class: NodeClass::Build,
            tooltip: String::new(),
            seconds: None,
            critical: false,
        }
    }

    /// The seconds, if they are a number that can be shown and added.
    pub(crate) fn known_seconds(&self) -> Option<f64> {
        self.seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
    }
}

/// What kind of node it is; decides the colour and the border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeClass {
    /// A build.
    Build,
    /// The tests of a package, run apart from its build.
    Check,
    /// Part of the seed: it is there before the first build.
    Seed,
    /// Taken from the store or a repository instead of built.
    Prebuilt,
    /// Its build failed, or it cannot be built.
    Failed,
    /// Part of a cycle.
    Cycle,
    /// What the reader asked about.
    Focus,
}

impl NodeClass {
    /// All classes, in the order of the legend.
    pub const ALL: [Self; 7] =
        [Self::Focus, Self::Build, Self::Check, Self::Prebuilt, Self::Seed, Self::Cycle, Self::Failed];

    /// The word for it, as legends and tooltips have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Check => "check",
            Self::Seed => "seed",
            Self::Prebuilt => "prebuilt",
            Self::Failed => "failed",
            Self::Cycle => "cycle",
            Self::Focus => "focus",
        }
    }
}

/// An arrow: `from` needs `to`.
///
/// Several edges from one node to the same other one are one line with all their labels and the strongest of their classes;
/// only those that are cut are a line of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that needs.
    pub from: usize,
    /// Index of the node that is needed.
    pub to: usize,
    /// Why: the capability and where it is asked for; may be empty.
    pub label: String,
    /// What kind of edge it is.
    pub class: EdgeClass,
}

/// What kind of edge it is; decides the colour and the dashes. A later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeClass {
    /// Needed as far as can be told before a build.
    Guess,
    /// Needed, and known to be.
    Needs,
    /// On the critical path.
    Critical,
    /// Cut to break a cycle; may lead to a higher wave.
    Cut,
}

impl EdgeClass {
    /// All classes, in the order of the legend.
    pub const ALL: [Self; 4] = [Self::Needs, Self::Guess, Self::Critical, Self::Cut];

    /// The word for it, as legends and tooltips have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Needs => "needs",
            Self::Guess => "guess",
            Self::Cut => "cut",
            Self::Critical => "critical",
        }
    }
}

/// Why a drawing cannot be made. The caller's indexes are wrong: a bug, not a mistake of a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} edges name nodes that are not among the {nodes} of the drawing; the first is edge {}", .edges.len(), .edges[0])]
pub struct DrawingError {
    /// The indexes of the wrong edges; at least one.
    pub edges: Vec<usize>,
    /// How many nodes there are.
    pub nodes: usize,
}

impl Drawing {
    /// Puts a drawing together. The order of nodes and edges counts for nothing but ties.
    ///
    /// # Errors
    /// Edges name nodes that are not there; all of them are told.
    pub fn new(title: impl Into<String>, nodes: Vec<Node>, edges: Vec<Edge>) -> Result<Self, DrawingError> {
        let is_wrong = |edge: &Edge| edge.from >= nodes.len() || edge.to >= nodes.len();
        let wrong: Vec<usize> = (0..edges.len()).filter(|at| is_wrong(&edges[*at])).collect();
        if !wrong.is_empty() {
            return Err(DrawingError { edges: wrong, nodes: nodes.len() });
        }
        Ok(Self { title: title.into(), nodes, edges })
    }

    /// The heading.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The edges.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_to_nowhere_are_told_all_at_once() {
        let edge = |from, to| Edge { from, to, label: String::new(), class: EdgeClass::Needs };
        let made = Drawing::new("t", vec![Node::new("a", 0)], vec![edge(0, 0), edge(0, 1), edge(7, 0)]);
        let error = made.expect_err("two edges are wrong");
        assert_eq!(error, DrawingError { edges: vec![1, 2], nodes: 1 });
        assert!(error.to_string().starts_with("2 edges name nodes that are not among the 1"), "{error}");
    }

    #[test]
    fn seconds_that_are_no_number_are_unknown() {
        for (seconds, known) in
            [(1.5, Some(1.5)), (0.0, Some(0.0)), (-1.0, None), (f64::NAN, None), (f64::INFINITY, None)]
        {
            let node = Node { seconds: Some(seconds), ..Node::new("a", 0) };
            assert_eq!(node.known_seconds(), known, "{seconds}");
        }
    }
}
