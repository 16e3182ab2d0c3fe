//! Users and groups: whose files are, by number.

use std::collections::BTreeMap;

use bedplate_cas::{Store, StoreError};

use crate::Package;
use crate::place::Sites;

/// Numbers of users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// User ids.
    pub users: BTreeMap<String, u32>,
    /// Group ids.
    pub groups: BTreeMap<String, u32>,
}

impl Accounts {
    /// Adds root, and what `/etc/passwd` and `/etc/group` of the packages say. What is there stays. `sites` are the files to be placed.
    ///
    /// # Errors
    /// If one of the files cannot be read from the store.
    pub(crate) fn complete(&mut self, packages: &[&Package], sites: &Sites, store: &Store) -> Result<(), StoreError> {
        for (path, table) in [("etc/passwd", &mut self.users), ("etc/group", &mut self.groups)] {
            table.entry("root".to_owned()).or_insert(0);
            let digest = sites.get(path).and_then(|(package, file)| packages[*package].content(*file));
            let Some(digest) = digest else { continue };
            for line in String::from_utf8_lossy(&store.read(&digest)?).lines() {
                // Name, password, number: a line without them is none, as for the C library.
                let mut fields = line.split(':');
                if let (Some(name), Some(number)) = (fields.next(), fields.nth(1).and_then(|text| text.parse().ok())) {
                    table.entry(name.to_owned()).or_insert(number);
                }
            }
        }
        Ok(())
    }
}
