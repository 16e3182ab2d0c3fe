//! Small universes, each with the one answer that is right.

use crate::dsl::answer;

/// Compares the answers of scenarios: name, text, answer.
fn all(cases: &[(&str, &str, &str)]) {
    let mut wrong = String::new();
    for (name, text, want) in cases {
        let got = answer(text);
        let plain = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        if plain(&got) != plain(want.trim_matches('\n')) {
            wrong.push_str(&format!("--- {name}\n{got}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn closures_and_versions() {
    all(&[
        ("closure", "a 1-1: requires b\nb 1-1: requires c\nc 1-1\nd 1-1\ninstall a", "a-1-1 b-1-1 c-1-1"),
        ("newest", "a 1-1\na 10-1\na 9-1\ninstall a", "a-10-1"),
        ("tilde is older", "a 2~rc1-1\na 1-1\na 2-1\ninstall a <= 2~rc1", "a-2~rc1-1"),
        ("epoch wins", "a 1:1-1\na 9-1\ninstall a", "a-1:1-1"),
        ("version of a requirement", "a 1-1: requires b < 2\nb 1-1\nb 2-1\ninstall a", "a-1-1 b-1-1"),
        ("an older version that fits", "a 2-1: requires b = 1\na 1-1\nb 2-1: requires a\ninstall a, b", "a-1-1 b-2-1"),
        ("cycle", "a 1-1: requires b\nb 1-1: requires a\ninstall a", "a-1-1 b-1-1"),
        ("versioned provides", "a 1-1: provides c = 3\nb 1-1: provides c = 2\ninstall c < 3", "b-1-1"),
        ("provides without a version fit any", "a 1-1: provides c\ninstall c >= 7", "a-1-1"),
        ("own requirement", "a 1-1: requires c; provides c\ninstall a", "a-1-1"),
        ("full name", "a 1-1\na 2-1\ninstall a-1-1.x86_64", "a-1-1"),
        ("nothing is asked for", "a 1-1", ""),
    ]);
}

#[test]
fn files() {
    all(&[
        ("path by file list", "a 1-1: requires /bin/sh\nbash 1-1: file /bin/sh\ninstall a", "a-1-1 bash-1-1"),
        ("path by provides", "a 1-1: requires /bin/sh\nbash 1-1: provides /bin/sh\ninstall a", "a-1-1 bash-1-1"),
        (
            "path in a rich dependency",
            "a 1-1: requires (/bin/sh or x)\nbash 1-1: file /bin/sh\ninstall a",
            "a-1-1 bash-1-1",
        ),
        (
            "conflict with a path",
            "a 1-1: conflicts /bin/sh\nbash 1-1: file /bin/sh\ndash 1-1: provides sh\nbash2 1-1: provides sh; file /bin/sh\ninstall a, sh",
            "a-1-1 dash-1-1",
        ),
        (
            "unknown path",
            "a 1-1: requires /bin/ssh\nbash 1-1: file /bin/sh\ninstall a",
            "
`a` is asked for
  a-1-1.x86_64 requires `/bin/ssh`
    nothing provides `/bin/ssh`; did you mean `/bin/sh`?",
        ),
    ]);
}

#[test]
fn which_package_is_preferred() {
    all(&[
        ("priority before version", "repository near 10\na 1-1\nrepository far 99\na 2-1\ninstall a", "a-1-1@near"),
        (
            "priority before name",
            "repository far 99\nc 1-1\nrepository near 10\na 1-1: provides c\ninstall c",
            "a-1-1@near",
        ),
        (
            "the other repository if it has to be",
            "repository near 10\na 1-1\nrepository far 99\na 2-1\ninstall a >= 2",
            "a-2-1@far",
        ),
        ("exact name before a newer provider", "a 9-1: provides c\nc 1-1\ninstall c", "c-1-1"),
        ("not an obsoleted one", "c 1-1\nd 1-1: obsoletes c; provides c\ninstall c", "d-1-1"),
        ("newer before name", "a 1-1: provides c\nb 2-1: provides c\ninstall c", "b-2-1"),
        ("architecture before name", "a 1-1 noarch: provides c\nb 1-1: provides c\ninstall c", "b-1-1"),
        ("name", "b 1-1: provides c\na 1-1: provides c\ninstall c", "a-1-1"),
        ("order of repositories", "repository one 99\na 1-1\nrepository two 99\na 1-1\ninstall a", "a-1-1@one"),
        ("favoured before newer", "a 1-1\na 2-1\nfavour a-1-1.x86_64\ninstall a", "a-1-1"),
        ("favoured is no must", "a 1-1\na 2-1\nfavour a-1-1.x86_64\ninstall a > 1-1", "a-2-1"),
    ]);
}

#[test]
fn rich_requirements() {
    all(&[
        ("and", "a 1-1: requires (b and c)\nb 1-1\nc 1-1\ninstall a", "a-1-1 b-1-1 c-1-1"),
        ("or", "a 1-1: requires (b or c)\nc 1-1\ninstall a", "a-1-1 c-1-1"),
        ("if without the condition", "a 1-1: requires (b if c)\nb 1-1\nc 1-1\ninstall a", "a-1-1"),
        ("if with the condition", "a 1-1: requires (b if c)\nb 1-1\nc 1-1\ninstall a, c", "a-1-1 b-1-1 c-1-1"),
        (
            "if with a condition that comes later",
            "a 1-1: requires (b if e)\nb 1-1\nc 1-1: requires d\nd 1-1: requires e\ne 1-1\ninstall a, c",
            "a-1-1 b-1-1 c-1-1 d-1-1 e-1-1",
        ),
        (
            "if that cannot be kept",
            "a 1-1: requires (b if c)\nx 1-1: requires (c or d)\nc 1-1\nd 1-1\ninstall a, x",
            "a-1-1 d-1-1 x-1-1",
        ),
        ("if else, then", "a 1-1: requires (b if c else d)\nb 1-1\nc 1-1\nd 1-1\ninstall a, c", "a-1-1 b-1-1 c-1-1"),
        ("if else, else", "a 1-1: requires (b if c else d)\nb 1-1\nd 1-1\ninstall a", "a-1-1 d-1-1"),
        (
            "with: one package has both",
            "a 1-1: requires (b with c)\nb 2-1: provides x\nd 1-1: provides b; provides c\ninstall a",
            "a-1-1 d-1-1",
        ),
        ("with: a range", "a 1-1: requires (b >= 2 with b < 3)\nb 1-1\nb 2.5-1\nb 3-1\ninstall a", "a-1-1 b-2.5-1"),
        ("without", "a 1-1: requires (c without b)\nb 9-1: provides c\nd 1-1: provides c\ninstall a", "a-1-1 d-1-1"),
        (
            "unless below or",
            "a 1-1: requires ((b unless c) or d)\nb 1-1\nc 1-1\nd 1-1\ninstall a, c",
            "a-1-1 c-1-1 d-1-1",
        ),
        (
            "condition that is itself rich",
            "a 1-1: requires (b if (c and d))\nb 1-1\nc 1-1\nd 1-1\ninstall a, c",
            "a-1-1 c-1-1",
        ),
        (
            "condition of two that hold",
            "a 1-1: requires (b if (c and d))\nb 1-1\nc 1-1\nd 1-1\ninstall a, c, d",
            "a-1-1 b-1-1 c-1-1 d-1-1",
        ),
        ("or of and", "a 1-1: requires (x or (b and c))\nb 1-1\nc 1-1\ninstall a", "a-1-1 b-1-1 c-1-1"),
        ("request that is rich", "a 1-1\nb 1-1\nc 1-1\ninstall a, (b if a else c)", "a-1-1 b-1-1"),
        ("what provides the condition itself", "a 1-1: provides c; requires (b if c)\nb 1-1\ninstall a", "a-1-1 b-1-1"),
    ]);
}

#[test]
fn exclusions() {
    all(&[
        (
            "conflict matches provides",
            "a 1-1: conflicts c\nb 2-1: provides x; provides c\nd 1-1: provides x\ninstall a, x",
            "a-1-1 d-1-1",
        ),
        ("own conflict", "a 1-1: conflicts c; provides c\ninstall a", "a-1-1"),
        ("obsoletes match names, not provides", "a 1-1: obsoletes c\nb 1-1: provides c\ninstall a, b", "a-1-1 b-1-1"),
        ("obsoletes of a version", "a 1-1: obsoletes b < 2\nb 1-1\nb 2-1\ninstall a, b", "a-1-1 b-2-1"),
        (
            "rich conflict of two",
            "a 1-1: conflicts (b and c)\nb 1-1\nc 9-1: provides x\nd 1-1: provides x\ninstall a, b, x",
            "a-1-1 b-1-1 d-1-1",
        ),
        (
            "rich conflict, alternatives",
            "a 1-1: conflicts (b or c)\nb 9-1: provides x\nc 9-1: provides x\nd 1-1: provides x\ninstall a, x",
            "a-1-1 d-1-1",
        ),
        ("rich conflict unless", "a 1-1: conflicts (b unless c)\nb 1-1\nc 1-1\ninstall a, b", "a-1-1 b-1-1 c-1-1"),
        (
            "conflict",
            "a 1-1: conflicts b\nb 1-1\ninstall a, b",
            "
`a` is asked for
  a-1-1.x86_64 conflicts with `b`, which b-1-1.x86_64 is or provides
  `b` is asked for
    a-1-1.x86_64 conflicts with `b`, which b-1-1.x86_64 is or provides",
        ),
        (
            "obsoletes",
            "a 1-1: obsoletes b\nb 1-1\nc 1-1: requires b\ninstall a, c",
            "
`a` is asked for
  a-1-1.x86_64 obsoletes `b`, which takes b-1-1.x86_64
  `c` is asked for
    c-1-1.x86_64 requires `b`
      a-1-1.x86_64 obsoletes `b`, which takes b-1-1.x86_64",
        ),
        (
            "two versions of a name",
            "a 1-1\na 2-1\nb 1-1: requires a = 1\ninstall b, a > 1-1",
            "
`b` is asked for
  b-1-1.x86_64 requires `a = 1`
    only one version of a can be there, of a-2-1.x86_64, a-1-1.x86_64
  `a > 1-1` is asked for
    only one version of a can be there, of a-2-1.x86_64, a-1-1.x86_64",
        ),
    ]);
}

#[test]
fn several_versions_of_a_name() {
    all(&[
        (
            "kernels",
            "kernel 1-1\nkernel 2-1\na 1-1: requires kernel = 1\nmulti-version kernel\ninstall a, kernel > 1-1",
            "a-1-1 kernel-2-1 kernel-1-1",
        ),
        (
            "one of a NEVRA, from the better repository",
            "repository far 99\nkernel 1-1: provides x\nrepository near 10\nkernel 1-1\nmulti-version kernel\ninstall kernel",
            "kernel-1-1@near",
        ),
        ("only those that are wanted", "kernel 1-1\nkernel 2-1\nmulti-version kernel\ninstall kernel", "kernel-2-1"),
    ]);
}

#[test]
fn excluded_packages() {
    all(&[
        (
            "another provider",
            "a 1-1: requires x\nb 9-1: provides x\nc 1-1: provides x\nexclude b\ninstall a",
            "a-1-1 c-1-1",
        ),
        ("another version", "a 1-1\na 2-1\nexclude a-2-1.*\ninstall a", "a-1-1"),
        (
            "excluded and needed",
            "a 1-1: requires b\nb 1-1\nb 2-1\nexclude b*\ninstall a",
            "
`a` is asked for
  a-1-1.x86_64 requires `b`
    b-2-1.x86_64, b-1-1.x86_64 are excluded by `b*`",
        ),
    ]);
}

#[test]
fn locked_packages() {
    all(&[
        ("the locked version", "a 1-1\na 2-1\nlock a-1-1.x86_64\ninstall a", "a-1-1"),
        ("a lock alone installs nothing", "a 1-1\nb 1-1\nlock a-1-1.x86_64\ninstall b", "b-1-1"),
        (
            "a locked provider is preferred",
            "a 1-1: provides x\nb 2-1: provides x\nlock a-1-1.x86_64\ninstall x",
            "a-1-1",
        ),
        (
            "the locked repository",
            "repository near 10\na 1-1\nrepository far 99\na 1-1\nlock a-1-1.x86_64@far\ninstall a",
            "a-1-1@far",
        ),
        (
            "locked to a version that does not do",
            "a 1-1\na 2-1\nb 1-1: requires a >= 2\nlock a-1-1.x86_64\ninstall b",
            "
`b` is asked for
  b-1-1.x86_64 requires `a >= 2`
    a-2-1.x86_64 is not what the lock has: a-1-1.x86_64",
        ),
        (
            "all that is not there any more",
            "a 2-1\nb 1-1\nlock a-1-1.x86_64 c-1-1.x86_64 b-1-1.x86_64@other\ninstall a",
            "
a-1-1.x86_64 is in the lock, and not in a repository; there is a-2-1.x86_64 (repository main)
c-1-1.x86_64 is in the lock, and not in a repository
b-1-1.x86_64 is in the lock, and not in the repository other; there is b-1-1.x86_64 (repository main)",
        ),
    ]);
}

#[test]
fn recommended_packages() {
    let universe = "a 1-1: recommends b; recommends missing\nb 1-1: recommends c\nc 1-1\nd 1-1: conflicts b\ne 1-1: recommends (b if x)\nx 1-1\n";
    let with = |rest: &str| answer(&format!("{universe}{rest}"));
    assert_eq!(with("install a"), "a-1-1", "off by default");
    assert_eq!(with("recommends\ninstall a"), "a-1-1 b-1-1 c-1-1", "recommendations of recommended packages");
    assert_eq!(with("recommends\ninstall a, d"), "a-1-1 d-1-1", "one that cannot be kept is left out");
    assert_eq!(with("recommends\ninstall e"), "e-1-1", "a condition that does not hold");
    assert_eq!(with("recommends\ninstall e, x"), "b-1-1 c-1-1 e-1-1 x-1-1", "a condition that holds");
}

#[test]
fn architectures() {
    all(&[
        ("noarch is for all", "a 1-1 noarch\ninstall a", "a-1-1.noarch"),
        (
            "another architecture",
            "a 1-1 aarch64\ninstall a",
            "
`a` is asked for
  a-1-1.aarch64 is not for x86_64 or noarch",
        ),
        (
            "32 and 64 bits together",
            "a 1-1: provides a(64)\na 1-1 i686: provides a(32)\narchitectures x86_64 i686 noarch\ninstall a(32), a(64)",
            "a-1-1.i686 a-1-1",
        ),
        (
            "noarch excludes both",
            "a 2-1 noarch: provides n\na 1-1 i686: provides a(32)\narchitectures x86_64 i686 noarch\ninstall n, a(32)",
            "
`n` is asked for
  only one version of a can be there, of a-2-1.noarch, a-1-1.i686
  `a(32)` is asked for
    only one version of a can be there, of a-2-1.noarch, a-1-1.i686",
        ),
        (
            "the first architecture is preferred",
            "a 1-1 i686\na 1-1\narchitectures x86_64 i686 noarch\ninstall a",
            "a-1-1",
        ),
    ]);
}

#[test]
fn features_of_rpm() {
    all(&[
        ("known", "a 1-1: requires rpmlib(PayloadIsZstd) <= 5.4.18-1\ninstall a", "a-1-1"),
        (
            "unknown",
            "a 1-1: requires rpmlib(PayloadIsZstt) <= 5.4.18-1\ninstall a",
            "
`a` is asked for
  a-1-1.x86_64 requires `rpmlib(PayloadIsZstt) <= 5.4.18-1`
    rpm has no feature `rpmlib(PayloadIsZstt) <= 5.4.18-1`; it has `rpmlib(PayloadIsZstd)`",
        ),
    ]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    all(&[
        (
            "unknown names and a broken package",
            "bash 1-1\nnginx 1-1: requires openssl >= 3\nopenssl 1-1\ncurl 1-1: requires libssl\ninstall bsh, nginx, bash, nothing-like-it, curl",
            "
`bsh` is asked for
  nothing provides `bsh`; did you mean `bash`?
`nothing-like-it` is asked for
  nothing provides `nothing-like-it`
`nginx` is asked for
  nginx-1-1.x86_64 requires `openssl >= 3`
    nothing provides `openssl >= 3`; there is openssl-1-1.x86_64
`curl` is asked for
  curl-1-1.x86_64 requires `libssl`
    nothing provides `libssl`",
        ),
        (
            "no one package has both",
            "a 1-1: requires (b with c); requires (b without d)\nb 1-1: provides d\nc 1-1\ninstall (b with c), (b without d), (b with missing)",
            "
`(b with c)` is asked for
  no one package fits `(b with c)`
`(b without d)` is asked for
  no one package fits `(b without d)`
`(b with missing)` is asked for
  nothing provides `missing`",
        ),
        (
            "many versions are one reason",
            "a 1-1: requires b\na 2-1: requires b\na 3-1: requires b\na 4-1: requires b\na 5-1: requires b\na 6-1: requires c\ninstall a",
            "
`a` is asked for
  a-6-1.x86_64 requires `c`
    nothing provides `c`
  a-5-1.x86_64, a-4-1.x86_64, a-3-1.x86_64, a-2-1.x86_64 and 1 more require `b`
    nothing provides `b`",
        ),
        (
            "what does not take part is not named",
            "a 1-1: requires b; requires c; requires d\nb 1-1: requires e\nc 1-1\nd 1-1: requires c\ne 1-1: requires missing\ninstall c, a",
            "
`a` is asked for
  a-1-1.x86_64 requires `b`
    b-1-1.x86_64 requires `e`
      e-1-1.x86_64 requires `missing`
        nothing provides `missing`",
        ),
        (
            "a reason that was told is not told again",
            "a 1-1: requires x; requires y\nb 1-1: provides x; requires z\nc 1-1: provides x; requires w\nz 1-1: requires missing\nw 1-1: requires z\ninstall a",
            "
`a` is asked for
  a-1-1.x86_64 requires `y`
    nothing provides `y`",
        ),
    ]);
}

#[test]
fn deep_nesting_ends_soon() {
    let nested = |word: &str| (0..150).fold("(b or c)".to_owned(), |inner, _| format!("(a {word} {inner} else c)"));
    let packages = "a 1-1\nb 1-1\nc 1-1\n";
    let requires = format!("{packages}x 1-1: requires {}\ninstall x", nested("if"));
    assert_eq!(answer(&requires), "a-1-1 c-1-1 x-1-1");
    let conflicts = format!("{packages}x 1-1: conflicts {}\ninstall x", nested("unless"));
    assert_eq!(answer(&conflicts), "x-1-1");
}
