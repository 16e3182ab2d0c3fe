//! A spec's files: what it names, what its list pins, what lies beside it.

use std::path::{Path, PathBuf};

use bedplate_diag::{Diagnostic, SourceId, Sources, Span, nearest};

use crate::place::is_http;
use crate::{InputFile, Place, SourceFile, SourceList};

/// A file that a spec names with a `SourceN` or `PatchN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFile {
    /// Its name in the folder of sources.
    pub name: String,
    /// The value of the tag: a URL, or the name again.
    pub location: String,
    /// Where the spec says so.
    pub span: Option<Span>,
}

/// The files of one package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name, as the folder of its spec has it.
    pub name: String,
    /// The folder of the spec, with patches and other files of ours.
    pub folder: PathBuf,
    /// What the spec names.
    pub files: Vec<SpecFile>,
    /// What is pinned.
    pub list: SourceList,
}

/// Where a file of a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// It lies in the folder of the spec, and is what it is.
    Folder,
    /// The list pins it.
    Pinned(&'a SourceFile),
    /// The run gives it.
    Input(&'a InputFile),
}

impl Package {
    /// Puts together what is known of a package. Entries of the list without a place get the URL that the spec has for them.
    pub fn new(name: impl Into<String>, folder: &Path, files: Vec<SpecFile>, mut list: SourceList) -> Self {
        for entry in &mut list.files {
            let named = files.iter().find(|file| file.name == entry.name && is_http(&file.location));
            if let (true, Some(file)) = (entry.places.is_empty(), named) {
                // `#/NAME` says only how the file is to be called.
                let url = file.location.split('#').next().unwrap_or_default();
                entry.places.push(Place::Url(url.to_owned()));
            }
        }
        Self { name: name.into(), folder: folder.to_owned(), files, list }
    }

    /// All files that the spec names, each once, in its order, with where they come from. Those that [`Package::check`]
    /// complains of are left out.
    pub fn origins(&self) -> Vec<(&str, Origin<'_>)> {
        let mut all: Vec<(&str, Origin<'_>)> = Vec::new();
        for file in &self.files {
            let name = file.name.as_str();
            if all.iter().any(|(known, _)| *known == name) {
                continue;
            }
            match (self.list.file(name), self.list.input(name)) {
                (Some(entry), _) => all.push((name, Origin::Pinned(entry))),
                (None, Some(entry)) => all.push((name, Origin::Input(entry))),
                (None, None) if self.folder.join(name).is_file() => all.push((name, Origin::Folder)),
                (None, None) => {}
            }
        }
        all
    }

    /// What does not fit together: files that the spec names and that are nowhere, and entries of the list that the spec does
    /// not name.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut wrong = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        let is_extra = |name: &str| self.files.iter().all(|file| file.name != name);
        let extra: Vec<&SourceFile> = self.list.files.iter().filter(|entry| is_extra(&entry.name)).collect();
        for file in &self.files {
            let name = file.name.as_str();
            let is_listed = self.list.file(name).is_some() || self.list.input(name).is_some();
            let is_known = is_listed || self.folder.join(name).is_file();
            if is_known || seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let beside = self.folder.display();
            let list = self.list_path();
            let mut diagnostic = Diagnostic::error(
                "missing-source",
                format!("`{name}` is neither in {beside} nor in {}", list.display()),
            );
            diagnostic.span = file.span;
            let near = nearest(name, extra.iter().map(|entry| entry.name.as_str()));
            wrong.push(diagnostic.hint(match near {
                Some(near) => {
                    format!("the list has `{near}`: `bedplate source update {}` brings it up to date", self.name)
                }
                None => "pin it with a `[[file]]`, or put the file beside the spec".to_owned(),
            }));
        }
        let pinned = extra.iter().map(|entry| (&entry.name, entry.at.name, "pinned"));
        let inputs = self.list.inputs.iter().filter(|entry| is_extra(&entry.name));
        for (name, at, what) in pinned.chain(inputs.map(|entry| (&entry.name, entry.at, "an input"))) {
            let message = format!("`{name}` is {what}, and no Source or Patch of the spec names it");
            wrong.push(
                Diagnostic::error("extra-source", message)
                    .at(at)
                    .hint("take the entry out, or name the file in the spec"),
            );
        }
        wrong
    }

    /// The list, or where it would be.
    pub fn list_path(&self) -> PathBuf {
        self.list.path.clone().unwrap_or_else(|| self.folder.join(format!("{}.sources.toml", self.name)))
    }
}

/// The line of a spec that has a `SourceN` or `PatchN`, if it is written out; macros may make such lines, too.
pub fn tag_span(sources: &Sources, spec: SourceId, number: u32, is_patch: bool) -> Option<Span> {
    let source = sources.get(spec)?;
    let tag = if is_patch { "patch" } else { "source" };
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        let text = line.trim();
        let found = text.split_once(':').and_then(|(key, _)| {
            let key = key.trim_end().to_ascii_lowercase();
            let digits = key.strip_prefix(tag)?;
            if digits.is_empty() { Some(0) } else { digits.parse::<u32>().ok() }
        });
        if found == Some(number) {
            let from = start + (line.len() - line.trim_start().len());
            return Some(Span::new(spec, from, from + text.len()));
        }
        start += line.len();
    }
    None
}
