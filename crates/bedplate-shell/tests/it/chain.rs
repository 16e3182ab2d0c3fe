//! [`bedplate_shell::Chain`]: who answers what, and what is remembered.

use super::*;
use bedplate_diag::SourceId;
use bedplate_shell::{Chain, Recorded, ShellMode, Stats};
use bedplate_spec::host::{Shell as _, ShellError};
use bedplate_sys::process::Limits;
use bedplate_sys::sandbox::Helper;
use std::time::Duration;

const HELPER: &str = env!("CARGO_BIN_EXE_bedplate-shell-test-helper");

fn chain(mode: ShellMode) -> Chain {
    Chain::new(mode, Arc::new(DiskFiles)).with_sandbox_helper(Helper::At(HELPER.into()), 2)
}

fn ask(chain: &Chain, command: &str, source_dir: &str) -> Result<ShellAnswer, ShellError> {
    let environment = environment();
    chain.run(ShellCall { command: command.as_bytes(), environment: &environment, source_dir })
}

fn stdout(chain: &Chain, command: &str) -> String {
    String::from_utf8(ask(chain, command, "/").unwrap().stdout).unwrap()
}

fn profile(text: &str) -> Profile {
    Profile::parse(SourceId(0), text).unwrap()
}

#[test]
fn each_answerer_has_its_turn_and_is_counted() {
    let environment = environment();
    let recorded = Recorded::new();
    let call = ShellCall { command: b"gcc -dumpversion", environment: &environment, source_dir: "/" };
    recorded.add(call, &ShellAnswer { stdout: b"13\n".to_vec(), ..ShellAnswer::default() });
    let chain = chain(ShellMode::Run)
        .with_profile(profile("[[answer]]\ncommand = \"ocamlc -where | cat\"\nstdout = \"/usr/lib64/ocaml\\n\"\n"))
        .with_recorded(Arc::new(recorded));
    assert_eq!(stdout(&chain, "echo 1.2 | cut -d. -f1"), "1\n");
    assert_eq!(stdout(&chain, "ocamlc -where | cat"), "/usr/lib64/ocaml\n");
    assert_eq!(stdout(&chain, "gcc -dumpversion"), "13\n");
    assert_eq!(stdout(&chain, "f() { echo $0; }; f"), "sh\n");
    assert_eq!(stdout(&chain, "f() { echo $0; }; f"), "sh\n");
    let stats = Stats { native: 1, remembered: 1, profile: 1, recorded: 1, process: 1, unanswered: 0 };
    assert_eq!(chain.stats(), stats);
}

#[test]
fn off_answers_only_what_is_known() {
    let chain = chain(ShellMode::Off);
    assert_eq!(stdout(&chain, "c=7480240de9749f9a; echo ${c:0:7}"), "7480240\n");
    assert_eq!(ask(&chain, "git describe", "/"), Err(ShellError::Off));
    assert_eq!(chain.stats().unanswered, 1);
}

#[test]
fn run_and_sandbox_give_the_same_answers() {
    let (run, sandbox) = (chain(ShellMode::Run).without_native(), chain(ShellMode::Sandbox).without_native());
    for command in [
        "echo ${BASH_VERSION%%.*} >/dev/null; echo out; echo err >&2; exit 3",
        "cat",
        "set -o | grep posix",
        "ulimit -c >/dev/null; pwd",
    ] {
        let expected = ask(&run, command, "/");
        match ask(&sandbox, command, "/") {
            Err(ShellError::Failed(why)) if why.contains("cannot be set up") => {
                eprintln!("skipped: {why}");
                return;
            }
            answer => assert_eq!(answer, expected, "{command}"),
        }
    }
    assert!(ask(&sandbox, "touch /usr/no 2>&1; test -e /usr/no", "/").unwrap().status != 0);
}

#[test]
fn bounds_become_errors() {
    let limits = Limits { time: Duration::from_millis(300), output: 1000 };
    for mode in [ShellMode::Run, ShellMode::Sandbox] {
        let chain = chain(mode).with_limits(limits);
        match ask(&chain, "sleep 60; echo x", "/") {
            Err(ShellError::Failed(why)) if why.contains("cannot be set up") => eprintln!("skipped: {why}"),
            answer => {
                assert_eq!(answer, Err(ShellError::TimedOut(300)));
                assert_eq!(ask(&chain, "yes", "/"), Err(ShellError::TooMuchOutput(1000)));
            }
        }
    }
}

#[test]
fn a_source_folder_is_part_of_the_question_only_where_it_can_be_seen() {
    let (one, other) = (source_folder(), source_folder());
    std::fs::write(other.path().join("VERSION"), "9.9\n").unwrap();
    let chain = chain(ShellMode::Run).without_native();
    let version = |folder: &tempfile::TempDir| ask(&chain, "cat VERSION", path_text(folder.path())).unwrap().stdout;
    assert_eq!(version(&one), b"1.2.3\n");
    assert_eq!(version(&other), b"9.9\n");
    assert_eq!(chain.stats().process, 2);
    for folder in [&one, &other, &one] {
        ask(&chain, "python3 -c 'print(1)'", path_text(folder.path())).unwrap();
    }
    assert_eq!(chain.stats().process, 3);
    assert_eq!(version(&other), b"9.9\n");
    assert_eq!(chain.stats().process, 3);
}

#[test]
fn process_answers_can_be_recorded_and_used_again() {
    let folder = source_folder();
    let recorder = Arc::new(Recorded::new());
    let first = chain(ShellMode::Run).recording_to(Arc::clone(&recorder));
    let command = format!("f() {{ head -n1 {}/VERSION; }}; f", path_text(folder.path()));
    let answer = ask(&first, &command, path_text(folder.path())).unwrap();
    assert_eq!(answer.stdout, b"1.2.3\n");
    let file = folder.path().join("answers.jsonl");
    recorder.save(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("@SOURCEDIR@/VERSION"), "{text}");
    let again = chain(ShellMode::Off).with_recorded(Arc::new(Recorded::parse(SourceId(0), &text).unwrap()));
    assert_eq!(ask(&again, &command, path_text(folder.path())), Ok(answer));
    assert_eq!(again.stats().recorded, 1);
}

/// What the specs of distributions ask most, with a profile of the target, and no process at all.
#[test]
fn the_usual_questions_about_the_target_are_answered_from_its_profile() {
    let mut profile = profile(
        r#"
        version = 1
        [facts]
        cpus = 8
        machine = "x86_64"
        kernel-release = "6.6.57"
        hostname = "build"
        user = "root"
        [facts.perl]
        version = "5.38.2"
        installvendorarch = "/usr/lib64/perl5/vendor_perl"
        archname = "x86_64-linux-thread-multi"
        [facts.python]
        version = "3.12.9"
        purelib = "/usr/lib/python3.12/site-packages"
        platlib = "/usr/lib64/python3.12/site-packages"
        EXT_SUFFIX = ".cpython-312-x86_64-linux-gnu.so"
        [facts.pkg-config]
        zlib = "1.3.1"
        nosuch = ""
        [facts.packages]
        systemd = "255-1.azl3"
        [[answer]]
        command = "make --version"
        stdout = "GNU Make 4.4.1\nBuilt for x86_64-pc-linux-gnu\n"
        [[answer]]
        match = "(gcc|cc) -dumpversion"
        stdout = "13\n"
        [[answer]]
        command = "automake --version"
        stdout = "automake (GNU automake) 1.16.5\nCopyright\n"
        [[answer]]
        command = "/usr/bin/getconf LONG_BIT"
        stdout = "64\n"
        "#,
    );
    profile.facts_mut().now = Some(1_700_000_000);
    let chain = chain(ShellMode::Off).with_profile(profile);
    for (command, expected) in [
        ("nproc", "8\n"),
        ("/usr/bin/getconf _NPROCESSORS_ONLN", "8\n"),
        ("/usr/bin/getconf LONG_BIT", "64\n"),
        (
            "[ -z \"$RPM_BUILD_NCPUS\" ] && RPM_BUILD_NCPUS=\"`/usr/bin/getconf _NPROCESSORS_ONLN`\"; if [ \"$RPM_BUILD_NCPUS\" -gt 1 ]; then echo \"-j$RPM_BUILD_NCPUS\"; fi",
            "-j8\n",
        ),
        ("uname -m", "x86_64\n"),
        ("uname -r | cut -d- -f1", "6.6.57\n"),
        ("hostname", "build\n"),
        ("id -un", "root\n"),
        ("/usr/bin/id -u -n", "root\n"),
        ("id -u", "0\n"),
        ("perl -V:version", "version='5.38.2';\n"),
        ("eval \"`perl -V:version`\"; echo $version", "5.38.2\n"),
        ("eval \"`%s -V:installvendorarch`\"; echo $installvendorarch", ""),
        ("eval \"`/usr/bin/perl -V:installvendorarch`\"; echo $installvendorarch", "/usr/lib64/perl5/vendor_perl\n"),
        ("perl -V:version | sed 's,[^0-9^.]*,,g'", "5.38.2\n"),
        ("perl -MConfig -e 'print $Config{archname}'", "x86_64-linux-thread-multi"),
        ("perl -MConfig -e 'print \"$Config{archname}\\n\";'", "x86_64-linux-thread-multi\n"),
        ("python3 -c \"import sys; print('%d.%d' % sys.version_info[:2])\"", "3.12\n"),
        ("python3 -c \"import sys; sys.stdout.write('{0.major}.{0.minor}'.format(sys.version_info))\"", "3.12"),
        (
            "/usr/bin/python3 -Ic \"import sys; sys.stdout.write('%s.%s' % (sys.version_info.major, sys.version_info.minor))\"",
            "3.12",
        ),
        (
            "python3 -c \"from distutils.sysconfig import get_python_lib;print(get_python_lib())\"",
            "/usr/lib/python3.12/site-packages\n",
        ),
        (
            "python3 -c \"from distutils.sysconfig import get_python_lib; print(get_python_lib(1))\"",
            "/usr/lib64/python3.12/site-packages\n",
        ),
        (
            "python3 -Esc \"import sysconfig; print(sysconfig.get_path('platlib', vars={'platbase': '/usr', 'base': '/usr'}))\"",
            "/usr/lib64/python3.12/site-packages\n",
        ),
        (
            "python3 -c 'import sysconfig; print(sysconfig.get_config_var(\"EXT_SUFFIX\"))'",
            ".cpython-312-x86_64-linux-gnu.so\n",
        ),
        ("python3 -Ic 'import sys; print(sys.version_info.major)'", "3\n"),
        ("python3 --version 2>&1 | cut -d' ' -f2 | cut -d. -f1-2", "3.12\n"),
        ("pkg-config --modversion zlib 2>/dev/null || echo bad", "1.3.1\n"),
        ("pkg-config --exists nosuch && echo 1 || echo 0", "0\n"),
        ("rpm -q --qf '%{version}' systemd", "255"),
        ("rpm -q --qf '%{VERSION}-%{RELEASE}\\n' systemd | cut -d- -f1", "255\n"),
        ("make --version 2>/dev/null | grep -q ' 4\\.' && echo -O", "-O\n"),
        ("! make --version | head -1 | grep -qE 'GNU Make [4-9]' || echo -O", "-O\n"),
        ("gcc -dumpversion || echo 666", "13\n"),
        ("set -- `automake --version | head -n 1` ; echo ${4-unknown}", "1.16.5\n"),
        ("date +%Y%m%d", "20231114\n"),
        ("LC_ALL=C date -u '+%a %b %d %Y'", "Tue Nov 14 2023\n"),
        ("date -u +\"%y%m%d%H%M\"", "2311142213\n"),
    ] {
        if expected.is_empty() {
            continue;
        }
        assert_eq!(stdout(&chain, command), expected, "{command}");
    }
    // Nothing was asked of the machine that runs the test.
    assert_eq!(chain.stats().process, 0);
    for command in [
        "pkg-config --modversion glib-2.0",
        "rpm -q nothing",
        "python3 -c 'import os; print(os.getcwd())'",
        "perl -V:nosuch",
        "uname -v",
    ] {
        assert_eq!(ask(&chain, command, "/"), Err(ShellError::Off), "{command}");
    }
}
