//! A layout with a column for each wave: who is needed is to the left of who needs it.
//!
//! ```text
//! wave 0      wave 1            wave 2
//! ┌──────┐    ┌──────┐          ┌──────┐
//! │ to   │◀───│ from │◀──label──│      │
//! │      │◀─┐ └──────┘          └──────┘
//! └──────┘  └────────bend───────┌──────┐
//!                               │      │      a bend is a place in a column through which lines pass it
//!                               └──────┘
//! ```
//!
//! All lines of a class to one node share their bends, so the hundred users of a library make one line with branches. A
//! wave of many nodes has several columns. Where there are few labels, each gets a place of its own beside its line.

use std::collections::{BTreeMap, BTreeSet};

use crate::order::{Links, order};
use crate::place::{Pull, place};
use crate::plan::{Line, Plan};
use crate::{EdgeClass, text};

/// The most boxes in one column.
const MOST_IN_COLUMN: usize = 26;
/// Up to so many labels are written beside their lines; more would be more ink than drawing.
const MOST_LABELS: usize = 30;
/// The most characters of such a label.
pub(crate) const LONGEST_LINE_LABEL: usize = 44;
/// The font size of such a label.
pub(crate) const LINE_LABEL_SIZE: f64 = 10.5;

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The box of a node.
    Box(usize),
    /// A place where the lines of a class to a node pass.
    Bend(usize, EdgeClass),
    /// The label of a line.
    Label(usize),
}

/// Something with a place in the picture.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) column: usize,
    /// The middle.
    pub(crate) y: f64,
}

/// A column of boxes or labels.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) x: f64,
    pub(crate) width: f64,
    /// Its wave (a place in [`Plan::waves`]); none for a column of labels.
    pub(crate) wave: Option<usize>,
}

/// The way of a line.
#[derive(Debug)]
pub(crate) struct Route {
    /// The place of the line in [`Plan::lines`].
    pub(crate) line: usize,
    /// From right to left: a box, what is on the way, a box. Both boxes are in one column if there is only that column.
    pub(crate) items: Vec<usize>,
    /// True if the line leads from left to right: what is needed is to the right.
    pub(crate) is_reversed: bool,
    /// How far a line between two boxes of one column reaches out of it to the right; 0 for all others.
    pub(crate) bulge: f64,
}

/// A finished layout; its upper left corner is at 0, 0.
#[derive(Debug)]
pub(crate) struct Layered {
    pub(crate) columns: Vec<Column>,
    pub(crate) items: Vec<Item>,
    pub(crate) routes: Vec<Route>,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// Lays a plan out. `box_width` is by node, `header_width` by wave.
pub(crate) fn layered(plan: &Plan<'_>, box_width: &[f64], header_width: &[f64], box_height: f64) -> Layered {
    let has_label = |line: &Line| line.shown && !line.labels.is_empty();
    let has_labels = (1..=MOST_LABELS).contains(&plan.lines.iter().filter(|line| has_label(line)).count());
    let mut builder = Builder::new(plan, has_labels);
    for (at, line) in plan.lines.iter().enumerate().filter(|(_, line)| line.shown) {
        builder.add_line(at, line, has_labels && has_label(line));
    }
    let Builder { items, mut layers, wave_of_layer, mut routes, .. } = builder;

    let mut pulls = (vec![Vec::new(); items.len()], vec![Vec::new(); items.len()]);
    let mut links = Links { left: vec![Vec::new(); items.len()], right: vec![Vec::new(); items.len()] };
    let mut segments = BTreeMap::<(usize, usize), f64>::new();
    for route in &routes {
        for pair in route.items.windows(2).filter(|pair| items[pair[0]].column != items[pair[1]].column) {
            let straight = f64::from(u8::from(matches!(items[pair[0]].kind, Kind::Bend(..))))
                + f64::from(u8::from(matches!(items[pair[1]].kind, Kind::Bend(..))));
            let critical = if plan.lines[route.line].class == EdgeClass::Critical { 6.0 } else { 0.0 };
            segments.insert((pair[1], pair[0]), 1.0 + 3.0 * straight + critical);
        }
    }
    for (&(left, right), &weight) in &segments {
        links.right[left].push(right);
        links.left[right].push(left);
        pulls.1[left].push(Pull { other: right, weight });
        pulls.0[right].push(Pull { other: left, weight });
    }
    order(&mut layers, &links);

    let height_of = |item: usize| match items[item].kind {
        Kind::Box(_) => box_height,
        Kind::Bend(..) => 0.0,
        Kind::Label(_) => 18.0,
    };
    let gap = |a: usize, b: usize| match (items[a].kind, items[b].kind) {
        (Kind::Bend(..), Kind::Bend(..)) => 8.0,
        (Kind::Label(_), Kind::Label(_)) => 2.0,
        _ => 10.0,
    };
    let heights = place(&layers, &pulls.0, &pulls.1, |a, b| (height_of(a) + height_of(b)) / 2.0 + gap(a, b));
    let bottom = (0..items.len()).map(|item| heights[item] + height_of(item) / 2.0).fold(0.0, f64::max);
    let top = (0..items.len()).map(|item| heights[item] - height_of(item) / 2.0).fold(0.0, f64::min);

    let bulges = bulge_lines(&mut routes, &items, &heights, layers.len());
    let mut columns: Vec<Column> = Vec::with_capacity(layers.len());
    let mut x = 0.0;
    for (at, layer) in layers.iter().enumerate() {
        let width_of = |item: &usize| match items[*item].kind {
            Kind::Box(node) => box_width[node],
            Kind::Bend(..) => 0.0,
            Kind::Label(line) => text::width(&line_label(&plan.lines[line]), LINE_LABEL_SIZE) + 8.0,
        };
        let header = match wave_of_layer[at] {
            // The first column of a wave holds its header.
            Some(wave) if at == 0 || wave_of_layer[..at].last() != Some(&Some(wave)) => header_width[wave],
            _ => 0.0,
        };
        let width = layer.iter().map(width_of).fold(header, f64::max);
        if at > 0 {
            // Steep curves need room.
            let (lines, boxes) = layer.iter().fold((0, 0), |(lines, boxes), item| {
                (lines + links.left[*item].len(), boxes + usize::from(matches!(items[*item].kind, Kind::Box(_))))
            });
            let room = if boxes == 0 || columns[at - 1].wave.is_none() { 30.0 } else { 46.0 };
            x += room + (2.0 * lines as f64).min(70.0) + bulges[at - 1];
        }
        columns.push(Column { x, width, wave: wave_of_layer[at] });
        x += width;
    }
    let items = items.into_iter().zip(heights).map(|(item, y)| Item { y: y - top, ..item }).collect();
    Layered { columns, items, routes, width: x + bulges.last().copied().unwrap_or_default(), height: bottom - top }
}

/// Gives lines between two boxes of one column their ways beside it, short ones next to it; those that would lie on each
/// other are apart as far as there is room. The result is the room that each column needs for them.
fn bulge_lines(routes: &mut [Route], items: &[Item], heights: &[f64], columns: usize) -> Vec<f64> {
    const FIRST: f64 = 18.0;
    const STEP: f64 = 9.0;
    const MOST: usize = 14;
    let mut room = vec![0.0; columns];
    let mut lanes: Vec<Vec<Vec<(f64, f64)>>> = vec![Vec::new(); columns];
    let ends = |route: &Route| {
        let (from, to) = (heights[route.items[0]], heights[route.items[route.items.len() - 1]]);
        (from.min(to), from.max(to))
    };
    let length = |route: &Route| ends(route).1 - ends(route).0;
    let column = |route: &Route| items[route.items[0]].column;
    let stays = |route: &Route| column(route) == items[route.items[route.items.len() - 1]].column;
    let mut staying: Vec<&mut Route> = routes.iter_mut().filter(|route| stays(route)).collect();
    staying.sort_by(|a, b| length(a).total_cmp(&length(b)));
    for route in staying {
        let (top, bottom) = ends(route);
        let lanes = &mut lanes[column(route)];
        let is_free = |lane: &Vec<(f64, f64)>| lane.iter().all(|(start, end)| bottom < *start || *end < top);
        let lane = lanes.iter().position(is_free).unwrap_or(lanes.len()).min(MOST - 1);
        if lane == lanes.len() {
            lanes.push(Vec::new());
        }
        lanes[lane].push((top, bottom));
        route.bulge = FIRST + STEP * lane as f64;
        room[column(route)] = route.bulge.max(room[column(route)]);
    }
    room
}

/// What is written beside a line.
pub(crate) fn line_label(line: &Line) -> String {
    text::shorten(&line.labels.join(", "), LONGEST_LINE_LABEL)
}

/// Items and layers while lines are added.
struct Builder {
    items: Vec<Item>,
    layers: Vec<Vec<usize>>,
    wave_of_layer: Vec<Option<usize>>,
    /// By node.
    boxes: Vec<usize>,
    bends: BTreeMap<(usize, EdgeClass, usize), usize>,
    routes: Vec<Route>,
}

impl Builder {
    fn new(plan: &Plan<'_>, has_labels: bool) -> Self {
        let mut builder = Self {
            items: Vec::new(),
            layers: Vec::new(),
            wave_of_layer: Vec::new(),
            boxes: vec![0; plan.nodes.len()],
            bends: BTreeMap::new(),
            routes: Vec::new(),
        };
        for (at, wave) in plan.waves.iter().enumerate() {
            for column in columns_of(plan, &wave.nodes) {
                if has_labels && !builder.layers.is_empty() {
                    builder.layers.push(Vec::new());
                    builder.wave_of_layer.push(None);
                }
                builder.layers.push(Vec::new());
                builder.wave_of_layer.push(Some(at));
                for node in column {
                    builder.boxes[node] = builder.add(Kind::Box(node), builder.layers.len() - 1);
                }
            }
        }
        builder
    }

    fn add(&mut self, kind: Kind, column: usize) -> usize {
        let item = self.items.len();
        self.items.push(Item { kind, column, y: 0.0 });
        self.layers[column].push(item);
        item
    }

    fn add_line(&mut self, at: usize, line: &Line, has_label: bool) {
        let column = |node: usize| self.items[self.boxes[node]].column;
        let is_reversed = column(line.to) > column(line.from);
        let (right, left) = if is_reversed { (line.to, line.from) } else { (line.from, line.to) };
        let (first, last) = (column(left), column(right));
        let mut route = vec![self.boxes[right]];
        for column in (first + 1..last).rev() {
            // The label is in the layer that is nearest to the box which needs something.
            let label_column = if is_reversed { first + 1 } else { last - 1 };
            route.push(if has_label && column == label_column {
                self.add(Kind::Label(at), column)
            } else {
                match self.bends.get(&(line.to, line.class, column)) {
                    Some(bend) => *bend,
                    None => {
                        let bend = self.add(Kind::Bend(line.to, line.class), column);
                        self.bends.insert((line.to, line.class, column), bend);
                        bend
                    }
                }
            });
        }
        route.push(self.boxes[left]);
        self.routes.push(Route { line: at, items: route, is_reversed, bulge: 0.0 });
    }
}

/// The nodes of a wave in one column or more; who has more users than needs is further to the left.
fn columns_of(plan: &Plan<'_>, nodes: &[usize]) -> Vec<Vec<usize>> {
    if nodes.len() <= MOST_IN_COLUMN {
        return vec![nodes.to_vec()];
    }
    let members: BTreeSet<usize> = nodes.iter().copied().collect();
    let mut balance = BTreeMap::<usize, i64>::new();
    for line in plan.lines.iter().filter(|line| line.shown) {
        for (node, sign) in [(line.from, 1), (line.to, -1)] {
            if members.contains(&node) {
                *balance.entry(node).or_default() += sign;
            }
        }
    }
    let mut sorted = nodes.to_vec();
    sorted.sort_by_key(|node| balance.get(node).copied().unwrap_or_default());
    let columns = nodes.len().div_ceil(MOST_IN_COLUMN);
    sorted.chunks(nodes.len().div_ceil(columns)).map(<[usize]>::to_vec).collect()
}
