//! TOML files that people write: profiles, seeds, locks.
//!
//! serde stops at the first mistake and forgets where a good value stood. [`Reader`] walks the parsed table instead: it
//! reports every unknown key, wrong type and missing key, each at its place, and gives values with their places.
//!
//! ```
//! use bedplate_config::Reader;
//! use bedplate_diag::SourceId;
//!
//! let read = |text: &str| {
//!     Reader::read(SourceId(0), text, |reader, table| {
//!         let mut size = 0;
//!         for entry in table {
//!             match entry.0.get_ref().as_ref() {
//!                 "size" => size = reader.number(entry).unwrap_or_default(),
//!                 _ => reader.unknown(entry, &["size"]),
//!             }
//!         }
//!         size
//!     })
//! };
//! assert_eq!(read("size = 3"), Ok(3));
//! let mistakes = read("size = true\nsise = 1").unwrap_err();
//! assert_eq!(mistakes.len(), 2);
//! ```

mod reader;

pub use reader::{Entry, Reader, Table, Value};

/// A text as TOML writes it, in quotes.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
