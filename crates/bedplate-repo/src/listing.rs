//! The files of a package, as its header lists them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Problem;
use crate::header::{Header, Tag};

const FILE_SIZES: Tag = Tag(1028, "FILESIZES");
const FILE_MODES: Tag = Tag(1030, "FILEMODES");
const FILE_DEVICE_NUMBERS: Tag = Tag(1033, "FILERDEVS");
const FILE_TIMES: Tag = Tag(1034, "FILEMTIMES");
const FILE_DIGESTS: Tag = Tag(1035, "FILEDIGESTS");
const FILE_LINKS: Tag = Tag(1036, "FILELINKTOS");
const FILE_FLAGS: Tag = Tag(1037, "FILEFLAGS");
const FILE_USERS: Tag = Tag(1039, "FILEUSERNAME");
const FILE_GROUPS: Tag = Tag(1040, "FILEGROUPNAME");
const FILE_DEVICES: Tag = Tag(1095, "FILEDEVICES");
const FILE_INODES: Tag = Tag(1096, "FILEINODES");
const DIR_INDEXES: Tag = Tag(1116, "DIRINDEXES");
const BASE_NAMES: Tag = Tag(1117, "BASENAMES");
const DIR_NAMES: Tag = Tag(1118, "DIRNAMES");
const OLD_FILE_NAMES: Tag = Tag(1027, "OLDFILENAMES");
const FILE_LANGUAGES: Tag = Tag(1097, "FILELANGS");
const FILE_COLORS: Tag = Tag(1140, "FILECOLORS");
const LONG_FILE_SIZES: Tag = Tag(5008, "LONGFILESIZES");
const FILE_CAPABILITIES: Tag = Tag(5010, "FILECAPS");
const FILE_DIGEST_ALGORITHM: Tag = Tag(5011, "FILEDIGESTALGO");

/// The algorithm number of MD5 in OpenPGP, which is meant where a package names none.
const ALGORITHM_MD5: u64 = 1;

/// What kind of file a mode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedKind {
    /// A named pipe.
    Fifo,
    /// A character device.
    CharacterDevice,
    /// A directory.
    Directory,
    /// A block device.
    BlockDevice,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A socket.
    Socket,
}

impl ListedKind {
    fn of(mode: u16) -> Option<Self> {
        Some(match mode >> 12 {
            0o01 => Self::Fifo,
            0o02 => Self::CharacterDevice,
            0o04 => Self::Directory,
            0o06 => Self::BlockDevice,
            0o10 => Self::File,
            0o12 => Self::Symlink,
            0o14 => Self::Socket,
            _ => return None,
        })
    }
}

/// A file of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Below the root, without a slash at its start; empty for the root itself. It has no part `.`, `..` or none.
    pub path: String,
    /// What it is.
    pub kind: ListedKind,
    /// The permission bits, with set-user-id, set-group-id and sticky: at most `0o7777`.
    pub permissions: u32,
    /// Bytes of a regular file, or of a symbolic link's target.
    pub size: u64,
    /// Time of the last change, in seconds since 1970.
    pub time: u32,
    /// Number of a device: the major one in the upper byte.
    pub device: u16,
    /// `RPMFILE_*` of `include/rpm/rpmfiles.h`: [`ListedFile::GHOST`] and others.
    pub flags: u32,
    /// Hexadecimal digits of the content's digest, or nothing.
    pub digest: String,
    /// Where a symbolic link leads.
    pub target: String,
    /// Name of the owner.
    pub user: String,
    /// Name of the group.
    pub group: String,
    /// File capabilities in the words of `cap_from_text`.
    pub capabilities: Option<String>,
    /// Languages that it is for, with `|` between them (`%lang`); empty for all.
    pub languages: String,
    /// What kind of ELF file it is: 1 of 32 bits, 2 of 64, 0 none.
    pub color: u32,
    /// Number of the set of names of one inode that this is one of; none if it has one name only.
    pub links: Option<usize>,
}

/// All files of a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileList {
    /// In the order of the header.
    pub files: Vec<ListedFile>,
    /// The files of each set of hard links, in the order of the header.
    pub links: Vec<Vec<usize>>,
    /// The number of each path.
    pub by_path: FxHashMap<String, usize>,
    /// Number of the digests' algorithm, as OpenPGP has it: 8 is SHA-256.
    pub algorithm: u64,
}

impl ListedFile {
    /// `%config`.
    pub const CONFIG: u32 = 1;
    /// `%doc`.
    pub const DOCUMENTATION: u32 = 1 << 1;
    /// `%ghost`: the file belongs to the package and is not in its payload.
    pub const GHOST: u32 = 1 << 6;
    /// `%license`.
    pub const LICENSE: u32 = 1 << 7;

    /// True if the payload has the file.
    pub fn is_packed(&self) -> bool {
        self.flags & Self::GHOST == 0
    }
}

impl FileList {
    /// The number of a file by its name in an archive: `./usr/bin/a`.
    pub(crate) fn number_of(&self, name: &[u8]) -> Result<usize, Problem> {
        let path = name.strip_prefix(b".").filter(|rest| rest.first().is_none_or(|byte| *byte == b'/')).unwrap_or(name);
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let number = std::str::from_utf8(path).ok().and_then(|path| self.by_path.get(path).copied());
        number.ok_or_else(|| {
            let why = format!("`{}` is in it and not in the header", String::from_utf8_lossy(name));
            Problem::Payload { why }
        })
    }

    /// Reads the list of files; what is wrong with it is noted in the header.
    pub(crate) fn read(header: &Header<'_>) -> Self {
        if header.has(OLD_FILE_NAMES) && !header.has(BASE_NAMES) {
            header.problem(Problem::Payload { why: "its files are listed as before rpm 4".into() });
            return Self::default();
        }
        let names = header.strings(BASE_NAMES);
        let folders = header.strings(DIR_NAMES);
        let same = |tag: Tag, count: usize| {
            if count != names.len() {
                header.problem(Problem::TagCounts {
                    first: BASE_NAMES.1,
                    first_count: names.len(),
                    second: tag.1,
                    second_count: count,
                });
            }
            count == names.len()
        };
        let numbers = |tag| {
            let all = header.numbers32(tag);
            same(tag, all.len());
            all
        };
        let texts = |tag| {
            let all = header.strings(tag);
            same(tag, all.len());
            all
        };
        let short = |tag| {
            let all = header.numbers16(tag);
            same(tag, all.len());
            all
        };
        let sizes = if header.has(LONG_FILE_SIZES) {
            let all = header.numbers64(LONG_FILE_SIZES);
            same(LONG_FILE_SIZES, all.len());
            all
        } else {
            numbers(FILE_SIZES).into_iter().map(u64::from).collect()
        };
        let (indexes, times, flags) = (numbers(DIR_INDEXES), numbers(FILE_TIMES), numbers(FILE_FLAGS));
        let (devices, inodes) = (numbers(FILE_DEVICES), numbers(FILE_INODES));
        let (modes, device_numbers) = (short(FILE_MODES), short(FILE_DEVICE_NUMBERS));
        let (digests, targets) = (texts(FILE_DIGESTS), texts(FILE_LINKS));
        let (users, groups) = (texts(FILE_USERS), texts(FILE_GROUPS));
        let capabilities = header.strings(FILE_CAPABILITIES);
        let languages = header.strings(FILE_LANGUAGES);
        let has_languages = header.has(FILE_LANGUAGES) && same(FILE_LANGUAGES, languages.len());
        let colors = header.numbers32(FILE_COLORS);
        let has_colors = header.has(FILE_COLORS) && same(FILE_COLORS, colors.len());
        let has_capabilities = header.has(FILE_CAPABILITIES) && same(FILE_CAPABILITIES, capabilities.len());
        let mut listing =
            Self { algorithm: header.number(FILE_DIGEST_ALGORITHM).unwrap_or(ALGORITHM_MD5), ..Self::default() };
        if header.has_problems() {
            return listing;
        }

        let mut sets: FxHashMap<(u32, u32), Vec<usize>> = FxHashMap::default();
        for (at, name) in names.iter().enumerate() {
            let Some(folder) = folders.get(indexes[at] as usize) else {
                let (what, value) = (format!("entry {at} of {}", DIR_INDEXES.1), indexes[at].to_string());
                header.problem(Problem::BadValue { what, value, why: "there is no such folder".into() });
                continue;
            };
            let path = match relative_path(folder, name) {
                Ok(path) => path,
                Err(problem) => {
                    header.problem(problem);
                    continue;
                }
            };
            let Some(kind) = ListedKind::of(modes[at]) else {
                let (what, value) = (format!("the mode of `{path}`"), format!("{:o}", modes[at]));
                header.problem(Problem::BadValue { what, value, why: "it names no kind of file".into() });
                continue;
            };
            let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => {
                    let shown = String::from_utf8_lossy(bytes).into_owned();
                    header.problem(Problem::Path { path: path.clone(), why: format!("`{shown}` is not UTF-8") });
                    shown
                }
            };
            let capabilities = if has_capabilities { text(capabilities[at]) } else { String::new() };
            let languages = if has_languages { text(languages[at]) } else { String::new() };
            let file = ListedFile {
                kind,
                permissions: u32::from(modes[at] & 0o7777),
                size: sizes[at],
                time: times[at],
                device: device_numbers[at],
                flags: flags[at],
                digest: text(digests[at]),
                target: text(targets[at]),
                user: text(users[at]),
                group: text(groups[at]),
                capabilities: Some(capabilities).filter(|text| !text.is_empty()),
                languages,
                color: if has_colors { colors[at] } else { 0 },
                links: None,
                path: path.clone(),
            };
            let number = listing.files.len();
            if kind == ListedKind::File && file.is_packed() {
                sets.entry((devices[at], inodes[at])).or_default().push(number);
            }
            listing.files.push(file);
            if listing.by_path.insert(path.clone(), number).is_some() {
                header.problem(Problem::Path { path, why: "it is there twice".into() });
            }
        }
        listing.set_links(sets);
        listing.check_parents(header);
        listing
    }

    fn set_links(&mut self, sets: FxHashMap<(u32, u32), Vec<usize>>) {
        let mut sets: Vec<_> = sets.into_values().filter(|set| set.len() > 1).collect();
        sets.sort();
        for (number, set) in sets.iter().enumerate() {
            set.iter().for_each(|file| self.files[*file].links = Some(number));
        }
        self.links = sets;
    }

    /// A path below a link would be written to where the link leads.
    fn check_parents(&self, header: &Header<'_>) {
        let mut good: FxHashSet<&str> = FxHashSet::default();
        for file in &self.files {
            let mut path = file.path.as_str();
            while let Some((parent, _)) = path.rsplit_once('/') {
                if !good.insert(parent) {
                    break;
                }
                let found = self.by_path.get(parent).map(|at| &self.files[*at]);
                if found.is_some_and(|one| one.kind != ListedKind::Directory) {
                    let why = format!("the package has `{parent}`, which is no directory");
                    header.problem(Problem::Path { path: file.path.clone(), why });
                }
                path = parent;
            }
        }
    }
}

/// The path of a file below the root: `/usr/bin/` and `bash` give `usr/bin/bash`.
fn relative_path(folder: &[u8], name: &[u8]) -> Result<String, Problem> {
    let whole = [folder, name].concat();
    let shown = || String::from_utf8_lossy(&whole).into_owned();
    let bad = |why: &str| Problem::Path { path: shown(), why: why.to_owned() };
    let text = std::str::from_utf8(&whole).map_err(|_| bad("it is not UTF-8"))?;
    // The root itself is a file of some packages.
    let path = text.strip_prefix('/').unwrap_or(text);
    if name.contains(&b'/') || !(folder.is_empty() || folder.ends_with(b"/")) {
        return Err(bad("its folder and name do not fit together"));
    }
    if text != "/" && path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(bad("it has an empty part, `.` or `..`"));
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (folder, name, want) in [
            ("/usr/bin/", "bash", Ok("usr/bin/bash")),
            ("", "zlib.spec", Ok("zlib.spec")),
            ("/", "etc", Ok("etc")),
            ("/", "", Ok("")),
            ("/usr/../", "x", Err("..")),
            ("/usr/", "..", Err("..")),
            ("/./", "x", Err("`.`")),
            ("//", "x", Err("empty part")),
            ("/usr/", "", Err("empty part")),
            ("", "", Err("empty part")),
            ("/usr/", "bin/bash", Err("do not fit")),
            ("/usr", "bin", Err("do not fit")),
        ] {
            let found = relative_path(folder.as_bytes(), name.as_bytes()).map_err(|problem| problem.to_string());
            match want {
                Ok(path) => assert_eq!(found.as_deref(), Ok(path)),
                Err(why) => assert!(found.as_ref().is_err_and(|text| text.contains(why)), "{folder} {name}: {found:?}"),
            }
        }
        assert!(relative_path(b"/usr/", b"\xe9").unwrap_err().to_string().contains("not UTF-8"));
    }
}
