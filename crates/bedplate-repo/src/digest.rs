//! SHA-256 of a file and of a part of it, at the same time.

use bedplate_sys::sha256::{BLOCK, State, compress_pair};
use sha2::block_api::compress256;

use crate::Checksum;

/// The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A SHA-256 that is being computed.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    state: State,
    buffer: [u8; BLOCK],
    filled: usize,
    length: u64,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self { state: START, buffer: [0; BLOCK], filled: 0, length: 0 }
    }

    /// Takes bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let rest = self.fill(bytes);
        self.take(rest);
    }

    /// Takes the same bytes into both: in little more time than into one.
    pub(crate) fn update_both(&mut self, other: &mut Self, bytes: &[u8]) {
        let (first, second) = (self.fill(bytes), other.fill(bytes));
        let done = compress_pair([&mut self.state, &mut other.state], [first, second]);
        self.take(&first[done..]);
        other.take(&second[done..]);
    }

    /// Completes the block that was begun, as far as the bytes go; gives those after it.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.length += bytes.len() as u64;
        if self.filled == 0 {
            return bytes;
        }
        let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.filled));
        self.buffer[self.filled..self.filled + now.len()].copy_from_slice(now);
        self.filled += now.len();
        if self.filled == BLOCK {
            compress256(&mut self.state, &[self.buffer]);
            self.filled = 0;
        }
        rest
    }

    /// Takes bytes when no block is begun, or none if one is.
    fn take(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        compress256(&mut self.state, blocks);
        if !rest.is_empty() {
            self.buffer[..rest.len()].copy_from_slice(rest);
            self.filled = rest.len();
        }
    }

    /// The digest.
    pub(crate) fn finish(mut self) -> Checksum {
        let bits = self.length.wrapping_mul(8).to_be_bytes();
        let zeros = (2 * BLOCK - 9 - self.filled) % BLOCK;
        let mut padding = [0; 2 * BLOCK];
        padding[0] = 0x80;
        padding[zeros + 1..zeros + 9].copy_from_slice(&bits);
        self.update(&padding[..zeros + 9]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Checksum::Sha256(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], start: usize, cuts: &[usize]) {
        let (mut whole, mut part) = (Stream::new(), Stream::new());
        whole.update(&bytes[..start]);
        let mut rest = &bytes[start..];
        for cut in cuts {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            whole.update_both(&mut part, now);
            rest = later;
        }
        whole.update_both(&mut part, rest);
        assert_eq!(whole.finish(), Checksum::sha256(bytes));
        assert_eq!(part.finish(), Checksum::sha256(&bytes[start..]));
    }

    #[test]
    fn every_length_and_offset_is_that_of_sha2() {
        let bytes: Vec<u8> = (0..400_u32).map(|at| (at * 7 % 251) as u8).collect();
        for length in 0..=300 {
            for start in [0, 1, 55, 56, 63, 64, 65, 100] {
                check(&bytes[..length], start.min(length), &[10, 100]);
            }
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            start in 0_usize..200,
            cuts in proptest::collection::vec(0_usize..700, 0..6),
        ) {
            check(&bytes, start.min(bytes.len()), &cuts);
        }
    }
}
