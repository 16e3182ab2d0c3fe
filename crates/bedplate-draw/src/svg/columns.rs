//! The picture with a column for each wave.

use std::fmt::Write as _;

use super::{MARGIN, Svg};
use crate::layered::{Item, Kind, LINE_LABEL_SIZE, Layered, Route, layered, line_label};
use crate::text::{escape, number, width};

/// Above the columns: heading and the headers of the waves.
const TOP: f64 = 136.0;
/// How far the band of a wave reaches beyond its boxes.
const BAND: f64 = 12.0;

pub(super) fn draw(mut svg: Svg<'_>) -> String {
    let plan = svg.plan;
    let box_width: Vec<f64> = (0..plan.nodes.len()).map(|node| svg.box_width(node)).collect();
    let headers: Vec<(String, String)> = plan
        .waves
        .iter()
        .map(|wave| {
            let summary = plan.wave_summary(wave);
            (format!("Wave {}", wave.number), summary)
        })
        .collect();
    let header_width: Vec<f64> =
        headers.iter().map(|(name, summary)| width(name, 13.0).max(longest_part(summary))).collect();
    let layout = layered(plan, &box_width, &header_width, svg.box_height());

    let left = MARGIN + BAND;
    let page_width = (layout.width + 2.0 * left).max(svg.least_width());
    let bottom = TOP + layout.height + BAND;
    svg.open(page_width, bottom + 82.0);
    bands(&mut svg, &layout, &headers, left, bottom);

    svg.out.push_str("<g class=\"edges\">\n");
    // The strongest last, over the others.
    let mut routes: Vec<&Route> = layout.routes.iter().collect();
    routes.sort_by_key(|route| plan.lines[route.line].class);
    for route in routes {
        let line = &plan.lines[route.line];
        let _ = writeln!(
            svg.out,
            "<path class=\"edge {}\" data-from=\"{}\" data-to=\"{}\" d=\"{}\"><title>{}</title></path>",
            line.class.word(),
            line.from,
            line.to,
            path(&layout, route, left),
            escape(&svg.line_tooltip(line))
        );
    }
    svg.out.push_str("</g>\n<g class=\"nodes\">\n");
    for item in &layout.items {
        let column = &layout.columns[item.column];
        match item.kind {
            Kind::Box(node) => {
                let y = TOP + item.y - svg.box_height() / 2.0;
                svg.node(node, left + column.x, y, column.width);
            }
            Kind::Bend(..) => {}
            Kind::Label(at) => {
                let line = &plan.lines[at];
                let label = line_label(line);
                // At the side of the box that needs something, or it would be far from it in a wide column.
                let is_reversed = plan.wave_of[line.to] > plan.wave_of[line.from];
                let spare = if is_reversed { 0.0 } else { column.width - 8.0 - width(&label, LINE_LABEL_SIZE) };
                let _ = writeln!(
                    svg.out,
                    "<text class=\"why\" data-from=\"{}\" data-to=\"{}\" x=\"{}\" y=\"{}\">{}</text>",
                    line.from,
                    line.to,
                    number(left + column.x + 4.0 + spare),
                    number(TOP + item.y - 3.5),
                    escape(&label)
                );
            }
        }
    }
    svg.out.push_str("</g>\n");
    svg.close(bottom + 26.0)
}

/// The second line of a header may be in two parts, before and after a comma.
fn longest_part(summary: &str) -> f64 {
    summary.split(", ").map(|part| width(part, 11.0)).fold(0.0, f64::max)
}

/// A band behind the columns of each wave, with its header.
fn bands(svg: &mut Svg<'_>, layout: &Layered, headers: &[(String, String)], left: f64, bottom: f64) {
    svg.out.push_str("<g class=\"waves\">\n");
    for (wave, (name, summary)) in headers.iter().enumerate() {
        let mut columns = layout.columns.iter().filter(|column| column.wave == Some(wave));
        let Some(first) = columns.next() else { continue };
        let last = columns.next_back().unwrap_or(first);
        let (x, y) = (left + first.x, TOP - 62.0);
        let _ = write!(
            svg.out,
            "<g class=\"wave\" role=\"group\" aria-label=\"{}\"><rect class=\"band\" x=\"{}\" y=\"{}\" width=\"{}\" \
             height=\"{}\" rx=\"8\"/><text class=\"wave-name\" x=\"{}\" y=\"{}\">{}</text>",
            escape(&format!("{name}: {summary}")),
            number(x - BAND),
            number(y),
            number(last.x + last.width - first.x + 2.0 * BAND),
            number(bottom - y),
            number(x),
            number(y + 18.0),
            escape(name)
        );
        for (part, text) in summary.split(", ").enumerate() {
            let y = number(y + 33.0 + 13.0 * part as f64);
            let _ = write!(svg.out, "<text class=\"small\" x=\"{}\" y=\"{y}\">{}</text>", number(x), escape(text));
        }
        svg.out.push_str("</g>\n");
    }
    svg.out.push_str("</g>\n");
}

/// The path of a line, from who needs to what is needed as the eye goes, and the arrow head at the latter.
fn path(layout: &Layered, route: &Route, left: f64) -> String {
    let column = |item: &Item| &layout.columns[item.column];
    let at = |n: usize| &layout.items[route.items[n]];
    let (first, last) = (at(0), at(route.items.len() - 1));
    let y = |item: &Item| TOP + item.y;
    if first.column == last.column {
        let right = left + column(first).x + column(first).width;
        // It leaves below the middle and arrives above it, so that both ends of a box can be told apart.
        let (from, to) = (y(first) + 7.0, y(last) - 7.0);
        // A curve reaches three quarters of the way to its handles.
        let bulge = right + route.bulge / 0.75;
        return format!(
            "M{} {}C{b} {} {b} {} {} {}{}",
            number(right),
            number(from),
            number(from),
            number(to),
            number(right),
            number(to),
            head(right, to, 1.0),
            b = number(bulge),
        );
    }
    let start = left + column(first).x;
    let mut path = format!("M{} {}", number(start), number(y(first)));
    let (mut x, mut height) = (start, y(first));
    for n in 1..route.items.len() {
        let item = at(n);
        let (near, far) = (left + column(item).x + column(item).width, left + column(item).x);
        let middle = number((x + near) / 2.0);
        if (height - y(item)).abs() < 0.01 {
            let _ = write!(path, "H{}", number(near));
        } else {
            let _ = write!(
                path,
                "C{middle} {} {middle} {} {} {}",
                number(height),
                number(y(item)),
                number(near),
                number(y(item))
            );
        }
        if !matches!(item.kind, Kind::Box(_)) {
            let _ = write!(path, "H{}", number(far));
        }
        (x, height) = (far, y(item));
    }
    if route.is_reversed {
        path + &head(start, y(first), -1.0)
    } else {
        let end = left + column(last).x + column(last).width;
        path + &head(end, y(last), 1.0)
    }
}

/// An open arrow head with its tip at a place; it points to the left for 1, to the right for -1.
fn head(x: f64, y: f64, direction: f64) -> String {
    // Two strokes from the tip: dashes begin anew with each, so the head of a dashed line is whole.
    let (x, y, dx) = (number(x), number(y), number(6.0 * direction));
    format!("M{x} {y}l{dx} -3.5M{x} {y}l{dx} 3.5")
}
