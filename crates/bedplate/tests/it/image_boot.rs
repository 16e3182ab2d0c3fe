//! `bedplate image boot`: arguments, and machines that end before they start anything.

use crate::support::TestEnv;

#[test]
fn wrong_images_and_texts_are_bad_input() {
    let env = TestEnv::new();
    env.write("node.raw", vec![0; 1 << 20]);
    env.run(&["image", "boot", "none.raw"]).exits(2).says("cannot read none.raw: No such file or directory");
    env.run(&["image", "boot", "node.zst"]).exits(2).says("the format of node.zst is not known").says("`--format raw`");
    env.run(&["image", "boot", "node.raw", "--expect", ""]).exits(2).says("a text to expect is empty");
    env.run(&["image", "boot", "node.raw", "--memory", "much"]).exits(2).says("512M, 20G");
    let long = "x".repeat(9000);
    env.run(&["image", "boot", "node.raw", "--acceleration", "emulation", "--run", &long])
        .exits(2)
        .says("the command for the guest has 9000 bytes; at most 8192 fit")
        .says("put a script into the image");
}

#[test]
fn the_end_of_a_machine_decides_the_exit_code() {
    let env = TestEnv::new();
    env.write("node.raw", vec![0; 1 << 20]);
    let emulated = |rest: &[&str]| env.run(&[&["image", "boot", "--acceleration", "emulation"], rest].concat());
    emulated(&["node.raw", "--timeout", "1s", "--expect", "never", "--log", "log"])
        .exits(1)
        .says("not seen: never")
        .says("the time is over");
    assert!(env.path().join("log").exists());
    emulated(&["node.raw", "--format", "qcow2", "--expect", "never"]).exits(3).says("Image is not in qcow2 format");
}
