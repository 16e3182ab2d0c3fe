//! Packages for the tests: real ones, and ones that lie.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bedplate_repo::{Checksum, Findings, LoadOptions, Repository, load};

/// Build time of all packages that are made here.
pub(crate) const BUILD_TIME: u64 = 1_735_689_600;
const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/odd.spec");

/// Runs a command and gives what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; toolkit/host-setup installs it"));
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}: {}{}", shown(&done.stdout), shown(&done.stderr));
    shown(&done.stdout)
}

/// A folder with the packages of `odd.spec`, kept between runs; nobody may change it.
pub(crate) fn odd() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| build(SPEC, &[]))
}

/// A folder with the packages of a spec that rpmbuild made with some macros, kept between runs.
pub(crate) fn build(spec: &str, macros: &[(&str, &str)]) -> PathBuf {
    let mut recipe = std::fs::read(spec).unwrap();
    recipe.extend(format!("{macros:?}").bytes());
    let stem = Path::new(spec).file_stem().unwrap().to_str().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("{stem}-{}", &Checksum::sha256(&recipe).to_string()[..16]));
    if !folder.exists() {
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let made = scratch.path().join("made");
        let sources = Path::new(spec).parent().unwrap().display().to_string();
        let mut build = Command::new("rpmbuild");
        build.args(["-ba", "--quiet", "--target", "x86_64", spec]).env("SOURCE_DATE_EPOCH", BUILD_TIME.to_string());
        let (top, made_path) = (scratch.path().join("top").display().to_string(), made.display().to_string());
        for (name, body) in [
            ("_topdir", top.as_str()),
            ("_sourcedir", &sources),
            ("_rpmdir", &made_path),
            ("_srcrpmdir", &made_path),
            ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
            ("_buildhost", "builder"),
            ("use_source_date_epoch_as_buildtime", "1"),
            ("dist", "%nil"),
        ]
        .iter()
        .chain(macros)
        {
            build.args(["--define", &format!("{name} {body}")]);
        }
        run(&mut build);
        // Another test process may have been faster.
        if std::fs::rename(&made, &folder).is_err() {
            assert!(folder.exists());
        }
    }
    folder
}

/// A folder with copies of the odd packages, whose times are those of their builds.
pub(crate) fn copy_of_odd() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(odd()).unwrap() {
        let entry = entry.unwrap();
        let path = copy.path().join(entry.file_name());
        std::fs::copy(entry.path(), &path).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(BUILD_TIME);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    copy
}

/// All that a repository says, changelogs too.
pub(crate) fn read(folder: &Path) -> Result<Repository, Findings> {
    let options = LoadOptions { changelogs: 10, ..LoadOptions::default() };
    load(&[folder], &options).map(|mut all| all.remove(0))
}

/// The codes of findings, sorted.
pub(crate) fn codes(findings: &Findings) -> Vec<&'static str> {
    let mut codes: Vec<_> = findings.all.iter().map(|one| one.problem.code()).collect();
    codes.sort_unstable();
    codes
}

/// The value of a tag.
#[derive(Clone)]
pub(crate) enum Value {
    Text(&'static str),
    Texts(Vec<&'static str>),
    Strings(Vec<String>),
    Numbers(Vec<u32>),
    Shorts(Vec<u16>),
    Long(u64),
    Owned(String),
}

/// A package file that is written tag by tag.
pub(crate) struct Fake {
    pub(crate) tags: Vec<(u32, Value)>,
    pub(crate) signature: Vec<(u32, Value)>,
    pub(crate) payload: Vec<u8>,
}

impl Fake {
    /// A good package of the format of rpm 6, with one file and one requirement.
    pub(crate) fn v6() -> Self {
        use Value::{Long, Numbers, Owned, Shorts, Text, Texts};
        let payload = b"not looked into".to_vec();
        let tags = vec![
            (1000, Text("fake")),
            (1001, Text("1")),
            (1002, Text("2")),
            (1004, Text("Made by hand")),
            (1006, Numbers(vec![1_735_689_600])),
            (1022, Text("noarch")),
            (1030, Shorts(vec![0o100_644])),
            (1037, Numbers(vec![0])),
            (1044, Text("fake-1-2.src.rpm")),
            (1047, Texts(vec!["fake"])),
            (1048, Numbers(vec![12, 1 << 24])),
            (1049, Texts(vec!["needed", "rpmlib(X)"])),
            (1050, Texts(vec!["3", "1"])),
            (1112, Numbers(vec![8])),
            (1113, Texts(vec!["1-2"])),
            (1116, Numbers(vec![0])),
            (1117, Texts(vec!["fake"])),
            (1118, Texts(vec!["/usr/bin/"])),
            (5009, Long(7)),
            (5092, Owned(Checksum::sha256(&payload).to_string())),
            (5112, Long(payload.len() as u64)),
            (5113, Long(99)),
            (5114, Numbers(vec![6])),
        ];
        Self { tags, signature: Vec::new(), payload }
    }

    /// Replaces a tag; without a value, removes it.
    pub(crate) fn set(mut self, tag: u32, value: Option<Value>) -> Self {
        self.tags.retain(|(number, _)| *number != tag);
        self.tags.extend(value.map(|value| (tag, value)));
        self.tags.sort_by_key(|(number, _)| *number);
        self
    }

    /// The bytes of the file; the digest of the header is right.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let main = header(63, &self.tags);
        let mut tags = self.signature.clone();
        tags.push((273, Value::Owned(Checksum::sha256(&main).to_string())));
        tags.sort_by_key(|(number, _)| *number);
        let mut bytes = vec![0; 96];
        bytes[..5].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb, 4]);
        bytes.extend(header(62, &tags));
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(main);
        bytes.extend(&self.payload);
        bytes
    }
}

fn header(region: u32, tags: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let entry = |tag: u32, kind: u32, offset: u32, count: usize| {
        [tag, kind, offset, count as u32].iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>()
    };
    for (tag, value) in tags {
        let align = |data: &mut Vec<u8>, to: usize| data.resize(data.len().next_multiple_of(to), 0);
        let (kind, count) = match value {
            Value::Text(_) | Value::Owned(_) => (6, 1),
            Value::Texts(all) => (8, all.len()),
            Value::Strings(all) => (8, all.len()),
            Value::Numbers(all) => (4, all.len()),
            Value::Shorts(all) => (3, all.len()),
            Value::Long(_) => (5, 1),
        };
        align(&mut data, [1, 1, 1, 2, 4, 8, 1, 1, 1][kind as usize]);
        index.extend(entry(*tag, kind, data.len() as u32, count));
        let text = |data: &mut Vec<u8>, text: &str| data.extend(text.bytes().chain([0]));
        match value {
            Value::Text(one) => text(&mut data, one),
            Value::Owned(one) => text(&mut data, one),
            Value::Texts(all) => all.iter().for_each(|one| text(&mut data, one)),
            Value::Strings(all) => all.iter().for_each(|one| text(&mut data, one)),
            Value::Numbers(all) => data.extend(all.iter().flat_map(|number| number.to_be_bytes())),
            Value::Shorts(all) => data.extend(all.iter().flat_map(|number| number.to_be_bytes())),
            Value::Long(number) => data.extend(number.to_be_bytes()),
        }
    }
    let length = (tags.len() as u32 + 1) * 16;
    let first = entry(region, 7, data.len() as u32, 16);
    data.extend(entry(region, 7, length.wrapping_neg(), 16));
    let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    bytes.extend((tags.len() as u32 + 1).to_be_bytes());
    bytes.extend((data.len() as u32).to_be_bytes());
    [first, index, data].iter().for_each(|part| bytes.extend(part));
    bytes
}
