//! Agreement with rpm: its published cases, and generated ones that the installed rpm is asked about.

use std::cmp::Ordering::{self, Equal, Greater, Less};
use std::io::Write as _;
use std::process::{Command, Stdio};

use bedplate_model::{LooseEvr, Machine, MachineTable, RpmRc, installable_archs, vercmp};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// How many pairs rpm is asked about; `ci/version-differential` asks about more.
const GENERATED: usize = 2_000;

/// The pairs of rpm's `tests/rpmvercmp.at`, each in one direction, those that it keeps as comments included; at the end some
/// of our own for `^`, letters and whole EVRs.
const PUBLISHED: [(&str, &str, Ordering); 79] = [
    ("1.0", "1.0", Equal),
    ("1.0", "2.0", Less),
    ("2.0.1", "2.0.1", Equal),
    ("2.0", "2.0.1", Less),
    ("2.0.1a", "2.0.1a", Equal),
    ("2.0.1a", "2.0.1", Greater),
    ("5.5p1", "5.5p1", Equal),
    ("5.5p1", "5.5p2", Less),
    ("5.5p10", "5.5p10", Equal),
    ("5.5p1", "5.5p10", Less),
    ("10xyz", "10.1xyz", Less),
    ("xyz10", "xyz10", Equal),
    ("xyz10", "xyz10.1", Less),
    ("xyz.4", "xyz.4", Equal),
    ("xyz.4", "8", Less),
    ("xyz.4", "2", Less),
    ("5.5p2", "5.6p1", Less),
    ("5.6p1", "6.5p1", Less),
    ("6.0.rc1", "6.0", Greater),
    ("10b2", "10a1", Greater),
    ("10a2", "10b2", Less),
    ("1.0aa", "1.0aa", Equal),
    ("1.0a", "1.0aa", Less),
    ("10.0001", "10.0001", Equal),
    ("10.0001", "10.1", Equal),
    ("10.0001", "10.0039", Less),
    ("4.999.9", "5.0", Less),
    ("20101121", "20101121", Equal),
    ("20101121", "20101122", Less),
    ("2_0", "2_0", Equal),
    ("2.0", "2_0", Equal),
    ("a", "a", Equal),
    ("a+", "a+", Equal),
    ("a+", "a_", Equal),
    ("+a", "+a", Equal),
    ("+a", "_a", Equal),
    ("+_", "+_", Equal),
    ("_+", "+_", Equal),
    ("_+", "_+", Equal),
    ("+", "_", Equal),
    ("1.0~rc1", "1.0~rc1", Equal),
    ("1.0~rc1", "1.0", Less),
    ("1.0~rc1", "1.0~rc2", Less),
    ("1.0~rc1~git123", "1.0~rc1~git123", Equal),
    ("1.0~rc1~git123", "1.0~rc1", Less),
    ("1.0^", "1.0^", Equal),
    ("1.0^", "1.0", Greater),
    ("1.0^git1", "1.0^git1", Equal),
    ("1.0^git1", "1.0", Greater),
    ("1.0^git1", "1.0^git2", Less),
    ("1.0^git1", "1.01", Less),
    ("1.0^20160101", "1.0^20160101", Equal),
    ("1.0^20160101", "1.0.1", Less),
    ("1.0^20160101^git1", "1.0^20160101^git1", Equal),
    ("1.0^20160102", "1.0^20160101^git1", Greater),
    ("1.0~rc1^git1", "1.0~rc1^git1", Equal),
    ("1.0~rc1^git1", "1.0~rc1", Greater),
    ("1.0~rc1^git1", "1.0", Less),
    ("1.0^git1~pre", "1.0^git1~pre", Equal),
    ("1.0^git1~pre", "1.0^git1", Less),
    ("1b.fc17", "1b.fc17", Equal),
    ("1b.fc17", "1.fc17", Less),
    ("1g.fc17", "1g.fc17", Equal),
    ("1g.fc17", "1.fc17", Greater),
    ("1.1.α", "1.1.α", Equal),
    ("1.1.α", "1.1.β", Equal),
    ("1.1.αα", "1.1.α", Equal),
    ("1.1.α", "1.1.ββ", Equal),
    ("1.1.ββ", "1.1.αα", Equal),
    // Our own.
    ("1.0^git1~pre", "1.0", Greater),
    ("1.900", "1.8000", Less),
    ("FC5", "fc4", Less),
    ("2A", "2.0", Less),
    ("1.0", "1.fc4", Greater),
    ("3.0.0_fc", "3.0.0.fc", Equal),
    ("1++", "1_", Equal),
    ("0:1.0", "1.0", Equal),
    ("1:1.0", "2.0", Greater),
    ("1.0-1", "1.0", Greater),
];

/// Starts rpm once with a text on its standard input.
fn rpm(arguments: &[&str], input: &str) -> String {
    let child = Command::new("rpm").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("rpm is installed: toolkit/host-setup installs it");
    child.stdin.take().expect("it is a pipe").write_all(input.as_bytes()).expect("rpm reads its input");
    let output = child.wait_with_output().expect("rpm ends");
    assert!(output.status.success(), "rpm {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("rpm prints text")
}

/// What `rpm.vercmp` of rpm's Lua says about pairs of which no text is empty or has white space.
fn ask_rpm(pairs: &[(String, String)]) -> Vec<Ordering> {
    // Inside of a macro, rpm's `print` puts nothing after a line.
    let script = r#"%{lua: for line in io.lines() do print(rpm.vercmp(line:match("^(%S+)\t(%S+)$")) .. " ") end}"#;
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let answer = rpm(&["--eval", script], &input);
    let order = |word: &str| word.parse::<i32>().unwrap_or_else(|error| panic!("{word}: {error}")).cmp(&0);
    answer.split_ascii_whitespace().map(order).collect()
}

fn compare(a: &str, b: &str) -> Ordering {
    let parse = |text| LooseEvr::parse(text).unwrap_or_else(|| panic!("`{text}` has a value"));
    parse(a).compare(&parse(b))
}

/// Pairs that are near each other: a text, and the same with a piece of it replaced.
fn pairs() -> Vec<(String, String)> {
    let piece = "[0-9]{1,3}|0{1,3}[1-9]?|[a-cA-C]{1,2}|[.~^_+-]|rc1|git20200101|é|:|[0-9]{18,24}";
    let text = proptest::collection::vec(piece, 1..7);
    let strategy =
        (text, any::<prop::sample::Index>(), piece, "(0|1|007)?:?").prop_map(|(pieces, at, other, epoch)| {
            let mut changed = pieces.clone();
            changed[at.index(pieces.len())] = other;
            (pieces.concat(), epoch + &changed.concat())
        });
    let mut runner = TestRunner::deterministic();
    let one = |_| strategy.new_tree(&mut runner).expect("every text is good").current();
    (0..GENERATED).map(one).collect()
}

#[test]
fn published_cases_of_rpm_hold_in_both_directions() {
    for (a, b, want) in PUBLISHED {
        assert_eq!(compare(a, b), want, "{a} against {b}");
        assert_eq!(compare(b, a), want.reverse(), "{b} against {a}");
        if !format!("{a}{b}").contains([':', '-']) {
            assert_eq!(vercmp(a, b), want, "{a} against {b}");
        }
    }
}

#[test]
fn the_installed_rpm_agrees() {
    let mut all = pairs();
    all.extend(PUBLISHED.iter().map(|(a, b, _)| ((*a).to_owned(), (*b).to_owned())));
    let answers = ask_rpm(&all);
    assert_eq!(answers.len(), all.len());
    // A generator that makes only one kind of pair would prove nothing.
    for order in [Less, Equal, Greater] {
        assert!(answers.iter().filter(|answer| **answer == order).count() > GENERATED / 20, "{order:?} is rare");
    }
    let differ: Vec<_> = all.iter().zip(answers).filter(|((a, b), answer)| compare(a, b) != *answer).collect();
    assert!(differ.is_empty(), "rpm says otherwise: {differ:?}");
}

/// What a line of `rpm --showrc` says after its colon.
fn showrc(key: &str) -> Vec<String> {
    let text = rpm(&["--showrc"], "");
    let line = text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim_end() == key));
    line.unwrap_or_else(|| panic!("showrc has `{key}`")).1.split_whitespace().map(Into::into).collect()
}

#[test]
fn installable_architectures_are_those_of_the_installed_rpm() {
    let text = std::fs::read_to_string("/usr/lib/rpm/rpmrc").expect("rpm is installed");
    let mut rpmrc = RpmRc::default();
    assert_eq!(rpmrc.read(&text, &mut |_| None), []);
    for machine in ["x86_64", "aarch64"] {
        let archs = installable_archs(machine).expect("a machine of ours");
        let names = rpmrc.equivalents(MachineTable::InstallArch, machine);
        assert_eq!(names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), archs, "{machine}");
        let score = |name| rpmrc.machine_score(MachineTable::InstallArch, &Machine::linux(machine), name);
        assert!(score(machine) == 1 && score("noarch") > 1 && score("src") == 0);
    }
    // rpm 4.19 and later put the level of the processor first: `x86_64_v3 x86_64_v2 x86_64 …`.
    let mut compatible = showrc("compatible archs");
    let own = compatible.iter().position(|arch| arch == std::env::consts::ARCH).expect("rpm knows this machine");
    compatible.drain(..own);
    assert_eq!(compatible, installable_archs(std::env::consts::ARCH).expect("the tests run on a machine of ours"));
}
