//! The host's apt, asked for real.
//!
//! The tests need a mirror that apt can reach, as the host's set-up does.

mod debian;
