//! Which packages of repositories fit: by name, by what they provide or need, by their files.

use bedplate_model::{BinaryPackage, Dependency, DependencyKind, LooseEvr, Nevra, RichDependency, Sense, parse_rich};
use glob::Pattern;

use crate::RepositoryPackage;

/// Why a text is no pattern or capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The brackets or stars of a pattern are wrong.
    #[error("bad pattern `{pattern}`: {why}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// Neither `NAME` nor `NAME RELATION VERSION`.
    #[error("bad capability `{0}`: write `NAME` or `'NAME >= VERSION'`")]
    Capability(String),
}

/// A name with `*`, `?` and `[…]`; in brackets and stars a `/` is like any other character, as in dnf.
#[derive(Debug, Clone)]
pub struct NamePattern(Pattern);

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Wrong brackets.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Pattern::new(text)
            .map(Self)
            .map_err(|error| QueryError::Pattern { pattern: text.to_owned(), why: error.msg.to_owned() })
    }

    fn fits(&self, text: &str) -> bool {
        self.0.matches(text)
    }

    /// True if this names a package: as `name`, `name.arch`, `name-version`, `name-version-release` or with `.arch`; an epoch may
    /// stand before the version.
    pub fn names(&self, nevra: &Nevra) -> bool {
        let (name, arch, evr) = (nevra.name(), nevra.arch(), nevra.evr());
        let (version, release) = (evr.version(), evr.release().unwrap_or_default());
        let epoch = evr.epoch().unwrap_or_default();
        let fits = |text: String| self.fits(&text);
        fits(name.to_string())
            || fits(format!("{name}.{arch}"))
            || fits(format!("{name}-{version}"))
            || fits(format!("{name}-{version}-{release}"))
            || fits(format!("{name}-{version}-{release}.{arch}"))
            || fits(format!("{name}-{epoch}:{version}"))
            || fits(format!("{name}-{epoch}:{version}-{release}"))
            || fits(format!("{name}-{epoch}:{version}-{release}.{arch}"))
    }
}

/// A capability that is asked for: a name, perhaps with `*`, and perhaps a range of versions.
#[derive(Debug, Clone)]
pub struct Capability {
    name: NamePattern,
    sense: Sense,
    evr: Option<LooseEvr>,
}

impl Capability {
    /// Reads `NAME` or `NAME RELATION VERSION`.
    ///
    /// # Errors
    /// Another number of words, or no relation.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let bad = || QueryError::Capability(text.to_owned());
        if text.starts_with('(') {
            // A rich dependency is a name here.
            let name = NamePattern::parse(&Pattern::escape(text))?;
            return Ok(Self { name, sense: Sense::ANY, evr: None });
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (name, sense, evr) = match words[..] {
            [name] => (name, Sense::ANY, None),
            [name, relation, version] => {
                let sense = Sense::parse_operator(relation).ok_or_else(bad)?;
                (name, sense, LooseEvr::parse(version))
            }
            _ => return Err(bad()),
        };
        Ok(Self { name: NamePattern::parse(name)?, sense, evr })
    }

    /// True if a name and range have something in common with this.
    fn overlaps(&self, name: &str, sense: Sense, evr: &str) -> bool {
        if !self.name.fits(name) {
            return false;
        }
        let (Some(wanted), false) = (&self.evr, sense.relation().is_empty()) else { return true };
        LooseEvr::parse(evr).is_none_or(|evr| evr.overlaps(sense.relation(), wanted, self.sense))
    }

    fn fits(&self, dependency: &Dependency) -> bool {
        let mut found = self.overlaps(&dependency.name, dependency.sense, &dependency.evr);
        if !found && dependency.is_rich() {
            each_single(&dependency.name, &mut |name, sense, evr| found |= self.overlaps(name, sense, evr));
        }
        found
    }

    /// True if the package has it, as a capability or as a path.
    pub fn is_provided_by(&self, package: &BinaryPackage) -> bool {
        package.provides.iter().any(|one| self.fits(one))
            || (self.evr.is_none() && package.files.iter().any(|file| self.name.fits(&file.path)))
    }

    /// True if a dependency of this kind has it, also within a rich one.
    pub fn is_in(&self, package: &BinaryPackage, kind: DependencyKind) -> bool {
        package.dependencies(kind).is_some_and(|list| list.iter().any(|one| self.fits(one)))
    }
}

/// Calls a function with each name and range of a rich dependency.
fn each_single(text: &str, take: &mut impl FnMut(&str, Sense, &str)) {
    fn walk(tree: &RichDependency, take: &mut impl FnMut(&str, Sense, &str)) {
        match tree {
            RichDependency::Single { name, sense, evr } => take(name, *sense, evr),
            RichDependency::Group(one) => walk(one, take),
            RichDependency::And(all) | RichDependency::Or(all) | RichDependency::With(all) => {
                all.iter().for_each(|one| walk(one, take));
            }
            RichDependency::Without(a, b) | RichDependency::Else(a, b) => {
                walk(a, take);
                walk(b, take);
            }
            RichDependency::If { then, condition, otherwise }
            | RichDependency::Unless { then, condition, otherwise } => {
                walk(then, take);
                walk(condition, take);
                if let Some(otherwise) = otherwise {
                    walk(otherwise, take);
                }
            }
        }
    }
    if let Ok((tree, _)) = parse_rich(text, DependencyKind::Requires) {
        walk(&tree, take);
    }
}

/// What packages have to be like. Of one list any may fit; each list that is not empty has to.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names.
    pub names: Vec<NamePattern>,
    /// What they provide.
    pub provide: Vec<Capability>,
    /// What dependencies of a kind ask for.
    pub need: Vec<(DependencyKind, Vec<Capability>)>,
    /// Paths that they have.
    pub files: Vec<NamePattern>,
    /// Without it, a dependency on something that a package provides counts as one on the package's name, as in dnf.
    pub exact: bool,
}

/// Dependencies that are asked for, and the packages that their capabilities name.
struct Need<'a> {
    kind: DependencyKind,
    capabilities: &'a [Capability],
    providers: Vec<&'a BinaryPackage>,
}

impl Need<'_> {
    fn is_of(&self, package: &BinaryPackage) -> bool {
        let is_named = || {
            let list = package.dependencies(self.kind).map(Vec::as_slice).unwrap_or_default();
            list.iter().any(|needed| self.providers.iter().any(|provider| satisfies(provider, needed)))
        };
        self.capabilities.iter().any(|one| one.is_in(package, self.kind)) || is_named()
    }
}

impl Selection {
    /// The packages that fit, in their order.
    pub fn select<'a>(
        &self,
        packages: impl Iterator<Item = &'a RepositoryPackage> + Clone,
    ) -> Vec<&'a RepositoryPackage> {
        let needs = self.need.iter().map(|(kind, capabilities)| {
            let names = |package: &&BinaryPackage| {
                let is_name = |one: &Capability| one.evr.is_none() && one.name.names(&package.nevra);
                !self.exact && capabilities.iter().any(is_name)
            };
            let providers = packages.clone().map(|one| &one.package).filter(names).collect();
            Need { kind: *kind, capabilities, providers }
        });
        let needs: Vec<Need<'_>> = needs.collect();
        packages.filter(|one| self.fits(&one.package, &needs)).collect()
    }

    fn fits(&self, package: &BinaryPackage, needs: &[Need<'_>]) -> bool {
        let has_file = |pattern: &NamePattern| package.files.iter().any(|file| pattern.fits(&file.path));
        (self.names.is_empty() || self.names.iter().any(|name| name.names(&package.nevra)))
            && (self.provide.is_empty() || self.provide.iter().any(|one| one.is_provided_by(package)))
            && (self.files.is_empty() || self.files.iter().any(has_file))
            && needs.iter().all(|need| need.is_of(package))
    }
}

/// True if a package provides what a dependency (or a part of a rich one) asks for.
fn satisfies(package: &BinaryPackage, dependency: &Dependency) -> bool {
    let mut found = false;
    let mut check = |name: &str, sense: Sense, evr: &str| {
        let wanted = Dependency::new(name, evr, sense.relation());
        found |= package.provides.iter().any(|one| one.overlaps(&wanted))
            || (name.starts_with('/') && package.files.iter().any(|file| file.path == name));
    };
    if dependency.is_rich() {
        each_single(&dependency.name, &mut check);
    } else {
        check(&dependency.name, dependency.sense, &dependency.evr);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, provides: &[(&str, &str)], requires: &[(&str, Sense, &str)]) -> BinaryPackage {
        let mut package = BinaryPackage::new(name.parse().expect("a full name"));
        let entry = |(name, evr): &(&str, &str)| {
            let sense = if evr.is_empty() { Sense::ANY } else { Sense::EQUAL };
            Dependency::new(*name, *evr, sense)
        };
        package.provides = provides.iter().map(entry).collect();
        package.requires = requires.iter().map(|(name, sense, evr)| Dependency::new(*name, *evr, *sense)).collect();
        package
    }

    #[test]
    fn a_package_has_many_names() {
        let nevra: Nevra = "bash-doc-1:5.2-3.noarch".parse().unwrap();
        for (pattern, fits) in [
            ("bash-doc", true),
            ("bash*", true),
            ("bash", false),
            ("bash-doc.noarch", true),
            ("bash-doc-5.2", true),
            ("bash-doc-5.2-3", true),
            ("bash-doc-5.2-3.noarch", true),
            ("bash-doc-1:5.2-3.noarch", true),
            ("bash-doc-0:5.2-3.noarch", false),
            ("b?sh-[c-e]oc", true),
            ("*.x86_64", false),
        ] {
            assert_eq!(NamePattern::parse(pattern).unwrap().names(&nevra), fits, "{pattern}");
        }
        assert!(NamePattern::parse("a[").is_err());
    }

    #[test]
    fn capabilities_overlap_in_name_and_range() {
        let one = package("a-1-1.noarch", &[("a", "1-1"), ("lib(x)", "")], &[("(b >= 2 if c)", Sense::ANY, "")]);
        for (text, provided, required) in [
            ("a", true, false),
            ("a = 1", true, false),
            ("a > 1", false, false),
            ("a >= 1-1", true, false),
            ("lib(x) > 7", true, false),
            ("lib*", true, false),
            ("b", false, true),
            ("b < 2", false, false),
            ("b = 3", false, true),
            ("c", false, true),
            ("(b >= 2 if c)", false, true),
        ] {
            let capability = Capability::parse(text).unwrap();
            assert_eq!(capability.is_provided_by(&one), provided, "{text}");
            assert_eq!(capability.is_in(&one, DependencyKind::Requires), required, "{text}");
        }
        for text in ["", "a b", "a ~ 1", "a = 1 2"] {
            assert!(Capability::parse(text).is_err(), "{text}");
        }
    }
}
