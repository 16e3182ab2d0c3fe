//! What a kernel file says about itself.

use crate::pe::{Pe, PeError};

/// `IMAGE_FILE_MACHINE_AMD64`.
const AMD64: u16 = 0x8664;
/// Where the name of the version is, in the header of an x86 kernel (Documentation/arch/x86/boot.rst: `kernel_version`).
const VERSION_POINTER: usize = 0x20e;
/// Where the magic number of that header is.
const HEADER_MAGIC: usize = 0x202;

/// Why a file is no kernel that firmware can start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// It is no EFI executable.
    #[error("it has no EFI stub (CONFIG_EFI_STUB): {0}")]
    Pe(#[from] PeError),
}

/// What is known of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelFacts<'a> {
    /// For which processor it is.
    pub(crate) machine: u16,
    /// Its release, where the file says so without unpacking it: on x86.
    pub(crate) version: Option<String>,
    /// Bytes of memory that it takes.
    pub(crate) size_of_image: u32,
    /// Its own revocation data.
    pub(crate) sbat: Option<&'a [u8]>,
}

pub(crate) fn inspect(kernel: &[u8]) -> Result<KernelFacts<'_>, KernelError> {
    let pe = Pe::parse(kernel)?;
    let sbat = pe.section_range(".sbat").map(|range| &kernel[range]);
    let version = if pe.machine() == AMD64 { version(kernel) } else { None };
    Ok(KernelFacts { machine: pe.machine(), version, size_of_image: pe.size_of_image(), sbat })
}

/// The first word of the text that `uname -r` gives and more.
fn version(kernel: &[u8]) -> Option<String> {
    if kernel.get(HEADER_MAGIC..HEADER_MAGIC + 4)? != b"HdrS" {
        return None;
    }
    let pointer = kernel.get(VERSION_POINTER..)?.first_chunk().copied().map(u16::from_le_bytes)?;
    let text = kernel.get(usize::from(pointer) + 0x200..)?;
    let end = text.iter().take(256).position(|byte| matches!(byte, b' ' | 0))?;
    String::from_utf8(text[..end].to_vec()).ok().filter(|text| !text.is_empty())
}
