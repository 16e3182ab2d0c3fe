//! Repodata that is broken or lies: each mistake has its code, and all are found at once.

use std::error::Error;
use std::path::Path;

use bedplate_repo::{
    Compression, CreateOptions, Findings, LoadOptions, Problem, VerifyOptions, VerifySignature, create, load, verify,
};

use crate::support::{codes, copy_of_odd, odd, read};

/// A repository without compression, whose texts can be changed.
struct Plain(tempfile::TempDir);

impl Plain {
    fn new() -> Self {
        let folder = copy_of_odd();
        create(folder.path(), &CreateOptions { compression: Compression::None, ..CreateOptions::default() }).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, kind: &str) -> std::path::PathBuf {
        let mut entries = std::fs::read_dir(self.path().join("repodata")).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.display().to_string().contains(kind)).unwrap()
    }

    fn change(&self, kind: &str, from: &str, to: &str) {
        let path = self.file(kind);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{kind} has no {from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// Changes a file and all that `repomd.xml` says of it: only what the text itself says is wrong then.
    fn change_well(&self, kind: &str, from: &str, to: &str) {
        let path = self.file(kind);
        let old = std::fs::read_to_string(&path).unwrap();
        self.change(kind, from, to);
        let new = std::fs::read_to_string(&path).unwrap();
        let repomd = self.path().join("repodata/repomd.xml");
        let text = std::fs::read_to_string(&repomd).unwrap();
        let sum = |text: &str| format!(">{}<", bedplate_repo::Checksum::sha256(text.as_bytes()));
        let size = |text: &str| format!("size>{}<", text.len());
        let text = text.replace(&sum(&old), &sum(&new)).replace(&size(&old), &size(&new));
        std::fs::write(repomd, text).unwrap();
    }

    fn findings(&self) -> Findings {
        verify(self.path(), &VerifyOptions { packages: true, ..VerifyOptions::default() }).findings
    }
}

#[test]
fn files_that_are_not_what_repomd_says() {
    for (kind, from, to, want) in [
        ("primary", "</metadata>", "", "wrong-size"),
        ("primary", "Odd &lt;things", "Odd &lt;thinks", "wrong-checksum"),
        ("filelists", "<file>/opt/tool", "<file>/opt/fool", "wrong-checksum"),
        ("repomd", "<open-size>", "<open-size>9", "wrong-open-size"),
        ("repomd", "<open-checksum type=\"sha256\">", "<open-checksum type=\"sha256\">0", "checksum-type"),
        ("repomd", "<checksum type=\"sha256\">", "<checksum type=\"sha\">", "checksum-type"),
        ("repomd", "<checksum type=\"sha256\">", "<checksum type=\"md5\">", "checksum-type"),
        ("repomd", "<checksum type=\"sha256\">", "<checksum type=\"crc\">", "checksum-type"),
        ("repomd", "<checksum type=\"sha256\">", "<checksum>", "missing-attribute"),
        ("repomd", "type=\"primary\"", "kind=\"primary\"", "missing-attribute"),
        ("repomd", "type=\"primary\"", "type=\"other\"", "data-twice"),
        ("repomd", "type=\"other\"", "type=\"different\"", "missing-data"),
        ("repomd", "<size>", "<size>x", "bad-value"),
        ("repomd", "<location href=\"repodata/", "<location href=\"../", "location-outside"),
        ("repomd", "<location href=\"", "<location href=\"/", "location-outside"),
        ("repomd", "<location href", "<location src", "missing-attribute"),
        ("repomd", "</repomd>", "", "bad-xml"),
        ("repomd", "<revision>", "<revision", "bad-xml"),
    ] {
        let repository = Plain::new();
        repository.change(kind, from, to);
        let findings = repository.findings();
        assert!(codes(&findings).contains(&want), "{kind} {from} {to}: {findings:?}");
        assert!(findings.has_errors());
        let loaded = load(&[repository.path()], &LoadOptions { changelogs: 1, ..LoadOptions::default() });
        assert!(loaded.is_err(), "{kind} {from} {to}");
    }
    let repository = Plain::new();
    std::fs::remove_file(repository.file("other")).unwrap();
    assert_eq!(codes(&repository.findings()), ["file-missing"]);
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    let repository = Plain::new();
    let bomb = Compression::Zstd.compress(&vec![b' '; 64 << 20]);
    let path = repository.path().join("repodata/repomd.xml");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = std::fs::read(repository.file("primary")).unwrap();
    std::fs::write(repository.file("primary"), &bomb).unwrap();
    let sum = |bytes: &[u8]| format!("<checksum type=\"sha256\">{}<", bedplate_repo::Checksum::sha256(bytes));
    let size = |bytes: &[u8]| format!("<size>{}<", bytes.len());
    let text = text.replace(&sum(&old), &sum(&bomb)).replace(&size(&old), &size(&bomb));
    std::fs::write(&path, &text).unwrap();
    assert_eq!(codes(&read(repository.path()).unwrap_err()), ["wrong-open-size"]);
    let said = format!("<open-size>{}</open-size>", old.len());
    for open in ["", "<open-size>67108864</open-size>"] {
        assert!(text.contains(&said));
        std::fs::write(&path, text.replacen(&said, open, 1)).unwrap();
        assert_eq!(codes(&read(repository.path()).unwrap_err()), ["too-large"], "{open}");
    }
}

#[test]
fn metadata_that_is_wrong_in_itself_is_found_with_its_place() {
    for (kind, from, to, want, line) in [
        ("primary", "<name>odd</name>", "<name>odd</nome>", "bad-xml", true),
        ("primary", "<name>odd</name>", "", "missing-element", true),
        ("primary", "<arch>src</arch>", "<arch/>", "missing-element", true),
        ("primary", "<version epoch=\"1\" ver=\"1^git2\"", "<version epoch=\"1\"", "missing-attribute", true),
        ("primary", "epoch=\"1\"", "epoch=\"x\"", "bad-value", true),
        ("primary", "ver=\"1^git2\"", "ver=\"1 2\"", "bad-value", true),
        ("primary", "pkgid=\"YES\">", "pkgid=\"YES\">0", "checksum-type", true),
        ("primary", "<checksum type=\"sha256\"", "<checksum type=\"sha1\"", "checksum-type", true),
        ("primary", "<location href=\"odd-2", "<location hraf=\"odd-2", "missing-attribute", true),
        ("primary", "flags=\"EQ\"", "flags=\"EG\"", "bad-value", true),
        ("primary", "<rpm:entry name=\"odd-api\"", "<rpm:entry nome=\"odd-api\"", "missing-attribute", true),
        ("primary", "<size package=\"", "<size package=\"-", "bad-value", true),
        ("primary", "<file type=\"dir\">", "<file type=\"dur\">", "bad-value", true),
        ("primary", "packages=\"5\"", "packages=\"6\"", "package-count", false),
        ("primary", "&lt;things&gt;", "&things;", "bad-xml", true),
        ("primary", "<metadata", "<metadat", "bad-xml", true),
        ("filelists", "name=\"odd-doc\"", "name=\"odd-dic\"", "other-name", false),
        ("filelists", "pkgid=\"", "pkgid=\"x", "checksum-type", true),
        ("filelists", "packages=\"5\"", "packages=\"4\"", "package-count", false),
        ("other", "date=\"17", "date=\"x17", "bad-value", true),
        ("other", "author=", "autor=", "missing-attribute", true),
    ] {
        let repository = Plain::new();
        repository.change_well(kind, from, to);
        let findings = repository.findings();
        let found = findings.all.iter().find(|one| one.problem.code() == want);
        let found = found.unwrap_or_else(|| panic!("{kind} {from} {to}: {findings:?}"));
        assert_eq!(found.place.is_some(), line, "{found}");
        assert!(found.path.ends_with(repository.file(kind).file_name().unwrap()), "{found}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_found_at_once() {
    let repository = Plain::new();
    repository.change_well("primary", "<name>odd</name>", "<name>odd!</name>");
    repository.change_well("primary", "<arch>noarch</arch>", "<arch/>");
    repository.change_well("other", "author=", "autor=");
    repository.change("filelists", "/opt/tool", "/opt/tooo");
    let findings = repository.findings();
    let mut seen = codes(&findings);
    seen.dedup();
    assert_eq!(seen, ["bad-value", "missing-attribute", "missing-element", "wrong-checksum"], "{findings:?}");
    let places: Vec<String> = findings.all.iter().filter(|one| one.place.is_some()).map(ToString::to_string).collect();
    assert_eq!(places.len(), 3, "{places:?}");
    assert!(places.iter().all(|place| place.contains(".xml:")), "{places:?}");
}

#[test]
fn metadata_that_contradicts_the_packages_is_found() {
    let repository = Plain::new();
    let name = "odd-doc-7-1.noarch.rpm";
    repository.change_well(
        "primary",
        "name=\"odd-api\" flags=\"EQ\" epoch=\"0\" ver=\"4\"",
        "name=\"odd-api\" flags=\"EQ\" epoch=\"0\" ver=\"5\"",
    );
    repository.change_well("primary", "<summary>Papers", "<summary>Pampers");
    repository.change_well("filelists", "<file>/opt/tool", "<file>/opt/fool");
    std::fs::remove_file(repository.path().join("odd-none-2.0~rc1-3.x86_64.rpm")).unwrap();
    let shown: Vec<String> = repository.findings().all.iter().map(|one| one.problem.to_string()).collect();
    let has = |want: &str| assert!(shown.iter().any(|one| one.contains(want)), "{want}: {shown:?}");
    has("the list of provides is with `odd-api = 5` in the metadata and with `odd-api = 4` in the package");
    has("the summary is `Pampers` in the metadata and `Papers` in the package");
    has("the list of files is with `/opt/fool (File)` in the metadata and with `/opt/tool (File)` in the package");
    has("package `odd-none-1:2.0~rc1-3.x86_64`: its file is not there");
    // A package that was built again has the same name and other bytes.
    let path = repository.path().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    let findings = repository.findings();
    assert!(codes(&findings).contains(&"wrong-size") && codes(&findings).contains(&"too-long"), "{findings:?}");
}

#[test]
fn the_same_name_twice_is_an_error_and_the_same_package_twice_is_odd() {
    let folder = copy_of_odd();
    let path = folder.path().join("odd-doc-7-1.noarch.rpm");
    std::fs::create_dir(folder.path().join("copy")).unwrap();
    std::fs::copy(&path, folder.path().join("copy/odd-doc-7-1.noarch.rpm")).unwrap();
    let made = create(folder.path(), &CreateOptions::default()).unwrap();
    assert_eq!((made.packages, made.warnings.len()), (5, 1));
    assert_eq!(made.warnings[0].problem.code(), "package-twice");

    // The signature header is no part of what the digests cover: a byte of its reserved space makes another file.
    let mut bytes = std::fs::read(&path).unwrap();
    let at = (200..4500).find(|at| bytes[*at..*at + 64].iter().all(|byte| *byte == 0)).expect("reserved space");
    bytes[at + 32] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let findings = create(folder.path(), &CreateOptions::default()).unwrap_err();
    assert_eq!(codes(&findings), ["nevra-twice"]);

    let first = copy_of_odd();
    std::fs::remove_dir_all(folder.path().join("copy")).unwrap();
    create(first.path(), &CreateOptions::default()).unwrap();
    create(folder.path(), &CreateOptions::default()).unwrap();
    let both = [first.path(), folder.path()];
    let findings = load(&both, &LoadOptions::default()).unwrap_err();
    assert_eq!(codes(&findings), ["nevra-twice"]);
    let shown = findings.all[0].to_string();
    assert!(both.iter().all(|path| shown.contains(path.to_str().unwrap())), "{shown}");
    let allowed = load(&both, &LoadOptions { refuse_same_names: false, ..LoadOptions::default() }).unwrap();
    assert_eq!(allowed.len(), 2);
    assert!(load(&[first.path(), first.path()], &LoadOptions::default()).is_ok());
}

#[test]
fn what_is_no_repository_says_so() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(codes(&read(empty.path()).unwrap_err()), ["no-repository"]);
    let none = empty.path().join("none");
    let findings = load(&[&none, &empty.path().to_owned()], &LoadOptions::default()).unwrap_err();
    assert_eq!(codes(&findings), ["file-unreadable", "no-repository"]);
    assert_eq!(codes(&verify(empty.path(), &VerifyOptions::default()).findings), ["no-repository"]);
    // A plain folder of packages is one: they are checked against themselves.
    let plain = verify(odd(), &VerifyOptions::default());
    assert!(plain.findings.all.is_empty() && plain.packages == 5 && plain.files_read, "{plain:?}");
    // An empty repository is one, all the same.
    assert_eq!(create(empty.path(), &CreateOptions::default()).unwrap().packages, 0);
    assert!(read(empty.path()).unwrap().packages.is_empty());
}

/// Takes the signature `good`.
struct Password;

impl VerifySignature for Password {
    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        assert!(data.starts_with(b"<?xml"));
        if signature == b"good" { Ok(()) } else { Err("it is not the word".into()) }
    }
}

#[test]
fn a_signature_is_asked_for_where_it_is_required() {
    let repository = Plain::new();
    let options = LoadOptions { signature: Some(&Password), ..LoadOptions::default() };
    let result = || load(&[repository.path()], &options).map(|all| all.len()).map_err(|findings| codes(&findings));
    assert_eq!(result(), Err(vec!["unsigned"]));
    let file = repository.path().join("repodata/repomd.xml.asc");
    std::fs::write(&file, "bad").unwrap();
    assert_eq!(result(), Err(vec!["bad-signature"]));
    let verified = verify(repository.path(), &VerifyOptions { signature: Some(&Password), ..VerifyOptions::default() });
    assert!(matches!(&verified.findings.all[0].problem, Problem::Signature { why } if why == "it is not the word"));
    std::fs::write(&file, "good").unwrap();
    assert_eq!(result(), Ok(1));
    assert_eq!(load(&[odd()], &options).map_err(|findings| codes(&findings)).err(), Some(vec!["unsigned"]));
}
