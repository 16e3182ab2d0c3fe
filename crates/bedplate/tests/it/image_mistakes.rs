//! Mistakes that only a compose can see: each is told with its place and what to do, and nothing is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use bedplate_sign::{FileKey, sign_detached};

use crate::build_user::copy;
use crate::build_world::{World, spec, world_with_its_own_store};
use crate::image_build::test_image;
use crate::support::Answer;

/// The packages of the tests, from which every config here takes.
fn packages() -> World {
    let world = world_with_its_own_store();
    let file = |name: &str| format!("echo {name} > %{{buildroot}}/usr/share/{name}/file");
    for (name, tags) in [
        ("plain", ""),
        ("needy", "Requires: plain\n"),
        ("hostile", "Conflicts: plain\n"),
        ("broken", "Requires: nowhere\n"),
    ] {
        world.add(name, &spec(name, tags, "true", &file(name), ""));
    }
    for name in ["first", "second"] {
        let install = format!(
            "{}; mkdir -p %{{buildroot}}/usr/share/shared; echo {name} > %{{buildroot}}/usr/share/shared/file",
            file(name)
        );
        let text = spec(name, "", "true", &install, "");
        let files = format!("%files\n/usr/share/{name}\n");
        world.add(name, &text.replace(&files, &format!("{files}/usr/share/shared/file\n")));
    }
    let big = "head -c 3000000 /dev/urandom > %{buildroot}/usr/share/big/file";
    world.add("linked", &spec("linked", "", "true", "ln -s file %{buildroot}/usr/share/linked/link", ""));
    world.add("big", &spec("big", "", "true", big, ""));
    world.build(&["--all"]).exits(0);
    world
}

fn compose(world: &World, config: &str, more: &[&str]) -> Answer {
    let text = format!("version = 1\nname = \"node\"\narchitecture = \"x86_64\"\n{config}");
    world.env.write("node.toml", text);
    let mut command = world.env.command(&["image", "build", "node.toml", "--output", "images"]);
    command.args(more).arg("--seed").arg(&world.seed).arg("--store").arg(&world.store);
    world.env.answer(command)
}

#[track_caller]
fn wrote_nothing(world: &World, what: &str) {
    for name in ["images", "node.lock"] {
        assert!(!world.env.path().join(name).exists(), "{what}: `{name}` was written");
    }
}

const FROM: [&str; 2] = ["--repo", "out/repository/os"];
const TAR: &str = "[boot]\nkind = \"none\"\n[output]\nformats = [\"tar\"]\n";

/// What a mistake is called, the config, and what is said of it.
type Mistake = (&'static str, String, &'static [&'static str]);

fn install(names: &str) -> String {
    format!("[packages]\ninstall = [{names}]\n")
}

/// A disk with an EFI system partition and a root.
fn disk(storage: &str, root: &str, kind: &str) -> String {
    format!(
        "[storage]\n{storage}\n[[storage.partition]]\ntype = \"esp\"\n[[storage.partition]]\ntype = \"root\"\n{root}\n\
         [boot]\nkind = \"{kind}\"\n[output]\nformats = [\"raw\"]\n"
    )
}

#[test]
fn a_mistake_of_the_config_is_told_with_its_place_and_nothing_is_written() {
    let world = packages();
    let plain = install("\"plain\"");
    let big = install("\"big\"");
    let mistakes: Vec<Mistake> = vec![
        (
            "missing packages, both of them",
            install("\"plian\", \"plain\", \"zzzzzz\"") + TAR,
            &[
                "node.toml:5:12",
                "no repository has `plian`",
                "there is `plain`",
                "no repository has `zzzzzz`",
                "[[repository]]",
            ],
        ),
        (
            "an excluded package is required",
            format!("[packages]\ninstall = [\"needy\"]\nexclude = [\"plain\"]\n{TAR}"),
            &["node.toml:5:12", "needy-1.0-1.noarch requires `plain`", "plain-1.0-1.noarch is excluded", "packages.exclude"],
        ),
        ("packages that conflict", install("\"plain\", \"hostile\"") + TAR, &["node.toml:5:12", "node.toml:5:21", "hostile-1.0-1.noarch conflicts with `plain`", "packages.exclude"]),
        ("a requirement that nothing provides", install("\"broken\"") + TAR, &["node.toml:5:12", "nothing provides `nowhere`", "name a repository"]),
        (
            "packages with different files of one path",
            install("\"first\", \"second\"") + TAR,
            &["/usr/share/shared/file", "first-1.0-1", "second-1.0-1", "leave one of the packages out"],
        ),
        (
            "unknown owners, all of them, and an unknown unit",
            plain.clone()
                + "[services]\nenable = [\"nothing.service\"]\n[[file]]\npath = \"/etc/one\"\ncontent = \"\"\nowner = \"nobdy\"\n\
                             [[file]]\npath = \"/etc/two\"\ncontent = \"\"\ngroup = \"stff\"\n"
                + TAR,
            &["node.toml:11:9", "no user `nobdy`", "node.toml:15:9", "no group `stff`", "no unit `nothing.service`"],
        ),
        (
            "a file where a package has a folder",
            plain.clone() + "[[file]]\npath = \"/usr/share/plain\"\ncontent = \"x\"\n" + TAR,
            &["node.toml:", "/usr/share/plain", "folder"],
        ),
        (
            "no kernel",
            plain.clone() + &disk("", "filesystem = \"ext4\"", "uki"),
            &["node.toml:", "no kernel", "kind = \"none\""],
        ),
        (
            "what a file system cannot have",
            install("\"linked\"") + &disk("", "filesystem = \"ext4\"", "none").replace(
                "[boot]",
                "[[storage.partition]]\ntype = \"linux-generic\"\nlabel = \"data\"\nfilesystem = \"vfat\"\nmount = \"/usr/share/linked\"\n[boot]",
            ),
            &["node.toml:", "vfat cannot hold `/link` (a symbolic link)", "choose another file system"],
        ),
        (
            "a script that wants the network",
            plain.clone() + "[[script]]\nname = \"late\"\ncontent = \"true\"\nnetwork = true\n" + TAR,
            &["node.toml:9:11", "cannot have the network", "put it into the image with `[[file]]`"],
        ),
        (
            "a script without its interpreter",
            plain.clone() + "[[script]]\nname = \"late\"\ncontent = \"true\"\n" + TAR,
            &["node.toml:7:8", "script `late`", "no `/bin/sh`", "install a package that has it"],
        ),
        (
            "a partition that is too small, by how much",
            big.clone() + &disk("", "filesystem = \"ext4\"\nsize = \"2M\"", "none"),
            &["node.toml:10:1", "too small for the tree by 6553600 bytes", "size = \"9M\"", "size = \"minimal\""],
        ),
        (
            "a disk that is too small, by how much",
            big.clone() + &disk("size = \"8M\"", "filesystem = \"ext4\"\nsize = \"minimal\"", "none").replace("\"esp\"\n", "\"esp\"\nsize = \"4M\"\n"),
            &["node.toml:7:8", "too small by 7 MiB: it needs 15 MiB", "change `storage.size`"],
        ),
    ];
    for (what, config, said) in mistakes {
        let answer = compose(&world, &config, &FROM);
        let answer = answer.exits(2);
        for text in said {
            assert!(answer.stderr.contains(text), "{what}: `{text}` is not in:\n{}", answer.stderr);
        }
        assert!(answer.stderr.contains("= help: "), "{what}: no hint:\n{}", answer.stderr);
        assert_eq!(answer.stdout, "", "{what}");
        wrote_nothing(&world, what);
    }
}

#[test]
fn a_release_says_all_that_it_lacks_and_a_lock_has_to_fit() {
    let world = packages();
    let script =
        |content: &str| install("\"plain\"") + &format!("[[script]]\nname = \"late\"\ncontent = \"{content}\"\n") + TAR;
    let release = compose(&world, &script("true"), &[&FROM[..], &["--release"]].concat()).exits(2);
    for text in
        ["a release needs a lock", "a release needs a version", "no scripts", "leave `--repo` out", "node.toml:2:"]
    {
        assert!(release.stderr.contains(text), "`{text}` is not in:\n{}", release.stderr);
    }
    wrote_nothing(&world, "release");

    let plain = install("\"plain\"") + TAR;
    compose(&world, &plain, &FROM).exits(0);
    let lock = fs::read_to_string(world.env.path().join("node.lock")).unwrap();
    fs::remove_dir_all(world.env.path().join("images")).unwrap();
    let at = lock.find("sha256 = \"").unwrap() + 10;
    let other = format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..]);
    world.env.write("node.lock", &other);
    compose(&world, &plain, &FROM).exits(2).says("plain-1.0-1").says("expected 0000").says("--update-lock");
    assert_eq!(fs::read_to_string(world.env.path().join("node.lock")).unwrap(), other);
    world.env.write("node.lock", "what is this");
    compose(&world, &plain, &FROM).exits(2).says("node.lock is not a lock").says("--update-lock");
    assert!(!world.env.path().join("images").exists());
}

/// The only package file of this name in the repository.
fn package(folder: &Path, name: &str) -> PathBuf {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().unwrap().to_str().unwrap().starts_with(name) {
                return path;
            }
        }
    }
    panic!("no package {name}");
}

#[test]
fn packages_and_repositories_that_nobody_vouches_for_are_refused_together() {
    let world = packages();
    let config = install("\"needy\"") + TAR;
    let repository = world.env.path().join("out/repository/os");
    // Two packages are other than the metadata say: both are named.
    for name in ["needy-", "plain-"] {
        let path = package(&repository, name);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let answer = compose(&world, &config, &FROM).exits(2);
    assert!(answer.stderr.contains("needy-1.0-1") && answer.stderr.contains("plain-1.0-1"), "{}", answer.stderr);
    wrote_nothing(&world, "tampered packages");

    // Another key than that of the repository.
    let other = world.env.run(&["key", "create", "--key", "other.key"]).exits(0);
    world.env.write("other.asc", other.stdout);
    compose(&world, &config, &[&FROM[..], &["--key", "other.asc"]].concat()).exits(2).says("bad-signature");
    fs::remove_file(repository.join("repodata/repomd.xml.asc")).unwrap();
    compose(&world, &config, &FROM).exits(2).says("[unsigned]").says("bedplate repo sign");
    wrote_nothing(&world, "an unsigned repository");
}

#[test]
fn a_package_that_was_swapped_leaves_the_old_image_as_it_is() {
    let world = packages();
    let config = install("\"needy\"")
        + "[[storage.partition]]\ntype = \"root\"\n[boot]\nkind = \"none\"\n[output]\nformats = [\"raw\", \"oci\"]\n";
    compose(&world, &config, &FROM).exits(0);
    let images = world.env.path().join("images");
    let files = || {
        let paths = fs::read_dir(&images).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.map(|path| (fs::read(&path).unwrap(), path)).collect::<BTreeSet<_>>()
    };
    let before = files();
    // Its header is still signed, and its files are in the store: only the checksum of all of it tells.
    let path = package(&world.env.path().join("out/repository/os"), "plain-");
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"more").unwrap();
    let answer = compose(&world, &(config + "[[file]]\npath = \"/etc/other\"\ncontent = \"\"\n"), &FROM).exits(2);
    drop(answer.says("plain-1.0-1").says("checksum"));
    assert!(before == files(), "the old image was changed");
}

#[test]
fn a_script_that_fails_says_what_it_said() {
    let world = World::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    fs::create_dir(world.env.path().join("specs")).unwrap();
    for folder in ["toolkit/test-image/test-busybox", "specs/filesystem"] {
        copy(Path::new(&format!("{root}/{folder}")), &world.env.path().join("specs"));
    }
    world.build(&["--all", "--check", "off"]).exits(0);
    let config = |content: &str| {
        install("\"test-busybox\"") + &format!("[[script]]\nname = \"late\"\ncontent = \"{content}\"\n") + TAR
    };
    let answer = compose(&world, &config("echo about to fail; exit 3"), &FROM).exits(1);
    drop(answer.says("script `late`").says("status 3").says("about to fail"));
    wrote_nothing(&world, "a script that fails");
    // There is no network, whatever a script tries.
    let answer = compose(&world, &config("busybox wget -T 5 http://192.0.2.1/"), &FROM).exits(1);
    drop(answer.says("script `late`").says("Network is unreachable"));
    wrote_nothing(&world, "a script that tries the network");
}

/// Makes the metadata those of the package files that are there, signed by the key of the repository.
fn describe_again(world: &World) {
    world.env.run(&["repo", "create", "out/repository/os"]).exits(0);
    let repository = world.env.path().join("out/repository/os/repodata");
    let key = FileKey::load(&world.env.path().join("key.asc")).unwrap();
    let text = fs::read(repository.join("repomd.xml")).unwrap();
    let signature = sign_detached(&key, &text, SystemTime::now()).unwrap();
    fs::write(repository.join("repomd.xml.asc"), signature).unwrap();
}

#[test]
fn a_package_without_any_signature_is_refused() {
    let world = packages();
    let text = spec("plain", "", "true", "echo other > %{buildroot}/usr/share/plain/file", "");
    world.env.write("plain.spec", text);
    let folder = |name: &str| format!("_{name}dir {}/{name}", world.env.path().display());
    let done = Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--define", &folder("top"), "--define", &folder("rpm"), "plain.spec"])
        .current_dir(world.env.path())
        .output()
        .expect("rpmbuild is there: toolkit/host-setup installs it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let unsigned = package(&world.env.path().join("rpm"), "plain-");
    fs::copy(unsigned, package(&world.env.path().join("out/repository/os"), "plain-")).unwrap();
    describe_again(&world);
    let answer = compose(&world, &(install("\"plain\"") + TAR), &FROM).exits(2).says("package-unsigned");
    drop(answer.says("plain-1.0-1"));
    wrote_nothing(&world, "a package without a signature");
}

#[test]
fn what_boots_an_image_has_to_be_in_its_packages() {
    let world = test_image();
    let config = install("\"filesystem\", \"test-kernel\"") + &disk("", "filesystem = \"ext4\"", "uki");
    let answer = compose(&world, &config, &FROM).exits(2).says("nothing-to-boot");
    drop(answer.says("linuxx64.efi.stub").says("node.toml:").says("install the package with systemd's boot stub"));
    wrote_nothing(&world, "no boot stub");
}

#[test]
fn packages_without_a_signature_of_their_repository_are_refused_together() {
    let world = packages();
    let other = world.env.run(&["key", "create", "--key", "other.key"]).exits(0);
    drop(other);
    world.env.run(&["repo", "sign", "--key", "other.key", "--replace", "out/repository/os"]).exits(0);
    describe_again(&world);
    let answer = compose(&world, &(install("\"needy\"") + TAR), &FROM).exits(2).says("bad-package-signature");
    assert!(answer.stderr.contains("needy-1.0-1") && answer.stderr.contains("plain-1.0-1"), "{}", answer.stderr);
    wrote_nothing(&world, "packages of another key");
}
