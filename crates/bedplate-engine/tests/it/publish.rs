//! Publications of real packages, judged by rpmkeys, gpg, dnf and rpm.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bedplate_cas::Store;
use bedplate_engine::{
    KEY_FILE, Part, Publication, PublishError, Published, Signers, publish, sign_repository, sign_rpm,
};
use bedplate_repo::{Problem, content_identity, read_signature};
use bedplate_sign::{FileKey, Signer};

const BUILD_TIME: u64 = 1_735_689_600;
const SPEC: &str = "Name: tool
Version: 1
Release: 2
Summary: A tool
License: MIT
BuildArch: noarch
%description
A tool.
%package libs
Summary: Its library
%description libs
A library.
%package debuginfo
Summary: As a debugger wants it
%description debuginfo
Debugging information.
%install
mkdir -p %{buildroot}/usr/share/tool
echo 1 > %{buildroot}/usr/share/tool/data
echo 2 > %{buildroot}/usr/share/tool/debug
%files
/usr/share/tool/data
%files libs
%files debuginfo
/usr/share/tool/debug
";

/// A folder for the test, with unsigned packages in `rpms` and a key.
struct Scene {
    folder: tempfile::TempDir,
    key: FileKey,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("tool.spec"), SPEC).unwrap();
        let mut build = Command::new("rpmbuild");
        build.args(["-ba", "--quiet"]).arg(at("tool.spec")).env("SOURCE_DATE_EPOCH", BUILD_TIME.to_string());
        for (name, body) in [
            ("_topdir", at("top").display().to_string()),
            ("_rpmdir", at("rpms").display().to_string()),
            ("_srcrpmdir", at("rpms").display().to_string()),
            ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm".to_owned()),
            ("_buildhost", "builder".to_owned()),
            ("use_source_date_epoch_as_buildtime", "1".to_owned()),
            ("clamp_mtime_to_source_date_epoch", "1".to_owned()),
            ("dist", "%nil".to_owned()),
        ] {
            build.args(["--define", &format!("{name} {body}")]);
        }
        succeed(&mut build);
        let key = FileKey::create(&at("key.asc"), "Ada Moss <ada@example.org>", day(5)).unwrap();
        let store = Store::open(&at("store")).unwrap();
        Self { folder, key, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn rpm(&self, name: &str) -> PathBuf {
        self.at("rpms").join(name)
    }

    /// All packages that were built.
    fn packages(&self) -> Vec<Publication> {
        let mut names: Vec<_> = std::fs::read_dir(self.at("rpms"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names.iter().map(|name| Publication::new(self.rpm(name), name).unwrap()).collect()
    }

    fn publish(&self, folder: &str, packages: &[Publication]) -> Result<Published, PublishError> {
        publish(&self.at(folder), packages, &signers(&self.key), &self.store)
    }

    /// What `rpmkeys` says of a package, with a database that has one key.
    fn rpmkeys(&self, key: &dyn Signer, package: &Path) -> (bool, String) {
        let database = self.at(&format!("rpmdb-{}", key.public_key().key_id()));
        if !database.exists() {
            std::fs::write(self.at("imported.pub"), key.public_key().armored()).unwrap();
            succeed(
                Command::new("rpmkeys").arg("--dbpath").arg(&database).arg("--import").arg(self.at("imported.pub")),
            );
        }
        let mut check = Command::new("rpmkeys");
        check.arg("--dbpath").arg(&database).args(["-Kv", "--define", "_pkgverify_level all"]).arg(package);
        let done = check.output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

fn day(day: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BUILD_TIME + day * 86_400)
}

fn signers(packages: &FileKey) -> Signers<'_> {
    Signers { packages, modules: None }
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let done = output(command);
    assert!(done.status.success(), "{command:?}: {}", shown(&done));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; toolkit/host-setup installs it"))
}

fn shown(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// The bytes of all files of a folder.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                all.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

#[test]
fn rpm_accepts_what_is_signed_and_nothing_else() {
    let scene = Scene::new();
    let other = FileKey::create(&scene.at("other.asc"), "Ben Hale", day(5)).unwrap();
    for name in ["tool-1-2.noarch.rpm", "tool-1-2.src.rpm"] {
        let (unsigned, signed) = (scene.rpm(name), scene.at(&format!("signed-{name}")));
        sign_rpm(&unsigned, &signed, &scene.key).unwrap();
        let (good, said) = scene.rpmkeys(&scene.key, &signed);
        assert!(good && said.contains("Header V4 EdDSA/SHA256 Signature, key ID"), "{said}");
        assert!(said.contains("Payload SHA256 digest: OK") && said.contains("MD5 digest: OK"), "{said}");
        assert!(!scene.rpmkeys(&scene.key, &unsigned).0);
        assert!(!scene.rpmkeys(&other, &signed).0);

        // All but the signature is as it was: content, size, what the signature header says beside.
        assert_eq!(content_identity(&signed).unwrap(), content_identity(&unsigned).unwrap());
        let (before, after) = (std::fs::read(&unsigned).unwrap(), std::fs::read(&signed).unwrap());
        assert_eq!(before.len(), after.len());
        let tags = "%{NEVRA} %{SIGSIZE} %{SIGMD5} %{SHA1HEADER} %{SHA256HEADER} %{ARCHIVESIZE} %{PAYLOADDIGEST}";
        let query = |path: &Path| succeed(Command::new("rpm").args(["-qp", "--nosignature", "--qf", tags]).arg(path));
        assert_eq!(query(&unsigned), query(&signed));
        assert!(!query(&signed).contains("(none)"), "{}", query(&signed));
        let info = succeed(Command::new("rpm").args(["-qip", "--nosignature"]).arg(&signed));
        let id = scene.key.public_key().key_id().to_lowercase();
        assert!(
            info.lines().any(|line| line.starts_with("Signature   : EdDSA/SHA256") && line.ends_with(&id)),
            "{info}"
        );
        // The key is younger than the build; an older one signs with the time of the build.
        assert!(info.contains("Mon Jan  6") || info.contains("06 Jan 2025") || info.contains("2025-01-06"), "{info}");

        // The same bytes each time, also over itself and in place of another signature.
        sign_rpm(&unsigned, &scene.at("again.rpm"), &scene.key).unwrap();
        assert_eq!(after, std::fs::read(scene.at("again.rpm")).unwrap());
        sign_rpm(&unsigned, &scene.at("again.rpm"), &other).unwrap();
        assert!(scene.rpmkeys(&other, &scene.at("again.rpm")).0);
        sign_rpm(&scene.at("again.rpm"), &scene.at("again.rpm"), &scene.key).unwrap();
        assert_eq!(after, std::fs::read(scene.at("again.rpm")).unwrap());

        // A byte of the payload, of the header, of the signature.
        let header = read_signature(&signed).unwrap();
        let start = after.windows(header.header.len()).position(|window| window == header.header).unwrap();
        let made = header.signature.unwrap();
        let signature = after.windows(made.len()).position(|window| window == made).unwrap();
        for at in [after.len() - 1, start + header.header.len() + 9, start + header.header.len() - 30, signature + 100]
        {
            let mut turned = after.clone();
            turned[at] ^= 1;
            std::fs::write(scene.at("turned.rpm"), turned).unwrap();
            let (good, said) = scene.rpmkeys(&scene.key, &scene.at("turned.rpm"));
            assert!(!good, "byte {at}: {said}");
        }
    }
}

#[test]
fn a_publication_is_what_it_was_made_of() {
    let scene = Scene::new();
    let packages = scene.packages();
    assert_eq!(packages.iter().filter(|one| one.part() == Part::Debug).count(), 1);
    let first = scene.publish("out", &packages).unwrap();
    assert_eq!(first, Published { packages: 4, signed: 4, changed: true });
    let files = bytes(&scene.at("out"));
    let paths: Vec<String> =
        files.keys().map(|path| path.display().to_string()).filter(|path| !path.contains("xml")).collect();
    assert_eq!(
        paths,
        [
            KEY_FILE,
            "debug/noarch/tool-debuginfo-1-2.noarch.rpm",
            "os/noarch/tool-1-2.noarch.rpm",
            "os/noarch/tool-libs-1-2.noarch.rpm",
            "publication.json",
            "source/src/tool-1-2.src.rpm",
        ]
    );
    let mode = std::fs::metadata(scene.at("out")).unwrap().mode() & 0o777;
    assert_eq!(mode & 0o700, 0o700);
    assert_eq!(mode, std::fs::metadata(scene.at("out/os")).unwrap().mode() & 0o777, "no folder of a scratch");

    // Nothing changed, nothing is done; elsewhere, and with another store, it is the same bytes.
    let inode = std::fs::metadata(scene.at("out")).unwrap().ino();
    assert_eq!(scene.publish("out", &packages).unwrap(), Published { packages: 4, signed: 0, changed: false });
    assert_eq!(std::fs::metadata(scene.at("out")).unwrap().ino(), inode);
    assert_eq!(scene.publish("twin", &packages).unwrap(), Published { packages: 4, signed: 0, changed: true });
    assert_eq!(bytes(&scene.at("twin")), files);
    let fresh = Store::open(&scene.at("fresh")).unwrap();
    let mut turned = packages.clone();
    turned.reverse();
    let third = publish(&scene.at("third"), &turned, &signers(&scene.key), &fresh).unwrap();
    assert_eq!(third.signed, 4);
    assert_eq!(bytes(&scene.at("third")), files);

    // What is no longer built goes; what was lost or cut comes back.
    let fewer: Vec<_> = packages.iter().filter(|one| one.part() == Part::Os).cloned().collect();
    assert_eq!(scene.publish("out", &fewer).unwrap(), Published { packages: 2, signed: 0, changed: true });
    assert!(!scene.at("out/debug").exists() && !scene.at("out/source").exists());
    scene.publish("out", &packages).unwrap();
    std::fs::remove_file(scene.at("out/os/repodata/repomd.xml.asc")).unwrap();
    assert!(scene.publish("out", &packages).unwrap().changed);
    assert_eq!(bytes(&scene.at("out")), files);
    // Another key signs all again.
    let other = FileKey::create(&scene.at("other.asc"), "Ben Hale", day(5)).unwrap();
    assert_eq!(publish(&scene.at("out"), &packages, &signers(&other), &scene.store).unwrap().signed, 4);
    assert!(scene.rpmkeys(&other, &scene.at("out/os/noarch/tool-1-2.noarch.rpm")).0);
    // No scratch folder stays.
    let hidden = std::fs::read_dir(scene.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn a_damaged_signed_package_in_the_store_is_signed_again() {
    let scene = Scene::new();
    let packages = scene.packages();
    scene.publish("out", &packages).unwrap();
    let good = bytes(&scene.at("out"));
    let path = scene.at("out/os/noarch/tool-1-2.noarch.rpm");
    // The file is the store's own: a careless hand damages both.
    let mut turned = std::fs::read(&path).unwrap();
    *turned.last_mut().unwrap() ^= 1;
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&path, permissions).unwrap();
    std::fs::write(&path, turned).unwrap();
    let again = scene.publish("again", &packages).unwrap();
    assert_eq!(again.signed, 1);
    assert_eq!(bytes(&scene.at("again")), good);
}

#[test]
fn what_cannot_be_published_leaves_the_folder() {
    let scene = Scene::new();
    let packages = scene.packages();
    scene.publish("out", &packages).unwrap();
    let before = bytes(&scene.at("out"));
    std::fs::write(scene.at("out/os/mine.txt"), "mine").unwrap();
    match scene.publish("out", &packages).unwrap_err() {
        PublishError::Foreign { paths, .. } => assert_eq!(paths, ["os/mine.txt"]),
        other => panic!("{other}"),
    }
    std::fs::remove_file(scene.at("out/os/mine.txt")).unwrap();
    std::fs::create_dir(scene.at("home")).unwrap();
    std::fs::write(scene.at("home/letter"), "dear").unwrap();
    let error = scene.publish("home", &packages).unwrap_err();
    assert!(error.to_string().ends_with("has files that were not published: letter"), "{error}");
    assert_eq!(std::fs::read(scene.at("home/letter")).unwrap(), b"dear");
    std::fs::create_dir(scene.at("empty")).unwrap();
    scene.publish("empty", &packages).unwrap();
    assert!(matches!(scene.publish("tool.spec", &packages), Err(PublishError::Folder { .. })));

    std::fs::write(scene.rpm("bad-1-1.noarch.rpm"), [7; 200]).unwrap();
    std::fs::write(scene.rpm("cut-1-1.noarch.rpm"), [7; 3]).unwrap();
    match scene.publish("out", &scene.packages()).unwrap_err() {
        PublishError::Packages(all) => {
            assert!(matches!(all[..], [(_, Problem::NotAnRpm), (_, Problem::Truncated { .. })]), "{all:?}");
        }
        other => panic!("{other}"),
    }
    let twice = [packages[0].clone(), packages[0].clone()];
    assert!(matches!(scene.publish("out", &twice), Err(PublishError::Twice { .. })));
    let lying = packages[0].clone().with_content([0; 32]);
    let error = scene.publish("out", &[lying]).unwrap_err();
    assert!(error.to_string().contains("its content is not the expected one"), "{error}");
    assert_eq!(bytes(&scene.at("out")), before);
    for name in
        ["tool", "tool.rpm", "tool-1.noarch.rpm", "../tool-1-2.noarch.rpm", "-1-2.noarch.rpm", ".x-1-2.noarch.rpm"]
    {
        assert!(matches!(Publication::new("x", name), Err(PublishError::Name { .. })), "{name}");
    }
}

#[test]
fn gpg_and_dnf_accept_a_publication_and_refuse_a_changed_one() {
    let scene = Scene::new();
    scene.publish("out", &scene.packages()).unwrap();
    let home = scene.at("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg =
        |arguments: &[&Path]| output(Command::new("gpg").args(["--batch", "--homedir"]).arg(&home).args(arguments));
    assert!(gpg(&[Path::new("--import"), &scene.at("out").join(KEY_FILE)]).status.success());
    for part in ["os", "debug", "source"] {
        let repomd = scene.at("out").join(part).join("repodata/repomd.xml");
        let verified = gpg(&[Path::new("--verify"), &repomd.with_extension("xml.asc"), &repomd]);
        assert!(verified.status.success(), "{part}: {}", shown(&verified));
    }

    let dnf = |root: &str, wanted: &str| {
        let out = scene.at("out");
        let mut command = Command::new("dnf");
        command.args([
            "--assumeyes",
            "--releasever=1",
            "--disablerepo=*",
            "--setopt=reposdir=/nonexistent",
            "--noplugins",
        ]);
        for folder in ["cachedir", "logdir", "persistdir"] {
            let path = scene.at(&format!("{root}-{folder}"));
            // dnf 4.14 wants the folder of its logs to be there.
            std::fs::create_dir(&path).unwrap();
            command.arg(format!("--setopt={folder}={}", path.display()));
        }
        command.arg(format!("--repofrompath=bedplate,file://{}/os", out.display()));
        command.args(["--enablerepo=bedplate", "--setopt=bedplate.gpgcheck=1", "--setopt=bedplate.repo_gpgcheck=1"]);
        command.arg(format!("--setopt=bedplate.gpgkey=file://{}/{KEY_FILE}", out.display()));
        command.arg(format!("--installroot={}", scene.at(root).display())).args(["install", wanted]);
        output(&mut command)
    };
    let done = dnf("root", "tool");
    assert!(done.status.success(), "{}", shown(&done));
    assert_eq!(std::fs::read(scene.at("root/usr/share/tool/data")).unwrap(), b"1\n");

    // Metadata with another signature, then a package without one in metadata that is signed.
    let repomd = scene.at("out/os/repodata/repomd.xml");
    let good = std::fs::read_to_string(&repomd).unwrap();
    std::fs::write(&repomd, good.replace("<revision>", "<revision>1")).unwrap();
    let done = dnf("second", "tool");
    assert!(!done.status.success() && !scene.at("second/usr/share/tool/data").exists(), "{}", shown(&done));
    std::fs::write(&repomd, good).unwrap();
    let package = scene.at("out/os/noarch/tool-1-2.noarch.rpm");
    let other = FileKey::create(&scene.at("other.asc"), "Ben Hale", day(5)).unwrap();
    std::fs::remove_file(&package).unwrap();
    sign_rpm(&scene.rpm("tool-1-2.noarch.rpm"), &package, &other).unwrap();
    // The folder's own metadata for it, signed well.
    let refused = sign_repository(&scene.at("out/os"), &scene.key, false, day(6)).unwrap_err();
    assert_eq!(refused.all[0].problem.code(), "bad-package-signature");
    let sign = |repomd: &[u8], _| Ok(bedplate_sign::sign_detached(&scene.key, repomd, day(6))?);
    let options = bedplate_repo::CreateOptions { sign: Some(&sign), ..Default::default() };
    bedplate_repo::create(&scene.at("out/os"), &options).unwrap();
    let done = dnf("third", "tool");
    assert!(!done.status.success() && !scene.at("third/usr/share/tool/data").exists(), "{}", shown(&done));
    // And again with the right one.
    let signed = sign_repository(&scene.at("out/os"), &scene.key, true, day(6)).unwrap();
    assert_eq!((signed.signed, signed.kept), (1, 1));
    let done = dnf("fourth", "tool");
    assert!(done.status.success(), "{}", shown(&done));
}
