//! What a partition is for, by the Discoverable Partitions Specification of the UAPI group.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, uuid};

/// The type GUID of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionType(Uuid);

/// The types that have a name: the identifiers that `systemd-repart` and `systemd-id128 show` have.
const NAMED: &[(&str, Uuid)] = &[
    ("esp", uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")),
    ("xbootldr", uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172")),
    ("swap", uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")),
    ("home", uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915")),
    ("srv", uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8")),
    ("var", uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d")),
    ("tmp", uuid!("7ec6f557-3bc5-4aca-b293-16ef5df639d1")),
    ("linux-generic", uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4")),
    ("root-x86-64", uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")),
    ("root-x86-64-verity", uuid!("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5")),
    ("root-x86-64-verity-sig", uuid!("41092b05-9fc8-4523-994f-2def0408b176")),
    ("usr-x86-64", uuid!("8484680c-9521-48c6-9c11-b0720656f69e")),
    ("usr-x86-64-verity", uuid!("77ff5f63-e7b6-4633-acf4-1565b864c0e6")),
    ("usr-x86-64-verity-sig", uuid!("e7bb33fb-06cf-4e81-8273-e543b413e2e2")),
    ("root-arm64", uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae")),
    ("root-arm64-verity", uuid!("df3300ce-d69f-4c92-978c-9bfb0f38d820")),
    ("root-arm64-verity-sig", uuid!("6db69de6-29f4-4758-a7a5-962190f00ce3")),
    ("usr-arm64", uuid!("b0e01050-ee5f-4390-949a-9101b17104e9")),
    ("usr-arm64-verity", uuid!("6e11a4e7-fbca-4ded-b9e9-e1a512bb664e")),
    ("usr-arm64-verity-sig", uuid!("c23ce4ff-44bd-4b00-b2d4-b41b3419e02a")),
];

/// What of a type depends on the architecture: how rpm calls one, and how the specification does.
const ARCHITECTURES: &[(&str, &str)] = &[("x86_64", "x86-64"), ("aarch64", "arm64")];

impl PartitionType {
    /// A type by its GUID.
    #[must_use]
    pub const fn from_guid(guid: Uuid) -> Self {
        Self(guid)
    }

    /// A type by its name in a config: `esp`, `var`, and also `root`, `usr-verity` or `root-verity-sig`, which mean those of
    /// an architecture by its rpm name (`x86_64`, `aarch64`).
    ///
    /// # Errors
    /// If there is no such type.
    pub fn named(name: &str, architecture: &str) -> Result<Self, PartitionTypeError> {
        let suffix = ["root", "usr"].iter().find_map(|base| Some((base, name.strip_prefix(base)?)));
        let Some((base, suffix @ ("" | "-verity" | "-verity-sig"))) = suffix else { return name.parse() };
        match ARCHITECTURES.iter().find(|(rpm, _)| *rpm == architecture) {
            Some((_, ours)) => format!("{base}-{ours}{suffix}").parse(),
            None => {
                Err(PartitionTypeError::Architecture { name: name.to_owned(), architecture: architecture.to_owned() })
            }
        }
    }

    /// The GUID.
    #[must_use]
    pub const fn guid(self) -> Uuid {
        self.0
    }

    /// The name, if it has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMED.iter().find(|(_, guid)| *guid == self.0).map(|(name, _)| *name)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }
}

impl fmt::Display for PartitionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// A text that is no type of partitions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionTypeError {
    /// Neither a name nor a GUID.
    #[error("`{0}` is no type of partitions: a GUID or one of {names} is expected", names = PartitionType::names().collect::<Vec<_>>().join(", "))]
    Unknown(String),
    /// A type that the architecture does not have.
    #[error("there is no partition type `{name}` for the architecture `{architecture}`")]
    Architecture {
        /// The type.
        name: String,
        /// The architecture.
        architecture: String,
    },
}

impl FromStr for PartitionType {
    type Err = PartitionTypeError;

    fn from_str(text: &str) -> Result<Self, PartitionTypeError> {
        if let Some((_, guid)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self(*guid));
        }
        match (text.len(), Uuid::try_parse(text)) {
            (36, Ok(guid)) if !guid.is_nil() => Ok(Self(guid)),
            _ => Err(PartitionTypeError::Unknown(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_names() {
        for name in PartitionType::names() {
            let kind: PartitionType = name.parse().unwrap();
            assert_eq!(kind.to_string(), name);
            assert_eq!(kind.guid().to_string().parse(), Ok(kind));
        }
        let swap = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F".parse::<PartitionType>().unwrap();
        assert_eq!(swap.name(), Some("swap"));
        for bad in ["", "rooot", "root", "00000000-0000-0000-0000-000000000000", "0657fd6da4ab43c484e50933c84b4f4f"] {
            assert_eq!(bad.parse::<PartitionType>(), Err(PartitionTypeError::Unknown(bad.to_owned())));
        }
    }

    #[test]
    fn root_and_usr_are_those_of_the_architecture() {
        for (name, architecture, expected) in [
            ("root", "x86_64", "root-x86-64"),
            ("usr", "aarch64", "usr-arm64"),
            ("root-verity", "aarch64", "root-arm64-verity"),
            ("usr-verity-sig", "x86_64", "usr-x86-64-verity-sig"),
            ("usr-arm64", "x86_64", "usr-arm64"),
            ("esp", "riscv64", "esp"),
        ] {
            assert_eq!(PartitionType::named(name, architecture).unwrap().to_string(), expected);
        }
        let error = PartitionType::named("root", "riscv64").unwrap_err();
        assert_eq!(error.to_string(), "there is no partition type `root` for the architecture `riscv64`");
        assert!(matches!(PartitionType::named("rooty", "x86_64"), Err(PartitionTypeError::Unknown(_))));
    }
}
