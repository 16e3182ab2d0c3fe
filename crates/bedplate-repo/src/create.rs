//! Makes the repodata of a folder of RPMs.

use std::error::Error;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bedplate_model::Nevra;
use rayon::prelude::*;

use crate::folder::{self, Identity, Progress};
use crate::metadata::repomd::{Data, Repomd};
use crate::metadata::write::{Fragments, document};
use crate::problem::Findings;
use crate::signature::chain;
use crate::{Checksum, Compression, Finding, Problem};

/// How to make repodata.
#[derive(Clone, Copy)]
pub struct CreateOptions<'a> {
    /// How its files are compressed.
    pub compression: Compression,
    /// `revision` and times of `repomd.xml` in seconds since 1970; without it the newest build time of the packages, so that
    /// the same packages give the same bytes on any machine.
    pub epoch: Option<u64>,
    /// How many entries of each changelog to keep.
    pub changelogs: usize,
    /// Signs `repomd.xml`: makes its `repomd.xml.asc`.
    pub sign: Option<&'a SignMetadata<'a>>,
    /// Is told about each package that was read.
    pub progress: Option<&'a Progress<'a>>,
}

/// Gives the armored signature of a `repomd.xml` with a `revision`.
pub type SignMetadata<'a> = dyn Fn(&[u8], u64) -> Result<String, Box<dyn Error + Send + Sync>> + Sync + 'a;

impl Default for CreateOptions<'_> {
    fn default() -> Self {
        Self { compression: Compression::Zstd, epoch: None, changelogs: 10, sign: None, progress: None }
    }
}

impl fmt::Debug for CreateOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateOptions")
            .field("compression", &self.compression)
            .field("epoch", &self.epoch)
            .field("changelogs", &self.changelogs)
            .field("sign", &self.sign.is_some())
            .finish_non_exhaustive()
    }
}

/// What was made.
#[derive(Debug)]
pub struct Created {
    /// Number of packages.
    pub packages: usize,
    /// Bytes of the package files.
    pub package_bytes: u64,
    /// `revision` of `repomd.xml`.
    pub revision: u64,
    /// The files, `repomd.xml` last.
    pub files: Vec<PathBuf>,
    /// What is odd about packages.
    pub warnings: Vec<Finding>,
}

/// What is kept of a package.
struct Rendered {
    nevra: Nevra,
    checksum: Checksum,
    location: String,
    size: u64,
    build_time: u64,
    fragments: Fragments,
}

impl Rendered {
    fn identity(&self) -> Identity<'_> {
        Identity { nevra: &self.nevra, checksum: self.checksum, location: &self.location }
    }
}

/// Reads the RPMs below a folder and writes `repodata/` in it.
///
/// The new files are complete in another folder before they take the place of the old `repodata`, in one step where the file
/// system has one. All that was in the old one is gone then. With a mistake in a package nothing is changed.
///
/// # Errors
/// All that is wrong with the packages, or why the files cannot be written.
pub fn create(folder: &Path, options: &CreateOptions<'_>) -> Result<Created, Findings> {
    let mut findings = Findings::default();
    let files = folder::find_package_files(folder, &mut findings);
    let mut packages = folder::read_packages(
        &files,
        options.changelogs,
        |package| Rendered {
            fragments: Fragments::of(&package),
            nevra: package.package.nevra,
            checksum: package.checksum,
            location: package.location,
            size: package.size.package,
            build_time: package.time.build,
        },
        options.progress,
        &mut findings,
    );
    packages.par_sort_by(|a, b| folder::order(&a.identity(), &b.identity()));
    let mut keep = folder::keep_first(folder, packages.iter().map(Rendered::identity), &mut findings).into_iter();
    packages.retain(|_| keep.next().unwrap_or(true));
    if findings.has_errors() {
        findings.sort();
        return Err(findings);
    }
    let newest = packages.iter().map(|package| package.build_time).max();
    let revision = options.epoch.or(newest).unwrap_or_default();
    let fragments: Vec<&Fragments> = packages.iter().map(|package| &package.fragments).collect();
    let data: Vec<(Data, Vec<u8>)> = ["primary", "filelists", "other"]
        .par_iter()
        .enumerate()
        .map(|(which, kind)| {
            let plain = document(which, fragments.iter().copied());
            pack(kind, plain.as_bytes(), options.compression, revision)
        })
        .collect();
    match write(folder, data, revision, options.sign) {
        Ok(files) => Ok(Created {
            packages: packages.len(),
            package_bytes: packages.iter().map(|package| package.size).sum(),
            revision,
            files,
            warnings: findings.all,
        }),
        Err((path, problem)) => {
            findings.add(path, problem);
            Err(findings)
        }
    }
}

fn pack(kind: &str, plain: &[u8], compression: Compression, timestamp: u64) -> (Data, Vec<u8>) {
    let (packed, open_checksum) = rayon::join(|| compression.compress(plain), || Checksum::sha256(plain));
    let checksum = Checksum::sha256(&packed);
    let data = Data {
        kind: kind.to_owned(),
        checksum,
        open_checksum: Some(open_checksum),
        location: format!("repodata/{checksum}-{kind}.xml{}", compression.extension()),
        timestamp,
        size: Some(packed.len() as u64),
        open_size: Some(plain.len() as u64),
    };
    (data, packed)
}

/// Writes the files into a new folder, which then takes the place of `repodata`.
fn write(
    folder: &Path,
    data: Vec<(Data, Vec<u8>)>,
    revision: u64,
    sign: Option<&SignMetadata<'_>>,
) -> Result<Vec<PathBuf>, (PathBuf, Problem)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, Problem::Io(error))
    };
    let target = folder.join("repodata");
    // Readable for all, as far as the umask allows: web servers read it.
    let scratch = tempfile::Builder::new()
        .prefix(".repodata-")
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(folder)
        .map_err(at(folder))?;
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    for (one, packed) in data {
        files.push(folder.join(&one.location));
        contents.push((one, packed));
    }
    let store = |name: &Path, bytes: &[u8]| {
        let path = scratch.path().join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(at(&path))
    };
    for ((_, packed), path) in contents.iter().zip(&files) {
        store(Path::new(path.file_name().unwrap_or_default()), packed)?;
    }
    let repomd = Repomd { revision: revision.to_string(), data: contents.into_iter().map(|(one, _)| one).collect() };
    let repomd = repomd.to_xml();
    if let Some(sign) = sign {
        let wrong = |error: Box<dyn Error + Send + Sync>| {
            (target.join("repomd.xml.asc"), Problem::Signature { why: chain(&*error) })
        };
        let signature = sign(repomd.as_bytes(), revision).map_err(wrong)?;
        store(Path::new("repomd.xml.asc"), signature.as_bytes())?;
        files.push(target.join("repomd.xml.asc"));
    }
    store(Path::new("repomd.xml"), repomd.as_bytes())?;
    File::open(scratch.path()).and_then(|file| file.sync_all()).map_err(at(scratch.path()))?;
    // What was there before is in the scratch folder afterwards, and goes with it.
    bedplate_sys::replace::replace_folder(scratch.path(), &target).map_err(at(&target))?;
    File::open(folder).and_then(|file| file.sync_all()).map_err(at(folder))?;
    files.push(target.join("repomd.xml"));
    Ok(files)
}
