//! The header of an installed package: that of its file, with what its signature header says, and with what its installation adds.
//!
//! ```text
//! IL DL │ index: region, its entries │ added entries │ data: of the region │ of the added entries, aligned
//!         └──────── as in the package, byte by byte ─┴───────────────────┘
//! ```
//!
//! `headerMergeLegacySigs` of rpm's `lib/package.c`, `dbAdd` of `lib/psm.c`, `headerExport` of `lib/header.c`. The signed part is
//! as it was, so that `rpm -V` can compare it with its digest.

use bedplate_repo::{RawEntry, Tag};

use crate::{Color, DatabaseError, Fate, Package};

const CHAR: u32 = 1;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BIN: u32 = 7;
const STRINGS: u32 = 8;

/// `HEADERIMMUTABLE`, the region of a main header.
const REGION: u32 = 63;
/// The magic number of a header, which the database does not have.
const MAGIC: usize = 8;
const INDEX_ENTRY: usize = 16;

const INSTALL_TIME: u32 = 1008;
const FILE_STATES: u32 = 1029;
const INSTALL_COLOR: u32 = 1127;
const INSTALL_TRANSACTION: u32 = 1128;

/// An entry of the signature header, as the main header gets it.
struct Translated {
    from: u32,
    to: Tag,
    kind: u32,
    /// How many values it must have.
    count: Option<usize>,
    /// Whether the main header may have it, too, if the signature header has not.
    either: bool,
}

const fn translated(from: u32, to: Tag, kind: u32, count: Option<usize>, either: bool) -> Translated {
    Translated { from, to, kind, count, either }
}

const TRANSLATED: [Translated; 15] = [
    translated(1000, Tag(257, "SIGSIZE"), INT32, Some(1), false),
    translated(1002, Tag(259, "SIGPGP"), BIN, None, false),
    translated(1004, Tag(261, "SIGMD5"), BIN, Some(16), false),
    translated(1005, Tag(262, "SIGGPG"), BIN, None, false),
    translated(1007, Tag(1046, "ARCHIVESIZE"), INT32, Some(1), true),
    translated(274, Tag(5090, "FILESIGNATURES"), STRINGS, None, true),
    translated(275, Tag(5091, "FILESIGNATURELENGTH"), INT32, Some(1), true),
    translated(276, Tag(276, "VERITYSIGNATURES"), STRINGS, None, false),
    translated(277, Tag(277, "VERITYSIGNATUREALGO"), INT32, Some(1), false),
    translated(269, Tag(269, "SHA1HEADER"), STRING, Some(1), false),
    translated(273, Tag(273, "SHA256HEADER"), STRING, Some(1), false),
    translated(267, Tag(267, "DSAHEADER"), BIN, None, false),
    translated(268, Tag(268, "RSAHEADER"), BIN, None, false),
    translated(270, Tag(270, "LONGSIGSIZE"), INT64, Some(1), false),
    translated(271, Tag(271, "LONGARCHIVESIZE"), INT64, Some(1), false),
];

/// When and how a package was installed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installation {
    /// Seconds since 1970.
    pub(crate) time: u32,
    /// The transaction: its time.
    pub(crate) transaction: u32,
    pub(crate) color: Color,
}

/// The bytes of the header, with both its lengths and without the magic number.
///
/// # Errors
/// If the header has no region, or what the database is to have already.
pub(crate) fn installed_header(
    package: &Package,
    fates: &[Fate],
    installation: Installation,
) -> Result<Vec<u8>, DatabaseError> {
    let bad = |why: String| DatabaseError::Header { package: package.name().to_string(), why };
    let main = package.headers().main_bytes().get(MAGIC..).unwrap_or_default();
    let word = |at: usize| main.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    let (Some(tags), Some(length), Some(REGION)) = (word(0), word(4), word(8)) else {
        return Err(bad("its header has no signed region".to_owned()));
    };
    let states: Vec<u8> = fates.iter().map(|fate| fate.state()).collect();
    let numbers = [installation.time, installation.color.0, installation.transaction].map(u32::to_be_bytes);
    let signature = package.headers().signature();
    let mut added = from_signature(package, &signature).map_err(bad)?;
    if !states.is_empty() {
        added.push(RawEntry { tag: FILE_STATES, kind: CHAR, count: states.len(), bytes: &states });
    }
    for (tag, bytes) in [INSTALL_TIME, INSTALL_COLOR, INSTALL_TRANSACTION].into_iter().zip(&numbers) {
        added.push(RawEntry { tag, kind: INT32, count: 1, bytes });
    }
    added.sort_by_key(|entry| entry.tag);

    let (index, data) = main[8..].split_at(tags as usize * INDEX_ENTRY);
    let short =
        |number: usize| u32::try_from(number).map_err(|_| bad("its header is larger than rpm allows".to_owned()));
    let (mut new_index, mut data) = (index.to_vec(), data[..length as usize].to_vec());
    for entry in &added {
        let width = match entry.kind {
            INT32 => 4,
            INT64 => 8,
            _ => 1,
        };
        data.resize(data.len().next_multiple_of(width), 0);
        let row = [entry.tag, entry.kind, short(data.len())?, short(entry.count)?];
        new_index.extend(row.iter().flat_map(|word| word.to_be_bytes()));
        data.extend_from_slice(entry.bytes);
    }
    let lengths = [short(new_index.len() / INDEX_ENTRY)?, short(data.len())?].map(u32::to_be_bytes).concat();
    Ok([lengths, new_index, data].concat())
}

fn from_signature<'a>(package: &Package, signature: &bedplate_repo::Header<'a>) -> Result<Vec<RawEntry<'a>>, String> {
    let main = package.headers().main();
    let entries: Vec<RawEntry<'a>> = signature.raw().collect();
    let mut added = Vec::new();
    for one in &TRANSLATED {
        let found = entries.iter().find(|entry| entry.tag == one.from);
        if main.has(one.to) && !(one.either && found.is_none()) {
            return Err(format!("its main header has {}, which belongs to the signature header", one.to.1));
        }
        let Some(entry) = found else { continue };
        if entry.kind != one.kind || one.count.is_some_and(|count| count != entry.count) {
            return Err(format!("{} of its signature header has the wrong type or count", one.to.1));
        }
        added.push(RawEntry { tag: one.to.0, ..*entry });
    }
    Ok(added)
}
