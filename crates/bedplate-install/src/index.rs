//! The indexes of the database: which tag is a table, and which rows a package gives it (`tag2index` of rpm's `lib/rpmdb.c`).

use std::collections::BTreeSet;

use bedplate_model::{DependencyKind, RichEvent, RichOperator, Sense, parse_rich_with};
use bedplate_repo::{Header, Tag};

/// The key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// As the header has it.
    Text(&'a [u8]),
    /// A name in a rich dependency.
    Name(String),
    Bytes(Vec<u8>),
}

/// What is special about a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    None,
    /// A package without it is in it as `Unknown`.
    Group,
    /// What is only needed while the package is installed is not in it; rich dependencies are in it with their names.
    Requires,
    /// Rich dependencies are in it with their names.
    Rich(DependencyKind),
    /// A name is in it once.
    Once,
    /// Rows have the number of the trigger, which this tag has.
    Trigger(Tag),
    /// It is made by the installation: the transaction.
    Transaction,
    /// It is of the signature header: bytes.
    Signature,
    /// It is of the signature header: a string.
    SignatureText,
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    tag: Tag,
    special: Special,
    /// Whether a tag has several values: such a table is indexed by package, too.
    pub(crate) is_array: bool,
}

const fn table(name: &'static str, tag: u32, special: Special) -> Table {
    let is_array =
        !matches!(special, Special::Group | Special::Transaction | Special::Signature | Special::SignatureText)
            && tag != 1000;
    Table { name, tag: Tag(tag, name), special, is_array }
}

/// All tables but that of the packages, in rpm's order.
pub(crate) const TABLES: [Table; 18] = [
    table("Name", 1000, Special::None),
    table("Basenames", 1117, Special::None),
    table("Group", 1016, Special::Group),
    table("Requirename", 1049, Special::Requires),
    table("Providename", 1047, Special::None),
    table("Conflictname", 1054, Special::Rich(DependencyKind::Conflicts)),
    table("Obsoletename", 1090, Special::None),
    table("Triggername", 1066, Special::Once),
    table("Dirnames", 1118, Special::None),
    table("Installtid", 1128, Special::Transaction),
    table("Sigmd5", 1004, Special::Signature),
    table("Sha1header", 269, Special::SignatureText),
    table("Filetriggername", 5069, Special::Trigger(Tag(5070, "FILETRIGGERINDEX"))),
    table("Transfiletriggername", 5079, Special::Trigger(Tag(5080, "TRANSFILETRIGGERINDEX"))),
    table("Recommendname", 5046, Special::Rich(DependencyKind::Recommends)),
    table("Suggestname", 5049, Special::Rich(DependencyKind::Suggests)),
    table("Supplementname", 5052, Special::Rich(DependencyKind::Supplements)),
    table("Enhancename", 5055, Special::Rich(DependencyKind::Enhances)),
];

const REQUIRE_FLAGS: Tag = Tag(1048, "REQUIREFLAGS");

impl Table {
    /// Whether its keys are texts.
    pub(crate) fn is_text(&self) -> bool {
        !matches!(self.special, Special::Transaction | Special::Signature)
    }

    /// The rows of a package: key and number of the value.
    pub(crate) fn rows<'a>(&self, main: &Header<'a>, signature: &Header<'a>, transaction: u32) -> Vec<(Key<'a>, u32)> {
        let texts = self.texts(main, signature);
        let numbered = texts.iter().enumerate().map(|(at, text)| (*text, u32::try_from(at).unwrap_or(u32::MAX)));
        match self.special {
            // As rpm has it in memory, on the machines that we know.
            Special::Transaction => vec![(Key::Bytes(transaction.to_le_bytes().to_vec()), 0)],
            Special::Signature => {
                signature.bytes(self.tag).map(|bytes| (Key::Bytes(bytes.to_vec()), 0)).into_iter().collect()
            }
            Special::Group if texts.is_empty() => vec![(Key::Name("Unknown".to_owned()), 0)],
            Special::None | Special::Group | Special::SignatureText => {
                numbered.map(|(text, at)| (Key::Text(text), at)).collect()
            }
            Special::Once => {
                let is_first = |(text, at): &(&[u8], u32)| !texts[..*at as usize].contains(text);
                numbered.filter(is_first).map(|(text, at)| (Key::Text(text), at)).collect()
            }
            Special::Trigger(index) => {
                let triggers = main.numbers32(index);
                texts.iter().zip(triggers).map(|(text, trigger)| (Key::Text(text), trigger)).collect()
            }
            Special::Rich(kind) => numbered.flat_map(|(text, at)| with_rich(text, at, kind)).collect(),
            Special::Requires => {
                let flags = main.numbers32(REQUIRE_FLAGS);
                let stays = |at: u32| flags.get(at as usize).is_none_or(|flags| !is_transient(*flags));
                numbered
                    .filter(|(_, at)| stays(*at))
                    .flat_map(|(text, at)| with_rich(text, at, DependencyKind::Requires))
                    .collect()
            }
        }
    }

    fn texts<'a>(&self, main: &Header<'a>, signature: &Header<'a>) -> Vec<&'a [u8]> {
        let header = if self.special == Special::SignatureText { signature } else { main };
        let entry = header.raw().find(|entry| entry.tag == self.tag.0 && matches!(entry.kind, 6 | 8 | 9));
        match entry {
            // Of a text in languages only the untranslated one counts, which is the first.
            Some(entry) => {
                let count = if entry.kind == 9 { 1 } else { entry.count };
                entry.bytes.split(|byte| *byte == 0).take(count).collect()
            }
            None => Vec::new(),
        }
    }
}

/// Whether a requirement is only for the installation (`isTransientReq`).
fn is_transient(flags: u32) -> bool {
    let install =
        Sense::SCRIPT_PRE | Sense::SCRIPT_POST | Sense::RPMLIB | Sense::KEYRING | Sense::PRETRANS | Sense::POSTTRANS;
    let erase = Sense::SCRIPT_PREUN | Sense::SCRIPT_POSTUN | Sense::PREUNTRANS | Sense::POSTUNTRANS;
    let sense = Sense::from_bits(flags);
    sense.intersects(install) && !sense.intersects(erase) && !sense.intersects(Sense::META)
}

fn with_rich(text: &[u8], at: u32, kind: DependencyKind) -> Vec<(Key<'_>, u32)> {
    let names = match std::str::from_utf8(text) {
        Ok(text) if text.starts_with('(') => names_of_rich(text, kind),
        _ => BTreeSet::new(),
    };
    let names =
        names.into_iter().map(|(is_negative, name)| Key::Name(if is_negative { format!("!{name}") } else { name }));
    std::iter::once(Key::Text(text)).chain(names).map(|key| (key, at)).collect()
}

/// The names in a rich dependency, in the order of rpm's index: those that count against it (behind `if`) come last.
fn names_of_rich(text: &str, kind: DependencyKind) -> BTreeSet<(bool, String)> {
    let mut found: Vec<(bool, String)> = Vec::new();
    let mut is_negative = false;
    // For each open bracket: where the names of its condition begin, and whether that lasts until it closes.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let visit = |event: RichEvent<'_>| -> Result<(), bedplate_model::RichError> {
        match event {
            RichEvent::Enter(_) => open.push((found.len(), false)),
            RichEvent::Single { name, .. } if !name.is_empty() && !name.starts_with("rpmlib(") => {
                found.push((is_negative, name.to_owned()));
            }
            RichEvent::Operator(RichOperator::If | RichOperator::Unless, _) => {
                if let Some(last) = open.last_mut() {
                    *last = (found.len(), true);
                }
                is_negative = !is_negative;
            }
            RichEvent::Operator(RichOperator::Else, _) => {
                // What is not there makes the other part count.
                let start = open.last_mut().map_or(found.len(), |last| {
                    last.1 = false;
                    last.0
                });
                let inverted: Vec<_> =
                    found[start..].iter().map(|(negative, name)| (!negative, name.clone())).collect();
                found.extend(inverted);
                is_negative = !is_negative;
            }
            RichEvent::Leave(_) => is_negative ^= open.pop().is_some_and(|last| last.1),
            _ => {}
        }
        Ok(())
    };
    match parse_rich_with(text, kind, visit) {
        Ok(_) => found.into_iter().collect(),
        Err(_) => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rich_dependencies_are_found_by_their_names() {
        for (text, want) in [
            ("(b and a >= 2)", &["a", "b"][..]),
            ("(a or a)", &["a"]),
            ("(a if b)", &["a", "!b"]),
            ("(a if b else c)", &["a", "b", "c", "!b"]),
            ("((a if b) and c)", &["a", "c", "!b"]),
            ("(a unless (b or c))", &["a", "!b", "!c"]),
            ("(a and rpmlib(X))", &["a"]),
        ] {
            // Where `unless` may stand, `if` may not.
            let kind = if text.contains("unless") { DependencyKind::Conflicts } else { DependencyKind::Requires };
            let names = with_rich(text.as_bytes(), 3, kind);
            let mut wanted = vec![(Key::Text(text.as_bytes()), 3)];
            wanted.extend(want.iter().map(|name| (Key::Name((*name).to_owned()), 3)));
            assert_eq!(names, wanted, "{text}");
        }
    }
}
