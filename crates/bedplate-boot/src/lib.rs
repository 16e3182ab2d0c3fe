//! How an image starts.
//!
//! ```text
//! tree of the image ──▶ initramfs ─┐
//! what the image is ─▶ command line ├─▶ unified kernel image ─▶ tree of the EFI system partition
//! stub, kernel, os-release ─────────┘
//!
//! image file ─▶ virtual machine ─▶ console, what a command said, how it ended
//! ```
//!
//! All but the virtual machine are functions of their arguments: no clock, no randomness and no path of this machine is in a result.
//! Nothing is signed here. docs/boot.md tells how the pieces work together.

mod command_line;
mod cpio;
mod elf;
mod esp;
mod initramfs;
mod kernel;
mod module;
mod module_index;
mod pe;
mod tree_file;
mod uki;
mod vm;

pub use command_line::{CommandLine, CommandLineRequest, ParameterError, RootAccess, RootSource};
pub use esp::{EfiArchitecture, EspError, EspRequest, FirstProgram, esp_tree};
pub use initramfs::{
    CopiedFolder, EarlyMount, Initramfs, InitramfsError, InitramfsRequest, Missing, Overlay, Verity, initramfs,
};
pub use kernel::KernelError;
pub use module::{ModuleError, Presence, WantedModule, disk_drivers};
pub use pe::PeError;
pub use uki::{UkiError, UkiFacts, UkiRequest, build_uki, uki_initramfs};
pub use vm::{
    Acceleration, DiskFormat, Fault, Firmware, VmEnd, VmError, VmEvent, VmReport, VmRequest, run_vm,
    run_vm_interactively,
};
