//! An archive for `docker load` and `podman load`, in the form of `docker save`.
//!
//! ```text
//! manifest.json     config, names and layers
//! repositories      names, for old readers
//! HEX.json          config; HEX is its digest, the id of the image
//! HEX.tar           a layer, not compressed; HEX is its digest
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use bedplate_cas::{Digest, Store};
use bedplate_tree::write_archive;
use serde::Serialize;
use tar::Header;

use crate::document;
use crate::folder::StagedFile;
use crate::image::Name;
use crate::layout::archive_digest;
use crate::{Image, OciError, Written, WrittenLayer};

const BLOCK: usize = 512;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes an image as an archive for `docker load`. Its config is that of the layout of the same image, byte for byte. The manifest is
/// one of docker: its digest is not that of the layout.
///
/// # Errors
///
/// See [`OciError`].
pub fn write_docker_archive(store: &Store, image: &Image<'_>, target: &Path) -> Result<Written, OciError> {
    let name = image.name.map(Name::parse).transpose()?;
    let mut trees = Vec::with_capacity(image.layers.len());
    let mut archives = Vec::with_capacity(image.layers.len());
    for layer in image.layers {
        let tree = layer.with_whiteouts(store)?;
        archives.push(archive_digest(store, &tree)?);
        trees.push(tree);
    }
    let config = document::config(image.config, image.layers, &archives);
    let config_digest = Digest::of(&config);
    let manifest = document::json(&[Manifest {
        config: format!("{}.json", config_digest.hex()),
        repo_tags: name.iter().map(|name| format!("{}:{}", name.repository, name.tag)).collect(),
        layers: archives.iter().map(|archive| format!("{}.tar", archive.hex())).collect(),
    }]);
    let repositories: BTreeMap<&str, BTreeMap<&str, String>> = match (&name, archives.last()) {
        (Some(name), Some(top)) => [(name.repository, [(name.tag, top.hex())].into())].into(),
        _ => BTreeMap::new(),
    };

    let staged = StagedFile::new(target)?;
    let io = || OciError::io("write", target);
    let mut out = Archive {
        target: BufWriter::with_capacity(1 << 20, staged.file()),
        time: u64::try_from(image.config.created).unwrap_or(0),
    };
    out.put(&format!("{}.json", config_digest.hex()), &config).map_err(io())?;
    let mut written = BTreeSet::new();
    for (tree, archive) in trees.iter().zip(&archives) {
        // Two layers may be the same.
        if written.insert(*archive) {
            out.begin(&format!("{}.tar", archive.hex()), archive.size).map_err(io())?;
            write_archive(tree, store, &mut out.target)?;
            out.end(archive.size).map_err(io())?;
        }
    }
    out.put("manifest.json", &manifest).map_err(io())?;
    out.put("repositories", &document::json(&repositories)).map_err(io())?;
    out.target.write_all(&[0; 2 * BLOCK]).and_then(|()| out.target.flush()).map_err(io())?;
    drop(out);
    staged.publish(target)?;
    let layers = archives.iter().map(|archive| WrittenLayer { digest: *archive, archive: *archive }).collect();
    Ok(Written { manifest: Digest::of(&manifest), config: config_digest, layers })
}

struct Archive<'a> {
    target: BufWriter<&'a File>,
    time: u64,
}

impl Archive<'_> {
    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(name, bytes.len() as u64)?;
        self.target.write_all(bytes)?;
        self.end(bytes.len() as u64)
    }

    fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        header.set_mtime(self.time);
        header.set_cksum();
        self.target.write_all(header.as_bytes())
    }

    /// Fills the last block.
    fn end(&mut self, size: u64) -> io::Result<()> {
        let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
        if over > 0 { self.target.write_all(&[0; BLOCK][over..]) } else { Ok(()) }
    }
}
