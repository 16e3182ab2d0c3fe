//! Sources of packages: pinned, fetched, verified.
