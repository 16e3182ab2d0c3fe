//! Names that come from content: the same content has the same name, on every machine and day.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::RootHash;

/// The UUID (version 8 of RFC 9562) of some parts: the first half of a SHA-256 over each part's length and bytes.
///
/// The length goes in as well, so that `["ab", "c"]` and `["a", "bc"]` have different names.
#[must_use]
pub fn content_uuid(parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(half).into_uuid()
}

/// The GUIDs by which systemd finds the partitions of a root hash, as the Discoverable Partitions Specification has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerityNames {
    /// The GUID of the data partition: the first half of the root hash.
    pub data: Uuid,
    /// The GUID of the partition with the hash tree: the second half.
    pub tree: Uuid,
}

impl VerityNames {
    /// The names that belong to a root hash.
    #[must_use]
    pub fn of(root: &RootHash) -> Self {
        let half = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&root.bytes()[at..at + 16]);
            Uuid::from_bytes(bytes)
        };
        Self { data: half(0), tree: half(16) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_content() {
        let name = content_uuid(&[b"ab", b"c"]);
        assert_eq!(name, content_uuid(&[b"ab", b"c"]));
        assert_ne!(name, content_uuid(&[b"a", b"bc"]));
        assert_ne!(name, content_uuid(&[b"abc"]));
        assert_eq!(name.get_version_num(), 8);
        assert_eq!(name.get_variant(), uuid::Variant::RFC4122);
        // `printf '\1\0\0\0\0\0\0\0x' | sha256sum` begins with these digits, but for version and variant.
        assert_eq!(content_uuid(&[b"x"]).to_string(), "f91b14e7-bbea-8c5b-ba0e-1a7040177166");
    }

    #[test]
    fn partitions_are_named_by_the_halves_of_the_root_hash() {
        let root: RootHash = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef".parse().unwrap();
        let names = VerityNames::of(&root);
        assert_eq!(names.data.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(names.tree.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
