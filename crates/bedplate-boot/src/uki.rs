//! Unified kernel images: systemd's stub with kernel, initramfs, command line and os-release as sections of one executable.
//!
//! ```text
//! stub (.text … .sbat … .reloc) │ .sbat │ .osrel │ .cmdline │ .uname │ .initrd │ .linux
//! ```
//!
//! As the UAPI group's "Unified Kernel Image" says, and in the order that systemd's own tool has: the kernel is last, because it
//! may need memory behind it while it unpacks itself. Nothing of it is a date or a path: the same parts give the same bytes. It is
//! not signed here; whoever has a key signs the finished file.

use crate::kernel::{self, KernelError};
use crate::pe::{Pe, PeError, SectionKind};

/// How long a command line may be on x86 (`COMMAND_LINE_SIZE` of the kernel), with the zero byte at its end.
const COMMAND_LINE_SIZE: usize = 2048;

/// What goes into a unified kernel image.
#[derive(Debug, Clone, Copy)]
pub struct UkiRequest<'a> {
    /// systemd's stub, `linuxx64.efi.stub`.
    pub stub: &'a [u8],
    /// The kernel as it is installed (`vmlinuz`).
    pub kernel: &'a [u8],
    /// The initramfs, packed.
    pub initramfs: &'a [u8],
    /// The text of the image's `os-release`.
    pub os_release: &'a str,
    /// The kernel command line.
    pub command_line: &'a str,
    /// The release of the kernel, as the name of its folder in `/usr/lib/modules`.
    pub kernel_version: &'a str,
    /// Further lines for the `.sbat` section (`component,generation,vendor,package,version,url`); may be empty.
    pub sbat: &'a str,
}

/// Why there is no unified kernel image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// The stub is no executable that sections can be added to.
    #[error("the stub of systemd cannot be used: {0}")]
    Stub(PeError),
    /// The stub is signed already.
    #[error("the stub of systemd is signed: its signature would be broken by what is added")]
    SignedStub,
    /// The kernel cannot be started by the stub.
    #[error("the kernel cannot be used: {0}")]
    Kernel(#[from] KernelError),
    /// Stub and kernel are for different processors.
    #[error("the stub is for processor type {stub:#x}, the kernel for {kernel:#x}")]
    Machine {
        /// Of the stub (`IMAGE_FILE_MACHINE_*`).
        stub: u16,
        /// Of the kernel.
        kernel: u16,
    },
    /// The kernel is another one than its modules.
    #[error("the kernel says that it is `{found}`, its modules are of `{expected}`")]
    OtherKernel {
        /// What the kernel says.
        found: String,
        /// What the caller says.
        expected: String,
    },
    /// The command line is too long.
    #[error("the kernel command line has {length} bytes; the kernel takes {}", COMMAND_LINE_SIZE - 1)]
    LongCommandLine {
        /// Its length in bytes.
        length: usize,
    },
    /// The command line has a character that the stub or the kernel would not take as it is.
    #[error("the kernel command line has the character {0:?}; only printable ASCII is taken as it is")]
    CommandLineCharacter(char),
    /// A line of the revocation data is none.
    #[error("`{0}` is no line of revocation data (.sbat): it needs six fields between commas")]
    Sbat(String),
}

impl UkiError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> bedplate_diag::Category {
        bedplate_diag::Category::Input
    }
}

/// Puts a unified kernel image together.
///
/// # Errors
///
/// See [`UkiError`].
pub fn build_uki(request: &UkiRequest<'_>) -> Result<Vec<u8>, UkiError> {
    let stub = Pe::parse(request.stub).map_err(UkiError::Stub)?;
    if stub.is_signed() {
        return Err(UkiError::SignedStub);
    }
    let kernel = kernel::inspect(request.kernel)?;
    if stub.machine() != kernel.machine {
        return Err(UkiError::Machine { stub: stub.machine(), kernel: kernel.machine });
    }
    if let Some(found) = kernel.version.filter(|found| found != request.kernel_version) {
        return Err(UkiError::OtherKernel { found, expected: request.kernel_version.to_owned() });
    }
    check_command_line(request.command_line)?;
    let sbat = merge_sbat(stub.section(".sbat"), kernel.sbat, request.sbat)?;

    let room = request.kernel.len() + request.initramfs.len() + (1 << 20);
    let mut bytes = Vec::with_capacity(request.stub.len() + room);
    bytes.extend_from_slice(request.stub);
    let mut pe = Pe::parse(bytes).map_err(UkiError::Stub)?;
    if stub.section(".sbat") != Some(sbat.as_bytes()) {
        pe.drop_section(".sbat");
        pe.add_section(".sbat", sbat.as_bytes(), SectionKind::Data, 0).map_err(UkiError::Stub)?;
    }
    let sections = [
        (".osrel", request.os_release.as_bytes()),
        (".cmdline", request.command_line.as_bytes()),
        (".uname", request.kernel_version.as_bytes()),
        (".initrd", request.initramfs),
    ];
    for (name, content) in sections {
        pe.add_section(name, content, SectionKind::Data, 0).map_err(UkiError::Stub)?;
    }
    // With as much memory as the kernel takes, the stub can start it where it lies.
    pe.add_section(".linux", request.kernel, SectionKind::Code, kernel.size_of_image).map_err(UkiError::Stub)?;
    pe.finish().map_err(UkiError::Stub)
}

fn check_command_line(text: &str) -> Result<(), UkiError> {
    if let Some(bad) = text.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ')) {
        return Err(UkiError::CommandLineCharacter(bad));
    }
    if text.len() >= COMMAND_LINE_SIZE {
        return Err(UkiError::LongCommandLine { length: text.len() });
    }
    Ok(())
}

/// The revocation data of stub and kernel and our own: each line once, that of the format first.
fn merge_sbat(stub: Option<&[u8]>, kernel: Option<&[u8]>, own: &str) -> Result<String, UkiError> {
    let mut lines: Vec<String> = Vec::new();
    let texts = [stub, kernel].into_iter().flatten().map(String::from_utf8_lossy);
    let all: Vec<_> = texts.chain([own.into()]).collect();
    for line in all.iter().flat_map(|text| text.trim_end_matches('\0').lines()).filter(|line| !line.is_empty()) {
        if line.split(',').count() != 6 {
            return Err(UkiError::Sbat(line.to_owned()));
        }
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// What a unified kernel image says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UkiFacts {
    /// The release of the kernel (`.uname`).
    pub kernel_version: Option<String>,
    /// The kernel command line (`.cmdline`).
    pub command_line: Option<String>,
    /// The text of `os-release` (`.osrel`).
    pub os_release: Option<String>,
    /// Revocation data (`.sbat`).
    pub sbat: Option<String>,
    /// All sections with the size of their content in bytes, in order.
    pub sections: Vec<(String, u64)>,
    /// True if it carries a signature for Secure Boot.
    pub is_signed: bool,
}

impl UkiFacts {
    /// Reads a unified kernel image.
    ///
    /// # Errors
    ///
    /// If it is none: no executable, or one without a kernel.
    pub fn read(bytes: &[u8]) -> Result<Self, PeError> {
        let pe = Pe::parse(bytes)?;
        if pe.section(".linux").is_none() {
            return Err(PeError::Format("it has no section `.linux`"));
        }
        let text = |name: &str| {
            let text = String::from_utf8_lossy(pe.section(name)?).into_owned();
            Some(text.trim_end_matches('\0').to_owned())
        };
        Ok(Self {
            kernel_version: text(".uname"),
            command_line: text(".cmdline"),
            os_release: text(".osrel"),
            sbat: text(".sbat"),
            sections: pe.sections().collect(),
            is_signed: pe.is_signed(),
        })
    }
}

/// The packed initramfs of a unified kernel image.
///
/// # Errors
///
/// If it is no executable.
pub fn uki_initramfs(bytes: &[u8]) -> Result<Option<&[u8]>, PeError> {
    let pe = Pe::parse(bytes)?;
    Ok(pe.section_range(".initrd").map(|range| &bytes[range]))
}
