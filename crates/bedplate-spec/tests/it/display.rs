//! What good answers display reads back as the same values.

use std::collections::BTreeSet;

use bedplate_model::{Dependency, DependencyKind, parse_rich};
use bedplate_spec::{Dialect, Package};

use crate::entry::with_stack;
use crate::support::suite;

const TAGS: [(DependencyKind, &str); 9] = [
    (DependencyKind::Requires, "Requires"),
    (DependencyKind::Provides, "Provides"),
    (DependencyKind::Conflicts, "Conflicts"),
    (DependencyKind::Obsoletes, "Obsoletes"),
    (DependencyKind::Recommends, "Recommends"),
    (DependencyKind::Suggests, "Suggests"),
    (DependencyKind::Supplements, "Supplements"),
    (DependencyKind::Enhances, "Enhances"),
    (DependencyKind::Order, "OrderWithRequires"),
];

fn shown(package: &Package, kind: DependencyKind) -> BTreeSet<String> {
    package.dependencies(kind).into_iter().flat_map(|set| set.iter()).map(ToString::to_string).collect()
}

/// A tag line that gives this dependency: what is displayed, with its qualifiers at the tag.
fn line(tag: &str, dependency: &Dependency) -> String {
    let words: Vec<&str> = dependency.sense.words().collect();
    let plain = Dependency::new(dependency.name.as_str(), dependency.evr.as_str(), dependency.sense.relation());
    let qualifiers = if words.is_empty() { String::new() } else { format!("({})", words.join(",")) };
    format!("{tag}{qualifiers}: {}\n", plain.to_string().replace('%', "%%"))
}

#[test]
fn dependencies_of_good_answers_read_back_as_the_same_set() {
    with_stack(|| {
        let mut count = 0;
        for case in &suite().cases {
            for dialect in Dialect::ALL {
                let found = suite().evaluate(&case.path(), &case.folder(), &case.content, dialect);
                if !found.is_good() {
                    continue;
                }
                for package in &found.spec.packages {
                    let mut text = "Name: other-name\nVersion: 0\nRelease: 0\nSummary: s\nLicense: l\n".to_owned();
                    let wanted: Vec<_> = TAGS.iter().map(|(kind, _)| shown(package, *kind)).collect();
                    for (kind, tag) in TAGS {
                        let set = package.dependencies(kind).into_iter().flat_map(|set| set.iter());
                        text.extend(set.map(|dependency| line(tag, dependency)));
                    }
                    text.push_str("%description\nx\n");
                    let again = suite().evaluate("/x.spec", "/", text.as_bytes(), dialect);
                    assert!(again.is_good(), "{} {dialect}: {:?}\n{text}", case.name, again.diagnostics);
                    for ((kind, _), wanted) in TAGS.iter().zip(&wanted) {
                        let mut got = shown(&again.spec.packages[0], *kind);
                        got.retain(|one| !one.starts_with("other-name"));
                        assert_eq!(&got, wanted, "{} {dialect} {kind:?}", case.name);
                        count += got.len();
                    }
                }
            }
        }
        assert!(count > 1_000, "only {count} dependencies were looked at");
    });
}

#[test]
fn rich_dependencies_display_as_what_reads_to_the_same_tree() {
    with_stack(|| {
        let mut count = 0;
        for case in &suite().cases {
            let found = suite().evaluate(&case.path(), &case.folder(), &case.content, Dialect::V4_20);
            for package in found.spec.packages.iter().chain([&found.spec.source]) {
                for (kind, _) in TAGS {
                    for one in package.dependencies(kind).into_iter().flat_map(|set| set.iter()) {
                        if !one.is_rich() {
                            continue;
                        }
                        let (tree, rest) = parse_rich(&one.name, kind).unwrap();
                        assert_eq!((tree.to_string().as_str(), rest), (one.name.as_str(), ""), "{}", case.name);
                        count += 1;
                    }
                }
            }
        }
        assert!(count > 50, "only {count} rich dependencies were looked at");
    });
}

/// The expanded spec of a good answer has nothing left to expand but what is not defined or was escaped: reading it with
/// its percent signs doubled gives it again.
#[test]
fn the_expanded_text_of_a_good_answer_expands_to_itself() {
    with_stack(|| {
        for case in &suite().cases {
            let found = suite().evaluate(&case.path(), &case.folder(), &case.content, Dialect::V4_18);
            if found.is_good() {
                let (text, _, _) = suite().expand(&found.spec.parsed.replace('%', "%%"), Dialect::V4_18);
                assert_eq!(text.as_deref(), Some(found.spec.parsed.as_str()), "{}", case.name);
            }
        }
    });
}
