//! Where partitions lie on a disk: sizes, alignment, and what does not fit.
//!
//! Partitions lie in the order of the request, each at the first aligned byte behind the one before. Sizes are rounded up to the
//! alignment, so that nothing lies between them and they cannot overlap.

mod problem;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::gpt::{ENTRIES, LABEL_UNITS, head_length, tail_length};
use crate::{Attributes, Disk, DiskError, Extent, Partition, PartitionTable, PartitionType, SectorSize, Source};

use problem::Named;
pub use problem::{LayoutError, LayoutProblem};

/// Where partitions begin if nothing else is asked for, and what the size of a disk is a multiple of: 1 MiB. Azure takes only such disks.
const MEBIBYTE: u64 = 1 << 20;

/// What a disk shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutRequest {
    /// The name of the disk.
    pub guid: Uuid,
    /// The unit in which the table counts.
    pub sector_size: SectorSize,
    /// What each partition begins at a multiple of, in bytes: a power of two, at least a sector.
    pub alignment: u64,
    /// How large the disk is.
    pub size: DiskSize,
    /// The partitions, in their order on the disk and in the table.
    pub partitions: Vec<PartitionRequest>,
}

impl LayoutRequest {
    /// A disk with sectors of 512 bytes and partitions at whole MiB, as small as it can be; without partitions yet.
    #[must_use]
    pub fn new(guid: Uuid) -> Self {
        Self {
            guid,
            sector_size: SectorSize::Bytes512,
            alignment: MEBIBYTE,
            size: DiskSize::Minimal,
            partitions: Vec::new(),
        }
    }
}

/// How large a disk shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskSize {
    /// As small as its partitions allow, rounded up to a whole number of MiB.
    Minimal,
    /// This many bytes, a whole number of MiB.
    Fixed(u64),
}

/// What a partition shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRequest {
    /// What it is for.
    pub kind: PartitionType,
    /// Its own name.
    pub guid: Uuid,
    /// Its name for people, at most 36 UTF-16 units.
    pub label: String,
    /// Its flags.
    pub attributes: Attributes,
    /// How many bytes will be put into it.
    pub content: u64,
    /// How large it is.
    pub size: PartitionSize,
}

/// How large a partition shall be, in bytes before rounding up to the alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionSize {
    /// As large as its content.
    Content,
    /// This large.
    Fixed(u64),
    /// What the others leave of a disk of fixed size; several share it equally. On a disk of minimal size, its least.
    Grow {
        /// What it has at least; its content is never cut.
        at_least: u64,
    },
}

/// A table of partitions, and what goes into them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The table.
    pub table: PartitionTable,
    /// How many bytes are put into each partition.
    contents: Vec<u64>,
}

impl Layout {
    /// The disk: the table at both ends, and the contents of the partitions, one for each. What has no content is zero.
    ///
    /// # Errors
    /// If a content of bytes is larger than the request said. (A file that is too short is an error when the disk is read.)
    ///
    /// # Panics
    /// If there are not as many contents as partitions: a mistake of the caller.
    pub fn disk(&self, contents: Vec<Option<Source>>) -> Result<Disk, DiskError> {
        assert_eq!(contents.len(), self.contents.len(), "each partition has one content");
        let table = &self.table;
        let mut disk = Disk::new(table.disk_size, table.sector_size);
        disk.add_bytes(0, table.head())?;
        let tail = table.tail();
        disk.add_bytes(table.disk_size - tail.len() as u64, tail)?;
        for ((partition, content), length) in table.partitions.iter().zip(contents).zip(&self.contents) {
            match content {
                None => {}
                Some(Source::Bytes(bytes)) if bytes.len() as u64 > *length => {
                    let (label, found) = (partition.label.clone(), bytes.len() as u64);
                    return Err(DiskError::Content { label, found, expected: *length });
                }
                Some(Source::Bytes(bytes)) => disk.add_bytes(partition.offset, bytes)?,
                Some(source) => disk.add(Extent { offset: partition.offset, length: *length, source })?,
            }
        }
        Ok(disk)
    }
}

/// Lays partitions out on a disk.
///
/// # Errors
/// All that is wrong with the request.
pub fn layout(request: &LayoutRequest) -> Result<Layout, LayoutError> {
    let mut problems = check(request);
    let sector = request.sector_size.bytes();
    if !request.alignment.is_power_of_two() || !(sector..=1 << 30).contains(&request.alignment) {
        problems.push(LayoutProblem::Alignment { alignment: request.alignment, least: sector });
        return Err(LayoutError { problems });
    }
    let round = |size: u64| size.checked_next_multiple_of(request.alignment).unwrap_or(u64::MAX);
    let mut lengths: Vec<u64> = request.partitions.iter().map(|partition| round(least(partition))).collect();
    let start = round(head_length(request.sector_size));
    let placed = lengths.iter().fold(start, |sum, length| sum.saturating_add(*length));
    let needed = placed.saturating_add(tail_length(request.sector_size));
    let needed = needed.checked_next_multiple_of(MEBIBYTE).unwrap_or(u64::MAX);
    if needed > 1 << 63 {
        problems.push(LayoutProblem::TooLarge);
        return Err(LayoutError { problems });
    }
    let size = match request.size {
        DiskSize::Minimal => needed,
        DiskSize::Fixed(size) => {
            if !size.is_multiple_of(MEBIBYTE) {
                problems.push(LayoutProblem::DiskSize { size });
            }
            if size < needed {
                problems.push(LayoutProblem::DiskTooSmall { size, needed });
            }
            size
        }
    };
    if !problems.is_empty() {
        return Err(LayoutError { problems });
    }

    let free = (size - placed - tail_length(request.sector_size)) / request.alignment;
    let grows = |partition: &PartitionRequest| matches!(partition.size, PartitionSize::Grow { .. });
    let growing = request.partitions.iter().filter(|partition| grows(partition)).count() as u64;
    let mut number = 0;
    for (partition, length) in request.partitions.iter().zip(&mut lengths) {
        if matches!(request.size, DiskSize::Fixed(_)) && grows(partition) {
            // What cannot be shared equally goes to the first ones.
            let share = free / growing + u64::from(number < free % growing);
            *length += share * request.alignment;
            number += 1;
        }
    }

    let mut offset = start;
    let partitions = request.partitions.iter().zip(lengths).map(|(partition, length)| {
        let placed = Partition {
            kind: partition.kind,
            guid: partition.guid,
            label: partition.label.clone(),
            attributes: partition.attributes,
            offset,
            length,
        };
        offset += length;
        placed
    });
    let partitions = partitions.collect();
    let table = PartitionTable { guid: request.guid, sector_size: request.sector_size, disk_size: size, partitions };
    Ok(Layout { table, contents: request.partitions.iter().map(|partition| partition.content).collect() })
}

/// What a partition has at least, in bytes.
fn least(partition: &PartitionRequest) -> u64 {
    match partition.size {
        PartitionSize::Content => partition.content,
        PartitionSize::Fixed(size) => size,
        PartitionSize::Grow { at_least } => at_least.max(partition.content),
    }
}

/// What is wrong with the partitions of a request, each by itself and with each other.
fn check(request: &LayoutRequest) -> Vec<LayoutProblem> {
    let mut problems = Vec::new();
    if request.partitions.len() > ENTRIES {
        problems.push(LayoutProblem::TooMany { count: request.partitions.len() });
    }
    let mut seen = BTreeMap::from([(request.guid, "the disk".to_owned())]);
    for (number, partition) in request.partitions.iter().enumerate() {
        let label = partition.label.clone();
        match partition.size {
            PartitionSize::Fixed(size) if size < partition.content => problems.push(LayoutProblem::PartitionTooSmall {
                partition: number,
                label: label.clone(),
                size,
                content: partition.content,
            }),
            _ if least(partition) == 0 => {
                // One that grows gets what is left, which may be nothing; no table can say that.
                problems.push(LayoutProblem::Empty { partition: number, label: label.clone() });
            }
            _ => {}
        }
        let why = if partition.label.encode_utf16().count() > LABEL_UNITS {
            Some("it has more than 36 UTF-16 units")
        } else if partition.label.chars().any(char::is_control) {
            Some("it has control characters")
        } else {
            None
        };
        if let Some(why) = why {
            problems.push(LayoutProblem::Label { partition: number, label: label.clone(), why });
        }
        let me = format!("partition {}", Named(number, &label));
        if let Some(other) = seen.get(&partition.guid) {
            let (guid, other) = (partition.guid, other.clone());
            problems.push(LayoutProblem::SameGuid { partition: number, label, guid, other });
        } else {
            seen.insert(partition.guid, me);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::content_uuid;

    const MIB: u64 = MEBIBYTE;

    fn partition(label: &str, content: u64, size: PartitionSize) -> PartitionRequest {
        PartitionRequest {
            kind: "linux-generic".parse().unwrap(),
            guid: content_uuid(&[label.as_bytes()]),
            label: label.to_owned(),
            attributes: Attributes::default(),
            content,
            size,
        }
    }

    fn request(size: DiskSize, partitions: Vec<PartitionRequest>) -> LayoutRequest {
        LayoutRequest { size, partitions, ..LayoutRequest::new(content_uuid(&[b"disk"])) }
    }

    #[test]
    fn partitions_lie_one_behind_the_other() {
        use PartitionSize::{Content, Fixed, Grow};
        let grow = |at_least| Grow { at_least };
        for (size, wanted, expected_size, expected) in [
            (DiskSize::Minimal, vec![], 2, vec![]),
            (DiskSize::Minimal, vec![(1, Content)], 3, vec![(1, 1)]),
            (DiskSize::Minimal, vec![(MIB, Content), (MIB + 1, Content)], 5, vec![(1, 1), (2, 2)]),
            (DiskSize::Minimal, vec![(5, Fixed(4 * MIB)), (5, grow(3 * MIB))], 9, vec![(1, 4), (5, 3)]),
            (DiskSize::Fixed(20 * MIB), vec![(5, grow(0)), (5, Fixed(MIB))], 20, vec![(1, 17), (18, 1)]),
            // 16 MiB are free; both have their least, and share the 12 left.
            (
                DiskSize::Fixed(20 * MIB),
                vec![(5, grow(0)), (5, Fixed(2 * MIB)), (3 * MIB, grow(0))],
                20,
                vec![(1, 7), (8, 2), (10, 9)],
            ),
            (DiskSize::Fixed(7 * MIB), vec![(1, grow(0)), (1, grow(0))], 7, vec![(1, 3), (4, 2)]),
        ] {
            let names = ["a", "b", "c"];
            let partitions =
                wanted.iter().zip(names).map(|((content, size), name)| partition(name, *content, *size)).collect();
            let table = layout(&request(size, partitions)).unwrap().table;
            assert_eq!(table.disk_size, expected_size * MIB, "{wanted:?}");
            let found: Vec<_> = table.partitions.iter().map(|one| (one.offset / MIB, one.length / MIB)).collect();
            assert_eq!(found, expected, "{wanted:?}");
        }
    }

    #[test]
    fn other_sectors_and_alignments() {
        for (alignment, sector_size, offset) in [
            (512, SectorSize::Bytes512, 34 * 512),
            (4096, SectorSize::Bytes512, 5 * 4096),
            (4096, SectorSize::Bytes4096, 6 * 4096),
            (4 * MIB, SectorSize::Bytes4096, 4 * MIB),
        ] {
            let mut request = request(DiskSize::Minimal, vec![partition("a", 1, PartitionSize::Content)]);
            (request.alignment, request.sector_size) = (alignment, sector_size);
            let table = layout(&request).unwrap().table;
            assert_eq!((table.partitions[0].offset, table.partitions[0].length), (offset, alignment));
            assert!(table.disk_size.is_multiple_of(MIB));
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let mut twin = partition("twin", 0, PartitionSize::Content);
        twin.guid = content_uuid(&[b"root"]);
        let mut long = partition("0123456789abcdef0123456789abcdef12345", 1, PartitionSize::Content);
        long.guid = content_uuid(&[b"disk"]);
        let request = request(
            DiskSize::Fixed(4 * MIB + 1),
            vec![
                partition("root", 5 * MIB + 512, PartitionSize::Fixed(4 * MIB)),
                twin,
                long,
                partition("a\n", 1, PartitionSize::Content),
            ],
        );
        let error = layout(&request).unwrap_err();
        let found: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "partition 1 `root` of 4 MiB is too small by 1049088 bytes: its content has 5243392 bytes",
                "partition 2 `twin` is empty: it needs a size or a content",
                "partition 2 `twin` has the GUID 9d7893ff-deb7-87e0-b869-f96b6fbfb5bf of partition 1 `root`",
                "partition 3 `0123456789abcdef0123456789abcdef12345` cannot have this label: it has more than 36 UTF-16 units",
                "partition 3 `0123456789abcdef0123456789abcdef12345` has the GUID a2e5dc39-3e91-8c78-9bc4-9c272e7cc38b of the disk",
                "partition 4 `a\\n` cannot have this label: it has control characters",
                "the disk of 4194305 bytes is no whole number of MiB: the next ones are 4 and 5",
                "the disk of 4194305 bytes is too small by 4194303 bytes: it needs 8 MiB",
            ]
        );
        assert_eq!(error.problems[2].partition(), Some(1));
    }

    #[test]
    fn absurd_requests_are_errors() {
        let mut odd = request(DiskSize::Minimal, vec![partition("a", 1, PartitionSize::Content)]);
        for alignment in [0, 1, 256, 3000, 2 << 30] {
            odd.alignment = alignment;
            let message = layout(&odd).unwrap_err().to_string();
            assert!(message.contains("a power of two between 512 bytes and 1 GiB"), "{message}");
        }
        let many = (0..129).map(|number| partition(&number.to_string(), 1, PartitionSize::Content)).collect();
        let message = layout(&request(DiskSize::Minimal, many)).unwrap_err().to_string();
        assert_eq!(message, "129 partitions are too many: a table has room for 128");
        for size in [u64::MAX, u64::MAX / 2] {
            let huge = || partition("a", 1, PartitionSize::Fixed(size));
            let problems = layout(&request(DiskSize::Minimal, vec![huge()])).unwrap_err().problems;
            assert_eq!(problems, [LayoutProblem::TooLarge]);
        }
    }

    #[test]
    fn a_content_is_no_larger_than_was_said() {
        let layout = layout(&request(DiskSize::Minimal, vec![partition("a", 5, PartitionSize::Content)])).unwrap();
        assert_eq!(layout.disk(vec![Some(Source::Bytes(vec![1; 5]))]).unwrap().extents().len(), 3);
        let error = layout.disk(vec![Some(Source::Bytes(vec![1; 6]))]).unwrap_err();
        assert_eq!(error.to_string(), "the content of partition `a` has 6 bytes, and the layout was made for 5");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_overlaps_and_all_fits(
            sizes in proptest::collection::vec((1_u64..9_000_000, 0_u64..9_000_000, 0..3), 0..20),
            extra in proptest::option::of(0_u64..100),
            wide in any::<bool>(),
        ) {
            let partitions = sizes.iter().enumerate().map(|(number, (content, size, kind))| {
                let size = match kind {
                    0 => PartitionSize::Content,
                    1 => PartitionSize::Fixed(content + size),
                    _ => PartitionSize::Grow { at_least: *size },
                };
                partition(&number.to_string(), *content, size)
            });
            let mut request = request(DiskSize::Minimal, partitions.collect());
            if wide {
                request.sector_size = SectorSize::Bytes4096;
            }
            let least = layout(&request).unwrap().table.disk_size;
            if let Some(extra) = extra {
                request.size = DiskSize::Fixed(least + extra * MIB);
            }
            let table = layout(&request).unwrap().table;
            let mut at = head_length(table.sector_size);
            for (partition, wanted) in table.partitions.iter().zip(&request.partitions) {
                prop_assert!(partition.offset >= at && partition.offset % request.alignment == 0);
                prop_assert!(partition.length >= super::least(wanted));
                at = partition.end();
            }
            prop_assert!(at + tail_length(table.sector_size) <= table.disk_size);
            let grows = request.partitions.iter().any(|one| matches!(one.size, PartitionSize::Grow { .. }));
            if grows {
                prop_assert!(table.disk_size - tail_length(table.sector_size) - at < request.alignment);
            }
            if extra.is_none() && least > 2 * MIB {
                let smaller = LayoutRequest { size: DiskSize::Fixed(least - MIB), ..request };
                let problem = LayoutProblem::DiskTooSmall { size: least - MIB, needed: least };
                prop_assert_eq!(layout(&smaller).unwrap_err().problems, [problem]);
            }
        }
    }
}
