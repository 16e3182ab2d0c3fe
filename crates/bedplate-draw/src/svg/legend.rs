//! The legend: one row of what the picture uses.

use std::fmt::Write as _;

use super::{SMALL_SIZE, Svg, View};
use crate::text::{number, width};
use crate::{EdgeClass, NodeClass};

enum Symbol {
    Box(&'static str),
    Line(&'static str),
    Dot,
}

fn entries(svg: &Svg<'_>) -> Vec<(Symbol, &'static str)> {
    let plan = svg.plan;
    let mut entries = Vec::new();
    for class in NodeClass::ALL {
        if plan.nodes.iter().any(|node| node.class == class) {
            entries.push((Symbol::Box(class.word()), class.word()));
        }
    }
    if plan.nodes.iter().any(|node| node.critical) {
        entries.push((Symbol::Box("build on-path"), "on the critical path"));
    }
    for class in EdgeClass::ALL {
        // Panels draw no line for a single edge, but for the critical path.
        let is_drawn = svg.view == View::Columns || class == EdgeClass::Critical;
        if is_drawn && plan.lines.iter().any(|line| line.class == class) {
            let words = match class {
                EdgeClass::Needs => "needs (arrow to what is needed)",
                EdgeClass::Guess => "needs, as far as known",
                EdgeClass::Critical => "critical path",
                EdgeClass::Cut => "cut to break a cycle",
            };
            entries.push((Symbol::Line(class.word()), words));
        }
    }
    if svg.view == View::Panels && plan.waves.len() > 1 {
        entries.push((Symbol::Dot, "the wave of this row needs the wave that the line leads to"));
    }
    entries
}

fn entry_width(words: &str) -> f64 {
    30.0 + width(words, SMALL_SIZE) + 18.0
}

/// The width of the row.
pub(super) fn width_of(svg: &Svg<'_>) -> f64 {
    entries(svg).iter().map(|(_, words)| entry_width(words)).sum()
}

/// Draws the row at the place where the group stands.
pub(super) fn draw(svg: &mut Svg<'_>) {
    let mut x = 0.0;
    for (symbol, words) in entries(svg) {
        let (at, middle, right) = (number(x), number(x + 11.0), number(x + 22.0));
        let _ = match symbol {
            Symbol::Box(class) => {
                write!(svg.out, "<rect class=\"box {class}\" x=\"{at}\" y=\"1\" width=\"22\" height=\"14\" rx=\"3\"/>")
            }
            Symbol::Line(class) => {
                write!(svg.out, "<path class=\"edge {class}\" d=\"M{right} 8H{at}l5 -3.5M{at} 8l5 3.5\"/>")
            }
            Symbol::Dot => write!(
                svg.out,
                "<path class=\"edge many\" d=\"M{right} 8H{at}M{middle} 0V16\"/><circle class=\"dot\" cx=\"{middle}\" cy=\"8\" r=\"4\"/>"
            ),
        };
        let _ = writeln!(svg.out, "<text class=\"small\" x=\"{}\" y=\"12\">{words}</text>", number(x + 30.0));
        x += entry_width(words);
    }
}
