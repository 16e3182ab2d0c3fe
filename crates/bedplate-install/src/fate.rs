//! What becomes of each file of each package: `skipInstallFiles` and `handleOverlappedFiles` of rpm's `lib/transaction.c`, for an
//! installation into an empty root.

use bedplate_repo::{FileList, ListedFile, ListedKind};
use rustc_hash::FxHashMap;

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is created. Of a `%ghost` only the database knows.
    Create,
    /// An earlier package created it with the same content.
    Shared,
    /// It is not wanted: documentation, or of another language.
    LeftOut,
    /// It lies on a path that another machine gives (`_netsharedpath`).
    NetShared,
    /// A file of another word size, of which there is one that is preferred.
    WrongColor,
}

impl Fate {
    /// The state of the file in the database (`rpmfileState` of `include/rpm/rpmfiles.h`).
    #[must_use]
    pub fn state(self) -> u8 {
        match self {
            Self::Create | Self::Shared => 0,
            Self::LeftOut => 2,
            Self::NetShared => 3,
            Self::WrongColor => 4,
        }
    }
}

/// Whether files that are marked `%doc` are installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Documentation {
    /// They are.
    #[default]
    Install,
    /// They are not: `_excludedocs`. What is marked `%license` is installed all the same.
    LeaveOut,
}

/// Word sizes of ELF files that an architecture takes, as a set of bits (`_transaction_color`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u32);

impl Color {
    /// The bit of 64-bit files, which are preferred where there are both (`_prefer_color`).
    pub const PREFERRED: u32 = 2;

    /// What rpm's `installplatform` has for an architecture.
    #[must_use]
    pub fn of_arch(arch: &str) -> Self {
        match arch {
            "x86_64" | "x86_64_v2" | "x86_64_v3" | "x86_64_v4" | "aarch64" | "ppc64le" | "s390x" => Self(3),
            _ => Self(0),
        }
    }
}

/// What is left out.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) documentation: Documentation,
    /// None for all.
    pub(crate) languages: Option<&'a [String]>,
    /// Without a slash at their start or end.
    pub(crate) net_shared: &'a [String],
    pub(crate) color: Color,
}

impl Wanted<'_> {
    /// The fates of a package's files as far as other packages have no part in them. None is a file that is still to be decided.
    pub(crate) fn fates(&self, files: &FileList) -> Vec<Option<Fate>> {
        let mut fates: Vec<Option<Fate>> = files.files.iter().map(|file| self.skip(file)).collect();
        leave_out_empty(files, &mut fates);
        fates
    }

    fn skip(&self, file: &ListedFile) -> Option<Fate> {
        let Color(color) = self.color;
        if color != 0 && file.color != 0 && color & file.color == 0 {
            return Some(Fate::WrongColor);
        }
        let is_below = |shared: &String| {
            file.path.strip_prefix(shared.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if self.net_shared.iter().any(is_below) {
            return Some(Fate::NetShared);
        }
        if file.flags & ListedFile::LICENSE != 0 {
            return None;
        }
        // A file of `de` is wanted with `de_DE`, too.
        let is_of = |wanted: &String| file.languages.split('|').any(|one| !one.is_empty() && wanted.starts_with(one));
        if !file.languages.is_empty() && self.languages.is_some_and(|all| !all.iter().any(is_of)) {
            return Some(Fate::LeftOut);
        }
        let is_left_out = self.documentation == Documentation::LeaveOut && file.flags & ListedFile::DOCUMENTATION != 0;
        is_left_out.then_some(Fate::LeftOut)
    }
}

/// Leaves out folders whose files were all left out.
fn leave_out_empty(files: &FileList, fates: &mut [Option<Fate>]) {
    // Of each folder that has files in the package, in the order of the header's list of folders, which is sorted: how many of them
    // stay, and whether any went.
    let mut folders: Vec<(&str, usize, bool)> = Vec::new();
    let mut numbers: FxHashMap<&str, usize> = FxHashMap::default();
    for (file, fate) in files.files.iter().zip(fates.iter()) {
        let Some(folder) = folder_of(&file.path) else { continue };
        let number = *numbers.entry(folder).or_insert_with(|| {
            folders.push((folder, 0, false));
            folders.len() - 1
        });
        match fate {
            None => folders[number].1 += 1,
            Some(_) => folders[number].2 = true,
        }
    }
    for at in (0..folders.len()).rev() {
        let (folder, count, has_lost) = folders[at];
        let Some(&number) = files.by_path.get(folder) else { continue };
        if folder.is_empty()
            || count > 0
            || !has_lost
            || fates[number].is_some()
            || files.files[number].kind != ListedKind::Directory
        {
            continue;
        }
        fates[number] = Some(Fate::LeftOut);
        if let Some(parent) = folder_of(folder).and_then(|parent| numbers.get(parent)) {
            folders[*parent].1 -= 1;
            folders[*parent].2 = true;
        }
    }
}

/// The folder of a path; none for the root.
fn folder_of(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some((folder, _)) => Some(folder),
        None if path.is_empty() => None,
        None => Some(""),
    }
}

/// A file of a package, for a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) file: &'a ListedFile,
    /// The kind of its digest, as OpenPGP has it.
    pub(crate) algorithm: u64,
}

/// How two files of one path differ so that they cannot both be installed; none if they can (`rpmfilesCompare`).
fn difference(first: &Candidate<'_>, second: &Candidate<'_>) -> Option<String> {
    let is_same_digest = first.algorithm == second.algorithm;
    let (first, second) = (first.file, second.file);
    if !first.is_packed() || !second.is_packed() {
        return None;
    }
    if first.kind != second.kind {
        return Some(format!("{} and {}", what(first.kind), what(second.kind)));
    }
    let is_link = first.kind == ListedKind::Symlink;
    if !is_link && first.permissions != second.permissions {
        return Some(format!("mode {:04o} and {:04o}", first.permissions, second.permissions));
    }
    if first.user != second.user {
        return Some(format!("owner `{}` and `{}`", first.user, second.user));
    }
    if first.group != second.group {
        return Some(format!("group `{}` and `{}`", first.group, second.group));
    }
    match first.kind {
        ListedKind::Symlink if first.target != second.target => {
            Some(format!("links to `{}` and `{}`", first.target, second.target))
        }
        ListedKind::File if first.size != second.size => Some(format!("{} and {} bytes", first.size, second.size)),
        ListedKind::File if !is_same_digest => Some("digests of two kinds".to_owned()),
        ListedKind::File if first.digest != second.digest => Some("other content".to_owned()),
        ListedKind::CharacterDevice | ListedKind::BlockDevice if first.device != second.device => {
            Some(format!("device numbers {:#x} and {:#x}", first.device, second.device))
        }
        _ => None,
    }
}

fn what(kind: ListedKind) -> &'static str {
    match kind {
        ListedKind::Fifo => "a named pipe",
        ListedKind::CharacterDevice => "a character device",
        ListedKind::Directory => "a folder",
        ListedKind::BlockDevice => "a block device",
        ListedKind::File => "a file",
        ListedKind::Symlink => "a symbolic link",
        ListedKind::Socket => "a socket",
    }
}

/// What becomes of two files of one path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overlap {
    pub(crate) old: Fate,
    pub(crate) new: Fate,
    /// How they differ, if they cannot both be installed.
    pub(crate) conflict: Option<String>,
}

/// Decides about a file that an earlier one, whose fate is known, shares its path with.
pub(crate) fn overlap(old: &Candidate<'_>, old_fate: Fate, new: &Candidate<'_>, color: Color) -> Overlap {
    let decided = |old, new| Overlap { old, new, conflict: None };
    let Some(difference) = difference(old, new) else {
        let new_fate = match old_fate {
            Fate::Create if old.file.is_packed() => Fate::Shared,
            Fate::WrongColor => Fate::WrongColor,
            // rpm looks at the one before only: a third package creates a shared file again.
            _ => Fate::Create,
        };
        return decided(old_fate, new_fate);
    };
    let (old_color, new_color) = (old.file.color & color.0, new.file.color & color.0);
    if old_color != 0 && new_color != 0 && old_color != new_color {
        if new_color & Color::PREFERRED != 0 {
            return decided(Fate::WrongColor, Fate::Create);
        }
        if old_color & Color::PREFERRED != 0 {
            return decided(old_fate, Fate::WrongColor);
        }
    }
    Overlap { old: old_fate, new: Fate::Create, conflict: Some(difference) }
}
