//! Expansion of arbitrary text.

use bedplate_spec::Dialect;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::entry::{check_diagnostics, with_stack};
use crate::support::{property, suite};

fn dialect() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.as_slice())
}

/// Text in the words of the macro language: most of it is nearly right.
pub(crate) fn macro_text() -> impl Strategy<Value = String> {
    let words = proptest::sample::select(
        [
            "%",
            "%%",
            "%{",
            "%{?",
            "%{!?",
            "%(",
            "%[",
            "%*",
            "%**",
            "%#",
            "%1",
            "%{1}",
            "%-f",
            "%{-f*}",
            "%{-f:",
            "}",
            ")",
            "]",
            "{",
            "(",
            "[",
            ":",
            "?",
            "!",
            " ",
            "  ",
            "\t",
            "\n",
            "\\",
            "\\\n",
            "\"",
            "'",
            "x",
            "name",
            "one two",
            "%define ",
            "%global ",
            "%undefine ",
            "m() ",
            "m(f:) ",
            "m(-) ",
            "x y",
            "%m ",
            "%{m a b}",
            "%{m:",
            "%x",
            "%{x}",
            "%define x %{y}",
            "%global y %{x}",
            "%{expand:",
            "%{lua:",
            "print(rpm.expand('%x'))",
            "%{expr:",
            "%{shrink:",
            "%{quote:",
            "%{basename:",
            "%{dnl ",
            "%dnl ",
            "%{echo:",
            "%{warn:",
            "%{error:",
            "%{load:",
            "%{S:1}",
            "%{P:",
            "%{getenv:HOME}",
            "%{gsub a b c}",
            "%{sub abc 1 -1}",
            "%{len:",
            "%{span:",
            "%{macrobody:x}",
            "%{url2path:",
            "%{uncompress:",
            "%{exists:/}",
            "%{getncpus}",
            "%{rpmversion}",
            "%{call x}",
            "%trace ",
            "1 + 2",
            " && ",
            " || ",
            " ? 1 : 2",
            "v\"1.0\"",
            "== ",
            "!= ",
            "\u{e4}",
            "\u{1f642}",
            "\u{0}",
            "\u{1f}",
            "%if 1\n",
            "%else\n",
            "%endif\n",
            "a,b",
            "/usr/lib",
            "-f",
            "--",
            "0",
            "99999999999999999999",
        ]
        .as_slice(),
    );
    vec(prop_oneof![8 => words.prop_map(str::to_owned), 1 => "\\PC{0,3}"], 0..24).prop_map(|words| words.concat())
}

#[test]
fn text_without_percent_signs_expands_to_itself() {
    let text = vec(any::<char>().prop_filter("a percent sign", |c| *c != '%'), 0..40)
        .prop_map(|chars| chars.into_iter().collect::<String>());
    property(256, &(text, dialect()), |(text, dialect)| {
        let (result, diagnostics, _) = suite().expand(&text, dialect);
        assert_eq!(result.as_deref(), Some(text.as_str()));
        assert!(diagnostics.is_empty());
    });
}

#[test]
fn text_with_doubled_percent_signs_expands_to_the_text() {
    property(256, &(macro_text(), dialect()), |(text, dialect)| {
        let (result, _, _) = suite().expand(&text.replace('%', "%%"), dialect);
        assert_eq!(result.as_deref(), Some(text.as_str()));
    });
}

#[test]
fn expansion_of_any_text_ends_with_a_result_or_an_error() {
    property(1500, &(macro_text(), dialect()), |(text, dialect)| {
        let (result, diagnostics, sources) = suite().expand(&text, dialect);
        check_diagnostics(&diagnostics, &sources);
        assert!(
            result.is_some() || diagnostics.iter().any(bedplate_diag::Diagnostic::is_error),
            "no result and no error"
        );
    });
}

#[test]
fn expansion_is_the_same_twice() {
    property(200, &(macro_text(), dialect()), |(text, dialect)| {
        let once = suite().expand(&text, dialect);
        let again = suite().expand(&text, dialect);
        assert_eq!((once.0, once.1), (again.0, again.1));
    });
}

/// Macros that never end, or would make more text than there is room for: the engine's own limits stop them.
#[test]
fn expansions_without_end_are_errors() {
    for text in [
        "%define f %f\n%f",
        "%define f() %f %*\n%f",
        "%define f %{g}\n%define g %{f}\n%f",
        "%{lua: function f() return rpm.expand('%{lua: return f()}') end return f()}",
        "%define f() %{expand:%f x%*}\n%{f}",
    ] {
        for dialect in Dialect::ALL {
            let (result, diagnostics, _) = with_stack(|| suite().expand(text, dialect));
            assert_eq!(result, None, "{text} in {dialect}");
            assert!(diagnostics.iter().any(bedplate_diag::Diagnostic::is_error), "{text} in {dialect}");
        }
    }
}

#[test]
fn deep_brackets_neither_overflow_the_stack_nor_take_long() {
    for depth in [50, 1_000, 20_000] {
        for (open, close) in
            [("%{?x:", "}"), ("%{!?x:", "}"), ("%{expand:", "}"), ("%[", "]"), ("%{m:", "}"), ("{", "}")]
        {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let (_, diagnostics, sources) = with_stack(|| suite().expand(&text, Dialect::V4_20));
            check_diagnostics(&diagnostics, &sources);
        }
        let text = format!("%[{}1{}]", "(".repeat(depth), ")".repeat(depth));
        with_stack(|| suite().expand(&text, Dialect::V4_20));
        let text = format!("%[{}1]", "!".repeat(depth));
        with_stack(|| suite().expand(&text, Dialect::V4_20));
        let text = format!("%[{}1{}]", "1?".repeat(depth), ":2".repeat(depth));
        with_stack(|| suite().expand(&text, Dialect::V4_20));
    }
}
