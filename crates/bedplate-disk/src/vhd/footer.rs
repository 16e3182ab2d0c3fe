//! The footer: 512 bytes that say what a VHD is.

use uuid::Uuid;

use crate::{WriteOptions, content_uuid};

const COOKIE: &[u8; 8] = b"conectix";
/// The year 2000, in seconds since 1970: VHD counts from there.
const YEAR_2000: u64 = 946_684_800;
/// Where the checksum is.
const CHECKSUM: usize = 64;
pub(crate) const FOOTER_SIZE: usize = 512;

/// How the blocks of a VHD lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fixed,
    /// The header is at byte 512.
    Dynamic,
}

/// What a footer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) kind: Kind,
    /// The size of the disk in bytes.
    pub(crate) size: u64,
    /// Seconds since 2000.
    time: u32,
    guid: Uuid,
}

impl Footer {
    pub(crate) fn new(kind: Kind, size: u64, options: WriteOptions) -> Self {
        let time = u32::try_from(options.epoch.saturating_sub(YEAR_2000)).unwrap_or(u32::MAX);
        Self { kind, size, time, guid: content_uuid(&[b"vhd", options.identity.as_bytes()]) }
    }

    pub(crate) fn to_bytes(&self) -> [u8; FOOTER_SIZE] {
        let (kind, header): (u32, u64) = match self.kind {
            Kind::Fixed => (2, u64::MAX),
            Kind::Dynamic => (3, 512),
        };
        let mut bytes = COOKIE.to_vec();
        bytes.extend(2_u32.to_be_bytes()); // A bit that is always set.
        bytes.extend(0x0001_0000_u32.to_be_bytes());
        bytes.extend(header.to_be_bytes());
        bytes.extend(self.time.to_be_bytes());
        // What Hyper-V writes of itself. Readers trust the size below from such files; from others that they do not know,
        // qemu takes the size from the geometry, which is rounded.
        bytes.extend(b"win ");
        bytes.extend(0x000A_0000_u32.to_be_bytes());
        bytes.extend(b"Wi2k");
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(geometry(self.size / 512));
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.guid.as_bytes());
        bytes.resize(FOOTER_SIZE, 0);
        let sum = checksum(&bytes, CHECKSUM);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_be_bytes());
        bytes.try_into().expect("it was resized to this length")
    }

    /// Reads a footer. The error says what is wrong.
    pub(crate) fn from_bytes(bytes: &[u8; FOOTER_SIZE]) -> Result<Self, String> {
        let u32_at = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if !is_footer(bytes) {
            return Err("its footer lacks the cookie".to_owned());
        }
        if u32_at(CHECKSUM) != checksum(bytes, CHECKSUM) {
            return Err("the checksum of its footer is wrong".to_owned());
        }
        let kind = match u32_at(60) {
            2 => Kind::Fixed,
            3 if u64_at(16) == 512 => Kind::Dynamic,
            3 => return Err(format!("its header is at byte {}, not 512", u64_at(16))),
            4 => return Err("it is the difference to another disk".to_owned()),
            other => return Err(format!("its type is {other}")),
        };
        let guid = Uuid::from_bytes(bytes[68..84].try_into().expect("sixteen bytes"));
        Ok(Self { kind, size: u64_at(48), time: u32_at(24), guid })
    }
}

/// Whether these bytes begin as a footer does.
pub(crate) fn is_footer(bytes: &[u8]) -> bool {
    bytes.starts_with(COOKIE)
}

/// The ones' complement of the sum of all bytes, but for the four of the checksum itself.
pub(crate) fn checksum(bytes: &[u8], at: usize) -> u32 {
    let sum = |part: &[u8]| part.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    !(sum(&bytes[..at]) + sum(&bytes[at + 4..]))
}

/// Cylinders, heads and sectors for a number of sectors, by the appendix of the specification.
fn geometry(sectors: u64) -> [u8; 4] {
    let sectors = sectors.min(65535 * 16 * 255);
    let (mut heads, mut per_track, mut rows);
    if sectors >= 65535 * 16 * 63 {
        (heads, per_track, rows) = (16, 255, sectors / 255);
    } else {
        (per_track, rows) = (17, sectors / 17);
        heads = rows.div_ceil(1024).max(4);
        if rows >= heads * 1024 || heads > 16 {
            (heads, per_track, rows) = (16, 31, sectors / 31);
        }
        if rows >= heads * 1024 {
            (heads, per_track, rows) = (16, 63, sectors / 63);
        }
    }
    // Each fits: the bound above is that of the largest cylinder.
    let [high, low] = ((rows / heads) as u16).to_be_bytes();
    [high, low, heads as u8, per_track as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometries_are_those_of_the_specification() {
        for (size, expected) in [
            (1_u64 << 20, (30, 4, 17)),
            (64 << 20, (963, 8, 17)),
            (1 << 30, (2080, 16, 63)),
            (8 << 30, (16644, 16, 63)),
            (2040 << 30, (65535, 16, 255)),
        ] {
            let [high, low, heads, sectors] = geometry(size / 512);
            assert_eq!((u16::from_be_bytes([high, low]), heads, sectors), expected, "{size}");
        }
    }

    #[test]
    fn footers_are_read_back() {
        let options = WriteOptions { epoch: 1_700_000_000, identity: Uuid::from_u128(5) };
        for kind in [Kind::Fixed, Kind::Dynamic] {
            let footer = Footer::new(kind, 3 << 20, options);
            let bytes = footer.to_bytes();
            assert_eq!(Footer::from_bytes(&bytes), Ok(footer));
            for (at, expected) in [(3, "its footer lacks the cookie"), (50, "the checksum of its footer is wrong")] {
                let mut damaged = bytes;
                damaged[at] ^= 1;
                assert_eq!(Footer::from_bytes(&damaged), Err(expected.to_owned()));
            }
        }
        let old = Footer::new(Kind::Fixed, 512, WriteOptions { epoch: 5, ..options });
        assert_eq!(old.time, 0);
    }
}
