//! Warnings of macro calls that nothing defines.

use std::collections::BTreeMap;

use bedplate_diag::{Diagnostic, Span};

use crate::macros::builtin::{Builtin, later_hint};
use crate::macros::engine::Engine;
use crate::parser::PARTS;

/// Words after a percent sign that are neither macros nor sections: conditionals, attributes of files.
const NOT_MACROS: [&str; 27] = [
    "if",
    "else",
    "elif",
    "endif",
    "ifarch",
    "ifnarch",
    "ifos",
    "ifnos",
    "elifarch",
    "elifos",
    "include",
    "setup",
    "patch",
    "doc",
    "config",
    "dir",
    "attr",
    "defattr",
    "ghost",
    "verify",
    "exclude",
    "missingok",
    "lang",
    "docdir",
    "caps",
    "artifact",
    "readme",
];

/// Reports each name once, at its first place.
pub(crate) fn report(engine: &Engine) {
    let Some(found) = engine.undefined.take() else { return };
    let mut first: BTreeMap<String, (Span, usize)> = BTreeMap::new();
    for (name, span) in found {
        let is_macro = name.len() >= 3 && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let numbered = ["patch", "PATCH", "SOURCE"].iter().any(|word| name.starts_with(word));
        let is_section = PARTS.iter().any(|(section, ..)| section[1..] == name);
        if is_macro && !numbered && !is_section && !NOT_MACROS.contains(&&*name) && !engine.is_defined(&name) {
            first.entry(name).or_insert((span, 0)).1 += 1;
        }
    }
    let mut found: Vec<_> = first.into_iter().collect();
    found.sort_by_key(|(_, (span, _))| (span.source, span.start));
    for (name, (span, count)) in found {
        let mut diagnostic =
            Diagnostic::warning("undefined-macro", format!("macro `%{{{name}}}` is not defined")).at(span);
        if count > 1 {
            diagnostic = diagnostic.note(format!("and at {} more places", count - 1), None);
        }
        let later = Builtin::of_later(&name, engine.dialect).map(later_hint);
        diagnostic.hint = later.or_else(|| engine.near_macro(&name)).or_else(|| {
            Some(
                "rpm leaves it as it is; a package of the build may define it, or write `%%` for a percent sign"
                    .to_owned(),
            )
        });
        engine.push_diagnostic(diagnostic);
    }
}
