//! The first 512 bytes of a hash tree. All numbers are little-endian.

use uuid::Uuid;

use super::{BLOCK, Salt, VerityRequest};

const SIGNATURE: &[u8; 8] = b"verity\0\0";
pub(crate) const SUPERBLOCK_SIZE: usize = 512;

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) request: VerityRequest,
    pub(crate) data_blocks: u64,
}

impl Superblock {
    pub(crate) fn to_bytes(&self) -> [u8; SUPERBLOCK_SIZE] {
        let salt = self.request.salt.bytes();
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend(1_u32.to_le_bytes()); // The version of the superblock.
        bytes.extend(1_u32.to_le_bytes()); // The salt comes before the block; 0 is of Chrome OS.
        bytes.extend(self.request.uuid.as_bytes());
        bytes.extend(b"sha256");
        bytes.resize(64, 0);
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend(self.data_blocks.to_le_bytes());
        bytes.extend((salt.len() as u16).to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(salt);
        bytes.resize(SUPERBLOCK_SIZE, 0);
        bytes.try_into().expect("it was resized to this length")
    }

    /// Reads a superblock. The error says what is wrong.
    pub(crate) fn from_bytes(bytes: &[u8; SUPERBLOCK_SIZE]) -> Result<Self, String> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        if &bytes[..8] != SIGNATURE {
            return Err("it has no superblock".to_owned());
        }
        if (u32_at(8), u32_at(12)) != (1, 1) {
            return Err(format!("its version is {}, type {}; 1 and 1 are known", u32_at(8), u32_at(12)));
        }
        if &bytes[32..39] != b"sha256\0" {
            let name = bytes[32..64].split(|byte| *byte == 0).next().unwrap_or_default();
            return Err(format!("its hash is {}, and only sha256 is known", name.escape_ascii()));
        }
        if (u32_at(64), u32_at(68)) != (BLOCK as u32, BLOCK as u32) {
            return Err(format!("its blocks have {} and {} bytes; only {BLOCK} are known", u32_at(64), u32_at(68)));
        }
        let data_blocks = u64::from_le_bytes(bytes[72..80].try_into().expect("eight bytes"));
        if data_blocks == 0 || data_blocks > u64::MAX / BLOCK as u64 {
            return Err(format!("it is about {data_blocks} blocks"));
        }
        let length = usize::from(u16::from_le_bytes([bytes[80], bytes[81]]));
        let salt = bytes[88..88 + Salt::LONGEST].get(..length).and_then(|bytes| Salt::new(bytes).ok());
        let salt = salt.ok_or_else(|| format!("its salt has {length} bytes"))?;
        let uuid = Uuid::from_bytes(bytes[16..32].try_into().expect("sixteen bytes"));
        Ok(Self { request: VerityRequest { salt, uuid }, data_blocks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn superblocks_are_read_back() {
        for salt in [&b""[..], b"salt", &[9; 256]] {
            let request = VerityRequest { salt: Salt::new(salt).unwrap(), uuid: Uuid::from_u128(77) };
            let superblock = Superblock { request, data_blocks: 5 };
            let good = superblock.to_bytes();
            assert_eq!(Superblock::from_bytes(&good), Ok(superblock));
            for (at, byte, expected) in [
                (0, 0, "it has no superblock"),
                (8, 2, "its version is 2, type 1; 1 and 1 are known"),
                (37, b'2', "its hash is sha252, and only sha256 is known"),
                (38, b'0', "its hash is sha2560, and only sha256 is known"),
                (65, 2, "its blocks have 512 and 4096 bytes; only 4096 are known"),
                (72, 0, "it is about 0 blocks"),
                (81, 2, &*format!("its salt has {} bytes", salt.len() % 256 + 512)),
            ] {
                let mut bytes = good;
                bytes[at] = byte;
                assert_eq!(Superblock::from_bytes(&bytes), Err(expected.to_owned()));
            }
        }
    }
}
