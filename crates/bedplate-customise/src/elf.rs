//! What the cache of libraries says of an ELF file: its soname and its kind.

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};

/// A shared library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    /// `DT_SONAME`, if it has one.
    pub(crate) soname: Option<String>,
    /// What the cache calls its kind: the type of file, and the machine (`FLAG_*` of glibc).
    pub(crate) flags: i32,
}

/// A library that the C library of today can load.
const ELF_LIBC6: i32 = 3;

/// Reads a file; none if it is no shared library of a machine that is known here.
pub(crate) fn read(bytes: &[u8]) -> Option<Library> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return None;
    }
    // The class of the file: 64 or 32 bits.
    match bytes.get(4) {
        Some(2) => of::<FileHeader64<Endianness>>(bytes, true),
        Some(1) => of::<FileHeader32<Endianness>>(bytes, false),
        _ => None,
    }
}

fn of<Header: FileHeader<Endian = Endianness>>(bytes: &[u8], is_64: bool) -> Option<Library> {
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    if header.e_type(endian) != elf::ET_DYN {
        return None;
    }
    let machine = match (header.e_machine(endian), is_64) {
        (elf::EM_X86_64, true) => 0x0300,
        (elf::EM_X86_64, false) => 0x0800,
        (elf::EM_386, false) => 0,
        (elf::EM_AARCH64, true) => 0x0a00,
        _ => return None,
    };
    let segments = header.program_headers(endian, bytes).ok()?;
    let dynamic = segments.iter().find_map(|segment| segment.dynamic(endian, bytes).ok().flatten())?;
    let value = |tag| {
        let found = dynamic.iter().find(|entry| entry.d_tag(endian) == tag);
        found.map(|entry| Into::<u64>::into(entry.d_val(endian)))
    };
    let soname = value(elf::DT_SONAME).and_then(|name| {
        let address = value(elf::DT_STRTAB)?.checked_add(name)?;
        let offset = segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let length: u64 = segment.p_filesz(endian).into();
            let within = address.checked_sub(start).filter(|within| *within < length)?;
            Into::<u64>::into(segment.p_offset(endian)).checked_add(within)
        })?;
        let text = bytes.get(usize::try_from(offset).ok()?..)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&text[..end]).ok().map(str::to_owned)
    });
    Some(Library { soname, flags: machine | ELF_LIBC6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_none() {
        for bytes in [&b""[..], b"\x7fELF", b"\x7fELF\x02\x01\x01 cut", b"/* GNU ld script */"] {
            assert_eq!(read(bytes), None);
        }
    }
}
