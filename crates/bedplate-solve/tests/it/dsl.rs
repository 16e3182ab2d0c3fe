//! Universes and requests as a few lines of text.
//!
//! ```text
//! repository main 10                  further packages are of this repository
//! a 1-1: requires b >= 2; provides c = 3; conflicts d; obsoletes e; recommends f; file /usr/bin/a
//! a 1-1 i686                          the architecture is x86_64 if it is not given
//! install a, (b or c)
//! exclude x* y                        also: multi-version, lock, favour, architectures, recommends
//! ```

use bedplate_model::{BinaryPackage, Dependency, FileKind, PackageFile, Sense};
use bedplate_solve::{LockedPackage, Pattern, Repository, Request, Universe, check, solve};

/// Reads a scenario.
pub(crate) fn parse(text: &str) -> (Vec<Repository>, Request) {
    let mut repositories: Vec<Repository> = Vec::new();
    let mut request = Request::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let options = &mut request.options;
        match word {
            "repository" => {
                let (name, priority) = rest.split_once(' ').unwrap();
                let priority = priority.parse().unwrap();
                repositories.push(Repository { name: name.into(), priority, packages: Vec::new() });
            }
            "install" => request.install.extend(rest.split(", ").map(|item| item.parse().unwrap())),
            "exclude" => options.exclude.extend(rest.split(' ').map(Pattern::new)),
            "multi-version" => options.multi_version.extend(rest.split(' ').map(Pattern::new)),
            "lock" => options.locked.extend(rest.split(' ').map(|one| {
                let (nevra, repository) = one.split_once('@').unwrap_or((one, ""));
                let repository = (!repository.is_empty()).then(|| repository.to_owned());
                LockedPackage { nevra: nevra.parse().unwrap(), repository }
            })),
            "favour" => options.favoured.extend(rest.split(' ').map(|one| one.parse().unwrap())),
            "architectures" => options.architectures = rest.split(' ').map(str::to_owned).collect(),
            "recommends" => options.recommends = true,
            _ => {
                if repositories.is_empty() {
                    repositories.push(Repository { name: "main".into(), priority: 99, packages: Vec::new() });
                }
                repositories.last_mut().unwrap().packages.push(package(line));
            }
        }
    }
    (repositories, request)
}

fn package(line: &str) -> BinaryPackage {
    let (head, fields) = line.split_once(": ").unwrap_or((line, ""));
    let words: Vec<&str> = head.split(' ').collect();
    let arch = words.get(2).copied().unwrap_or("x86_64");
    let mut package = BinaryPackage::new(format!("{}-{}.{arch}", words[0], words[1]).parse().unwrap());
    package.provides.push(Dependency::new(words[0], words[1], Sense::EQUAL));
    for field in fields.split("; ").filter(|field| !field.is_empty()) {
        let (kind, what) = field.split_once(' ').unwrap();
        let list = match kind {
            "requires" => &mut package.requires,
            "provides" => &mut package.provides,
            "conflicts" => &mut package.conflicts,
            "obsoletes" => &mut package.obsoletes,
            "recommends" => &mut package.recommends,
            "file" => {
                package.files.push(PackageFile { path: what.into(), kind: FileKind::File });
                continue;
            }
            _ => panic!("{line}: {kind}"),
        };
        list.push(dependency(what));
    }
    package
}

fn dependency(text: &str) -> Dependency {
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        _ if text.starts_with('(') => Dependency::new(text, "", Sense::ANY),
        [name, relation, evr] => Dependency::new(*name, *evr, Sense::parse_operator(relation).unwrap()),
        _ => Dependency::new(text, "", Sense::ANY),
    }
}

/// The answer to a scenario: the packages (`.x86_64` is left out, the repository is named if there are several), or the tree
/// of reasons. An answer is checked.
pub(crate) fn answer(text: &str) -> String {
    let (repositories, request) = parse(text);
    let several = repositories.len() > 1;
    let universe = Universe::new(repositories);
    match solve(&universe, &request) {
        Ok(solution) => {
            assert_eq!(check(&universe, &solution.ids(), &request), [], "{text}");
            let shown = solution.packages().iter().map(|chosen| {
                let nevra = chosen.nevra.to_string().trim_end_matches(".x86_64").to_owned();
                if several { format!("{nevra}@{}", chosen.repository) } else { nevra }
            });
            shown.collect::<Vec<_>>().join(" ")
        }
        Err(failure) => failure.problems.iter().map(ToString::to_string).collect::<String>().trim_end().to_owned(),
    }
}
