//! Macro engine and parser of RPM spec files.

pub mod host;
