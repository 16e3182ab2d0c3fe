//! An SVG, read back and measured.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

/// A rectangle on the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Rectangle {
    fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// True for a point that is clearly inside, not at the border.
    fn holds(&self, x: f64, y: f64) -> bool {
        x > self.x + 1.0 && x < self.x + self.width - 1.0 && y > self.y + 1.0 && y < self.y + self.height - 1.0
    }
}

/// A line between two nodes, as points.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) from: usize,
    pub(crate) to: usize,
    points: Vec<(f64, f64)>,
}

/// What an SVG shows.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) view: String,
    /// By node.
    pub(crate) boxes: BTreeMap<usize, Rectangle>,
    pub(crate) lines: Vec<Line>,
    /// How many waves can be opened.
    pub(crate) toggles: usize,
    texts: Vec<(String, Rectangle, Option<usize>)>,
    tooltips: BTreeMap<usize, String>,
    page: Rectangle,
}

impl Picture {
    /// Reads a document; it is good XML, or this fails.
    pub(crate) fn read(svg: &str) -> Self {
        let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
        let root = document.root_element();
        assert!(root.has_tag_name(("http://www.w3.org/2000/svg", "svg")));
        let mut picture = Self {
            view: root.attribute("data-view").expect("it says its view").to_owned(),
            boxes: BTreeMap::new(),
            lines: Vec::new(),
            toggles: 0,
            texts: Vec::new(),
            tooltips: BTreeMap::new(),
            page: Rectangle { x: 0.0, y: 0.0, width: number(root, "width"), height: number(root, "height") },
        };
        picture.visit(root, (0.0, 0.0), None);
        picture
    }

    fn visit(&mut self, element: Node<'_, '_>, (x, y): (f64, f64), node: Option<usize>) {
        let class = element.attribute("class").unwrap_or_default();
        let has_class = |name: &str| class.split(' ').any(|word| word == name);
        let (dx, dy) = element.attribute("transform").map_or((0.0, 0.0), translation);
        let (x, y) = (x + dx, y + dy);
        let mut node = node;
        if has_class("node") {
            node = Some(number(element, "data-node") as usize);
            assert!(element.attribute("aria-label").is_some() && element.attribute("tabindex") == Some("0"));
        }
        self.toggles += usize::from(has_class("toggle"));
        let at = |name| element.attribute(name).map_or(0.0, |_| number(element, name));
        match element.tag_name().name() {
            "rect" if has_class("box") => {
                let found = Rectangle {
                    x: x + at("x"),
                    y: y + at("y"),
                    width: number(element, "width"),
                    height: number(element, "height"),
                };
                if let Some(node) = node {
                    self.boxes.insert(node, found);
                }
            }
            "text" => {
                let text = element.text().unwrap_or_default().to_owned();
                let size = if has_class("title") {
                    18.0
                } else if has_class("name") || has_class("wave-name") {
                    13.0
                } else {
                    11.0
                };
                // DejaVu Sans, the widest usual font, has on average less than this for names and versions.
                let width = text.chars().count() as f64 * size * 0.58;
                let found = Rectangle { x: x + at("x"), y: y + at("y") - size * 0.76, width, height: size * 0.98 };
                if !text.is_empty() {
                    self.texts.push((text, found, node));
                }
            }
            "title" => {
                if let (Some(node), Some(text)) = (node, element.text()) {
                    self.tooltips.insert(node, text.to_owned());
                }
            }
            "path" if element.attribute("data-from").is_some() => self.lines.push(Line {
                from: number(element, "data-from") as usize,
                to: number(element, "data-to") as usize,
                points: points(element.attribute("d").expect("a path has a way")),
            }),
            _ => {}
        }
        for child in element.children().filter(Node::is_element) {
            self.visit(child, (x, y), node);
        }
    }

    /// The text in the box of a node.
    pub(crate) fn text_of(&self, node: usize) -> String {
        let own = self.texts.iter().filter(|(_, _, owner)| *owner == Some(node));
        own.map(|(text, ..)| text.as_str()).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn tooltip_of(&self, node: usize) -> &str {
        self.tooltips.get(&node).map_or("", String::as_str)
    }

    /// Boxes lie apart and on the page, text lies in its box or away from all boxes and other text, and no line between
    /// columns passes through a box.
    #[track_caller]
    pub(crate) fn check(&self, what: &str) {
        let boxes: Vec<(&usize, &Rectangle)> = self.boxes.iter().collect();
        for (place, (node, one)) in boxes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= self.page.width, "{what}: box of {node} leaves the page");
            assert!(one.y >= 0.0 && one.y + one.height <= self.page.height, "{what}: box of {node} leaves the page");
            for (other, rectangle) in &boxes[place + 1..] {
                assert!(!one.meets(rectangle), "{what}: boxes of {node} and {other}");
            }
        }
        for (place, (text, one, owner)) in self.texts.iter().enumerate() {
            match owner {
                // What is no ASCII may be wider than the estimate of this test.
                Some(node) if text.is_ascii() => {
                    let own = &self.boxes[node];
                    assert!(one.x + one.width <= own.x + own.width, "{what}: `{text}` leaves its box");
                }
                Some(_) => {}
                None => assert!(boxes.iter().all(|(_, rectangle)| !one.meets(rectangle)), "{what}: `{text}` on a box"),
            }
            for (other_text, other, other_owner) in &self.texts[place + 1..] {
                let far = owner.is_some() && other_owner.is_some() && owner != other_owner;
                assert!(far || !one.meets(other), "{what}: `{text}` on `{other_text}`");
            }
        }
        for line in self.lines.iter().filter(|_| self.view == "columns") {
            for (x, y) in &line.points {
                let hit = boxes.iter().find(|(_, rectangle)| rectangle.holds(*x, *y));
                assert!(hit.is_none(), "{what}: {} to {} passes {hit:?} at {x} {y}", line.from, line.to);
            }
        }
    }
}

fn number(element: Node<'_, '_>, name: &str) -> f64 {
    let text = element.attribute(name).unwrap_or_else(|| panic!("no {name} in {element:?}"));
    let value: f64 = text.parse().unwrap_or_else(|error| panic!("{name} {text}: {error}"));
    assert!(value.is_finite(), "{name} {text}");
    value
}

fn translation(text: &str) -> (f64, f64) {
    let inner = text.strip_prefix("translate(").and_then(|rest| rest.strip_suffix(')')).expect("only translations");
    let (x, y) = inner.split_once(' ').expect("two numbers");
    (x.parse().expect(x), y.parse().expect(y))
}

/// Points along a path of the commands that are in use.
fn points(path: &str) -> Vec<(f64, f64)> {
    let (mut points, mut x, mut y) = (Vec::new(), 0.0, 0.0);
    let is_command = |c: char| c.is_ascii_alphabetic();
    let mut rest = path;
    while let Some(command) = rest.chars().next() {
        rest = &rest[1..];
        let end = rest.find(is_command).unwrap_or(rest.len());
        let numbers: Vec<f64> = rest[..end].split_whitespace().map(|word| word.parse().expect(word)).collect();
        rest = &rest[end..];
        let (from_x, from_y) = (x, y);
        let controls = match (command, numbers.as_slice()) {
            ('M', [to_x, to_y]) => {
                (x, y) = (*to_x, *to_y);
                points.push((x, y));
                continue;
            }
            ('H', [to_x]) => [from_x, from_y, *to_x, from_y, *to_x, from_y],
            ('V', [to_y]) => [from_x, from_y, from_x, *to_y, from_x, *to_y],
            ('l' | 'm', [dx, dy]) => [from_x, from_y, from_x + dx, from_y + dy, from_x + dx, from_y + dy],
            ('Q', [a, b, to_x, to_y]) => [*a, *b, *a, *b, *to_x, *to_y],
            ('C', [a, b, c, d, to_x, to_y]) => [*a, *b, *c, *d, *to_x, *to_y],
            other => panic!("{other:?} in {path}"),
        };
        let [a, b, c, d, to_x, to_y] = controls;
        for step in 1..=24 {
            let t = f64::from(step) / 24.0;
            let mix = |p: f64, q: f64, r: f64, s: f64| {
                let u = 1.0 - t;
                u * u * u * p + 3.0 * u * u * t * q + 3.0 * u * t * t * r + t * t * t * s
            };
            points.push((mix(from_x, a, c, to_x), mix(from_y, b, d, to_y)));
        }
        (x, y) = (to_x, to_y);
    }
    points
}
