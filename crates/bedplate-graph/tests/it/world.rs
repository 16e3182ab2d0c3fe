//! A small language for worlds of specs:
//!
//! ```text
//! spec zlib 1.3-1
//!   needs gcc, make, (ninja or make)
//!   checks python3
//!   package zlib-devel: requires zlib = 1.3-1; provides z(x) = 1
//!   files zlib-devel: /usr/lib64/pkgconfig/zlib.pc
//! seed tools: gcc = 14, make, /bin/sh
//! prefer tools
//! repo old: zlib-devel 1.2-1: requires zlib
//! took zlib 30 5
//! ```
//!
//! A spec makes a package of its own name; `package NAME:` gives it dependencies, or makes a further one.

use bedplate_diag::{Diagnostic, SourceId, Span};
use bedplate_graph::{
    BuildGraph, CapabilityLock, Durations, Inputs, NodeKind, Seed, Spec, SpecId, SpecPackage, State, Wanted,
};
use bedplate_model::{BinaryPackage, Dependency, Sense};
use bedplate_solve::Repository;

/// A dependency as in a spec, rich or plain.
pub(crate) fn dependency(text: &str) -> Dependency {
    text.trim().parse().unwrap_or_else(|why| panic!("`{text}`: {why}"))
}

/// Texts between commas that are in no brackets.
fn list(text: &str) -> Vec<String> {
    let (mut found, mut depth, mut word) = (Vec::new(), 0, String::new());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(std::mem::take(&mut word));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    found.push(word);
    found.into_iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

fn package(name: &str, evr: &str, text: &str) -> BinaryPackage {
    let mut package = BinaryPackage::new(format!("{name}-{evr}.x86_64").parse().unwrap());
    package.provides.push(Dependency::new(name, evr, Sense::EQUAL));
    add(&mut package, text);
    package
}

fn add(package: &mut BinaryPackage, text: &str) {
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (word, rest) = part.split_once(' ').unwrap();
        let to = match word {
            "requires" => &mut package.requires,
            "provides" => &mut package.provides,
            "conflicts" => &mut package.conflicts,
            "obsoletes" => &mut package.obsoletes,
            _ => panic!("`{word}`"),
        };
        to.extend(list(rest).iter().map(|one| dependency(one)));
    }
}

/// A world's inputs; places are the lines of the text.
pub(crate) fn inputs(text: &str) -> Inputs {
    let mut inputs = Inputs::default();
    let mut seed = String::from("name = \"seed\"\n");
    let mut prefer = Vec::new();
    let mut took = String::new();
    let mut start = 0;
    for line in text.split('\n') {
        let span = Span::new(SourceId(0), start, start + line.len());
        start += line.len() + 1;
        let line = line.trim();
        let Some((word, rest)) = line.split_once(' ') else { continue };
        let wanted = |rest: &str| -> Vec<Wanted> {
            list(rest).iter().map(|one| Wanted { dependency: dependency(one), span: Some(span) }).collect()
        };
        match word {
            "spec" => {
                let (name, evr) = rest.split_once(' ').unwrap();
                inputs.specs.push(Spec {
                    name: name.to_owned(),
                    evr: evr.to_owned(),
                    path: format!("{name}.spec"),
                    span: Some(span),
                    build_requires: Vec::new(),
                    build_conflicts: Vec::new(),
                    check: None,
                    packages: vec![SpecPackage {
                        package: package(name, evr, ""),
                        origins: Vec::new(),
                        file_lines: Vec::new(),
                    }],
                    fetches: Vec::new(),
                    excluded: None,
                });
            }
            "needs" => inputs.specs.last_mut().unwrap().build_requires.extend(wanted(rest)),
            "fights" => inputs.specs.last_mut().unwrap().build_conflicts.extend(wanted(rest)),
            "checks" => inputs.specs.last_mut().unwrap().check = Some(wanted(rest)),
            "excluded" => inputs.specs.last_mut().unwrap().excluded = Some(rest.to_owned()),
            "package" | "files" => {
                let (name, rest) = rest.split_once(':').unwrap();
                let spec = inputs.specs.last_mut().unwrap();
                if !spec.packages.iter().any(|one| one.package.name() == name) {
                    let made = package(name, &spec.evr, "");
                    spec.packages.push(SpecPackage { package: made, origins: Vec::new(), file_lines: Vec::new() });
                }
                let one = spec.packages.iter_mut().find(|one| one.package.name() == name).unwrap();
                if word == "files" {
                    one.file_lines.extend(rest.split_whitespace().map(|path| format!("{path}\n")));
                } else {
                    let before = one.package.requires.len();
                    add(&mut one.package, rest);
                    let new = one.package.requires[before..].iter().map(|one| (one.clone(), span));
                    one.origins.extend(new.collect::<Vec<_>>());
                }
            }
            "seed" => {
                let (group, rest) = rest.split_once(':').unwrap();
                for (number, one) in list(rest).iter().enumerate() {
                    let name = dependency(one).name;
                    let name = if name.contains(['/', '(']) { format!("file{number}") } else { name };
                    seed.push_str(&format!("groups.{group}.packages.\"{name}\" = [\"{one}\"]\n"));
                }
            }
            "prefer" => prefer.push(format!("groups.{rest}.prefer = \"seed\"\n")),
            "repo" => {
                let mut parts = rest.splitn(3, ':');
                let (name, which) = (parts.next().unwrap().to_owned(), parts.next().unwrap().trim());
                let (package_name, evr) = which.split_once(' ').unwrap();
                let made = package(package_name, evr, parts.next().unwrap_or_default());
                match inputs.repositories.iter_mut().find(|one| one.name == name) {
                    Some(known) => known.packages.push(made),
                    None => inputs.repositories.push(Repository { name, priority: 99, packages: vec![made] }),
                }
            }
            "took" => {
                let parts: Vec<&str> = rest.split(' ').collect();
                let check = parts.get(2).unwrap_or(&"0");
                took.push_str(&format!("{{\"source\":\"{}\",\"build\":{},\"check\":{check}}}\n", parts[0], parts[1]));
            }
            _ => panic!("`{line}`"),
        }
    }
    seed.extend(prefer);
    inputs.seed = Seed::parse(SourceId(1), &seed).unwrap();
    inputs.durations = Durations::parse(SourceId(2), &took).unwrap();
    inputs.lock = CapabilityLock::default();
    inputs
}

pub(crate) fn graph(text: &str) -> BuildGraph {
    BuildGraph::new(inputs(text))
}

pub(crate) fn id(graph: &BuildGraph, name: &str) -> SpecId {
    let at = graph.specs.iter().position(|spec| spec.name == name).unwrap_or_else(|| panic!("no {name}"));
    SpecId(u32::try_from(at).unwrap())
}

/// The packages in the root of a spec, those that cut a cycle with a star.
pub(crate) fn root(graph: &BuildGraph, name: &str) -> String {
    let all = graph.root_of(id(graph, name));
    let mut names: Vec<String> = all
        .iter()
        .map(|(package, is_cut)| {
            let from = if graph.pool.spec_of(*package).is_some() { "" } else { "@" };
            format!("{from}{}{}", graph.pool.name(*package), if *is_cut { "*" } else { "" })
        })
        .collect();
    names.sort();
    names.join(" ")
}

/// The waves, as `a b | c | …`; checks have a question mark, blocked builds an exclamation mark in front of all.
pub(crate) fn waves(graph: &BuildGraph) -> String {
    let last = graph.nodes.iter().map(|node| node.wave).max().unwrap_or(0);
    let name = |node: &&bedplate_graph::Node| {
        let mark = if node.kind == NodeKind::Check { "?" } else { "" };
        format!("{}{mark}", graph.spec(node.spec).name)
    };
    let wave = |wave| {
        graph
            .nodes
            .iter()
            .filter(|node| node.wave == wave && node.state == State::Planned)
            .map(|one| name(&one))
            .collect::<Vec<_>>()
    };
    let mut waves: Vec<String> = (1..=last).map(|number| wave(number).join(" ")).collect();
    let blocked: Vec<String> =
        graph.nodes.iter().filter(|node| node.state == State::Blocked).map(|one| name(&one)).collect();
    if !blocked.is_empty() {
        waves.insert(0, format!("!{}", blocked.join(" ")));
    }
    waves.join(" | ")
}

/// Diagnostics as `code: message; notes; hint`, with the line of the world in front.
pub(crate) fn problems(graph: &BuildGraph, text: &str) -> Vec<String> {
    let line = |span: Option<Span>| span.map_or(0, |span| text[..span.start as usize].matches('\n').count());
    let show = |one: &Diagnostic| {
        let mut shown = format!("{}: {}: {}", line(one.span), one.code, one.message);
        for note in &one.notes {
            shown.push_str(&format!("; {}", note.message));
            if note.span.is_some() {
                shown.push_str(&format!(" @{}", line(note.span)));
            }
        }
        if let Some(hint) = &one.hint {
            shown.push_str(&format!("; {hint}"));
        }
        shown
    };
    graph.diagnostics().iter().map(show).collect()
}
