//! SVG pictures that stand alone: styles and script are inside, no font and no other file is needed.
//!
//! Styles are plain rules by class, for light and for dark, since some viewers know no CSS variables. Without script the
//! picture is complete; the script adds what a pointer and a keyboard can do.

mod columns;
mod legend;
mod panels;

use std::fmt::Write as _;

use crate::plan::{Line, Plan};
use crate::text::{escape, number, shorten, width};
use crate::{Drawing, EdgeClass, NodeClass, text};

const STYLE: &str = include_str!("svg/style.css");
const SCRIPT: &str = include_str!("svg/script.js");

const LABEL_SIZE: f64 = 13.0;
const SMALL_SIZE: f64 = 11.0;
const MOST_LABEL: usize = 64;
/// The most users in the tooltip of a node: some have hundreds. What it needs is always told in full.
const MOST_USERS: usize = 60;
const MARGIN: f64 = 24.0;

/// How an SVG is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SvgOptions {
    /// Drawings of more nodes than this are grouped: each wave is a panel that opens and closes, closed at first where the
    /// script runs. Default 150.
    pub most_in_columns: usize,
    /// True to draw every edge between columns. Otherwise an edge is left out of the picture (not of the tooltips) if a chain
    /// of other edges says the same; this is the default.
    pub all_edges: bool,
}

impl Default for SvgOptions {
    fn default() -> Self {
        Self { most_in_columns: 150, all_edges: false }
    }
}

/// The drawing as an SVG of its own; see [`to_svg_with`].
pub fn to_svg(drawing: &Drawing) -> String {
    to_svg_with(drawing, &SvgOptions::default())
}

/// The drawing as an SVG document.
///
/// Up to [`SvgOptions::most_in_columns`] nodes the waves are columns from left to right, and arrows lead to what is needed.
/// More nodes are grouped by wave, from top to bottom, with arrows between the waves. The script highlights what the node
/// under the pointer needs and who uses it, opens and closes waves, and finds nodes by name.
pub fn to_svg_with(drawing: &Drawing, options: &SvgOptions) -> String {
    let mut plan = Plan::new(drawing);
    if plan.nodes.len() > options.most_in_columns {
        return panels::draw(Svg::new(&plan, View::Panels));
    }
    if !options.all_edges {
        plan.hide_implied_lines();
    }
    columns::draw(Svg::new(&plan, View::Columns))
}

/// The kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// A column for each wave, and a line for each edge.
    Columns,
    /// A panel for each wave.
    Panels,
}

/// What both kinds of pictures are made with.
struct Svg<'a> {
    plan: &'a Plan<'a>,
    view: View,
    needs: Vec<Vec<usize>>,
    users: Vec<Vec<usize>>,
    /// The second lines of the boxes, by node.
    second_lines: Vec<String>,
    out: String,
}

impl<'a> Svg<'a> {
    fn new(plan: &'a Plan<'a>, view: View) -> Self {
        let needs = plan.needs();
        let mut users = vec![Vec::new(); plan.nodes.len()];
        for (node, all) in needs.iter().enumerate() {
            all.iter().for_each(|need| users[*need].push(node));
        }
        let second_lines = (0..plan.nodes.len()).map(|node| shorten(&plan.second_line(node), MOST_LABEL)).collect();
        Self { plan, view, needs, users, second_lines, out: String::new() }
    }

    /// The height of a box: one line or two.
    fn box_height(&self) -> f64 {
        if self.second_lines.iter().all(String::is_empty) { 26.0 } else { 40.0 }
    }

    fn box_label(&self, node: usize) -> String {
        shorten(&self.plan.labels[node], MOST_LABEL)
    }

    /// The width of a box that its text fits in with any usual font.
    fn box_width(&self, node: usize) -> f64 {
        let text = width(&self.box_label(node), LABEL_SIZE).max(width(&self.second_lines[node], SMALL_SIZE));
        (text + 22.0).max(56.0).ceil()
    }

    fn title(&self) -> String {
        if self.plan.title.is_empty() { "Build graph".to_owned() } else { shorten(&self.plan.title, 120) }
    }

    /// What the whole picture holds, in a line.
    fn summary(&self) -> String {
        let hidden = self.plan.lines.iter().filter(|line| !line.shown).count();
        let mut summary = format!(
            "{} in {}, {}",
            text::count(self.plan.nodes.len(), "node"),
            text::count(self.plan.waves.len(), "wave"),
            text::count(self.plan.lines.len(), "edge")
        );
        if hidden > 0 {
            let _ = write!(summary, " ({hidden} that others imply are not drawn)");
        }
        summary
    }

    /// The least width that heading and legend need.
    fn least_width(&self) -> f64 {
        let title = width(&self.title(), 18.0).max(width(&self.summary(), 12.0));
        (title + 320.0).max(legend::width_of(self)) + 2.0 * MARGIN
    }

    /// Everything before the drawing itself.
    fn open(&mut self, width: f64, height: f64) {
        let view = match self.view {
            View::Columns => "columns",
            View::Panels => "panels",
        };
        let (title, summary) = (self.title(), self.summary());
        let (width, height) = (number(width.ceil()), number(height.ceil()));
        let label = escape(&format!("{title}: {summary}"));
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bedplate-graph\" data-view=\"{view}\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"graphics-document\" aria-label=\"{label}\">\n\
             <style>\n{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"38\">{}</text>\n<text class=\"note\" x=\"{MARGIN}\" y=\"58\">{}</text>\n",
            escape(&title),
            escape(&summary)
        );
    }

    /// The legend, the script and the end.
    fn close(mut self, legend_y: f64) -> String {
        let _ = writeln!(self.out, "<g class=\"legend\" transform=\"translate({MARGIN} {})\">", number(legend_y));
        legend::draw(&mut self);
        // The script says here what it can do.
        self.out.push_str("<text class=\"small hint\" y=\"34\"/>\n</g>\n<script><![CDATA[\n");
        self.out.push_str(SCRIPT);
        self.out.push_str("]]></script>\n</svg>\n");
        self.out
    }

    /// A node with its upper left corner at a place.
    fn node(&mut self, node: usize, x: f64, y: f64, box_width: f64) {
        let plan = self.plan;
        let data = &plan.nodes[node];
        let height = self.box_height();
        let on_path = if data.critical { " on-path" } else { "" };
        let needs: Vec<String> = self.needs[node].iter().map(usize::to_string).collect();
        let radius = if matches!(data.class, NodeClass::Seed | NodeClass::Prebuilt) { 13 } else { 4 };
        let _ = write!(
            self.out,
            "<g class=\"node {}{on_path}\" data-node=\"{node}\" data-needs=\"{}\" transform=\"translate({} {})\" \
             tabindex=\"0\" role=\"img\" aria-label=\"{}\"><title>{}</title>\
             <rect class=\"box {}{on_path}\" width=\"{}\" height=\"{}\" rx=\"{radius}\"/>",
            data.class.word(),
            needs.join(" "),
            number(x),
            number(y),
            escape(&self.spoken(node)),
            escape(&self.tooltip(node)),
            data.class.word(),
            number(box_width),
            number(height),
        );
        let has_second = !self.second_lines[node].is_empty();
        let label_y = if has_second || height < 30.0 { 17.5 } else { 24.5 };
        let _ =
            write!(self.out, "<text class=\"name\" x=\"11\" y=\"{label_y}\">{}</text>", escape(&self.box_label(node)));
        if has_second {
            let second = escape(&self.second_lines[node]);
            let _ = write!(self.out, "<text class=\"small\" x=\"11\" y=\"32\">{second}</text>");
        }
        self.out.push_str("</g>\n");
    }

    /// What a screen reader says of a node.
    fn spoken(&self, node: usize) -> String {
        let data = &self.plan.nodes[node];
        let second = &self.second_lines[node];
        let critical = if data.critical { ", on the critical path" } else { "" };
        format!(
            "{}{}{second}, wave {}, {}{critical}, needs {}, used by {}",
            self.plan.labels[node],
            if second.is_empty() { "" } else { ", " },
            data.group,
            data.class.word(),
            self.needs[node].len(),
            self.users[node].len()
        )
    }

    /// All that is known of a node, in lines.
    fn tooltip(&self, node: usize) -> String {
        let data = &self.plan.nodes[node];
        let second = self.plan.second_line(node);
        let mut lines = vec![format!("{} {second}", self.plan.labels[node]).trim_end().to_owned()];
        let critical = if data.critical { ", on the critical path" } else { "" };
        lines.push(format!("wave {}, {}{critical}", data.group, data.class.word()));
        let more = text::lines(&data.tooltip);
        if !more.is_empty() {
            lines.push(more);
        }
        for (words, all, most) in [("needs", &self.needs[node], usize::MAX), ("used by", &self.users[node], MOST_USERS)]
        {
            if all.is_empty() {
                lines.push(format!("{words} nothing here"));
                continue;
            }
            let mut names: Vec<&str> = all.iter().map(|other| self.plan.labels[*other].as_str()).collect();
            names.sort_unstable();
            let left = names.len().saturating_sub(most);
            names.truncate(most);
            let rest = if left > 0 { format!(" and {left} more") } else { String::new() };
            lines.push(format!("{words} {}: {}{rest}", all.len(), names.join(", ")));
        }
        lines.join("\n")
    }

    /// What is known of a line, in lines.
    fn line_tooltip(&self, line: &Line) -> String {
        let (from, to) = (&self.plan.labels[line.from], &self.plan.labels[line.to]);
        let mut out = match line.class {
            EdgeClass::Needs | EdgeClass::Critical => format!("{from} needs {to}"),
            EdgeClass::Guess => format!("{from} needs {to}, as far as known"),
            EdgeClass::Cut => format!("{from} needs {to}: cut to break a cycle"),
        };
        if line.class == EdgeClass::Critical {
            out.push_str(" (critical path)");
        }
        line.labels.iter().for_each(|label| out.push_str(&format!("\n{label}")));
        out
    }
}
