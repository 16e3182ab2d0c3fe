//! Makes a lock: apt says which packages it takes, and here is said which of them each needs.

use std::collections::{BTreeMap, BTreeSet};

use bedplate_apt::{Apt, DebFile, Relation, compare_versions};

use crate::{Definition, Lock, LockedPackage, SeedError};

impl Lock {
    /// The packages that a seed takes of a suite as it is now.
    ///
    /// # Errors
    /// If the suite lacks packages (all are named), if apt finds no way to install them together, or if it cannot be asked.
    pub fn resolve(definition: &Definition, apt: &Apt, suite: &str) -> Result<Self, SeedError> {
        let wanted = definition.all_packages();
        // Maintainer scripts count on the essential packages: the seed is installed with them, though builds see few of them.
        let essential = apt.essential(suite)?;
        let mut roots = wanted.clone();
        roots.extend(essential.iter().map(|deb| deb.package.as_str()));
        let roots: Vec<&str> = roots.into_iter().collect();
        let debs = apt.resolve(suite, &roots)?;
        let packages = locked(&debs, &wanted)?;
        let mut lock = Self { name: definition.seed.name.clone(), packages };
        // apt also takes what only its own resolver wanted: an alternative that another package meets.
        let used: BTreeSet<String> = lock.closure(roots).into_iter().map(str::to_owned).collect();
        lock.packages.retain(|name, _| used.contains(name));
        Ok(lock)
    }
}

/// Resolves what each package needs among the others.
fn locked(debs: &[DebFile], wanted: &BTreeSet<&str>) -> Result<BTreeMap<String, LockedPackage>, SeedError> {
    let mut providers: BTreeMap<&str, Vec<(&DebFile, Option<&Relation>)>> = BTreeMap::new();
    for deb in debs {
        providers.entry(&deb.package).or_default().push((deb, None));
    }
    for deb in debs {
        for provided in &deb.provides {
            providers.entry(&provided.package).or_default().push((deb, Some(provided)));
        }
    }
    // A package that a group names goes before one that only something needs; then names decide.
    for of_one in providers.values_mut() {
        of_one.sort_by_key(|(deb, provided)| {
            (provided.is_some(), !wanted.contains(deb.package.as_str()), deb.package.as_str())
        });
    }
    let mut packages = BTreeMap::new();
    let mut unmet = Vec::new();
    for deb in debs {
        let mut depends = BTreeSet::new();
        for alternatives in &deb.depends {
            let met = alternatives.iter().find_map(|relation| {
                let of_one = providers.get(relation.package.as_str())?;
                of_one.iter().find(|(deb, provided)| meets(deb, *provided, relation)).map(|(deb, _)| &deb.package)
            });
            match met {
                Some(name) if *name != deb.package => {
                    depends.insert(name.clone());
                }
                Some(_) => {}
                None => unmet.push(format!("{} needs {}", deb.package, alternatives[0].package)),
            }
        }
        packages.insert(deb.package.clone(), LockedPackage::new(deb, depends));
    }
    if unmet.is_empty() { Ok(packages) } else { Err(SeedError::Unmet { unmet }) }
}

/// Whether a package, or what it provides, is what is asked for.
fn meets(deb: &DebFile, provided: Option<&Relation>, relation: &Relation) -> bool {
    let Some((sense, version)) = &relation.version else { return true };
    let has = match provided {
        None => deb.version.as_str(),
        // What is provided without a version meets no question for one: so says Debian's policy, 7.5.
        Some(provided) => match &provided.version {
            Some((_, version)) => version,
            None => return false,
        },
    };
    let order = compare_versions(has, version);
    match sense.as_str() {
        "<<" => order.is_lt(),
        "<=" => order.is_le(),
        "=" => order.is_eq(),
        ">=" => order.is_ge(),
        ">>" => order.is_gt(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(text: &str) -> Relation {
        let mut words = text.split(' ').map(str::to_owned);
        let package = words.next().unwrap();
        Relation { package, version: words.next().zip(words.next()) }
    }

    /// `name version: a | b >= 2, c; provides`
    fn deb(text: &str) -> DebFile {
        let (head, rest) = text.split_once(':').unwrap();
        let (name, version) = head.split_once(' ').unwrap();
        let (depends, provides) = rest.split_once(';').unwrap_or((rest, ""));
        let list = |text: &str, by: &str| -> Vec<String> {
            text.split(by).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
        };
        DebFile {
            package: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: bedplate_apt::Sha256([0; 32]),
            size: 1,
            path: format!("pool/{name}.deb"),
            suite: "trixie".to_owned(),
            is_essential: false,
            depends: list(depends, ",")
                .iter()
                .map(|one| list(one, "|").iter().map(|one| relation(one)).collect())
                .collect(),
            provides: list(provides, ",").iter().map(|one| relation(one)).collect(),
        }
    }

    #[test]
    fn needs_are_resolved_among_the_packages_of_the_lock() {
        let debs = [
            deb("base 1: awk, shell >= 2 | sh"),
            deb("gawk 5: libc >= 2; awk"),
            deb("mawk 1: libc; awk"),
            deb("libc 2.41: libgcc"),
            deb("libgcc 14: libc"),
            deb("dash 0.5: libc; sh, dash-shell = 3"),
            deb("user 1: absent | dash-shell >= 3, user"),
        ];
        let packages = locked(&debs, &BTreeSet::from(["mawk"])).unwrap();
        let needs = |name: &str| packages[name].depends.iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(needs("base"), ["dash", "mawk"]);
        assert_eq!(needs("libc"), ["libgcc"]);
        assert_eq!(needs("user"), ["dash"]);
        let packages = locked(&debs, &BTreeSet::new()).unwrap();
        assert!(packages["base"].depends.contains("gawk"));
    }

    #[test]
    fn what_nothing_meets_is_named() {
        let debs = [deb("a 1: b >= 2, c"), deb("b 1: d << 1"), deb("x 1:; d")];
        let error = locked(&debs, &BTreeSet::new()).unwrap_err().to_string();
        assert!(error.contains("a needs b, a needs c, b needs d"), "{error}");
    }
}
