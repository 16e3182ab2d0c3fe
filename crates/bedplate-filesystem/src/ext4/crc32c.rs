//! CRC-32C, as ext4 computes it: the caller hands in where it begins, and nothing is inverted.

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

const TABLE: [u32; 256] = table();

/// The checksum of bytes behind those that gave `sum`.
pub(crate) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_that_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(!super::crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!super::crc32c(!0, &[0; 32]), 0x8a91_36aa);
    }
}
