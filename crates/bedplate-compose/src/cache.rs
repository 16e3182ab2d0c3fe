//! What a step made is kept in the store under a key that covers all that it depends on.

use bedplate_cas::{ActionEntry, Digest, Output, Store, StoreError};

/// The key of a step: lines of text, hashed. The first names the step and the version of what it makes.
pub(crate) struct StepKey(String);

impl StepKey {
    pub(crate) fn new(step: &str, version: u32) -> Self {
        Self(format!("bedplate compose: {step}, format {version}\n"))
    }

    /// Adds a named input.
    pub(crate) fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        // A value with a line break cannot be taken for two inputs.
        let value = value.to_string().replace('\\', "\\\\").replace('\n', "\\n");
        self.0.push_str(&format!("{name}={value}\n"));
        self
    }

    fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

/// What a step made: named blobs and some facts.
pub(crate) struct Made {
    pub(crate) blobs: Vec<(&'static str, Digest)>,
    pub(crate) facts: serde_json::Value,
}

impl Made {
    pub(crate) fn blob(&self, name: &str) -> Option<Digest> {
        self.blobs.iter().find(|(known, _)| *known == name).map(|(_, digest)| *digest)
    }
}

/// The result of a step out of the store, else made and kept. True if it was there.
pub(crate) fn cached<E: From<StoreError>>(
    store: &Store,
    key: &StepKey,
    names: &[&'static str],
    make: impl FnOnce() -> Result<Made, E>,
) -> Result<(Made, bool), E> {
    let digest = key.digest();
    if let Some(entry) = store.action(&digest)? {
        let find = |name: &&'static str| {
            let output = entry.outputs.iter().find(|output| output.path == *name)?;
            Some((*name, output.digest))
        };
        let blobs: Vec<_> = names.iter().filter_map(find).collect();
        return Ok((Made { blobs, facts: entry.about }, true));
    }
    let made = make()?;
    let output = |(name, digest): &(&'static str, Digest)| Output {
        path: (*name).to_owned(),
        digest: *digest,
        executable: false,
    };
    let outputs = made.blobs.iter().map(output).collect();
    let entry = ActionEntry::assembled(outputs, Vec::new(), made.facts.clone());
    store.record(&digest, &entry)?;
    Ok((made, false))
}
