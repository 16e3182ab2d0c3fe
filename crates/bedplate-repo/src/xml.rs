//! XML of repodata: a reader that knows where it is, and the escapes of the writer.
//!
//! A metadata file is one root element with a child for each package, `<package …>…</package>`. A file is cut before some
//! of these children, and the parts are read in parallel; each part is a run of whole elements of the root's content.

use std::borrow::Cow;

use bedplate_diag::LineColumn;
use memchr::memmem;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::Problem;

/// A problem and the byte of the text that it is at.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) offset: usize,
    pub(crate) problem: Problem,
}

/// Elements may not nest deeper: those of repodata nest five deep.
const MAX_DEPTH: usize = 64;

/// A text whose root element was found.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    root: &'static str,
    body: usize,
    /// The attribute `packages` of the root.
    pub(crate) packages: Option<u64>,
}

impl<'a> Document<'a> {
    /// Reads up to the start of the root, which has to have this name.
    pub(crate) fn open(text: &'a str, root: &'static str) -> Result<Self, Located> {
        let mut reader = Reader::from_str(text);
        loop {
            let offset = position(&reader);
            let wrong = |why: String| Located { offset, problem: Problem::Xml { why } };
            match reader.read_event().map_err(|error| wrong(error.to_string()))? {
                Event::Start(element) if element.local_name().into_inner() == root => {
                    let element = Element { element, offset };
                    let packages = element.attribute("packages")?.map(|count| element.number("packages", &count));
                    let body = position(&reader);
                    return Ok(Self { text, root, body, packages: packages.transpose()? });
                }
                Event::Empty(element) if element.local_name().into_inner() == root => {
                    let element = Element { element, offset };
                    let packages = element.attribute("packages")?.map(|count| element.number("packages", &count));
                    // The text after it stands for the whole content: there is none.
                    let body = text.len();
                    return Ok(Self { text, root, body, packages: packages.transpose()? });
                }
                Event::Start(element) | Event::Empty(element) => {
                    let name = element.name().into_inner();
                    return Err(wrong(format!("the root element is `{name}` and should be `{root}`")));
                }
                Event::Eof => return Err(wrong(format!("there is no element `{root}`"))),
                _ => {}
            }
        }
    }

    /// The content of the root in at most so many parts of about the same size.
    pub(crate) fn parts(&self, count: usize) -> Vec<Events<'a>> {
        let body = &self.text.as_bytes()[self.body..];
        // What looks like a tag may be none in a comment or a CDATA section; no tool writes these.
        let plain = memmem::find(body, b"<!").is_none();
        let size = (body.len() / count.max(1)).max(64 << 10);
        let mut cuts = vec![0];
        while plain && cuts.len() < count {
            let from = cuts[cuts.len() - 1] + size;
            let Some(rest) = body.get(from..) else { break };
            match memmem::find(rest, b"<package ") {
                Some(at) => cuts.push(from + at),
                None => break,
            }
        }
        cuts.push(body.len());
        let last = cuts.len() - 2;
        let part = |(at, pair): (usize, &[usize])| Events {
            reader: Reader::from_str(&self.text[self.body + pair[0]..self.body + pair[1]]),
            start: self.body + pair[0],
            root: self.root,
            is_last: at == last && self.body < self.text.len(),
            depth: 0,
            closed: false,
            pending_end: false,
            text: String::new(),
        };
        cuts.windows(2).enumerate().map(part).map(configured).collect()
    }
}

fn configured(mut events: Events<'_>) -> Events<'_> {
    let config = events.reader.config_mut();
    // The end of the root stands in the last part only; it is checked here.
    config.allow_unmatched_ends = true;
    events
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).expect("a text in memory has fewer bytes")
}

/// What [`Events`] yields.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// A start tag; the text begins anew.
    Start(Element<'a>),
    /// An end tag; the text is what stood since the last tag.
    End,
    /// The end of the part.
    Done,
}

/// A start tag and where it is.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    element: BytesStart<'a>,
    pub(crate) offset: usize,
}

impl Element<'_> {
    /// Name without the prefix of its namespace.
    pub(crate) fn name(&self) -> &str {
        self.element.local_name().into_inner()
    }

    /// The value of an attribute; of `xml:base` the name is `base`.
    pub(crate) fn attribute(&self, name: &str) -> Result<Option<Cow<'_, str>>, Located> {
        let wrong = |why: String| Located { offset: self.offset, problem: Problem::Xml { why } };
        for attribute in self.element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| wrong(error.to_string()))?;
            if attribute.key.local_name().into_inner() == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                return value.map(Some).map_err(|error| wrong(error.to_string()));
            }
        }
        Ok(None)
    }

    /// Calls a function with the name and value of each attribute.
    pub(crate) fn each<'s>(&'s self, mut take: impl FnMut(&'s str, Cow<'s, str>)) -> Result<(), Located> {
        let wrong = |why: String| Located { offset: self.offset, problem: Problem::Xml { why } };
        for attribute in self.element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| wrong(error.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            take(attribute.key.local_name().into_inner(), value.map_err(|error| wrong(error.to_string()))?);
        }
        Ok(())
    }

    /// The value of an attribute that has to be there.
    pub(crate) fn required(&self, attribute: &'static str) -> Result<Cow<'_, str>, Located> {
        self.attribute(attribute)?.ok_or_else(|| self.lacks(attribute))
    }

    pub(crate) fn lacks(&self, attribute: &'static str) -> Located {
        Located {
            offset: self.offset,
            problem: Problem::MissingAttribute { element: self.name().to_owned(), attribute },
        }
    }

    /// The number of an attribute that has to be there.
    pub(crate) fn required_number(&self, attribute: &'static str) -> Result<u64, Located> {
        let value = self.required(attribute)?;
        self.number(attribute, &value)
    }

    pub(crate) fn number(&self, what: &str, value: &str) -> Result<u64, Located> {
        number(&format!("attribute `{what}` of `{}`", self.name()), value)
            .map_err(|problem| Located { offset: self.offset, problem })
    }
}

/// A number that is written in an element or attribute.
pub(crate) fn number(what: &str, value: &str) -> Result<u64, Problem> {
    value.trim().parse().map_err(|_| Problem::BadValue {
        what: what.to_owned(),
        value: value.to_owned(),
        why: "not a number".into(),
    })
}

/// The events of a part of a document.
pub(crate) struct Events<'a> {
    reader: Reader<&'a [u8]>,
    start: usize,
    root: &'static str,
    is_last: bool,
    depth: usize,
    closed: bool,
    pending_end: bool,
    /// The text since the last tag.
    pub(crate) text: String,
}

impl<'a> Events<'a> {
    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The next tag.
    pub(crate) fn next(&mut self) -> Result<Node<'a>, Located> {
        if self.pending_end {
            self.pending_end = false;
            self.depth -= 1;
            return Ok(Node::End);
        }
        loop {
            let offset = self.start + position(&self.reader);
            let wrong = |why: String| Located { offset, problem: Problem::Xml { why } };
            let event = self.reader.read_event().map_err(|error| {
                let at = usize::try_from(self.reader.error_position()).unwrap_or_default();
                Located { offset: self.start + at, problem: Problem::Xml { why: error.to_string() } }
            })?;
            if self.closed && matches!(event, Event::Start(_) | Event::Empty(_) | Event::End(_)) {
                return Err(wrong(format!("there is an element after `{}`", self.root)));
            }
            match event {
                Event::Start(element) | Event::Empty(element) if self.depth >= MAX_DEPTH => {
                    return Err(wrong(format!("`{}` is nested too deeply", element.name().into_inner())));
                }
                Event::Start(element) => {
                    self.text.clear();
                    self.depth += 1;
                    return Ok(Node::Start(Element { element, offset }));
                }
                Event::Empty(element) => {
                    self.text.clear();
                    self.depth += 1;
                    self.pending_end = true;
                    return Ok(Node::Start(Element { element, offset }));
                }
                Event::End(_) if self.depth > 0 => {
                    self.depth -= 1;
                    return Ok(Node::End);
                }
                Event::End(end) => {
                    let name = end.local_name().into_inner();
                    if !self.is_last || name != self.root {
                        return Err(wrong(format!("`</{name}>` ends what did not begin")));
                    }
                    self.closed = true;
                }
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| wrong(error.to_string()))?;
                    match (character, &*reference) {
                        (Some(character), _) => self.text.push(character),
                        (None, "lt") => self.text.push('<'),
                        (None, "gt") => self.text.push('>'),
                        (None, "amp") => self.text.push('&'),
                        (None, "quot") => self.text.push('"'),
                        (None, "apos") => self.text.push('\''),
                        (None, other) => return Err(wrong(format!("`&{other};` is not defined"))),
                    }
                }
                Event::Eof if self.depth > 0 || (self.is_last && !self.closed) => {
                    return Err(wrong("it ends within an element".into()));
                }
                Event::Eof => return Ok(Node::Done),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }
}

/// Line and column of a byte of a text.
pub(crate) fn line_column(text: &str, offset: usize) -> LineColumn {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    LineColumn { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

/// Writes a text as the content of an element.
pub(crate) fn push_text(out: &mut String, text: &str) {
    push_escaped(out, text, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        // Readers make a line feed of it otherwise.
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// Writes a text as the value of an attribute in double quotes.
pub(crate) fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
    out.push('"');
}

fn push_escaped(out: &mut String, text: &str, escape: impl Fn(u8) -> Option<&'static str>) {
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(escaped) = escape(byte) {
            out.push_str(&text[done..at]);
            out.push_str(escaped);
            done = at + 1;
        }
    }
    out.push_str(&text[done..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, parts: usize) -> Result<Vec<String>, Located> {
        let mut found = Vec::new();
        for mut events in Document::open(text, "metadata")?.parts(parts) {
            loop {
                match events.next()? {
                    Node::Start(element) => found.push(element.name().to_owned()),
                    Node::End => found.push(format!("/{}", events.text)),
                    Node::Done => break,
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn a_text_reads_the_same_in_parts() {
        let package = "<package type=\"rpm\"><name>a&amp;b</name><rpm:entry name=\"x\"/></package>\n".repeat(5000);
        let text = format!("<?xml version=\"1.0\"?>\n<metadata packages=\"5000\">\n{package}</metadata>\n");
        let document = Document::open(&text, "metadata").unwrap();
        assert_eq!(document.packages, Some(5000));
        assert_eq!(document.parts(4).len(), 4);
        let whole = names(&text, 1).unwrap();
        assert_eq!(whole.len(), 30000);
        assert_eq!(whole[..4], ["package", "name", "/a&b", "entry"]);
        assert_eq!(names(&text, 4).unwrap(), whole);
        let commented = text.replacen("</package>", "</package><!-- <package -->", 1);
        assert_eq!(names(&commented, 4).unwrap(), whole);
        assert_eq!(names("<metadata packages=\"0\"/>", 4).unwrap(), [""; 0]);
    }

    #[test]
    fn bad_texts_say_where() {
        for (text, line, want) in [
            ("", 1, "no element"),
            ("<x/>", 1, "root element is `x`"),
            ("<metadata packages=\"x\">", 1, "not a number"),
            ("<metadata>\n<package>", 2, "ends within"),
            ("<metadata>\n<package></package>", 2, "ends within"),
            ("<metadata>\n<package></name></metadata>", 2, "expected"),
            ("<metadata>&nbsp;</metadata>", 1, "not defined"),
            ("<metadata></metadata><b/>", 1, "after"),
            ("<metadata></meta>", 1, "did not begin"),
        ] {
            let error = names(text, 1).map(|names| panic!("{text}: {names:?}")).unwrap_err();
            let shown = error.problem.to_string();
            assert!(shown.contains(want), "{text}: {shown}");
            assert_eq!(line_column(text, error.offset).line, line, "{text}: {shown}");
        }
        let deep = format!("<metadata>{}", "<a>".repeat(100));
        assert!(names(&deep, 1).unwrap_err().problem.to_string().contains("deeply"));
    }

    #[test]
    fn escapes_come_back() {
        let text = "a<b> & \"c\"\td\r\ne";
        let mut out = String::from("<metadata><p");
        push_attribute(&mut out, "a", text);
        out.push('>');
        push_text(&mut out, text);
        out.push_str("</p></metadata>");
        let mut events = Document::open(&out, "metadata").unwrap().parts(1).remove(0);
        let Node::Start(element) = events.next().unwrap() else { panic!() };
        assert_eq!(element.required("a").unwrap(), text);
        assert!(matches!(events.next().unwrap(), Node::End));
        assert_eq!(events.text, text);
    }
}
