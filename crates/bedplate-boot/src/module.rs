//! Kernel modules: which ones an initramfs takes along, and the indexes over them.
//!
//! Dependencies are read from the modules themselves (`.modinfo`), not from what `depmod` once wrote, so that they cannot be out of
//! date. Compressed modules are unpacked: the initramfs is compressed as a whole, which is smaller, and nothing has to be there
//! that unpacks them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use bedplate_cas::{Store, StoreError};
use bedplate_diag::Category;
use bedplate_tree::{FileTree, TreePath};

use crate::elf;
use crate::module_index::{Index, write_index};
use crate::tree_file::read_file;

/// The most bytes that a module may have when it is unpacked: a bound for what is not trusted.
const LARGEST_MODULE: u64 = 256 << 20;

/// A module that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedModule {
    /// Its name; `-` and `_` are the same.
    pub name: String,
    /// What happens if the kernel has it not.
    pub presence: Presence,
}

/// Whether something has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is an error if it is missing.
    Required,
    /// It is taken along if it is there: a driver of a machine that the image may or may not run on.
    Optional,
}

impl WantedModule {
    /// A module that has to be there.
    #[must_use]
    pub fn required(name: &str) -> Self {
        Self { name: name.to_owned(), presence: Presence::Required }
    }

    /// A module that is taken along if it is there.
    #[must_use]
    pub fn optional(name: &str) -> Self {
        Self { name: name.to_owned(), presence: Presence::Optional }
    }
}

/// Drivers of the disks of common virtual machines (Azure, KVM, Xen, VMware) and servers.
#[must_use]
pub fn disk_drivers() -> Vec<WantedModule> {
    const NAMES: [&str; 16] = [
        "ahci",
        "ata_piix",
        "hv_storvsc",
        "hv_vmbus",
        "mptspi",
        "nvme",
        "pci_hyperv",
        "scsi_mod",
        "sd_mod",
        "virtio_blk",
        "virtio_pci",
        "virtio_scsi",
        "vmw_pvscsi",
        "xen_blkfront",
        "megaraid_sas",
        "mpt3sas",
    ];
    NAMES.map(WantedModule::optional).into()
}

/// A module that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its name, with `_`.
    pub(crate) name: String,
    /// Its path below the folder of the kernel's modules, without the ending of a compression.
    pub(crate) path: String,
    /// Its content, unpacked.
    pub(crate) content: Vec<u8>,
    depends: Vec<String>,
    soft: Vec<String>,
    aliases: Vec<String>,
}

/// Why modules could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The image has no modules of this kernel.
    #[error("there is no folder `{0}`: the image has no modules of this kernel")]
    NoFolder(TreePath),
    /// A module or one of its indexes could not be had.
    #[error("failed to read `{path}`")]
    Read {
        /// The file of the image.
        path: TreePath,
        /// Why.
        source: StoreError,
    },
    /// A module is not what its name says.
    #[error("failed to unpack `{path}`")]
    Unpack {
        /// The file of the image.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// A module is no ELF file.
    #[error("`{path}` is no kernel module: {why}")]
    Format {
        /// The file of the image.
        path: TreePath,
        /// Why.
        why: String,
    },
}

impl ModuleError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Read { source, .. } => source.category(),
            Self::NoFolder(_) | Self::Unpack { .. } | Self::Format { .. } => Category::Input,
        }
    }
}

/// The modules of a kernel in an image.
#[derive(Debug)]
pub(crate) struct Modules<'a> {
    tree: &'a FileTree,
    store: &'a Store,
    folder: TreePath,
    by_name: BTreeMap<String, TreePath>,
    builtin: BTreeSet<String>,
    aliases: Vec<(String, String)>,
}

/// The modules that were asked for, with those that they need, and what was not found: the module and who needs it.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) missing: Vec<(String, String)>,
}

impl<'a> Modules<'a> {
    /// Looks at the modules in `folder` (`/usr/lib/modules/VERSION`).
    pub(crate) fn new(tree: &'a FileTree, store: &'a Store, folder: TreePath) -> Result<Self, ModuleError> {
        if tree.get(folder.as_str()).is_none() {
            return Err(ModuleError::NoFolder(folder));
        }
        let mut by_name = BTreeMap::new();
        for (path, _) in tree.below(&folder) {
            if let Some((name, _)) = path.name().split_once(".ko").filter(|(_, ending)| Packing::of(ending).is_some()) {
                by_name.insert(normal(name), path.clone());
            }
        }
        let mut modules = Self { tree, store, folder, by_name, builtin: BTreeSet::new(), aliases: Vec::new() };
        let builtin = modules.text("modules.builtin")?;
        modules.builtin =
            builtin.lines().filter_map(|line| Some(normal(line.rsplit('/').next()?.strip_suffix(".ko")?))).collect();
        let aliases = modules.text("modules.alias")?;
        modules.aliases = aliases
            .lines()
            .filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '))
            .map(|(alias, name)| (normal(alias), normal(name)))
            .collect();
        Ok(modules)
    }

    /// An index file of the kernel; empty if there is none.
    fn text(&self, name: &str) -> Result<String, ModuleError> {
        let Ok(path) = self.folder.join(name) else { return Ok(String::new()) };
        if self.tree.get(path.as_str()).is_none() {
            return Ok(String::new());
        }
        let bytes = read_file(self.tree, self.store, &path).map_err(|source| ModuleError::Read { path, source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Chooses modules, and what they need.
    pub(crate) fn choose(&self, wanted: &[WantedModule]) -> Result<Chosen, ModuleError> {
        let mut chosen = Chosen::default();
        let mut open: Vec<(String, Presence, String)> = wanted
            .iter()
            .map(|one| (normal(&one.name), one.presence, "the image config or its file systems".to_owned()))
            .collect();
        while let Some((name, presence, by)) = open.pop() {
            if self.builtin.contains(&name) || chosen.modules.contains_key(&name) {
                continue;
            }
            let Some(path) = self.by_name.get(&name) else {
                // What it asks for may be another name: `crc32c` is whatever computes that.
                let named: Vec<_> = self.aliases.iter().filter(|(alias, _)| *alias == name).collect();
                if named.is_empty() && presence == Presence::Required {
                    chosen.missing.push((name, by));
                } else {
                    open.extend(named.into_iter().map(|(_, module)| (module.clone(), Presence::Optional, by.clone())));
                }
                continue;
            };
            let module = self.read(&name, path)?;
            open.extend(module.depends.iter().map(|one| (one.clone(), Presence::Required, format!("module {name}"))));
            open.extend(module.soft.iter().map(|one| (one.clone(), Presence::Optional, format!("module {name}"))));
            chosen.modules.insert(name, module);
        }
        chosen.missing.sort();
        chosen.missing.dedup();
        Ok(chosen)
    }

    fn read(&self, name: &str, path: &TreePath) -> Result<Module, ModuleError> {
        let packed = read_file(self.tree, self.store, path)
            .map_err(|source| ModuleError::Read { path: path.clone(), source })?;
        let (stem, ending) = path.as_str().rsplit_once(".ko").unwrap_or((path.as_str(), ""));
        let content = Packing::of(ending)
            .unwrap_or(Packing::None)
            .unpack(packed)
            .map_err(|source| ModuleError::Unpack { path: path.clone(), source })?;
        let info = elf::module_info(&content)
            .map_err(|error| ModuleError::Format { path: path.clone(), why: error.to_string() })?;
        let mut module = Module {
            name: name.to_owned(),
            path: format!("{}.ko", stem.strip_prefix(self.folder.as_str()).unwrap_or(stem).trim_start_matches('/')),
            content,
            depends: Vec::new(),
            soft: Vec::new(),
            aliases: Vec::new(),
        };
        for (key, value) in info {
            match key.as_str() {
                "depends" => module.depends.extend(value.split(',').filter(|one| !one.is_empty()).map(normal)),
                "softdep" => {
                    let words = value.split_whitespace().filter(|word| !word.ends_with(':'));
                    module.soft.extend(words.map(normal));
                }
                "alias" => module.aliases.push(normal_alias(&value)),
                _ => {}
            }
        }
        Ok(module)
    }

    /// The indexes over the chosen modules and what is built in, by file name.
    pub(crate) fn indexes(&self, chosen: &Chosen) -> Result<Vec<(&'static str, Vec<u8>)>, ModuleError> {
        let (mut dependencies, mut aliases, mut text) = (Index::new(), Index::new(), String::new());
        let mut soft = String::new();
        for module in chosen.modules.values() {
            let mut needed = Vec::new();
            chosen.needed(module, &mut BTreeSet::new(), &mut needed);
            let mut line = format!("{}:", module.path);
            for path in needed.iter().rev() {
                line.push(' ');
                line.push_str(path);
            }
            text.push_str(&format!("{line}\n"));
            dependencies.insert(module.name.clone(), vec![line]);
            for alias in &module.aliases {
                aliases.entry(alias.clone()).or_default().push(module.name.clone());
            }
            if !module.soft.is_empty() {
                soft.push_str(&format!("softdep {} pre: {}\n", module.name, module.soft.join(" ")));
            }
        }
        let builtin: Index = self.builtin.iter().map(|name| (name.clone(), vec![String::new()])).collect();
        let mut builtin_aliases = Index::new();
        let info = self.text("modules.builtin.modinfo")?;
        for (key, value) in elf::modinfo_strings(info.as_bytes()) {
            if let Some(module) = key.strip_suffix(".alias") {
                builtin_aliases.entry(normal_alias(&value)).or_default().push(normal(module));
            }
        }
        Ok(vec![
            ("modules.alias.bin", write_index(&aliases)),
            ("modules.builtin.alias.bin", write_index(&builtin_aliases)),
            ("modules.builtin.bin", write_index(&builtin)),
            ("modules.dep", text.into_bytes()),
            ("modules.dep.bin", write_index(&dependencies)),
            ("modules.softdep", soft.into_bytes()),
        ])
    }
}

impl Chosen {
    /// Paths of all that a module needs, each behind what it needs itself.
    fn needed<'a>(&'a self, module: &'a Module, seen: &mut BTreeSet<&'a str>, found: &mut Vec<&'a str>) {
        for name in &module.depends {
            if let Some(other) = self.modules.get(name).filter(|other| seen.insert(&other.name)) {
                self.needed(other, seen, found);
                found.push(&other.path);
            }
        }
    }
}

/// Names of modules in the form in which the kernel has them.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// As [`normal`], but not within brackets, where `-` is a range.
fn normal_alias(alias: &str) -> String {
    let mut inside = false;
    let replace = |c: char| {
        inside = match c {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        if c == '-' && !inside { '_' } else { c }
    };
    alias.chars().map(replace).collect()
}

/// How a module's file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Xz,
    Zstd,
}

impl Packing {
    /// By what follows `.ko`.
    fn of(ending: &str) -> Option<Self> {
        match ending {
            "" => Some(Self::None),
            ".gz" => Some(Self::Gzip),
            ".xz" => Some(Self::Xz),
            ".zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    fn unpack(self, packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let read = |reader: &mut dyn Read| {
            let mut out = Vec::new();
            reader.take(LARGEST_MODULE + 1).read_to_end(&mut out)?;
            if out.len() as u64 > LARGEST_MODULE {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 256 MiB"));
            }
            Ok(out)
        };
        match self {
            Self::None => Ok(packed),
            Self::Gzip => read(&mut flate2::read::GzDecoder::new(packed.as_slice())),
            Self::Xz => read(&mut liblzma::read::XzDecoder::new(packed.as_slice())),
            Self::Zstd => read(&mut zstd::stream::read::Decoder::new(packed.as_slice())?),
        }
    }
}
