//! All that a build is made of, as the commands `build`, `shell` and `why-rebuild` have it: specs, sources, seed, store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bedplate_apt::Apt;
use bedplate_cas::{Digest, Store, StoreError};
use bedplate_diag::{Category, Diagnostic, SourceId, Sources};
use bedplate_engine::build::{
    BuildSpec, Builder, Checks, FilePlace, Leftovers, Policy as BuildPolicy, Request, SpecFile, Supplies,
};
use bedplate_engine::{History, Jobserver, NodeFailure, WorkerContext};
use bedplate_graph::{BuildGraph, Durations, Inputs};
use bedplate_repo::Checksum;
use bedplate_sandbox::{Helper, Limits};
use bedplate_seed::{Definition, Lock, SeedError, SeedProgress, SeedRoots};
use bedplate_sign::ModuleSigner;
use bedplate_source::{FetchOptions, Origin, Package, RunInput, Step};

use crate::cli::{NetworkArgs, PrebuiltArgs, SpecsArgs};
use crate::commands::repo::{PackageFile, for_solving};
use crate::details::SpecDetails;
use crate::module_keys::ModuleKeys;
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::seed::{SeedFiles, SeedTeller};
use crate::spec_sources::{fetch_options, with_list};
use crate::ui::Ui;
use crate::workspace::{Detail, Workspace, beside_specs, read};

/// The name of the document with recorded times and peaks.
const HISTORY: (&str, &str) = ("history", "builds");

/// Specs, sources, seed and store.
pub(crate) struct Building {
    pub(crate) store: Store,
    definition: Definition,
    lock: Lock,
    apt: Apt,
    temporary: PathBuf,
    policy: BuildPolicy,
    pub(crate) inputs: Inputs,
    pub(crate) sources: Sources,
    pub(crate) bad_specs: usize,
    texts: BTreeMap<String, BuildSpec>,
    packages: BTreeMap<String, Package>,
    network: NetworkArgs,
    /// Files of packages of repositories, by full name.
    prebuilt: BTreeMap<String, PackageFile>,
    pub(crate) capabilities_path: String,
    /// What specs take as their input, once it is known that one does.
    modules: Option<ModuleKeys>,
}

/// What builds need of specs, by name.
type Details = BTreeMap<String, SpecDetails>;

/// What may be done to have what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It may be fetched.
    Anywhere,
    /// It has to be in the store already.
    Store,
}

impl Building {
    /// Reads everything; what is wrong with specs and lists is printed, and is an error: nothing is fetched or built before all
    /// that can be known from text is right.
    pub(crate) fn open(
        args: &SpecsArgs,
        prebuilt: &PrebuiltArgs,
        network: &NetworkArgs,
        modules: Option<ModuleKeys>,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let store = crate::store::open(&args.store)?;
        clear_up(&store, ui)?;
        let read = Self::read(store, args, prebuilt, network, Reach::Anywhere, ui)?;
        let (mut building, details) = read.ok_or_else(|| Failure::internal("what may be fetched is missing"))?;
        building.modules = modules;
        let wrong = building.take_sources(details, Reach::Anywhere)?;
        if wrong.is_empty() {
            return Ok(building);
        }
        ui.diagnostics(&wrong, &building.sources);
        Err(Failure::input("sources do not fit the specs").hint("nothing was fetched or built"))
    }

    /// The same out of a store that is here: nothing is fetched. None if there is no store, or if it has not all that specs
    /// are read with. In the second place, whether lists of sources are such that a build could begin.
    pub(crate) fn find(
        args: &SpecsArgs,
        prebuilt: &PrebuiltArgs,
        modules: Option<ModuleKeys>,
        ui: &Ui,
    ) -> Result<Option<(Self, bool)>, Failure> {
        let seed = Path::new(args.seed.as_deref().unwrap_or(crate::workspace::DEFAULT_SEED));
        let is_store = crate::store::folder(&args.store).is_ok_and(|folder| folder.join("version").is_file());
        if !is_store || !seed.is_file() || !seed.with_extension("lock").is_file() {
            return Ok(None);
        }
        let store = crate::store::open(&args.store)?;
        let network = NetworkArgs { offline: true, ..NetworkArgs::default() };
        let Some((mut building, details)) = Self::read(store, args, prebuilt, &network, Reach::Store, ui)? else {
            return Ok(None);
        };
        building.modules = modules;
        let is_whole = building.take_sources(details, Reach::Store).is_ok_and(|wrong| wrong.is_empty());
        Ok(Some((building, is_whole)))
    }

    /// Reads specs and what belongs to them.
    fn read(
        store: Store,
        args: &SpecsArgs,
        prebuilt: &PrebuiltArgs,
        network: &NetworkArgs,
        reach: Reach,
        ui: &Ui,
    ) -> Result<Option<(Self, Details)>, Failure> {
        let seed_path = args.seed.as_deref().unwrap_or(crate::workspace::DEFAULT_SEED);
        let seed = SeedFiles::read(Path::new(seed_path), ui)?;
        let lock = seed.checked_lock(ui)?.clone();
        // Sources may be of the suite after the seed's.
        let apt = Apt::new(&store.path().join("apt"), &[seed.suite()?, "sid"]).map_err(SeedError::Apt)?;
        let temporary = std::env::temp_dir();
        let mut policy = Policy::of(&args.files)?;
        if !policy.files.is_empty() && args.files.macros.config.is_none() {
            let teller = SeedTeller::new(ui);
            let definition = &seed.definition;
            let roots = SeedRoots { store: &store, definition, lock: &lock, apt: &apt, temporary: &temporary };
            policy.config = match reach {
                Reach::Anywhere => Some(roots.rpm_config_folder(&|progress| teller.tell(progress))?),
                Reach::Store => match roots.find_rpm_config()? {
                    None => return Ok(None),
                    found => found,
                },
            };
        }
        let mut specs = read(args, &policy, Detail::Build, ui)?;
        let prebuilt = for_solving(&prebuilt.repo, &prebuilt.repo_key, ui)?;
        specs.inputs.repositories = prebuilt.repositories;
        let building = Self {
            policy: BuildPolicy { macros: macro_files(&policy)? },
            definition: seed.definition,
            lock,
            apt,
            temporary,
            store,
            inputs: specs.inputs,
            sources: specs.sources,
            bad_specs: specs.bad_specs,
            texts: BTreeMap::new(),
            packages: BTreeMap::new(),
            network: network.clone(),
            prebuilt: prebuilt.files,
            modules: None,
            capabilities_path: args.capabilities.clone().unwrap_or_else(|| beside_specs(args, "capabilities.lock")),
        };
        Ok(Some((building, specs.details)))
    }

    /// Puts specs and their lists of sources together; gives what does not fit.
    fn take_sources(&mut self, details: Details, reach: Reach) -> Result<Vec<Diagnostic>, Failure> {
        let mut wrong: Vec<Diagnostic> = Vec::new();
        for (name, detail) in details {
            let folder = detail.path.parent().unwrap_or(Path::new("/")).to_owned();
            let patches: BTreeSet<String> =
                detail.files.iter().filter(|file| file.is_patch).map(|file| file.name.clone()).collect();
            let files = detail.files.into_iter().map(Into::into).collect();
            let package = match with_list(&name, &folder, files, &mut self.sources)? {
                Ok(package) => package,
                Err(mistakes) => {
                    wrong.extend(mistakes);
                    continue;
                }
            };
            wrong.extend(package.check());
            let mut spec_files = Vec::new();
            for (file, origin) in package.origins() {
                let is_patch = patches.contains(file);
                let place = match origin {
                    Origin::Folder => FilePlace::Folder(folder.join(file)),
                    Origin::Input(entry) => FilePlace::Pinned(self.input(entry.input, reach)?),
                    Origin::Pinned(entry) => match entry.size {
                        Some(size) => FilePlace::Pinned(Digest { hash: entry.sha256.0, size }),
                        None => FilePlace::Pinned(self.unsized_file(&package, entry)?),
                    },
                };
                spec_files.push(SpecFile { name: file.to_owned(), is_patch, place });
            }
            let text = BuildSpec {
                name: name.clone(),
                file_name: detail.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                text: detail.text,
                canonical: detail.canonical,
                files: spec_files,
                check: detail.check,
                generates_requires: detail.generates_requires,
                time: detail.time,
            };
            self.texts.insert(name.clone(), text);
            self.packages.insert(name, package);
        }
        Ok(wrong)
    }

    /// The blob of what the run gives to specs.
    fn input(&mut self, input: RunInput, reach: Reach) -> Result<Digest, Failure> {
        match input {
            RunInput::ModuleCertificate => {
                let keys = match self.modules.take() {
                    Some(keys) => keys,
                    None if reach == Reach::Store && !ModuleKeys::has_developers() => {
                        return Err(Failure::environment("there is no key for kernel modules yet"));
                    }
                    None => ModuleKeys::developers()?,
                };
                let keys = self.modules.insert(keys);
                Ok(self.store.put(keys.certificate().pem().as_bytes())?)
            }
        }
    }

    /// What signs kernel modules, if anything does.
    pub(crate) fn module_signer(&self) -> Option<&ModuleSigner> {
        self.modules.as_ref().and_then(ModuleKeys::signer)
    }

    /// True if specs take a certificate whose key the run has not.
    pub(crate) fn leaves_modules_unsigned(&self) -> bool {
        self.modules.as_ref().is_some_and(|keys| keys.signer().is_none())
    }

    /// The blob of a file whose list does not say how large it is: it has to be here before anything can be planned.
    fn unsized_file(&self, package: &Package, entry: &bedplate_source::SourceFile) -> Result<Digest, Failure> {
        if let Some(digest) = bedplate_source::stored(&self.store, entry)? {
            return Ok(digest);
        }
        let options = self.fetch_options();
        let fetched = bedplate_source::fetch(&self.store, std::slice::from_ref(package), &options, &|_, _, _| {})
            .map_err(|failures| fetch_failure(&failures))?;
        let found = fetched.first().and_then(|files| files.get(&entry.name)).copied();
        found.ok_or_else(|| Failure::internal(format!("`{}` was fetched and is not there", entry.name)))
    }

    fn fetch_options(&self) -> FetchOptions<'_> {
        fetch_options(&self.network, &self.store, &self.apt, 4)
    }

    fn roots(&self) -> SeedRoots<'_> {
        SeedRoots {
            store: &self.store,
            definition: &self.definition,
            lock: &self.lock,
            apt: &self.apt,
            temporary: &self.temporary,
        }
    }

    /// The graph, for names and for what is wrong with it.
    pub(crate) fn workspace(&self, jobs: usize) -> Workspace {
        let inputs = Inputs {
            specs: self.inputs.specs.clone(),
            seed: self.inputs.seed.clone(),
            lock: self.inputs.lock.clone(),
            durations: self.durations(),
            repositories: self.inputs.repositories.clone(),
        };
        Workspace { graph: BuildGraph::new(inputs), sources: self.sources.clone(), jobs, bad_specs: self.bad_specs }
    }

    /// What the builder is asked for.
    pub(crate) fn request(&self, targets: BTreeSet<String>, checks: Checks) -> Result<Request, Failure> {
        let history = self.history()?;
        let is_rpm = |name: &&String| {
            let packages = self.inputs.seed.groups[*name].packages.values().flatten();
            packages.into_iter().any(|capability| capability.name == "rpm-build")
        };
        let base_group = self.inputs.seed.groups.keys().find(is_rpm).cloned().ok_or_else(|| {
            Failure::input("no group of the seed has rpmbuild").hint("a package of the seed has to provide `rpm-build`")
        })?;
        Ok(Request {
            specs: self.inputs.specs.clone(),
            texts: self.texts.clone(),
            seed: self.inputs.seed.clone(),
            lock: self.inputs.lock.clone(),
            repositories: self.inputs.repositories.clone(),
            history,
            targets,
            checks,
            base_group,
        })
    }

    /// How long builds took, and what they needed: what other machines recorded counts until this one knows better.
    fn history(&self) -> Result<History, Failure> {
        let mut lines = self.inputs.durations.to_text().into_bytes();
        lines.extend(self.store.document(HISTORY.0, HISTORY.1)?.unwrap_or_default());
        Ok(History::read(&lines).0)
    }

    /// The same, as the graph has it.
    fn durations(&self) -> Durations {
        let known = self.history().ok().and_then(|history| String::from_utf8(history.write()).ok());
        let known = known.and_then(|text| Durations::parse(SourceId(0), &text).ok());
        known.unwrap_or_else(|| self.inputs.durations.clone())
    }

    pub(crate) fn save_history(&self, history: &History) -> Result<(), Failure> {
        Ok(self.store.set_document(HISTORY.0, HISTORY.1, &history.write())?)
    }

    /// What builds share.
    pub(crate) fn builder(&self, logs: PathBuf, limits: Limits, jobs: usize, jobserver: Option<Jobserver>) -> Builder {
        Builder {
            store: self.store.clone(),
            policy: self.policy.clone(),
            helper: Helper::default(),
            limits,
            jobserver,
            cpus: jobs,
            logs,
            failed: self.store.path().join("failed"),
            lost: std::sync::Mutex::default(),
            leftovers: Leftovers::new(Helper::default()),
        }
    }
}

impl Supplies for Building {
    fn seed_packages(&self, groups: &[String]) -> Result<Vec<(String, String)>, NodeFailure> {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let roots = self.roots();
        let names = roots.packages(&groups).map_err(seed_node_failure)?;
        let version = |name: &str| self.lock.packages.get(name).map(|locked| locked.version.clone());
        Ok(names.into_iter().map(|name| (name.to_owned(), version(name).unwrap_or_default())).collect())
    }

    fn seed(&self, groups: &[String]) -> Result<Option<Digest>, NodeFailure> {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        self.roots().find(&groups).map_err(seed_node_failure)
    }

    fn repair_seed(&self, groups: &[String]) -> Result<Vec<String>, NodeFailure> {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        self.roots().repair(&groups).map_err(seed_node_failure)
    }

    fn make_seed(&self, groups: &[String], context: &WorkerContext) -> Result<(), NodeFailure> {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let listen = |progress: SeedProgress| match progress {
            SeedProgress::Fetch { files, all_files, bytes, all_bytes } => {
                context.phase("fetch");
                context.output(format!("{files} of {all_files} packages fetched"));
                context.bytes(bytes, Some(all_bytes));
            }
            SeedProgress::Install { packages, all_packages } => {
                context.phase("install");
                context.output(format!("{packages} of {all_packages} packages installed"));
            }
            SeedProgress::Store => context.phase("store"),
        };
        self.roots().create(&groups, &listen).map(drop).map_err(seed_node_failure)
    }

    fn package(&self, nevra: &str) -> Result<Digest, NodeFailure> {
        let input = |message: String| NodeFailure::new(Category::Input, message);
        let file = self.prebuilt.get(nevra).ok_or_else(|| input(format!("no repository has {nevra}")))?;
        if let Checksum::Sha256(hash) = file.checksum {
            let digest = Digest { hash, size: file.size };
            if self.store.has(&digest) {
                return Ok(digest);
            }
        }
        let shown = file.path.display();
        let store_failure = |error: StoreError| NodeFailure::new(error.category(), error.to_string());
        let digest = self.store.put_file(&file.path).map_err(store_failure)?;
        // What was stored is judged, not the file: that may be another one the next moment.
        let found = match file.checksum {
            Checksum::Sha256(_) => Checksum::Sha256(digest.hash),
            Checksum::Sha512(_) => file.checksum.same_kind_of(&self.store.read(&digest).map_err(store_failure)?),
        };
        if found == file.checksum {
            return Ok(digest);
        }
        let hint = Some("make its repodata again if the file is right: `bedplate repo create`".to_owned());
        let message = format!(
            "{shown} is not the file that its repository describes: {} is wanted, it has {found}",
            file.checksum
        );
        Err(NodeFailure { hint, ..input(message) })
    }

    fn fetch(&self, spec: &str, context: &WorkerContext) -> Result<(), NodeFailure> {
        let Some(package) = self.packages.get(spec) else { return Ok(()) };
        if let Some(modules) = self.modules.as_ref().filter(|_| !package.list.inputs.is_empty()) {
            // It was put there before, and may have been damaged since.
            let put = self.store.put(modules.certificate().pem().as_bytes());
            put.map_err(|error| NodeFailure::new(error.category(), error.to_string()))?;
        }
        let listen = |_: &str, file: &str, step: &Step<'_>| match step {
            Step::Bytes { done, total } => context.bytes(*done, *total),
            Step::Again { place, why } => context.output(format!("{file}: {place}: {why}; trying again")),
            Step::Refused { place, trouble } => context.output(format!("{file}: {place}: {trouble}")),
            Step::Got { place, .. } => {
                if let Some(place) = place {
                    context.output(format!("{file}: from {place}"));
                }
            }
        };
        let result = bedplate_source::fetch(&self.store, std::slice::from_ref(package), &self.fetch_options(), &listen);
        result.map(drop).map_err(|failures| {
            let failure = fetch_failure(&failures);
            let category = failure.category;
            NodeFailure {
                hint: failure.hint,
                retryable: category == Category::Environment,
                ..NodeFailure::new(category, failure.message)
            }
        })
    }
}

/// Removes what killed builds left. Of an ordinary user's, files belong to sub-ids.
fn clear_up(store: &Store, ui: &Ui) -> Result<(), Failure> {
    let left = store.clear_up(|folder| bedplate_sandbox::remove(folder, &Helper::default()))?;
    for (folder, why) in left {
        let why = bedplate_engine::build::chain(&why);
        ui.summary(&format!("{} is of a build that was killed, and cannot be removed: {why}", folder.display()));
    }
    Ok(())
}

/// The texts of the distribution's macros, without what rpm passes over.
fn macro_files(policy: &Policy) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for path in &policy.files {
        let text = std::fs::read(path).map_err(|error| Failure::io("cannot read", &path.to_string_lossy(), &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push((name, bedplate_spec::canonical::macros(&text)));
    }
    Ok(files)
}

impl From<NodeFailure> for Failure {
    fn from(failure: NodeFailure) -> Self {
        Self { category: failure.category, message: failure.message, hint: failure.hint }
    }
}

fn seed_node_failure(error: SeedError) -> NodeFailure {
    // A package file that turned out to be damaged was dropped: the next time it is fetched.
    let retryable = matches!(&error, SeedError::Store(error) if error.lost().is_some());
    NodeFailure { hint: error.hint(), retryable, ..NodeFailure::new(error.category(), error.to_string()) }
}

/// All files that could not be had, as one failure.
fn fetch_failure(failures: &[bedplate_source::Failure]) -> Failure {
    let message: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let category = failures.iter().map(bedplate_source::Failure::category).find(|one| *one == Category::Input);
    Failure { category: category.unwrap_or(Category::Environment), message: message.join("\n"), hint: None }
}

/// The bounds of a step.
pub(crate) fn limits(wall: Duration, disk: u64, processes: u64) -> Limits {
    Limits { wall, disk, file: disk, processes, ..Limits::default() }
}
