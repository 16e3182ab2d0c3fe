//! A process that is killed in the middle of a download, and the next one.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bedplate_source::Sha256;

use crate::server::{Answer, Server};
use crate::support::{Place, bytes, entry, names};

const URL: &str = "BEDPLATE_TEST_URL";
const PARTIAL: &str = "BEDPLATE_TEST_PARTIAL";

fn content() -> Vec<u8> {
    bytes(300_000, 11)
}

/// What the process does that is killed; a run of all tests has nothing to do here.
#[test]
fn child() {
    let (Ok(url), Ok(partial)) = (std::env::var(URL), std::env::var(PARTIAL)) else { return };
    let mut place = Place::new();
    place.options.partial = partial.into();
    place.options.http.patience = Duration::from_secs(60);
    let package = place.package(&entry("f", &content(), &[&url]));
    let _ = place.fetch(&package);
    unreachable!("the server never ends");
}

#[test]
fn what_a_killed_process_had_is_gone_on_with() {
    let server = Server::new();
    let url = server.on("/f", &[Answer::Stall(content(), 123_456), Answer::Good(content())]);
    let mut place = Place::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child"])
        .env(URL, &url)
        .env(PARTIAL, &place.options.partial)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = place.options.partial.join(Sha256::of(&content()).to_string());
    let begin = Instant::now();
    while path.metadata().map_or(0, |data| data.len()) < 123_456 {
        assert!(begin.elapsed() < Duration::from_secs(60), "the child does not fetch");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(server.asked(), ["/f"]);
    let package = place.package(&entry("f", &content(), &[&url]));
    let fetched = place.fetch(&package).unwrap();
    assert_eq!(server.asked(), ["/f from 123456"]);
    assert_eq!(place.store.read(&fetched["f"]).unwrap(), content());
    assert_eq!(names(&place.options.partial), [""; 0]);
}
