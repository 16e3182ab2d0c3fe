//! The seeds of the fuzz targets, and the conformance cases, through the functions of the fuzz targets.

use std::path::Path;

use crate::entry;
use crate::support::suite;

/// Runs every file of a seed folder; a crash that a fuzzer found becomes a file there.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 10, "too few seeds of {target}");
    for name in names {
        run(&std::fs::read(&name).unwrap());
    }
}

#[test]
fn seeds_of_macros() {
    replay("macros", entry::macros);
}

#[test]
fn seeds_of_spec() {
    replay("spec", entry::spec);
}

#[test]
fn seeds_of_rich() {
    replay("rich", entry::rich);
}

#[test]
fn conformance_cases_as_seeds() {
    for (n, case) in suite().cases.iter().enumerate() {
        let dialect = u8::try_from(n % 3).unwrap();
        entry::spec(&[&[dialect], case.content.as_slice()].concat());
        entry::macros(&[&[dialect], case.content.as_slice()].concat());
    }
}
