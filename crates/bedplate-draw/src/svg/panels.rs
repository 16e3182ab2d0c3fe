//! The picture of large graphs: a panel for each wave, from top to bottom.
//!
//! ```text
//!   gutter   header of wave 0: count, time
//!   ┌───────▶┌────────────────────────────────┐
//!   │        │ critical │ box  box  box  box  │   the body; the script hides it while the wave is closed
//!   │        └────────────────────────────────┘
//!   ●────────┤ header of wave 1: count, time, what it needs of which wave
//!   │  ┌────▶│
//!   │  │     └────────────────────────────────┘
//!   ●──●─────┤ header of wave 2
//! ```
//!
//! Each wave that is needed has a lane in the gutter, and a dot on it for each wave that needs it: the larger, the more
//! edges. Lines between single nodes would cross hundreds of boxes: the script draws those of the node under the pointer.
//! Nodes on the critical path have a column of their own, beside a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{LABEL_SIZE, MARGIN, SMALL_SIZE, Svg};
use crate::text::{self, escape, number, width};
use crate::{EdgeClass, NodeClass};

const TOP: f64 = 84.0;
/// The width of a place in the grid; a box takes as many as it needs.
const CELL: f64 = 92.0;
const CELLS: usize = 12;
const GAP: f64 = 8.0;
const HEADER: f64 = 44.0;
const PADDING: f64 = 12.0;
/// Left of all text in a panel: where the line of the critical path runs.
const STRIP: f64 = 34.0;
const BETWEEN: f64 = 10.0;
/// How far lanes are from each other: less if there are many.
const LANE: f64 = 12.0;
const WIDEST_GUTTER: f64 = 260.0;
/// Where lines leave and reach a header, from its top.
const LEAVE: f64 = 14.0;
const REACH: f64 = 30.0;

/// The upper left corner of a box in the body of its panel, and its width.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    x: f64,
    y: f64,
    width: f64,
}

pub(super) fn draw(mut svg: Svg<'_>) -> String {
    let plan = svg.plan;
    let between = edges_between_waves(&svg);
    let needed: BTreeSet<usize> = between.keys().map(|(_, to)| *to).collect();
    let lane_width = LANE.min(WIDEST_GUTTER / needed.len().max(1) as f64);
    let left = MARGIN + 26.0 + lane_width * needed.len() as f64;
    // The lowest wave has the outermost lane, so an arrow to a header crosses no lane.
    let lanes: BTreeMap<usize, f64> =
        needed.iter().zip(1..).map(|(to, n)| (*to, MARGIN + lane_width * f64::from(n))).collect();
    let critical = (0..plan.nodes.len()).filter(|node| plan.nodes[*node].critical);
    let reserved = critical.map(|node| svg.box_width(node) + 2.0 * GAP).fold(0.0, f64::max);
    let mut cells = vec![Cell::default(); plan.nodes.len()];
    let bodies: Vec<f64> = (0..plan.waves.len()).map(|wave| fill(&svg, wave, reserved, &mut cells)).collect();
    let widest = cells.iter().map(|cell| cell.x + cell.width).fold(0.0, f64::max);
    let panel_width = (widest + PADDING).max(svg.least_width() - left);

    let mut tops = Vec::with_capacity(bodies.len());
    let mut y = TOP;
    for body in &bodies {
        tops.push(y);
        y += HEADER + body + BETWEEN;
    }
    let cuts = cut_lines(&svg);
    let cuts_height = if cuts.is_empty() { 0.0 } else { 20.0 + 15.0 * cuts.len() as f64 };
    svg.open(left + panel_width + MARGIN, y + cuts_height + 66.0);

    svg.out.push_str("<g class=\"waves\">\n");
    for wave in 0..plan.waves.len() {
        panel(&mut svg, wave, &between, (left, tops[wave]), (panel_width, bodies[wave]), &cells);
    }
    svg.out.push_str("</g>\n");
    draw_gutter(&mut svg, &between, &lanes, left, &tops);
    svg.out.push_str("<g class=\"path\">\n");
    for line in plan.lines.iter().filter(|line| line.class == EdgeClass::Critical && line.from != line.to) {
        let middle = |node: usize| tops[plan.wave_of[node]] + HEADER + cells[node].y + svg.box_height() / 2.0;
        let _ = writeln!(
            svg.out,
            "<path class=\"edge critical\" data-from=\"{}\" data-to=\"{}\" d=\"{}\"><title>{}</title></path>",
            line.from,
            line.to,
            bracket(left + STRIP, left + 14.0, middle(line.from), middle(line.to)),
            escape(&svg.line_tooltip(line))
        );
    }
    // The script draws the lines of the node under the pointer here, over the boxes.
    svg.out.push_str("</g>\n<g class=\"lines\" aria-hidden=\"true\"/>\n<g class=\"foot\">\n");
    if !cuts.is_empty() {
        let _ = writeln!(
            svg.out,
            "<text class=\"wave-name\" x=\"{MARGIN}\" y=\"{}\">Cut to break cycles</text>",
            number(y + 14.0)
        );
        for (at, cut) in cuts.iter().enumerate() {
            let y = number(y + 31.0 + 15.0 * at as f64);
            let _ = writeln!(svg.out, "<text class=\"small\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escape(cut));
        }
    }
    let end = y + cuts_height + 18.0;
    // The legend belongs to the foot, which moves as a whole.
    let mut closed = svg.close(end);
    if let Some(at) = closed.rfind("</g>\n<script>") {
        closed.insert_str(at, "</g>\n");
    }
    closed
}

/// How many edges lead from each wave to each other one; cut ones and those within a wave are not counted.
fn edges_between_waves(svg: &Svg<'_>) -> BTreeMap<(usize, usize), usize> {
    let mut counts = BTreeMap::new();
    for line in svg.plan.lines.iter().filter(|line| line.class != EdgeClass::Cut) {
        let waves = (svg.plan.wave_of[line.from], svg.plan.wave_of[line.to]);
        if waves.0 != waves.1 {
            *counts.entry(waves).or_insert(0) += 1;
        }
    }
    counts
}

/// The lanes, what leads to them, and the dots.
fn draw_gutter(
    svg: &mut Svg<'_>,
    between: &BTreeMap<(usize, usize), usize>,
    lanes: &BTreeMap<usize, f64>,
    left: f64,
    tops: &[f64],
) {
    let plan = svg.plan;
    svg.out.push_str("<g class=\"between\">\n");
    for (to, x) in lanes {
        let users: Vec<usize> = between.keys().filter(|(_, other)| other == to).map(|(from, _)| *from).collect();
        let reach = tops[*to] + REACH;
        let ends = || users.iter().map(|from| tops[*from] + LEAVE).chain([reach]);
        let (top, bottom) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
        let users: Vec<String> = users.iter().map(usize::to_string).collect();
        let _ = writeln!(
            svg.out,
            "<path class=\"edge many\" data-to-wave=\"{to}\" data-users=\"{}\" data-x=\"{x}\" \
             d=\"M{x} {}V{}M{x} {r}H{l}m-6 -3.5l6 3.5l-6 3.5\"/>",
            users.join(" "),
            number(top),
            number(bottom),
            x = number(*x),
            r = number(reach),
            l = number(left),
        );
    }
    for (from, top) in tops.iter().enumerate() {
        let of_row = || between.range((from, 0)..(from + 1, 0));
        let Some(outermost) = of_row().map(|((_, to), _)| lanes[to]).reduce(f64::min) else { continue };
        let y = number(top + LEAVE);
        let _ = writeln!(
            svg.out,
            "<path class=\"edge many\" data-from-wave=\"{from}\" data-x=\"{x}\" d=\"M{} {y}H{x}\"/>",
            number(left),
            x = number(outermost),
        );
        for ((_, to), count) in of_row() {
            let words = format!(
                "wave {} needs wave {}: {}",
                plan.waves[from].number,
                plan.waves[*to].number,
                text::count(*count, "edge")
            );
            let _ = writeln!(
                svg.out,
                "<circle class=\"dot\" data-from-wave=\"{from}\" data-to-wave=\"{to}\" cx=\"{}\" cy=\"{y}\" r=\"{}\">\
                 <title>{}</title></circle>",
                number(lanes[to]),
                number((1.6 + (*count as f64).sqrt() * 0.28).min(5.0)),
                escape(&words)
            );
        }
    }
    svg.out.push_str("</g>\n");
}

/// Gives every node of a wave its place in the grid; the result is the height of the body.
fn fill(svg: &Svg<'_>, wave: usize, reserved: f64, cells: &mut [Cell]) -> f64 {
    let row_height = svg.box_height() + GAP;
    let (mut critical_rows, mut row, mut used) = (0_usize, 0_usize, 0_usize);
    let mut nodes = svg.plan.waves[wave].nodes.clone();
    let rank = |node: &usize| match svg.plan.nodes[*node].class {
        NodeClass::Focus => 0,
        NodeClass::Failed => 1,
        NodeClass::Cycle => 2,
        _ => 3,
    };
    nodes.sort_by_key(rank);
    for node in nodes {
        let wanted = svg.box_width(node);
        let y = |row: usize| PADDING + row as f64 * row_height;
        if svg.plan.nodes[node].critical {
            cells[node] = Cell { x: STRIP, y: y(critical_rows), width: wanted };
            critical_rows += 1;
            continue;
        }
        let span = ((wanted + GAP) / (CELL + GAP)).ceil().max(1.0);
        if used > 0 && used + span as usize > CELLS {
            (row, used) = (row + 1, 0);
        }
        let x = STRIP + reserved + used as f64 * (CELL + GAP);
        cells[node] = Cell { x, y: y(row), width: span * (CELL + GAP) - GAP };
        used += span as usize;
    }
    let rows = critical_rows.max(row + usize::from(used > 0));
    rows as f64 * row_height - GAP + 2.0 * PADDING
}

/// A wave: the header, and the body with its boxes.
fn panel(
    svg: &mut Svg<'_>,
    at: usize,
    between: &BTreeMap<(usize, usize), usize>,
    (x, y): (f64, f64),
    (panel_width, body): (f64, f64),
    cells: &[Cell],
) {
    let plan = svg.plan;
    let wave = &plan.waves[at];
    let (name, summary) = (format!("Wave {}", wave.number), plan.wave_summary(wave));
    let needs: Vec<String> = (0..plan.waves.len())
        .rev()
        .filter_map(|to| between.get(&(at, to)).map(|count| format!("{count} of wave {}", plan.waves[to].number)))
        .collect();
    let needs = if needs.is_empty() { String::new() } else { format!("needs {}", needs.join(", ")) };
    let words = if needs.is_empty() { format!("{name}: {summary}") } else { format!("{name}: {summary}; {needs}") };
    let _ = write!(
        svg.out,
        "<g class=\"wave\" data-wave=\"{at}\" data-body=\"{}\" transform=\"translate({} {})\">\n\
         <g class=\"toggle\" tabindex=\"0\" role=\"button\" aria-expanded=\"true\" aria-label=\"{}\"><title>{}</title>\
         <rect class=\"head\" width=\"{}\" height=\"{HEADER}\" rx=\"6\"/>",
        number(body),
        number(x),
        number(y),
        escape(&words),
        escape(&words),
        number(panel_width),
    );
    let share = share_of_largest(svg, at);
    let _ = write!(
        svg.out,
        "<rect class=\"bar\" x=\"{STRIP}\" y=\"{}\" width=\"{}\" height=\"3\" rx=\"1.5\"/>\
         <text class=\"wave-name\" x=\"{STRIP}\" y=\"17\">{name}</text>",
        number(HEADER - 6.0),
        number((share * (panel_width - STRIP - 40.0)).max(3.0)),
    );
    let summary_x = STRIP + width(&name, LABEL_SIZE) + 22.0;
    let room = panel_width - 40.0 - STRIP;
    let critical: Vec<String> =
        wave.nodes.iter().filter(|node| plan.nodes[**node].critical).map(|node| svg.box_label(*node)).collect();
    if !critical.is_empty() {
        let x = summary_x + width(&summary, SMALL_SIZE) + 18.0;
        let words = fit(&format!("critical: {}", critical.join(", ")), STRIP + room - x);
        let _ = write!(svg.out, "<text class=\"small hot\" x=\"{}\" y=\"17\">{}</text>", number(x), escape(&words));
    }
    let _ = write!(
        svg.out,
        "<text class=\"small\" x=\"{}\" y=\"17\">{}</text><text class=\"small\" x=\"{STRIP}\" y=\"32\">{}</text>\
         <path class=\"mark\" d=\"M{} 17l6 7l6 -7\"/></g>\n\
         <g class=\"body\"><rect class=\"panel\" y=\"{HEADER}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        number(summary_x),
        escape(&summary),
        escape(&fit(&needs, room)),
        number(panel_width - 28.0),
        number(panel_width),
        number(body),
    );
    for &node in &wave.nodes {
        let Cell { x, y, width } = cells[node];
        svg.node(node, x, HEADER + y, width);
    }
    svg.out.push_str("</g></g>\n");
}

/// The time of a wave, or its count if no time is known, against that of the largest.
fn share_of_largest(svg: &Svg<'_>, wave: usize) -> f64 {
    let seconds = |wave: usize| {
        let nodes = svg.plan.waves[wave].nodes.iter();
        nodes.filter_map(|node| svg.plan.nodes[*node].known_seconds()).sum::<f64>()
    };
    let count = |wave: usize| svg.plan.waves[wave].nodes.len() as f64;
    let all = || 0..svg.plan.waves.len();
    let most = all().map(seconds).fold(0.0, f64::max);
    if most > 0.0 { seconds(wave) / most } else { count(wave) / all().map(count).fold(1.0, f64::max) }
}

/// As much of a text as fits.
fn fit(text: &str, room: f64) -> String {
    let mut most = text.chars().count();
    let mut fitting = text.to_owned();
    while most > 1 && width(&fitting, SMALL_SIZE) > room {
        most -= 1;
        fitting = text::shorten(text, most);
    }
    fitting
}

/// A line from `start` to `end` (both at `x`) by way of `lane` to the left of it, with an arrow head at its end.
fn bracket(x: f64, lane: f64, start: f64, end: f64) -> String {
    let bend = if end < start { -6.0_f64 } else { 6.0 };
    let bend = bend.signum() * bend.abs().min((end - start).abs() / 2.0);
    format!(
        "M{x} {s}H{c}Q{l} {s} {l} {}V{}Q{l} {e} {c} {e}H{x}m-6 -3.5l6 3.5l-6 3.5",
        number(start + bend),
        number(end - bend),
        x = number(x),
        s = number(start),
        e = number(end),
        l = number(lane),
        c = number(lane + 6.0),
    )
}

/// The cut edges as sentences: there are few, and they are what a reader has to know.
fn cut_lines(svg: &Svg<'_>) -> Vec<String> {
    let cuts = svg.plan.lines.iter().filter(|line| line.class == EdgeClass::Cut);
    cuts.map(|line| {
        let (from, to) = (&svg.plan.labels[line.from], &svg.plan.labels[line.to]);
        let why = if line.labels.is_empty() { String::new() } else { format!(" ({})", line.labels.join(", ")) };
        text::shorten(&format!("{from} needs {to}{why}"), 150)
    })
    .collect()
}
