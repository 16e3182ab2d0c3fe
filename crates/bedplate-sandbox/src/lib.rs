//! Runs a build in a root of its own, without network, with limits.
