//! The image config, as types.

mod accounts;
mod boot;
mod files;
mod output;
mod packages;
mod storage;

pub use accounts::{Group, User};
pub use boot::{Boot, BootKind, CommandLine, Kernel, Modules, SysctlValue};
pub use files::{Directory, File, Link, Script, Services, System, Tmpfiles, TmpfilesAge, TmpfilesType};
pub use output::{
    LayerCompression, Oci, OciLayer, Output, OutputFormat, Qcow2Compression, Qcow2Options, RawZstOptions,
    TarCompression, TarOptions,
};
pub use packages::{Packages, Repository};
pub use storage::{
    Compression, FilesystemFeature, FilesystemKind, FormatOptions, Partition, PartitionLabel, PartitionType,
    RootAccess, Storage, Verity, WritableFolder,
};

use crate::forget::Forget;
use crate::grammar::LaterPath;
use crate::names::{ImageName, ImageVersion, SysctlKey};
use crate::shape::{section, words};
use crate::spanned::{Pairs, Spanned};

words! {
    /// The processor that the image is for.
    pub enum Architecture {
        /// 64-bit x86.
        X86_64 = "x86_64",
        /// 64-bit Arm.
        Aarch64 = "aarch64",
    }
}

section! {
    /// An image config says what is in an image and in which forms it is written. It is a TOML file; paths in it are relative to its folder.
    pub struct ImageConfig {
        /// Version of the format of this file. This program reads version 1.
        "version" => version: u32 = Default("1"), "1";
        /// Name of the image: the name of its files, and `IMAGE_ID` of its os-release.
        "name" => name: Spanned<ImageName> = Required, "\"node\"";
        /// Another config that this one continues; it may inherit in its turn. Tables are laid over those of that file, keys replace keys,
        /// lists are appended to its lists. A table of a list that has the same name (a user), path (a file) or type (a partition)
        /// changes the inherited one.
        "inherit" => inherit: Option<Spanned<LaterPath>> = Otherwise("the file stands alone"), "\"base.toml\"";
        /// What of the inherited config is not taken: a key, which is forgotten as a whole, or `key=item` for one item of a list
        /// or table. It happens before this file is laid over the other, so that a list that is forgotten can be written anew.
        "forget" => forget: Vec<Spanned<Forget>> = Otherwise("all is taken"), "[\"storage.partition\", \"packages.install=vim\", \"user=debug\"]";
        /// What the image is for, for people; `org.opencontainers.image.description` of an OCI image.
        "description" => description: Option<Spanned<String>> = Otherwise(""), "\"A small node\"";
        /// Version of the image: `IMAGE_VERSION` of its os-release, and part of the names of its files.
        "image-version" => image_version: Option<Spanned<ImageVersion>> = Otherwise("the image has no version"), "\"1.2.3\"";
        /// The processor that the image is for.
        "architecture" => architecture: Spanned<Architecture> = Default("\"x86_64\""), "\"aarch64\"";
        "packages" => packages: Packages = Otherwise(""), "";
        "repository" => repositories: Vec<Repository> = Otherwise("`bedplate image build` has to name one"), "";
        "system" => system: System = Otherwise(""), "";
        "user" => users: Vec<User> = Otherwise(""), "";
        "group" => groups: Vec<Group> = Otherwise(""), "";
        "file" => files: Vec<File> = Otherwise(""), "";
        "directory" => directories: Vec<Directory> = Otherwise(""), "";
        "link" => links: Vec<Link> = Otherwise(""), "";
        "services" => services: Services = Otherwise(""), "";
        "kernel" => kernel: Kernel = Otherwise(""), "";
        /// Settings of the kernel, as sysctl.d(5) has them: keys of your own, with a text or a number each.
        "sysctl" => sysctl: Pairs<SysctlKey, SysctlValue> = Otherwise(""), "{ \"net.ipv4.ip_forward\" = 1 }";
        "tmpfiles" => tmpfiles: Vec<Tmpfiles> = Otherwise(""), "";
        "script" => scripts: Vec<Script> = Otherwise(""), "";
        "storage" => storage: Storage = Otherwise(""), "";
        "boot" => boot: Boot = Otherwise(""), "";
        "output" => output: Output = Otherwise(""), "";
        "oci" => oci: Oci = Otherwise(""), "";
    }
}
