//! QCOW2 version 3, as qemu's `docs/interop/qcow2` has it. All numbers are big-endian.
//!
//! ```text
//! cluster 0   header
//!         …   clusters with data; behind those of each 512 MiB of the disk, the table of them (level 2)
//!         …   table of tables (level 1)
//!         …   table of the blocks of reference counts
//!         …   blocks of reference counts, 16 bits for each cluster of the file
//! ```
//!
//! Clusters have 64 KiB. A cluster of zeros is not there. Packed clusters lie one behind the other and may share clusters of the
//! file.

mod read;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;
use zstd::bulk::Compressor;

use crate::Packing;
use crate::source::{Chunk, PIECE};
use crate::write::{Plan, Sink};

pub(crate) use read::{Reader, is_qcow2};

const MAGIC: &[u8; 4] = b"QFI\xFB";
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const _: () = assert!(CLUSTER == PIECE as u64, "a piece is a cluster");
/// How many entries a table of one cluster has.
const ENTRIES: u64 = CLUSTER / 8;
/// How many clusters a block of reference counts is about.
const COUNTS: u64 = CLUSTER / 2;
/// Only this entry points to the cluster.
const COPIED: u64 = 1 << 63;
/// The cluster is packed.
const PACKED: u64 = 1 << 62;
/// The feature that says how clusters are packed, and zstd.
const COMPRESSION_TYPE: u64 = 1 << 3;
const ZLIB: u8 = 0;
const ZSTD: u8 = 1;
/// qemu unpacks zlib with a window of 2^12 bytes, and no header.
const WINDOW_BITS: u8 = 12;
const HEADER_SIZE: u32 = 112;
/// The largest disk: qemu's tables of level 1 have 32 MiB at most.
pub(crate) const LARGEST: u64 = (32 << 20) / 8 * ENTRIES * CLUSTER;

/// How many low bits of an entry are the place of a packed cluster; above them is how many sectors it goes on.
const fn place_bits(cluster_bits: u32) -> u32 {
    62 - (cluster_bits - 8)
}

/// Writes clusters as they come, and the tables behind them.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    plan: Plan,
    /// The place of each table of level 2.
    tables: Vec<u64>,
    /// The table at work: its number and its entries.
    table: Option<(u64, Vec<u64>)>,
    /// The byte behind the last cluster of the file.
    end: u64,
    /// Where the next packed cluster goes, and how many bytes are left there.
    packed: (u64, u64),
    /// The reference count of each cluster of the file.
    counts: Vec<u16>,
}

impl Writer {
    pub(crate) fn new(file: File, plan: Plan) -> Self {
        let tables = plan.size.div_ceil(CLUSTER * ENTRIES);
        Self {
            file,
            plan,
            tables: vec![0; tables as usize],
            table: None,
            end: CLUSTER,
            packed: (0, 0),
            counts: vec![1],
        }
    }

    /// Takes clusters at the end of the file, with one reference each or none yet.
    fn allocate(&mut self, clusters: u64, count: u16) -> u64 {
        let at = self.end;
        self.end += clusters * CLUSTER;
        self.counts.resize((self.end / CLUSTER) as usize, count);
        at
    }

    /// Takes bytes for a packed cluster.
    fn allocate_packed(&mut self, length: u64) -> u64 {
        let (mut at, mut left) = self.packed;
        if left < length {
            if at + left != self.end {
                (at, left) = (self.end, 0);
            }
            let clusters = (length - left).div_ceil(CLUSTER);
            self.allocate(clusters, 0);
            left += clusters * CLUSTER;
        }
        self.packed = (at + length, left - length);
        for cluster in at / CLUSTER..=(at + length - 1) / CLUSTER {
            self.counts[cluster as usize] += 1;
        }
        at
    }

    /// Notes where a cluster of the disk is.
    fn set(&mut self, cluster: u64, entry: u64) -> io::Result<()> {
        let number = cluster / ENTRIES;
        if self.table.as_ref().is_none_or(|(other, _)| *other != number) {
            self.end_table()?;
            self.table = Some((number, vec![0; ENTRIES as usize]));
        }
        let (_, entries) = self.table.as_mut().expect("it was just made");
        entries[(cluster % ENTRIES) as usize] = entry;
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        if let Some((number, entries)) = self.table.take() {
            let at = self.allocate(1, 1);
            self.file.write_all_at(&big_endian(&entries), at)?;
            self.tables[number as usize] = at | COPIED;
        }
        Ok(())
    }

    fn write_plain(&mut self, chunk: &Chunk) -> io::Result<()> {
        for (start, run) in chunk.runs() {
            let first = (chunk.offset() + start as u64) / CLUSTER;
            let count = (run.len() as u64).div_ceil(CLUSTER);
            // A table that ends in the middle of a run cannot be: it ends where a chunk does.
            self.table_of(first)?;
            let at = self.allocate(count, 1);
            self.file.write_all_at(run, at)?;
            for number in 0..count {
                self.set(first + number, (at + number * CLUSTER) | COPIED)?;
            }
        }
        Ok(())
    }

    /// Ends the table at work if the cluster is of the next one, so that it lies behind its own clusters.
    fn table_of(&mut self, cluster: u64) -> io::Result<()> {
        match &self.table {
            Some((number, _)) if *number != cluster / ENTRIES => self.end_table(),
            _ => Ok(()),
        }
    }

    fn header(&self, level_one: u64, counts_table: u64, counts_clusters: u64) -> Vec<u8> {
        let (features, way) = match self.plan.packing {
            Some(Packing::Zstd(_)) => (COMPRESSION_TYPE, ZSTD),
            // What every reader expects where nothing is said.
            Some(Packing::Zlib(_)) | None => (0, ZLIB),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend([0; 12]); // No disk beneath.
        bytes.extend(CLUSTER_BITS.to_be_bytes());
        bytes.extend(self.plan.size.to_be_bytes());
        bytes.extend([0; 4]); // Not encrypted.
        bytes.extend((self.tables.len() as u32).to_be_bytes());
        bytes.extend(level_one.to_be_bytes());
        bytes.extend(counts_table.to_be_bytes());
        bytes.extend((counts_clusters as u32).to_be_bytes());
        bytes.extend([0; 12]); // No snapshots.
        bytes.extend(features.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.extend(4_u32.to_be_bytes()); // Reference counts of 2^4 bits.
        bytes.extend(HEADER_SIZE.to_be_bytes());
        bytes.push(way);
        bytes.resize(HEADER_SIZE as usize + 8, 0); // And the end of the list of extensions.
        bytes
    }
}

fn big_endian(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A packed cluster; nothing if it is no smaller than it was.
fn pack(piece: &[u8], packing: Packing) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    let piece = if piece.len() < PIECE {
        // The last one of the disk: a cluster is always unpacked to its whole size.
        whole.extend_from_slice(piece);
        whole.resize(PIECE, 0);
        &whole
    } else {
        piece
    };
    match packing {
        Packing::Zstd(level) => {
            // At most 19.
            let packed = Compressor::new(level as i32)?.compress(piece)?;
            Ok((packed.len() < PIECE).then_some(packed))
        }
        Packing::Zlib(level) => {
            let level = if level == 0 { Compression::default() } else { Compression::new(level) };
            let mut deflate = Compress::new_with_window_bits(level, false, WINDOW_BITS);
            let mut packed = vec![0; PIECE - 1];
            let status = deflate.compress(piece, &mut packed, FlushCompress::Finish).map_err(io::Error::other)?;
            packed.truncate(deflate.total_out() as usize);
            Ok((status == Status::StreamEnd).then_some(packed))
        }
    }
}

impl Sink for Writer {
    fn write(&mut self, chunks: &[Chunk]) -> io::Result<()> {
        let Some(packing) = self.plan.packing else {
            return chunks.iter().try_for_each(|chunk| self.write_plain(chunk));
        };
        let pieces: Vec<(u64, &[u8])> = chunks
            .iter()
            .flat_map(|chunk| chunk.pieces().map(|(number, piece)| (chunk.offset() / CLUSTER + number as u64, piece)))
            .collect();
        let packed: io::Result<Vec<Option<Vec<u8>>>> =
            pieces.par_iter().map(|(_, piece)| pack(piece, packing)).collect();
        for ((cluster, piece), packed) in pieces.into_iter().zip(packed?) {
            self.table_of(cluster)?;
            let entry = match packed {
                Some(packed) => {
                    let length = packed.len() as u64;
                    let at = self.allocate_packed(length);
                    self.file.write_all_at(&packed, at)?;
                    let sectors = (at + length - 1) / 512 - at / 512;
                    at | sectors << place_bits(CLUSTER_BITS) | PACKED
                }
                None => {
                    let at = self.allocate(1, 1);
                    self.file.write_all_at(piece, at)?;
                    at | COPIED
                }
            };
            self.set(cluster, entry)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.end_table()?;
        let tables = big_endian(&self.tables);
        let level_one = self.allocate((tables.len() as u64).div_ceil(CLUSTER), 1);
        self.file.write_all_at(&tables, level_one)?;

        // The counts are also about the clusters that they are in.
        let used = self.counts.len() as u64;
        let (mut blocks, mut table) = (0, 0);
        while blocks * COUNTS < used + blocks + table || table * ENTRIES < blocks {
            blocks = (used + blocks + table).div_ceil(COUNTS);
            table = blocks.div_ceil(ENTRIES);
        }
        let table_at = self.allocate(table, 1);
        let blocks_at = self.allocate(blocks, 1);
        let places: Vec<u64> = (0..blocks).map(|number| blocks_at + number * CLUSTER).collect();
        self.file.write_all_at(&big_endian(&places), table_at)?;
        let counts: Vec<u8> = self.counts.iter().flat_map(|count| count.to_be_bytes()).collect();
        self.file.write_all_at(&counts, blocks_at)?;
        self.file.set_len(self.end)?;
        self.file.write_all_at(&self.header(level_one, table_at, table), 0)
    }
}
