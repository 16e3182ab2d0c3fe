//! CRC-32C, as ext4 computes it: the caller hands in where it begins, and nothing is inverted.

use crc::{Algorithm, CRC_32_ISCSI, Crc, Table};

/// With the larger table, many bytes at a time.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&Algorithm { init: 0, xorout: 0, ..CRC_32_ISCSI });

/// The checksum of bytes behind those that gave `sum`.
pub(crate) fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    let mut digest = CRC.digest_with_initial(sum.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn it_is_that_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(crc32c(!0, b"1234"), b"56789"), 0xe306_9283);
    }
}
