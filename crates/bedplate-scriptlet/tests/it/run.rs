//! Scripts that run over a tree, beside the host's rpm, which runs them in a real root.

use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_cas::Store;
use bedplate_sandbox::Helper;
use bedplate_scriptlet::{
    Done, Owner, Package, Ran, RunOptions, Script, ScriptError, Step, StepKind, order, plan, run as run_scripts,
};
use bedplate_tree::{FileTree, Kind};

use crate::plan::spec as random_spec;
use crate::support::{build, files, host_rpm, read, run};
use crate::tree::{bare_root, lines_of, lines_of_folder, store, tree_of};

/// The time that all changes get.
const EPOCH: i64 = 1_700_000_000;

fn options() -> RunOptions {
    RunOptions {
        epoch: EPOCH,
        helper: Helper::At(env!("CARGO_BIN_EXE_bedplate-scriptlet-test-helper").into()),
        ..RunOptions::default()
    }
}

/// Runs the scripts of packages over a tree, as this machine's rpm would.
fn run_all(tree: &mut FileTree, packages: &[Package], store: &Store, options: &RunOptions) -> Result<Ran, ScriptError> {
    let steps = plan(packages, &order(packages, host_rpm()), host_rpm());
    run_scripts(tree, packages, &steps, store, options, &mut |_, _| {})
}

/// A spec of one package with scripts.
fn spec(name: &str, rest: &str) -> String {
    format!("Name: {name}\nVersion: 1\nRelease: 1\nSummary: s\nLicense: x\nBuildArch: noarch\n%description\nd\n{rest}")
}

/// What the host's rpm makes of packages.
fn rpm_root(files: &[PathBuf]) -> tempfile::TempDir {
    let root = bare_root();
    let mut command = Command::new("rpm");
    command.args(["-i", "--nodeps", "--nosignature", "--root"]).arg(root.path()).args(files);
    let said = run(&mut command);
    assert!(!said.contains("failed"), "{said}");
    root
}

fn assert_same(ours: &[String], theirs: &[String]) {
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    let (ours, theirs) = (only(ours, theirs), only(theirs, ours));
    assert!(ours.is_empty() && theirs.is_empty(), "only ours: {ours:#?}\nonly rpm's: {theirs:#?}");
}

const CHANGES: &str = "\
%install
mkdir -p %{buildroot}/opt %{buildroot}/etc
cd %{buildroot}/opt
mkdir -p gone kept/deep again moved
echo 1 >gone/file; echo 2 >kept/file; echo 3 >again/file; echo 4 >moved/file; echo 5 >plain; echo 6 >exec; chmod 755 exec
echo 7 >secret; chmod 600 secret; ln -s plain link; ln plain hard; echo 8 >kept/deep/one; echo 9 >touched; echo 10 >owned
echo key=value >../etc/x.conf
%files
%dir /opt/gone
%dir %attr(2755,root,daemon) /opt/kept
%dir /opt/kept/deep
%dir /opt/again
%dir /opt/moved
/opt/gone/file
/opt/kept/file
/opt/kept/deep/one
/opt/again/file
/opt/moved/file
/opt/plain
/opt/hard
/opt/exec
/opt/secret
/opt/touched
%attr(4755,daemon,daemon) /opt/owned
/opt/link
/etc/x.conf
%post
set -e
cd /opt
rm -r gone
rm again/file; rmdir again; mkdir -m 711 again; echo new >again/other
mv moved elsewhere
chmod 640 kept/file; chown 81:82 kept/file
echo more >>secret
cp exec copied; cp -p secret copied2; cp -a owned copied3
sed -i s/value/other/ /etc/x.conf
ln -sf exec link
mkdir -p /srv/y; touch /srv/y/empty; chown -R 1000:65534 /srv
mkfifo -m 600 /srv/pipe
touch touched
echo again >exec
ln secret secret2
chmod 4711 copied
echo here >kept/deep/two
rm hard
%posttrans
echo last >>/opt/again/other
";

#[test]
fn what_scripts_change_is_what_rpm_leaves() {
    let files = files(&build(&spec("changes", CHANGES)));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let before = tree.clone();
    let ran = run_all(&mut tree, &read(&files), &store, &options()).unwrap();
    assert_eq!(ran.log(), "%post of changes-1-1.noarch: run\n%posttrans of changes-1-1.noarch: run\n");
    assert_same(&lines_of(&tree, &store), &lines_of_folder(rpm_root(&files).path()));
    // What was not changed is the very same entry; the rest has the time that was given.
    for (path, entry) in tree.iter() {
        match before.get(path.as_str()) {
            Some(old) if !ran.changes.contains_key(path) => assert_eq!(entry, old, "{path}"),
            _ => assert_eq!(entry.mtime, EPOCH, "{path}"),
        }
    }
    let of = |path: &str| tree.get(path).map(|entry| &*entry.origin);
    assert_eq!(of("/opt/kept/file"), Some("changes-1-1.noarch"));
    assert_eq!(of("/opt/again/other"), Some("scriptlets"));
    assert!(!ran.changes.keys().any(|path| ["/opt/plain", "/bin"].contains(&path.as_str())), "{:?}", ran.changes);
    assert!(matches!(tree.get("/opt/secret2").unwrap().kind, Kind::HardLink(_)));
}

#[test]
fn logs_are_those_of_rpm() {
    let files = files(&build(&random_spec(1, 10)));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let packages = read(&files);
    let has_lua = |package: &Package| package.scripts.values().any(bedplate_scriptlet::Script::is_lua);
    assert!(packages.iter().any(has_lua), "the numbers that look random give none");
    run_all(&mut tree, &packages, &store, &RunOptions { lua: Some(lua_root()), ..options() }).unwrap();
    let root = rpm_root(&files);
    let ours = store.read(&tree.get("/log").unwrap().content().unwrap()).unwrap();
    assert_eq!(String::from_utf8(ours).unwrap(), std::fs::read_to_string(root.path().join("log")).unwrap());
}

/// A root with the host's rpmlua, its libraries and rpm's configuration.
fn lua_root() -> PathBuf {
    static ROOT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    ROOT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rpm-lua");
        if root.exists() {
            return root;
        }
        let fresh = root.with_extension(std::process::id().to_string());
        let (bin, lib) = (fresh.join("usr/bin"), fresh.join("usr/lib/all"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::copy("/usr/bin/rpmlua", bin.join("rpmlua")).expect("toolkit/host-setup installs rpm");
        for line in run(Command::new("ldd").arg("/usr/bin/rpmlua")).lines() {
            let file = line.split_whitespace().find(|word| word.starts_with('/'));
            let Some(file) = file.map(Path::new) else { continue };
            std::fs::copy(file, lib.join(file.file_name().unwrap())).unwrap();
        }
        run(Command::new("cp").args(["-rL", "/usr/lib/rpm"]).arg(fresh.join("usr/lib/rpm")));
        if std::fs::rename(&fresh, &root).is_err() {
            assert!(root.exists());
            std::fs::remove_dir_all(&fresh).unwrap();
        }
        root
    })
    .clone()
}

/// The error of a package with these scripts.
fn failure(name: &str, scripts: &str) -> ScriptError {
    let files = files(&build(&spec(name, &format!("%files\n{scripts}"))));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let before = tree.clone();
    let options = RunOptions { lua: Some(lua_root()), ..options() };
    let error = run_all(&mut tree, &read(&files), &store, &options).unwrap_err();
    assert_eq!(tree, before);
    error
}

#[test]
fn a_script_that_fails_is_named_with_its_place_and_output() {
    for (name, scripts, expected) in [
        (
            "status",
            "%post\necho first\ntouch /x\nfalse_command || exit 3\n",
            "%post of status-1-1.noarch failed: exit status 3\n  command: /bin/sh /var/tmp/rpm-tmp.script 1\n  \
             line 3 of the script: false_command || exit 3\n  | first\n  \
             | /var/tmp/rpm-tmp.script: line 3: false_command: not found",
        ),
        (
            "signal",
            "%pre\nkill -9 $$\n",
            "%pre of signal-1-1.noarch failed: killed by signal 9\n  command: /bin/sh /var/tmp/rpm-tmp.script 1\n  \
             it printed nothing",
        ),
        (
            "interpreter",
            "%posttrans -p /usr/bin/python3\nprint(1)\n",
            "%posttrans of interpreter-1-1.noarch failed: start `/usr/bin/python3`: No such file or directory (os error 2)\n  \
             command: /usr/bin/python3 /var/tmp/rpm-tmp.script 1\n  it printed nothing\n  hint: `/usr/bin/python3` is in no \
             package of the image: install one that has it, or leave the package out",
        ),
        (
            "program",
            "%post -p /usr/bin/update-it\n",
            "%post of program-1-1.noarch failed: start `/usr/bin/update-it`: No such file or directory (os error 2)\n  \
             command: /usr/bin/update-it\n  it printed nothing\n  hint: `/usr/bin/update-it` is in no package of the image: \
             install one that has it, or leave the package out",
        ),
        (
            "lua",
            "%pretrans -p <lua>\nprint('before')\nerror('bad')\n",
            "%pretrans of lua-1-1.noarch failed: exit status 255\n  command: <lua> /var/tmp/rpm-tmp.script 1\n  \
             line 2 of the script: error('bad')\n  | error: lua script failed: [string \"/var/tmp/rpm-tmp.script\"]:2: bad\n  | before",
        ),
        (
            "network",
            "%post\nbusybox wget -q http://192.0.2.1/\n",
            "%post of network-1-1.noarch failed: exit status 1\n  command: /bin/sh /var/tmp/rpm-tmp.script 1\n  \
             | wget: can't connect to remote host (192.0.2.1): Network is unreachable\n  \
             hint: `busybox` tried to reach 192.0.2.1 port 80 over TCP, and scripts have no network",
        ),
        (
            "expanded",
            "%post -e\necho x\n",
            "these scripts are expanded when they are run, with macros of the machine: %post -e of expanded-1-1.noarch; write what they \
             need into them when the package is built",
        ),
    ] {
        assert_eq!(failure(name, scripts).to_string(), expected, "{name}");
    }
}

#[test]
fn scripts_of_a_config_get_its_words_and_are_always_run() {
    let files = files(&build(&spec("plain", "%files\n")));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let script = |body: &str| Script { program: vec!["/bin/sh".into()], body: Some(body.into()), flags: 0 };
    let step = |script, arguments: &[&str]| Step {
        owner: Owner::Config("words"),
        kind: StepKind::Config,
        script,
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        cause: None,
        input: Vec::new(),
    };
    // A package's script that only does this is not run.
    let (words, native) = (script("for word; do echo \"<$word>\"; done\n"), script(":\n"));
    let steps = [step(&words, &["--all", "two words", "", "it's"]), step(&native, &[])];
    let ran = run_scripts(&mut tree, &[], &steps, &store, &options(), &mut |_, _| {}).unwrap();
    let log = "script `words`: run\n  | <--all>\n  | <two words>\n  | <>\n  | <it's>\nscript `words`: run\n";
    assert_eq!(ran.log(), log);
    let bad = script("exit 4\n");
    let steps = [step(&native, &[]), step(&bad, &["a b"])];
    let Err(ScriptError::Failed(failure)) = run_scripts(&mut tree, &[], &steps, &store, &options(), &mut |_, _| {})
    else {
        panic!("it does not fail");
    };
    assert_eq!(failure.step, 1);
    let text =
        "script `words` failed: exit status 4\n  command: /bin/sh /var/tmp/rpm-tmp.script 'a b'\n  it printed nothing";
    assert_eq!(failure.to_string(), text);
}

#[test]
fn long_output_is_cut_and_limits_are_kept() {
    let error =
        failure("long", "%post\nfor i in 0 1 2 3 4 5 6 7 8 9; do printf \"$i\\n$i\\n$i\\n$i\\n\"; done; exit 1\n");
    let text = error.to_string();
    assert!(text.contains("  | (10 lines before are in the log)\n  | 2\n"), "{text}");

    let flood = "%files\n%post\nset -- a a a a a a a a\nfor i in $*; do for j in $*; do for k in $*; do for l in $*; do\n\
                 printf '%10000d\\n' $((n += 1)); done; done; done; done\n";
    let many = files(&build(&spec("flood", flood)));
    let (_folder, store) = store();
    let ran = run_all(&mut tree_of(&many, &store), &read(&many), &store, &options()).unwrap();
    let Done::Run(lines) = &ran.records[0].done else { panic!("{ran:?}") };
    assert_eq!((lines.len(), lines[0].as_str()), (105, "(3992 lines before are not kept)"));
    assert_eq!(lines[104].trim(), "4096");

    let files = files(&build(&spec("slow", "%files\n%post\necho x; touch /y\n%posttrans\nsleep 100\n")));
    let mut options = options();
    options.limits.wall = std::time::Duration::from_secs(1);
    let error = run_all(&mut tree_of(&files, &store), &read(&files), &store, &options).unwrap_err();
    let expected = "%posttrans of slow-1-1.noarch failed: ran longer than the limit of 1 s\n";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[test]
fn what_is_done_natively_is_not_run() {
    let scripts = "%post -p /sbin/ldconfig\n%posttrans\nsystemd-sysusers || :\n%files\n";
    let files = files(&build(&spec("native", scripts)));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let before = tree.clone();
    let ran = run_all(&mut tree, &read(&files), &store, &options()).unwrap();
    assert_eq!(tree, before);
    assert_eq!(ran.natives.iter().map(|native| native.name()).collect::<Vec<_>>(), ["linker cache", "users"]);
    assert!(ran.records.iter().all(|record| matches!(record.done, Done::Native(_))));
    assert_eq!(
        ran.log(),
        "%post of native-1-1.noarch: done once for the image: linker cache\n\
         %posttrans of native-1-1.noarch: done once for the image: users\n"
    );
}

#[test]
fn scripts_see_what_rpm_shows_them() {
    let scripts = "%files\n%post\nexec >/seen\npwd; id -u; id -g; env; echo $0 $*; umask\n\
                   ls /run /tmp /var/tmp /proc/self/fd; ls /dev\nstat -c '%a %u %g' /dev/null /proc/1 /bin/busybox\n";
    let text = spec("seen", scripts).replace("%description", "Prefix: /opt/x\n%description");
    let files = files(&build(&text));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    run_all(&mut tree, &read(&files), &store, &options()).unwrap();
    let seen = store.read(&tree.get("/seen").unwrap().content().unwrap()).unwrap();
    let seen = String::from_utf8(seen).unwrap();
    let expected = "/\n0\n0\n";
    assert!(seen.starts_with(expected), "{seen}");
    for line in [
        "PATH=/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin",
        "RPM_INSTALL_PREFIX=/opt/x",
        "RPM_INSTALL_PREFIX0=/opt/x",
        "SOURCE_DATE_EPOCH=1700000000",
        "SYSTEMD_OFFLINE=1",
        "/var/tmp/rpm-tmp.script 1",
        "0022",
        "666 0 0",
        "755 0 0",
    ] {
        assert!(seen.lines().any(|one| one == line), "{line}: {seen}");
    }
    assert!(seen.contains("/run:\n\n") && seen.contains("/tmp:\n\n/var/tmp:\nrpm-tmp.script\n"), "{seen}");
    // Nothing of what was only shown is left.
    let paths: Vec<&str> =
        tree.iter().map(|(path, _)| path.as_str()).filter(|path| !path.starts_with("/bin")).collect();
    assert_eq!(paths, ["/", "/etc", "/etc/group", "/etc/passwd", "/seen"]);
}

#[test]
fn the_same_scripts_give_the_same_tree() {
    let files = files(&build(&random_spec(1, 10)));
    let mut manifests = Vec::new();
    for _ in 0..2 {
        // Each time in another folder.
        let (_folder, store) = store();
        let mut tree = tree_of(&files, &store);
        run_all(&mut tree, &read(&files), &store, &RunOptions { lua: Some(lua_root()), ..options() }).unwrap();
        manifests.push(tree.to_manifest());
    }
    assert_eq!(manifests[0], manifests[1]);
}

#[test]
fn what_came_of_scripts_is_remembered() {
    let scripts = "%files\n%post\necho hello; echo content >/made\n";
    let files = files(&build(&spec("remembered", scripts)));
    let packages = read(&files);
    let (_folder, store) = store();
    let before = tree_of(&files, &store);
    let steps = plan(&packages, &order(&packages, host_rpm()), host_rpm());
    let mut lines = Vec::new();
    let mut once = |options: &RunOptions| {
        let mut tree = before.clone();
        let ran = run_scripts(&mut tree, &packages, &steps, &store, options, &mut |script, line| {
            lines.push(format!("{script}: {line}"));
        });
        (ran.unwrap(), tree)
    };
    let first = once(&options());
    assert_eq!(once(&options()), first);
    // Another time, and contents that were lost, make it run again.
    once(&RunOptions { epoch: 1, ..options() });
    let made = first.1.get("/made").unwrap().content().unwrap();
    std::fs::remove_file(store.place_of(&made).unwrap()).unwrap();
    assert_eq!(once(&options()), first);
    assert_eq!(lines, vec!["%post of remembered-1-1.noarch: hello"; 3]);
    assert!(store.has(&made));
}

#[test]
fn an_ordinary_user_gets_the_same_tree() {
    let files = files(&build(&spec("changes", CHANGES)));
    let (_folder, own_store) = store();
    let mut tree = tree_of(&files, &own_store);
    let manifest = tree.to_manifest();
    run_all(&mut tree, &read(&files), &own_store, &options()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::set_permissions(at, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let user_store = Store::open(&at.join("store")).unwrap();
    let same = tree_of(&files, &user_store);
    assert_eq!(same.to_manifest(), manifest);
    drop(user_store);
    std::fs::write(at.join("manifest"), manifest).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_bedplate-scriptlet-test-helper"), at.join("helper")).unwrap();
    std::fs::copy(&files[0], at.join("package.rpm")).unwrap();
    for ids in ["subuid", "subgid"] {
        std::fs::write(at.join(ids), "nobody:1500000000:65536\n").unwrap();
        // Something to mount over.
        std::fs::OpenOptions::new().append(true).create(true).open(Path::new("/etc").join(ids)).unwrap();
    }
    run(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(at.join("store")));
    let script = "mount --bind $0/subuid /etc/subuid; mount --bind $0/subgid /etc/subgid; cd /; exec setpriv --reuid nobody \
                  --regid nogroup --clear-groups -- $0/helper run $0/store $0/manifest $0/package.rpm";
    let said = run(Command::new("unshare").args(["--mount", "sh", "-ec", script]).arg(at));
    assert_eq!(said, tree.to_manifest());
    // Nothing is left of the sandbox.
    assert_eq!(std::fs::read_dir(at.join("store/work")).unwrap().count(), 0);
}

#[test]
fn a_root_folder_of_any_mode_stays_as_it_is() {
    let files = files(&build(&spec("root", "%files\n%post\nstat -c '%a %u:%g' / >/seen\n")));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    let root = tree.get_mut("/").unwrap();
    (root.mode, root.gid) = (0o555, 3);
    run_all(&mut tree, &read(&files), &store, &options()).unwrap();
    let seen = store.read(&tree.get("/seen").unwrap().content().unwrap()).unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), "555 0:3\n");
    let root = tree.get("/").unwrap();
    assert_eq!((root.mode, root.gid), (0o555, 3));
}

#[test]
fn ids_that_no_script_can_see_are_named() {
    let files = files(&build(&spec("root", "%files\n%post\nstat -c '%a %u:%g' / >/seen\n")));
    let (_folder, store) = store();
    let mut tree = tree_of(&files, &store);
    tree.get_mut("/etc/passwd").unwrap().uid = 70_000;
    let error = run_all(&mut tree, &read(&files), &store, &options()).unwrap_err();
    let expected = "the ids of users and groups end with 65534 in an image whose scripts run; a file has others: `/etc/passwd` (70000:0)";
    assert_eq!(error.to_string(), expected);
}
