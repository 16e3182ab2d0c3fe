//! Why there is no answer, as a tree.

use std::fmt::{self, Write};

use bedplate_diag::Category;
use serde::Serialize;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("cannot install what is asked for\n{}", self.reasons())]
pub struct Failure {
    /// Reasons that do not depend on each other.
    pub problems: Vec<Reason>,
}

impl Failure {
    /// The trees of all problems as text, without a newline at the end.
    pub fn reasons(&self) -> String {
        self.problems.iter().map(ToString::to_string).collect::<String>().trim_end().to_owned()
    }

    /// The items of the request that take part, each once, in the order of the text.
    pub fn requested(&self) -> Vec<&str> {
        let mut open: Vec<&Reason> = self.problems.iter().rev().collect();
        let mut items = Vec::new();
        while let Some(reason) = open.pop() {
            if let What::Requested { item } = &reason.what
                && !items.contains(&item.as_str())
            {
                items.push(item.as_str());
            }
            open.extend(reason.because.iter().rev());
        }
        items
    }

    /// Who can mend it: the request or the packages, so the input.
    pub fn category(&self) -> Category {
        Category::Input
    }
}

/// A statement, and why it does not help or what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The statement.
    pub what: What,
    /// What it is because of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Reason>,
}

/// A statement of a [`Reason`]. Packages of one name are listed together where the same is true of all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// The request has this item.
    Requested {
        /// The item.
        item: String,
    },
    /// The packages require something.
    Requires {
        /// The packages.
        packages: Vec<String>,
        /// What they require.
        capability: String,
    },
    /// No package provides this.
    Unknown {
        /// The capability.
        capability: String,
        /// Names that are nearly the same.
        near: Vec<String>,
        /// Packages that provide it in other versions.
        others: Vec<String>,
    },
    /// No one package provides all that is wanted of one.
    NoOnePackage {
        /// What is wanted: `(a with b)`, `(a without b)`.
        selection: String,
    },
    /// The rpm that will install the packages lacks a feature.
    UnknownFeature {
        /// The feature: `rpmlib(NAME)` with its version.
        capability: String,
        /// A name that is nearly the same.
        near: Vec<String>,
    },
    /// The packages conflict with others that are needed too.
    Conflicts {
        /// The packages.
        packages: Vec<String>,
        /// What they conflict with.
        capability: String,
        /// The packages that provide it.
        with: Vec<String>,
    },
    /// The packages obsolete others that are needed too.
    Obsoletes {
        /// The packages.
        packages: Vec<String>,
        /// What they obsolete.
        capability: String,
        /// The packages of that name.
        obsoleted: Vec<String>,
    },
    /// Only one of the packages of a name can be there.
    OneVersion {
        /// The name.
        name: String,
        /// The packages that take part.
        packages: Vec<String>,
    },
    /// The exclude list takes the packages.
    Excluded {
        /// The packages.
        packages: Vec<String>,
        /// The pattern.
        pattern: String,
    },
    /// The packages are for another architecture.
    Architecture {
        /// The packages.
        packages: Vec<String>,
        /// The architectures that are allowed.
        allowed: Vec<String>,
    },
    /// The lock has other packages of this name.
    Locked {
        /// The packages.
        packages: Vec<String>,
        /// What the lock has.
        to: Vec<String>,
    },
    /// The lock names a package that is not there.
    LockedMissing {
        /// The package.
        package: String,
        /// The repository that the lock names.
        repository: Option<String>,
        /// What is there of that name.
        instead: Vec<String>,
    },
    /// The reasons stand above.
    Above {
        /// The packages.
        packages: Vec<String>,
    },
}

/// How many packages a line names before it counts the rest.
const SHOWN: usize = 4;

fn list(all: &[String]) -> String {
    let mut text = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN {
        let _ = write!(text, " and {} more", all.len() - SHOWN);
    }
    text
}

/// The verb for one or several.
fn verb<'a>(all: &[String], one: &'a str, several: &'a str) -> &'a str {
    if all.len() == 1 { one } else { several }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested { item } => write!(f, "`{item}` is asked for"),
            Self::Requires { packages, capability } => {
                write!(f, "{} {} `{capability}`", list(packages), verb(packages, "requires", "require"))
            }
            Self::Unknown { capability, near, others } => {
                write!(f, "nothing provides `{capability}`")?;
                if !others.is_empty() {
                    write!(f, "; there is {}", list(others))?;
                }
                if !near.is_empty() {
                    write!(f, "; did you mean `{}`?", near.join("` or `"))?;
                }
                Ok(())
            }
            Self::NoOnePackage { selection } => write!(f, "no one package fits `{selection}`"),
            Self::UnknownFeature { capability, near } => {
                write!(f, "rpm has no feature `{capability}`")?;
                if near.is_empty() { Ok(()) } else { write!(f, "; it has `{}`", near.join("`, `")) }
            }
            Self::Conflicts { packages, capability, with } => {
                write!(f, "{} {} with `{capability}`", list(packages), verb(packages, "conflicts", "conflict"))?;
                if with.is_empty() {
                    return Ok(());
                }
                write!(f, ", which {} {}", list(with), verb(with, "is or provides", "are or provide"))
            }
            Self::Obsoletes { packages, capability, obsoleted } => write!(
                f,
                "{} {} `{capability}`, which takes {}",
                list(packages),
                verb(packages, "obsoletes", "obsolete"),
                list(obsoleted)
            ),
            Self::OneVersion { name, packages } => {
                write!(f, "only one version of {name} can be there, of {}", list(packages))
            }
            Self::Excluded { packages, pattern } => {
                write!(f, "{} {} excluded by `{pattern}`", list(packages), verb(packages, "is", "are"))
            }
            Self::Architecture { packages, allowed } => {
                write!(f, "{} {} not for {}", list(packages), verb(packages, "is", "are"), allowed.join(" or "))
            }
            Self::Locked { packages, to } => {
                write!(f, "{} {} not what the lock has: {}", list(packages), verb(packages, "is", "are"), list(to))
            }
            Self::LockedMissing { package, repository, instead } => {
                write!(f, "{package} is in the lock, and not ")?;
                match repository {
                    Some(repository) => write!(f, "in the repository {repository}")?,
                    None => write!(f, "in a repository")?,
                }
                if instead.is_empty() { Ok(()) } else { write!(f, "; there is {}", list(instead)) }
            }
            Self::Above { packages } => write!(f, "{}: see above", list(packages)),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut open = vec![(self, 0)];
        while let Some((reason, depth)) = open.pop() {
            writeln!(f, "{:width$}{}", "", reason.what, width = 2 * depth)?;
            open.extend(reason.because.iter().rev().map(|inner| (inner, depth + 1)));
        }
        Ok(())
    }
}
