//! Lists: what is read, what is refused, and where.

use std::path::Path;

use bedplate_diag::{Source, Sources};
use bedplate_source::{Origin, Package, Place, RunInput, SourceList, SpecFile, State, tag_span};

use crate::support::{EMPTY, located};

const GOOD: &str = "# zlib, as upstream has it
version = 1

[[file]]
name = \"zlib-1.3.1.tar.gz\"
sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"
size = 1512791
debian = { file = \"zlib_1.3.1.orig.tar.gz\", source = \"zlib\" }
urls = [\"https://zlib.net/fossils/zlib-1.3.1.tar.gz\", \"http://mirror.example/zlib.tar.gz\"]

[[file]]
name = \"vendor.tar.zst\"
sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"
size = 7
go = { lock = \"zlib.go.lock\" }

[[file]]
name = \"firmware.bin\"
sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"
size = 7
deb = { package = \"firmware-x\", version = \"1:1.2-3\", file = \"/usr/lib/firmware.bin\" }
";

fn parse(text: &str) -> Result<SourceList, String> {
    let mut sources = Sources::new();
    let id = sources.add(Source::new("zlib.sources.toml", text));
    SourceList::parse(id, text).map_err(|mistakes| located(&mistakes, &sources))
}

#[test]
fn a_good_list_is_read() {
    let list = parse(GOOD).unwrap();
    let names: Vec<(&str, Option<u64>)> = list.files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(names, [("zlib-1.3.1.tar.gz", Some(1_512_791)), ("vendor.tar.zst", Some(7)), ("firmware.bin", Some(7))]);
    let url = |url: &str| Place::Url(url.to_owned());
    assert_eq!(
        list.files[0].places,
        [
            url("https://zlib.net/fossils/zlib-1.3.1.tar.gz"),
            url("http://mirror.example/zlib.tar.gz"),
            Place::Debian { source: "zlib".to_owned(), file: "zlib_1.3.1.orig.tar.gz".to_owned() },
        ]
    );
    assert_eq!(list.files[1].places, [Place::Go { lock: "zlib.go.lock".to_owned() }]);
    let place = &list.files[2].places[0];
    assert_eq!(place.to_string(), "Debian's package firmware-x 1:1.2-3: usr/lib/firmware.bin");
    assert_eq!(list.files[0].sha256.to_string(), EMPTY);
}

#[test]
fn all_mistakes_are_found_at_once() {
    let text = GOOD
        .replace("version = 1", "version = 2\nfiles = 3")
        .replacen("e3b0", "xxxx", 1)
        .replacen("size = 7\n", "sise = 7\n", 1)
        .replace("https://zlib", "ftp://zlib")
        .replace("\"firmware.bin\"\n", "\"lib/firmware.bin\"\n")
        .replace("version = \"1:1.2-3\", ", "")
        .replace("go = { lock", "go = { look")
        + "
[[file]]
name = \"zlib-1.3.1.tar.gz\"
sha256 = \"12\"
size = \"7\"
urls = []

[[file]]
sha256 = true
";
    let expected = "\
zlib.sources.toml:2:11 bad-version: this program reads version 1
zlib.sources.toml:3:1 unknown-key: unknown key `files`; help: did you mean `file`?
zlib.sources.toml:7:10 bad-hash: `xxxxc44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` is no SHA-256 digest: those are 64 \
hexadecimal digits
zlib.sources.toml:10:9 bad-url: `ftp://zlib.net/fossils/zlib-1.3.1.tar.gz` is no URL of http or https
zlib.sources.toml:12:1 missing-key: this file has no `size`; help: not known yet? write 64 zeros and the size 0, then \
run `bedplate source update`
zlib.sources.toml:15:1 unknown-key: unknown key `sise`; help: did you mean `size`?
zlib.sources.toml:16:6 missing-key: `go` has no `lock`
zlib.sources.toml:16:8 unknown-key: unknown key `look`; help: did you mean `lock`?
zlib.sources.toml:19:8 bad-name: `lib/firmware.bin` is no file name: it is a path: the name alone is meant, as the spec's last part has it
zlib.sources.toml:22:7 missing-key: `deb` has no `version`
zlib.sources.toml:24:1 no-place: nothing says where this file is to be had; help: give it `urls`, `debian`, `deb` or `go`
zlib.sources.toml:26:10 bad-hash: `12` is no SHA-256 digest: those are 64 hexadecimal digits
zlib.sources.toml:27:8 wrong-type: `size` is a whole number
zlib.sources.toml:30:1 missing-key: this file has no `name` and no `size`; help: not known yet? write 64 zeros and the size 0, then run `bedplate source update`
zlib.sources.toml:30:1 no-place: nothing says where this file is to be had; help: give it `urls`, `debian`, `deb` or `go`
zlib.sources.toml:31:10 wrong-type: `sha256` is a text in quotes";
    assert_eq!(parse(&text).unwrap_err(), expected);
}

#[test]
fn a_name_that_is_there_twice_is_shown_at_both_places() {
    let text = GOOD.replace("firmware.bin\"\nsha", "vendor.tar.zst\"\nsha");
    assert_eq!(
        parse(&text).unwrap_err(),
        "zlib.sources.toml:18:8 duplicate-name: `vendor.tar.zst` is there twice; first here 12:8"
    );
    assert!(parse("version = ").unwrap_err().contains("zlib.sources.toml:1:11 bad-toml: "));
}

#[test]
fn what_is_missing_and_what_is_extra_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fix.patch"), "").unwrap();
    let spec = "Name: zlib\nSource0: https://zlib.net/zlib-1.3.2.tar.gz\n Source1 : vendor.tar.zst\nPatch: fix.patch\n\
                Patch7: lost.patch\nSource9: https://host/x#/firmware.bin\n";
    let mut sources = Sources::new();
    let id = sources.add(Source::new("zlib.spec", spec));
    let list_id = sources.add(Source::new("zlib.sources.toml", GOOD));
    let list = SourceList::parse(list_id, GOOD).unwrap();
    let file = |number: u32, is_patch: bool, name: &str| SpecFile {
        name: name.to_owned(),
        location: name.to_owned(),
        span: tag_span(&sources, id, number, is_patch),
    };
    let files = vec![
        file(0, false, "zlib-1.3.2.tar.gz"),
        file(1, false, "vendor.tar.zst"),
        file(0, true, "fix.patch"),
        file(7, true, "lost.patch"),
        file(9, false, "firmware.bin"),
    ];
    let package = Package::new("zlib", folder.path(), files, list);
    let shown = located(&package.check(), &sources).replace(folder.path().to_str().unwrap(), "DIR");
    assert_eq!(
        shown,
        "\
zlib.spec:2:1 missing-source: `zlib-1.3.2.tar.gz` is neither in DIR nor in DIR/zlib.sources.toml; help: the list has \
`zlib-1.3.1.tar.gz`: `bedplate source update zlib` brings it up to date
zlib.spec:5:1 missing-source: `lost.patch` is neither in DIR nor in DIR/zlib.sources.toml; help: pin it with a \
`[[file]]`, or put the file beside the spec
zlib.sources.toml:5:8 extra-source: `zlib-1.3.1.tar.gz` is pinned, and no Source or Patch of the spec names it; help: \
take the entry out, or name the file in the spec"
    );
    let names: Vec<&str> = package.origins().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["vendor.tar.zst", "fix.patch", "firmware.bin"]);
}

#[test]
fn a_file_may_come_with_the_run() {
    let text = GOOD.to_owned() + "\n[[file]]\nname = \"module-signing.pem\"\ninput = \"module-certificate\"\n";
    let list = parse(&text).unwrap();
    assert_eq!(list.files.len(), 3);
    assert_eq!(list.input("module-signing.pem").unwrap().input, RunInput::ModuleCertificate);

    let file = |name: &str| SpecFile { name: name.to_owned(), location: name.to_owned(), span: None };
    let named = list.files.iter().map(|entry| file(&entry.name));
    let files: Vec<SpecFile> = named.chain([file("module-signing.pem")]).collect();
    // A file of this name beside the spec is another one.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("module-signing.pem"), "").unwrap();
    let package = Package::new("zlib", folder.path(), files.clone(), list.clone());
    assert!(package.check().is_empty());
    let store = bedplate_cas::Store::open(&folder.path().join("store")).unwrap();
    let origin = package.origins().pop().unwrap();
    assert!(matches!(origin, ("module-signing.pem", Origin::Input(_))), "{origin:?}");
    assert_eq!(State::of(&store, &package, origin.0, &origin.1).unwrap().word(), "input");
    let package = Package::new("zlib", folder.path(), files[..3].to_vec(), list);
    let codes: Vec<&str> = package.check().iter().map(|one| one.code).collect();
    assert_eq!(codes, ["extra-source"]);

    let text = "version = 1
[[file]]
name = \"a\"
input = \"module-certificat\"
sha256 = \"12\"
usls = []

[[file]]
input = \"module-certificate\"

[[file]]
name = \"b\"
input = \"module-certificate\"

[[file]]
input = \"module-certificate\"
name = \"b\"
";
    let expected = "\
zlib.sources.toml:4:9 unknown-input: no run has an input `module-certificat`; help: there is: `module-certificate`
zlib.sources.toml:5:1 input-not-pinned: `sha256` has no place beside `input`: the bytes of this file come with the run
zlib.sources.toml:6:1 unknown-key: unknown key `usls`; help: the keys here are name, input
zlib.sources.toml:8:1 missing-key: this file has no `name`
zlib.sources.toml:17:8 duplicate-name: `b` is there twice; first here 12:8";
    assert_eq!(parse(text).unwrap_err(), expected);
}

#[test]
fn a_list_of_azure_linux_takes_its_places_from_the_spec() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{{\n \"Signatures\": {{\n  \"a-1.tar.gz\": \"{EMPTY}\"\n }}\n}}\n");
    std::fs::write(folder.path().join("a.signatures.json"), text).unwrap();
    let mut sources = Sources::new();
    let list = SourceList::load(folder.path(), "a", &mut sources).unwrap();
    assert_eq!(list.path.as_deref(), Some(folder.path().join("a.signatures.json").as_path()));
    let file =
        SpecFile { name: "a-1.tar.gz".into(), location: "https://host/v1.tar.gz#/a-1.tar.gz".into(), span: None };
    let package = Package::new("a", folder.path(), vec![file], list);
    assert!(package.check().is_empty());
    assert_eq!(package.list.files[0].places, [Place::Url("https://host/v1.tar.gz".to_owned())]);
    assert_eq!(package.list.files[0].size, None);

    // A list of our own goes first; a spec may have none at all.
    std::fs::write(folder.path().join("a.sources.toml"), "version = 1\nfile = 3\n").unwrap();
    let error = SourceList::load(folder.path(), "a", &mut sources).unwrap_err();
    assert!(error.to_string().ends_with("a.sources.toml has mistakes"), "{error}");
    assert_eq!(SourceList::load(Path::new("/nowhere"), "a", &mut sources).unwrap(), SourceList::default());
}
