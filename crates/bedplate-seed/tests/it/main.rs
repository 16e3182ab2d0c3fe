//! A seed of few packages, fetched from the mirror and installed for real.
//!
//! The tests need a mirror that apt can reach, and mmdebstrap, as the host's set-up installs it.

mod create;
mod support;
