//! Signatures of packages: a signature of the main header, which has the digest of the payload, in the signature header.
//!
//! ```text
//! lead │ signature header: digests, sizes, the signature, reserved space │ main header │ payload
//!         written again here, with all else that it had                    └── copied as they are ──┘
//! ```
//!
//! The reserved space gives what the signature takes, so that the package does not move in the file. Nothing of OpenPGP is here.

use std::error::Error;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Problem;
use crate::front::{Front, LEAD};
use crate::header::{Header, RawEntry, Tag, write_region};

/// Signatures of the header alone: by RSA, and by all else (named after DSA, its first).
const RSA_HEADER: Tag = Tag(268, "RSAHEADER");
const DSA_HEADER: Tag = Tag(267, "DSAHEADER");
/// Signatures of version 6 of the format.
const OPENPGP: Tag = Tag(278, "OPENPGP");
/// Space for signatures to come.
const RESERVED_SPACE: Tag = Tag(1008, "RESERVEDSPACE");
/// Signatures of header and payload together, which rpm wrote until 4.14 and does not trust any more.
const OLD_SIGNATURES: [u32; 3] = [1002, 1003, 1005];
/// `HEADERSIGNATURES`, the region of a signature header.
const REGION: u32 = 62;
const BIN: u32 = 7;
/// Bytes of an entry in the index of a header.
const INDEX_ENTRY: usize = 16;
const BUILD_TIME: Tag = Tag(1006, "BUILDTIME");
/// `RPMFORMAT` of the main header, from version 6 on.
pub(crate) const FORMAT: Tag = Tag(5114, "RPMFORMAT");
/// OpenPGP's numbers of algorithms.
const ALGORITHM_RSA: u8 = 1;

/// Makes a binary OpenPGP signature, of version 4, of bytes.
pub trait MakeSignature: Sync {
    /// Signs.
    ///
    /// # Errors
    /// Why there is no signature.
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>>;
}

/// What a package is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The bytes of the main header: what is signed.
    pub header: Vec<u8>,
    /// The binary OpenPGP signature; `None` if the package has none.
    pub signature: Option<Vec<u8>>,
    /// When the package was built, in seconds since 1970; 0 if it does not say.
    pub build_time: u64,
}

/// Reads the signature of a package, and what it is a signature of. The signature is not verified.
///
/// # Errors
/// The file is no package, or its headers are broken.
pub fn read_signature(path: &Path) -> Result<SignedHeader, Vec<Problem>> {
    let front = Front::open(path).map_err(|problem| vec![problem])?;
    let (signature, main) = front.parse()?;
    let build_time = main.number(BUILD_TIME).unwrap_or_default();
    let found = signature.bytes(RSA_HEADER).or_else(|| signature.bytes(DSA_HEADER)).map(<[u8]>::to_vec);
    if found.is_none() && signature.has(OPENPGP) {
        signature
            .problem(Problem::PackageSignature { why: "it is of version 6 of the format, which is not read".into() });
    }
    front.check_header(&signature);
    let problems = signature.into_problems();
    if problems.is_empty() {
        Ok(SignedHeader { header: front.header().to_vec(), signature: found, build_time })
    } else {
        Err(problems)
    }
}

/// Writes a signed copy of a package: the main header is signed, a signature that is there already is replaced. Header and
/// payload, and so the content identity, stay as they are. The copy has mode 0644 and is there as a whole or not at all.
///
/// # Errors
/// All that is wrong with the package, or why it cannot be written or signed.
pub fn sign_package(input: &Path, output: &Path, signer: &dyn MakeSignature) -> Result<(), Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let front = Front::open(input).map_err(one)?;
    let (signature, main) = front.parse_to_rewrite()?;
    if main.number(FORMAT).is_some_and(|format| format > 4) {
        main.problem(Problem::PackageSignature { why: "packages of version 6 of the format cannot be signed".into() });
    }
    if signature.has_problems() || main.has_problems() {
        return Err(signature.into_problems().into_iter().chain(main.into_problems()).collect());
    }
    let made = signer.sign(front.header()).map_err(|error| one(Problem::PackageSignature { why: chain(&*error) }))?;
    let header = signed_header(&signature, front.signature_length, &made).map_err(one)?;
    write(&front, &header, output).map_err(|error| one(Problem::Io(error)))
}

/// The text of an error and of its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// True for the tags of a signature header that are signatures of the package.
pub(crate) fn is_signature(tag: u32) -> bool {
    [RSA_HEADER.0, DSA_HEADER.0, OPENPGP.0].contains(&tag) || OLD_SIGNATURES.contains(&tag)
}

/// The signature header with a signature, and with all that is no signature. It is as long as before, if it can be.
fn signed_header(old: &Header<'_>, length: usize, signature: &[u8]) -> Result<Vec<u8>, Problem> {
    let tag = match public_key_algorithm(signature) {
        Some(ALGORITHM_RSA) => RSA_HEADER,
        Some(_) => DSA_HEADER,
        None => return Err(Problem::PackageSignature { why: "the signer gave no signature of version 4".into() }),
    };
    let is_kept = |entry: &RawEntry<'_>| entry.tag != RESERVED_SPACE.0 && !is_signature(entry.tag);
    let mut entries: Vec<RawEntry<'_>> = old.raw().filter(is_kept).collect();
    entries.push(RawEntry { tag: tag.0, kind: BIN, count: signature.len(), bytes: signature });
    entries.sort_by_key(|entry| entry.tag);
    let bare = write_region(REGION, &entries);
    // The space is bytes, so that nothing behind it has to be aligned anew.
    let Some(space) = length.checked_sub(bare.len() + INDEX_ENTRY).filter(|space| *space > 0) else { return Ok(bare) };
    let zeros = vec![0; space];
    entries.push(RawEntry { tag: RESERVED_SPACE.0, kind: BIN, count: space, bytes: &zeros });
    entries.sort_by_key(|entry| entry.tag);
    Ok(write_region(REGION, &entries))
}

/// The number of the algorithm in a signature packet of version 4: `RFC 9580`, sections 4.2 and 5.2.3.
fn public_key_algorithm(packet: &[u8]) -> Option<u8> {
    let first = *packet.first()?;
    let length = *packet.get(1)?;
    let (kind, start) = if first & 0x40 == 0 {
        (first >> 2 & 0xf, 1 + (1 << (first & 3)))
    } else {
        (
            first & 0x3f,
            if length < 192 {
                2
            } else if length < 224 {
                3
            } else {
                6
            },
        )
    };
    // Version, type, then the algorithm.
    (first & 0x80 != 0 && kind == 2 && packet.get(start) == Some(&4)).then(|| packet.get(start + 2).copied())?
}

fn write(front: &Front, header: &[u8], output: &Path) -> io::Result<()> {
    new_package(output, &front.bytes[..LEAD], header, |writer| {
        writer.write_all(&front.bytes[front.main.start..])?;
        let mut failed = None;
        front.each_rest(|bytes| {
            if failed.is_none() {
                failed = writer.write_all(bytes).err();
            }
        })?;
        failed.map_or(Ok(()), Err)
    })
}

/// Writes a package file, with mode 0644, as a whole or not at all: lead, signature header, and what `rest` writes.
pub(crate) fn new_package(
    output: &Path,
    lead: &[u8],
    header: &[u8],
    rest: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
    let mut writer = BufWriter::with_capacity(128 << 10, file);
    writer.write_all(lead)?;
    writer.write_all(header)?;
    writer.write_all(&[0; 7][..header.len().next_multiple_of(8) - header.len()])?;
    rest(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(output).map_err(|error| error.error)?;
    File::open(folder).and_then(|folder| folder.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_packet_names_its_algorithm() {
        for (packet, want) in [
            (&[0x88, 0x75, 4, 0, 22, 8][..], Some(22)),
            (&[0x89, 0x01, 0x33, 4, 0, 1, 8], Some(1)),
            (&[0xc2, 0x75, 4, 0, 22, 8], Some(22)),
            (&[0xc2, 0xc0, 0x75, 4, 0, 1, 8], Some(1)),
            (&[0xc2, 0xff, 0, 0, 1, 0, 4, 0, 17], Some(17)),
            (&[0x88, 0x75, 3, 0, 22, 8], None),
            (&[0x98, 0x75, 4, 0, 22, 8], None),
            (&[0x08, 0x75, 4, 0, 22, 8], None),
            (&[0x88, 0x75, 4, 0], None),
            (&[], None),
        ] {
            assert_eq!(public_key_algorithm(packet), want, "{packet:?}");
        }
    }
}
