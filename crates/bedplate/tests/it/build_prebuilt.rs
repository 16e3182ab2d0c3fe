//! Builds that take packages of repositories.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build_world::{World, repository, spec, world_with_its_own_store};

/// A repository with the packages of `lib`, whose content is of one test alone, and its public key.
fn repository_with_lib() -> (World, PathBuf, PathBuf) {
    let world = World::new();
    let own = world.env.path().display().to_string();
    let install = format!("echo {own} > %{{buildroot}}/usr/share/lib/data");
    world.add("lib", &spec("lib", "", "true", &install, ""));
    world.build(&["--all"]).exits(0);
    let folder = world.env.path().join("out/repository");
    (world, folder.join("os"), folder.join("RPM-GPG-KEY-bedplate"))
}

/// A program that is built from `lib`, beside a spec of it that cannot be built any more.
fn with_app(world: World) -> World {
    world.add("lib", &spec("lib", "", "false", "", "false"));
    let install = "cp /usr/share/lib/data %{buildroot}/usr/share/app/data";
    world.add("app", &spec("app", "BuildRequires: lib\n", "true", install, ""));
    world
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn what_a_repository_has_is_taken_and_not_built() {
    let (made, os, key) = repository_with_lib();
    let world = with_app(World::new());
    let prebuilt = ["--repo", &text(&os), "--repo-key", &text(&key)].map(str::to_owned);
    let prebuilt: Vec<&str> = prebuilt.iter().map(String::as_str).collect();
    world.build(&[&["--all"], prebuilt.as_slice()].concat()).exits(0);
    world.assert_ended(&[("build app", "done"), ("build lib", "cached")]);
    let out = repository(&world.env.path().join("out"));
    let packages: Vec<&str> = out.keys().map(String::as_str).filter(|path| path.ends_with(".rpm")).collect();
    assert_eq!(packages, ["/os/noarch/app-1.0-1.noarch.rpm", "/source/src/app-1.0-1.src.rpm"]);
    let rpm = world.env.path().join("out/repository/os/noarch/app-1.0-1.noarch.rpm");
    let script = "rpm2cpio $0 | cpio -i --quiet --to-stdout ./usr/share/app/data";
    let data = Command::new("sh").args(["-c", script]).arg(&rpm).output().unwrap().stdout;
    assert_eq!(String::from_utf8(data).unwrap().trim_end(), made.env.path().display().to_string());

    world.build(&[&["--all"], prebuilt.as_slice()].concat()).exits(0);
    world.assert_ended(&[("build app", "cached"), ("build lib", "cached")]);
    let why = world.env.answer(world.command(&[&["why-rebuild"], prebuilt.as_slice()].concat())).exits(0).stdout;
    assert!(why.contains("lib: not built: os has its packages\n") && why.contains("app: up to date"), "{why}");
    // Another version than the repository's has to be built.
    let newer = std::fs::read_to_string(world.env.path().join("specs/lib/lib.spec")).unwrap();
    world.add("lib", &newer.replace("Release: 1", "Release: 2").replace("1.0-1", "1.0-2"));
    world.build(&[&["app"], prebuilt.as_slice()].concat()).exits(1).says("error: lib: %build: rpmbuild ended with");
}

#[test]
fn a_repository_that_is_not_what_it_says_is_refused() {
    // This store is of before, and does not have the package.
    let world = with_app(world_with_its_own_store());
    let (_made, os, _) = repository_with_lib();
    // Signed by somebody else.
    let other = text(&world.env.path().join("other.asc"));
    world.env.run(&["key", "create", "--key", &other]).exits(0);
    let public = world.env.run(&["key", "show", "--key", &other]).exits(0).stdout;
    world.env.write("other.public", public);
    world
        .build(&["--all", "--repo", &text(&os), "--repo-key", "other.public"])
        .exits(2)
        .says("repositories cannot be used");
    // Another package under the same name.
    let rpm = os.join("noarch/lib-1.0-1.noarch.rpm");
    let mut bytes = std::fs::read(&rpm).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&rpm).unwrap();
    std::fs::write(&rpm, bytes).unwrap();
    let answer = world.build(&["--all", "--repo", &text(&os)]).exits(2);
    assert!(answer.stderr.contains("is not the file that its repository describes"), "{}", answer.stderr);
}
