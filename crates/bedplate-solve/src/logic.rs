//! Dependencies as boolean formulas over sets of packages.
//!
//! A formula is built for one owner, which is taken as installed: what the owner provides itself is true. It is in negation
//! normal form, so that only sets are negated:
//!
//! ```text
//! (a if b else c)  ─▶  (any{a} ∨ none{b}) ∧ (any{c} ∨ any{b})
//! ```
//!
//! Nodes are shared: a part that stands twice in a formula (the condition above) is one node, so that a formula is never much
//! larger than its text.

use std::rc::Rc;

use bedplate_model::{Dependency, RichDependency, Sense};
use rustc_hash::FxHashMap;

use crate::universe::{PackageId, Universe};

/// A node of a [`Formula`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

/// A part of a formula.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    True,
    False,
    /// At least one of the packages is there; the list is sorted and not empty. The names decide which one is tried first.
    Any(Rc<[PackageId]>, Rc<[String]>),
    /// None of the packages is there; the list is sorted and not empty.
    None(Rc<[PackageId]>),
    And(Vec<NodeId>),
    Or(Vec<NodeId>),
}

/// A boolean formula.
#[derive(Debug, Default)]
pub(crate) struct Formula {
    nodes: Vec<Node>,
}

impl Formula {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(u32::try_from(self.nodes.len() - 1).expect("a dependency is shorter than 4 GiB"))
    }

    fn and(&mut self, parts: Vec<NodeId>) -> NodeId {
        let mut kept = Vec::new();
        for part in parts {
            match self.node(part) {
                Node::True => {}
                Node::False => return part,
                Node::And(inner) => kept.extend(inner.clone()),
                _ => kept.push(part),
            }
        }
        kept.sort_unstable();
        kept.dedup();
        match kept.as_slice() {
            [] => self.add(Node::True),
            [one] => *one,
            _ => self.add(Node::And(kept)),
        }
    }

    fn or(&mut self, parts: Vec<NodeId>) -> NodeId {
        let mut kept = Vec::new();
        for part in parts {
            match self.node(part) {
                Node::False => {}
                Node::True => return part,
                Node::Or(inner) => kept.extend(inner.clone()),
                _ => kept.push(part),
            }
        }
        kept.sort_unstable();
        kept.dedup();
        match kept.as_slice() {
            [] => self.add(Node::False),
            [one] => *one,
            _ => self.add(Node::Or(kept)),
        }
    }
}

/// A part of a rich dependency in negation normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PartId(u32);

#[derive(Debug, Clone)]
enum Part<'t> {
    /// Packages that a part without `and`, `or`, `if` and `unless` selects; negated or not.
    Select {
        tree: &'t RichDependency,
        positive: bool,
    },
    And(Vec<PartId>),
    Or(Vec<PartId>),
}

/// Which question about a part a node of the formula answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It does not hold, or only by what the owner provides itself.
    OwnAtMost,
}

/// Makes the formula of one dependency of an owner.
pub(crate) struct Builder<'u, 't> {
    universe: &'u Universe,
    owner: Option<PackageId>,
    usable: &'u dyn Fn(PackageId) -> bool,
    parts: Vec<Part<'t>>,
    part_of: FxHashMap<(*const RichDependency, bool), PartId>,
    formula: Formula,
    node_of: FxHashMap<(PartId, Question), NodeId>,
    always: FxHashMap<PartId, bool>,
}

impl<'u, 't> Builder<'u, 't> {
    /// `usable` says which packages may be used at all.
    pub(crate) fn new(universe: &'u Universe, owner: Option<PackageId>, usable: &'u dyn Fn(PackageId) -> bool) -> Self {
        Self {
            universe,
            owner,
            usable,
            parts: Vec::new(),
            part_of: FxHashMap::default(),
            formula: Formula::default(),
            node_of: FxHashMap::default(),
            always: FxHashMap::default(),
        }
    }

    /// What has to be true for a rich requirement to hold.
    pub(crate) fn requirement(self, tree: &'t RichDependency) -> (Formula, NodeId) {
        self.build(tree, Question::Holds)
    }

    /// What has to be true for a rich conflict not to strike. As in libsolv, the owner may meet its own conflict alone, but
    /// what it provides counts towards a conflict with others.
    pub(crate) fn conflict(self, tree: &'t RichDependency) -> (Formula, NodeId) {
        self.build(tree, Question::OwnAtMost)
    }

    fn build(mut self, tree: &'t RichDependency, question: Question) -> (Formula, NodeId) {
        let part = self.part(tree, true);
        let root = self.ask(part, question);
        (self.formula, root)
    }

    fn part(&mut self, tree: &'t RichDependency, positive: bool) -> PartId {
        let key = (std::ptr::from_ref(tree), positive);
        if let Some(known) = self.part_of.get(&key) {
            return *known;
        }
        let made = match tree {
            RichDependency::Group(one) => return self.part(one, positive),
            // rpm's parser takes `(a else b)`, and its resolver looks at `a` only.
            RichDependency::Else(first, _) => return self.part(first, positive),
            RichDependency::Single { .. } | RichDependency::With(_) | RichDependency::Without(..) => {
                Part::Select { tree, positive }
            }
            RichDependency::And(all) => {
                let all = all.iter().map(|one| self.part(one, positive)).collect();
                if positive { Part::And(all) } else { Part::Or(all) }
            }
            RichDependency::Or(all) => {
                let all = all.iter().map(|one| self.part(one, positive)).collect();
                if positive { Part::Or(all) } else { Part::And(all) }
            }
            // A if B else C: (A or not B) and (C or B); its negation swaps `and` and `or`, and negates A, B and C.
            RichDependency::If { then, condition, otherwise } => {
                let first = vec![self.part(then, positive), self.part(condition, !positive)];
                let second =
                    otherwise.as_ref().map(|one| vec![self.part(one, positive), self.part(condition, positive)]);
                self.pair(first, second, !positive)
            }
            // A unless B else C: (A and not B) or (C and B)
            RichDependency::Unless { then, condition, otherwise } => {
                let first = vec![self.part(then, positive), self.part(condition, !positive)];
                let second =
                    otherwise.as_ref().map(|one| vec![self.part(one, positive), self.part(condition, positive)]);
                self.pair(first, second, positive)
            }
        };
        let id = self.add_part(made);
        self.part_of.insert(key, id);
        id
    }

    /// `(a and b) or (c and d)` if `inner_and`, else `(a or b) and (c or d)`.
    fn pair(&mut self, first: Vec<PartId>, second: Option<Vec<PartId>>, inner_and: bool) -> Part<'t> {
        let of = |is_and: bool, parts| if is_and { Part::And(parts) } else { Part::Or(parts) };
        match second {
            None => of(inner_and, first),
            Some(second) => {
                let sides = vec![self.add_part(of(inner_and, first)), self.add_part(of(inner_and, second))];
                of(!inner_and, sides)
            }
        }
    }

    fn add_part(&mut self, part: Part<'t>) -> PartId {
        self.parts.push(part);
        PartId(u32::try_from(self.parts.len() - 1).expect("a dependency is shorter than 4 GiB"))
    }

    fn ask(&mut self, part: PartId, question: Question) -> NodeId {
        if let Some(known) = self.node_of.get(&(part, question)) {
            return *known;
        }
        let answer = match (self.parts[part.0 as usize].clone(), question) {
            (Part::Select { tree, positive }, _) => self.select(tree, positive, question),
            (Part::And(parts), Question::Holds) => self.all(&parts, question),
            (Part::And(parts), Question::Fails) => self.some(&parts, question),
            (Part::And(mut parts), Question::OwnAtMost) => {
                // What always holds has no part in who makes the whole hold.
                parts.retain(|part| !self.always_holds(*part));
                let own = if parts.is_empty() { vec![] } else { vec![self.all(&parts, Question::OwnAtMost)] };
                let fails = self.some(&parts, Question::Fails);
                self.formula.or(own.into_iter().chain([fails]).collect())
            }
            (Part::Or(parts), Question::Holds) => self.some(&parts, question),
            (Part::Or(parts), Question::Fails | Question::OwnAtMost) => self.all(&parts, question),
        };
        self.node_of.insert((part, question), answer);
        answer
    }

    /// True if a part holds whatever is installed, since it only says that something is not there which no package provides.
    fn always_holds(&mut self, part: PartId) -> bool {
        if let Some(known) = self.always.get(&part) {
            return *known;
        }
        let answer = match self.parts[part.0 as usize].clone() {
            Part::Select { positive: true, .. } => false,
            Part::Select { tree, positive: false } => {
                !providers_of_tree(self.universe, tree).into_iter().any(self.usable)
            }
            Part::And(parts) => parts.into_iter().all(|part| self.always_holds(part)),
            Part::Or(parts) => parts.into_iter().any(|part| self.always_holds(part)),
        };
        self.always.insert(part, answer);
        answer
    }

    fn all(&mut self, parts: &[PartId], question: Question) -> NodeId {
        let parts = parts.iter().map(|part| self.ask(*part, question)).collect();
        self.formula.and(parts)
    }

    fn some(&mut self, parts: &[PartId], question: Question) -> NodeId {
        let parts = parts.iter().map(|part| self.ask(*part, question)).collect();
        self.formula.or(parts)
    }

    fn select(&mut self, tree: &RichDependency, positive: bool, question: Question) -> NodeId {
        let packages = providers_of_tree(self.universe, tree);
        let own = self.owner.is_some_and(|owner| packages.binary_search(&owner).is_ok());
        let wanted = match question {
            Question::Holds => positive,
            Question::Fails => !positive,
            Question::OwnAtMost if !positive => true,
            Question::OwnAtMost => {
                let others: Vec<PackageId> = packages.into_iter().filter(|id| Some(*id) != self.owner).collect();
                return self.formula.add(if others.is_empty() { Node::True } else { Node::None(others.into()) });
            }
        };
        self.formula.add(match (wanted, own, packages.is_empty()) {
            (true, true, _) | (false, _, true) => Node::True,
            (false, true, _) | (true, _, true) => Node::False,
            (true, false, false) => Node::Any(packages.into(), names_of(tree).into()),
            (false, false, false) => Node::None(packages.into()),
        })
    }
}

/// The names in a tree.
fn names_of(tree: &RichDependency) -> Vec<String> {
    let singles = tree.singles();
    singles
        .into_iter()
        .filter_map(|single| match single {
            RichDependency::Single { name, .. } => Some(name.clone()),
            _ => None,
        })
        .collect()
}

/// The packages that `with`, `without` and what stands in them select: `unsatisfiedDependSet` of `lib/depends.c`. Other
/// operators select nothing there.
pub(crate) fn providers_of_tree(universe: &Universe, tree: &RichDependency) -> Vec<PackageId> {
    match tree {
        RichDependency::Single { name, sense, evr } => universe.providers_of(name, *sense, evr),
        RichDependency::Group(one) => providers_of_tree(universe, one),
        RichDependency::Or(parts) => {
            let mut all: Vec<PackageId> = parts.iter().flat_map(|part| providers_of_tree(universe, part)).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
        RichDependency::With(parts) => {
            let mut sets = parts.iter().map(|part| providers_of_tree(universe, part));
            let mut common = sets.next().unwrap_or_default();
            for set in sets {
                common.retain(|id| set.binary_search(id).is_ok());
            }
            common
        }
        RichDependency::Without(all, but) => {
            let but = providers_of_tree(universe, but);
            let mut all = providers_of_tree(universe, all);
            all.retain(|id| but.binary_search(id).is_err());
            all
        }
        _ => Vec::new(),
    }
}

/// The packages that can take part in a dependency: those that its names match, for the search of what is reachable.
pub(crate) fn mentioned(universe: &Universe, tree: &RichDependency) -> Vec<PackageId> {
    let singles = tree.singles().into_iter();
    let mut all: Vec<PackageId> = singles.flat_map(|single| providers_of_tree(universe, single)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A simple dependency of a part of a tree.
pub(crate) fn single(tree: &RichDependency) -> Option<Dependency> {
    match tree {
        RichDependency::Single { name, sense, evr } => Some(Dependency::new(name.clone(), evr.clone(), *sense)),
        _ => None,
    }
}

/// True if the sense is that of a requirement which rpm never finds unsatisfied.
pub(crate) fn is_missing_ok(dependency: &Dependency) -> bool {
    dependency.sense.contains(Sense::MISSINGOK)
}

#[cfg(test)]
mod tests {
    use bedplate_model::{BinaryPackage, DependencyKind, parse_rich};

    use super::*;
    use crate::universe::Repository;

    fn universe() -> Universe {
        let package = |name: &str| {
            let mut package = BinaryPackage::new(format!("{name}-1-1.noarch").parse().unwrap());
            package.provides.push(Dependency::new(name, "1-1", Sense::EQUAL));
            package
        };
        let packages = ["a", "b", "c"].map(package).into();
        Universe::new([Repository { name: "r".into(), priority: 1, packages }])
    }

    #[test]
    fn deep_nesting_makes_no_large_formula() {
        let universe = universe();
        let usable = |_| true;
        for (word, kind) in [("if", DependencyKind::Requires), ("unless", DependencyKind::Conflicts)] {
            let text = (0..150).fold("(b or c)".to_owned(), |inner, _| format!("(a {word} {inner} else c)"));
            let (tree, _) = parse_rich(&text, kind).unwrap();
            let builder = Builder::new(&universe, Some(PackageId(0)), &usable);
            let (formula, _) =
                if kind == DependencyKind::Requires { builder.requirement(&tree) } else { builder.conflict(&tree) };
            assert!(formula.nodes.len() < 150 * 30, "{word}: {} nodes", formula.nodes.len());
        }
    }
}
