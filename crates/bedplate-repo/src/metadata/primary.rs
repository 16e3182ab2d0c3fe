//! Reads `primary`.

use bedplate_model::{BinaryPackage, Dependency, DependencyKind, Evr, FileKind, Nevra, NevraError, PackageFile, Sense};

use super::{Part, read_packages};
use crate::xml::{Element, Events, Located, Node, number};
use crate::{Checksum, PackageSize, PackageTime, Problem, RepositoryPackage};

/// Name of the root element.
pub(crate) const ROOT: &str = "metadata";

/// Reads the packages of a part. A package with mistakes is left out, and all its mistakes are noted.
pub(crate) fn read(events: Events<'_>) -> Part<RepositoryPackage> {
    read_packages(events, |events, element, problems| Ok(package(events)?.finish(element.offset, problems)))
}

/// Name, version and architecture as elements have them.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) arch: String,
    pub(crate) version: Option<(Option<u32>, String, String)>,
}

impl Named {
    /// Takes the attributes of `version`.
    pub(crate) fn set_version(&mut self, element: &Element<'_>) -> Result<(), Located> {
        let epoch = match element.attribute("epoch")? {
            None => None,
            Some(epoch) => {
                let number = element.number("epoch", &epoch)?;
                let epoch = u32::try_from(number).map_err(|_| Located {
                    offset: element.offset,
                    problem: Problem::BadValue {
                        what: "attribute `epoch` of `version`".into(),
                        value: epoch.into_owned(),
                        why: "larger than 32 bits".into(),
                    },
                })?;
                Some(epoch).filter(|epoch| *epoch != 0)
            }
        };
        let (version, release) = (element.required("ver")?.into_owned(), element.required("rel")?.into_owned());
        self.version = Some((epoch, version, release));
        Ok(())
    }

    pub(crate) fn nevra(&self) -> Result<Option<Nevra>, NevraError> {
        let Some((epoch, version, release)) = &self.version else { return Ok(None) };
        let evr = Evr::new(*epoch, version, Some(release)).map_err(NevraError::Evr)?;
        Nevra::new(self.name.parse()?, evr, self.arch.parse()?).map(Some)
    }
}

/// A package that is being read.
#[derive(Debug, Default)]
struct Draft {
    named: Named,
    checksum: Option<Checksum>,
    location: Option<(String, Option<String>)>,
    header_range: Option<(u64, u64)>,
    size: PackageSize,
    time: PackageTime,
    texts: Texts,
    source_rpm: String,
    lists: Vec<(DependencyKind, Vec<Dependency>)>,
    files: Vec<PackageFile>,
    problems: Vec<Located>,
}

#[derive(Debug, Default)]
struct Texts {
    summary: String,
    description: String,
    packager: String,
    url: String,
    license: String,
    vendor: String,
    group: String,
    build_host: String,
}

fn kind_of(name: &str) -> Option<DependencyKind> {
    Some(match name {
        "provides" => DependencyKind::Provides,
        "requires" => DependencyKind::Requires,
        "conflicts" => DependencyKind::Conflicts,
        "obsoletes" => DependencyKind::Obsoletes,
        "recommends" => DependencyKind::Recommends,
        "suggests" => DependencyKind::Suggests,
        "supplements" => DependencyKind::Supplements,
        "enhances" => DependencyKind::Enhances,
        _ => return None,
    })
}

/// Reads up to the end of a package; an error is one of the XML.
fn package(events: &mut Events<'_>) -> Result<Draft, Located> {
    let mut draft = Draft::default();
    let outside = events.depth() - 1;
    let mut open: Option<Element<'_>> = None;
    loop {
        match events.next()? {
            Node::Start(element) => {
                if let Err(located) = draft.start(&element) {
                    draft.problems.push(located);
                }
                open = Some(element);
            }
            Node::End => {
                if let Some(element) = open.take()
                    && let Err(problem) = draft.end(&element, &events.text)
                {
                    draft.problems.push(Located { offset: element.offset, problem });
                }
                if events.depth() == outside {
                    return Ok(draft);
                }
            }
            Node::Done => return Ok(draft),
        }
    }
}

impl Draft {
    /// Takes what a start tag says.
    fn start(&mut self, element: &Element<'_>) -> Result<(), Located> {
        match element.name() {
            "entry" => {
                let entry = entry(element)?;
                if let Some((_, list)) = self.lists.last_mut() {
                    list.push(entry);
                }
            }
            "version" => self.named.set_version(element)?,
            "size" => {
                let number = |name| element.required_number(name);
                self.size = PackageSize {
                    package: number("package")?,
                    installed: number("installed")?,
                    archive: number("archive")?,
                };
            }
            "time" => {
                self.time =
                    PackageTime { file: element.required_number("file")?, build: element.required_number("build")? };
            }
            "location" => {
                let base = element.attribute("base")?.map(|base| base.into_owned());
                self.location = Some((element.required("href")?.into_owned(), base));
            }
            "header-range" => {
                self.header_range = Some((element.required_number("start")?, element.required_number("end")?));
            }
            name => self.lists.extend(kind_of(name).map(|kind| (kind, Vec::new()))),
        }
        Ok(())
    }

    /// Takes the text of an element that has only text.
    fn end(&mut self, element: &Element<'_>, text: &str) -> Result<(), Problem> {
        let slot = match element.name() {
            "name" => &mut self.named.name,
            "arch" => &mut self.named.arch,
            "summary" => &mut self.texts.summary,
            "description" => &mut self.texts.description,
            "packager" => &mut self.texts.packager,
            "url" => &mut self.texts.url,
            "license" => &mut self.texts.license,
            "vendor" => &mut self.texts.vendor,
            "group" => &mut self.texts.group,
            "buildhost" => &mut self.texts.build_host,
            "sourcerpm" => &mut self.source_rpm,
            "file" => {
                self.files.push(file(element, text)?);
                return Ok(());
            }
            "checksum" => {
                self.checksum = Some(checksum(element, text)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        text.clone_into(slot);
        Ok(())
    }

    /// Which elements are missing that a package must have.
    fn lacks(&self) -> impl Iterator<Item = Problem> {
        let parent = match self.named.name.as_str() {
            "" => "package".to_owned(),
            name => format!("package {name}"),
        };
        let lacks = [
            ("name", self.named.name.is_empty()),
            ("arch", self.named.arch.is_empty()),
            ("version", self.named.version.is_none()),
            ("checksum", self.checksum.is_none()),
            ("location", self.location.is_none()),
        ];
        let missing = lacks.into_iter().filter(|(_, lacks)| *lacks);
        missing.map(move |(element, _)| Problem::MissingElement { parent: parent.clone(), element })
    }

    /// The package, if nothing is wrong with it.
    fn finish(mut self, offset: usize, problems: &mut Vec<Located>) -> Option<RepositoryPackage> {
        let mut bad = std::mem::take(&mut self.problems);
        // What a package with another mistake lacks may be what that mistake was in.
        if bad.is_empty() {
            bad = self.lacks().map(|problem| Located { offset, problem }).collect();
        }
        let nevra = self.named.nevra().map_err(|error| {
            let (what, value) = ("package".to_owned(), self.named.name.clone());
            let problem = Problem::BadValue { what, value, why: error.to_string() };
            bad.extend(bad.is_empty().then_some(Located { offset, problem }));
        });
        let good = bad.is_empty();
        problems.append(&mut bad);
        let (location, base) = self.location?;
        let (nevra, checksum) = (nevra.ok()??, self.checksum?);
        if !good {
            return None;
        }
        let mut package = BinaryPackage::new(nevra);
        for (kind, list) in self.lists {
            package.dependencies_mut(kind)?.extend(list);
        }
        package.source_rpm = Some(self.source_rpm).filter(|name| !name.is_empty());
        package.files = self.files;
        Some(RepositoryPackage {
            package,
            location,
            base,
            checksum,
            size: self.size,
            time: self.time,
            header_range: self.header_range.unwrap_or_default(),
            summary: self.texts.summary,
            description: self.texts.description,
            packager: self.texts.packager,
            url: self.texts.url,
            license: self.texts.license,
            vendor: self.texts.vendor,
            group: self.texts.group,
            build_host: self.texts.build_host,
            changelogs: Vec::new(),
        })
    }
}

fn entry(element: &Element<'_>) -> Result<Dependency, Located> {
    let (mut name, mut flags, mut epoch, mut version, mut release, mut pre) = (None, None, None, None, None, None);
    element.each(|key, value| {
        let slot = match key {
            "name" => &mut name,
            "flags" => &mut flags,
            "epoch" => &mut epoch,
            "ver" => &mut version,
            "rel" => &mut release,
            "pre" => &mut pre,
            _ => return,
        };
        *slot = Some(value);
    })?;
    let name = name.ok_or_else(|| element.lacks("name"))?.into_owned();
    let pre = if pre.is_some_and(|pre| pre == "1") { Sense::PREREQ } else { Sense::ANY };
    let Some(flags) = flags else { return Ok(Dependency::new(name, "", pre)) };
    let relation = match &*flags {
        "EQ" => Sense::EQUAL,
        "LT" => Sense::LESS,
        "GT" => Sense::GREATER,
        "LE" => Sense::LESS | Sense::EQUAL,
        "GE" => Sense::GREATER | Sense::EQUAL,
        other => {
            let problem = Problem::BadValue {
                what: "attribute `flags` of `entry`".into(),
                value: other.to_owned(),
                why: "not one of EQ, LT, GT, LE, GE".into(),
            };
            return Err(Located { offset: element.offset, problem });
        }
    };
    let mut evr = String::new();
    if let Some(epoch) = epoch.filter(|epoch| epoch != "0" && !epoch.is_empty()) {
        evr.push_str(&epoch);
        evr.push(':');
    }
    evr.push_str(&version.unwrap_or_default());
    if let Some(release) = release.filter(|release| !release.is_empty()) {
        evr.push('-');
        evr.push_str(&release);
    }
    Ok(Dependency::new(name, evr, relation | pre))
}

/// The path of an element `file`.
pub(crate) fn file(element: &Element<'_>, text: &str) -> Result<PackageFile, Problem> {
    let kind = match element.attribute("type").map_err(|located| located.problem)?.as_deref() {
        None | Some("" | "file") => FileKind::File,
        Some("dir") => FileKind::Directory,
        Some("ghost") => FileKind::Ghost,
        Some(other) => {
            return Err(Problem::BadValue {
                what: "attribute `type` of `file`".into(),
                value: other.to_owned(),
                why: "not one of dir, ghost".into(),
            });
        }
    };
    Ok(PackageFile { path: text.to_owned(), kind })
}

/// The checksum of an element `checksum` or `open-checksum`.
pub(crate) fn checksum(element: &Element<'_>, text: &str) -> Result<Checksum, Problem> {
    let kind = element.required("type").map_err(|located| located.problem)?;
    Ok(Checksum::parse(&kind, text.trim())?)
}

/// The number of an element.
pub(crate) fn element_number(element: &Element<'_>, text: &str) -> Result<u64, Problem> {
    number(&format!("element `{}`", element.name()), text)
}
