//! Packages with kernel modules, signed and published: judged by rpm, cpio, openssl and kmod.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::UNIX_EPOCH;

use bedplate_cas::Store;
use bedplate_engine::{Publication, PublishError, Published, Signers, publish};
use bedplate_repo::content_identity;
use bedplate_sign::{CertificateKey, FileKey, ModuleSigner};

const SPEC: &str = "Name: part
Version: 1
Release: 2
Summary: Kernel modules
License: MIT
%global debug_package %{nil}
%description
Kernel modules.
%package tool
Summary: No module
%description tool
A program.
%package packed
Summary: A module that is compressed
%description packed
A module that is compressed.
%install
modules=%{buildroot}/usr/lib/modules/6.12/kernel
mkdir -p $modules/sub %{buildroot}/usr/bin
for name in one sub/two; do
    echo \"const char text[] __attribute__((section(\\\".modinfo\\\"), used)) = \\\"description=$name\\\";\" > part.c
    cc -c part.c -o $modules/$name.ko
done
ln $modules/one.ko $modules/again.ko
echo text > %{buildroot}/usr/lib/modules/6.12/modules.order
echo 1 > %{buildroot}/usr/bin/tool.ko
gzip -n < $modules/one.ko > $modules/packed.ko.gz
%files
/usr/lib/modules/6.12/kernel/one.ko
/usr/lib/modules/6.12/kernel/again.ko
/usr/lib/modules/6.12/kernel/sub
/usr/lib/modules/6.12/modules.order
%files tool
/usr/bin/tool.ko
%files packed
/usr/lib/modules/6.12/kernel/packed.ko.gz
";
const PART: &str = "part-1-2.x86_64.rpm";
const MODULES: [&str; 3] = ["kernel/again.ko", "kernel/one.ko", "kernel/sub/two.ko"];

#[track_caller]
fn run(command: &mut Command) -> String {
    let done = output(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; toolkit/host-setup installs it"))
}

/// Unsigned packages, keys and a store.
struct Scene {
    folder: tempfile::TempDir,
    key: FileKey,
    modules: ModuleSigner,
    store: Store,
}

fn module_signer(path: &Path) -> ModuleSigner {
    ModuleSigner::new(CertificateKey::load_or_create_self_signed(path, "Modules of a test").unwrap()).unwrap()
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("part.spec"), SPEC).unwrap();
        let mut build = Command::new("rpmbuild");
        build.args(["-bb", "--quiet", "--target", "x86_64"]).arg(at("part.spec"));
        for (name, body) in [
            ("_topdir", at("top").display().to_string()),
            ("_rpmdir", at("rpms").display().to_string()),
            ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm".to_owned()),
            ("_binary_payload", "w12.zstdio".to_owned()),
            ("dist", "%nil".to_owned()),
        ] {
            build.args(["--define", &format!("{name} {body}")]);
        }
        run(&mut build);
        let key = FileKey::create(&at("key.asc"), "Ada Moss", UNIX_EPOCH).unwrap();
        let modules = module_signer(&at("modules.pem"));
        let store = Store::open(&at("store")).unwrap();
        Self { folder, key, modules, store }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn packages(&self, names: &[&str]) -> Vec<Publication> {
        names.iter().map(|name| Publication::new(self.at("rpms").join(name), name).unwrap()).collect()
    }

    fn publish(&self, folder: &str, modules: Option<&ModuleSigner>) -> Published {
        let signers = Signers { packages: &self.key, modules };
        publish(&self.at(folder), &self.packages(&[PART, "part-tool-1-2.x86_64.rpm"]), &signers, &self.store).unwrap()
    }

    /// What rpm2cpio unpacks.
    fn unpacked(&self, package: &Path, folder: &str) -> PathBuf {
        let folder = self.at(folder);
        std::fs::create_dir(&folder).unwrap();
        let script = "rpm2cpio \"$1\" | cpio --quiet -idm --no-absolute-filenames";
        run(Command::new("sh").args(["-ec", script, "sh"]).arg(package).current_dir(&folder));
        folder.join("usr/lib/modules/6.12")
    }
}

#[test]
fn modules_of_published_packages_are_signed() {
    let scene = Scene::new();
    assert_eq!(scene.publish("out", Some(&scene.modules)), Published { packages: 2, signed: 2, changed: true });
    let published = scene.at("out/os/x86_64").join(PART);

    // rpm takes header, payload, files and signature.
    std::fs::copy(scene.at("out").join(bedplate_engine::KEY_FILE), scene.at("public.asc")).unwrap();
    let keys = scene.at("rpmkeys");
    run(Command::new("rpmkeys").arg("--dbpath").arg(&keys).arg("--import").arg(scene.at("public.asc")));
    let mut check = Command::new("rpmkeys");
    check.arg("--dbpath").arg(&keys).args(["-Kv", "--define", "_pkgverify_level all"]);
    let said = run(check.arg(&published));
    assert!(said.contains("Signature, key ID") && said.matches(": OK").count() + 1 == said.lines().count(), "{said}");
    let root = scene.at("root");
    let rpm = || {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(&root).args(["--nosignature", "--define", "_dbpath /rpmdb"]);
        rpm
    };
    run(rpm().args(["-i", "--nodeps"]).arg(&published));
    assert_eq!(run(rpm().args(["-V", "--nodeps", "part"])), "");

    // openssl takes the signatures for those of what was built, kmod shows them.
    std::fs::write(scene.at("certificate.pem"), scene.modules.certificate().pem()).unwrap();
    let built = scene.unpacked(&scene.at("rpms").join(PART), "built");
    let signed = scene.unpacked(&published, "signed");
    assert_eq!(std::fs::read(signed.join("modules.order")).unwrap(), b"text\n");
    for name in MODULES {
        let (before, after) = (std::fs::read(built.join(name)).unwrap(), std::fs::read(signed.join(name)).unwrap());
        assert!(after == std::fs::read(root.join("usr/lib/modules/6.12").join(name)).unwrap());
        let tail = after.strip_prefix(&before[..]).unwrap();
        let pkcs7 = &tail[..tail.len() - "~Module signature appended~\n".len() - 12];
        std::fs::write(scene.at("signature"), pkcs7).unwrap();
        let mut verify = Command::new("openssl");
        verify.args(["cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-out", "/dev/null"]);
        verify.args(["-CAfile", "certificate.pem", "-certfile", "certificate.pem", "-purpose", "any", "-content"]);
        run(verify.arg(built.join(name)).current_dir(scene.folder.path()));
        let info = run(Command::new("/sbin/modinfo").arg(signed.join(name)));
        for expected in ["signer:         Modules of a test", "sig_id:         PKCS#7", "sig_hashalgo:   sha512"] {
            assert!(info.contains(expected), "{info}");
        }
    }
    let inode = |name: &str| std::fs::metadata(signed.join(name)).unwrap().ino();
    assert_eq!(inode("kernel/one.ko"), inode("kernel/again.ko"));
}

#[test]
fn what_is_signed_follows_from_package_and_keys() {
    let scene = Scene::new();
    let built = std::fs::read(scene.at("rpms").join(PART)).unwrap();
    let read = |folder: &str| std::fs::read(scene.at(folder).join("os/x86_64").join(PART)).unwrap();
    let modules = Some(&scene.modules);
    scene.publish("out", modules);
    let signed = read("out");
    // A second time nothing is done; elsewhere the store has it; another store makes the same bytes.
    assert_eq!(scene.publish("out", modules), Published { packages: 2, signed: 0, changed: false });
    assert_eq!(scene.publish("twin", modules), Published { packages: 2, signed: 0, changed: true });
    assert!(read("twin") == signed);
    let other_store = Store::open(&scene.at("other-store")).unwrap();
    let signers = Signers { packages: &scene.key, modules };
    let packages = scene.packages(&[PART, "part-tool-1-2.x86_64.rpm"]);
    publish(&scene.at("third"), &packages, &signers, &other_store).unwrap();
    assert!(read("third") == signed);
    // Another key signs what has modules, and nothing else.
    let other = module_signer(&scene.at("other.pem"));
    assert_eq!(scene.publish("out", Some(&other)), Published { packages: 2, signed: 1, changed: true });
    assert!(read("out") != signed);
    assert_eq!(scene.publish("out", modules), Published { packages: 2, signed: 0, changed: true });
    assert!(read("out") == signed);
    // Without a key they are what was built, and that was never touched.
    assert_eq!(scene.publish("out", None), Published { packages: 2, signed: 1, changed: true });
    let identity = |path: &Path| content_identity(path).unwrap();
    let unsigned = scene.at("rpms").join(PART);
    assert_eq!(identity(&scene.at("out/os/x86_64").join(PART)), identity(&unsigned));
    assert!(std::fs::read(&unsigned).unwrap() == built);
}

#[test]
fn a_module_that_cannot_be_signed_is_named() {
    let scene = Scene::new();
    let packages = scene.packages(&["part-packed-1-2.x86_64.rpm"]);
    let signers = Signers { packages: &scene.key, modules: Some(&scene.modules) };
    let error = publish(&scene.at("out"), &packages, &signers, &scene.store).unwrap_err();
    let why = "a kernel module that is compressed cannot be signed; it has to be built as `.ko`";
    let path = "usr/lib/modules/6.12/kernel/packed.ko.gz";
    assert!(error.to_string().ends_with(&format!("file `{path}` of the package: {why}")), "{error}");
    assert!(matches!(error, PublishError::Packages(_)) && !scene.at("out").exists());
}
