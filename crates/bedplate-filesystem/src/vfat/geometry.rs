//! Where the parts of a FAT are, by its size.

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;

/// Bytes of an entry of a folder.
const ENTRY: u64 = 32;

/// Entries that the root folder of a FAT12 or FAT16 has room for at least.
const ROOT_ENTRIES: u64 = 512;

const MEBIBYTE: u64 = 1 << 20;

/// Which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bits {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// The layout of a FAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// All sectors.
    pub(crate) sectors: u64,
    /// How many clusters there are.
    pub(crate) clusters: u64,
    bits: Bits,
    cluster_sectors: u64,
    reserved: u64,
    table_sectors: u64,
    root_sectors: u64,
}

impl Geometry {
    /// The layout of so many sectors. The number of bits follows from the number of clusters, by the specification; clusters are
    /// as small as FAT32 can have them, up to 4 KiB, so that an EFI system partition of 34 MiB is FAT32 already.
    pub(crate) fn of(sectors: u64, root_entries: u64) -> Self {
        let size = sectors * SECTOR;
        let (bits, cluster_sectors) = match size / MEBIBYTE {
            0..2 => (Bits::Twelve, 1),
            2..4 => (Bits::Twelve, 2),
            4..32 => (Bits::Sixteen, 1),
            32..34 => (Bits::Sixteen, 2),
            34..68 => (Bits::ThirtyTwo, 1),
            68..136 => (Bits::ThirtyTwo, 2),
            136..272 => (Bits::ThirtyTwo, 4),
            272..16384 => (Bits::ThirtyTwo, 8),
            _ => (Bits::ThirtyTwo, 64),
        };
        let (reserved, root_sectors) = match bits {
            Bits::ThirtyTwo => (32, 0),
            _ => (1, (root_entries.max(ROOT_ENTRIES) * ENTRY).div_ceil(SECTOR)),
        };
        let mut geometry =
            Self { sectors, clusters: 0, bits, cluster_sectors, reserved, table_sectors: 0, root_sectors };
        // A larger table leaves fewer clusters to speak of.
        loop {
            geometry.table_sectors += 1;
            let rest = sectors.saturating_sub(reserved + 2 * geometry.table_sectors + root_sectors);
            geometry.clusters = rest / cluster_sectors;
            let wanted = geometry.table_bytes(geometry.clusters + 2).div_ceil(SECTOR);
            if wanted <= geometry.table_sectors {
                return geometry;
            }
            // Not beyond the answer: it is at least what the clusters left by the wanted table need.
            let rest = sectors.saturating_sub(reserved + 2 * wanted + root_sectors) / cluster_sectors;
            let least = geometry.table_bytes(rest + 2).div_ceil(SECTOR);
            geometry.table_sectors = geometry.table_sectors.max(least.saturating_sub(1));
        }
    }

    fn table_bytes(&self, numbers: u64) -> u64 {
        match self.bits {
            Bits::Twelve => (numbers * 3).div_ceil(2),
            Bits::Sixteen => numbers * 2,
            Bits::ThirtyTwo => numbers * 4,
        }
    }

    /// Bytes of a cluster.
    pub(crate) fn cluster_bytes(&self) -> u64 {
        self.cluster_sectors * SECTOR
    }

    /// Whether the root folder is made of clusters.
    pub(crate) fn has_root_cluster(&self) -> bool {
        self.bits == Bits::ThirtyTwo
    }

    /// Where the root folder is, in bytes.
    pub(crate) fn root_at(&self) -> u64 {
        (self.reserved + 2 * self.table_sectors) * SECTOR
    }

    /// Where a cluster is, in bytes. The first has the number 2.
    pub(crate) fn cluster_at(&self, number: u32) -> u64 {
        self.root_at() + (self.root_sectors + (u64::from(number) - 2) * self.cluster_sectors) * SECTOR
    }

    /// The first number of a table: the kind of medium, a fixed disk.
    pub(crate) fn media(&self) -> u32 {
        self.end_of_chain() & !0xff | 0xf8
    }

    /// The number after the last cluster of a file.
    pub(crate) fn end_of_chain(&self) -> u32 {
        match self.bits {
            Bits::Twelve => 0xfff,
            Bits::Sixteen => 0xffff,
            Bits::ThirtyTwo => 0x0fff_ffff,
        }
    }

    /// Both tables, with their places in bytes.
    pub(crate) fn tables(&self, numbers: &[u32]) -> Vec<(u64, Vec<u8>)> {
        let bytes: Vec<u8> = match self.bits {
            Bits::Twelve => numbers
                .chunks(2)
                .flat_map(|pair| {
                    let both = pair[0] | pair.get(1).copied().unwrap_or(0) << 12;
                    [both as u8, (both >> 8) as u8, (both >> 16) as u8]
                })
                .collect(),
            Bits::Sixteen => numbers.iter().flat_map(|number| (*number as u16).to_le_bytes()).collect(),
            Bits::ThirtyTwo => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        };
        [0, 1].map(|copy| ((self.reserved + copy * self.table_sectors) * SECTOR, bytes.clone())).into()
    }

    /// The boot sector, and with FAT32 the sector of free space and copies of both, with their places in bytes. Of all clusters
    /// the first `used` are in use.
    pub(crate) fn boot_sectors(&self, serial: u32, label: &str, used: u64) -> Vec<(u64, Vec<u8>)> {
        let is_32 = self.bits == Bits::ThirtyTwo;
        let mut boot = Sector::new();
        // A jump to code that does nothing but wait: this is no disk that a BIOS starts.
        let code: u8 = if is_32 { 90 } else { 62 };
        boot.put(0, &[0xeb, code - 2, 0x90]);
        boot.put(usize::from(code), &[0xf4, 0xeb, 0xfd]);
        boot.put(3, b"BEDPLATE");
        boot.put(11, &(SECTOR as u16).to_le_bytes());
        boot.put(13, &[self.cluster_sectors as u8]);
        boot.put(14, &(self.reserved as u16).to_le_bytes());
        boot.put(16, &[2]);
        boot.put(17, &((self.root_sectors * SECTOR / ENTRY) as u16).to_le_bytes());
        match u16::try_from(self.sectors) {
            Ok(sectors) if !is_32 => boot.put(19, &sectors.to_le_bytes()),
            _ => boot.put(32, &(self.sectors as u32).to_le_bytes()),
        }
        boot.put(21, &[0xf8]);
        // Sectors of a track and heads, of a disk that has neither.
        boot.put(24, &[63, 0, 255, 0]);
        let name: &[u8; 8] = match self.bits {
            Bits::Twelve => b"FAT12   ",
            Bits::Sixteen => b"FAT16   ",
            Bits::ThirtyTwo => b"FAT32   ",
        };
        let rest = if is_32 {
            boot.put(36, &(self.table_sectors as u32).to_le_bytes());
            // The root's cluster, the sector of free space, the copy of the boot sector.
            boot.put(44, &[2, 0, 0, 0, 1, 0, 6, 0]);
            64
        } else {
            boot.put(22, &(self.table_sectors as u16).to_le_bytes());
            36
        };
        boot.put(rest, &[0x80, 0, 0x29]);
        boot.put(rest + 3, &serial.to_le_bytes());
        boot.put(rest + 7, &padded(if label.is_empty() { "NO NAME" } else { label }));
        boot.put(rest + 18, name);
        if !is_32 {
            return vec![(0, boot.0)];
        }
        let mut free = Sector::new();
        free.put(0, b"RRaA");
        free.put(484, b"rrAa");
        free.put(488, &((self.clusters - used) as u32).to_le_bytes());
        free.put(492, &((used + 2) as u32).to_le_bytes());
        [(0, &boot), (1, &free), (6, &boot), (7, &free)]
            .map(|(sector, bytes)| (sector * SECTOR, bytes.0.clone()))
            .into()
    }
}

/// Eleven bytes, with spaces at the end.
pub(super) fn padded(text: &str) -> [u8; 11] {
    let mut bytes = [b' '; 11];
    for (byte, letter) in bytes.iter_mut().zip(text.bytes()) {
        *byte = letter;
    }
    bytes
}

struct Sector(Vec<u8>);

impl Sector {
    fn new() -> Self {
        let mut sector = Self(vec![0; SECTOR as usize]);
        sector.put(510, &[0x55, 0xaa]);
        sector
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of clusters decides on the number of bits, by the specification; some readers are off by a few, so that what
    /// is near a border is avoided.
    #[test]
    fn clusters_and_bits_agree() {
        for sectors in (128..4_000_000).step_by(8 * 97).chain([4096, 8192, 65536, 69632, 139_264, 278_528, 557_056]) {
            let geometry = Geometry::of(sectors, 0);
            let (bits, clusters) = (geometry.bits, geometry.clusters);
            let fits = match bits {
                Bits::Twelve => clusters < 4085 - 16,
                Bits::Sixteen => (4085 + 16..65525 - 16).contains(&clusters),
                Bits::ThirtyTwo => clusters > 65525 + 16,
            };
            assert!(fits, "{sectors} {geometry:?}");
            assert!(geometry.table_bytes(clusters + 2) <= geometry.table_sectors * SECTOR, "{geometry:?}");
            let end = geometry.cluster_at(u32::try_from(clusters + 1).unwrap()) + geometry.cluster_bytes();
            assert!(end <= sectors * SECTOR && sectors * SECTOR - end < 3 * geometry.cluster_bytes(), "{geometry:?}");
        }
    }
}
