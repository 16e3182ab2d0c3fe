//! File systems made by the tools of the real seed in the real sandbox, and read by tools that we did not write.
//!
//! The seed lies in the target folder's store and is shared with the other tests of the workspace: the first test fills it.

mod erofs;
mod errors;
mod ext4;
mod same;
mod support;
mod vfat;
mod xfs;
