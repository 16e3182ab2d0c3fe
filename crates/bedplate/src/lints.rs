//! Checks beyond what rpm says: things that are good for rpm and bad for the build graph.

use bedplate_diag::Diagnostic;
use bedplate_model::DependencyKind;
use bedplate_spec::{Package, SourcePackage};

const KINDS: [(DependencyKind, &str); 8] = [
    (DependencyKind::Requires, "Requires"),
    (DependencyKind::Provides, "Provides"),
    (DependencyKind::Conflicts, "Conflicts"),
    (DependencyKind::Obsoletes, "Obsoletes"),
    (DependencyKind::Recommends, "Recommends"),
    (DependencyKind::Suggests, "Suggests"),
    (DependencyKind::Supplements, "Supplements"),
    (DependencyKind::Enhances, "Enhances"),
];

/// What is suspicious in a spec that was read.
pub(crate) fn lints(spec: &SourcePackage) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    unexpanded(&spec.source, "BuildRequires", &mut found);
    for package in &spec.packages {
        unexpanded(package, "", &mut found);
    }
    found
}

/// A macro that stayed as text in a dependency: no package will ever provide that.
fn unexpanded(package: &Package, word: &str, found: &mut Vec<Diagnostic>) {
    for (kind, tag) in KINDS {
        let tag = if word.is_empty() || kind != DependencyKind::Requires { tag } else { word };
        for dependency in package.dependencies(kind).into_iter().flat_map(|set| set.iter()) {
            let text = dependency.to_string();
            if text.contains("%{") {
                found.push(
                    Diagnostic::warning(
                        "unexpanded-dependency",
                        format!("package {}: {tag} has a macro that is not defined: `{text}`", package.name()),
                    )
                    .hint("a package of the build may define it: the real value is known in the build root only"),
                );
            }
        }
    }
}
