//! Files of Debian, through the apt of this machine: a mirror has to be configured and there.

use bedplate_apt::Apt;
use bedplate_source::{FetchOptions, HttpOptions, Package, fetch};

use crate::support::{Place, names};

/// GNU hello: every suite of the last ten years has this file.
const LIST: &str = "[[file]]
name = \"hello-2.10.tar.gz\"
sha256 = \"31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b\"
size = 725946
debian = { source = \"hello\", file = \"hello_2.10.orig.tar.gz\" }
";

#[test]
fn a_file_of_a_source_package_needs_no_lists() {
    let mut place = Place::new();
    let apt = Apt::new(&place.at("apt"), &["trixie"]).unwrap();
    let package: Package = place.package(LIST);
    // Without apt, such a place is passed over.
    let error = place.fetch(&package).unwrap_err();
    assert!(
        error.contains("Debian's source package hello: hello_2.10.orig.tar.gz: packages of Debian are not"),
        "{error}"
    );
    let options = FetchOptions {
        offline: false,
        lookaside: Vec::new(),
        apt: Some(&apt),
        partial: place.at("partial"),
        jobs: 1,
        http: HttpOptions::default(),
    };
    let fetched = fetch(&place.store, &[package], &options, &|_, _, _| {}).unwrap();
    assert_eq!(fetched[0]["hello-2.10.tar.gz"].size, 725_946);
    let lists = names(&place.at("apt/trixie/state/lists"));
    assert!(!lists.iter().any(|name| name.ends_with("Sources")), "{lists:?}");
}
