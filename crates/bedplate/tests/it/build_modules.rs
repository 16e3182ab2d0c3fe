//! Builds with a certificate that comes with the run, and kernel modules that are signed after it.

use std::path::PathBuf;
use std::process::Command;

use crate::build_world::World;

const SPEC: &str = "Name: part
Version: 1.0
Release: 1
Summary: A kernel module
License: MIT
BuildArch: noarch
Source0: module-signing.pem
%description
A module that trusts a certificate.
%install
mkdir -p %{buildroot}/usr/lib/modules/6.12/extra
echo MARK > %{buildroot}/usr/lib/modules/6.12/extra/part.ko
cp %{SOURCE0} %{buildroot}/usr/lib/modules/6.12/trusted.pem
%files
/usr/lib/modules/6.12
%changelog
* Mon Nov 02 2026 A <a@example.org> - 1.0-1
- One.
";
const LIST: &str = "version = 1\n\n[[file]]\nname = \"module-signing.pem\"\ninput = \"module-certificate\"\n";

/// A world with one spec whose module is of this test alone.
fn world() -> World {
    let world = World::new();
    let mark = world.env.path().display().to_string();
    world.add("part", &SPEC.replace("MARK", &mark));
    world.env.write("specs/part/part.sources.toml", LIST);
    world
}

fn openssl(world: &World, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(world.env.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "openssl {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A key and a certificate that openssl makes.
fn own_key(world: &World, name: &str, kind: &str, options: &str) {
    let files = format!("-keyout {name}.key -out {name}.pem");
    openssl(world, &format!("req -x509 -nodes -batch -subj /CN={name} -days 9 -newkey {kind} {files}{options}"));
}

/// Unpacks the published package; the folder of its modules.
fn published(world: &World, folder: &str) -> PathBuf {
    let folder = world.env.path().join(folder);
    std::fs::create_dir(&folder).unwrap();
    let package = world.env.path().join("out/repository/os/noarch/part-1.0-1.noarch.rpm");
    let script = "rpm2cpio \"$1\" | cpio --quiet -idm --no-absolute-filenames";
    let done = Command::new("sh").args(["-ec", script, "sh"]).arg(package).current_dir(&folder).status().unwrap();
    assert!(done.success());
    folder.join("usr/lib/modules/6.12")
}

/// The module without its signature; openssl finds that signature good.
fn verified(world: &World, folder: &std::path::Path, certificate: &str) -> String {
    let module = std::fs::read(folder.join("extra/part.ko")).unwrap();
    let rest = module.strip_suffix(b"~Module signature appended~\n").expect("a signed module");
    let (rest, length) = rest.split_at(rest.len() - 4);
    let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
    let (content, pkcs7) = rest[..rest.len() - 8].split_at(rest.len() - 8 - length);
    world.env.write("content", content);
    world.env.write("signature", pkcs7);
    let files = format!("-content content -in signature -CAfile {certificate} -certfile {certificate}");
    openssl(world, &format!("cms -verify -binary -inform DER {files} -purpose any -out /dev/null"));
    String::from_utf8(content.to_vec()).unwrap()
}

#[test]
fn modules_are_signed_with_the_key_of_the_certificate_that_was_built_in() {
    let world = world();
    let mark = format!("{}\n", world.env.path().display());
    // Before there is a key, a plan can be made, and makes none.
    world.env.answer(world.command(&["plan"])).exits(0);
    let key = world.env.path().join(".local/share/bedplate/module-signing-key.pem");
    assert!(!key.exists());

    // The developer's own key.
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build part", "done")]);
    assert!(key.is_file());
    let first = published(&world, "first");
    let said = world.env.run(&["key", "modules"]).exits(0);
    assert_eq!(std::fs::read_to_string(first.join("trusted.pem")).unwrap(), said.stdout);
    world.env.write("developer.pem", &said.stdout);
    assert_eq!(verified(&world, &first, "developer.pem"), mark);
    let again = world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build part", "cached")]);
    again.says("2 packages, as before");
    let plan = world.env.answer(world.command(&["plan", "--json"])).exits(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["have"][0]["name"], "part", "{plan:#}");

    // Another one: the kernel is another one, too.
    own_key(&world, "own", "rsa:3072", " -addext keyUsage=digitalSignature");
    let options = ["--module-certificate", "own.pem"];
    let why = world.env.answer(world.command(&[&["why-rebuild"], &options[..]].concat())).exits(0);
    assert!(why.stdout.contains("  source module-signing.pem changed: "), "{}", why.stdout);
    world.build(&[&["--all", "--module-key", "own.key"], &options[..]].concat()).exits(0);
    world.assert_ended(&[("build part", "done")]);
    let second = published(&world, "second");
    assert_eq!(std::fs::read_to_string(second.join("trusted.pem")).unwrap(), openssl(&world, "x509 -in own.pem"));
    assert_eq!(verified(&world, &second, "own.pem"), mark);

    // A machine without the key.
    world.build(&[&["--all"], &options[..]].concat()).exits(0).says("kernel modules are not signed");
    world.assert_ended(&[("build part", "cached")]);
    assert_eq!(std::fs::read_to_string(published(&world, "third").join("extra/part.ko")).unwrap(), mark);
    // And the first one again, out of the store.
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build part", "cached")]);
    let fourth = published(&world, "fourth");
    let read = |folder: &std::path::Path| std::fs::read(folder.join("extra/part.ko")).unwrap();
    assert!(read(&fourth) == read(&first));
}

#[test]
fn a_certificate_that_will_not_do_is_refused_before_anything_is_built() {
    let world = world();
    own_key(&world, "own", "rsa:2048", "");
    own_key(&world, "other", "rsa:2048", "");
    own_key(&world, "wrong", "rsa:2048", " -addext keyUsage=keyEncipherment");
    own_key(&world, "curve", "ec -pkeyopt ec_paramgen_curve:P-256", "");
    world.env.write("text.pem", "no certificate\n");
    let cannot = "the certificate cannot be used to sign kernel modules";
    for (certificate, key, expected) in [
        ("text.pem", None, "text.pem: there is no certificate in it, as PEM".to_owned()),
        ("absent.pem", None, "absent.pem: No such file or directory".to_owned()),
        ("own.pem", Some("other.key"), "own.pem is not the certificate of the key in other.key".to_owned()),
        ("wrong.pem", Some("wrong.key"), format!("{cannot}: its key usage leaves out digital signatures")),
        ("curve.pem", None, format!("{cannot}: its key is not of RSA")),
    ] {
        let mut arguments = vec!["--all", "--module-certificate", certificate];
        arguments.extend(key.iter().flat_map(|key| ["--module-key", *key]));
        world.build(&arguments).exits(2).says(&expected);
        if key.is_none() {
            let why = world.env.answer(world.command(&["why-rebuild", "--module-certificate", certificate]));
            why.exits(2).says(&expected);
        }
        assert!(!world.env.path().join("out").exists());
    }
    world.build(&["--all", "--module-key", "own.key"]).exits(2).says("--module-certificate");

    // Lists know such files.
    world.env.write("specs/part/part.sources.toml", LIST.replace("e-cert", "e-kert"));
    world.build(&["--all"]).exits(2).says("no run has an input `module-kertificate`");
    world.env.write("specs/part/part.sources.toml", LIST);
    let source = |command: &str| {
        let mut program = world.command_of(&["source", command]);
        program.arg("--policy").arg(&world.policy);
        world.env.answer(program).exits(0)
    };
    let listed = source("list").stdout;
    assert!(listed.contains("input    the run: module-certificate"), "{listed}");
    source("fetch").says("0 files there");
    source("verify").says("all are there and right");
}
