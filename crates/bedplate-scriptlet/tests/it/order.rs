//! The order of installation, beside that of the host's rpm.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use bedplate_scriptlet::order;

use crate::support::{Dice, build, files, host_rpm, read, run};

/// What a dependency line may begin with, and how often of 20.
const KINDS: [(&str, usize); 12] = [
    ("Requires", 7),
    ("Requires(pre)", 2),
    ("Requires(post)", 2),
    ("Requires(preun)", 1),
    ("Requires(posttrans)", 1),
    ("Requires(meta)", 1),
    ("OrderWithRequires", 1),
    ("Recommends", 1),
    ("Suggests", 1),
    ("Supplements", 1),
    ("Enhances", 1),
    ("Requires(pre,posttrans)", 1),
];

/// A spec of packages that want each other at random.
fn spec(seed: u64, count: usize, wishes: usize) -> String {
    let mut dice = Dice(seed);
    let mut text =
        "Name: top\nVersion: 1\nRelease: 1\nSummary: s\nLicense: x\nBuildArch: noarch\n%description\nd\n".to_owned();
    for package in 0..count {
        writeln!(text, "%package -n p{package:03}\nSummary: s").unwrap();
        if dice.one_in(3) {
            writeln!(text, "Provides: group{} = {}", dice.below(4), 1 + dice.below(3)).unwrap();
        }
        for _ in 0..dice.below(2 * wishes + 1) {
            let mut at = dice.below(20);
            let kind = KINDS.iter().find(|(_, times)| {
                let is_it = at < *times;
                at = at.saturating_sub(*times);
                is_it
            });
            let [first, second, third] = std::array::from_fn(|_| format!("p{:03}", dice.below(count)));
            let kind = kind.map_or("Requires", |(kind, _)| *kind);
            // What rpmbuild refuses: rich dependencies that order only, and conditions that are reversed.
            let (is_order, is_reversed) = (kind == "OrderWithRequires", matches!(kind, "Supplements" | "Enhances"));
            let what = match dice.below(14) {
                0..=2 if is_order => first,
                2 if is_reversed => first,
                0 => format!("({first} and {second} and {third})"),
                1 => format!("({first} or ({second} with {third}))"),
                2 => format!("({first} if {second} else {third})"),
                3 => format!("group{} >= 2", dice.below(4)),
                4 => format!("/usr/share/{first}"),
                6 => format!("{first} = 1-1"),
                _ => first,
            };
            writeln!(text, "{kind}: {what}").unwrap();
        }
        writeln!(text, "%description -n p{package:03}\nd").unwrap();
    }
    text.push_str("%install\nmkdir -p %{buildroot}/usr/share\n");
    for package in 0..count {
        writeln!(text, "touch %{{buildroot}}/usr/share/p{package:03}").unwrap();
    }
    for package in 0..count {
        writeln!(text, "%files -n p{package:03}\n/usr/share/p{package:03}").unwrap();
    }
    text
}

/// The order of the host's rpm.
fn rpm_order(files: &[PathBuf]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let mut command = Command::new("rpm");
    command.args(["-ivv", "--test", "--nodeps", "--noscripts", "--root"]).arg(root.path()).args(files);
    let said = run(&mut command);
    let lines = said.lines().skip_while(|line| !line.contains("== tsorting packages"));
    let lines = lines.skip(1).take_while(|line| !line.contains("=="));
    lines.filter_map(|line| line.rsplit_once(" +").map(|(_, nevra)| nevra.to_owned())).collect()
}

#[test]
fn it_is_that_of_rpm() {
    for (seed, count, wishes) in [(1, 40, 1), (2, 40, 2), (3, 25, 4), (4, 60, 1), (5, 60, 2)] {
        let folder = build(&spec(seed, count, wishes));
        let mut files = files(&folder);
        for turn in 0..2 {
            let packages = read(&files);
            let ours: Vec<String> =
                order(&packages, host_rpm()).into_iter().map(|place| packages[place].nevra.to_string()).collect();
            assert_eq!(ours, rpm_order(&files), "seed {seed}, turn {turn}");
            // The order of the list matters, and in the same way.
            files.reverse();
        }
    }
}
