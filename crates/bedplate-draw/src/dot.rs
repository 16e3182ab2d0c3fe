//! The graphviz format: for those who want another layout, or to merge drawings.

use std::fmt::Write as _;

use crate::plan::{Line, Plan};
use crate::text;
use crate::{Drawing, EdgeClass, NodeClass};

/// The drawing as a graphviz digraph: a cluster for each wave, the lowest at the left, every edge an arrow to what is needed.
///
/// All edges are there (`tred` of graphviz takes the implied ones away). Labels of edges are tooltips, which `dot -Tsvg` keeps.
pub fn to_dot(drawing: &Drawing) -> String {
    let plan = Plan::new(drawing);
    let mut out = String::from("digraph bedplate {\n");
    let _ = writeln!(out, "  label={};", quote(&plan.title));
    out.push_str(
        "  labelloc=t;\n  fontname=\"sans-serif\";\n  fontsize=12;\n  rankdir=RL;\n  ranksep=1;\n  nodesep=0.15;\n  tooltip=\" \";\n  \
         node [shape=box, style=\"filled\", fontname=\"sans-serif\", fontsize=11, height=0.3];\n  \
         edge [color=\"#7b8798\", arrowsize=0.6];\n",
    );
    for (place, wave) in plan.waves.iter().enumerate() {
        let label = format!("wave {}: {}", wave.number, plan.wave_summary(wave));
        let _ = writeln!(out, "  subgraph cluster_{place} {{\n    label={};\n    color=\"#b8c0cc\";", quote(&label));
        for node in &wave.nodes {
            let _ = writeln!(out, "    n{node} [{}];", node_attributes(&plan, *node));
        }
        out.push_str("  }\n");
    }
    for line in &plan.lines {
        let _ = writeln!(out, "  n{} -> n{} [{}];", line.from, line.to, edge_attributes(line));
    }
    out.push_str("}\n");
    out
}

fn node_attributes(plan: &Plan<'_>, at: usize) -> String {
    let node = &plan.nodes[at];
    let second = plan.second_line(at);
    let label = if second.is_empty() { plan.labels[at].clone() } else { format!("{}\n{second}", plan.labels[at]) };
    let tooltip = match text::lines(&node.tooltip) {
        more if more.is_empty() => format!("{} ({})", plan.labels[at], node.class.word()),
        more => format!("{} ({})\n{more}", plan.labels[at], node.class.word()),
    };
    let (fill, border) = match node.class {
        NodeClass::Build => ("#e8f0fe", "#4a78c2"),
        NodeClass::Check => ("#e6f6ec", "#3d9461"),
        NodeClass::Seed => ("#eceff3", "#7b8798"),
        NodeClass::Prebuilt => ("#f1eafc", "#8561c5"),
        NodeClass::Failed => ("#fde8e8", "#c93a3a"),
        NodeClass::Cycle => ("#fdeee2", "#c9661c"),
        NodeClass::Focus => ("#fff4c2", "#a37c00"),
    };
    let border = if node.critical { "#d9480f" } else { border };
    let mut out = format!(
        "label={}, tooltip={}, class=\"{}\", fillcolor=\"{fill}\", color=\"{border}\"",
        quote(&label),
        quote(&tooltip),
        node.class.word()
    );
    match node.class {
        NodeClass::Check => out.push_str(", style=\"filled,dashed\""),
        NodeClass::Seed | NodeClass::Prebuilt => out.push_str(", style=\"filled,rounded\""),
        _ => {}
    }
    if node.critical {
        out.push_str(", penwidth=2.5");
    }
    out
}

fn edge_attributes(line: &Line) -> String {
    let mut out = format!("class=\"{}\"", line.class.word());
    if !line.labels.is_empty() {
        let _ = write!(out, ", edgetooltip={}", quote(&line.labels.join("\n")));
    }
    match line.class {
        EdgeClass::Needs => {}
        EdgeClass::Guess => out.push_str(", style=dotted"),
        EdgeClass::Critical => out.push_str(", color=\"#d9480f\", penwidth=2.5"),
        // A cut edge may lead up: it must not move what it connects.
        EdgeClass::Cut => out.push_str(", color=\"#c93a3a\", style=dashed, constraint=false"),
    }
    out
}

/// A quoted string that shows as the text. graphviz knows `\"`, escapes such as `\N` and `\l`, and entities such as `&amp;`
/// within quotes.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_quoted() {
        for (text, quoted) in [
            ("", r#""""#),
            ("libstdc++", r#""libstdc++""#),
            (r#"a "b" \N"#, r#""a \"b\" \\N""#),
            ("a\nb &lt; c\\", r#""a\nb &amp;lt; c\\""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
