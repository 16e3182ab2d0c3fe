//! What both formats need to know of a drawing: its waves, and which lines to draw.

use std::collections::BTreeMap;

use crate::text;
use crate::{Drawing, Edge, EdgeClass, Node};

/// The nodes of one number.
#[derive(Debug)]
pub(crate) struct Wave {
    pub(crate) number: u32,
    /// Sorted by label.
    pub(crate) nodes: Vec<usize>,
}

/// All edges between two nodes in one direction, those that are cut apart from the others.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The strongest of the edges' classes.
    pub(crate) class: EdgeClass,
    /// The labels that are not empty, as lines of text, each once.
    pub(crate) labels: Vec<String>,
    /// False if other lines lead the same way, so that this one adds nothing to the picture.
    pub(crate) shown: bool,
}

/// A drawing, sorted out.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) title: String,
    pub(crate) nodes: &'a [Node],
    /// The labels as one line each.
    pub(crate) labels: Vec<String>,
    /// Lowest number first; none is empty.
    pub(crate) waves: Vec<Wave>,
    /// The place in `waves` of every node.
    pub(crate) wave_of: Vec<usize>,
    /// Sorted by `from` and `to`; the one that is cut comes last.
    pub(crate) lines: Vec<Line>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(drawing: &'a Drawing) -> Self {
        let nodes = drawing.nodes();
        let labels: Vec<String> = nodes.iter().map(|node| text::line(&node.label)).collect();
        let mut by_number = BTreeMap::<u32, Vec<usize>>::new();
        for (at, node) in nodes.iter().enumerate() {
            by_number.entry(node.group).or_default().push(at);
        }
        let mut wave_of = vec![0; nodes.len()];
        let mut waves = Vec::with_capacity(by_number.len());
        for (place, (number, mut members)) in by_number.into_iter().enumerate() {
            members.sort_by(|a, b| labels[*a].cmp(&labels[*b]).then(a.cmp(b)));
            members.iter().for_each(|node| wave_of[*node] = place);
            waves.push(Wave { number, nodes: members });
        }
        let mut merged = BTreeMap::<(usize, usize, bool), Line>::new();
        for edge in drawing.edges() {
            let Edge { from, to, class, .. } = *edge;
            let line = merged.entry((from, to, class == EdgeClass::Cut)).or_insert_with(|| Line {
                from,
                to,
                class,
                labels: Vec::new(),
                shown: true,
            });
            line.class = line.class.max(class);
            let label = text::line(&edge.label);
            if !label.is_empty() && !line.labels.contains(&label) {
                line.labels.push(label);
            }
        }
        let lines = merged.into_values().collect();
        Self { title: text::line(drawing.title()), nodes, labels, waves, wave_of, lines }
    }

    /// The indexes of what each node needs, sorted, each once; those it needed before a cut included.
    pub(crate) fn needs(&self) -> Vec<Vec<usize>> {
        let mut needs = vec![Vec::new(); self.nodes.len()];
        for line in &self.lines {
            if needs[line.from].last() != Some(&line.to) {
                needs[line.from].push(line.to);
            }
        }
        needs
    }

    /// Hides every plain line between nodes that are also connected by a chain of other lines: the transitive reduction.
    ///
    /// Only lines that lead to a lower wave count, so there is no cycle among them. Lines of another class than
    /// [`EdgeClass::Needs`] say something of their own and stay.
    pub(crate) fn hide_implied_lines(&mut self) {
        let words = self.nodes.len().div_ceil(64);
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for line in &self.lines {
            let leads_down = self.wave_of[line.to] < self.wave_of[line.from];
            if line.class != EdgeClass::Cut && leads_down && below[line.from].last() != Some(&line.to) {
                below[line.from].push(line.to);
            }
        }
        // For each node a bit for every node that it needs by way of another one, and for every one it needs at all.
        let mut indirect = vec![vec![0_u64; words]; self.nodes.len()];
        let mut reached = indirect.clone();
        for wave in &self.waves {
            for &node in &wave.nodes {
                let mut through = vec![0_u64; words];
                for &next in &below[node] {
                    through.iter_mut().zip(&reached[next]).for_each(|(all, more)| *all |= more);
                }
                reached[node].clone_from(&through);
                below[node].iter().for_each(|next| reached[node][next / 64] |= 1 << (next % 64));
                indirect[node] = through;
            }
        }
        for line in &mut self.lines {
            let is_implied = indirect[line.from][line.to / 64] >> (line.to % 64) & 1 == 1;
            line.shown = !(line.class == EdgeClass::Needs && is_implied);
        }
    }

    /// The count and the time of a wave: `12 nodes · 34 min, longest 5 min`; more than that time if some are not known.
    pub(crate) fn wave_summary(&self, wave: &Wave) -> String {
        let known: Vec<f64> = wave.nodes.iter().filter_map(|node| self.nodes[*node].known_seconds()).collect();
        let nodes = text::count(wave.nodes.len(), "node");
        if known.is_empty() {
            return nodes;
        }
        let more = if known.len() < wave.nodes.len() { "> " } else { "" };
        let total = text::duration(known.iter().sum());
        let longest = text::duration(known.iter().copied().fold(0.0, f64::max));
        if known.len() > 1 {
            format!("{nodes} · {more}{total}, longest {longest}")
        } else {
            format!("{nodes} · {more}{total}")
        }
    }

    /// The second line of a node's box: the sublabel and the time.
    pub(crate) fn second_line(&self, node: usize) -> String {
        let sublabel = text::line(&self.nodes[node].sublabel);
        match self.nodes[node].known_seconds().map(text::duration) {
            Some(time) if sublabel.is_empty() => time,
            Some(time) => format!("{sublabel} · {time}"),
            None => sublabel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(groups: &[u32], edges: &[(usize, usize, EdgeClass)]) -> Vec<(usize, usize)> {
        let nodes = groups.iter().enumerate().map(|(at, group)| Node::new(format!("n{at}"), *group)).collect();
        let edge = |(from, to, class): &(usize, usize, EdgeClass)| crate::Edge {
            from: *from,
            to: *to,
            label: String::new(),
            class: *class,
        };
        let drawing = Drawing::new("", nodes, edges.iter().map(edge).collect()).expect("all nodes are there");
        let mut plan = Plan::new(&drawing);
        plan.hide_implied_lines();
        plan.lines.iter().filter(|line| line.shown).map(|line| (line.from, line.to)).collect()
    }

    #[test]
    fn what_a_chain_says_is_not_drawn_again() {
        use EdgeClass::{Critical, Cut, Guess, Needs};
        for (edges, shown) in [
            (vec![(2, 0, Needs), (2, 1, Needs), (1, 0, Needs)], vec![(1, 0), (2, 1)]),
            (vec![(3, 0, Needs), (3, 2, Needs), (2, 1, Needs), (1, 0, Needs)], vec![(1, 0), (2, 1), (3, 2)]),
            (vec![(2, 0, Critical), (2, 1, Needs), (1, 0, Guess)], vec![(1, 0), (2, 0), (2, 1)]),
            // A cut edge is no way.
            (vec![(2, 0, Needs), (2, 1, Cut), (1, 0, Needs)], vec![(1, 0), (2, 0), (2, 1)]),
            // Nor is one that leads up.
            (vec![(0, 1, Needs), (1, 0, Needs)], vec![(0, 1), (1, 0)]),
        ] {
            assert_eq!(plan(&[0, 1, 2, 3], &edges), shown, "{edges:?}");
        }
    }

    #[test]
    fn edges_between_two_nodes_are_one_line_with_all_labels() {
        use EdgeClass::{Critical, Cut, Guess, Needs};
        let edge = |label: &str, class| Edge { from: 0, to: 0, label: label.into(), class };
        let edges = vec![
            edge("b", Guess),
            edge("", Critical),
            edge("c", Cut),
            edge("a", Needs),
            edge("b", Needs),
            edge("d", Cut),
        ];
        let drawing = Drawing::new("", vec![Node::new("n", 4)], edges).expect("the node is there");
        let plan = Plan::new(&drawing);
        let lines: Vec<_> = plan.lines.iter().map(|line| (line.class, line.labels.join(" "))).collect();
        assert_eq!(lines, [(Critical, "b a".to_owned()), (Cut, "c d".to_owned())]);
        assert_eq!((plan.waves[0].number, plan.needs()), (4, vec![vec![0]]));
    }

    #[test]
    fn a_wave_says_its_count_and_time() {
        let node = |seconds| Node { seconds, ..Node::new("n", 0) };
        for (nodes, want) in [
            (vec![node(None)], "1 node"),
            (vec![node(Some(90.0))], "1 node · 1 min 30 s"),
            (vec![node(Some(90.0)), node(Some(30.0))], "2 nodes · 2 min, longest 1 min 30 s"),
            (vec![node(Some(90.0)), node(None), node(Some(f64::NAN))], "3 nodes · > 1 min 30 s"),
        ] {
            let drawing = Drawing::new("", nodes, vec![]).expect("there are no edges");
            let plan = Plan::new(&drawing);
            assert_eq!(plan.wave_summary(&plan.waves[0]), want);
        }
    }
}
