//! Places in their order, folders, no network, several processes.

use bedplate_source::{Lookaside, Sha256};

use crate::server::{Answer, Server};
use crate::support::{Place, bytes, entry};

#[test]
fn places_are_asked_in_order_until_one_has_the_bytes() {
    let content = bytes(1000, 1);
    let server = Server::new();
    let lying = server.on("/lying", &[Answer::Good(bytes(1000, 2))]);
    let gone = server.on("/gone", &[Answer::Status(404)]);
    let good = server.on("/good", &[Answer::Good(content.clone())]);
    let never = server.on("/never", &[Answer::Good(content.clone())]);
    let mut place = Place::new();
    place.options.lookaside =
        vec![Lookaside::Folder(place.at("lookaside")), Lookaside::Server(format!("{}/cache", server.address))];
    let package = place.package(&entry("f+1.tar", &content, &[&lying, &gone, &good, &never]));
    let fetched = place.fetch(&package).unwrap();
    assert_eq!(place.store.read(&fetched["f+1.tar"]).unwrap(), content);
    let (expected, actual) = (Sha256::of(&content), Sha256::of(&bytes(1000, 2)));
    let told: Vec<String> = place.told().iter().map(|line| line.replace(&server.address, "HOST")).collect();
    assert_eq!(
        told,
        [
            "a f+1.tar: refused DIR/lookaside/f+1.tar: the file is not there".to_owned(),
            "a f+1.tar: refused HOST/cache/f+1.tar: the file is not there".to_owned(),
            "a f+1.tar: refused HOST/cache/a/f+1.tar: the file is not there".to_owned(),
            format!("a f+1.tar: refused HOST/lying: wrong bytes: its SHA-256 should be {expected} and is {actual}"),
            "a f+1.tar: refused HOST/gone: the file is not there".to_owned(),
            "a f+1.tar: got 1000 of HOST/good".to_owned(),
        ]
    );
    // What the place gave in its stead is not in the store, under no name.
    let wrong = bedplate_cas::Digest { hash: actual.0, size: 1000 };
    assert!(!place.store.has(&wrong));
    server.asked();
    place.fetch(&package).unwrap();
    assert_eq!(place.told(), ["a f+1.tar: had 1000"]);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn without_a_network_folders_are_enough() {
    let (one, two, three) = (bytes(10, 1), bytes(20, 2), bytes(30, 3));
    let server = Server::new();
    let url = server.on("/x", &[Answer::Good(three.clone())]);
    let mut place = Place::new();
    place.options.offline = true;
    place.options.lookaside =
        vec![Lookaside::Folder(place.at("lookaside")), Lookaside::Server(format!("{}/cache", server.address))];
    std::fs::create_dir_all(place.at("lookaside/a")).unwrap();
    std::fs::write(place.at("lookaside/a/two"), &two).unwrap();
    std::fs::write(place.at("lookaside/three"), &two).unwrap();
    std::fs::write(place.at("spec/one"), &one).unwrap();
    let list = [entry("one", &one, &[&url]), entry("two", &two, &[&url])].concat();
    let package = place.package(&list);
    assert_eq!(place.fetch(&package).unwrap().len(), 2);
    let package = place.package(&entry("three", &three, &[&url]));
    assert_eq!(
        place.fetch(&package).unwrap_err(),
        "a.sources.toml:2:8 wrong-source: `three` of a: no place has the pinned bytes; DIR/lookaside/three: wrong size: \
         30 bytes are expected, there are 20; help: if upstream made a new file of this name, look at what changed, then \
         `bedplate source update`"
    );
    std::fs::remove_file(place.at("lookaside/three")).unwrap();
    assert_eq!(
        place.fetch(&package).unwrap_err(),
        "a.sources.toml:2:8 source-offline: `three` of a: it is not here, and the network is not to be used; \
         DIR/lookaside/three: the file is not there; help: run `bedplate source fetch` where there is a network, or name a \
         `--lookaside` folder"
    );
    assert_eq!(server.asked(), [""; 0]);
    assert_eq!(bedplate_source::stored(&place.store, &package.list.files[0]).unwrap(), None);
}

#[test]
fn files_that_lie_beside_the_spec_are_stored_as_they_are() {
    let mut place = Place::new();
    std::fs::write(place.at("spec/fix.patch"), "--- a\n+++ b\n").unwrap();
    let mut package = place.package("version = 1\n");
    package.files.push(bedplate_source::SpecFile {
        name: "fix.patch".to_owned(),
        location: "fix.patch".to_owned(),
        span: None,
    });
    let fetched = place.fetch(&package).unwrap();
    assert_eq!(place.store.read(&fetched["fix.patch"]).unwrap(), b"--- a\n+++ b\n");
}

#[test]
fn a_list_without_sizes_finds_its_files_again() {
    let content = bytes(5000, 5);
    let server = Server::new();
    let url = server.on("/v1.tar.gz", &[Answer::BreakOff(content.clone(), 100), Answer::Good(content.clone())]);
    let mut place = Place::new();
    let text = format!("{{\"Signatures\": {{\"a-1.tar.gz\": \"{}\"}}}}", Sha256::of(&content));
    let id = place.sources.add(bedplate_diag::Source::new("a.signatures.json", text.as_str()));
    let list = bedplate_source::SourceList::parse_signatures(id, &text).unwrap();
    let file =
        bedplate_source::SpecFile { name: "a-1.tar.gz".to_owned(), location: format!("{url}#/a-1.tar.gz"), span: None };
    let package = bedplate_source::Package::new("a", &place.at("spec"), vec![file], list);
    assert_eq!(place.fetch(&package).unwrap()["a-1.tar.gz"].size, 5000);
    assert_eq!(server.asked(), ["/v1.tar.gz", "/v1.tar.gz from 100"]);
    assert_eq!(place.fetch(&package).unwrap()["a-1.tar.gz"].size, 5000);
    assert_eq!(server.asked(), [""; 0]);
}

#[test]
fn the_same_file_is_fetched_once() {
    let content = bytes(100_000, 4);
    let server = Server::new();
    let url = server.on("/f", &[Answer::Good(content.clone())]);
    let mut place = Place::new();
    place.options.jobs = 8;
    let list: String = (0..8).map(|n| entry(&format!("f{n}"), &content, &[&url])).collect();
    let package = place.package(&list);
    assert_eq!(place.fetch(&package).unwrap().len(), 8);
    assert_eq!(server.asked(), ["/f"]);
}

#[test]
fn a_server_that_is_not_there_is_waited_for_once() {
    let content = bytes(10, 1);
    let gone = {
        let server = Server::new();
        format!("{}/f", server.address)
    };
    let mut place = Place::new();
    place.options.jobs = 1;
    let other = bytes(10, 2);
    let package = place.package(&[entry("a", &content, &[&gone]), entry("b", &other, &[&gone])].concat());
    let message = place.fetch(&package).unwrap_err();
    let (first, second) = message.split_once('\n').unwrap();
    assert!(first.contains("source-unreachable") && first.contains("(tried 2 times)"), "{first}");
    assert!(second.contains("(as for another file before)"), "{second}");
}

#[test]
fn all_files_that_fail_are_named_and_the_others_are_there() {
    let content = bytes(10, 1);
    let server = Server::new();
    let good = server.on("/good", &[Answer::Good(content.clone())]);
    let mut place = Place::new();
    let list: String =
        ["x", "good", "y"].map(|name| entry(name, &content, &[&format!("{}/{name}", server.address)])).concat();
    // The same bytes are pinned for all: those that cannot be had must be others.
    let list = list.replacen(&Sha256::of(&content).to_string(), &Sha256::of(b"x").to_string(), 1);
    let at = list.rfind(&Sha256::of(&content).to_string()).unwrap();
    let list = format!("{}{}{}", &list[..at], Sha256::of(b"y"), &list[at + 64..]);
    let package = place.package(&list);
    let message = place.fetch(&package).unwrap_err();
    let lines: Vec<&str> = message.lines().map(|line| line.split(';').next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "a.sources.toml:2:8 source-not-there: `x` of a: no place has it",
            "a.sources.toml:12:8 source-not-there: `y` of a: no place has it"
        ]
    );
    assert!(bedplate_source::stored(&place.store, package.list.file("good").unwrap()).unwrap().is_some(), "{good}");
}
