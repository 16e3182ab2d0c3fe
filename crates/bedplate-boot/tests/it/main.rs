//! What other tools think of what we make.

mod initramfs;
mod support;
mod uki;
mod vm;
