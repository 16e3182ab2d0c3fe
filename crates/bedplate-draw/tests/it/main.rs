//! Drawings as their readers see them: the SVG is read again with an XML parser, and what it shows is measured.

mod picture;
mod sample;

use bedplate_draw::{Drawing, Edge, EdgeClass, Node, NodeClass, SvgOptions, to_dot, to_svg, to_svg_with};
use proptest::prelude::*;

use crate::picture::Picture;
use crate::sample::sample;

fn small() -> Drawing {
    let node = |label: &str, group, class| Node { class, ..Node::new(label, group) };
    let edge = |from, to, label: &str, class| Edge { from, to, label: label.into(), class };
    let nodes = vec![
        Node { sublabel: "2.39-8".into(), seconds: Some(600.0), critical: true, ..node("glibc", 0, NodeClass::Seed) },
        Node { seconds: Some(90.0), critical: true, tooltip: "specs/zlib/zlib.spec".into(), ..Node::new("zlib", 1) },
        node("a<b> & \"c\"", 1, NodeClass::Check),
        node("curl", 4, NodeClass::Focus),
    ];
    let edges = vec![
        edge(1, 0, "libc.so.6()(64bit)", EdgeClass::Critical),
        edge(2, 0, "", EdgeClass::Guess),
        edge(3, 1, "pkgconfig(zlib) >= 1.2", EdgeClass::Needs),
        edge(3, 0, "glibc-devel", EdgeClass::Needs),
        edge(1, 3, "tests", EdgeClass::Cut),
    ];
    Drawing::new("Needs of <curl>", nodes, edges).expect("all nodes are there")
}

/// `BLESS=1 cargo test -p bedplate-draw` writes the files.
#[test]
fn small_drawings_are_as_written() {
    let drawing = small();
    let panels = to_svg_with(&drawing, &SvgOptions { most_in_columns: 0, ..SvgOptions::default() });
    for (name, text) in [("small.dot", to_dot(&drawing)), ("columns.svg", to_svg(&drawing)), ("panels.svg", panels)] {
        let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).expect("the folder is there");
        }
        let want = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == want, "{name} differs (BLESS=1 writes it, then look at it)");
    }
}

#[test]
fn what_is_drawn_can_be_read() {
    for count in [1, 2, 10, 50, 149, 151, 500] {
        let drawing = sample(count);
        let svg = to_svg(&drawing);
        assert_eq!(svg, to_svg(&sample(count)), "{count}: the same drawing gives the same bytes");
        let picture = Picture::read(&svg);
        assert_eq!(picture.boxes.len(), count);
        picture.check(&format!("{count} nodes"));
        for (at, node) in drawing.nodes().iter().enumerate() {
            assert!(picture.text_of(at).contains(&node.label), "{count}: {}", node.label);
        }
    }
}

#[test]
fn large_graphs_are_grouped_and_complete_without_script() {
    let drawing = sample(500);
    let picture = Picture::read(&to_svg(&drawing));
    assert_eq!(picture.view, "panels");
    let waves: std::collections::BTreeSet<u32> = drawing.nodes().iter().map(|node| node.group).collect();
    assert_eq!(picture.toggles, waves.len());
    for edge in drawing.edges() {
        // What each node needs is in its tooltip; the waves' lanes stand for the lines.
        let name = &drawing.nodes()[edge.to].label;
        assert!(picture.tooltip_of(edge.from).contains(name.as_str()), "{edge:?}");
    }
}

#[test]
fn every_edge_is_a_line_or_implied_by_lines() {
    let drawing = sample(60);
    let all = Picture::read(&to_svg_with(&drawing, &SvgOptions { all_edges: true, ..SvgOptions::default() }));
    let some = Picture::read(&to_svg(&drawing));
    let mut edges: Vec<(usize, usize)> = drawing.edges().iter().map(|edge| (edge.from, edge.to)).collect();
    edges.sort_unstable();
    edges.dedup();
    let ends = |picture: &Picture| {
        let mut ends: Vec<_> = picture.lines.iter().map(|line| (line.from, line.to)).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    };
    assert_eq!(ends(&all), edges);
    let drawn = ends(&some);
    assert!(drawn.len() < edges.len(), "the sample has edges that others imply");
    for (from, to) in edges {
        // A walk along the lines that are drawn.
        let (mut open, mut seen) = (vec![from], std::collections::BTreeSet::new());
        while let Some(node) = open.pop() {
            for (_, next) in drawn.iter().filter(|(start, _)| *start == node) {
                if seen.insert(*next) {
                    open.push(*next);
                }
            }
        }
        assert!(seen.contains(&to), "{from} needs {to}, and no way leads there");
    }
}

#[test]
fn an_empty_drawing_is_a_picture() {
    let drawing = Drawing::new("", vec![], vec![]).expect("nothing is wrong with nothing");
    let picture = Picture::read(&to_svg(&drawing));
    assert_eq!((picture.boxes.len(), picture.view.as_str()), (0, "columns"));
    let panels = to_svg_with(&sample(3), &SvgOptions { most_in_columns: 2, all_edges: true });
    assert_eq!(Picture::read(&panels).view, "panels");
    assert!(to_dot(&drawing).starts_with("digraph"));
}

/// Undoes the quotes of graphviz: all strings of a DOT text.
fn strings_of(dot: &str) -> Vec<String> {
    let (mut strings, mut current, mut characters) = (Vec::new(), None::<String>, dot.chars());
    while let Some(c) = characters.next() {
        match (&mut current, c) {
            (None, '"') => current = Some(String::new()),
            (None, _) => {}
            (Some(_), '"') => strings.extend(current.take()),
            (Some(text), '\\') => match characters.next() {
                Some('n') => text.push('\n'),
                Some(c @ ('"' | '\\')) => text.push(c),
                other => panic!("escape {other:?}"),
            },
            (Some(text), c) => text.push(c),
        }
    }
    assert!(current.is_none(), "a string is open at the end");
    strings.into_iter().map(|text| text.replace("&amp;", "&")).collect()
}

fn any_drawing() -> impl Strategy<Value = Drawing> {
    let text = "\\PC{0,12}|(?s).{0,12}|[<>&\"'\\\\\\]]{0,8}|[a-zA-Z0-9+._-]{1,40}";
    let class = (0..NodeClass::ALL.len()).prop_map(|at| NodeClass::ALL[at]);
    let node = (text, text, 0..6_u32, class, text, proptest::option::of(any::<f64>()), any::<bool>()).prop_map(
        |(label, sublabel, group, class, tooltip, seconds, critical)| Node {
            label,
            sublabel,
            group,
            class,
            tooltip,
            seconds: seconds.map(|seconds| seconds % 1e6),
            critical,
        },
    );
    (text, proptest::collection::vec(node, 1..24)).prop_flat_map(move |(title, nodes)| {
        let edge_class = (0..EdgeClass::ALL.len()).prop_map(|at| EdgeClass::ALL[at]);
        let edge = (0..nodes.len(), 0..nodes.len(), text, edge_class).prop_map(|(from, to, label, class)| Edge {
            from,
            to,
            label,
            class,
        });
        proptest::collection::vec(edge, 0..40)
            .prop_map(move |edges| Drawing::new(title.clone(), nodes.clone(), edges).expect("all nodes are there"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_and_any_edges_make_a_good_picture(drawing in any_drawing(), most_in_columns in prop_oneof![Just(0_usize), Just(150)]) {
        let options = SvgOptions { most_in_columns, all_edges: false };
        let svg = to_svg_with(&drawing, &options);
        let picture = Picture::read(&svg);
        prop_assert_eq!(picture.boxes.len(), drawing.nodes().len());
        picture.check("any drawing");
        for (at, node) in drawing.nodes().iter().enumerate() {
            let words = node.label.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_graphic()));
            let tooltip = picture.tooltip_of(at);
            words.for_each(|word| assert!(tooltip.contains(word), "{word:?} is not in {tooltip:?}"));
        }
        let strings = strings_of(&to_dot(&drawing));
        for node in drawing.nodes() {
            if node.label.chars().all(|c| c.is_ascii_graphic()) && !node.label.contains("&amp;") {
                prop_assert!(strings.iter().any(|text| text.split('\n').next() == Some(node.label.as_str())), "{:?}", node.label);
            }
        }
    }
}
