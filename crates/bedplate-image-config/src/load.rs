//! Reads a config and all that it inherits.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bedplate_diag::{Diagnostic, Source, SourceId, Sources, Span, nearest};

use crate::check;
use crate::config::ImageConfig;
use crate::declaration::declaration;
use crate::inherit::lay_over;
use crate::node::{Node, Value};
use crate::read;
use crate::shape::{Context, PathKind, Section, Setting, Shape};

/// A chain of configs that is longer is taken for a mistake.
const LONGEST_CHAIN: usize = 32;

const PATH_HINT: &str = "paths are relative to the folder of the file that they are written in";

/// The files of the machine: the caller has them.
pub trait Files {
    /// All bytes of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is at a path, links followed.
    ///
    /// # Errors
    /// If nothing is there, or that cannot be found out.
    fn kind(&mut self, path: &Path) -> io::Result<FileKind>;

    /// Names in the folder of a path, for "did you mean"; nothing if they cannot be had.
    fn neighbours(&mut self, path: &Path) -> Vec<String>;
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A device, a socket, a pipe.
    Other,
}

/// What became of a config.
#[derive(Debug)]
pub struct Loaded {
    /// The config; none if it has a mistake.
    pub config: Option<ImageConfig>,
    /// Its texts, its own first.
    pub sources: Sources,
    /// All mistakes and warnings, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read: the config, then what it inherits.
    pub files: Vec<PathBuf>,
}

/// Reads a config and all that it inherits, and checks all that can be known without packages.
pub fn load(path: &Path, files: &mut dyn Files) -> Loaded {
    let mut loader = Loader {
        files,
        sources: Sources::new(),
        context: Context::default(),
        mistakes: Vec::new(),
        doubtful: BTreeSet::new(),
    };
    let mut read = Vec::new();
    let node = loader.chain(path, &mut read);
    let config = node.and_then(|node| loader.finish(node));
    let mut diagnostics = loader.mistakes;
    diagnostics.sort_by_key(|mistake| mistake.span);
    let is_bad = diagnostics.iter().any(Diagnostic::is_error);
    Loaded { config: config.filter(|_| !is_bad), sources: loader.sources, diagnostics, files: read }
}

struct Loader<'f> {
    files: &'f mut dyn Files,
    sources: Sources,
    context: Context,
    mistakes: Vec<Diagnostic>,
    doubtful: BTreeSet<String>,
}

impl Loader<'_> {
    /// The config with all that it inherits; none if it is no TOML.
    fn chain(&mut self, path: &Path, read: &mut Vec<PathBuf>) -> Option<Node> {
        let mut layers: Vec<Node> = Vec::new();
        let mut next = Some((path.to_owned(), None));
        while let Some((path, at)) = next.take() {
            let Some((node, source)) = self.file(&path, at, read) else {
                // What it would have had is not known.
                self.doubtful.insert("*".to_owned());
                break;
            };
            read.push(path);
            let inherit = node.get("inherit").and_then(|node| Some((node.text()?.to_owned(), node.span)));
            next = inherit.map(|(written, at)| (self.context.resolve(&written, source), Some(at)));
            layers.push(node);
        }
        let mut all = layers.pop()?;
        while let Some(over) = layers.pop() {
            all = lay_over(declaration(), all, over, &mut self.mistakes);
        }
        Some(all)
    }

    fn file(&mut self, path: &Path, at: Option<Span>, chain: &[PathBuf]) -> Option<(Node, SourceId)> {
        let place = |mistake: Diagnostic| if let Some(at) = at { mistake.at(at) } else { mistake };
        if chain.iter().any(|one| plain(one) == plain(path)) {
            let way: Vec<String> = chain.iter().map(|path| path.display().to_string()).collect();
            let message = format!("`{}` inherits itself", path.display());
            let note = format!("the way is {}", way.join(" → "));
            let mistake =
                Diagnostic::error("inherit-cycle", message).note(note, None).hint("let one of these files stand alone");
            self.mistakes.push(place(mistake));
            return None;
        }
        if chain.len() == LONGEST_CHAIN {
            let message = format!("more than {LONGEST_CHAIN} files inherit from each other");
            self.mistakes.push(place(Diagnostic::error("inherit-cycle", message).hint("join some of them")));
            return None;
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let hint = self.near_file(path).unwrap_or_else(|| PATH_HINT.to_owned());
                let message = format!("cannot read `{}`: {error}", path.display());
                self.mistakes.push(place(Diagnostic::error("unreadable-file", message).hint(hint)));
                return None;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            let message = format!("`{}` is not UTF-8", path.display());
            self.mistakes.push(place(Diagnostic::error("bad-toml", message).hint("save it as UTF-8")));
            return None;
        };
        let source = self.sources.add(Source::new(path.display().to_string(), text.as_str()));
        let folder = path.parent().unwrap_or(Path::new(""));
        self.context.folders.insert(source, folder.to_owned());
        let file = read::read(source, &text);
        self.mistakes.extend(file.mistakes);
        self.doubtful.extend(file.doubtful);
        Some((file.node?, source))
    }

    fn finish(&mut self, mut node: Node) -> Option<ImageConfig> {
        let missing = read::missing(&node);
        if !missing.is_empty() {
            self.doubtful.insert("*".to_owned());
        }
        self.mistakes.extend(missing);
        self.paths_in(declaration(), &node);
        check::twice(&node, &mut self.mistakes);
        node.drop_wrong();
        // Whatever its name, the rest can be checked.
        if let Value::Table(entries) = &mut node.value {
            let name = Node { value: Value::Text("unnamed".to_owned()), span: node.span };
            entries.entry("name".to_owned()).or_insert((node.span, name));
        }
        let config = ImageConfig::take(&node, &self.context)?;
        self.mistakes.extend(check::all(&config, &self.doubtful));
        Some(config)
    }

    /// Looks for the files that the keys of a section name.
    fn paths_in(&mut self, section: &Section, node: &Node) {
        for key in &section.keys {
            if let Some(value) = node.get(key.name) {
                self.paths(&key.shape, value);
            }
        }
    }

    /// Looks for the files that a value names.
    fn paths(&mut self, shape: &Shape, node: &Node) {
        match (shape, &node.value) {
            (Shape::Table(section), _) => self.paths_in(section, node),
            (Shape::List { item, .. }, Value::List(items)) => items.iter().for_each(|one| self.paths(item, one)),
            (Shape::Path(kind @ (PathKind::File | PathKind::Folder)), Value::Text(written)) => {
                let path = self.context.resolve(written, node.span.source);
                let want = if *kind == PathKind::File { FileKind::File } else { FileKind::Folder };
                let found = self.files.kind(&path);
                let message = match &found {
                    Ok(found) if *found == want => return,
                    Ok(found) => format!("`{}` is {}, not {}", path.display(), what(*found), what(want)),
                    Err(error) => format!("cannot find `{}`: {error}", path.display()),
                };
                let hint = self.near_file(&path).unwrap_or_else(|| PATH_HINT.to_owned());
                // A folder may be made later, as a repository is by a build; a file that a person writes has to be there.
                let may_come = want == FileKind::Folder && found.is_err();
                let make = if may_come { Diagnostic::warning } else { Diagnostic::error };
                self.mistakes.push(make("no-such-file", message).at(node.span).hint(hint));
            }
            _ => {}
        }
    }

    fn near_file(&mut self, path: &Path) -> Option<String> {
        let names = self.files.neighbours(path);
        let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
        Some(format!("did you mean `{}`?", path.with_file_name(near).display()))
    }
}

fn what(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file",
        FileKind::Folder => "a folder",
        FileKind::Other => "neither a file nor a folder",
    }
}

/// A path without `.` and `name/..`, to compare with.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            _ => plain.push(part),
        }
    }
    plain
}
