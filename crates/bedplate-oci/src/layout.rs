//! An OCI image layout: a folder of blobs.
//!
//! ```text
//! TARGET/
//!   oci-layout          the version of the layout
//!   index.json          the manifest, with its tag
//!   blobs/sha256/HEX    manifest, config, layers
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use bedplate_cas::{ActionEntry, Digest, Output, Store};
use bedplate_tree::{FileTree, write_archive};

use crate::compress::{Compression, Compressor};
use crate::document::{self, CONFIG, Descriptor, layer_type};
use crate::folder::Staging;
use crate::hashing::Hashing;
use crate::image::Name;
use crate::{Image, OciError};

/// Changes when the same layer would have other bytes.
const FORMAT: &str = "bedplate oci layer 1";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Of the manifest: this is the digest of the image.
    pub manifest: Digest,
    /// Of the config: this is the id of the image.
    pub config: Digest,
    /// From the lowest to the topmost.
    pub layers: Vec<WrittenLayer>,
}

/// A layer that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// Of the blob.
    pub digest: Digest,
    /// Of the archive that is compressed in it.
    pub archive: Digest,
}

/// Writes an image as an OCI image layout; an older layout at the target is replaced. Layers that were made before come out of the
/// store.
///
/// # Errors
///
/// See [`OciError`].
pub fn write_layout(store: &Store, image: &Image<'_>, target: &Path) -> Result<Written, OciError> {
    let tag = image.name.map(Name::parse).transpose()?.map(|name| name.tag);
    let staging = Staging::new(target, |there| there.join("oci-layout").is_file(), "OCI image layout")?;
    let blobs = staging.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(OciError::io("make", &blobs))?;
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let path = blobs.join(digest.hex());
        fs::write(&path, bytes).map_err(OciError::io("write", &path))?;
        Ok::<_, OciError>(digest)
    };
    let mut layers = Vec::with_capacity(image.layers.len());
    for layer in image.layers {
        let made = make_layer(store, &layer.with_whiteouts(store)?, image.compression)?;
        store.copy(&made.digest, &blobs.join(made.digest.hex()))?;
        layers.push(made);
    }
    let archives: Vec<Digest> = layers.iter().map(|layer| layer.archive).collect();
    let config = put(&document::config(image.config, image.layers, &archives))?;
    let media_type = layer_type(image.compression);
    let descriptors = layers.iter().map(|layer| Descriptor::new(media_type, layer.digest)).collect();
    let manifest = put(&document::manifest(Descriptor::new(CONFIG, config), descriptors, &image.config.annotations))?;
    let files = [
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json", document::index(manifest, image.config, tag)),
    ];
    for (name, bytes) in files {
        let path = staging.path().join(name);
        fs::write(&path, bytes).map_err(OciError::io("write", &path))?;
    }
    staging.publish(target)?;
    Ok(Written { manifest, config, layers })
}

/// A layer as a blob of the store, made if it is not there.
fn make_layer(store: &Store, tree: &FileTree, compression: Compression) -> Result<WrittenLayer, OciError> {
    let key = key(tree, &format!("{compression:?}"));
    if let Some(entry) = store.action(&key)?
        && let (Some(output), Some(archive)) = (entry.outputs.first(), archive_of(&entry))
    {
        return Ok(WrittenLayer { digest: output.digest, archive });
    }
    let work = store.work("oci-layer")?;
    let path = work.path().join("layer");
    let file = File::create(&path).map_err(OciError::io("write", &path))?;
    let target = Hashing::new(Compressor::new(compression, BufWriter::with_capacity(1 << 20, file)));
    let (archive, compressor) = write_archive(tree, store, target)?.finish();
    let finished = compressor.finish().and_then(|target| target.into_inner().map_err(io::IntoInnerError::into_error));
    finished.map_err(OciError::io("write", &path))?;
    let digest = store.put_file(&path)?;
    let output = Output { path: "layer".to_owned(), digest, executable: false };
    store.record(&key, &remembered(vec![output], archive))?;
    Ok(WrittenLayer { digest, archive })
}

/// The digest of a layer's archive, which is written nowhere.
pub(crate) fn archive_digest(store: &Store, tree: &FileTree) -> Result<Digest, OciError> {
    let key = key(tree, "archive");
    if let Some(archive) = store.action(&key)?.as_ref().and_then(archive_of) {
        return Ok(archive);
    }
    let (archive, _) = write_archive(tree, store, Hashing::new(io::sink()))?.finish();
    store.record(&key, &remembered(Vec::new(), archive))?;
    Ok(archive)
}

/// The name under which a layer is remembered.
fn key(tree: &FileTree, how: &str) -> Digest {
    Digest::of(format!("{FORMAT}\n{how}\n{}", tree.to_manifest()).as_bytes())
}

fn archive_of(entry: &ActionEntry) -> Option<Digest> {
    entry.about["archive"].as_str()?.parse().ok()
}

fn remembered(outputs: Vec<Output>, archive: Digest) -> ActionEntry {
    ActionEntry::assembled(outputs, Vec::new(), serde_json::json!({ "archive": archive }))
}
