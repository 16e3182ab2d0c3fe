//! The forms of an image.

use crate::names::{ItemName, LabelKey, OciReference, PackagePattern, VariableName};
use crate::paths::ImagePath;
use crate::shape::{Bounded, Whole, section, words};
use crate::spanned::{Pairs, Spanned};

words! {
    /// A form of an image.
    pub enum OutputFormat {
        /// The disk, byte by byte; a sparse file.
        Raw = "raw",
        /// The disk, compressed with Zstandard.
        RawZst = "raw-zst",
        /// VHD of fixed size, a whole number of MiB, as Azure demands.
        VhdFixed = "vhd-fixed",
        /// VHD that only holds what is not zero.
        VhdDynamic = "vhd-dynamic",
        /// VHDX that only holds what is not zero.
        Vhdx = "vhdx",
        /// Disk of QEMU.
        Qcow2 = "qcow2",
        /// OCI image, as a folder in the layout of the OCI image specification.
        Oci = "oci",
        /// OCI image, as an archive for `docker load`.
        DockerArchive = "docker-archive",
        /// The tree of files as a tar archive.
        Tar = "tar",
        /// The tree of files as a folder.
        Directory = "directory",
    }
}

impl OutputFormat {
    /// True for forms that are a disk with partitions.
    #[must_use]
    pub fn is_disk(self) -> bool {
        matches!(self, Self::Raw | Self::RawZst | Self::VhdFixed | Self::VhdDynamic | Self::Vhdx | Self::Qcow2)
    }

    /// True for forms that have a configuration of a container.
    #[must_use]
    pub fn is_container(self) -> bool {
        matches!(self, Self::Oci | Self::DockerArchive)
    }
}

words! {
    /// How a tar archive is compressed.
    pub enum TarCompression {
        /// Not at all.
        None = "none",
        /// gzip.
        Gzip = "gzip",
        /// Zstandard.
        Zstd = "zstd",
    }
}

words! {
    /// How layers of an OCI image are compressed.
    pub enum LayerCompression {
        /// gzip, which every tool reads.
        Gzip = "gzip",
        /// Zstandard.
        Zstd = "zstd",
    }
}

words! {
    /// How clusters of a qcow2 disk are compressed.
    pub enum Qcow2Compression {
        /// Not at all.
        None = "none",
        /// zlib, which every QEMU reads.
        Zlib = "zlib",
        /// Zstandard; needs QEMU 5.1.
        Zstd = "zstd",
    }
}

section! {
    /// In which forms the image is written.
    pub struct Output {
        /// The forms. All are made of the same tree.
        "formats" => formats: Vec<Spanned<OutputFormat>> = Otherwise("`bedplate image build --format` has to name one"), "[\"vhd-fixed\", \"oci\"]";
        /// What the names of its files begin with.
        "name" => name: Option<Spanned<ItemName>> = Otherwise("name and version of the image with `-` between them"), "\"node-1.2.3\"";
        "raw-zst" => raw_zst: RawZstOptions = Otherwise(""), "";
        "qcow2" => qcow2: Qcow2Options = Otherwise(""), "";
        "tar" => tar: TarOptions = Otherwise(""), "";
    }
}

section! {
    /// Options of `raw-zst`.
    pub struct RawZstOptions {
        /// How hard the compression tries, from 1 to 22.
        "level" => level: Spanned<Bounded<1, 22>> = Default("3"), "19";
    }
}

section! {
    /// Options of `qcow2`.
    pub struct Qcow2Options {
        /// How clusters are compressed.
        "compression" => compression: Spanned<Qcow2Compression> = Default("\"none\""), "\"zstd\"";
    }
}

section! {
    /// Options of `tar`.
    pub struct TarOptions {
        /// How the archive is compressed.
        "compression" => compression: Spanned<TarCompression> = Default("\"none\""), "\"zstd\"";
    }
}

section! {
    /// What an OCI image says about itself.
    pub struct Oci {
        /// The name and tag that it is found by: `org.opencontainers.image.ref.name`, and the tag of a docker archive.
        "reference" => reference: Option<Spanned<OciReference>> = Otherwise("name and version of the image with `:` between them"), "\"example.com/node:1.2.3\"";
        /// Labels of the container.
        "labels" => labels: Pairs<LabelKey, String> = Otherwise(""), "{ \"org.opencontainers.image.vendor\" = \"Example\" }";
        /// Annotations of the manifest.
        "annotations" => annotations: Pairs<LabelKey, String> = Otherwise(""), "{ \"org.opencontainers.image.source\" = \"https://example.com/node\" }";
        /// The command that a container starts, which arguments are added to.
        "entrypoint" => entrypoint: Whole<Spanned<String>> = Otherwise(""), "[\"/usr/lib/systemd/systemd\"]";
        /// Arguments of the entrypoint, or a command, which a user may replace.
        "command" => command: Whole<Spanned<String>> = Otherwise(""), "[\"/bin/bash\"]";
        /// Variables of its environment.
        "environment" => environment: Pairs<VariableName, String> = Otherwise("`PATH` with the usual folders"), "{ LANG = \"C.UTF-8\" }";
        /// The user, and after a colon the group, that the command runs as: names or numbers.
        "user" => user: Option<Spanned<String>> = Otherwise("root"), "\"1000:1000\"";
        /// The folder that the command starts in.
        "working-directory" => working_directory: Option<Spanned<ImagePath>> = Otherwise("`/`"), "\"/srv\"";
        /// The signal that stops a container.
        "stop-signal" => stop_signal: Option<Spanned<String>> = Otherwise("`SIGTERM`"), "\"SIGRTMIN+3\"";
        /// How layers are compressed.
        "compression" => compression: Spanned<LayerCompression> = Default("\"gzip\""), "\"zstd\"";
        "layer" => layers: Vec<OciLayer> = Otherwise("all is in one layer"), "";
    }
}

section! {
    /// A layer of its own for what changes seldom. A file is in the first layer that asks for it, and in a last one if none does.
    pub struct OciLayer ["name"] {
        /// Its name in the history of the image.
        "name" => name: Spanned<ItemName> = Required, "\"base\"";
        /// Packages whose files are in it.
        "packages" => packages: Vec<Spanned<PackagePattern>> = Otherwise(""), "[\"glibc*\", \"filesystem\"]";
        /// Folders and files that are in it, with all below.
        "paths" => paths: Vec<Spanned<ImagePath>> = Otherwise(""), "[\"/usr/lib/firmware\"]";
    }
}
