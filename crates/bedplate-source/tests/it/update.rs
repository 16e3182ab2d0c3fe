//! Lists that are brought up to date, and verification.

use bedplate_source::{Package, Sha256, SourceList, SpecFile, State, UpdateError, update, verify};

use crate::server::{Answer, Server};
use crate::support::{Place, bytes, entry, located};

/// A package of a list's text, whose spec names these files.
fn package(place: &mut Place, text: &str, names: &[&str]) -> Package {
    let id = place.sources.add(bedplate_diag::Source::new("a.sources.toml", text));
    let list = SourceList::parse(id, text).unwrap();
    let file = |name: &&str| SpecFile { name: (*name).to_owned(), location: (*name).to_owned(), span: None };
    Package::new("a", &place.at("spec"), names.iter().map(file).collect(), list)
}

#[test]
fn a_new_version_is_pinned_and_the_rest_of_the_text_stays() {
    let server = Server::new();
    let (old, new, other) = (bytes(100, 1), bytes(120, 2), bytes(30, 3));
    server.on("/1.4/a-1.4.0.tar.gz", &[Answer::Good(new.clone())]);
    server.on("/data-7.bin", &[Answer::Good(other.clone())]);
    let host = &server.address;
    let text = |version: &str, series: &str, content: &[u8]| {
        format!(
            "# a 1.3.1 was the first\nversion = 1\n\n[[file]]   # upstream\nname = \"a-{version}.tar.gz\"\n  sha256 = \"{}\"  # checked\n\
             size = {}\nurls = [\n  \"{host}/gone/a-{version}.tar.gz\",\n  \"{host}/{series}/a-{version}.tar.gz\", # series\n]\n\n\
             [[file]]\nname = \"data-7.bin\"\nsize = {}\nsha256 = \"{}\"\nurls = [\"{host}/data-7.bin\"]\n# the end\n",
            Sha256::of(content),
            content.len(),
            other.len(),
            Sha256::of(&other),
        )
    };
    let mut place = Place::new();
    let before = text("1.3.1", "1.3", &old);
    let package = package(&mut place, &before, &["a-1.4.0.tar.gz", "data-7.bin"]);
    let done = update(&place.store, &package, &before, &place.options, &|_, _, _| {}).unwrap();
    assert_eq!(done.text, text("1.4.0", "1.4", &new));
    let first = &done.changes[0];
    assert_eq!(first.name, ("a-1.3.1.tar.gz".to_owned(), "a-1.4.0.tar.gz".to_owned()));
    assert_eq!((first.sha256, first.size), ((Sha256::of(&old), Sha256::of(&new)), (100, 120)));
    assert_eq!(first.place, format!("{host}/1.4/a-1.4.0.tar.gz"));
    assert_eq!(done.changes.iter().map(|change| change.is_none()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(crate::support::names(&place.at("partial")), [""; 0]);
}

#[test]
fn nothing_is_changed_if_a_file_cannot_be_had() {
    let server = Server::new();
    let url = server.on("/a", &[Answer::Good(bytes(10, 1))]);
    let mut place = Place::new();
    let text = [entry("a", b"old", &[&url]), entry("b", b"old", &[&format!("{}/b", server.address)])].concat();
    let package = package(&mut place, &text, &["a", "b"]);
    let Err(UpdateError::Failures(failures)) = update(&place.store, &package, &text, &place.options, &|_, _, _| {})
    else {
        panic!("`b` is nowhere");
    };
    let diagnostics: Vec<_> = failures.iter().map(|failure| failure.to_diagnostic()).collect();
    let shown = located(&diagnostics, &place.sources).replace(&server.address, "HOST");
    assert_eq!(
        shown,
        "a.sources.toml:7:8 source-not-there: `b` of a: no place has it; HOST/b: the file is not there; help: correct the \
         place in the list, or add another"
    );
}

#[test]
fn verification_hashes_all_files_again() {
    let (good, beside) = (bytes(1000, 1), bytes(50, 2));
    let server = Server::new();
    let url = server.on("/good", &[Answer::Good(good.clone())]);
    let mut place = Place::new();
    let text = [
        entry("good", &good, &[&url]),
        entry("beside", &beside, &[&url]),
        entry("wrong", &bytes(50, 3), &[&url]),
        entry("missing", &bytes(50, 4), &[&url]),
    ]
    .concat();
    std::fs::write(place.at("spec/beside"), &beside).unwrap();
    std::fs::write(place.at("spec/wrong"), &beside).unwrap();
    std::fs::write(place.at("spec/fix.patch"), "").unwrap();
    let all = package(&mut place, &text, &["good", "beside", "wrong", "missing", "fix.patch"]);
    let one = package(&mut place, &entry("good", &good, &[&url]), &["good"]);
    place.fetch(&one).unwrap();
    let states: Vec<&str> = all
        .origins()
        .iter()
        .map(|(name, origin)| State::of(&place.store, &all, name, origin).unwrap().word())
        .collect();
    assert_eq!(states, ["stored", "here", "here", "missing", "here"]);
    let shown = |place: &Place| {
        let wrong = verify(&place.store, &all).unwrap();
        located(&wrong, &place.sources).replace(place.folder.path().to_str().unwrap(), "DIR")
    };
    let expected = format!(
        "a.sources.toml:12:8 wrong-source: DIR/spec/wrong: wrong bytes: its SHA-256 should be {} and is {}\n\
         a.sources.toml:17:8 source-not-stored: `missing` of a is neither in the store nor beside the spec; help: \
         `bedplate source fetch` gets it",
        Sha256::of(&bytes(50, 3)),
        Sha256::of(&beside)
    );
    assert_eq!(shown(&place), expected);

    // A bit of the store's copy flips: it is named, and dropped.
    let blob = place.store.path_of(&bedplate_cas::Digest::of(&good)).unwrap();
    let mut content = std::fs::read(&blob).unwrap();
    content[500] ^= 4;
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, content).unwrap();
    let first = shown(&place);
    assert!(first.starts_with("a.sources.toml:2:8 damaged-source: blob "), "{first}");
    assert!(shown(&place).starts_with("a.sources.toml:2:8 source-not-stored: `good` of a"), "{}", shown(&place));
    place.fetch(&one).unwrap();
    assert_eq!(shown(&place), expected);
}
