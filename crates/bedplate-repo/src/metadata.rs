//! The files of `repodata/`: what each says, read and written.
//!
//! ```text
//! repomd.xml ──┬─▶ primary     name, dependencies, sizes, checksum (= id), some paths
//!              ├─▶ filelists   id ──▶ all paths
//!              └─▶ other       id ──▶ changelog
//! ```

pub(crate) mod lists;
pub(crate) mod primary;
pub(crate) mod repomd;
pub(crate) mod write;

use std::path::Path;

use rayon::prelude::*;

use crate::Problem;
use crate::problem::{Finding, Findings};
use crate::xml::{Document, Element, Events, Located, Node, line_column};

/// What the reader of one part of a file found: values, and what is wrong with single elements.
pub(crate) type Part<T> = (Vec<T>, Vec<Located>);

/// Reads the packages of one part; a package with mistakes is `None`, and a mistake of the XML ends the part.
pub(crate) fn read_packages<'a, T>(
    mut events: Events<'a>,
    read: impl Fn(&mut Events<'a>, &Element<'a>, &mut Vec<Located>) -> Result<Option<T>, Located>,
) -> Part<T> {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    loop {
        let package = match events.next() {
            Ok(Node::Start(element)) if element.name() == "package" => read(&mut events, &element, &mut problems),
            Ok(Node::Start(_) | Node::End) => continue,
            Ok(Node::Done) => break,
            Err(located) => Err(located),
        };
        match package {
            Ok(package) => all.extend(package),
            Err(located) => {
                problems.push(located);
                break;
            }
        }
    }
    (all, problems)
}

/// Reads the children of the root in parallel; all that is wrong is noted.
pub(crate) fn read_parts<T: Send>(
    path: &Path,
    text: &str,
    root: &'static str,
    read: impl Fn(Events<'_>) -> Part<T> + Sync + Send,
    findings: &mut Findings,
) -> Vec<T> {
    let mut note = |located: Located| {
        let place = Some(line_column(text, located.offset));
        findings.all.push(Finding { path: path.to_owned(), place, problem: located.problem });
    };
    let document = match Document::open(text, root) {
        Ok(document) => document,
        Err(located) => {
            note(located);
            return Vec::new();
        }
    };
    let parts = document.parts(4 * rayon::current_num_threads());
    let parts: Vec<Part<T>> = parts.into_par_iter().map(read).collect();
    let mut all = Vec::with_capacity(parts.iter().map(|(values, _)| values.len()).sum());
    let mut good = true;
    for (values, located) in parts {
        all.extend(values);
        good &= located.is_empty();
        located.into_iter().for_each(&mut note);
    }
    let found = all.len() as u64;
    if let Some(expected) = document.packages.filter(|expected| good && *expected != found) {
        findings.add(path, Problem::PackageCount { expected, found });
    }
    all
}
