//! Builds of an ordinary user with sub-ids: they give the same bits as those of root, and leave nothing when they are killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::build_world::{World, chain_of_specs, repository, shared_store, spec, world_with_its_own_store};

/// Copies a file or folder, with its times and its hard links.
pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--"]).arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
}

/// A world of the user `nobody`, in a folder that they may come to, with all that a build needs: program, seed file, macros and
/// a store of their own that begins as the shared one. Their sub-ids are in files that only their commands see.
pub(crate) fn world_of_nobody() -> World {
    World::new().warm();
    let mut world = World::below(Path::new("/var/tmp"));
    let folder = world.env.path().to_owned();
    let at = |name: &str| folder.join(name);
    std::fs::create_dir_all(at("store/work")).unwrap();
    for entry in std::fs::read_dir(shared_store()).unwrap().flatten().filter(|entry| entry.file_name() != "work") {
        copy(&entry.path(), &at("store"));
    }
    copy(world.seed.parent().unwrap(), &at("seed"));
    copy(&world.policy, &at("policy"));
    world.store = at("store");
    world.seed = at("seed/debian-trixie.toml");
    world.policy = at("policy");
    std::fs::copy(crate::support::PROGRAM, at("program")).unwrap();
    for ids in ["subuid", "subgid"] {
        // Something to mount over.
        std::fs::OpenOptions::new().append(true).create(true).open(format!("/etc/{ids}")).unwrap();
        world.env.write(ids, "nobody:1500000000:65536\n");
    }
    world.give_to_nobody();
    world
}

impl World {
    /// Hands the whole folder over. Not to be called when a build has left something: that belongs to sub-ids.
    pub(crate) fn give_to_nobody(&self) {
        let given = Command::new("chown").args(["-hR", "nobody:nogroup"]).arg(self.env.path()).status().unwrap();
        assert!(given.success());
    }

    /// `bedplate build` of the user, below another command if one is given.
    fn build_of_nobody(&self, below: &[&str], arguments: &[&str]) -> Command {
        let inner = self.command(&[&["build", "--events", "events.jsonl"], arguments].concat());
        self.of_nobody(below, &inner)
    }

    /// The program run by the user, with the arguments of another command.
    pub(crate) fn of_nobody(&self, below: &[&str], inner: &Command) -> Command {
        let script = "mount --bind $0/subuid /etc/subuid; mount --bind $0/subgid /etc/subgid
                      exec setpriv --reuid nobody --regid nogroup --clear-groups -- \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script]).arg(self.env.path());
        command.args(below).arg(self.env.path().join("program")).args(inner.get_args());
        command.current_dir(self.env.path()).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        command.env("HOME", self.env.path()).stdin(Stdio::null());
        command
    }
}

#[test]
fn user_path_date_and_jobs_change_no_bit() {
    let (root, user) = (world_with_its_own_store(), world_of_nobody());
    let own = root.env.path().display().to_string();
    let key = root.env.path().join("key.asc").display().to_string();
    root.env.run(&["key", "create", "--key", &key]).exits(0);
    copy(Path::new(&key), &user.env.path().join("key.asc"));
    for world in [&root, &user] {
        chain_of_specs(world, &own);
        let build = "date -u -d @${SOURCE_DATE_EPOCH} > when; hostname >> when; id >> when; env | sort | grep -v -e MAKEFLAGS -e NCPUS >> when
                     umask >> when; touch a b c; ls > list; stat -c '%U %G %a %n' /build /tmp /usr/bin/sed * >> when";
        let install = "cp when list %{buildroot}/usr/share/facts/\ngzip -nk %{buildroot}/usr/share/facts/list";
        world.add("facts", &spec("facts", "", build, install, "test -s when"));
    }
    user.give_to_nobody();
    let mut build = Command::new("faketime");
    let inner = root.command(&["build", "--all", "--key", &key, "-j", "2"]);
    build.arg("2027-01-02 03:04:05").arg(inner.get_program()).args(inner.get_args());
    build.current_dir(root.env.path()).env("HOME", root.env.path());
    root.env.answer(build).exits(0);
    let build = user.build_of_nobody(&["faketime", "2031-10-11 12:13:14"], &["--all", "--key", "key.asc", "-j", "1"]);
    user.env.answer(build).exits(0);
    // They were built, not found.
    assert!(user.ended().values().all(|state| state == "done"), "{:?}", user.ended());
    let (first, second) = (repository(&root.env.path().join("out")), repository(&user.env.path().join("out")));
    // Packages first: names of metadata have their digests.
    for (path, bytes) in first.iter().filter(|(path, _)| path.ends_with(".rpm")) {
        assert!(second.get(path) == Some(bytes), "{path} differs");
    }
    assert!(first == second, "{:?}\n{:?}", first.keys(), second.keys());
    assert!(first.len() > 12, "{:?}", first.keys());
}

/// Folders of builds at work in a store, without the files of their locks.
fn at_work(store: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store.join("work")).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_none_or(|ending| ending != "lock")).collect()
}

#[test]
fn what_a_killed_build_of_an_ordinary_user_leaves_goes_with_the_next_one() {
    let world = world_of_nobody();
    // A folder that nobody but its owner may enter, and that is another user's outside.
    let build = "mkdir -m 700 private; echo x > private/file; touch private/ready; sleep 300";
    world.add("slow", &spec("slow", "", build, "", ""));
    world.give_to_nobody();
    let mut command = world.build_of_nobody(&[], &["--all", "--key", "key.asc"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let is_ready = || {
        let ready = "upper/build/BUILD/slow-1.0-build/private/ready";
        at_work(&world.store).iter().any(|path| path.join(ready).exists())
    };
    let until = Instant::now() + Duration::from_secs(120);
    while !is_ready() {
        assert!(Instant::now() < until && child.try_wait().unwrap().is_none(), "the build did not come so far");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!at_work(&world.store).is_empty(), "nothing was left: this test tests nothing");

    let text = std::fs::read_to_string(world.env.path().join("specs/slow/slow.spec")).unwrap();
    std::fs::write(world.env.path().join("specs/slow/slow.spec"), text.replace("sleep 300", "true")).unwrap();
    let answer = world.env.answer(world.build_of_nobody(&[], &["--all", "--key", "key.asc"]));
    let answer = answer.exits(0);
    assert!(!answer.stderr.contains("cannot be removed"), "{}", answer.stderr);
    assert_eq!(at_work(&world.store), [] as [PathBuf; 0]);
}
