//! Both headers of a package file, for those who need more of them than metadata has.

use std::path::Path;

use bedplate_model::Nevra;
use sha2::{Digest, Sha256};

use crate::front::Front;
use crate::header::Header;
use crate::{FileList, Problem, conventions};

/// The headers of a package, whole and checked against each other. Nothing of its payload was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageHeaders {
    signature: Vec<u8>,
    main: Vec<u8>,
    nevra: Nevra,
    files: FileList,
}

impl PackageHeaders {
    /// Reads the headers of a package file, and no more of it. The main header is compared with its digest.
    ///
    /// # Errors
    /// All that is wrong with the headers: their indexes, their digest, the name, the list of files.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let front = Front::open(path).map_err(|problem| vec![problem])?;
        let (signature, main) = front.parse()?;
        if !front.check_header(&signature) {
            signature.problem(Problem::NoDigest);
        }
        let (nevra, files) = (conventions::nevra(&main), FileList::read(&main));
        let mut problems = signature.into_problems();
        problems.extend(main.into_problems());
        match nevra {
            Some(nevra) if problems.is_empty() => {
                Ok(Self { signature: front.signature().to_vec(), main: front.header().to_vec(), nevra, files })
            }
            _ => Err(problems),
        }
    }

    /// The full name.
    pub fn nevra(&self) -> &Nevra {
        &self.nevra
    }

    /// The files that the package has.
    pub fn files(&self) -> &FileList {
        &self.files
    }

    /// The main header.
    pub fn main(&self) -> Header<'_> {
        Header::parse(&self.main, "main").expect("it was parsed before")
    }

    /// The signature header.
    pub fn signature(&self) -> Header<'_> {
        Header::parse(&self.signature, "signature").expect("it was parsed before")
    }

    /// The bytes of the main header, from its magic number on: what is signed.
    pub fn main_bytes(&self) -> &[u8] {
        &self.main
    }

    /// The SHA-256 of the main header. It has the digest of the payload and of each file, so that it stands for the whole
    /// package but for its signature.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.main).into()
    }
}
