//! A spec as the builder takes it: text, files, and how its tests run.

use std::path::PathBuf;

use bedplate_cas::Digest;

/// A spec to build.
#[derive(Debug, Clone)]
pub struct BuildSpec {
    /// Name of the source package.
    pub name: String,
    /// The name of the file: `zlib.spec`.
    pub file_name: String,
    /// The text as it is in its folder: it goes into the source package.
    pub text: Vec<u8>,
    /// The text without comments that rpm passes over: it goes into the build.
    pub canonical: Vec<u8>,
    /// Sources and patches.
    pub files: Vec<SpecFile>,
    /// How its tests run; none if it has no `%check`.
    pub check: Option<CheckWay>,
    /// Whether it has `%generate_buildrequires`.
    pub generates_requires: bool,
    /// Seconds since 1970 of its newest changelog entry: the time that its build sees.
    pub time: i64,
}

/// How the tests of a spec run after its build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckWay {
    /// In the tree that the build left: prep, build and install are the same with tests and without.
    Continue,
    /// From the start: with tests, something else is built.
    Whole,
}

/// A source or patch of a spec.
#[derive(Debug, Clone)]
pub struct SpecFile {
    /// Its name in the folder of sources.
    pub name: String,
    /// Whether it is a patch.
    pub is_patch: bool,
    /// Where its bytes are.
    pub place: FilePlace,
}

/// Where the bytes of a source are.
#[derive(Debug, Clone)]
pub enum FilePlace {
    /// In the folder of the spec.
    Folder(PathBuf),
    /// In the store, once it is fetched: a pinned source.
    Pinned(Digest),
}

impl BuildSpec {
    /// The digests of sources that have to be in the store.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = Digest> {
        self.files.iter().filter_map(|file| match file.place {
            FilePlace::Pinned(digest) => Some(digest),
            FilePlace::Folder(_) => None,
        })
    }
}
