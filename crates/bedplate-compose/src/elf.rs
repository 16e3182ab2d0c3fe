//! What an ELF file says of itself: what it needs, and how it is hardened.

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, Sym as _};

/// A program or a shared library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// True if it has to lie where it was linked for.
    pub(crate) is_fixed: bool,
    /// True for a program: it names an interpreter, is fixed, or is marked as a program.
    pub(crate) is_program: bool,
    /// The program that loads it.
    pub(crate) interpreter: Option<String>,
    /// Sonames of libraries.
    pub(crate) needed: Vec<String>,
    /// Parts of `DT_RPATH` and `DT_RUNPATH`.
    pub(crate) run_paths: Vec<String>,
    /// Relocated data is read-only afterwards.
    pub(crate) has_relro: bool,
    /// It has something that the linker looks at.
    pub(crate) is_dynamic: bool,
    /// All symbols are bound at the start.
    pub(crate) binds_now: bool,
    /// The stack can be executed: it says so, or says nothing.
    pub(crate) has_executable_stack: bool,
    /// Its code is changed when it is loaded.
    pub(crate) has_text_relocations: bool,
    /// It calls the function that says that the stack was overrun.
    pub(crate) has_stack_protector: bool,
}

/// Reads a file; none if it is no program or shared library.
pub(crate) fn read(bytes: &[u8]) -> Option<Elf> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return None;
    }
    // The class of the file: 64 or 32 bits.
    match bytes.get(4) {
        Some(2) => of::<FileHeader64<Endianness>>(bytes),
        Some(1) => of::<FileHeader32<Endianness>>(bytes),
        _ => None,
    }
}

fn of<Header: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Elf> {
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let kind = header.e_type(endian);
    if kind != elf::ET_EXEC && kind != elf::ET_DYN {
        return None;
    }
    let is_fixed = kind == elf::ET_EXEC;
    let mut found = Elf { is_fixed, is_program: is_fixed, has_executable_stack: true, ..Elf::default() };
    let segments = header.program_headers(endian, bytes).ok()?;
    for segment in segments {
        match segment.p_type(endian) {
            elf::PT_GNU_RELRO => found.has_relro = true,
            elf::PT_GNU_STACK => found.has_executable_stack = segment.p_flags(endian).0 & elf::PF_X.0 != 0,
            elf::PT_INTERP => {
                let text = segment.data(endian, bytes).ok()?;
                let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                found.interpreter = Some(String::from_utf8_lossy(text).into_owned());
            }
            _ => {}
        }
    }
    found.is_program |= found.interpreter.is_some();
    let Some(dynamic) = segments.iter().find_map(|segment| segment.dynamic(endian, bytes).ok().flatten()) else {
        return Some(found);
    };
    found.is_dynamic = true;
    let value = |tag| {
        let entry = dynamic.iter().find(|entry| entry.d_tag(endian) == tag);
        entry.map(|entry| Into::<u64>::into(entry.d_val(endian)))
    };
    // An address of the loaded program as a place in the file.
    let place = |address: u64| {
        segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD).find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let length: u64 = segment.p_filesz(endian).into();
            let within = address.checked_sub(start).filter(|within| *within < length)?;
            usize::try_from(Into::<u64>::into(segment.p_offset(endian)).checked_add(within)?).ok()
        })
    };
    let strings = value(elf::DT_STRTAB);
    let text = |offset: u64| {
        let text = bytes.get(place(strings?.checked_add(offset)?)?..)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    };
    for entry in dynamic {
        let number: u64 = entry.d_val(endian).into();
        match entry.d_tag(endian) {
            elf::DT_NEEDED => found.needed.extend(text(number)),
            elf::DT_RPATH | elf::DT_RUNPATH => {
                found.run_paths.extend(text(number).unwrap_or_default().split(':').map(str::to_owned));
            }
            elf::DT_BIND_NOW => found.binds_now = true,
            elf::DT_TEXTREL => found.has_text_relocations = true,
            elf::DT_FLAGS => {
                found.binds_now |= number & elf::DF_BIND_NOW.0 != 0;
                found.has_text_relocations |= number & elf::DF_TEXTREL.0 != 0;
            }
            elf::DT_FLAGS_1 => {
                found.binds_now |= number & elf::DF_1_NOW.0 != 0;
                found.is_program |= number & elf::DF_1_PIE.0 != 0;
            }
            _ => {}
        }
    }
    found.has_stack_protector = has_symbol(header, endian, bytes, b"__stack_chk_fail");
    Some(found)
}

/// True if the table of dynamic symbols has a name.
fn has_symbol<Header: FileHeader<Endian = Endianness>>(
    header: &Header,
    endian: Endianness,
    bytes: &[u8],
    name: &[u8],
) -> bool {
    let Ok(sections) = header.sections(endian, bytes) else { return false };
    let Ok(symbols) = sections.symbols(endian, bytes, elf::SHT_DYNSYM) else { return false };
    symbols.iter().any(|symbol| symbol.name(endian, symbols.strings()).is_ok_and(|found| found == name))
}
