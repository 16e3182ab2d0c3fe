//! The forms that are no disk: OCI images, archives, folders.

use std::path::Path;

use bedplate_image_config::{ImageConfig, LayerCompression, OciLayer, OutputFormat, TarCompression};
use bedplate_oci::{
    Compression, Group, Image, ImageConfig as Container, Layer, OciError, split, write_docker_archive, write_folder,
    write_layout, write_root_archive,
};
use bedplate_tree::FileTree;

use crate::{ComposeError, Request};

/// Levels that pack well in a moment: an image is made more often than it is shipped.
const GZIP: u32 = 6;
const ZSTD: i32 = 3;
/// What finds programs where a container names none.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What names a form: the digest of the image's manifest, or that of the file.
pub(crate) struct WrittenForm {
    pub(crate) sha256: Option<String>,
    /// What the form lacks because the system did not let us.
    pub(crate) lacks: Vec<String>,
}

/// Writes the tree in a form that is no disk.
pub(crate) fn write(
    request: &Request<'_>,
    tree: &FileTree,
    format: OutputFormat,
    target: &Path,
) -> Result<WrittenForm, ComposeError> {
    let (store, config) = (request.store, request.config);
    let whole = |sha256: String| WrittenForm { sha256: Some(sha256), lacks: Vec::new() };
    Ok(match format {
        OutputFormat::Oci | OutputFormat::DockerArchive => {
            let layers = layers(tree, &config.oci.layers)?;
            let container = container(config, request.epoch);
            let reference = reference(config);
            let compression = match *config.oci.compression {
                LayerCompression::Gzip => Compression::Gzip(GZIP),
                LayerCompression::Zstd => Compression::Zstd(ZSTD),
            };
            let image = Image { layers: &layers, config: &container, compression, name: Some(&reference) };
            if format == OutputFormat::Oci {
                whole(write_layout(store, &image, target)?.manifest.hex())
            } else {
                write_docker_archive(store, &image, target)?;
                WrittenForm { sha256: None, lacks: Vec::new() }
            }
        }
        OutputFormat::Tar => whole(write_root_archive(store, tree, tar_compression(config), target)?.hex()),
        _ => {
            let is_ours = |there: &Path| there.join("usr").is_dir() && there.join("etc").is_dir();
            let lacks = write_folder(store, tree, target, is_ours)?;
            WrittenForm { sha256: None, lacks: lacks.iter().map(ToString::to_string).collect() }
        }
    })
}

/// How the archive of the tree is packed.
pub(crate) fn tar_compression(config: &ImageConfig) -> Compression {
    match *config.output.tar.compression {
        TarCompression::None => Compression::None,
        TarCompression::Gzip => Compression::Gzip(GZIP),
        TarCompression::Zstd => Compression::Zstd(ZSTD),
    }
}

fn layers(tree: &FileTree, wanted: &[OciLayer]) -> Result<Vec<Layer>, OciError> {
    let group = |layer: &OciLayer| Group {
        name: layer.name.to_string(),
        paths: layer.paths.iter().filter_map(|path| path.as_str().parse().ok()).collect(),
        origins: layer.packages.iter().map(ToString::to_string).collect(),
    };
    let groups: Vec<Group> = wanted.iter().map(group).collect();
    split(tree, &groups, "files")
}

/// The name and tag that the image is found by.
fn reference(config: &ImageConfig) -> String {
    if let Some(reference) = &config.oci.reference {
        return reference.to_string();
    }
    let tag = config.image_version.as_ref().map_or("latest".to_owned(), ToString::to_string);
    // A tag has no `+`, which versions may have.
    format!("{}:{}", config.name.to_string().to_lowercase(), tag.replace('+', "-"))
}

fn container(config: &ImageConfig, epoch: i64) -> Container {
    let oci = &config.oci;
    let mut environment: Vec<String> =
        oci.environment.iter().map(|(name, value)| format!("{}={}", name.value, value.value)).collect();
    if !environment.iter().any(|one| one.starts_with("PATH=")) {
        environment.insert(0, PATH.to_owned());
    }
    let mut annotations: std::collections::BTreeMap<String, String> =
        oci.annotations.iter().map(|(key, value)| (key.to_string(), value.value.clone())).collect();
    let mut say = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            annotations.entry(format!("org.opencontainers.image.{key}")).or_insert(value);
        }
    };
    say("title", Some(config.name.to_string()));
    say("version", config.image_version.as_ref().map(ToString::to_string));
    say("description", config.description.as_ref().map(ToString::to_string));
    Container {
        architecture: config.architecture.word().to_owned(),
        created: epoch,
        author: None,
        user: oci.user.as_ref().map(ToString::to_string),
        environment,
        entrypoint: oci.entrypoint.0.iter().map(ToString::to_string).collect(),
        command: oci.command.0.iter().map(ToString::to_string).collect(),
        working_directory: oci.working_directory.as_ref().map(ToString::to_string),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        stop_signal: oci.stop_signal.as_ref().map(ToString::to_string),
        labels: oci.labels.iter().map(|(key, value)| (key.to_string(), value.value.clone())).collect(),
        annotations,
    }
}
