//! Writes what `primary`, `filelists` and `other` say of a package.

use std::fmt::Write;

use bedplate_model::{Dependency, DependencyKind, FileKind, LooseEvr, Nevra, PackageFile, Sense};

use crate::package::is_primary_path;
use crate::xml::{push_attribute, push_text};
use crate::{Checksum, RepositoryPackage};

const HEADS: [(&str, &str); 3] = [
    (
        "<metadata xmlns=\"http://linux.duke.edu/metadata/common\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"",
        "</metadata>\n",
    ),
    ("<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\"", "</filelists>\n"),
    ("<otherdata xmlns=\"http://linux.duke.edu/metadata/other\"", "</otherdata>\n"),
];

/// What the three files say of one package.
#[derive(Debug)]
pub(crate) struct Fragments(pub(crate) [String; 3]);

impl Fragments {
    pub(crate) fn of(package: &RepositoryPackage) -> Self {
        Self([primary(package), filelists(package), other(package)])
    }
}

/// One of the three files: 0 is `primary`, 1 `filelists`, 2 `other`.
pub(crate) fn document<'a>(which: usize, fragments: impl ExactSizeIterator<Item = &'a Fragments> + Clone) -> String {
    let (head, foot) = HEADS[which];
    let length: usize = fragments.clone().map(|one| one.0[which].len()).sum();
    let mut out = String::with_capacity(length + 300);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(head);
    push_attribute(&mut out, "packages", &fragments.len().to_string());
    out.push_str(">\n");
    fragments.for_each(|one| out.push_str(&one.0[which]));
    out.push_str(foot);
    out
}

fn element(out: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        let _ = writeln!(out, "<{name}/>");
        return;
    }
    let _ = write!(out, "<{name}>");
    push_text(out, text);
    let _ = writeln!(out, "</{name}>");
}

fn version(out: &mut String, nevra: &Nevra) {
    let evr = nevra.evr();
    let _ = write!(out, "<version epoch=\"{}\"", evr.epoch().unwrap_or_default());
    push_attribute(out, "ver", evr.version());
    push_attribute(out, "rel", evr.release().unwrap_or_default());
    out.push_str("/>\n");
}

fn primary(package: &RepositoryPackage) -> String {
    let nevra = &package.package.nevra;
    let mut out = String::with_capacity(4096);
    out.push_str("<package type=\"rpm\">\n");
    element(&mut out, "name", nevra.name().as_str());
    element(&mut out, "arch", nevra.arch().as_str());
    version(&mut out, nevra);
    let checksum = package.checksum;
    let _ = writeln!(out, "<checksum type=\"{}\" pkgid=\"YES\">{checksum}</checksum>", checksum.kind());
    element(&mut out, "summary", &package.summary);
    element(&mut out, "description", &package.description);
    element(&mut out, "packager", &package.packager);
    element(&mut out, "url", &package.url);
    let (time, size, range) = (package.time, package.size, package.header_range);
    let _ = writeln!(out, "<time file=\"{}\" build=\"{}\"/>", time.file, time.build);
    let _ = writeln!(
        out,
        "<size package=\"{}\" installed=\"{}\" archive=\"{}\"/>",
        size.package, size.installed, size.archive
    );
    out.push_str("<location");
    if let Some(base) = &package.base {
        push_attribute(&mut out, "xml:base", base);
    }
    push_attribute(&mut out, "href", &package.location);
    out.push_str("/>\n<format>\n");
    element(&mut out, "rpm:license", &package.license);
    element(&mut out, "rpm:vendor", &package.vendor);
    element(&mut out, "rpm:group", &package.group);
    element(&mut out, "rpm:buildhost", &package.build_host);
    element(&mut out, "rpm:sourcerpm", package.package.source_rpm.as_deref().unwrap_or_default());
    let _ = writeln!(out, "<rpm:header-range start=\"{}\" end=\"{}\"/>", range.0, range.1);
    for (name, kind) in [
        ("provides", DependencyKind::Provides),
        ("requires", DependencyKind::Requires),
        ("conflicts", DependencyKind::Conflicts),
        ("obsoletes", DependencyKind::Obsoletes),
        ("suggests", DependencyKind::Suggests),
        ("enhances", DependencyKind::Enhances),
        ("recommends", DependencyKind::Recommends),
        ("supplements", DependencyKind::Supplements),
    ] {
        let list = package.package.dependencies(kind).map(Vec::as_slice).unwrap_or_default();
        if !list.is_empty() {
            let _ = writeln!(out, "<rpm:{name}>");
            list.iter().for_each(|one| entry(&mut out, one));
            let _ = writeln!(out, "</rpm:{name}>");
        }
    }
    package.package.files.iter().filter(|file| is_primary_path(&file.path)).for_each(|one| file(&mut out, one));
    out.push_str("</format>\n</package>\n");
    out
}

fn entry(out: &mut String, dependency: &Dependency) {
    out.push_str("<rpm:entry");
    push_attribute(out, "name", &dependency.name);
    let flags = match dependency.sense.operator() {
        "<" => "LT",
        "<=" => "LE",
        "=" => "EQ",
        ">=" => "GE",
        ">" => "GT",
        _ => "",
    };
    if !flags.is_empty() {
        push_attribute(out, "flags", flags);
        if let Some(evr) = LooseEvr::parse(&dependency.evr) {
            push_attribute(out, "epoch", evr.epoch().unwrap_or("0"));
            push_attribute(out, "ver", evr.version());
            if let Some(release) = evr.release().filter(|release| !release.is_empty()) {
                push_attribute(out, "rel", release);
            }
        }
    }
    if dependency.sense.contains(Sense::PREREQ) {
        out.push_str(" pre=\"1\"");
    }
    out.push_str("/>\n");
}

fn file(out: &mut String, file: &PackageFile) {
    out.push_str(match file.kind {
        FileKind::File => "<file>",
        FileKind::Directory => "<file type=\"dir\">",
        FileKind::Ghost => "<file type=\"ghost\">",
    });
    push_text(out, &file.path);
    out.push_str("</file>\n");
}

fn identified(out: &mut String, nevra: &Nevra, id: Checksum) {
    let _ = write!(out, "<package pkgid=\"{id}\"");
    push_attribute(out, "name", nevra.name().as_str());
    push_attribute(out, "arch", nevra.arch().as_str());
    out.push_str(">\n");
    version(out, nevra);
}

fn filelists(package: &RepositoryPackage) -> String {
    let mut out = String::with_capacity(1024);
    identified(&mut out, &package.package.nevra, package.checksum);
    package.package.files.iter().for_each(|one| file(&mut out, one));
    out.push_str("</package>\n");
    out
}

fn other(package: &RepositoryPackage) -> String {
    let mut out = String::with_capacity(1024);
    identified(&mut out, &package.package.nevra, package.checksum);
    for entry in &package.changelogs {
        out.push_str("<changelog");
        push_attribute(&mut out, "author", &entry.author);
        let _ = write!(out, " date=\"{}\">", entry.date);
        push_text(&mut out, &entry.text);
        out.push_str("</changelog>\n");
    }
    out.push_str("</package>\n");
    out
}
