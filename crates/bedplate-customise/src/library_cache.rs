//! `/etc/ld.so.cache`: where the dynamic loader finds libraries by name, as ldconfig(8) of glibc 2.33 and later writes it.
//!
//! ```text
//! "glibc-ld.so.cache1.1"  entries:u32  bytes of texts:u32  byte order:u8 0 0 0  offset of extensions:u32  0:u32 ×3
//! entry ×N                flags:i32  name:u32  path:u32  0:u32  hardware:u64        sorted, so that it can be searched in halves
//! texts                   each ends with a zero byte; one that is the end of another is not there twice
//! extensions              magic:u32  count:u32  section ×count (tag:u32 flags:u32 offset:u32 size:u32)  their data
//! ```
//!
//! A link whose file is missing is passed over; ldconfig would remove it, and rpm would miss it then.
//!
//! Numbers have the byte order of the machine: little, for all that are known here. Offsets count from the start of the file.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bedplate_cas::Digest;
use bedplate_tree::{Kind, TreePath};

use crate::elf::{self, Library};
use crate::{CustomiseError, Editor, ld_so_conf};

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const LITTLE_ENDIAN: u8 = 2;
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const GENERATOR: u32 = 0;
const HARDWARE: u32 = 1;
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Marks an entry of a folder of `glibc-hwcaps`; the low half is the index of its name.
const HARDWARE_BIT: u64 = 1 << 62;

/// The dynamic loaders of the machines that are known here. Their texts name the folders of the system.
const LOADERS: [&str; 3] =
    ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib64/ld-linux-aarch64.so.1"];

/// One line of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cached {
    name: String,
    path: String,
    flags: i32,
    /// The folder below `glibc-hwcaps`.
    hardware: Option<String>,
}

/// Makes the cache of an image with glibc, and the links by soname that its folders of libraries lack; removes the auxiliary cache
/// of ldconfig. An image without a dynamic loader of glibc is left as it is.
///
/// # Errors
///
/// If a library cannot be read, or the cache cannot be written.
pub fn cache_libraries(editor: &mut Editor<'_>) -> Result<(), CustomiseError> {
    editor.step("ldconfig");
    let Some(system) = system_folders(editor)? else { return Ok(()) };
    let mut folders = ld_so_conf::folders(editor)?;
    folders.extend(system);
    let mut entries = Vec::new();
    let mut known = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for folder in folders {
        // The same folder under another name is the same folder: the first name stays.
        let Some(real) = editor.tree.resolve(&folder) else { continue };
        let is_folder = editor.tree.get(real.as_str()).is_some_and(|entry| entry.is_directory());
        if !is_folder || !seen.insert(real.clone()) {
            continue;
        }
        let hardware = real.join("glibc-hwcaps").expect("it is a plain name");
        let names: Vec<String> = editor
            .tree
            .children(&hardware)
            .filter(|(_, entry)| entry.is_directory())
            .map(|(path, _)| path.name().to_owned())
            .collect();
        for name in names {
            let below = folder.join(&format!("glibc-hwcaps/{name}")).expect("names of a tree are parts of paths");
            scan(editor, &below, Some(&name), &mut known, &mut entries)?;
        }
        scan(editor, &folder, None, &mut known, &mut entries)?;
    }
    entries.sort_by(by_search);
    let generator = generator(editor)?;
    let cache = write(&entries, &generator);
    editor.write(&"/etc/ld.so.cache".parse().expect("it is a path"), &cache, 0o644)?;
    editor.remove(&"/var/cache/ldconfig".parse().expect("it is a path"))
}

/// The folders that the dynamic loader looks into by itself; none if there is no loader.
fn system_folders(editor: &Editor<'_>) -> Result<Option<Vec<TreePath>>, CustomiseError> {
    for loader in LOADERS {
        let Some(bytes) = editor.bytes(&loader.parse().expect("it is a path"))? else { continue };
        let mut folders: Vec<TreePath> = Vec::new();
        for text in bytes.split(|byte| *byte == 0) {
            let is_folder = text.len() < 64
                && text.last() == Some(&b'/')
                && (text.starts_with(b"/lib") || text.starts_with(b"/usr/lib"));
            let Some(folder) = is_folder.then(|| std::str::from_utf8(&text[..text.len() - 1]).ok()).flatten() else {
                continue;
            };
            // Where 64-bit libraries have a folder of their own, those of the other kinds of libraries are looked into as well.
            let names = match folder.strip_suffix("64") {
                Some(stem) if stem.ends_with("/lib") => vec![stem.to_owned(), folder.to_owned(), format!("{stem}x32")],
                _ => vec![folder.to_owned()],
            };
            for name in names.into_iter().filter_map(|name| name.parse().ok()) {
                if !folders.contains(&name) {
                    folders.push(name);
                }
            }
        }
        return Ok(Some(folders));
    }
    Ok(None)
}

/// Which program says it wrote the cache: the ldconfig of the image's C library.
fn generator(editor: &Editor<'_>) -> Result<String, CustomiseError> {
    for library in
        ["/lib64/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6"]
    {
        let Some(bytes) = editor.bytes(&library.parse().expect("it is a path"))? else { continue };
        let start = b"GNU C Library ";
        let Some(at) = bytes.windows(start.len()).position(|window| window == start) else { continue };
        let banner = &bytes[at + start.len()..];
        let end = banner.iter().position(|byte| *byte == b'\n' || *byte == 0).unwrap_or(0);
        let banner = String::from_utf8_lossy(&banner[..end]);
        return Ok(format!("ldconfig {}", banner.trim_end_matches('.')));
    }
    Ok("ldconfig".to_owned())
}

/// What a folder has under one soname.
struct Candidate {
    file: String,
    is_link: bool,
    library: Library,
}

fn scan(
    editor: &mut Editor<'_>,
    folder: &TreePath,
    hardware: Option<&str>,
    known: &mut BTreeMap<Digest, Option<Library>>,
    entries: &mut Vec<Cached>,
) -> Result<(), CustomiseError> {
    let Some(real) = editor.tree.resolve(folder) else { return Ok(()) };
    let names = editor
        .tree
        .children(&real)
        .filter(|(_, entry)| matches!(entry.kind, Kind::File(_) | Kind::HardLink(_) | Kind::Symlink(_)));
    let names: Vec<(String, bool)> = names
        .map(|(path, entry)| (path.name().to_owned(), matches!(entry.kind, Kind::Symlink(_))))
        .filter(|(name, _)| (name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so"))
        // What gdb loads beside a library.
        .filter(|(name, _)| !name.ends_with("-gdb.py"))
        .collect();
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    for (name, is_link) in names {
        let path = real.join(&name).expect("names of a tree are parts of paths");
        // Most files have several names.
        let Some(digest) = editor.follow(&path).and_then(|(_, entry)| entry.content()) else { continue };
        let library = match known.entry(digest) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(elf::read(&editor.bytes(&path)?.unwrap_or_default())),
        };
        let Some(library) = library.clone() else { continue };
        let mut soname = library.soname.clone().unwrap_or_else(|| name.clone());
        // A link is of its soname, or the one that the linker uses (`libx.so`); another is taken for a file.
        let is_link = is_link && (name == soname || name.ends_with(".so") && soname.starts_with(&name));
        if is_link {
            soname.clone_from(&name);
        }
        let candidate = Candidate { file: name, is_link, library };
        match found.get(&soname) {
            Some(known) if !is_newer(&candidate, known) => {}
            _ => drop(found.insert(soname, candidate)),
        }
    }
    for (soname, candidate) in found {
        if hardware.is_none() && !candidate.is_link && candidate.file != soname {
            let link = real.join(&soname).ok();
            let link = link.filter(|link| editor.tree.get(link.as_str()).is_none());
            if let Some(link) = link {
                editor.link(&link, &candidate.file)?;
            }
        }
        let file = if hardware.is_some() { &candidate.file } else { &soname };
        entries.push(Cached {
            path: format!("{folder}/{file}"),
            name: soname,
            flags: candidate.library.flags,
            hardware: hardware.map(str::to_owned),
        });
    }
    Ok(())
}

/// A file is better than a link, and of two alike the one with the greater version.
fn is_newer(one: &Candidate, known: &Candidate) -> bool {
    (!one.is_link && known.is_link)
        || one.is_link == known.is_link && by_version(&known.file, &one.file) == Ordering::Less
}

/// Compares names with runs of digits as numbers; digits come after all else.
fn by_version(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one.as_bytes(), other.as_bytes());
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        match (x.is_ascii_digit(), y.is_ascii_digit()) {
            (true, true) => {
                let number = |text: &mut &[u8]| {
                    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
                    let (digits, rest) = text.split_at(end);
                    *text = rest;
                    digits
                        .iter()
                        .fold(0_u128, |sum, digit| sum.saturating_mul(10).saturating_add(u128::from(digit - b'0')))
                };
                match number(&mut a).cmp(&number(&mut b)) {
                    Ordering::Equal => {}
                    other => return other,
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) if x != y => return x.cmp(&y),
            (false, false) => (a, b) = (&a[1..], &b[1..]),
        }
    }
    a.len().cmp(&b.len())
}

/// The order of the cache: names and flags downwards, as its search in halves has it; folders of hardware before the plain one.
fn by_search(one: &Cached, other: &Cached) -> Ordering {
    by_version(&other.name, &one.name).then_with(|| other.flags.cmp(&one.flags)).then_with(|| {
        match (&one.hardware, &other.hardware) {
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    })
}

/// The texts of a cache in one piece, each with its place.
struct Texts<'a> {
    bytes: Vec<u8>,
    places: BTreeMap<&'a str, usize>,
}

impl<'a> Texts<'a> {
    /// Sorted from their ends downwards, the longer first, so that a text that another ends with comes right behind it.
    fn new(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut sorted: Vec<&str> = texts.collect();
        sorted.sort_by(|one, other| {
            let from_end = one.bytes().rev().zip(other.bytes().rev());
            let difference = from_end.map(|(a, b)| b.cmp(&a)).find(|order| order.is_ne());
            difference.unwrap_or_else(|| other.len().cmp(&one.len()))
        });
        sorted.dedup();
        let (mut bytes, mut places) = (Vec::new(), BTreeMap::new());
        let mut last = "";
        for text in sorted {
            if last.ends_with(text) && !last.is_empty() {
                places.insert(text, bytes.len() - 1 - text.len());
            } else {
                places.insert(text, bytes.len());
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
            last = text;
        }
        Self { bytes, places }
    }
}

fn write(entries: &[Cached], generator: &str) -> Vec<u8> {
    let mut hardware: Vec<&str> = entries.iter().filter_map(|entry| entry.hardware.as_deref()).collect();
    hardware.sort_unstable();
    hardware.dedup();
    let texts =
        Texts::new(entries.iter().flat_map(|entry| [entry.name.as_str(), &entry.path]).chain(hardware.iter().copied()));
    let start = HEADER + entries.len() * ENTRY;
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let place = |text: &str| small(start + texts.places.get(text).copied().unwrap_or(0));
    let extensions = (start + texts.bytes.len()).next_multiple_of(4);

    let mut out = MAGIC.to_vec();
    out.extend(small(entries.len()));
    out.extend(small(texts.bytes.len()));
    out.extend([LITTLE_ENDIAN, 0, 0, 0]);
    out.extend(small(extensions));
    out.resize(HEADER, 0);
    for entry in entries {
        out.extend(entry.flags.to_le_bytes());
        out.extend(place(&entry.name));
        out.extend(place(&entry.path));
        out.extend([0; 4]);
        let index = entry.hardware.as_deref().and_then(|name| hardware.binary_search(&name).ok());
        out.extend(index.map_or(0, |index| HARDWARE_BIT | index as u64).to_le_bytes());
    }
    out.extend_from_slice(&texts.bytes);
    out.resize(extensions, 0);

    let sections = if hardware.is_empty() { 1 } else { 2 };
    let data = extensions + 8 + sections * 16;
    out.extend(EXTENSION_MAGIC.to_le_bytes());
    out.extend(small(sections));
    let section =
        |tag: u32, offset: usize, size: usize| [tag.to_le_bytes(), [0; 4], small(offset), small(size)].concat();
    out.extend(section(GENERATOR, data + hardware.len() * 4, generator.len()));
    if !hardware.is_empty() {
        out.extend(section(HARDWARE, data, hardware.len() * 4));
        out.extend(hardware.iter().flat_map(|name| place(name)));
    }
    out.extend_from_slice(generator.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (less, more) in
            [("libx.so.2", "libx.so.10"), ("liba.so", "libb.so"), ("libx.so", "libx.so.1"), ("libx-a", "libx1")]
        {
            assert_eq!(by_version(less, more), Ordering::Less, "{less} {more}");
            assert_eq!(by_version(more, less), Ordering::Greater, "{less} {more}");
        }
        assert_eq!(by_version("libx.so.010", "libx.so.10"), Ordering::Equal);
    }

    #[test]
    fn ends_of_texts_are_shared() {
        let texts = Texts::new(["so.1", "/lib/libx.so.1", "libx.so.1", "other", "other"].into_iter());
        assert_eq!(texts.bytes, b"other\0/lib/libx.so.1\0");
        assert_eq!(
            texts.places,
            BTreeMap::from([("other", 0), ("/lib/libx.so.1", 6), ("libx.so.1", 11), ("so.1", 16)])
        );
    }
}
