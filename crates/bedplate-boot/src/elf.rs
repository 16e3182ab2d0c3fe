//! What a program or library has to find when it is started: interpreter, libraries, and those that it opens later.

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{Endianness, Result};
use serde::Deserialize;

/// Type of a note that names libraries which are opened at run time (UAPI group, "ELF dlopen metadata").
const DLOPEN_NOTE: elf::NoteType = elf::NoteType(0x407c_0c0a);
const DLOPEN_OWNER: &[u8] = b"FDO";

/// What an ELF file needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ElfNeeds {
    /// The loader.
    pub(crate) interpreter: Option<String>,
    /// Libraries that it is linked with.
    pub(crate) libraries: Vec<String>,
    /// Folders that its libraries are looked for in first; `$ORIGIN` is the folder of the file.
    pub(crate) search: Vec<String>,
    /// Libraries that it opens while it runs.
    pub(crate) optional: Vec<OptionalLibrary>,
}

/// A library that a program opens while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct OptionalLibrary {
    /// What it is for.
    #[serde(default)]
    pub(crate) feature: String,
    /// How much it is missed: `required`, `recommended` or `suggested`.
    #[serde(default = "recommended")]
    pub(crate) priority: String,
    /// Its names: any one of them will do.
    pub(crate) soname: Vec<String>,
}

/// What the specification has for a note without a priority.
fn recommended() -> String {
    "recommended".to_owned()
}

/// Reads a file of 64 bits; nothing for what is no ELF file.
pub(crate) fn needs(bytes: &[u8]) -> Option<Result<ElfNeeds>> {
    bytes.starts_with(&elf::ELFMAG).then(|| read(bytes))
}

fn read(bytes: &[u8]) -> Result<ElfNeeds> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let mut needs = ElfNeeds::default();
    for segment in header.program_headers(endian, bytes)? {
        if let Some(interpreter) = segment.interpreter(endian, bytes)? {
            needs.interpreter = Some(text(interpreter));
        }
    }
    let sections = header.sections(endian, bytes)?;
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        for entry in entries {
            match entry.d_tag(endian) {
                elf::DT_NEEDED => needs.libraries.push(text(entry.string(endian, strings)?)),
                elf::DT_RUNPATH | elf::DT_RPATH => {
                    let folders = text(entry.string(endian, strings)?);
                    needs.search.extend(folders.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    for section in sections.iter() {
        let Some(mut notes) = section.notes(endian, bytes)? else { continue };
        while let Some(note) = notes.next()? {
            if note.name() == DLOPEN_OWNER && note.n_type(endian) == DLOPEN_NOTE {
                let json = note.desc().split(|byte| *byte == 0).next().unwrap_or_default();
                // A note that cannot be read says nothing that we could rely on.
                needs.optional.extend(serde_json::from_slice::<Vec<OptionalLibrary>>(json).unwrap_or_default());
            }
        }
    }
    Ok(needs)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The strings of a kernel module's section `.modinfo`: `key=value`, in order.
pub(crate) fn module_info(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let Some((_, section)) = sections.section_by_name(endian, b".modinfo") else { return Ok(Vec::new()) };
    Ok(modinfo_strings(section.data(endian, bytes)?))
}

/// `key=value` strings with a zero byte behind each.
pub(crate) fn modinfo_strings(data: &[u8]) -> Vec<(String, String)> {
    let strings = data.split(|byte| *byte == 0).filter(|string| !string.is_empty()).map(text);
    strings.filter_map(|string| string.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_its_loader_and_libraries() {
        let needs = needs(&std::fs::read("/usr/bin/bash").unwrap()).unwrap().unwrap();
        assert!(needs.interpreter.as_deref().is_some_and(|loader| loader.contains("ld-linux")), "{needs:?}");
        assert!(needs.libraries.iter().any(|library| library == "libc.so.6"), "{needs:?}");
        assert!(super::needs(b"#!/bin/sh\n").is_none());
        assert!(super::needs(b"\x7fELF broken").unwrap().is_err());
    }

    #[test]
    fn optional_libraries_are_read() {
        let json = r#"[{"feature":"kmod","description":"x","priority":"suggested","soname":["libkmod.so.2"]},
                       {"soname":["libz.so.1","libz.so"]}]"#;
        let read: Vec<OptionalLibrary> = serde_json::from_str(json).unwrap();
        assert_eq!(read[0].feature, "kmod");
        assert_eq!((read[1].priority.as_str(), read[1].soname.len()), ("recommended", 2));
    }
}
