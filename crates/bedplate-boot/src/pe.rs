//! Portable executables (PE32+), as far as a unified kernel image needs them: sections are read, replaced and added.
//!
//! ```text
//! DOS header ─e_lfanew─▶ "PE\0\0", COFF header, optional header, section headers │ section data, aligned │ …
//! ```
//!
//! Layout: Microsoft, "PE Format". Every offset is checked before it is used: a damaged file is an error, never a panic.

use std::ops::Range;

/// Size of the COFF header with its signature.
const COFF_SIZE: usize = 24;
/// Size of a section header.
const SECTION_SIZE: usize = 40;
/// Magic number of a PE32+ optional header.
const PE32_PLUS: u16 = 0x20b;
/// Offsets in a PE32+ optional header.
mod field {
    pub(super) const SIZE_OF_CODE: usize = 4;
    pub(super) const SIZE_OF_INITIALIZED_DATA: usize = 8;
    pub(super) const SECTION_ALIGNMENT: usize = 32;
    pub(super) const FILE_ALIGNMENT: usize = 36;
    pub(super) const SIZE_OF_IMAGE: usize = 56;
    pub(super) const SIZE_OF_HEADERS: usize = 60;
    pub(super) const CHECKSUM: usize = 64;
    pub(super) const DIRECTORY_COUNT: usize = 108;
    pub(super) const CERTIFICATES: usize = 144;
}

/// Why a file is no portable executable that we can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// It does not begin as one.
    #[error("it is no PE32+ executable: {0}")]
    Format(&'static str),
    /// Something that its headers name is not in the file.
    #[error("it ends before {0}")]
    Short(&'static str),
    /// Its headers have no room for another section.
    #[error("its headers have no room for another section")]
    HeadersFull,
    /// It would be larger than the format can say.
    #[error("it would be larger than 4 GiB")]
    TooLarge,
}

/// What a section holds: its flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    /// Initialised data that may be read.
    Data,
    /// Code that may be read.
    Code,
}

/// Flags of sections.
const CODE: u32 = 0x20;
const INITIALIZED_DATA: u32 = 0x40;
const MEMORY_READ: u32 = 0x4000_0000;

impl SectionKind {
    fn characteristics(self) -> u32 {
        match self {
            Self::Data => MEMORY_READ | INITIALIZED_DATA,
            Self::Code => MEMORY_READ | CODE,
        }
    }
}

/// A section header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    name: [u8; 8],
    virtual_size: u32,
    address: u32,
    raw_size: u32,
    raw_offset: u32,
    characteristics: u32,
}

impl Section {
    fn is_named(&self, name: &str) -> bool {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(8);
        self.name[..end] == *name.as_bytes()
    }

    /// Where it ends in memory.
    fn end(&self) -> u64 {
        u64::from(self.address) + u64::from(self.virtual_size)
    }

    fn header(&self) -> [u8; SECTION_SIZE] {
        let mut header = [0; SECTION_SIZE];
        header[..8].copy_from_slice(&self.name);
        let numbers = [self.virtual_size, self.address, self.raw_size, self.raw_offset];
        for (slot, number) in header[8..24].chunks_exact_mut(4).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        header[36..].copy_from_slice(&self.characteristics.to_le_bytes());
        header
    }
}

/// An executable in memory whose headers were checked.
#[derive(Debug, Clone)]
pub(crate) struct Pe<B> {
    bytes: B,
    coff: usize,
    optional: usize,
    table: usize,
    sections: Vec<Section>,
}

impl<B: AsRef<[u8]>> Pe<B> {
    /// Reads the headers.
    pub(crate) fn parse(bytes: B) -> Result<Self, PeError> {
        let data = bytes.as_ref();
        if !data.starts_with(b"MZ") {
            return Err(PeError::Format("it does not begin with `MZ`"));
        }
        let coff = usize::try_from(u32_at(data, 0x3c).ok_or(PeError::Short("the DOS header ends"))?)
            .map_err(|_| PeError::Short("the PE header"))?;
        let signature = data.get(coff..).and_then(|rest| rest.get(..4)).ok_or(PeError::Short("the PE header"))?;
        if signature != b"PE\0\0" {
            return Err(PeError::Format("it has no PE header"));
        }
        let count = u16_at(data, coff + 6).ok_or(PeError::Short("the COFF header ends"))?;
        let size = u16_at(data, coff + 20).ok_or(PeError::Short("the COFF header ends"))?;
        let optional = coff + COFF_SIZE;
        let table = optional + usize::from(size);
        if u16_at(data, optional).ok_or(PeError::Short("the optional header"))? != PE32_PLUS || usize::from(size) < 112
        {
            return Err(PeError::Format("it is not of 64 bits"));
        }
        let mut sections = Vec::new();
        for number in 0..usize::from(count) {
            let at = table + number * SECTION_SIZE;
            let header = data.get(at..at + SECTION_SIZE).ok_or(PeError::Short("the last section header"))?;
            let mut name = [0; 8];
            name.copy_from_slice(&header[..8]);
            let number = |offset| u32_at(header, offset).unwrap_or_default();
            let section = Section {
                name,
                virtual_size: number(8),
                address: number(12),
                raw_size: number(16),
                raw_offset: number(20),
                characteristics: number(36),
            };
            let end = u64::from(section.raw_offset) + u64::from(section.raw_size);
            if section.raw_size > 0 && end > data.len() as u64 {
                return Err(PeError::Short("the last byte of a section"));
            }
            sections.push(section);
        }
        Ok(Self { bytes, coff, optional, table, sections })
    }

    fn data(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn optional_u32(&self, offset: usize) -> u32 {
        u32_at(self.data(), self.optional + offset).unwrap_or_default()
    }

    /// For which processor it is (`IMAGE_FILE_MACHINE_*`).
    pub(crate) fn machine(&self) -> u16 {
        u16_at(self.data(), self.coff + 4).unwrap_or_default()
    }

    /// Bytes of memory that it takes when it is loaded.
    pub(crate) fn size_of_image(&self) -> u32 {
        self.optional_u32(field::SIZE_OF_IMAGE)
    }

    /// True if it carries a signature.
    pub(crate) fn is_signed(&self) -> bool {
        self.optional_u32(field::DIRECTORY_COUNT) > 4 && self.optional_u32(field::CERTIFICATES + 4) != 0
    }

    /// Where the content of the first section of this name is, without padding.
    pub(crate) fn section_range(&self, name: &str) -> Option<Range<usize>> {
        let section = self.sections.iter().find(|section| section.is_named(name))?;
        let start = usize::try_from(section.raw_offset).ok()?;
        let end = start.checked_add(usize::try_from(section.raw_size.min(section.virtual_size)).ok()?)?;
        (end <= self.data().len()).then_some(start..end)
    }

    /// The content of the first section of this name, without padding.
    pub(crate) fn section(&self, name: &str) -> Option<&[u8]> {
        self.data().get(self.section_range(name)?)
    }

    /// Names of all sections with the size of their content, in order.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (String, u64)> {
        self.sections.iter().map(|section| {
            let end = section.name.iter().position(|byte| *byte == 0).unwrap_or(8);
            let name = String::from_utf8_lossy(&section.name[..end]).into_owned();
            (name, u64::from(section.raw_size.min(section.virtual_size)))
        })
    }
}

impl Pe<Vec<u8>> {
    /// Takes a section out of the table; its bytes stay where they are, as nobody's.
    pub(crate) fn drop_section(&mut self, name: &str) {
        self.sections.retain(|section| !section.is_named(name));
    }

    /// Puts a section behind all others, in the file and in memory. `virtual_size` is what it takes in memory if that is more than
    /// its content.
    pub(crate) fn add_section(
        &mut self,
        name: &str,
        content: &[u8],
        kind: SectionKind,
        virtual_size: u32,
    ) -> Result<(), PeError> {
        let mut padded = [0; 8];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let headers_end = self.table + (self.sections.len() + 1) * SECTION_SIZE;
        if headers_end as u64 > u64::from(self.headers_limit()) {
            return Err(PeError::HeadersFull);
        }
        let (alignment, file_alignment) = self.alignments()?;
        let length = u32::try_from(content.len()).map_err(|_| PeError::TooLarge)?;
        let offset = (self.bytes.len() as u64).next_multiple_of(file_alignment);
        let raw_size = u64::from(length).next_multiple_of(file_alignment);
        let small = |number: u64| u32::try_from(number).map_err(|_| PeError::TooLarge);
        let section = Section {
            name: padded,
            virtual_size: length.max(virtual_size),
            address: small(self.memory_end().next_multiple_of(alignment))?,
            raw_size: small(raw_size)?,
            raw_offset: small(offset)?,
            characteristics: kind.characteristics(),
        };
        small(offset + raw_size)?;
        small(section.end().next_multiple_of(alignment))?;
        self.bytes.resize(usize::try_from(offset).map_err(|_| PeError::TooLarge)?, 0);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(usize::try_from(offset + raw_size).map_err(|_| PeError::TooLarge)?, 0);
        self.sections.push(section);
        Ok(())
    }

    /// The file, with headers that say what it has now.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, PeError> {
        let (alignment, _) = self.alignments()?;
        let image = u32::try_from(self.memory_end().next_multiple_of(alignment)).map_err(|_| PeError::TooLarge)?;
        let total = |flag: u32| {
            let sections = self.sections.iter().filter(|section| section.characteristics & flag != 0);
            sections.fold(0_u32, |sum, section| sum.wrapping_add(section.raw_size))
        };
        let (code, data) = (total(CODE), total(INITIALIZED_DATA));
        let count = u16::try_from(self.sections.len()).map_err(|_| PeError::HeadersFull)?;
        let end = usize::try_from(self.headers_limit()).map_err(|_| PeError::TooLarge)?;
        self.bytes[self.table..end].fill(0);
        for (number, section) in self.sections.iter().enumerate() {
            let at = self.table + number * SECTION_SIZE;
            self.bytes[at..at + SECTION_SIZE].copy_from_slice(&section.header());
        }
        let number_at = self.coff + 6;
        self.bytes[number_at..number_at + 2].copy_from_slice(&count.to_le_bytes());
        self.set_optional(field::SIZE_OF_CODE, code);
        self.set_optional(field::SIZE_OF_INITIALIZED_DATA, data);
        self.set_optional(field::SIZE_OF_IMAGE, image);
        self.set_optional(field::CHECKSUM, 0);
        let checksum = checksum(&self.bytes);
        self.set_optional(field::CHECKSUM, checksum);
        Ok(self.bytes)
    }

    /// Where the headers have to end: at the first content, or at what the loader takes for headers.
    fn headers_limit(&self) -> u32 {
        let offsets = self.sections.iter().filter(|section| section.raw_size > 0).map(|section| section.raw_offset);
        offsets.chain([self.optional_u32(field::SIZE_OF_HEADERS)]).min().unwrap_or_default()
    }

    fn memory_end(&self) -> u64 {
        let ends = self.sections.iter().map(Section::end);
        ends.chain([u64::from(self.optional_u32(field::SIZE_OF_HEADERS))]).max().unwrap_or_default()
    }

    fn alignments(&self) -> Result<(u64, u64), PeError> {
        let pair = (self.optional_u32(field::SECTION_ALIGNMENT), self.optional_u32(field::FILE_ALIGNMENT));
        if pair.0.is_power_of_two() && pair.1.is_power_of_two() {
            return Ok((pair.0.into(), pair.1.into()));
        }
        Err(PeError::Format("its alignments are no powers of two"))
    }

    fn set_optional(&mut self, offset: usize, value: u32) {
        let at = self.optional + offset;
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// The checksum of an executable whose checksum field is zero: the sum of its 16-bit words with the carries added in, plus its
/// size.
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 8);
    let mut sum: u64 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u32::try_from(sum + bytes.len() as u64).unwrap_or(0)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..)?.first_chunk().copied()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..)?.first_chunk().copied()?))
}
