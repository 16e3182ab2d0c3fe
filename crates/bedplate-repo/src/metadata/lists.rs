//! Reads `filelists` and `other`: what they say of the packages of `primary`, by the checksum of the package.

use bedplate_model::{Nevra, PackageFile};

use super::primary::{Named, file};
use super::{Part, read_packages};
use crate::xml::{Element, Events, Located, Node};
use crate::{Changelog, Checksum, Problem};

/// Name of the root element of `filelists`.
pub(crate) const FILELISTS_ROOT: &str = "filelists";
/// Name of the root element of `other`.
pub(crate) const OTHER_ROOT: &str = "otherdata";

/// What a list says of one package.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) id: Checksum,
    pub(crate) nevra: Nevra,
    pub(crate) values: Vec<T>,
}

/// Reads the paths of a part of `filelists`.
pub(crate) fn read_filelists(events: Events<'_>) -> Part<Listed<PackageFile>> {
    read(events, "file", file)
}

/// Reads the changelogs of a part of `other`.
pub(crate) fn read_other(events: Events<'_>) -> Part<Listed<Changelog>> {
    read(events, "changelog", |element, text| {
        let attribute = |name| element.required(name).map_err(|located| located.problem);
        let date = element.required_number("date").map_err(|located| located.problem)?;
        Ok(Changelog { author: attribute("author")?.into_owned(), date, text: text.to_owned() })
    })
}

fn read<T>(
    events: Events<'_>,
    child: &str,
    value: impl Fn(&Element<'_>, &str) -> Result<T, Problem>,
) -> Part<Listed<T>> {
    read_packages(events, |events, element, problems| package(events, element, child, &value, problems))
}

/// Reads up to the end of a package; an error is one of the XML.
fn package<T>(
    events: &mut Events<'_>,
    start: &Element<'_>,
    child: &str,
    value: &impl Fn(&Element<'_>, &str) -> Result<T, Problem>,
    problems: &mut Vec<Located>,
) -> Result<Option<Listed<T>>, Located> {
    let before = problems.len();
    let mut named = Named::default();
    let mut values = Vec::new();
    let outside = events.depth() - 1;
    let mut open: Option<Element<'_>> = None;
    loop {
        match events.next()? {
            Node::Start(element) => {
                if element.name() == "version" {
                    problems.extend(named.set_version(&element).err());
                }
                open = Some(element);
            }
            Node::End => {
                if let Some(element) = open.take().filter(|element| element.name() == child) {
                    match value(&element, &events.text) {
                        Ok(value) => values.push(value),
                        Err(problem) => problems.push(Located { offset: element.offset, problem }),
                    }
                }
                if events.depth() == outside {
                    break;
                }
            }
            Node::Done => break,
        }
    }
    let identity = || -> Result<(Checksum, Nevra), Located> {
        let here = |problem| Located { offset: start.offset, problem };
        let id = Checksum::of_digits(&start.required("pkgid")?).map_err(|error| here(error.into()))?;
        named.name = start.required("name")?.into_owned();
        named.arch = start.required("arch")?.into_owned();
        let lacks = Problem::MissingElement { parent: format!("package {}", named.name), element: "version" };
        let nevra = named.nevra().map_err(|error| {
            here(Problem::BadValue { what: "package".into(), value: named.name.clone(), why: error.to_string() })
        })?;
        Ok((id, nevra.ok_or_else(|| here(lacks))?))
    };
    if problems.len() > before {
        return Ok(None);
    }
    let mut identity = identity;
    match identity() {
        Ok((id, nevra)) => Ok(Some(Listed { id, nevra, values })),
        Err(located) => {
            problems.push(located);
            Ok(None)
        }
    }
}
