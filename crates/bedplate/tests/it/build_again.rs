//! What is built again: after a change of a patch, a flag, the seed, or damage in the store. Nothing else is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build_world::{World, spec, world_with_its_own_store};

/// Three specs in a row and one beside them; the first has a patch. Its content is of one test alone, so that nothing of it
/// is in the store.
fn chain_with_a_patch(world: &World) {
    let own = world.env.path().display().to_string();
    let tags = "Source0: data.txt\nPatch0: fix.patch\n";
    let first = spec("first", tags, "cat data.txt", "cp data.txt %{buildroot}/usr/share/first/data", "");
    let first = first.replace("%build\n", "%prep\n%setup -c -T\ncp %{SOURCE0} .\n%patch -P 0 -p1\n%build\n");
    world.add("first", &first);
    world.env.write("specs/first/data.txt", format!("{own}\none\n"));
    world.env.write("specs/first/fix.patch", patch("", "two"));
    for (name, needs) in [("second", "first"), ("third", "second")] {
        let install = format!("cp /usr/share/{needs}/data %{{buildroot}}/usr/share/{name}/data");
        world.add(name, &spec(name, &format!("BuildRequires: {needs}\n"), "true", &install, ""));
    }
    world.add("beside", &spec("beside", "", &format!(": {own}"), "", ""));
}

/// A patch that puts a word into the place of `one`, below some text that `patch` passes over.
fn patch(about: &str, word: &str) -> String {
    format!("{about}--- a/data.txt\n+++ b/data.txt\n@@ -2 +2 @@\n-one\n+{word}\n")
}

#[test]
fn a_changed_patch_reaches_its_spec_and_what_becomes_another_by_it() {
    let world = World::new();
    chain_with_a_patch(&world);
    world.build(&["--all"]).exits(0);
    let all = |state| ["build first", "build second", "build third", "build beside"].map(|name| (name, state));
    world.assert_ended(&all("done"));
    world.build(&["--all"]).exits(0);
    world.assert_ended(&all("cached"));

    // Only words above the patch: what is built is the same, and that ends it.
    world.env.write("specs/first/fix.patch", patch("About it.\n\n", "two"));
    let why = world.why_rebuild();
    assert!(why.contains("first: would be built, because\n  patch fix.patch changed: "), "{why}");
    assert!(why.contains("beside: up to date"), "{why}");
    world.build(&["--all"]).exits(0);
    let of_first =
        [("build first", "done"), ("build second", "cached"), ("build third", "cached"), ("build beside", "cached")];
    world.assert_ended(&of_first);

    world.env.write("specs/first/fix.patch", patch("", "three"));
    world.build(&["--all"]).exits(0);
    let of_chain =
        [("build first", "done"), ("build second", "done"), ("build third", "done"), ("build beside", "cached")];
    world.assert_ended(&of_chain);
    let why = world.why_rebuild();
    for (name, input) in [("first", "patch fix.patch"), ("second", "package first-1.0-1"), ("third", "package second-")]
    {
        assert!(why.contains(&format!("{name}: up to date; it was last built because\n  {input}")), "{why}");
    }
}

#[test]
fn a_changed_flag_reaches_all_that_is_built_with_the_macros() {
    let mut world = World::new();
    let own = world.env.path().join("policy");
    let copied = Command::new("cp").arg("-r").arg(&world.policy).arg(&own).status().unwrap();
    assert!(copied.success());
    world.policy = own;
    // One spec takes the flags up, another does not, a third is built from the second.
    let own = world.env.path().display().to_string();
    let install = "echo '%{build_cflags}' > %{buildroot}/usr/share/flags/data";
    world.add("flags", &spec("flags", "", &format!(": {own}"), install, ""));
    world.add("plain", &spec("plain", "", &format!(": {own}"), "", ""));
    world.add("user", &spec("user", "BuildRequires: plain\n", &format!(": {own}"), "", ""));
    world.build(&["--all"]).exits(0);
    let flags = world.policy.join("macros.bedplate-flags");
    let text = std::fs::read_to_string(&flags).unwrap();

    // A comment between definitions is in no key.
    std::fs::write(&flags, format!("# Another comment.\n{text}")).unwrap();
    world.build(&["--all"]).exits(0);
    let all = |state| ["build flags", "build plain", "build user"].map(|name| (name, state));
    world.assert_ended(&all("cached"));

    let changed = text.replace("-O2", "-O3");
    assert_ne!(changed, text);
    std::fs::write(&flags, changed).unwrap();
    let why = world.why_rebuild();
    for name in ["flags", "plain"] {
        let wanted = format!("{name}: would be built, because\n  macros macros.bedplate-flags changed: ");
        assert!(why.contains(&wanted), "{why}");
    }
    world.build(&["--all"]).exits(0);
    world.assert_ended(&all("done"));
    let why = world.why_rebuild();
    let wanted = "user: up to date; it was last built because\n  macros macros.bedplate-flags changed: ";
    let of_user = &why[why.find("user:").unwrap()..];
    assert!(of_user.starts_with(wanted) && !of_user.contains("package plain"), "{why}");
}

#[test]
fn a_changed_seed_reaches_the_builds_whose_groups_have_the_package() {
    let mut world = World::new();
    let text = std::fs::read_to_string(&world.seed).unwrap();
    let own = world.env.path().join("seed");
    std::fs::create_dir(&own).unwrap();
    std::fs::copy(world.seed.with_extension("lock"), own.join("debian-trixie.lock")).unwrap();
    world.seed = own.join("debian-trixie.toml");
    // Two packages of the group `base` that no other one needs get a group of their own.
    let (ed, bc) = ("ed = [\"ed\"]\n", "bc = [\"bc = 1.07.1\"]\n");
    assert!(text.contains(ed) && text.contains(bc));
    let text = text.replace(ed, "").replace(bc, "");
    let with = |packages: &str| format!("{text}\n[groups.own]\nneeds = [\"base\"]\n[groups.own.packages]\n{packages}");
    std::fs::write(&world.seed, with(&format!("{ed}{bc}"))).unwrap();
    let own = world.env.path().display().to_string();
    world.add("editing", &spec("editing", "BuildRequires: ed\n", &format!(": {own}; ed --version"), "", ""));
    world.add("plain", &spec("plain", "", &format!(": {own}"), "", ""));
    world.add("after", &spec("after", "BuildRequires: editing\n", &format!(": {own}"), "", ""));
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build after", "done"), ("build editing", "done"), ("build plain", "done")]);

    std::fs::write(&world.seed, with(ed)).unwrap();
    let why = world.why_rebuild();
    assert!(why.contains("editing: would be built, because\n  seed bc is gone: it was 1.07.1-"), "{why}");
    assert!(why.contains("plain: up to date"), "{why}");
    world.build(&["--all"]).exits(0);
    world.assert_ended(&[("build after", "cached"), ("build editing", "done"), ("build plain", "cached")]);
}

/// Another bit in the blob of a file, as a bad disk gives it; says where. The blob of this store alone: other stores have hard
/// links to the same file.
fn damage(store: &Path, file: &Path) -> PathBuf {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap()[..64].to_owned();
    let plain = store.join("blobs").join(&hash[..2]).join(&hash[2..]);
    let executable = PathBuf::from(format!("{}.x", plain.display()));
    let mut found = None;
    for path in [plain, executable].into_iter().filter(|path| path.exists()) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let data = std::fs::metadata(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&bytes).unwrap();
        file.set_modified(data.modified().unwrap()).unwrap();
        file.set_permissions(data.permissions()).unwrap();
        found = Some(path.strip_prefix(store).unwrap().to_owned());
    }
    found.expect("the store has the blob")
}

#[test]
fn what_is_damaged_of_the_seed_is_named_and_made_again() {
    let world = world_with_its_own_store();
    let own = world.env.path().display().to_string();
    world.add("one", &spec("one", "", &format!(": {own}"), "", ""));
    world.build(&["--all"]).exits(0);
    let checkouts = world.store.join("checkouts");
    let root = |file: &str| {
        let roots = std::fs::read_dir(&checkouts).unwrap().flatten().map(|entry| entry.path().join("root").join(file));
        roots.into_iter().find(|path| path.exists()).unwrap()
    };
    // A file that only a build has, and one that specs are read with.
    let damaged = [root("usr/bin/sed"), root("usr/lib/rpm/macros")].map(|file| damage(&world.store, &file));
    std::fs::remove_dir_all(&checkouts).unwrap();
    std::fs::create_dir(&checkouts).unwrap();

    world.add("two", &spec("two", "", &format!(": {own}"), "", ""));
    let answer = world.build(&["--all"]).exits(0);
    assert!(
        answer.stderr.contains("of the seed, sed was damaged in the store; it is installed again"),
        "{}",
        answer.stderr
    );
    for path in damaged {
        assert!(answer.stderr.contains(path.to_str().unwrap()), "{path:?} is not named: {}", answer.stderr);
    }
    world.assert_ended(&[("build one", "cached"), ("build two", "done")]);
    world.env.answer(world.command_of(&["store", "verify"])).exits(0);
}

#[test]
fn a_plan_knows_what_the_store_has() {
    let world = World::new();
    chain_with_a_patch(&world);
    let plan = || world.env.answer(world.command(&["plan"])).exits(0).stdout;
    let before = plan();
    assert!(before.contains("4 builds and 0 checks in 3 waves") && before.contains("third 1.0-1"), "{before}");
    assert!(!before.contains("have "), "{before}");
    world.build(&["--all"]).exits(0);
    let after = plan();
    assert!(after.contains("0 builds and 0 checks in 0 waves"), "{after}");
    for wanted in ["\n4 specs built already, in the store\n", "\nhave   beside 1.0-1\nhave   first 1.0-1\n"] {
        assert!(after.contains(wanted), "{after}");
    }

    world.env.write("specs/first/fix.patch", patch("", "four"));
    let changed = plan();
    assert!(changed.contains("3 builds and 0 checks in 3 waves") && changed.contains("have   beside"), "{changed}");
    // The times are those of the builds, not guesses: a guess has `~` before it.
    assert!(!changed.contains('~'), "{changed}");
    let answer = world.env.answer(world.command(&["plan", "--json", "beside"])).exits(0);
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(json["have"], serde_json::json!([{ "name": "beside", "evr": "1.0-1" }]));
}
