//! What tests of builds share: a folder with specs, and a store.
//!
//! The store with the seed lies in the target folder and is shared by all tests: the first one fills it, and a second run of the
//! tests finds it there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Answer, TestEnv};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The store of all tests.
pub(crate) fn shared_store() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("store")
}

/// A folder with specs, and how they are built.
pub(crate) struct World {
    pub(crate) env: TestEnv,
    pub(crate) store: PathBuf,
    /// The seed file; its lock is beside it.
    pub(crate) seed: PathBuf,
    /// The folder of the distribution's macros.
    pub(crate) policy: PathBuf,
}

/// A spec without compiled code: tags, build, install and check are given.
pub(crate) fn spec(name: &str, tags: &str, build: &str, install: &str, check: &str) -> String {
    let mut text =
        format!("Name: {name}\nVersion: 1.0\nRelease: 1\nSummary: Test\nLicense: MIT\nBuildArch: noarch\n{tags}");
    let _ = write!(
        text,
        "%description\nText.\n%build\n{build}\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n{install}\n"
    );
    if !check.is_empty() {
        let _ = write!(text, "%check\n{check}\n");
    }
    let _ =
        write!(text, "%files\n/usr/share/{name}\n%changelog\n* Mon Nov 02 2026 A <a@example.org> - 1.0-1\n- One.\n");
    text
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_store(shared_store())
    }

    /// The same with its folder in another one.
    pub(crate) fn below(folder: &Path) -> Self {
        Self { env: TestEnv::below(folder), ..Self::new() }
    }

    fn with_store(store: PathBuf) -> Self {
        let toolkit = Path::new(ROOT).join("toolkit");
        let (seed, policy) = (toolkit.join("seed/debian-trixie.toml"), toolkit.join("macros"));
        Self { env: TestEnv::new(), store, seed, policy }
    }

    /// Builds something, so that the store has the seed.
    pub(crate) fn warm(&self) {
        self.add("warm", &spec("warm", "", "true", "", ""));
        self.build(&["--all"]).exits(0);
    }

    pub(crate) fn add(&self, name: &str, text: &str) {
        self.env.write(&format!("specs/{name}/{name}.spec"), text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.env.command(&[]);
        command
            .env_remove("BEDPLATE_RPM_CONFIG")
            .args(arguments)
            .arg("--seed")
            .arg(&self.seed)
            .arg("--policy")
            .arg(&self.policy)
            .arg("--store")
            .arg(&self.store);
        command
    }

    /// A command that needs the store alone.
    pub(crate) fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = self.env.command(arguments);
        command.arg("--store").arg(&self.store);
        command
    }

    pub(crate) fn build(&self, arguments: &[&str]) -> Answer {
        let mut all = vec!["build", "--key", "key.asc", "--events", "events.jsonl"];
        all.extend(arguments);
        self.env.answer(self.command(&all))
    }

    /// What `bedplate why-rebuild` prints.
    pub(crate) fn why_rebuild(&self) -> String {
        self.env.answer(self.command(&["why-rebuild"])).exits(0).stdout
    }

    /// What became of each node of the last build, `KIND NAME`: `done`, `cached`, `failed`, …
    pub(crate) fn ended(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.env.path().join("events.jsonl")).unwrap();
        let (mut names, mut ended) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let node = event["node"].as_u64();
            match event["event"].as_str().unwrap() {
                "node_state" => {
                    let name = format!("{} {}", event["kind"].as_str().unwrap(), event["name"].as_str().unwrap());
                    names.insert(node, name.clone());
                    ended
                        .entry(name)
                        .or_insert_with(String::new)
                        .clone_from(&event["state"].as_str().unwrap().to_owned());
                }
                "node_finished" if event["cached"] == true => {
                    ended.insert(format!("cached {}", names[&node]), String::new());
                }
                _ => {}
            }
        }
        let cached: Vec<String> =
            ended.keys().filter_map(|key| key.strip_prefix("cached ")).map(str::to_owned).collect();
        ended.retain(|key, _| !key.starts_with("cached "));
        for name in cached {
            ended.insert(name, "cached".to_owned());
        }
        ended.retain(|key, _| key.starts_with("build ") || key.starts_with("check "));
        ended
    }

    #[track_caller]
    pub(crate) fn assert_ended(&self, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<String, String> =
            wanted.iter().map(|(node, state)| ((*node).to_owned(), (*state).to_owned())).collect();
        assert_eq!(self.ended(), wanted);
    }
}

/// The files of a repository by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.path().display().to_string(), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// The files of a repository, by their paths in it.
pub(crate) fn repository(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let root = out.join("repository");
    let cut = root.display().to_string();
    files(&root).into_iter().map(|(path, bytes)| (path[cut.len()..].to_owned(), bytes)).collect()
}

/// A world with a store of its own, which begins as the shared one: hard links, as nothing in a store is changed in place.
pub(crate) fn world_with_its_own_store() -> World {
    World::new().warm();
    let world = World::new();
    let store = world.env.path().join("own store");
    std::fs::create_dir_all(store.join("work")).unwrap();
    for entry in std::fs::read_dir(shared_store()).unwrap().flatten().filter(|entry| entry.file_name() != "work") {
        let copied = Command::new("cp").args(["-al", "--"]).arg(entry.path()).arg(&store).status().unwrap();
        assert!(copied.success());
    }
    World { store, ..world }
}

/// Some specs that take a moment each and need each other.
pub(crate) fn chain_of_specs(world: &World, own: &str) {
    for number in 1..=4 {
        let needs = if number == 1 { String::new() } else { format!("BuildRequires: part{}\n", number - 1) };
        let build = format!("sleep 0.3; echo {own} > made; head -c 300000 /dev/zero | tr '\\0' x >> made");
        let name = format!("part{number}");
        let install = format!("cp made %{{buildroot}}/usr/share/{name}/");
        world.add(&name, &spec(&name, &needs, &build, &install, "sleep 0.2"));
    }
}
