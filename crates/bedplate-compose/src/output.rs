//! Writes the image in its forms, and what it says of itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bedplate_cas::Digest;
use bedplate_disk::{Format, Packing, Target, Unnamed, WriteOptions, Written};
use bedplate_image_config::{ImageConfig, OutputFormat, Qcow2Compression};
use bedplate_tree::FileTree;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::compose::{Drive, show};
use crate::manifest::{Manifest, OutputFacts};
use crate::step::Steps;
use crate::trust::Checksums;
use crate::{ComposeError, Request, Timing, container};

/// How hard the list of files is packed: beyond this, more time is spent than bytes are saved.
const LIST_LEVEL: i32 = 3;

/// What the names of an image's files begin with.
pub(crate) fn name_of(config: &ImageConfig) -> String {
    if let Some(name) = &config.output.name {
        return name.to_string();
    }
    match &config.image_version {
        Some(version) => format!("{}-{version}", *config.name),
        None => config.name.to_string(),
    }
}

/// The format of a disk, as its writer has it, and how it is packed.
fn disk_format(format: OutputFormat, config: &ImageConfig) -> Option<(Format, Option<Packing>)> {
    Some(match format {
        OutputFormat::Raw => (Format::Raw, None),
        OutputFormat::RawZst => (Format::RawZstd, Some(Packing::Zstd(config.output.raw_zst.level.0))),
        OutputFormat::VhdFixed => (Format::VhdFixed, None),
        OutputFormat::VhdDynamic => (Format::VhdDynamic, None),
        OutputFormat::Vhdx => (Format::Vhdx, None),
        OutputFormat::Qcow2 => {
            let packing = match *config.output.qcow2.compression {
                Qcow2Compression::None => None,
                Qcow2Compression::Zlib => Some(Packing::Zlib(0)),
                Qcow2Compression::Zstd => Some(Packing::Zstd(0)),
            };
            (Format::Qcow2, packing)
        }
        OutputFormat::Oci | OutputFormat::DockerArchive | OutputFormat::Tar | OutputFormat::Directory => return None,
    })
}

/// The name of the file or folder of a format.
fn file_name(name: &str, format: OutputFormat, config: &ImageConfig) -> String {
    let both_vhd = config.output.formats.iter().any(|one| **one == OutputFormat::VhdFixed);
    match (format, disk_format(format, config)) {
        (OutputFormat::VhdDynamic, _) if both_vhd => format!("{name}.dynamic.vhd"),
        (_, Some((disk, _))) => format!("{name}.{}", disk.extension()),
        (OutputFormat::Oci, _) => format!("{name}.oci"),
        (OutputFormat::DockerArchive, _) => format!("{name}.docker.tar"),
        (OutputFormat::Tar, _) => format!("{name}.tar{}", container::tar_compression(config).suffix()),
        (_, None) => format!("{name}.root"),
    }
}

/// Writes all forms, the list of files (`list` is the tree as text) and the manifest, which comes last: where it is, the image is whole.
pub(crate) fn write(
    request: &Request<'_>,
    tree: &FileTree,
    list: &str,
    drive: Option<&Drive>,
    mut manifest: Manifest,
    steps: &Steps<'_>,
) -> Result<(Manifest, PathBuf), ComposeError> {
    let (config, folder) = (request.config, request.output);
    let name = name_of(config);
    let _folders = NewFolders::make(folder)?;
    let manifest_path = folder.join(format!("{name}.manifest.json"));
    let mut targets = Vec::new();
    for format in request.formats {
        if let Some((disk, packing)) = disk_format(*format, config) {
            let path = folder.join(file_name(&name, *format, config));
            targets.push((*format, Target { path, format: disk, packing }));
        }
    }
    let checksums = Checksums::new(request.packages);
    let mut unnamed = None;
    if let (Some(drive), false) = (drive, targets.is_empty()) {
        let all: Vec<Target> = targets.iter().map(|(_, target)| target.clone()).collect();
        let epoch = u64::try_from(request.epoch).unwrap_or_default();
        let options = WriteOptions { epoch, identity: drive.guid };
        unnamed = Some(steps.run(
            "disk",
            || bedplate_disk::write(&drive.disk, &all, options, &|| checksums.one()),
            |_| format!("{} as {}", show(drive.disk.size()), words(targets.iter().map(|(format, _)| format.word()))),
        )?);
    }
    let count = request.packages.len();
    steps.run("checksums", || checksums.finish(request.cancel), |()| format!("{count} packages"))?;
    // The old manifest does not describe what is written now.
    match fs::remove_file(&manifest_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(ComposeError::io("replace", &manifest_path)(error));
        }
        _ => {}
    }
    let written = unnamed.map(Unnamed::persist).transpose()?.unwrap_or_default();
    let facts: Vec<Result<OutputFacts, ComposeError>> = targets
        .par_iter()
        .zip(written)
        .map(|((format, target), written)| disk_facts(*format, &target.path, written))
        .collect();
    for one in facts {
        manifest.outputs.push(one?);
    }
    for format in request.formats.iter().copied().filter(|format| !format.is_disk()) {
        let path = folder.join(file_name(&name, format, config));
        let written = steps.run(
            format.word(),
            || container::write(request, tree, format, &path),
            |written| match written.lacks.as_slice() {
                [] => "done".to_owned(),
                lacks => format!("it lacks what only root can give: {}", lacks.join(", ")),
            },
        )?;
        manifest.outputs.push(match format {
            OutputFormat::Tar | OutputFormat::DockerArchive => file_facts(format, &path)?,
            _ => OutputFacts {
                format: format.word().to_owned(),
                file: file_name(&name, format, config),
                size: None,
                sha256: written.sha256,
            },
        });
    }
    let list_path = folder.join(format!("{name}.files.zst"));
    let packed = zstd::encode_all(list.as_bytes(), LIST_LEVEL).map_err(ComposeError::io("pack", &list_path))?;
    let mut text = serde_json::to_string_pretty(&manifest).expect("texts and numbers are JSON");
    text.push('\n');
    replace(&[(&list_path, &packed), (&manifest_path, text.as_bytes())])?;
    Ok((manifest, manifest_path))
}

/// Folders that were made for the output. If nothing came into them, they are gone again.
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(folder: &Path) -> Result<Self, ComposeError> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing = folder.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        fs::create_dir_all(folder).map_err(ComposeError::io("make the folder", folder))?;
        Ok(Self(missing))
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        // One that is not empty stays.
        let _ = self.0.iter().try_for_each(fs::remove_dir);
    }
}

fn words<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

/// Of a file that was not hashed while it was written, it is hashed now.
fn disk_facts(format: OutputFormat, path: &Path, written: Option<Written>) -> Result<OutputFacts, ComposeError> {
    match written {
        Some(Written { size, sha256 }) => Ok(facts(format, path, Digest { hash: sha256, size })),
        None => file_facts(format, path),
    }
}

fn file_facts(format: OutputFormat, path: &Path) -> Result<OutputFacts, ComposeError> {
    let failed = || ComposeError::io("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).map_err(failed())?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
    Ok(facts(format, path, Digest { hash: hasher.finalize().into(), size }))
}

fn facts(format: OutputFormat, path: &Path, digest: Digest) -> OutputFacts {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    OutputFacts { format: format.word().to_owned(), file: name, size: Some(digest.size), sha256: Some(digest.hex()) }
}

/// Writes small files, each as a whole, the last one last.
fn replace(files: &[(&Path, &[u8])]) -> Result<(), ComposeError> {
    // Synced at once, they wait for the machine's disk once.
    files.par_iter().try_for_each(|(path, bytes)| {
        let write = || {
            let mut file = File::create(beside(path))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(ComposeError::io("write", path))
    })?;
    files.iter().try_for_each(|(path, _)| fs::rename(beside(path), path).map_err(ComposeError::io("write", path)))
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// How long the steps took goes beside the manifest, which is the same each time.
pub(crate) fn write_timings(manifest: &Path, timings: &[Timing], seconds: f64) -> Result<(), ComposeError> {
    let name = manifest.file_name().unwrap_or_default().to_string_lossy().replace(".manifest.json", ".timings.json");
    let text = serde_json::json!({"version": 1, "seconds": seconds, "steps": timings});
    let path = manifest.with_file_name(name);
    // Nothing is lost with it, so it is not synced.
    let written = fs::write(beside(&path), format!("{text:#}\n")).and_then(|()| fs::rename(beside(&path), &path));
    written.map_err(ComposeError::io("write", &path))
}
