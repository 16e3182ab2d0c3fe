//! Reads and writes `repomd.xml`, which names the other files and their checksums.

use std::path::Path;

use super::primary::{checksum, element_number};
use crate::problem::{Finding, Findings};
use crate::xml::{Document, Element, Located, Node, line_column, push_attribute, push_text};
use crate::{Checksum, Problem};

const ROOT: &str = "repomd";
/// No `repomd.xml` is larger: those of large distributions have some 10 kB.
pub(crate) const MAX_SIZE: u64 = 16 << 20;

/// What `repomd.xml` says.
#[derive(Debug, Default)]
pub(crate) struct Repomd {
    pub(crate) revision: String,
    pub(crate) data: Vec<Data>,
}

/// A file that it names.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) kind: String,
    pub(crate) checksum: Checksum,
    pub(crate) open_checksum: Option<Checksum>,
    pub(crate) location: String,
    pub(crate) timestamp: u64,
    pub(crate) size: Option<u64>,
    pub(crate) open_size: Option<u64>,
}

impl Repomd {
    /// The data of a type.
    pub(crate) fn data(&self, kind: &str) -> Option<&Data> {
        self.data.iter().find(|data| data.kind == kind)
    }

    /// Reads the text; all that is wrong is noted.
    pub(crate) fn read(path: &Path, text: &str, findings: &mut Findings) -> Self {
        let (repomd, problems) = read(text);
        findings.all.extend(problems.into_iter().map(|located| Finding {
            path: path.to_owned(),
            place: Some(line_column(text, located.offset)),
            problem: located.problem,
        }));
        repomd
    }

    /// The text of the file.
    pub(crate) fn to_xml(&self) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
             xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n  <revision>",
        );
        push_text(&mut out, &self.revision);
        out.push_str("</revision>\n");
        for data in &self.data {
            out.push_str("  <data");
            push_attribute(&mut out, "type", &data.kind);
            out.push_str(">\n");
            for (name, value) in [("checksum", Some(data.checksum)), ("open-checksum", data.open_checksum)] {
                if let Some(value) = value {
                    out.push_str(&format!("    <{name} type=\"{}\">{value}</{name}>\n", value.kind()));
                }
            }
            out.push_str("    <location");
            push_attribute(&mut out, "href", &data.location);
            out.push_str("/>\n");
            let numbers = [("timestamp", Some(data.timestamp)), ("size", data.size), ("open-size", data.open_size)];
            for (name, value) in numbers {
                if let Some(value) = value {
                    out.push_str(&format!("    <{name}>{value}</{name}>\n"));
                }
            }
            out.push_str("  </data>\n");
        }
        out.push_str("</repomd>\n");
        out
    }
}

/// The files that a `repomd.xml` names: path below the repository, checksum. Of kinds, only those that [`load`](crate::load()) reads.
///
/// # Errors
/// What is wrong with the text.
pub fn metadata_files(text: &str) -> Result<Vec<(String, Checksum)>, Problem> {
    let (repomd, problems) = read(text);
    if let Some(located) = problems.into_iter().next() {
        return Err(located.problem);
    }
    let wanted = repomd.data.into_iter().filter(|data| matches!(data.kind.as_str(), "primary" | "filelists" | "other"));
    Ok(wanted.map(|data| (data.location, data.checksum)).collect())
}

#[derive(Default)]
struct Draft {
    kind: String,
    offset: usize,
    checksum: Option<Checksum>,
    open_checksum: Option<Checksum>,
    location: Option<String>,
    timestamp: u64,
    size: Option<u64>,
    open_size: Option<u64>,
    is_bad: bool,
}

fn read(text: &str) -> (Repomd, Vec<Located>) {
    let mut repomd = Repomd::default();
    let mut problems = Vec::new();
    let document = match Document::open(text, ROOT) {
        Ok(document) => document,
        Err(located) => return (repomd, vec![located]),
    };
    let Some(mut events) = document.parts(1).pop() else { return (repomd, problems) };
    let mut draft: Option<Draft> = None;
    let mut open: Option<Element<'_>> = None;
    loop {
        let depth = events.depth();
        match events.next() {
            Err(located) => {
                problems.push(located);
                return (repomd, problems);
            }
            Ok(Node::Done) => return (repomd, problems),
            Ok(Node::Start(element)) => {
                if depth == 0 && element.name() == "data" {
                    let kind = element.required("type").map(std::borrow::Cow::into_owned);
                    let is_bad = kind.is_err();
                    let kind = kind.unwrap_or_else(|located| {
                        problems.push(located);
                        String::new()
                    });
                    draft = Some(Draft { kind, offset: element.offset, is_bad, ..Draft::default() });
                } else if let (Some(draft), "location") = (&mut draft, element.name()) {
                    match element.required("href") {
                        Ok(href) => draft.location = Some(href.into_owned()),
                        Err(located) => {
                            draft.is_bad = true;
                            problems.push(located);
                        }
                    }
                }
                open = Some(element);
            }
            Ok(Node::End) => {
                if let Some(element) = open.take() {
                    if depth == 1 && element.name() == "revision" {
                        repomd.revision = events.text.trim().to_owned();
                    } else if let Some(draft) = &mut draft
                        && let Err(problem) = draft.take(&element, &events.text)
                    {
                        draft.is_bad = true;
                        problems.push(Located { offset: element.offset, problem });
                    }
                }
                if depth == 1
                    && let Some(draft) = draft.take()
                {
                    draft.finish(&mut repomd, &mut problems);
                }
            }
        }
    }
}

impl Draft {
    fn take(&mut self, element: &Element<'_>, text: &str) -> Result<(), Problem> {
        match element.name() {
            "checksum" => self.checksum = Some(checksum(element, text)?),
            "open-checksum" => self.open_checksum = Some(checksum(element, text)?),
            // Some tools write a fraction of a second.
            "timestamp" => self.timestamp = element_number(element, text.split('.').next().unwrap_or_default())?,
            "size" => self.size = Some(element_number(element, text)?),
            "open-size" => self.open_size = Some(element_number(element, text)?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self, repomd: &mut Repomd, problems: &mut Vec<Located>) {
        let mut bad = |problem| problems.push(Located { offset: self.offset, problem });
        if repomd.data(&self.kind).is_some() {
            bad(Problem::DataTwice { kind: self.kind });
            return;
        }
        match (self.checksum, self.location) {
            (Some(checksum), Some(location)) if !self.is_bad => repomd.data.push(Data {
                kind: self.kind,
                checksum,
                open_checksum: self.open_checksum,
                location,
                timestamp: self.timestamp,
                size: self.size,
                open_size: self.open_size,
            }),
            (checksum, location) if !self.is_bad => {
                for (element, lacks) in [("checksum", checksum.is_none()), ("location", location.is_none())] {
                    if lacks {
                        bad(Problem::MissingElement { parent: format!("data {}", self.kind), element });
                    }
                }
            }
            _ => {}
        }
    }
}
