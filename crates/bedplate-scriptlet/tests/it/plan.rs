//! Which scripts run, with what, beside the host's rpm: their scripts write to a log.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use bedplate_scriptlet::{Owner, Package, Rpm, order, plan};

use crate::support::{Dice, build, files, host_rpm, read, run};
use crate::tree::bare_root;

/// A script that writes its name, its arguments and its standard input to the log.
fn script(name: &str) -> String {
    format!("echo \"{name} $*\" >>/log\ncat >>/log\n")
}

/// The same for rpm's Lua.
fn lua(name: &str) -> String {
    format!(
        "local log = io.open('/log', 'a')\n\
         log:write('{name}')\n\
         for i = 2, #arg do log:write(' ' .. arg[i]) end\n\
         log:write('\\n')\n\
         if rpm.next_file then\n\
           local file = rpm.next_file()\n\
           while file do log:write(file .. '\\n'); file = rpm.next_file() end\n\
         end\n\
         log:close()\n"
    )
}

/// A section with a script, of the shell or of Lua.
fn section(text: &mut String, dice: &mut Dice, head: &str, options: &str, conditions: &str, name: &str) {
    let (program, body) = if dice.one_in(5) { (" -p <lua>", lua(name)) } else { ("", script(name)) };
    writeln!(text, "{head}{program}{options}{conditions}\n{body}").unwrap();
}

/// Starts of paths that file triggers may have.
const STARTS: [&str; 8] =
    ["/usr", "/usr/share/a", "/usr/share/b/", "/usr/share/a/x", "/etc", "/usr/share/p00", "/usr/share/b", "/link/"];

/// A spec of packages with scripts and triggers at random.
pub(crate) fn spec(seed: u64, count: usize) -> String {
    let mut dice = Dice(seed);
    let mut text = String::from("Name: top\nVersion: 1\nRelease: 1\nSummary: s\nLicense: x\nBuildArch: noarch\n");
    text.push_str("%description\nd\n");
    let mut install = String::from("%install\n");
    for number in 0..count {
        let name = format!("p{number:03}");
        writeln!(text, "%package -n {name}\nVersion: {}\nSummary: s", 1 + number % 3).unwrap();
        for _ in 0..dice.below(3) {
            writeln!(text, "Requires: p{:03}", dice.below(count)).unwrap();
        }
        writeln!(text, "%description -n {name}\nd").unwrap();
        for kind in ["%pretrans", "%pre", "%post", "%posttrans"] {
            if dice.one_in(4) {
                section(&mut text, &mut dice, &format!("{kind} -n {name}"), "", "", &format!("{kind}-{name}"));
            }
        }
        for trigger in 0..dice.below(3) {
            let kind = if dice.one_in(3) { "%triggerprein" } else { "%triggerin" };
            let mut conditions: Vec<String> = Vec::new();
            for _ in 0..1 + dice.below(3) {
                let version = if dice.one_in(3) { format!(" >= {}", 1 + dice.below(3)) } else { String::new() };
                conditions.push(format!("p{:03}{version}", dice.below(count)));
            }
            let head = format!("{kind} -n {name}");
            let conditions = format!(" -- {}", conditions.join(", "));
            section(&mut text, &mut dice, &head, "", &conditions, &format!("{kind}{trigger}-{name}"));
        }
        for trigger in 0..dice.below(3) {
            let kind = if dice.one_in(3) { "%transfiletriggerin" } else { "%filetriggerin" };
            let priority = match dice.below(4) {
                0 => format!(" -P {}", 100 * dice.below(200)),
                1 => " -P 5000".to_owned(),
                _ => String::new(),
            };
            let starts: Vec<&str> = (0..1 + dice.below(2)).map(|_| STARTS[dice.below(STARTS.len())]).collect();
            let head = format!("{kind} -n {name}");
            let conditions = format!(" -- {}", starts.join(" "));
            section(&mut text, &mut dice, &head, &priority, &conditions, &format!("{kind}{trigger}-{name}"));
        }
        writeln!(text, "%files -n {name}").unwrap();
        let mut own: Vec<String> = vec![format!("/usr/share/{name}")];
        if dice.one_in(2) {
            own.push(format!("/usr/share/a/{name}"));
        }
        if dice.one_in(3) {
            own.push("/usr/share/a/xshared".to_owned());
        }
        if dice.one_in(3) {
            own.push("/usr/share/b/shared".to_owned());
        }
        if dice.one_in(4) {
            own.push("/etc/shared.conf".to_owned());
        }
        for path in own {
            writeln!(install, "mkdir -p %{{buildroot}}{}\necho x >%{{buildroot}}{path}", parent(&path)).unwrap();
            let ghost = if dice.one_in(6) { "%ghost " } else { "" };
            writeln!(text, "{ghost}{path}").unwrap();
        }
        if dice.one_in(2) {
            install.push_str("mkdir -p %{buildroot}/usr/share/a\n");
            text.push_str("%dir /usr/share/a\n");
        }
        if number == 0 {
            install.push_str("ln -s usr/share/a %{buildroot}/link\n");
            text.push_str("/link\n");
        }
    }
    text + &install
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').unwrap().0
}

/// What the scripts wrote when the host's rpm installed the packages.
fn rpm_log(files: &[PathBuf]) -> String {
    let root = bare_root();
    let mut command = Command::new("rpm");
    command.args(["-i", "--nodeps", "--nosignature", "--root"]).arg(root.path()).args(files);
    let said = run(&mut command);
    assert!(!said.contains("failed"), "{said}");
    std::fs::read_to_string(root.path().join("log")).unwrap()
}

/// What they should write.
fn our_log(packages: &[Package]) -> String {
    let mut log = String::new();
    for step in plan(packages, &order(packages, host_rpm()), host_rpm()) {
        let text = step.script.text();
        let quote = if step.script.is_lua() { "log:write('" } else { "echo \"" };
        let name = text.split_once(quote).unwrap().1.split(['\'', ' ']).next().unwrap();
        log.push_str(name);
        step.arguments.iter().for_each(|argument| write!(log, " {argument}").unwrap());
        log.push('\n');
        step.input.iter().for_each(|path| writeln!(log, "{path}").unwrap());
    }
    log
}

fn first_difference(ours: &str, theirs: &str) -> Option<String> {
    let place = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b);
    let place = place.or_else(|| (ours != theirs).then(|| ours.lines().count().min(theirs.lines().count())))?;
    let around = |log: &str| log.lines().skip(place.saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n");
    Some(format!("line {place}\nours:\n{}\ntheirs:\n{}", around(ours), around(theirs)))
}

#[test]
fn scripts_run_as_with_rpm() {
    for (seed, count) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
        let folder = build(&spec(seed, count));
        let files = files(&folder);
        let packages = read(&files);
        if let Some(difference) = first_difference(&our_log(&packages), &rpm_log(&files)) {
            panic!("seed {seed}: {difference}");
        }
    }
}

#[test]
fn several_packages_of_one_name_are_counted() {
    let spec = |version: u32| {
        let name = format!("kernel{version}");
        let mut text = format!(
            "Name: kernel\nVersion: {version}\nRelease: 1\nSummary: s\nLicense: x\nBuildArch: noarch\n\
             %description\nd\n%install\nmkdir -p %{{buildroot}}/boot\ntouch %{{buildroot}}/boot/{version}\n"
        );
        for kind in ["%pretrans", "%pre", "%post", "%posttrans"] {
            text += &format!("{kind}\n{}", script(&format!("{kind}-{name}")));
        }
        text += &format!("%triggerin -- kernel < 3\n{}", script(&format!("%triggerin-{name}")));
        text += &format!("%triggerprein -- kernel\n{}", script(&format!("%triggerprein-{name}")));
        text += &format!("%filetriggerin -- /boot\n{}", script(&format!("%filetriggerin-{name}")));
        text += &format!("%transfiletriggerin -- /boot\n{}", script(&format!("%transfiletriggerin-{name}")));
        text + "%files\n/boot/*\n"
    };
    let files: Vec<PathBuf> = [1, 2, 3].iter().flat_map(|version| files(&build(&spec(*version)))).collect();
    let packages = read(&files);
    assert_eq!(first_difference(&our_log(&packages), &rpm_log(&files)), None);
    // Numbers that later versions of rpm hand to file triggers.
    let steps = plan(&packages, &[0, 1, 2], Rpm::V4_20);
    let of_files: Vec<_> = steps.iter().filter(|step| step.kind.name().contains("filetrigger")).collect();
    let found: Vec<_> =
        of_files.iter().map(|step| (step.owner, step.cause, step.arguments.join(" "), step.input.len())).collect();
    assert_eq!(
        found,
        [
            (0, Some(0), "1 1", 1),
            (0, Some(1), "2 2", 1),
            (1, Some(1), "2 2", 1),
            (1, Some(0), "2 2", 1),
            (0, Some(2), "3 3", 1),
            (1, Some(2), "3 3", 1),
            (2, Some(2), "3 3", 1),
            (2, Some(0), "3 3", 2),
            (0, Some(0), "3", 3),
            (1, Some(0), "3", 3),
            (2, Some(0), "3", 3),
        ]
        .map(|(owner, cause, arguments, input)| (Owner::Package(owner), cause, arguments.to_owned(), input))
    );
}

#[test]
fn nothing_to_run_is_nothing() {
    let packages = [Package::new("a-1-1.noarch".parse().unwrap())];
    assert_eq!(plan(&packages, &[0], Rpm::default()), []);
}
