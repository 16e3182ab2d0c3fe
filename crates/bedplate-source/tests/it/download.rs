//! One server and one file: what is gone on with, tried again, refused.

use crate::server::{Answer, Server};
use crate::support::{Place, bytes, entry, names};

/// Fetches one file of 200,000 bytes from a server that gives these answers; what came of it and what was asked for.
fn with(answers: &[Answer]) -> (Result<u64, String>, Vec<String>, Vec<String>) {
    let server = Server::new();
    let url = server.on("/f", answers);
    let mut place = Place::new();
    let package = place.package(&entry("f", &good(), &[&url]));
    let fetched = place.fetch(&package);
    let plain = |text: &str| text.replace(&server.address, "http://HOST");
    let result = fetched.map(|files| files["f"].size).map_err(|text| plain(&text));
    if result.is_ok() {
        assert_eq!(names(&place.at("partial")), [""; 0]);
        assert_eq!(place.store.read(&place.fetch(&package).unwrap()["f"]).unwrap(), good());
    }
    let told = place.told();
    (result, server.asked(), told.iter().map(|line| plain(line)).collect())
}

fn good() -> Vec<u8> {
    bytes(200_000, 7)
}

#[test]
fn a_file_is_fetched_whole_or_in_parts() {
    let part = |from: usize| format!("/f from {from}");
    for (answers, asked) in [
        (vec![Answer::Good(good())], vec!["/f".to_owned()]),
        (vec![Answer::Unannounced(good())], vec!["/f".to_owned()]),
        // Broken off twice: the rest is asked for.
        (
            vec![Answer::BreakOff(good(), 70_000), Answer::BreakOff(good(), 70_000), Answer::Good(good())],
            vec!["/f".to_owned(), part(70_000), part(140_000)],
        ),
        // A server without parts sends all again.
        (vec![Answer::BreakOff(good(), 5), Answer::Whole(good())], vec!["/f".to_owned(), part(5)]),
        // Each time a little further, more often than a server that gets nowhere is tried.
        (vec![Answer::BreakOff(good(), 66_000); 6], vec!["/f".to_owned(), part(66_000), part(132_000), part(198_000)]),
        (
            vec![Answer::Status(503), Answer::Status(429), Answer::Good(good())],
            vec!["/f".to_owned(), "/f".to_owned(), "/f".to_owned()],
        ),
    ] {
        let (result, found, _) = with(&answers);
        assert_eq!(result, Ok(200_000), "{:?}", answers.len());
        assert_eq!(found, asked);
    }
}

#[test]
fn a_redirect_is_followed() {
    let server = Server::new();
    let there = server.on("/there", &[Answer::Good(good())]);
    let url = server.on("/f", &[Answer::Redirect(there)]);
    let mut place = Place::new();
    let package = place.package(&entry("f", &good(), &[&url]));
    assert_eq!(place.fetch(&package).unwrap()["f"].size, 200_000);
    assert_eq!(server.asked(), ["/f", "/there"]);
}

#[test]
fn wrong_bytes_are_refused_with_expected_and_actual() {
    let mut flipped = good();
    flipped[100_000] ^= 1;
    let (expected, actual) = (bedplate_source::Sha256::of(&good()), bedplate_source::Sha256::of(&flipped));
    let longer = [good(), vec![0; 100_000]].concat();
    let mut long_part = good();
    long_part.push(0);
    for (answer, why) in [
        (Answer::Good(flipped), format!("wrong bytes: its SHA-256 should be {expected} and is {actual}")),
        (Answer::Good(good()[1..].to_vec()), "wrong size: 200000 bytes are expected, there are 199999".to_owned()),
        (Answer::Good(long_part), "wrong size: 200000 bytes are expected, there are 200001".to_owned()),
        (Answer::Announce(Vec::new(), 12), "wrong size: 200000 bytes are expected, there are 12".to_owned()),
        (Answer::Unannounced(longer), "wrong size: 200000 bytes are expected, there are at least 2".to_owned()),
    ] {
        let (result, asked, _) = with(&[answer]);
        let message = result.unwrap_err();
        let wanted =
            format!("a.sources.toml:2:8 wrong-source: `f` of a: no place has the pinned bytes; http://HOST/f: {why}");
        assert!(message.starts_with(&wanted), "{message}\n{wanted}");
        assert!(message.ends_with("look at what changed, then `bedplate source update`"), "{message}");
        // Wrong bytes are no fault of the connection: nothing is tried again.
        assert_eq!(asked, ["/f"]);
    }
}

#[test]
fn what_a_server_cannot_give_is_said() {
    let again = |n: usize| vec!["/f".to_owned(); n];
    for (answers, code, why, asked) in [
        (vec![Answer::Status(404)], "source-not-there", "the file is not there", again(1)),
        (vec![Answer::Status(403)], "source-unreachable", "the server answers with status 403", again(1)),
        (
            vec![Answer::Status(503)],
            "source-unreachable",
            "the server answers with status 503 (tried 3 times)",
            again(3),
        ),
        (vec![Answer::BreakOff(good(), 0)], "source-unreachable", "(tried 3 times)", again(3)),
        (
            vec![Answer::BreakOff(good(), 10), Answer::WrongPart(good())],
            "source-not-there",
            "the server sends another part than was asked for",
            vec!["/f".to_owned(), "/f from 10".to_owned()],
        ),
    ] {
        let (result, found, _) = with(&answers);
        let message = result.unwrap_err();
        assert!(message.contains(&format!("a.sources.toml:2:8 {code}: ")) && message.contains(why), "{message}");
        assert_eq!(found, asked);
    }
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let server = Server::new();
    let silent = server.on("/silent", &[Answer::Silent]);
    let good_url = server.on("/good", &[Answer::Good(good())]);
    let mut place = Place::new();
    place.options.http.tries = 1;
    place.options.http.patience = std::time::Duration::from_millis(200);
    let package = place.package(&entry("f", &good(), &[&silent, &good_url]));
    place.fetch(&package).unwrap();
    let told = place.told().join("\n");
    assert!(told.contains("/silent: timeout"), "{told}");
    assert!(told.ends_with("/good"), "{told}");
}

#[test]
fn what_an_earlier_run_left_is_gone_on_with() {
    let server = Server::new();
    let url = server.on("/f", &[Answer::BreakOff(good(), 30_000), Answer::Status(403), Answer::Good(good())]);
    let mut place = Place::new();
    let package = place.package(&entry("f", &good(), &[&url]));
    assert!(place.fetch(&package).unwrap_err().contains("status 403"));
    assert_eq!(names(&place.at("partial")), [bedplate_source::Sha256::of(&good()).to_string()]);
    server.asked();
    place.fetch(&package).unwrap();
    assert_eq!(server.asked(), ["/f from 30000"]);
    assert_eq!(names(&place.at("partial")), [""; 0]);
}

#[test]
fn a_wrong_beginning_does_not_make_a_good_place_bad() {
    let sha256 = bedplate_source::Sha256::of(&good()).to_string();
    for (left, asked) in [
        // Bytes of another file, fewer, as many, and more than there should be.
        (bytes(1000, 9), vec!["/f from 1000", "/f"]),
        (bytes(200_000, 9), vec!["/f"]),
        (bytes(300_000, 9), vec!["/f"]),
    ] {
        let server = Server::new();
        let url = server.on("/f", &[Answer::Good(good())]);
        let mut place = Place::new();
        std::fs::create_dir(place.at("partial")).unwrap();
        std::fs::write(place.at("partial").join(&sha256), left).unwrap();
        let package = place.package(&entry("f", &good(), &[&url]));
        place.fetch(&package).unwrap();
        assert_eq!(server.asked(), asked);
    }
}
