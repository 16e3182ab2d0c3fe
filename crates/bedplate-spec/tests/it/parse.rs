//! Specs that are damaged, and bytes that are none.

use bedplate_spec::Dialect;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::entry::{check, with_stack};
use crate::macros::macro_text;
use crate::support::{Case, property, suite};

fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.as_slice())
}

/// One way to damage a spec; the numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Damage {
    DeleteLine(usize),
    DuplicateLine(usize),
    SwapLines(usize, usize),
    Truncate(usize),
    InsertBytes(usize, Vec<u8>),
    InsertText(usize, String),
    /// Puts a line of another case in.
    Graft(usize, usize, usize),
    DropNewline(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<usize>();
    prop_oneof![
        place.prop_map(Damage::DeleteLine),
        place.prop_map(Damage::DuplicateLine),
        (place, place).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        place.prop_map(Damage::Truncate),
        (place, vec(any::<u8>(), 1..6)).prop_map(|(at, bytes)| Damage::InsertBytes(at, bytes)),
        (place, macro_text()).prop_map(|(at, text)| Damage::InsertText(at, text)),
        (place, place, place).prop_map(|(at, case, line)| Damage::Graft(at, case, line)),
        place.prop_map(Damage::DropNewline),
    ]
}

fn damaged(content: &[u8], all: &[Damage]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    for one in all {
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len().max(1);
        if lines.is_empty() {
            lines.push(b"\n".to_vec());
        }
        let size = bytes.len();
        match one {
            Damage::DeleteLine(at) => drop(lines.remove(at % count)),
            Damage::DuplicateLine(at) => lines.insert(at % count, lines[at % count].clone()),
            Damage::SwapLines(a, b) => lines.swap(a % count, b % count),
            Damage::Graft(at, case, line) => {
                let cases = &suite().cases;
                let from = &cases[case % cases.len()].content;
                let theirs: Vec<&[u8]> = from.split_inclusive(|byte| *byte == b'\n').collect();
                lines.insert(at % count, theirs[line % theirs.len()].to_vec());
            }
            Damage::DropNewline(at) => drop(lines[at % count].pop()),
            Damage::Truncate(at) => {
                bytes.truncate(at % (size + 1));
                continue;
            }
            Damage::InsertBytes(at, more) => {
                let at = at % (size + 1);
                bytes.splice(at..at, more.iter().copied());
                continue;
            }
            Damage::InsertText(at, more) => {
                let at = at % (size + 1);
                bytes.splice(at..at, more.bytes());
                continue;
            }
        }
        bytes = lines.concat();
    }
    bytes
}

#[test]
fn any_bytes_are_an_answer() {
    property(256, &(vec(any::<u8>(), 0..200), dialect()), |(bytes, dialect)| {
        check(&suite().evaluate("/cases/errors/x.spec", "/cases/errors", &bytes, dialect));
    });
}

#[test]
fn any_macro_text_is_an_answer() {
    let tags = "Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n%description\n";
    property(400, &(any::<bool>(), macro_text(), dialect()), |(in_description, text, dialect)| {
        let spec = if in_description { format!("{tags}{text}") } else { format!("{text}\n{tags}") };
        check(&suite().evaluate("/cases/errors/x.spec", "/cases/errors", spec.as_bytes(), dialect));
    });
}

/// A damaged case; it is shown as text.
struct Broken {
    case: &'static Case,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} damaged:\n{}", self.case.name, self.bytes.escape_ascii().to_string().replace("\\n", "\\n\n"))
    }
}

#[test]
fn damaged_specs_are_an_answer() {
    let broken = (any::<usize>(), vec(damage(), 1..6)).prop_map(|(number, all)| {
        let case = &suite().cases[number % suite().cases.len()];
        Broken { case, bytes: damaged(&case.content, &all) }
    });
    property(1200, &(broken, dialect()), |(broken, dialect)| {
        check(&suite().evaluate(&broken.case.path(), &broken.case.folder(), &broken.bytes, dialect));
    });
}

#[test]
fn specs_cut_at_every_line_are_an_answer() {
    with_stack(|| {
        for (n, case) in suite().cases.iter().enumerate() {
            let ends = case.content.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
            for (k, end) in ends.enumerate() {
                // With and without the newline, dialects in turn.
                let dialect = Dialect::ALL[(n + k) % 3];
                check(&suite().evaluate(&case.path(), &case.folder(), &case.content[..end + k % 2], dialect));
            }
        }
    });
}

#[test]
fn every_case_is_the_same_answer_twice() {
    with_stack(|| {
        for case in &suite().cases {
            for dialect in Dialect::ALL {
                let once = suite().evaluate(&case.path(), &case.folder(), &case.content, dialect);
                check(&once);
                let again = suite().evaluate(&case.path(), &case.folder(), &case.content, dialect);
                assert_eq!(once.spec.parsed, again.spec.parsed, "{}", case.name);
                assert_eq!(once.diagnostics, again.diagnostics, "{}", case.name);
            }
        }
    });
}

/// Inputs whose cost must grow with their size and not with its square: a quadratic step would make these take minutes.
#[test]
fn large_specs_take_time_by_their_size() {
    let tags = "Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n";
    let specs = [
        format!("{tags}{}%description\nx\n", "Requires: a\n".repeat(5_000)),
        format!("{tags}%description\n{}", "line of text %{name}\n".repeat(50_000)),
        format!("{tags}%description\nx\n%build\n{}", "echo %{version} \\\n".repeat(20_000)),
        format!("{tags}%description\n{}\n", "%{?x:".repeat(20_000)),
        format!("{}{tags}%description\nx\n", "%if 0\n".repeat(20_000)),
        format!("{}{tags}%description\nx\n", "%define x 1\n".repeat(20_000)),
        format!("{tags}Requires: {}\n%description\nx\n", "(".repeat(50_000)),
        format!("{tags}%description\nx\n%files\n{}", "/usr/share/a/b\n".repeat(20_000)),
        format!("{tags}{}%description\nx\n", (0..5_000).map(|n| format!("Source{n}: {n}.tar\n")).collect::<String>()),
        format!(
            "{tags}{}",
            (0..500).map(|n| format!("%package p{n}\nSummary: s\n%description p{n}\nx\n")).collect::<String>()
        ),
        format!("{tags}Summary({}): x\n%description\nx\n", "l".repeat(100_000)),
        "%".repeat(200_000),
        "#".repeat(200_000),
        "\n".repeat(200_000),
        "\\\n".repeat(100_000),
        format!("%define x {}\n", "a\\\n".repeat(20_000)),
    ];
    with_stack(|| {
        for (n, spec) in specs.iter().enumerate() {
            check(&suite().evaluate("/cases/errors/x.spec", "/cases/errors", spec.as_bytes(), Dialect::ALL[n % 3]));
        }
    });
}

#[test]
fn dependencies_know_where_they_were_written() {
    let spec = "Name: a\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\n%global need() BuildRequires: %1 >= 2\n\
                BuildRequires: gcc, (make or\tninja)\n%need zlib\nRequires: b = 3\n%description\nx\n\
                %package devel\nSummary: s\nRequires: a\n%description devel\nx\n";
    let found =
        with_stack(|| suite().evaluate("/cases/errors/x.spec", "/cases/errors", spec.as_bytes(), Dialect::V4_20));
    let shown = |package: &bedplate_spec::Package| -> Vec<(String, u32, String)> {
        let origins = package.origins.iter().map(|origin| {
            let source = found.sources.get(origin.span.source).unwrap();
            let words = &source.text()[origin.span.start as usize..origin.span.end as usize];
            (origin.dependency.to_string(), source.line_column(origin.span.start).line, words.to_owned())
        });
        origins.collect()
    };
    let one = |dependency: &str, line, words: &str| (dependency.to_owned(), line, words.to_owned());
    let want = [one("gcc", 7, "gcc"), one("(make or ninja)", 7, "(make or\tninja)"), one("zlib >= 2", 8, "%need zlib")];
    assert_eq!(shown(&found.spec.source), want);
    assert_eq!(shown(&found.spec.packages[0]), [one("b = 3", 9, "b = 3")]);
    assert_eq!(shown(&found.spec.packages[1]), [one("a", 14, "a")]);
}
