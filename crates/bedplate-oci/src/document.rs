//! The JSON documents of an image, by the OCI image specification 1.1. Keys are sorted, and nothing depends on a hash table: the
//! types of the crate `oci-spec` keep annotations and labels in tables without an order.

use std::collections::BTreeMap;

use bedplate_cas::Digest;
use serde::Serialize;

use crate::compress::Compression;
use crate::image::ImageConfig;
use crate::layer::Layer;

/// The media type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of an index.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The media type of a config.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The media type of a layer.
pub(crate) fn layer_type(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "application/vnd.oci.image.layer.v1.tar",
        Compression::Gzip(_) => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd(_) => "application/vnd.oci.image.layer.v1.tar+zstd",
    }
}

/// A reference to a blob.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

#[derive(Debug, Serialize)]
struct Platform {
    architecture: String,
    os: &'static str,
}

impl Descriptor {
    pub(crate) fn new(media_type: &'static str, digest: Digest) -> Self {
        Self { media_type, digest: name(&digest), size: digest.size, annotations: BTreeMap::new(), platform: None }
    }
}

/// `sha256:HEX`.
pub(crate) fn name(digest: &Digest) -> String {
    format!("sha256:{}", digest.hex())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// The manifest.
pub(crate) fn manifest(config: Descriptor, layers: Vec<Descriptor>, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    json(&Manifest { schema_version: 2, media_type: MANIFEST, config, layers, annotations })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

/// The index of a layout with one manifest, under a tag if it has a name.
pub(crate) fn index(manifest: Digest, config: &ImageConfig, tag: Option<&str>) -> Vec<u8> {
    let mut descriptor = Descriptor::new(MANIFEST, manifest);
    descriptor.platform = Some(Platform { architecture: config.go_architecture().to_owned(), os: "linux" });
    if let Some(tag) = tag {
        descriptor.annotations.insert("org.opencontainers.image.ref.name".to_owned(), tag.to_owned());
    }
    json(&Index { schema_version: 2, media_type: INDEX, manifests: vec![descriptor] })
}

#[derive(Serialize)]
struct Config<'a> {
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    architecture: &'a str,
    os: &'static str,
    config: Run<'a>,
    rootfs: RootFs,
    history: Vec<History<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Run<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<&'a str, Nothing>,
    #[serde(skip_serializing_if = "is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<&'a str, Nothing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
}

/// `{}`: a set is a map to nothing there.
#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: String,
    created_by: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    comment: &'a str,
}

fn is_empty(list: &&[String]) -> bool {
    list.is_empty()
}

/// The config, given the digests of the layers' archives.
pub(crate) fn config(config: &ImageConfig, layers: &[Layer], archives: &[Digest]) -> Vec<u8> {
    let created = rfc_3339(config.created);
    let set = |list: &'_ [String]| -> Vec<String> { list.to_vec() };
    let (ports, volumes) = (set(&config.exposed_ports), set(&config.volumes));
    json(&Config {
        created: created.clone(),
        author: config.author.as_deref(),
        architecture: config.go_architecture(),
        os: "linux",
        config: Run {
            user: config.user.as_deref(),
            exposed_ports: ports.iter().map(|port| (port.as_str(), Nothing {})).collect(),
            env: &config.environment,
            entrypoint: &config.entrypoint,
            cmd: &config.command,
            volumes: volumes.iter().map(|folder| (folder.as_str(), Nothing {})).collect(),
            working_dir: config.working_directory.as_deref(),
            labels: &config.labels,
            stop_signal: config.stop_signal.as_deref(),
        },
        rootfs: RootFs { kind: "layers", diff_ids: archives.iter().map(name).collect() },
        history: layers
            .iter()
            .map(|layer| History { created: created.clone(), created_by: "bedplate", comment: &layer.comment })
            .collect(),
    })
}

pub(crate) fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("texts, numbers and lists of them are JSON")
}

/// `2023-11-14T22:13:20Z`.
fn rfc_3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    // Years begin in March here, so that the leap day is their last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc_3339(seconds), expected);
        }
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let small = ImageConfig { architecture: "x86_64".to_owned(), ..ImageConfig::default() };
        assert_eq!(
            String::from_utf8(config(&small, &[], &[])).unwrap(),
            r#"{"created":"1970-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]},"history":[]}"#
        );
        let full = ImageConfig {
            exposed_ports: vec!["80/tcp".to_owned()],
            entrypoint: vec!["/init".to_owned()],
            labels: [("b", "2"), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..small
        };
        let text = String::from_utf8(config(&full, &[], &[])).unwrap();
        let run = r#""config":{"ExposedPorts":{"80/tcp":{}},"Entrypoint":["/init"],"Labels":{"a":"1","b":"2"}}"#;
        assert!(text.contains(run), "{text}");
    }
}
