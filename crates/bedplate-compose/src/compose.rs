//! The compose: its steps in their fixed order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedplate_cas::{Digest, Store, WorkFolder};
use bedplate_customise::{Editor, Programs, Request as Customisation, Specifiers, create_system_users, customise};
use bedplate_diag::{Diagnostic, Sources};
use bedplate_disk::{Disk, Uuid};
use bedplate_filesystem::Context;
use bedplate_image_config::{BootKind, ImageConfig, OutputFormat};
use bedplate_install::{Color, DatabaseOptions, add_database};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_sign::CertificateSigner;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};

use crate::boot::{self, BootFacts};
use crate::install::{Installed, install, provided_users};
use crate::manifest::{self, MANIFEST_VERSION, Manifest, NamedDigest, TreeFacts};
use crate::partitions::{self, Identity, Partition, PartitionFacts};
use crate::step::Steps;
use crate::{BuiltFrom, ComposeError, Listener, PackageSource, Selected, Timing, output, scripts, trust, verity};

/// Why a root of the seed is not there, for people.
pub type SeedFailure = Box<dyn std::error::Error + Send + Sync>;

/// A root with programs that make parts of an image.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The folder.
    pub root: PathBuf,
    /// Names what is in it: part of the keys of all that is made with it.
    pub digest: Digest,
    /// Its packages, with versions.
    pub packages: Vec<String>,
}

/// What is composed, and with what.
pub struct Request<'a> {
    /// The image config.
    pub config: &'a ImageConfig,
    /// The files that it was read from.
    pub config_files: Vec<NamedDigest>,
    /// The packages.
    pub packages: &'a [Selected],
    /// The repositories that they are of.
    pub repositories: &'a [PackageSource<'a>],
    /// Where contents and results of steps are kept.
    pub store: &'a Store,
    /// Who keeps sandboxes.
    pub helper: &'a Helper,
    /// Ends the compose early.
    pub cancel: &'a Cancel,
    /// The key that signs root hashes of partitions with `verity = "signed"`. Nothing else of the image depends on it.
    pub verity_signer: Option<&'a dyn CertificateSigner>,
    /// Gives the root of a group of the seed: `images` has the programs that make file systems, `rpm` has rpm's Lua.
    pub seed: &'a dyn Fn(&str) -> Result<Tools, SeedFailure>,
    /// The time of the image, in seconds since 1970.
    pub epoch: i64,
    /// In which forms it is written.
    pub formats: &'a [OutputFormat],
    /// The folder for the image. It is made.
    pub output: &'a Path,
    /// Name and version of the program.
    pub tool: String,
    /// Knows which packages were built here; none of others.
    pub built: &'a dyn Fn(&Selected) -> Option<BuiltFrom>,
    /// Hears how far it is.
    pub listener: Listener<'a>,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("image", &self.config.name.value)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// An image.
#[derive(Debug)]
pub struct Composed {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where that is.
    pub manifest_path: PathBuf,
    /// What is odd about it.
    pub warnings: Vec<Diagnostic>,
    /// How long each step took.
    pub timings: Vec<Timing>,
    /// How long all took, in seconds.
    pub seconds: f64,
}

/// Where file systems are made.
pub(crate) struct Workshop<'a> {
    pub(crate) store: &'a Store,
    pub(crate) work: WorkFolder,
    pub(crate) epoch: i64,
    /// Of the tools; of nothing if none are needed.
    pub(crate) tools_digest: Digest,
    pub(crate) verity_signer: Option<&'a dyn CertificateSigner>,
    tools: &'a Path,
    helper: &'a Helper,
    cancel: &'a Cancel,
}

impl Workshop<'_> {
    pub(crate) fn filesystem_context(&self) -> Context<'_> {
        Context { store: self.store, tools: self.tools, helper: self.helper, cancel: self.cancel }
    }
}

/// Composes an image. `sources` are the texts of its config; texts of files in packages that have mistakes are added.
///
/// # Errors
///
/// See [`ComposeError`]. Nothing is written to the output folder then.
pub fn compose(request: &Request<'_>, sources: &mut Sources) -> Result<Composed, ComposeError> {
    run_steps(request, sources).map_err(|error| trust::cause(error, request))
}

/// All steps in their order.
fn run_steps(request: &Request<'_>, sources: &mut Sources) -> Result<Composed, ComposeError> {
    let config = request.config;
    let steps = Steps::new(request.listener);
    let stop = || if request.cancel.is_cancelled() { Err(ComposeError::Cancelled) } else { Ok(()) };

    let unused_key = verity::check_key(request)?;
    steps.run(
        "signatures",
        || trust::check_signatures(request),
        |()| format!("{} packages", request.packages.len()),
    )?;
    let Installed { packages, scripted, placed, mut warnings } = steps.run(
        "install",
        || install(request.store, request.packages, config, request.epoch),
        |installed| format!("{} files of {} packages", installed.placed.tree.len(), installed.packages.len()),
    )?;
    warnings.extend(unused_key);
    stop()?;
    let provided = provided_users(&scripted);
    let color = Color::of_arch(config.architecture.word());
    let mut with_database = placed;
    let refs: Vec<&bedplate_install::Package> = packages.iter().collect();
    steps.run(
        "rpm database",
        || add_database(request.store, &refs, &mut with_database, &DatabaseOptions::new(request.epoch, color)),
        |()| "done".to_owned(),
    )?;
    make_users(&mut with_database.tree, request, &provided)?;
    let scripts = steps.run(
        "scriptlets",
        || scripts::of_packages(request, &with_database.tree, &scripted, &steps),
        |scripts| format!("{} ran", scripts.ran),
    )?;
    stop()?;
    let mut tree = scripts.tree;
    let mut log = scripts.log;
    let plans = config.storage.layout();
    let is_disk = !plans.is_empty() && request.formats.iter().any(|format| format.is_disk());
    let has_modules = tree.get("/usr/lib/modules").is_some();
    let needs_tools = has_modules || is_disk && partitions::need_tools(&plans);
    let tools = needs_tools.then(|| (request.seed)("images")).transpose()?;
    let found = steps.run(
        "customise",
        || change(&mut tree, request, sources, &provided, tools.as_ref()),
        |found: &Vec<Diagnostic>| {
            if found.is_empty() { "done".to_owned() } else { format!("{} warnings", found.len()) }
        },
    )?;
    warnings.extend(found);
    stop()?;
    if !config.scripts.is_empty() {
        let scripts = steps.run(
            "scripts",
            || scripts::of_config(request, &tree, &steps),
            |scripts| format!("{} ran", scripts.ran),
        )?;
        tree = scripts.tree;
        log.push_str(&scripts.log);
        stop()?;
    }

    let mut identity = None;
    if !plans.is_empty() {
        partitions::add_mount_points(&mut tree, &plans, request.epoch)?;
        let found = Identity::of(&tree, config);
        add_fstab(&mut tree, request, &found)?;
        identity = Some(found);
    }
    let mut list = String::new();
    let drive = rayon::in_place_scope(|scope| {
        // It is long, and nobody waits for it yet.
        scope.spawn(|_| list = tree.to_manifest());
        let identity = identity.filter(|_| is_disk);
        identity.map(|identity| make_disk(request, &tree, &identity, tools.as_ref(), &steps)).transpose()
    })?;
    stop()?;
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        tool: request.tool.clone(),
        name: config.name.to_string(),
        image_version: config.image_version.as_ref().map(ToString::to_string),
        architecture: config.architecture.word().to_owned(),
        epoch: request.epoch,
        config: request.config_files.clone(),
        tools: tools.map(|tools| tools.packages).unwrap_or_default(),
        packages: manifest::packages(request.packages, &tree, request.built),
        tree: tree_facts(&tree, &list, request.packages),
        scripts: log.lines().filter(|line| !line.starts_with(' ')).map(str::to_owned).collect(),
        boot: drive.as_ref().and_then(|drive| drive.boot.clone()),
        partitions: drive.as_ref().map(|drive| drive.facts.clone()).unwrap_or_default(),
        outputs: Vec::new(),
    };
    let (manifest, manifest_path) = output::write(request, &tree, &list, drive.as_ref(), manifest, &steps)?;
    let (timings, seconds) = steps.finish();
    output::write_timings(&manifest_path, &timings, seconds)?;
    Ok(Composed { manifest, manifest_path, warnings, timings, seconds })
}

/// The users of the packages, which their scripts may want. Those of the config come later.
fn make_users(tree: &mut FileTree, request: &Request<'_>, provided: &[String]) -> Result<(), ComposeError> {
    let mut sources = Sources::new();
    let mut editor = Editor::new(tree, request.store, &mut sources, request.epoch);
    let specifiers = Specifiers::of(&editor, request.config.architecture.word())?;
    // What is wrong with a line is told when the image is customised.
    create_system_users(&mut editor, &specifiers, provided)?;
    Ok(())
}

/// Makes the tree of packages this image; gives what is odd.
fn change(
    tree: &mut FileTree,
    request: &Request<'_>,
    sources: &mut Sources,
    provided_users: &[String],
    tools: Option<&Tools>,
) -> Result<Vec<Diagnostic>, ComposeError> {
    let roots: Vec<PathBuf> = tools.iter().map(|tools| tools.root.clone()).collect();
    let key = tools.map(|tools| tools.digest.to_string()).unwrap_or_default();
    let programs = Programs { helper: request.helper, cancel: request.cancel, tools: &roots, tools_key: &key };
    let mut editor = Editor::new(tree, request.store, sources, request.epoch);
    customise(&mut editor, Customisation { config: request.config, provided_users, programs: Some(programs) })?;
    let found = editor.diagnostics;
    if found.iter().any(Diagnostic::is_error) { Err(ComposeError::Mistakes(found)) } else { Ok(found) }
}

/// `/etc/fstab`, unless the image has one.
fn add_fstab(tree: &mut FileTree, request: &Request<'_>, identity: &Identity) -> Result<(), ComposeError> {
    let path: TreePath = "/etc/fstab".parse().expect("it is a plain path");
    if tree.get(path.as_str()).is_some() {
        return Ok(());
    }
    let text = boot::fstab(&request.config.storage.layout(), |plan| identity.uuid(&plan.label.to_string()).to_string());
    let content = Kind::File(request.store.put(text.as_bytes())?);
    let origin = Arc::from("bedplate: fstab");
    tree.insert(path, Entry { mtime: request.epoch, ..Entry::new(content, 0o644, &origin) })?;
    Ok(())
}

/// A disk with all that is on it.
pub(crate) struct Drive {
    pub(crate) disk: Disk,
    pub(crate) guid: Uuid,
    facts: Vec<PartitionFacts>,
    boot: Option<BootFacts>,
    /// Has files of the disk until it is written.
    _work: WorkFolder,
}

fn make_disk(
    request: &Request<'_>,
    tree: &FileTree,
    identity: &Identity,
    tools: Option<&Tools>,
    steps: &Steps<'_>,
) -> Result<Drive, ComposeError> {
    let config = request.config;
    let shop = Workshop {
        store: request.store,
        work: request.store.work("compose")?,
        epoch: request.epoch,
        tools_digest: tools.map_or_else(|| Digest::of(&[]), |tools| tools.digest),
        verity_signer: request.verity_signer,
        // Where no tools are needed, any folder will do.
        tools: tools.map_or(request.store.path(), |tools| &tools.root),
        helper: request.helper,
        cancel: request.cancel,
    };
    let plans = config.storage.layout();
    let made = steps.run(
        "file systems",
        || partitions::data_partitions(&shop, tree, &plans, identity),
        |made| {
            let sizes = made.iter().flatten().filter(|one| one.used > 0);
            sizes.map(|one| format!("{} {}", *one.plan.label, show(one.length))).collect::<Vec<_>>().join(", ")
        },
    )?;
    let known: Vec<Partition> = made.iter().flatten().cloned().collect();
    let mut facts = None;
    let mut all = Vec::new();
    for (plan, made) in plans.iter().zip(made) {
        if let Some(made) = made {
            all.push(made);
            continue;
        }
        let esp = if *config.boot.kind == BootKind::None {
            FileTree::new()
        } else {
            let name = output::name_of(config);
            let (esp, boots) = steps.run(
                "boot",
                || boot::esp(&shop, tree, config, &known, &name),
                |(_, boots)| format!("kernel {}, initramfs {}", boots.kernel, show(boots.initramfs_size)),
            )?;
            facts = Some(boots);
            esp
        };
        all.push(partitions::esp_partition(&shop, plan, &esp, identity)?);
    }
    let (disk, table, guid) = partitions::disk(config, &all, identity)?;
    Ok(Drive { disk, guid, facts: table, boot: facts, _work: shop.work })
}

/// `list` is the tree as text.
fn tree_facts(tree: &FileTree, list: &str, packages: &[Selected]) -> TreeFacts {
    let names: BTreeSet<String> = packages.iter().map(|one| one.nevra.to_string()).collect();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for (_, entry) in tree.iter().filter(|(_, entry)| !names.contains(&*entry.origin)) {
        *made.entry(entry.origin.to_string()).or_default() += 1;
    }
    let sha256 = Digest::of(list.as_bytes()).hex();
    TreeFacts { sha256, entries: tree.len(), size: tree.size(), made }
}

/// A size for people.
pub(crate) fn show(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 10.0 { format!("{mebibytes:.1} MiB") } else { format!("{mebibytes:.0} MiB") }
}
