//! Users and groups: whose files are, by number.
//!
//! The numbers that the caller gives come first, then those of `/etc/passwd` and `/etc/group` in the packages, then those of
//! sysusers.d files and of `Provides: user(NAME)` and `group(NAME)`, whose versions are sysusers.d lines in base64.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bedplate_cas::{Store, StoreError};
use bedplate_repo::{Header, Tag};

use crate::fate::FileId;
use crate::place::Sites;
use crate::sysusers::{Line, UserGroup, make, parse};
use crate::{InstallWarning, Package};

const PROVIDE_NAMES: Tag = Tag(1047, "PROVIDENAME");
const PROVIDE_VERSIONS: Tag = Tag(1113, "PROVIDEVERSION");
/// Folders of sysusers.d files, the stronger first.
const SYSUSERS: [&str; 2] = ["etc/sysusers.d/", "usr/lib/sysusers.d/"];

/// Numbers of users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// User ids.
    pub users: BTreeMap<String, u32>,
    /// Group ids.
    pub groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Adds what the packages say to these accounts; what is there stays. `sites` are the files to be placed, by path.
    ///
    /// # Errors
    /// If a file cannot be read from the store.
    pub(crate) fn complete(
        &mut self,
        packages: &[&Package],
        sites: &Sites,
        store: &Store,
    ) -> Result<Vec<InstallWarning>, StoreError> {
        self.users.entry("root".to_owned()).or_insert(0);
        self.groups.entry("root".to_owned()).or_insert(0);
        let mut warnings = Vec::new();
        let read = |site: &FileId| -> Result<Option<String>, StoreError> {
            let (package, file) = *site;
            let Some(digest) = packages[package].content(file) else { return Ok(None) };
            Ok(Some(String::from_utf8_lossy(&store.read(&digest)?).into_owned()))
        };
        for (path, table) in [("etc/passwd", &mut self.users), ("etc/group", &mut self.groups)] {
            let Some(text) = sites.get(path).map(read).transpose()?.flatten() else { continue };
            for line in text.lines() {
                let mut fields = line.split(':');
                if let (Some(name), Some(number)) = (fields.next(), fields.nth(1).and_then(|text| text.parse().ok())) {
                    table.entry(name.to_owned()).or_insert(number);
                }
            }
        }
        // Of two files of one name the stronger folder's counts; files are read in the order of their names.
        let mut files: BTreeMap<&str, (&str, &FileId)> = BTreeMap::new();
        for folder in SYSUSERS {
            let below = sites.range(folder.to_owned()..).take_while(|(path, _)| path.starts_with(folder));
            for (path, site) in below {
                let name = &path[folder.len()..];
                if name.ends_with(".conf") && !name.contains('/') {
                    files.entry(name).or_insert((path, site));
                }
            }
        }
        let mut lines = Vec::new();
        let mut add = |origin: String, line: &str, warnings: &mut Vec<InstallWarning>| match parse(line) {
            Ok(parsed) => lines.extend(parsed),
            Err(why) => warnings.push(InstallWarning::BadAccount { origin, line: line.to_owned(), why }),
        };
        for (path, site) in files.into_values() {
            let text = read(site)?.unwrap_or_default();
            for (number, line) in text.lines().enumerate() {
                add(format!("`/{path}`, line {}", number + 1), line, &mut warnings);
            }
        }
        let mut names = Vec::new();
        for package in packages {
            for provided in provided(&package.headers().main()) {
                match provided {
                    Provided::Name(line) => names.push(line),
                    Provided::Text(text) => add(format!("the provides of `{}`", package.name()), &text, &mut warnings),
                }
            }
        }
        // What is only named is made if nothing says more of it.
        lines.extend(names);
        make(lines, self);
        Ok(warnings)
    }
}

/// What a provide says of an account.
#[derive(Debug, PartialEq, Eq)]
enum Provided {
    /// The line of sysusers.d.
    Text(String),
    /// The name alone.
    Name(Line),
}

fn provided(header: &Header<'_>) -> Vec<Provided> {
    // rpm pads as its generator does, other tools may not.
    let base64 = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let (names, versions) = (header.texts(PROVIDE_NAMES), header.texts(PROVIDE_VERSIONS));
    let one = |(name, version): (&Cow<'_, str>, &Cow<'_, str>)| {
        let (kind, inside) = name.strip_suffix(')')?.split_once('(')?;
        let inside = inside.to_owned();
        let bare = match kind {
            "user" => Line::User { name: inside, uid: None, group: UserGroup::Own },
            "group" => Line::Group { name: inside, gid: None },
            "groupmember" => {
                let (user, group) = inside.split_once('/')?;
                Line::Member { user: user.to_owned(), group: group.to_owned() }
            }
            _ => return None,
        };
        let text = base64.decode(version.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Some(match text.map(|text| text.trim_end_matches(['\n', '\0']).to_owned()).filter(|text| !text.is_empty()) {
            Some(text) => Provided::Text(text),
            None => Provided::Name(bare),
        })
    };
    names.iter().zip(&versions).filter_map(one).collect()
}
