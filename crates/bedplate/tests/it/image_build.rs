//! Images, from specs to a booted machine: packages that wrap what the seed has, composed, judged by tools that are not ours, and booted.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build_world::{World, world_with_its_own_store};
use crate::support::{Answer, PROGRAM, in_parallel};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs a tool that has to like what it sees; gives what it printed.
#[track_caller]
pub(crate) fn likes(tool: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(tool);
    command.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap_or_else(|error| panic!("{tool}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool} {arguments:?}: {}\n{text}", output.status);
    text
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A world whose repository has the packages of the test image.
pub(crate) fn test_image() -> World {
    let world = World::new();
    let folders = ["toolkit/test-image", "specs/filesystem"].map(|folder| format!("{ROOT}/{folder}"));
    world.build(&["--all", "--check", "off", "--specs", &folders[0], "--specs", &folders[1]]).exits(0);
    for name in ["base", "plain", "verity"] {
        let config = fs::read(format!("{ROOT}/toolkit/test-image/{name}.toml")).unwrap();
        world.env.write(&format!("{name}.toml"), config);
    }
    world
}

/// Composes with the packages that were built in the world.
fn compose(world: &World, config: &str, output: &str, more: &[&str]) -> Answer {
    world.env.answer(command(world, config, output, more))
}

pub(crate) fn command(world: &World, config: &str, output: &str, more: &[&str]) -> Command {
    let mut command =
        world.env.command(&["image", "build", config, "--repo", "os=out/repository/os", "--output", output]);
    command.args(more).arg("--seed").arg(&world.seed).arg("--store").arg(&world.store);
    command
}

fn manifest(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(format!("{name}.manifest.json"))).unwrap()).unwrap()
}

/// A partition of a raw disk as a file.
fn partition(disk: &Path, manifest: &Value, label: &str) -> PathBuf {
    let all = manifest["partitions"].as_array().unwrap();
    let one = all.iter().find(|one| one["label"] == label).unwrap_or_else(|| panic!("no partition {label}: {all:?}"));
    let mut file = fs::File::open(disk).unwrap();
    file.seek(SeekFrom::Start(one["offset"].as_u64().unwrap())).unwrap();
    let target = disk.with_extension(format!("{label}.part"));
    let mut cut = file.take(one["size"].as_u64().unwrap());
    std::io::copy(&mut cut, &mut fs::File::create(&target).unwrap()).unwrap();
    target
}

/// Forms that are compared byte by byte.
const FORMATS: &str = "raw,vhd-fixed,vhdx,qcow2,oci,tar";

const ALL_FORMATS: &str = "raw,raw-zst,vhd-fixed,vhd-dynamic,vhdx,qcow2,oci,docker-archive,tar,directory";

#[test]
fn all_forms_of_an_image_please_the_tools_of_others() {
    let world = test_image();
    let out = world.env.path().join("images");
    compose(&world, "verity.toml", "images", &["--format", ALL_FORMATS]).exits(0);
    let manifest = manifest(&out, "test-verity-1");
    let file = |end: &str| out.join(format!("test-verity-1.{end}"));
    let raw = file("raw");

    // Disks: the same bytes in each form.
    assert!(likes("sgdisk", &["-v", text(&raw)]).contains("No problems found"));
    likes("zstd", &["-q", "-d", "-f", text(&file("raw.zst")), "-o", text(&file("unpacked"))]);
    likes("cmp", &[text(&raw), text(&file("unpacked"))]);
    let vhd = fs::metadata(file("vhd")).unwrap().len();
    assert_eq!((vhd - 512) % (1 << 20), 0, "Azure wants whole MiB and a footer");
    for (end, format) in [("vhd", "vpc"), ("vhdx", "vhdx"), ("qcow2", "qcow2")] {
        likes("qemu-img", &["compare", "-f", "raw", "-F", format, text(&raw), text(&file(end))]);
    }
    likes("qemu-img", &["check", "-f", "vhdx", text(&file("vhdx"))]);
    likes("qemu-img", &["check", "-f", "qcow2", text(&file("qcow2"))]);

    // File systems and verity.
    let root = partition(&raw, &manifest, "root");
    let tree = partition(&raw, &manifest, "root-verity");
    let esp = partition(&raw, &manifest, "esp");
    likes("fsck.erofs", &[text(&root)]);
    likes("fsck.fat", &["-n", text(&esp)]);
    let hash = manifest["partitions"].as_array().unwrap().iter().find_map(|one| one["root_hash"].as_str()).unwrap();
    likes("veritysetup", &["verify", text(&root), text(&tree), hash]);

    // What boots.
    let uki = file("efi");
    likes("mcopy", &["-n", "-i", text(&esp), "::EFI/Linux/test-verity-1.efi", text(&uki)]);
    let sections = likes("objdump", &["-h", text(&uki)]);
    for section in [".osrel", ".cmdline", ".uname", ".sbat", ".linux", ".initrd"] {
        assert!(sections.contains(section), "{sections}");
    }
    likes("sbverify", &["--list", text(&uki)]);
    assert!(manifest["boot"]["command_line"].as_str().unwrap().contains(&format!("roothash={hash}")));

    // Containers.
    let oci = format!("oci:{}", text(&file("oci")));
    assert!(likes("skopeo", &["inspect", &oci]).contains("amd64"));
    likes("skopeo", &["copy", "-q", &oci, &format!("dir:{}", text(&file("dir")))]);
    likes("skopeo", &["inspect", &format!("docker-archive:{}", text(&file("docker.tar")))]);
    let bundle = file("bundle");
    likes("umoci", &["unpack", "--image", &format!("{}:1", text(&file("oci"))), text(&bundle)]);

    // The database is one of rpm, and says of the files what they are.
    let roots = [bundle.join("rootfs"), file("root")];
    for root in &roots {
        let database = "/usr/lib/sysimage/rpm";
        let packages = likes("rpm", &["--root", text(root), "--dbpath", database, "-qa"]);
        assert_eq!(packages.lines().count(), manifest["packages"].as_array().unwrap().len(), "{packages}");
        // Name and version of the image are added to what the package has.
        let verify = Command::new("rpm").args(["--root", text(root), "--dbpath", database, "-Va"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&verify.stdout), "S.5......    /usr/lib/os-release\n");
    }
    let tar = likes("tar", &["-tvf", text(&file("tar"))]);
    assert_eq!(tar.lines().count() as u64, manifest["tree"]["entries"].as_u64().unwrap());
    origins_lead_to_sources(&world);
    checks_agree_with_readelf(&world, &roots[1]);
    for path in ["etc/machine-id", "usr/lib/os-release"] {
        assert!(roots[1].join(path).exists(), "{path}");
    }
    assert!(!roots[1].join("var/lib/systemd/random-seed").exists());
}

/// Every file is of a package that was built here, or of a step that is named.
fn origins_lead_to_sources(world: &World) {
    let inspect =
        |image: &str, more: &[&str]| world.env.run(&[&["image", "inspect", image, "--require-source"], more].concat());
    let shown = inspect("images/test-verity-1.vhd", &[]).exits(0).stdout;
    assert!(shown.contains("\n/etc/passwd\tcustomise: ") && !shown.contains("not built here"), "{shown}");
    let found = inspect("images/test-verity-1.vhd", &["--json"]).exits(0).stdout;
    let found: Value = serde_json::from_str(&found).unwrap();
    let texts = |list: &Value, key: &str| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    let mut known = texts(&found["packages"], "nevra");
    known.extend(texts(&found["made"], "step"));
    let files = found["files"].as_array().unwrap();
    assert!(files.iter().all(|one| known.contains(one["origin"].as_str().unwrap())));
    let publication: Value =
        serde_json::from_slice(&fs::read(world.env.path().join("out/repository/publication.json")).unwrap()).unwrap();
    let sources = texts(&found["sources"], "source");
    for package in found["packages"].as_array().unwrap() {
        let built = &package["built"];
        assert!(sources.contains(package["source"].as_str().unwrap()), "{package}");
        let contents = publication["packages"].as_object().unwrap();
        let of = |(path, content): (&String, &Value)| (*content == built["content"]).then(|| path.clone());
        let path = contents.iter().find_map(of).expect("a package that was published");
        assert_eq!(publication["actions"][&path], built["action"]);
        assert_eq!(publication["key"], built["key"]);
    }

    // A package of somebody else.
    let folder = world.env.path().join("images");
    let mut manifest = manifest(&folder, "test-verity-1");
    let name = manifest["packages"][0]["nevra"].as_str().unwrap().to_owned();
    manifest["packages"][0].as_object_mut().unwrap().remove("built");
    fs::write(folder.join("other.manifest.json"), manifest.to_string()).unwrap();
    fs::copy(folder.join("test-verity-1.files.zst"), folder.join("other.files.zst")).unwrap();
    let answer = inspect("images/other.manifest.json", &[]).exits(1).says("1 package not built here from source");
    assert!(answer.stdout.contains(&format!("{name}  (repository os)")), "{}", answer.stdout);
    fs::remove_file(folder.join("other.manifest.json")).unwrap();
    fs::remove_file(folder.join("other.files.zst")).unwrap();
}

/// What is found of the hardening of programs and libraries is what readelf shows of them.
fn checks_agree_with_readelf(world: &World, root: &Path) {
    let check = |more: &[&str]| {
        world.env.answer(world.command_of(&[&["image", "check", "images/test-verity-1.vhd"], more].concat()))
    };
    let answer = check(&["--json"]).exits(1);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let mut ours = BTreeSet::new();
    for one in report["findings"].as_array().unwrap() {
        let (path, check) = (one["path"].as_str().unwrap(), one["check"].as_str().unwrap());
        if ["pie", "relro", "now", "stack", "textrel", "interpreter"].contains(&check) {
            ours.insert(format!("{path} {check}"));
        }
    }
    let (mut theirs, mut files) = (BTreeSet::new(), 0);
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            let is_elf = || fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
            if !kind.is_file() || !is_elf() {
                continue;
            }
            let said = likes("readelf", &["-hldW", text(&path)]);
            let is_fixed = said.contains("EXEC (Executable file)");
            if !is_fixed && !said.contains("DYN (") {
                continue;
            }
            files += 1;
            let name = path.strip_prefix(root).unwrap().display();
            let mut add = |check: &str| theirs.insert(format!("/{name} {check}"));
            if is_fixed {
                add("pie");
            }
            if !said.contains("GNU_RELRO") {
                add("relro");
            }
            let binds = said
                .lines()
                .any(|line| line.contains("BIND_NOW") || line.contains("(FLAGS_1)") && line.contains("NOW"));
            if said.contains("Dynamic section at") && !binds {
                add("now");
            }
            let stack = said.lines().find(|line| line.contains("GNU_STACK"));
            if stack.is_none_or(|line| line.contains("RWE")) {
                add("stack");
            }
            if said.contains("TEXTREL") {
                add("textrel");
            }
        }
    }
    assert_eq!(report["files"], files);
    assert!(files > 20, "{files}");
    assert_eq!(ours, theirs);

    // What is excepted is counted.
    world.env.write("exceptions", "# Of the distribution.\n");
    let all = report["findings"].as_array().unwrap().len();
    check(&["--exceptions", "exceptions"]).exits(1).says("0 excepted");
    let mut lines = String::new();
    for one in report["findings"].as_array().unwrap() {
        let name = one["origin"].as_str().unwrap().rsplitn(3, '-').nth(2).unwrap();
        lines.push_str(&format!("{name} {} .* Not built by us.\n", one["check"].as_str().unwrap()));
    }
    world.env.write("exceptions", lines);
    check(&["--exceptions", "exceptions"]).exits(0).says(&format!("{all} excepted"));
    world.env.write("exceptions", "bash pie\nbash pie ( Why.\n");
    let answer = check(&["--exceptions", "exceptions"]).exits(2).says("exceptions:1: a word is missing");
    answer.says("exceptions:2: ");
}

#[test]
fn an_image_is_the_same_on_another_path_day_and_number_of_processors() {
    let world = test_image();
    // No store has anything of this tree, and another store makes it again.
    let again = world_with_its_own_store();
    let plain = fs::read_to_string(world.env.path().join("plain.toml")).unwrap();
    let own = format!("{plain}\n[[file]]\npath = \"/etc/own\"\ncontent = \"{}\"\n", text(world.env.path()));
    let script = "name = \"words\"\ncontent = 'echo \"$2\" > /etc/words'\narguments = [\"--all\", \"two words\"]\n";
    world.env.write("plain.toml", format!("{own}\n[[script]]\n{script}"));
    compose(&world, "plain.toml", "one", &["--format", FORMATS]).exits(0);
    for name in ["base.toml", "plain.toml"] {
        again.env.write(name, fs::read(world.env.path().join(name)).unwrap());
    }
    let repository = format!("os={}", text(&world.env.path().join("out/repository/os")));
    let mut command = Command::new("faketime");
    command.arg("2031-05-06 07:08:09").arg(PROGRAM).args(["image", "build", "plain.toml", "--output", "two"]);
    command.args([
        "--repo",
        &repository,
        "--format",
        FORMATS,
        "--seed",
        text(&again.seed),
        "--store",
        text(&again.store),
    ]);
    command.current_dir(again.env.path()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", again.env.path());
    command.env("RAYON_NUM_THREADS", "1").env("TZ", "Asia/Tokyo");
    again.env.answer(command).exits(0);
    let (one, two) = (world.env.path().join("one"), again.env.path().join("two"));
    for end in ["raw", "vhd", "vhdx", "qcow2", "tar", "manifest.json", "files.zst", "oci/index.json"] {
        let name = format!("test-plain-1.{end}");
        likes("cmp", &[text(&one.join(&name)), text(&two.join(&name))]);
    }
    let tar = one.join("test-plain-1.tar");
    assert_eq!(likes("tar", &["-xOf", text(&tar), "--wildcards", "*etc/words"]), "two words\n");
    let bad =
        "version = 1\nname = \"bad\"\ninherit = \"plain.toml\"\n[[script]]\nname = \"bad\"\ncontent = \"exit 3\"\n";
    world.env.write("bad.toml", bad);
    let failed = compose(&world, "bad.toml", "none", &["--format", "tar"]).exits(1);
    let failed = failed.says("error[script-failed]: script `bad` failed: exit status 3").says("bad.toml:5:8");
    failed.says("command: /bin/sh /var/tmp/rpm-tmp.script\n");
    // The lock says what was taken.
    likes("cmp", &[text(&world.env.path().join("plain.lock")), text(&again.env.path().join("plain.lock"))]);
}

#[test]
fn root_hashes_are_signed_and_nothing_else_depends_on_the_key() {
    let world = test_image();
    let (env, at) = (&world.env, |name: &str| world.env.path().join(name));
    let verity = fs::read_to_string(at("verity.toml")).unwrap();
    env.write("verity.toml", verity.replace("verity = \"hash\"", "verity = \"signed\""));
    let raw = ["--format", "raw"];
    compose(&world, "verity.toml", "none", &raw).exits(2).says("error[no-verity-key]").says("verity.toml:17:10");
    assert!(!at("none").exists());
    for (name, kind) in [("rsa", "rsa:2048"), ("ecdsa", "ec:p256.pem")] {
        likes("openssl", &["ecparam", "-name", "prime256v1", "-out", text(&at("p256.pem"))]);
        let kind = kind.replace("p256.pem", text(&at("p256.pem")));
        let (key, certificate) = (at(&format!("{name}.key")), at(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        let files = ["-keyout", text(&key), "-out", text(&certificate)];
        let request = ["req", "-x509", "-nodes", "-days", "9", "-subj", &subject, "-newkey", &kind];
        likes("openssl", &[&request[..], &files].concat());
        let keys = ["--verity-key", text(&key), "--verity-certificate", text(&certificate)];
        compose(&world, "verity.toml", name, &[&raw[..], &keys].concat()).exits(0);

        // What systemd reads, and what openssl says of it.
        let disk = at(name).join("test-verity-1.raw");
        let manifest = manifest(&at(name), "test-verity-1");
        let content = fs::read(partition(&disk, &manifest, "root-verity-sig")).unwrap();
        let json: Value = serde_json::from_slice(content.split(|byte| *byte == 0).next().unwrap()).unwrap();
        let hash = manifest["partitions"][1]["root_hash"].as_str().unwrap();
        assert_eq!(json["rootHash"], hash);
        assert_eq!(json["certificateFingerprint"], manifest["partitions"][3]["signed_by"]);
        env.write("hash", hash);
        env.write("signature.base64", json["signature"].as_str().unwrap());
        let (hash, coded, signature) = (at("hash"), at("signature.base64"), at("signature"));
        likes("openssl", &["base64", "-d", "-A", "-in", text(&coded), "-out", text(&signature)]);
        let verify = ["smime", "-verify", "-binary", "-purpose", "any", "-out", "/dev/null", "-inform", "DER", "-in"];
        let files = [text(&signature), "-content", text(&hash), "-CAfile", text(&certificate)];
        assert!(likes("openssl", &[&verify[..], &files].concat()).contains("successful"));
        // Behind its hash tree, with the type of the Discoverable Partitions Specification.
        let shown = likes("sgdisk", &["--info=4", text(&disk)]);
        assert!(shown.contains("41092B05-9FC8-4523-994F-2DEF0408B176"), "{shown}");
        let shown = env.run(&["image", "inspect", &format!("{name}/test-verity-1.raw")]).exits(0).stdout;
        assert!(
            shown.contains(&format!(", signed by {}", json["certificateFingerprint"].as_str().unwrap())),
            "{shown}"
        );
    }
    // The two keys: all bytes but those of the signature are the same.
    let [rsa, ecdsa] = ["rsa", "ecdsa"].map(|name| {
        let place = &manifest(&at(name), "test-verity-1")["partitions"][3];
        let (offset, size) = (place["offset"].as_u64().unwrap() as usize, place["size"].as_u64().unwrap() as usize);
        let mut bytes = fs::read(at(name).join("test-verity-1.raw")).unwrap();
        let signature: Vec<u8> = bytes.splice(offset..offset + size, []).collect();
        (bytes, signature)
    });
    assert!(rsa.0 == ecdsa.0 && rsa.1 != ecdsa.1);
    let missing = ["--verity-key", "rsa.key", "--verity-certificate", "ecdsa.pem"];
    compose(&world, "verity.toml", "none", &missing)
        .exits(2)
        .says("ecdsa.pem is not the certificate of the key in rsa.key");
}

/// Boots an image; the texts are expected on its console.
fn boot(world: &World, image: &str, more: &[&str]) -> Answer {
    world.env.run(&[&["image", "boot", image, "--timeout", "9m"], more].concat())
}

#[test]
fn images_boot_and_a_flipped_byte_does_not() {
    let world = test_image();
    compose(&world, "plain.toml", "images", &[]).exits(0);
    compose(&world, "verity.toml", "images", &[]).exits(0);
    let out = world.env.path().join("images");
    let manifest = manifest(&out, "test-verity-1");
    let root = manifest["partitions"].as_array().unwrap().iter().find(|one| one["label"] == "root").unwrap();
    // In the first block, which has the superblock: it is read whatever else is.
    let place = root["offset"].as_u64().unwrap() + 2048;
    fs::copy(out.join("test-verity-1.raw"), out.join("flipped.raw")).unwrap();
    let mut disk = fs::File::options().read(true).write(true).open(out.join("flipped.raw")).unwrap();
    disk.seek(SeekFrom::Start(place)).unwrap();
    let mut byte = [0];
    disk.read_exact(&mut byte).unwrap();
    disk.seek(SeekFrom::Start(place)).unwrap();
    disk.write_all(&[!byte[0]]).unwrap();
    drop(disk);

    let up = ["--expect", "bedplate test image is running", "--expect", "bedplate test image is up"];
    let asks = "dmsetup status root; findmnt -no SOURCE,FSTYPE /; echo kept > /etc/kept && cat /etc/kept; touch /usr/x";
    let cases: [(&str, Vec<&str>); 3] = [
        ("images/test-plain-1.vhd", up.to_vec()),
        ("images/test-verity-1.raw", vec!["--run", asks]),
        ("images/flipped.raw", up.to_vec()),
    ];
    let answers = in_parallel(&cases, |(image, more)| boot(&world, image, more));
    let [plain, verity, flipped] = answers.try_into().map_err(|_| ()).unwrap();
    plain.exits(0);
    let verity = verity.exits(1);
    for line in [" verity V", "/dev/mapper/root erofs", "kept\n"] {
        assert!(verity.stdout.contains(line), "{}\n{}", verity.stdout, verity.stderr);
    }
    assert!(verity.stderr.contains("Read-only file system") || verity.stdout.contains("Read-only file system"));
    // The block is found wrong: what reads it fails, and the kernel says so.
    let flipped = flipped.exits(1);
    let console = format!("{}{}", flipped.stdout, flipped.stderr);
    assert!(console.contains("not seen: bedplate test image is up"), "{console}");
    assert!(console.contains("data block 0 is corrupted"), "{console}");
}
