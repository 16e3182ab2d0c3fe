//! Container images inside of images: `[[file]] image`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::build_world::{World, spec, world_with_its_own_store};
use crate::image_build::{command, likes, text};

const INNER: &str = "version = 1\nname = \"inner\"\narchitecture = \"x86_64\"\nimage-version = \"2\"\n\
                     [packages]\ninstall = [\"plain\"]\n[oci]\ncommand = [\"/usr/share/plain/file\"]\n";

fn outer(path: &str) -> String {
    format!(
        "version = 1\nname = \"outer\"\narchitecture = \"x86_64\"\n[packages]\ninstall = [\"other\"]\n\
         [[file]]\npath = \"/usr/share/containers/inner.tar\"\nimage = \"{path}\"\n\
         [boot]\nkind = \"none\"\n[output]\nformats = [\"tar\"]\n[output.tar]\ncompression = \"none\"\n"
    )
}

/// A world whose repository has what the image needs: `outer.toml` installs `other`, which requires `more`, and has a container with `plain`.
fn packages() -> World {
    let world = world_with_its_own_store();
    for (name, tags) in [("plain", ""), ("other", "Requires: more\n"), ("more", ""), ("unneeded", "")] {
        world.add(name, &spec(name, tags, "true", &format!("echo {name} > %{{buildroot}}/usr/share/{name}/file"), ""));
    }
    world.env.write("containers/inner.toml", INNER);
    world.env.write("outer.toml", outer("containers/inner.toml"));
    world.build(&["--image", "outer.toml"]).exits(0);
    world
}

fn unpack(archive: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    likes("tar", &["-xf", text(archive), "-C", text(to)]);
}

#[test]
fn a_container_image_is_composed_into_the_image_that_has_it() {
    let world = packages();
    let told = likes("find", &[text(&world.env.path().join("out/repository/os")), "-name", "*.rpm", "-printf", "%f\n"]);
    let built: BTreeSet<&str> = told.lines().filter_map(|name| name.split_once("-1.0")).map(|(name, _)| name).collect();
    assert_eq!(built, BTreeSet::from(["more", "other", "plain"]));
    let answer = world.env.answer(command(&world, "outer.toml", "images", &[])).exits(0);
    drop(answer.says("container containers/inner.toml for /usr/share/containers/inner.tar"));
    let at = world.env.path();
    assert!(at.join("containers/inner.lock").is_file() && at.join("outer.lock").is_file());
    unpack(&at.join("images/outer.tar"), &at.join("root"));
    assert!(!at.join("root/usr/share/plain").exists() && at.join("root/usr/share/other/file").is_file());
    let archive = at.join("root/usr/share/containers/inner.tar");
    let told = likes("skopeo", &["inspect", "--config", &format!("docker-archive:{}", text(&archive))]);
    assert!(told.contains("/usr/share/plain/file"), "{told}");
    // It is the archive that the inner config makes by itself.
    let alone = ["--format", "docker-archive"];
    drop(world.env.answer(command(&world, "containers/inner.toml", "alone", &alone)).exits(0));
    likes("cmp", &[text(&archive), text(&at.join("alone/inner-2.docker.tar"))]);
    // The manifest names the config of the container, too.
    let manifest = fs::read_to_string(at.join("images/outer.manifest.json")).unwrap();
    assert!(manifest.contains("\"inner.toml\""), "{manifest}");
}

#[test]
fn mistakes_of_a_container_and_circles_of_containers_are_told() {
    let world = packages();
    world.env.write("inner.toml", INNER.replace("plain\"]\n", "plane\"]\n"));
    world.env.write("outer.toml", outer("inner.toml"));
    let answer = world.env.answer(command(&world, "outer.toml", "images", &[])).exits(2);
    drop(answer.says("inner.toml:6").says("missing-package"));
    world.env.write("outer.toml", outer("outer.toml"));
    let answer = world.env.answer(command(&world, "outer.toml", "images", &[])).exits(2);
    drop(answer.says("would be put into its own image"));
    world.build(&["--image", "outer.toml", "--output", "other"]).exits(0);
    world.env.write("outer.toml", outer("inner.toml"));
    let answer = world.build(&["--image", "outer.toml", "--output", "other"]).exits(2);
    drop(answer.says("no spec makes what the image installs: plane"));
    world.env.write("outer.toml", outer("absent.toml"));
    let answer = world.env.answer(command(&world, "outer.toml", "images", &[])).exits(2);
    drop(answer.says("no-such-file").says("outer.toml:8"));
    assert!(!world.env.path().join("images").exists() && !world.env.path().join("outer.lock").exists());
}
