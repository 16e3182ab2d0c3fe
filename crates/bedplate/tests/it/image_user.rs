//! Images of an ordinary user with sub-ids: the same bytes as those of root.

use std::fs;
use std::process::Command;

use crate::build_user::{copy, world_of_nobody};
use crate::build_world::World;
use crate::image_build::{command, likes, test_image, text};

const FORMS: [(&str, &str); 2] = [("plain", "raw,vhd-fixed,tar"), ("verity", "raw,oci,docker-archive")];

fn compose(world: &World, name: &str, formats: &str) -> Command {
    command(world, &format!("{name}.toml"), "images", &["--format", formats])
}

#[test]
fn an_ordinary_user_composes_the_bytes_of_root() {
    let (root, user) = (test_image(), world_of_nobody());
    for name in ["base.toml", "plain.toml", "verity.toml"] {
        copy(&root.env.path().join(name), &user.env.path().join(name));
    }
    fs::create_dir(user.env.path().join("out")).unwrap();
    copy(&root.env.path().join("out/repository"), &user.env.path().join("out/repository"));
    user.give_to_nobody();
    for (name, formats) in FORMS {
        root.env.answer(compose(&root, name, formats)).exits(0);
        let answer = user.env.answer(user.of_nobody(&[], &compose(&user, name, formats)));
        answer.exits(0);
    }
    let (ours, theirs) = (root.env.path().join("images"), user.env.path().join("images"));
    let mut compared = 0;
    for entry in fs::read_dir(&ours).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        // How long it took.
        if name.ends_with(".timings.json") {
            continue;
        }
        likes("diff", &["-r", text(&entry.path()), text(&theirs.join(&name))]);
        compared += 1;
    }
    assert!(compared >= 9, "{compared} files were compared");
}
