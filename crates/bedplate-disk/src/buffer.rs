//! Memory that direct I/O takes.

use std::ops::{Deref, DerefMut};

/// What begins and ends at a multiple of this may go past the page cache: no disk or file system wants more.
pub(crate) const ALIGNMENT: usize = 4096;

/// Bytes that begin at a multiple of [`ALIGNMENT`] in memory.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// Gives it this length. Which bytes it has then is not known.
    pub(crate) fn set_length(&mut self, length: usize) {
        if self.bytes.len() < length + ALIGNMENT {
            // Memory of the system is zero already, so that this touches none of it.
            self.bytes = vec![0; length + ALIGNMENT];
            self.start = self.bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        }
        self.length = length;
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_multiple_of_the_alignment() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty());
        for length in [1, 4096, 100, 5 << 20, 0, 70_000] {
            buffer.set_length(length);
            assert_eq!(buffer.len(), length);
            assert!(buffer.as_ptr().addr().is_multiple_of(ALIGNMENT), "{length}");
        }
    }
}
