//! Reads a [`Package`] out of its header.

use std::path::Path;

use bedplate_model::{Dependency, DependencyKind, Sense};
use bedplate_repo::{Header, ListedFile, ListedKind, PackageHeaders, Problem, Tag};

use crate::package::{File, Package, Script, ScriptKind, Triggers, Wish};

const PREFIXES: Tag = Tag(1098, "PREFIXES");

const BASE_NAMES: Tag = Tag(1117, "BASENAMES");
const FILE_COLORS: Tag = Tag(1140, "FILECOLORS");
const FILE_DEPENDENCY_STARTS: Tag = Tag(1143, "FILEDEPENDSX");
const FILE_DEPENDENCY_COUNTS: Tag = Tag(1144, "FILEDEPENDSN");
const DEPENDENCY_DICTIONARY: Tag = Tag(1145, "DEPENDSDICT");

/// Name, flags and version of a list of dependencies.
struct DependencyTags(Tag, Tag, Tag);

const PROVIDES: DependencyTags =
    DependencyTags(Tag(1047, "PROVIDENAME"), Tag(1112, "PROVIDEFLAGS"), Tag(1113, "PROVIDEVERSION"));

/// In the order in which rpm looks at them: `rpmtsOrder` of `lib/order.c`.
const WISHES: [(DependencyKind, DependencyTags); 6] = [
    (
        DependencyKind::Requires,
        DependencyTags(Tag(1049, "REQUIRENAME"), Tag(1048, "REQUIREFLAGS"), Tag(1050, "REQUIREVERSION")),
    ),
    (
        DependencyKind::Recommends,
        DependencyTags(Tag(5046, "RECOMMENDNAME"), Tag(5048, "RECOMMENDFLAGS"), Tag(5047, "RECOMMENDVERSION")),
    ),
    (
        DependencyKind::Suggests,
        DependencyTags(Tag(5049, "SUGGESTNAME"), Tag(5051, "SUGGESTFLAGS"), Tag(5050, "SUGGESTVERSION")),
    ),
    (
        DependencyKind::Supplements,
        DependencyTags(Tag(5052, "SUPPLEMENTNAME"), Tag(5054, "SUPPLEMENTFLAGS"), Tag(5053, "SUPPLEMENTVERSION")),
    ),
    (
        DependencyKind::Enhances,
        DependencyTags(Tag(5055, "ENHANCENAME"), Tag(5057, "ENHANCEFLAGS"), Tag(5056, "ENHANCEVERSION")),
    ),
    (DependencyKind::Order, DependencyTags(Tag(5035, "ORDERNAME"), Tag(5037, "ORDERFLAGS"), Tag(5036, "ORDERVERSION"))),
];

/// Text, program and flags of each script.
const SCRIPTS: [(ScriptKind, Tag, Tag, Tag); 4] = [
    (ScriptKind::Pretrans, Tag(1151, "PRETRANS"), Tag(1153, "PRETRANSPROG"), Tag(5024, "PRETRANSFLAGS")),
    (ScriptKind::Pre, Tag(1023, "PREIN"), Tag(1085, "PREINPROG"), Tag(5020, "PREINFLAGS")),
    (ScriptKind::Post, Tag(1024, "POSTIN"), Tag(1086, "POSTINPROG"), Tag(5021, "POSTINFLAGS")),
    (ScriptKind::Posttrans, Tag(1152, "POSTTRANS"), Tag(1154, "POSTTRANSPROG"), Tag(5025, "POSTTRANSFLAGS")),
];

/// The tags of one sort of triggers.
struct TriggerTags {
    conditions: DependencyTags,
    indexes: Tag,
    scripts: Tag,
    programs: Tag,
    flags: Tag,
    priorities: Option<Tag>,
}

const TRIGGERS: TriggerTags = TriggerTags {
    conditions: DependencyTags(Tag(1066, "TRIGGERNAME"), Tag(1068, "TRIGGERFLAGS"), Tag(1067, "TRIGGERVERSION")),
    indexes: Tag(1069, "TRIGGERINDEX"),
    scripts: Tag(1065, "TRIGGERSCRIPTS"),
    programs: Tag(1092, "TRIGGERSCRIPTPROG"),
    flags: Tag(5027, "TRIGGERSCRIPTFLAGS"),
    priorities: None,
};

const FILE_TRIGGERS: TriggerTags = TriggerTags {
    conditions: DependencyTags(
        Tag(5069, "FILETRIGGERNAME"),
        Tag(5072, "FILETRIGGERFLAGS"),
        Tag(5071, "FILETRIGGERVERSION"),
    ),
    indexes: Tag(5070, "FILETRIGGERINDEX"),
    scripts: Tag(5066, "FILETRIGGERSCRIPTS"),
    programs: Tag(5067, "FILETRIGGERSCRIPTPROG"),
    flags: Tag(5068, "FILETRIGGERSCRIPTFLAGS"),
    priorities: Some(Tag(5084, "FILETRIGGERPRIORITIES")),
};

const TRANSACTION_FILE_TRIGGERS: TriggerTags = TriggerTags {
    conditions: DependencyTags(
        Tag(5079, "TRANSFILETRIGGERNAME"),
        Tag(5082, "TRANSFILETRIGGERFLAGS"),
        Tag(5081, "TRANSFILETRIGGERVERSION"),
    ),
    indexes: Tag(5080, "TRANSFILETRIGGERINDEX"),
    scripts: Tag(5076, "TRANSFILETRIGGERSCRIPTS"),
    programs: Tag(5077, "TRANSFILETRIGGERSCRIPTPROG"),
    flags: Tag(5078, "TRANSFILETRIGGERSCRIPTFLAGS"),
    priorities: Some(Tag(5085, "TRANSFILETRIGGERPRIORITIES")),
};

impl Package {
    /// Reads a package file. Its payload is not looked at.
    ///
    /// # Errors
    /// All that is wrong with its headers.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        Self::from_headers(&PackageHeaders::read(path)?)
    }

    /// Takes what scripts need to know out of the headers of a package.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn from_headers(headers: &PackageHeaders) -> Result<Self, Vec<Problem>> {
        let header = headers.main();
        let package = package(headers, &header);
        let problems = header.into_problems();
        match package {
            Ok(package) if problems.is_empty() => Ok(package),
            Ok(_) => Err(problems),
            Err(problem) => Err(problems.into_iter().chain([problem]).collect()),
        }
    }
}

fn package(headers: &PackageHeaders, header: &Header<'_>) -> Result<Package, Problem> {
    let mut package = Package::new(headers.nevra().clone());
    package.prefixes = header.texts(PREFIXES).into_iter().map(Into::into).collect();
    package.files = headers.files().files.iter().map(file).collect();
    let colors = Colors::read(header, package.files.len())?;
    package.provides = dependencies(header, &PROVIDES)?;
    package.color = (0..package.provides.len()).fold(0, |all, index| all | colors.of('P', index));
    for (kind, tags) in WISHES {
        for (index, dependency) in dependencies(header, &tags)?.into_iter().enumerate() {
            let color = if kind == DependencyKind::Requires { colors.of('R', index) } else { 0 };
            package.color |= color;
            package.wishes.push(Wish { kind, dependency, color });
        }
    }
    for (kind, text, program, flags) in SCRIPTS {
        // A program that runs alone has no text; a text without a program is one of the shell.
        if !header.has(text) && !header.has(program) {
            continue;
        }
        let script = Script {
            program: programs(header, program),
            body: header.raw_texts(text).first().map(|text| text.to_vec()),
            flags: number(header, flags),
        };
        package.scripts.insert(kind, script);
    }
    package.triggers = triggers(header, &TRIGGERS)?;
    package.file_triggers = triggers(header, &FILE_TRIGGERS)?;
    package.transaction_file_triggers = triggers(header, &TRANSACTION_FILE_TRIGGERS)?;
    Ok(package)
}

fn file(listed: &ListedFile) -> File {
    File {
        path: format!("/{}", listed.path),
        target: (listed.kind == ListedKind::Symlink).then(|| listed.target.clone()),
        is_ghost: !listed.is_packed(),
        is_installed: true,
    }
}

fn number(header: &Header<'_>, tag: Tag) -> u32 {
    header.number(tag).and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn programs(header: &Header<'_>, tag: Tag) -> Vec<String> {
    let words: Vec<String> =
        header.raw_texts(tag).iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if words.is_empty() { vec!["/bin/sh".to_owned()] } else { words }
}

fn same(first: Tag, first_count: usize, second: Tag, second_count: usize) -> Result<(), Problem> {
    if first_count == second_count {
        return Ok(());
    }
    Err(Problem::TagCounts { first: first.1, first_count, second: second.1, second_count })
}

fn dependencies(header: &Header<'_>, tags: &DependencyTags) -> Result<Vec<Dependency>, Problem> {
    let DependencyTags(names_tag, flags_tag, versions_tag) = *tags;
    let (names, flags, versions) = (header.texts(names_tag), header.numbers32(flags_tag), header.texts(versions_tag));
    same(names_tag, names.len(), flags_tag, flags.len())?;
    same(names_tag, names.len(), versions_tag, versions.len())?;
    let all = names.into_iter().zip(versions).zip(flags);
    Ok(all.map(|((name, version), flags)| Dependency::new(name, version, Sense::from_bits(flags))).collect())
}

fn triggers(header: &Header<'_>, tags: &TriggerTags) -> Result<Triggers, Problem> {
    let mut conditions = dependencies(header, &tags.conditions)?;
    let indexes = header.numbers32(tags.indexes);
    same(tags.conditions.0, conditions.len(), tags.indexes, indexes.len())?;
    let texts = header.raw_texts(tags.scripts);
    let programs = header.texts(tags.programs);
    same(tags.scripts, texts.len(), tags.programs, programs.len())?;
    for (condition, index) in conditions.iter_mut().zip(indexes) {
        if index as usize >= texts.len() {
            let what = format!("tag {}", tags.indexes.1);
            let why = format!("there are {} scripts", texts.len());
            return Err(Problem::BadValue { what, value: index.to_string(), why });
        }
        condition.trigger_index = Some(index);
    }
    let flags = header.numbers32(tags.flags);
    let script = |(index, (text, program)): (usize, (&&[u8], _))| Script {
        program: vec![String::from(program)],
        body: Some(text.to_vec()),
        flags: flags.get(index).copied().unwrap_or_default(),
    };
    Ok(Triggers {
        scripts: texts.iter().zip(programs).enumerate().map(script).collect(),
        priorities: tags.priorities.map(|tag| header.numbers32(tag)).unwrap_or_default(),
        conditions,
    })
}

/// Which colours the files have that a dependency comes from: `rpmteColorDS` of `lib/rpmte.c`.
struct Colors(rustc_hash::FxHashMap<(u8, u32), u32>);

impl Colors {
    fn read(header: &Header<'_>, count: usize) -> Result<Self, Problem> {
        let mut all = rustc_hash::FxHashMap::default();
        let colors = header.numbers32(FILE_COLORS);
        let (starts, counts) = (header.numbers32(FILE_DEPENDENCY_STARTS), header.numbers32(FILE_DEPENDENCY_COUNTS));
        if colors.is_empty() || starts.is_empty() {
            return Ok(Self(all));
        }
        same(BASE_NAMES, count, FILE_COLORS, colors.len())?;
        same(BASE_NAMES, count, FILE_DEPENDENCY_STARTS, starts.len())?;
        same(BASE_NAMES, count, FILE_DEPENDENCY_COUNTS, counts.len())?;
        let dictionary = header.numbers32(DEPENDENCY_DICTIONARY);
        for (at, color) in colors.into_iter().enumerate().filter(|(_, color)| *color != 0) {
            let start = starts[at] as usize;
            // An entry has a letter for the list in its first byte, and the place in the list in the rest.
            for entry in dictionary.iter().skip(start).take(counts[at] as usize) {
                *all.entry(((entry >> 24) as u8, entry & 0x00ff_ffff)).or_default() |= color;
            }
        }
        Ok(Self(all))
    }

    fn of(&self, list: char, index: usize) -> u32 {
        let key = (list as u8, u32::try_from(index).unwrap_or(u32::MAX));
        self.0.get(&key).copied().unwrap_or_default()
    }
}
