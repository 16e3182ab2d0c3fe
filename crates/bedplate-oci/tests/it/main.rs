//! Images read by skopeo, umoci and tar.

mod archives;
mod errors;
mod folder;
mod layout;
mod support;
