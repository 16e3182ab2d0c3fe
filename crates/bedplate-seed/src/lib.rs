//! The seed: a pinned first root out of packages of a distribution.
