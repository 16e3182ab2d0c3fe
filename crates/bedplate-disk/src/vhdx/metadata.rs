//! The metadata region: a table of items, and the items 64 KiB behind it.

use uuid::{Uuid, uuid};

const SIGNATURE: &[u8; 8] = b"metadata";
/// Where the items are, in the region.
const ITEMS_AT: usize = 64 << 10;
const ENTRY: usize = 32;
/// How much of the region is read: the items of files that other programs wrote may lie anywhere in it.
pub(super) const LARGEST_REGION: u32 = 16 << 20;

const FILE_PARAMETERS: Uuid = uuid!("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
const DISK_SIZE: Uuid = uuid!("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
const DISK_NAME: Uuid = uuid!("beca12ab-b2e6-4523-93ef-c309e000c746");
const LOGICAL_SECTOR: Uuid = uuid!("8141bf1d-a96f-4709-ba47-f233a8faab5f");
const PHYSICAL_SECTOR: Uuid = uuid!("cda348c7-445d-4471-9cc9-e9885251c556");

/// Flags of an item: it is about the disk, not about the file; who does not know it cannot read the file.
const OF_DISK: u32 = 2;
const REQUIRED: u32 = 4;

/// What the region says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) block_size: u32,
    /// The size of the disk in bytes.
    pub(super) size: u64,
    /// The name of the disk.
    pub(super) identity: Uuid,
    /// The size of a logical sector in bytes.
    pub(super) sector_size: u32,
}

impl Metadata {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut parameters = self.block_size.to_le_bytes().to_vec();
        parameters.extend([0; 4]); // Neither fixed nor with a parent.
        let items = [
            (FILE_PARAMETERS, parameters, REQUIRED),
            (DISK_SIZE, self.size.to_le_bytes().to_vec(), OF_DISK | REQUIRED),
            (DISK_NAME, self.identity.to_bytes_le().to_vec(), OF_DISK | REQUIRED),
            (LOGICAL_SECTOR, self.sector_size.to_le_bytes().to_vec(), OF_DISK | REQUIRED),
            (PHYSICAL_SECTOR, 4096_u32.to_le_bytes().to_vec(), OF_DISK | REQUIRED),
        ];
        let mut table = SIGNATURE.to_vec();
        table.extend([0; 2]);
        table.extend((items.len() as u16).to_le_bytes());
        table.resize(ENTRY, 0);
        let mut values: Vec<u8> = Vec::new();
        for (item, value, flags) in items {
            table.extend(item.to_bytes_le());
            table.extend(((ITEMS_AT + values.len()) as u32).to_le_bytes());
            table.extend((value.len() as u32).to_le_bytes());
            table.extend(flags.to_le_bytes());
            table.extend([0; 4]);
            values.extend(value);
        }
        table.resize(ITEMS_AT, 0);
        table.extend(values);
        table
    }

    /// Reads a region. The error says what is wrong.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < ITEMS_AT || !bytes.starts_with(SIGNATURE) {
            return Err("its metadata lack the signature".to_owned());
        }
        let count = usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
        let value = |item: Uuid, length: usize| {
            let entries = bytes[ENTRY..ITEMS_AT].chunks(ENTRY).take(count);
            let mut entries = entries.filter(|entry| entry[..16] == item.to_bytes_le());
            let entry = entries.next().ok_or_else(|| format!("its metadata lack item {item}"))?;
            let u32_at = |at: usize| u32::from_le_bytes(entry[at..at + 4].try_into().expect("four bytes")) as usize;
            let value = bytes.get(u32_at(16)..).and_then(|rest| rest.get(..length)).filter(|_| u32_at(20) == length);
            value.ok_or_else(|| format!("item {item} of its metadata is not where it should be"))
        };
        let number =
            |item: Uuid| Ok::<u32, String>(u32::from_le_bytes(value(item, 4)?.try_into().expect("four bytes")));
        let parameters = value(FILE_PARAMETERS, 8)?;
        let block_size = u32::from_le_bytes(parameters[..4].try_into().expect("four bytes"));
        if parameters[4] & 2 != 0 {
            return Err("it is the difference to another disk".to_owned());
        }
        if !block_size.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block_size) {
            return Err(format!("its blocks have {block_size} bytes"));
        }
        let sector_size = number(LOGICAL_SECTOR)?;
        if ![512, 4096].contains(&sector_size) {
            return Err(format!("its sectors have {sector_size} bytes"));
        }
        let size = u64::from_le_bytes(value(DISK_SIZE, 8)?.try_into().expect("eight bytes"));
        if size > super::LARGEST || !size.is_multiple_of(u64::from(sector_size)) {
            return Err(format!("its disk has {size} bytes"));
        }
        let identity = Uuid::from_bytes_le(value(DISK_NAME, 16)?.try_into().expect("sixteen bytes"));
        Ok(Self { block_size, size, identity, sector_size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_read_back() {
        let metadata = Metadata { block_size: 2 << 20, size: 5 << 30, identity: Uuid::from_u128(3), sector_size: 512 };
        let bytes = metadata.to_bytes();
        assert_eq!(Metadata::from_bytes(&bytes), Ok(metadata));
        for (at, byte, expected) in [
            (0, b'M', "its metadata lack the signature"),
            (10, 1, "its metadata lack item 8141bf1d-a96f-4709-ba47-f233a8faab5f"),
            (ENTRY + 18, 100, "item caa16737-fa36-4d43-b3b6-33f0aa44e76b of its metadata is not where it should be"),
            (ITEMS_AT, 5, "its blocks have 2097157 bytes"),
            (ITEMS_AT + 4, 2, "it is the difference to another disk"),
            (ITEMS_AT + 8, 1, "its disk has 5368709121 bytes"),
            (ITEMS_AT + 33, 1, "its sectors have 256 bytes"),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert_eq!(Metadata::from_bytes(&bytes), Err(expected.to_owned()));
        }
    }
}
