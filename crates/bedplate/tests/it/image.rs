//! `bedplate image validate`, `schema`, `explain` and `import`.

use crate::support::TestEnv;

const BASE: &str = "\
[packages]
instal = [\"systemd\"]

[[storage.partition]]
type = \"root\"
verity = \"hash\"
";

const NODE: &str = "\
name = \"node\"
inherit = \"base.toml\"

[[file]]
path = \"/etc/motd\"
source = \"files/modt\"
mode = 644

[[user]]
name = \"core\"
password = \"secret\"

[[storage.partition]]
type = \"esp\"
size = \"256M\"

[storage]
size = \"200M\"
";

/// All that is said about [`NODE`] and [`BASE`].
const TOLD: &str = "\
error[no-such-file]: cannot find `files/modt`: No such file or directory (os error 2)
 --> node.toml:6:10
  |
6 | source = \"files/modt\"
  |          ^^^^^^^^^^^^
  |
  = help: did you mean `files/motd`?
error[wrong-type]: `mode` takes a mode, not a number
 --> node.toml:7:8
  |
7 | mode = 644
  |        ^^^
  |
  = help: for example: mode = \"0600\"
error[bad-value]: this is not a hash of a password
  --> node.toml:11:12
   |
11 | password = \"secret\"
   |            ^^^^^^^^
   |
   = help: `password` takes what `mkpasswd --method=yescrypt` prints; it begins with `$y$`, `$6$` or another method of crypt(5). A password itself is never taken
error[disk-too-small]: the disk of 200M is 60M too small: its partitions and their table take 260M
  --> node.toml:18:8
   |
18 | size = \"200M\"
   |        ^^^^^^
   |
   = help: write `size = \"260M\"` or more, or make partitions smaller
error[unknown-key]: unknown key `instal` in `packages`
 --> base.toml:2:1
  |
2 | instal = [\"systemd\"]
  | ^^^^^^
  |
  = help: did you mean `install`?
error[verity-writable]: verity protects what is never written to, and `root` is writable as `ext4`
 --> base.toml:6:10
  |
6 | verity = \"hash\"
  |          ^^^^^^
  |
  = help: write `root = \"read-only\"` in `[storage]`
1 config, 1 bad: 6 errors, 0 warnings
";

#[test]
fn all_mistakes_of_a_config_and_its_base_are_told_in_one_run() {
    let env = TestEnv::new();
    env.write("node.toml", NODE);
    env.write("base.toml", BASE);
    env.write("files/motd", "hello\n");
    let answer = env.run(&["image", "validate", "node.toml"]).exits(2).prints("");
    assert_eq!(answer.stderr, TOLD);
    let lines = env.run(&["image", "validate", "--json", "node.toml"]).exits(2).json();
    assert_eq!(lines.len(), 6);
    assert_eq!((&lines[4]["code"], &lines[4]["span"]["file"]), (&"unknown-key".into(), &"base.toml".into()));
    assert_eq!(lines[4]["hint"], "did you mean `install`?");
}

#[test]
fn a_good_config_is_good_and_one_bad_one_of_several_counts() {
    let env = TestEnv::new();
    env.write("good.toml", "name = \"good\"\n[output]\nformats = [\"oci\"]\n");
    env.write("warned.toml", "name = \"warned\"\n[boot]\ntimeout = 3\n");
    env.run(&["image", "validate", "good.toml"]).exits(0).says("1 config, 0 bad: 0 errors, 0 warnings");
    let all = ["image", "validate", "good.toml", "warned.toml"];
    env.run(&all).exits(0).says("warning[unused-key]").says("2 configs, 0 bad: 0 errors, 1 warning");
    let with_absent = ["image", "validate", "godo.toml", "good.toml"];
    env.run(&with_absent)
        .exits(2)
        .says("cannot read `godo.toml`")
        .says("did you mean `good.toml`?")
        .says("2 configs, 1 bad");
    env.run(&["image", "validate"]).exits(2).says("<CONFIG>...");
}

#[test]
fn the_schema_is_the_one_that_is_published() {
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../../toolkit/schemas/image-config.json");
    TestEnv::new().run(&["image", "schema"]).exits(0).prints(&std::fs::read_to_string(published).unwrap());
}

#[test]
fn keys_are_explained_and_slips_find_theirs() {
    let env = TestEnv::new();
    let told = env.run(&["image", "explain", "storage.partition.verity"]).exits(0).stdout;
    assert_eq!(
        told,
        "verity, in [[storage.partition]]

  What protects its bytes, for `root` and `usr`. The partitions that hold the hashes and the
  signature follow it in the image, if the config does not name them itself to say more of them.

  Value:    one of the words below
            off     Nothing.
            hash    dm-verity: every block is checked against a tree of hashes, whose root hash is
                    on the kernel command line.
            signed  dm-verity, and the root hash is signed in a partition of its own.
  Without:  `\"off\"`
  Example:  verity = \"hash\"
"
    );
    let overview = env.run(&["image", "explain"]).exits(0).stdout;
    assert!(overview.contains("\n    storage ") && overview.contains("\n    oci "), "{overview}");
    let section = env.run(&["image", "explain", "[[file]]"]).exits(0).stdout;
    assert!(section.starts_with("[[file]]\n") && section.contains("one of content, source, image"), "{section}");
    env.run(&["image", "explain", "storge.size"]).exits(2).says("there is no key `storge.size`").says("`storage.size`");
    env.run(&["image", "explain", "mode"]).exits(2).says("did you mean `file.mode` or `directory.mode`");
}

const AZURE: &str = r#"{
    "Disks": [{
        "MaxSize": 1024,
        "Artifacts": [{ "Name": "core", "Type": "vhd" }],
        "Partitions": [
            { "ID": "esp", "Flags": ["esp", "boot"], "Start": 1, "End": 9, "FsType": "fat32" },
            { "ID": "rootfs", "Start": 9, "End": 0, "FsType": "ext4" }
        ]
    }],
    "SystemConfigs": [
        {
            "Name": "Standard",
            "PackageLists": ["lists/core.json"],
            "KernelOptions": { "default": "kernel" },
            "AdditionalFiles": { "files/motd": "/etc/motd" },
            "PartitionSettings": [{ "ID": "esp", "MountPoint": "/boot/efi" }, { "ID": "rootfs", "MountPoint": "/" }],
            "Encryption": { "Enable": true }
        },
        { "Name": "Other" }
    ]
}"#;

#[test]
fn a_config_of_azure_linux_becomes_one_that_validates() {
    let env = TestEnv::new();
    env.write("azl/core.json", AZURE);
    env.write("azl/lists/core.json", "{ \"packages\": [\"bash\"] }");
    env.write("azl/files/motd", "hello\n");
    env.write("configs/other.toml", "");
    let import = |extra: &[&str]| env.run(&[&["image", "import", "azl/core.json"], extra].concat());
    import(&[]).exits(2).prints("").says("has several systems: Standard, Other").says("`--config NAME`");
    import(&["--config", "standard"]).exits(2).says("has no system `standard`");
    import(&["--config", "Standard", "-o", "configs/core.toml"])
        .exits(0)
        .prints("")
        .says("dropped: $.SystemConfigs[0].Encryption: ")
        .says("changed: $.Disks[0].Partitions[0]: ")
        .says("dropped: $.SystemConfigs[1]: ")
        .says("azl/core.json: 2 values dropped, 1 changed; the new config has 0 errors");
    let text = std::fs::read_to_string(env.path().join("configs/core.toml")).unwrap();
    assert!(
        text.contains("source = \"../azl/files/motd\"") && text.contains("install = [\"bash\", \"kernel\"]"),
        "{text}"
    );
    env.run(&["image", "validate", "configs/core.toml"]).exits(0);
    let printed = import(&["--config", "Standard"]).exits(0).stdout;
    assert_eq!(printed, text.replace("../azl/", "azl/"));
    // What it names has to be there.
    std::fs::remove_file(env.path().join("azl/files/motd")).unwrap();
    import(&["--config", "Standard"]).exits(2).says("error[no-such-file]").says("imported.toml:");
    std::fs::remove_file(env.path().join("azl/lists/core.json")).unwrap();
    import(&["--config", "Standard"]).exits(2).prints("").says("cannot read azl/lists/core.json: No such file");
    env.write("azl/core.json", "{ \"Disks\": [], }");
    import(&[]).exits(2).says("azl/core.json:1:16: this is no JSON");
}
