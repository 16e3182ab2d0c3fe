//! One real chain: specs, rpmbuild, repository, capability lock, graph, solver.

use std::process::Command;

use serde_json::Value;

use crate::support::TestEnv;

/// `app` is a script for an interpreter that `tool` brings: rpm generates that requirement, no spec says it.
fn world() -> TestEnv {
    let env = TestEnv::new();
    let head = |name: &str, more: &str| {
        format!(
            "Name: {name}\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\n{more}%description\nd\n"
        )
    };
    let script = |name: &str, interpreter: &str| {
        format!(
            "%install\nmkdir -p %{{buildroot}}/usr/bin\nprintf '#!{interpreter}\\n' >%{{buildroot}}/usr/bin/{name}\nchmod 755 %{{buildroot}}/usr/bin/{name}\n%files\n/usr/bin/{name}\n"
        )
    };
    env.write("specs/tool.spec", format!("{}{}", head("tool", ""), script("tool", "/bin/sh")));
    env.write("specs/app.spec", format!("{}{}", head("app", "Conflicts: old\n"), script("app", "/usr/bin/tool")));
    env.write("specs/user.spec", format!("{}%files\n", head("user", "BuildRequires: app\nRequires: app\n")));
    env.write("seed.toml", "[groups.base.packages]\nsh = [\"/bin/sh\"]\n");
    env
}

fn build(env: &TestEnv, spec: &str, to: &str) {
    let mut build = Command::new("rpmbuild");
    build.args(["-bb", "--nodeps", "--quiet", spec]).current_dir(env.path()).env("SOURCE_DATE_EPOCH", "1735689600");
    for (name, body) in [
        ("_topdir", env.path().join("top").display().to_string()),
        ("_rpmdir", env.path().join(to).display().to_string()),
        ("_build_name_fmt", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm".to_owned()),
    ] {
        build.args(["--define", &format!("{name} {body}")]);
    }
    let done = build.output().expect("rpmbuild is there: toolkit/host-setup installs it");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn roots(env: &TestEnv, more: &[&str]) -> String {
    let arguments = [&["graph", "--json", "--seed", "seed.toml"], more].concat();
    let json: Value = serde_json::from_str(&env.run(&arguments).exits(0).stdout).unwrap();
    let user = json["nodes"].as_array().unwrap().iter().find(|node| node["id"] == "user").unwrap();
    format!("{} {}", user["needs"], user["wave"])
}

#[test]
fn what_a_build_generates_is_learnt_and_makes_the_graph_exact() {
    let env = world();
    // From the specs alone nobody can know of the interpreter.
    assert_eq!(roots(&env, &[]), "[\"app\"] 2");
    build(&env, "specs/app.spec", "rpms");
    build(&env, "specs/tool.spec", "rpms");
    env.run(&["repo", "capabilities", "rpms", "-o", "specs/capabilities.lock"]).exits(0).says("2 packages, 2 changed");
    let lock = std::fs::read_to_string(env.path().join("specs/capabilities.lock")).unwrap();
    assert!(lock.contains("requires = [\n  \"/usr/bin/tool\",\n]"), "{lock}");
    assert_eq!(roots(&env, &[]), "[\"app\",\"tool\"] 2");
    env.run(&["repo", "capabilities", "rpms", "-o", "specs/capabilities.lock"]).exits(0).says("2 packages, 0 changed");
    let why = env.run(&["why", "user", "tool", "--seed", "seed.toml"]).exits(0).stdout;
    assert!(why.contains("(generated): app requires `/usr/bin/tool`: tool of specs/tool.spec"), "{why}");
    // A new version of the spec: the lock is of the old one, and still counts.
    let spec = std::fs::read_to_string(env.path().join("specs/app.spec")).unwrap().replace("Release: 1", "Release: 2");
    env.write("specs/app.spec", spec);
    assert_eq!(roots(&env, &[]), "[\"app\",\"tool\"] 2");
    // What is built is taken, in the version of the spec only.
    std::fs::remove_file(env.path().join("specs/capabilities.lock")).unwrap();
    env.run(&["repo", "create", "rpms"]).exits(0);
    assert_eq!(roots(&env, &["--repo", "rpms"]), "[\"app\"] 2");
    let plan = env.run(&["plan", "--repo", "rpms", "--seed", "seed.toml"]).exits(0).stdout;
    assert!(plan.contains("take   tool 1-1  from rpms\n") && plan.contains("build  app 1-2"), "{plan}");
}

#[test]
fn packages_of_repositories_are_solved_locked_and_explained() {
    let env = world();
    for spec in ["app", "tool", "user"] {
        build(&env, &format!("specs/{spec}.spec"), "rpms");
    }
    let old = "Name: old\nVersion: 1\nRelease: 1\nSummary: s\nLicense: MIT\nBuildArch: noarch\nProvides: /bin/sh\n%description\nd\n%files\n";
    env.write("old.spec", old);
    build(&env, "old.spec", "more");
    let answer = env.run(&["solve", "-r", "rpms", "user"]).exits(2);
    let answer = answer.says("`user` is asked for").says("nothing provides `/bin/sh`");
    assert!(answer.stdout.is_empty());
    // The only shell is in a package that `app` conflicts with.
    let answer =
        env.run(&["solve", "-r", "rpms", "-r", "more", "user", "--json", "--dump-problem", "problem.json"]).exits(2);
    let tree = answer.json();
    assert_eq!(tree[0]["solvable"], false);
    assert!(answer.stdout.contains("\"conflicts\""), "{}", answer.stdout);
    let again = env.run(&["solve", "--replay", "problem.json", "--json"]).exits(2);
    assert_eq!(again.stdout, answer.stdout);
    let shell = old.replace("Name: old", "Name: shell");
    env.write("shell.spec", shell);
    build(&env, "shell.spec", "more");
    env.run(&["repo", "create", "more"]).exits(0);
    let arguments = ["solve", "-r", "rpms", "-r", "more", "--write-lock", "image.lock", "--check", "user"];
    let want = "app-1-1.noarch\trpms\tuser-1-1.noarch requires app\n\
                shell-1-1.noarch\tmore\ttool-1-1.noarch requires /bin/sh\n\
                tool-1-1.noarch\trpms\tapp-1-1.noarch requires /usr/bin/tool\n\
                user-1-1.noarch\trpms\tasked for as user\n";
    env.run(&arguments).exits(0).prints(want);
    env.run(&["solve", "-r", "rpms", "-r", "more", "--lock", "image.lock", "user"]).exits(0).prints(want);
    // The lock is of files, not of names.
    let lock = std::fs::read_to_string(env.path().join("image.lock")).unwrap();
    let at = lock.find("sha256 = \"").unwrap() + 10;
    let (start, digest) = (&lock[..at], &lock[at..at + 64]);
    env.write("other.lock", format!("{start}{}{}", "0".repeat(64), &lock[at + 64..]));
    let changed = env.run(&["solve", "-r", "rpms", "-r", "more", "--lock", "other.lock", "user"]).exits(2);
    changed.says("app-1-1.noarch of rpms: expected 000000").says(digest);
    // What the lock names has to be there.
    std::fs::remove_dir_all(env.path().join("more")).unwrap();
    env.write("more.spec", old.replace("Name: old", "Name: shell").replace("Version: 1", "Version: 2"));
    build(&env, "more.spec", "more");
    let gone = env.run(&["solve", "-r", "rpms", "-r", "more", "--lock", "image.lock", "user"]).exits(2);
    gone.says("shell-1-1.noarch").says("shell-2-1.noarch");
    env.run(&["solve", "user"]).exits(2).says("--repo");
    env.run(&["solve", "-r", "nowhere", "user"]).exits(2).says("nowhere");
}
