//! `NAME.sources.toml`: which files a spec takes, what they have to be, and where they are.
//!
//! ```text
//! version = 1
//! [[file]]
//! name   = "zlib-1.3.1.tar.gz"       base name of a SourceN of the spec
//! sha256 = "9a93…"                   ┐ what its bytes are
//! size   = 1512791                   ┘
//! urls   = ["https://…"]             ┐ where it is, in this order; at least one
//! debian = { source, file }          │
//! deb    = { package, version, file }│
//! go     = { lock }                  ┘
//!
//! [[file]]
//! name   = "module-signing.pem"
//! input  = "module-certificate"      its bytes come with the run
//! ```

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bedplate_config::{Entry, Reader, Table};
use bedplate_diag::{Category, Diagnostic, Source, SourceId, Sources, Span};

use crate::place::is_http;
use crate::{Place, Sha256};

/// The version of the format that this reads.
const VERSION: u64 = 1;

/// A file that a spec takes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Base name of a SourceN or PatchN of the spec.
    pub name: String,
    /// What its bytes hash to.
    pub sha256: Sha256,
    /// How many bytes it has; a list of Azure Linux does not say.
    pub size: Option<u64>,
    /// Where it is, in the order in which it is looked for.
    pub places: Vec<Place>,
    /// Where the list says so.
    pub at: Pin,
}

/// What a run gives to specs: no list pins it, as each run may give another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunInput {
    /// The certificate (PEM) of the key that signs kernel modules.
    ModuleCertificate,
}

impl RunInput {
    const ALL: [Self; 1] = [Self::ModuleCertificate];

    /// What lists call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ModuleCertificate => "module-certificate",
        }
    }
}

/// A file whose bytes come with the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Base name of a SourceN of the spec.
    pub name: String,
    /// What it is.
    pub input: RunInput,
    /// Where the list has its name.
    pub at: Span,
}

/// Places of an entry in the text of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// The name.
    pub name: Span,
    /// The hash, in its quotes.
    pub sha256: Span,
    /// The size.
    pub size: Option<Span>,
}

/// The sources of one spec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceList {
    /// The file that was read; nothing if the spec has none.
    pub path: Option<PathBuf>,
    /// The files that are pinned, in the order of the text.
    pub files: Vec<SourceFile>,
    /// The files whose bytes come with the run.
    pub inputs: Vec<InputFile>,
}

/// A list that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it says is wrong: all of it.
    #[error("{} has mistakes", path.display())]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// What is wrong, with places.
        mistakes: Vec<Diagnostic>,
    },
}

impl LoadError {
    /// Who can mend it.
    pub fn category(&self) -> Category {
        match self {
            Self::Io { .. } => Category::Environment,
            Self::Mistakes { .. } => Category::Input,
        }
    }
}

impl SourceList {
    /// Reads the list of a spec: `NAME.sources.toml` in its folder, else `NAME.signatures.json`. A spec that has neither has
    /// an empty list. The text joins `sources`, so that places in it can be shown.
    ///
    /// # Errors
    /// If the file cannot be read, or has mistakes.
    pub fn load(folder: &Path, name: &str, sources: &mut Sources) -> Result<Self, LoadError> {
        type Parse = fn(SourceId, &str) -> Result<SourceList, Vec<Diagnostic>>;
        let kinds: [(&str, Parse); 2] = [("sources.toml", Self::parse), ("signatures.json", Self::parse_signatures)];
        for (ending, parse) in kinds {
            let path = folder.join(format!("{name}.{ending}"));
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(LoadError::Io { path, source }),
            };
            let id = sources.add(Source::new(path.to_string_lossy().into_owned(), text.as_str()));
            return match parse(id, &text) {
                Ok(list) => Ok(Self { path: Some(path), ..list }),
                Err(mistakes) => Err(LoadError::Mistakes { path, mistakes }),
            };
        }
        Ok(Self::default())
    }

    /// Reads the text of a `NAME.sources.toml`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: SourceId, text: &str) -> Result<Self, Vec<Diagnostic>> {
        Reader::read(source, text, |reader, table| {
            reader.version(table, VERSION);
            let mut list = Self::default();
            for entry in table {
                match entry.0.get_ref().as_ref() {
                    "version" => {}
                    "file" => {
                        for (table, place) in reader.tables(entry) {
                            if table.iter().any(|(key, _)| key.get_ref() == "input") {
                                list.inputs.extend(input_file(reader, table, place));
                            } else {
                                list.files.extend(file(reader, table, place));
                            }
                        }
                    }
                    _ => reader.unknown(entry, &["version", "file"]),
                }
            }
            duplicates(reader, &list);
            list
        })
    }

    /// The entry of a name.
    pub fn file(&self, name: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The entry of a name whose bytes come with the run.
    pub fn input(&self, name: &str) -> Option<&InputFile> {
        self.inputs.iter().find(|file| file.name == name)
    }
}

const KEYS: [&str; 8] = ["name", "sha256", "size", "urls", "debian", "deb", "go", "input"];

/// Reads one `[[file]]` with an `input`.
fn input_file(reader: &mut Reader, table: &Table<'_>, place: Range<usize>) -> Option<InputFile> {
    let (mut name, mut input) = (None, None);
    for entry in table {
        let at = entry.1.span();
        match entry.0.get_ref().as_ref() {
            "name" => name = reader.text(entry).map(|text| (file_name(reader, text, at.clone()), at)),
            "input" => input = reader.text(entry).and_then(|text| run_input(reader, &text, at)),
            key if KEYS.contains(&key) => {
                let message = format!("`{key}` has no place beside `input`: the bytes of this file come with the run");
                reader.wrong("input-not-pinned", message, entry.0.span());
            }
            _ => reader.unknown(entry, &["name", "input"]),
        }
    }
    if !table.iter().any(|(key, _)| key.get_ref() == "name") {
        reader.wrong("missing-key", "this file has no `name`".to_owned(), head(&place));
    }
    let (name, at) = name?;
    Some(InputFile { name: name?, input: input?, at: reader.span(at) })
}

fn run_input(reader: &mut Reader, text: &str, at: Range<usize>) -> Option<RunInput> {
    let found = RunInput::ALL.into_iter().find(|one| one.word() == text);
    if found.is_none() {
        let words = RunInput::ALL.map(RunInput::word).join("`, `");
        reader.wrong("unknown-input", format!("no run has an input `{}`", text.escape_default()), at).hint =
            Some(format!("there is: `{words}`"));
    }
    found
}

/// Reads one `[[file]]`.
fn file(reader: &mut Reader, table: &Table<'_>, place: Range<usize>) -> Option<SourceFile> {
    // In the order of preference, whatever that of the keys is.
    let mut places = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    let (mut name, mut sha256, mut size) = (None, None, None);
    let mut has_place = false;
    for entry in table {
        let at = entry.1.span();
        match entry.0.get_ref().as_ref() {
            "name" => name = reader.text(entry).map(|text| (file_name(reader, text, at.clone()), at)),
            "sha256" => sha256 = reader.text(entry).map(|text| (hash(reader, &text, at.clone()), at)),
            "size" => size = reader.number(entry).map(|number| (number, at)),
            "urls" => {
                let list = reader.list(entry);
                has_place |= !list.is_empty();
                places[0] = list.into_iter().filter_map(|(url, at)| checked_url(reader, url, at)).collect();
            }
            "debian" => {
                has_place = true;
                let texts = texts(reader, entry, ["source", "file"]);
                places[1].extend(texts.map(|[source, file]| Place::Debian { source, file }));
            }
            "deb" => {
                has_place = true;
                let texts = texts(reader, entry, ["package", "version", "file"]);
                places[2].extend(texts.map(|[package, version, file]| {
                    let file = file.trim_start_matches('/').to_owned();
                    Place::Deb { package, version, file }
                }));
            }
            "go" => {
                has_place = true;
                let lock = texts(reader, entry, ["lock"]).and_then(|[lock]| file_name(reader, lock, at));
                places[3].extend(lock.map(|lock| Place::Go { lock }));
            }
            _ => reader.unknown(entry, &KEYS),
        }
    }
    let given = |key: &str| table.iter().any(|(found, _)| found.get_ref() == key);
    let missing: Vec<&str> = ["name", "sha256", "size"].into_iter().filter(|key| !given(key)).collect();
    if !missing.is_empty() {
        let message = format!("this file has no `{}`", missing.join("` and no `"));
        reader.wrong("missing-key", message, head(&place)).hint =
            Some("not known yet? write 64 zeros and the size 0, then run `bedplate source update`".to_owned());
    }
    if !has_place {
        reader.wrong("no-place", "nothing says where this file is to be had", head(&place)).hint =
            Some("give it `urls`, `debian`, `deb` or `go`".to_owned());
    }
    let ((name, name_at), (sha256, sha256_at), (size, size_at)) = (name?, sha256?, size?);
    let at = Pin { name: reader.span(name_at), sha256: reader.span(sha256_at), size: Some(reader.span(size_at)) };
    Some(SourceFile { name: name?, sha256: sha256?, size: Some(size), places: places.concat(), at })
}

/// The place of a table is all of it; its first bytes are enough to find it.
fn head(place: &Range<usize>) -> Range<usize> {
    place.start..place.end.min(place.start + "[[file]]".len())
}

/// A table that has exactly some texts.
fn texts<const N: usize>(reader: &mut Reader, entry: Entry<'_, '_>, keys: [&'static str; N]) -> Option<[String; N]> {
    let name = entry.0.get_ref();
    let table = reader.table(entry.1, name)?;
    let mut found = [const { None }; N];
    for entry in table {
        match keys.iter().position(|key| entry.0.get_ref() == key) {
            Some(at) => found[at] = Some(reader.text(entry)),
            None => reader.unknown(entry, &keys),
        }
    }
    let missing: Vec<&str> =
        keys.into_iter().zip(&found).filter(|(_, text)| text.is_none()).map(|(key, _)| key).collect();
    if !missing.is_empty() {
        let at = entry.1.span();
        reader.wrong("missing-key", format!("`{name}` has no `{}`", missing.join("` and no `")), at);
    }
    let texts: Vec<String> = found.into_iter().flatten().flatten().collect();
    texts.try_into().ok()
}

fn hash(reader: &mut Reader, text: &str, at: Range<usize>) -> Option<Sha256> {
    let hash = text.parse::<Sha256>();
    if let Err(why) = &hash {
        reader.wrong("bad-hash", why.to_string(), at);
    }
    hash.ok()
}

fn checked_url(reader: &mut Reader, url: String, at: Range<usize>) -> Option<Place> {
    if is_http(&url) && url.chars().all(|c| c.is_ascii_graphic()) {
        return Some(Place::Url(url));
    }
    reader.wrong("bad-url", format!("`{}` is no URL of http or https", url.escape_default()), at);
    None
}

/// Why a name cannot be that of a file in the folder of sources, if it cannot.
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("it is a folder"),
        _ if name.contains('/') => Some("it is a path: the name alone is meant, as the spec's last part has it"),
        _ if name.chars().any(char::is_control) => Some("it has a control character"),
        _ => None,
    }
}

fn file_name(reader: &mut Reader, name: String, at: Range<usize>) -> Option<String> {
    if let Some(why) = bad_name(&name) {
        reader.wrong("bad-name", format!("`{}` is no file name: {why}", name.escape_default()), at);
        return None;
    }
    Some(name)
}

fn duplicates(reader: &mut Reader, list: &SourceList) {
    let pinned = list.files.iter().map(|file| (&file.name, file.at.name));
    let mut names: Vec<(&String, Span)> = pinned.chain(list.inputs.iter().map(|file| (&file.name, file.at))).collect();
    names.sort_by_key(|(_, at)| at.start);
    for (count, (name, at)) in names.iter().enumerate() {
        if let Some((_, first)) = names[..count].iter().find(|(other, _)| other == name) {
            let at = at.start as usize..at.end as usize;
            let diagnostic = reader.wrong("duplicate-name", format!("`{name}` is there twice"), at);
            diagnostic.notes.push(bedplate_diag::Note { message: "first here".to_owned(), span: Some(*first) });
        }
    }
}
