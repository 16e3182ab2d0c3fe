//! The lock file: what is written is read again, and mistakes are told with their places.

use bedplate_diag::{Source, SourceId, Sources};
use bedplate_solve::{Lock, LockEntry, Request, Universe, solve};

use crate::dsl;

#[test]
fn a_lock_keeps_the_answer_when_newer_packages_come() {
    let (mut repositories, request) = dsl::parse("repository r 1\nb 1-1: provides x\na 1-1: requires x\ninstall a");
    let universe = Universe::new(repositories.clone());
    let lock = Lock::of(&solve(&universe, &request).unwrap());
    let text = lock.to_toml();
    assert_eq!(
        text,
        "# The exact packages of an image, written by `bedplate solve --write-lock`. Do not edit it; write it again.
version = 1

[[package]]
nevra = \"a-1-1.x86_64\"
repository = \"r\"

[[package]]
nevra = \"b-1-1.x86_64\"
repository = \"r\"
"
    );
    let (newer, _) = dsl::parse("repository r 1\na 2-1: requires x\na2 2-1: provides x; obsoletes b");
    repositories[0].packages.extend(newer[0].packages.clone());
    let universe = Universe::new(repositories);
    let names = |request: &Request| {
        let solution = solve(&universe, request).unwrap();
        solution.packages().iter().map(|chosen| chosen.nevra.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&request), ["a-2-1.x86_64", "a2-2-1.x86_64"]);
    let mut locked = request.clone();
    locked.options.locked = Lock::parse(SourceId(0), &text).unwrap().locked();
    assert_eq!(names(&locked), ["a-1-1.x86_64", "b-1-1.x86_64"]);
}

#[test]
fn a_lock_is_written_sorted_and_read_again() {
    let entry = |nevra: &str, repository: Option<&str>, sha256: Option<String>| LockEntry {
        nevra: nevra.parse().unwrap(),
        repository: repository.map(str::to_owned),
        sha256,
    };
    let mut lock = Lock {
        packages: vec![
            entry("b-1-1.noarch", Some("a \"name\" \\ of a repository"), None),
            entry("a-b-1:2-1.x86_64", None, Some("0a".repeat(32))),
            entry("a-2-1.x86_64", None, None),
        ],
    };
    let read = Lock::parse(SourceId(0), &lock.to_toml()).unwrap();
    lock.packages.reverse();
    assert_eq!(read, lock);
    assert_eq!(read.to_toml(), lock.to_toml());
}

#[test]
fn all_mistakes_of_a_lock_are_told_with_their_places() {
    let text = "verison = 1
[[package]]
nevra = \"a\"
[[package]]
nevra = \"b-1-1.x86_64\"
sha256 = \"E3\"
[[package]]
repository = 7
[[package]]
nevra = \"b-1-1.x86_64\"
";
    let mut sources = Sources::new();
    let id = sources.add(Source::new("image.lock", text));
    let told: Vec<String> = Lock::parse(id, text)
        .unwrap_err()
        .into_iter()
        .map(|one| {
            let (_, place) = sources.locate(one.span.unwrap()).unwrap();
            format!("{}:{}: {}", place.line, place.column, one.message)
        })
        .collect();
    assert_eq!(
        told,
        [
            "1:1: unknown key `verison`",
            "3:9: `a`: not of the form `name-[epoch:]version-release.arch`",
            "6:10: `sha256` is 64 hexadecimal digits, in lower case",
            "7:1: a package needs `nevra`",
            "8:14: `repository` is a text in quotes",
            "9:1: b-1-1.x86_64 is locked twice",
            "11:1: a lock needs `version = 1`",
        ]
    );
    assert!(Lock::parse(id, "version = [").is_err());
}
