//! From a package's header to what metadata says of it, by the conventions of createrepo_c.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::hash_map::Entry;

use bedplate_model::{
    BinaryPackage, Dependency, DependencyKind, Evr, FileKind, LooseEvr, Nevra, PackageFile, Sense, vercmp,
};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::header::{Header, Tag};
use crate::package::is_primary_path;
use crate::{Changelog, Checksum, PackageSize, PackageTime, Problem, RepositoryPackage};

const SIGNATURE_LONG_ARCHIVE_SIZE: Tag = Tag(271, "LONGARCHIVESIZE");
const SIGNATURE_PAYLOAD_SIZE: Tag = Tag(1007, "PAYLOADSIZE");

const NAME: Tag = Tag(1000, "NAME");
const VERSION: Tag = Tag(1001, "VERSION");
const RELEASE: Tag = Tag(1002, "RELEASE");
const EPOCH: Tag = Tag(1003, "EPOCH");
const SUMMARY: Tag = Tag(1004, "SUMMARY");
const DESCRIPTION: Tag = Tag(1005, "DESCRIPTION");
const BUILD_TIME: Tag = Tag(1006, "BUILDTIME");
const BUILD_HOST: Tag = Tag(1007, "BUILDHOST");
const SIZE: Tag = Tag(1009, "SIZE");
const VENDOR: Tag = Tag(1011, "VENDOR");
const LICENSE: Tag = Tag(1014, "LICENSE");
const PACKAGER: Tag = Tag(1015, "PACKAGER");
const GROUP: Tag = Tag(1016, "GROUP");
const URL: Tag = Tag(1020, "URL");
const ARCH: Tag = Tag(1022, "ARCH");
const OLD_FILE_NAMES: Tag = Tag(1027, "OLDFILENAMES");
const FILE_MODES: Tag = Tag(1030, "FILEMODES");
const FILE_FLAGS: Tag = Tag(1037, "FILEFLAGS");
const SOURCE_RPM: Tag = Tag(1044, "SOURCERPM");
const ARCHIVE_SIZE: Tag = Tag(1046, "ARCHIVESIZE");
const CHANGELOG_TIME: Tag = Tag(1080, "CHANGELOGTIME");
const CHANGELOG_NAME: Tag = Tag(1081, "CHANGELOGNAME");
const CHANGELOG_TEXT: Tag = Tag(1082, "CHANGELOGTEXT");
const DIR_INDEXES: Tag = Tag(1116, "DIRINDEXES");
const BASE_NAMES: Tag = Tag(1117, "BASENAMES");
const DIR_NAMES: Tag = Tag(1118, "DIRNAMES");
const LONG_SIZE: Tag = Tag(5009, "LONGSIZE");
const PAYLOAD_SIZE_ALT: Tag = Tag(5113, "PAYLOADSIZEALT");

/// Name, flags and version of each kind. Provides come first, as requirements are compared with them.
const DEPENDENCIES: [(DependencyKind, Tag, Tag, Tag); 8] = [
    (DependencyKind::Provides, Tag(1047, "PROVIDENAME"), Tag(1112, "PROVIDEFLAGS"), Tag(1113, "PROVIDEVERSION")),
    (DependencyKind::Requires, Tag(1049, "REQUIRENAME"), Tag(1048, "REQUIREFLAGS"), Tag(1050, "REQUIREVERSION")),
    (DependencyKind::Conflicts, Tag(1054, "CONFLICTNAME"), Tag(1053, "CONFLICTFLAGS"), Tag(1055, "CONFLICTVERSION")),
    (DependencyKind::Obsoletes, Tag(1090, "OBSOLETENAME"), Tag(1114, "OBSOLETEFLAGS"), Tag(1115, "OBSOLETEVERSION")),
    (
        DependencyKind::Recommends,
        Tag(5046, "RECOMMENDNAME"),
        Tag(5048, "RECOMMENDFLAGS"),
        Tag(5047, "RECOMMENDVERSION"),
    ),
    (DependencyKind::Suggests, Tag(5049, "SUGGESTNAME"), Tag(5051, "SUGGESTFLAGS"), Tag(5050, "SUGGESTVERSION")),
    (
        DependencyKind::Supplements,
        Tag(5052, "SUPPLEMENTNAME"),
        Tag(5054, "SUPPLEMENTFLAGS"),
        Tag(5053, "SUPPLEMENTVERSION"),
    ),
    (DependencyKind::Enhances, Tag(5055, "ENHANCENAME"), Tag(5057, "ENHANCEFLAGS"), Tag(5056, "ENHANCEVERSION")),
];

/// `RPMFILE_GHOST` of `include/rpm/rpmfiles.h`.
const FLAG_GHOST: u32 = 1 << 6;
const MODE_TYPE: u16 = 0o170_000;
const MODE_DIRECTORY: u16 = 0o040_000;
/// What makes a requirement one that has to be there before the package: `pre="1"`.
/// What marks a dependency that rpm's generators found. Metadata does not have it.
const MARKS: Sense = Sense::from_bits(Sense::FIND_REQUIRES.bits() | Sense::FIND_PROVIDES.bits());

const PRE: Sense = Sense::from_bits(Sense::PREREQ.bits() | Sense::SCRIPT_PRE.bits() | Sense::SCRIPT_POST.bits());

/// What the headers do not say of a package.
pub(crate) struct Facts<'a> {
    pub(crate) location: &'a str,
    pub(crate) checksum: Checksum,
    pub(crate) size: u64,
    pub(crate) header_range: (u64, u64),
    pub(crate) changelogs: usize,
}

/// What metadata says of a package; `None` if its name is wrong. What is wrong with tags is noted in the headers.
pub(crate) fn package(main: &Header<'_>, signature: &Header<'_>, facts: Facts<'_>) -> Option<RepositoryPackage> {
    let nevra = nevra(main);
    let files = files(main);
    let mut package = nevra.map(BinaryPackage::new);
    for (kind, names, flags, versions) in DEPENDENCIES {
        let all = dependencies(main, names, flags, versions);
        let Some(package) = &mut package else { continue };
        let all = if kind == DependencyKind::Requires { requirements(all, &package.provides, &files) } else { all };
        *package.dependencies_mut(kind)? = all;
    }
    let changelogs = changelogs(main, facts.changelogs);
    let text = |tag| main.text_or_empty(tag);
    let archive = signature
        .number(SIGNATURE_LONG_ARCHIVE_SIZE)
        .or_else(|| signature.number(SIGNATURE_PAYLOAD_SIZE))
        .or_else(|| main.number(ARCHIVE_SIZE))
        .or_else(|| main.number(PAYLOAD_SIZE_ALT));
    let build = main.number(BUILD_TIME).unwrap_or_default();
    let mut package = RepositoryPackage {
        package: package?,
        location: facts.location.to_owned(),
        base: None,
        checksum: facts.checksum,
        size: PackageSize {
            package: facts.size,
            installed: main.number(LONG_SIZE).or_else(|| main.number(SIZE)).unwrap_or_default(),
            archive: archive.unwrap_or_default(),
        },
        time: PackageTime { file: build, build },
        header_range: facts.header_range,
        summary: text(SUMMARY),
        description: text(DESCRIPTION),
        packager: text(PACKAGER),
        url: text(URL),
        license: text(LICENSE),
        vendor: text(VENDOR),
        group: text(GROUP),
        build_host: text(BUILD_HOST),
        changelogs,
    };
    package.package.source_rpm = main.text(SOURCE_RPM).map(Cow::into_owned);
    package.package.files = files;
    Some(package)
}

/// The name in a header; what is wrong with it is noted.
pub(crate) fn nevra(main: &Header<'_>) -> Option<Nevra> {
    let required = |tag: Tag| {
        let text = main.text(tag);
        if text.is_none() && !main.has(tag) {
            main.problem(Problem::MissingTag { tag: tag.1 });
        }
        text
    };
    let (name, version, release, arch) = (required(NAME), required(VERSION), required(RELEASE), required(ARCH));
    // Source packages have the architecture that they were made on: `headerIsSource` of `lib/header.c`.
    let arch = if main.has(SOURCE_RPM) { arch? } else { "src".into() };
    let (name, version, release) = (name?, version?, release?);
    let epoch = match main.number(EPOCH) {
        Some(number) => u32::try_from(number).ok().filter(|epoch| *epoch != 0),
        None => None,
    };
    let bad = |tag: Tag, value: &str, why: String| {
        main.problem(Problem::BadValue { what: format!("tag {}", tag.1), value: value.to_owned(), why });
    };
    let name = name.parse().map_err(|error| bad(NAME, &name, format!("{error}"))).ok();
    let evr = Evr::new(epoch, &version, Some(&release))
        .map_err(|error| bad(VERSION, &format!("{version}-{release}"), error.to_string()))
        .ok();
    let arch = arch.parse().map_err(|error| bad(ARCH, &arch, format!("{error}"))).ok();
    Nevra::new(name?, evr?, arch?).ok()
}

fn same_counts(main: &Header<'_>, first: (Tag, usize), second: (Tag, usize)) -> bool {
    let same = first.1 == second.1;
    if !same {
        main.problem(Problem::TagCounts {
            first: first.0.1,
            first_count: first.1,
            second: second.0.1,
            second_count: second.1,
        });
    }
    same
}

fn files(main: &Header<'_>) -> Vec<PackageFile> {
    let old = main.texts(OLD_FILE_NAMES);
    let bases = main.texts(BASE_NAMES);
    let paths: Vec<String> = if bases.is_empty() {
        old.into_iter().map(Cow::into_owned).collect()
    } else {
        let (indexes, folders) = (main.numbers32(DIR_INDEXES), main.texts(DIR_NAMES));
        if !same_counts(main, (BASE_NAMES, bases.len()), (DIR_INDEXES, indexes.len())) {
            return Vec::new();
        }
        let mut paths = Vec::with_capacity(bases.len());
        for (base, index) in bases.iter().zip(indexes) {
            let Some(folder) = folders.get(index as usize) else {
                main.problem(Problem::BadValue {
                    what: "tag DIRINDEXES".into(),
                    value: index.to_string(),
                    why: format!("there are {} folders", folders.len()),
                });
                return Vec::new();
            };
            let mut path = String::with_capacity(folder.len() + base.len());
            path.push_str(folder);
            path.push_str(base);
            paths.push(path);
        }
        paths
    };
    let (modes, flags) = (main.numbers16(FILE_MODES), main.numbers32(FILE_FLAGS));
    let modes_fit = same_counts(main, (BASE_NAMES, paths.len()), (FILE_MODES, modes.len()));
    let flags_fit = same_counts(main, (BASE_NAMES, paths.len()), (FILE_FLAGS, flags.len()));
    if !modes_fit || !flags_fit {
        return Vec::new();
    }
    let kinds = modes.into_iter().zip(flags).map(|(mode, flags)| {
        if mode & MODE_TYPE == MODE_DIRECTORY {
            FileKind::Directory
        } else if flags & FLAG_GHOST != 0 {
            FileKind::Ghost
        } else {
            FileKind::File
        }
    });
    paths.into_iter().zip(kinds).map(|(path, kind)| PackageFile { path, kind }).collect()
}

/// The dependencies of one kind, with the flags of the header.
fn dependencies(main: &Header<'_>, names: Tag, flags: Tag, versions: Tag) -> Vec<Dependency> {
    let (all_names, all_flags, all_versions) = (main.texts(names), main.numbers32(flags), main.texts(versions));
    let flags_fit = same_counts(main, (names, all_names.len()), (flags, all_flags.len()));
    let versions_fit = same_counts(main, (names, all_names.len()), (versions, all_versions.len()));
    if !flags_fit || !versions_fit {
        return Vec::new();
    }
    all_names
        .into_iter()
        .zip(all_flags)
        .zip(all_versions)
        .map(|((name, flags), version)| dependency(name, Sense::from_bits(flags), &version))
        .collect()
}

/// Takes away what only a header has, so that a package is the one that metadata describes.
pub(crate) fn without_marks(mut package: RepositoryPackage) -> RepositoryPackage {
    for kind in BinaryPackage::KINDS {
        for one in package.package.dependencies_mut(kind).into_iter().flatten() {
            one.sense = one.sense.without(MARKS);
        }
    }
    package
}

fn dependency(name: Cow<'_, str>, sense: Sense, version: &str) -> Dependency {
    let relation = sense.relation();
    // Without a relation, or with one that is none (`<>`), metadata has no version.
    let known = matches!(relation.operator(), "<" | "<=" | "=" | ">=" | ">");
    let kept = (sense & MARKS) | if sense.intersects(PRE) { Sense::PREREQ } else { Sense::ANY };
    match known {
        true => Dependency::new(name, plain_version(version), relation | kept),
        false => Dependency::new(name, "", kept),
    }
}

/// A version without the epoch 0, which says nothing.
pub(crate) fn plain_version(version: &str) -> &str {
    match LooseEvr::parse(version) {
        Some(evr) if evr.epoch() == Some("0") => version.split_once(':').map_or(version, |(_, rest)| rest),
        _ => version,
    }
}

/// The requirements that metadata has.
fn requirements(all: Vec<Dependency>, provides: &[Dependency], files: &[PackageFile]) -> Vec<Dependency> {
    let own: FxHashSet<&str> =
        files.iter().map(|file| file.path.as_str()).filter(|path| is_primary_path(path)).collect();
    let offered: FxHashSet<(&str, &str, Sense)> =
        provides.iter().map(|one| (one.name.as_str(), one.evr.as_str(), one.sense.relation())).collect();
    let mut last: FxHashMap<String, (String, Sense)> = FxHashMap::default();
    let mut libc: Option<Dependency> = None;
    let mut kept = Vec::with_capacity(all.len());
    for one in all {
        let is_own = own.contains(one.name.as_str())
            || offered.contains(&(one.name.as_str(), one.evr.as_str(), one.sense.relation()));
        if is_own || one.name.starts_with("rpmlib(") {
            continue;
        }
        if one.name.starts_with("libc.so.6") {
            if libc.as_ref().is_none_or(|highest| compare_libc(&highest.name, &one.name) == Ordering::Less) {
                libc = Some(one);
            }
            continue;
        }
        match last.entry(one.name.clone()) {
            Entry::Occupied(seen) if *seen.get() == (one.evr.clone(), one.sense.without(MARKS)) => continue,
            Entry::Occupied(mut seen) => {
                seen.insert((one.evr.clone(), one.sense.without(MARKS)));
            }
            Entry::Vacant(free) => {
                free.insert((one.evr.clone(), one.sense.without(MARKS)));
            }
        }
        kept.push(one);
    }
    kept.extend(libc);
    kept
}

/// The order of `libc.so.6`, `libc.so.6(GLIBC_2.4)`, `libc.so.6(GLIBC_2.14)(64bit)`: by the version in the brackets.
fn compare_libc(a: &str, b: &str) -> Ordering {
    let version = |name: &str| {
        let inside = name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
        inside.rsplit_once('_').map_or(inside, |(_, version)| version).to_owned()
    };
    vercmp(&version(a), &version(b))
}

fn changelogs(main: &Header<'_>, limit: usize) -> Vec<Changelog> {
    let (times, names, texts) = (CHANGELOG_TIME, CHANGELOG_NAME, CHANGELOG_TEXT);
    let (all_times, all_names, all_texts) = (main.numbers32(times), main.texts(names), main.texts(texts));
    let names_fit = same_counts(main, (times, all_times.len()), (names, all_names.len()));
    let texts_fit = same_counts(main, (times, all_times.len()), (texts, all_texts.len()));
    if !names_fit || !texts_fit {
        return Vec::new();
    }
    let newest = all_times.into_iter().zip(all_names).zip(all_texts).take(limit);
    let mut kept: Vec<Changelog> = newest
        .map(|((time, name), text)| Changelog {
            author: name.trim_end_matches(|c: char| c.is_ascii_whitespace()).to_owned(),
            date: time.into(),
            text: text.into_owned(),
        })
        .collect();
    kept.reverse();
    // Tools sort entries by time. Of those of one day each is a second after the one before, so that the order stays.
    for at in 1..kept.len() {
        if kept[at].date <= kept[at - 1].date {
            kept[at].date = kept[at - 1].date + 1;
        }
    }
    kept
}
