//! `bedplate image build`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use bedplate_cas::{Digest, Store, WorkFolder};
use bedplate_compose::{
    BuiltFrom, ComposeError, Composed, NamedDigest, PackageSource, Progress, Request, SeedFailure, Selected, Selection,
    SelectionError, Tools, Wanted, compose, select,
};
use bedplate_diag::{Category, Diagnostic, Source, Sources, Span};
use bedplate_engine::{KEY_FILE, published_packages};
use bedplate_image_config::{FilePath, ImageConfig, OutputFormat, Repository, Spanned};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_seed::SeedRoots;
use bedplate_sign::{CertificateKey, CertificateSigner};
use bedplate_solve::{Item, Lock};

use crate::cli::ImageBuildArgs;
use crate::commands::image::remote::{Remote, Remotes};
use crate::commands::repo::{self, Keys};
use crate::image_config::load;
use crate::outcome::{Failure, Outcome};
use crate::output::{self, many};
use crate::seed::{SeedFiles, SeedTeller, apt};
use crate::store;
use crate::ui::{Counter, Ui};
use crate::units::show_bytes;

/// Composes and tells.
pub(crate) fn run(args: &ImageBuildArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let store = store::open(&args.seed.store)?;
    let signals = bedplate_engine::Cancel::new();
    signals.on_signals().map_err(|error| Failure::environment(format!("cannot watch signals: {error}")))?;
    let build = Build {
        args,
        ui,
        store: &store,
        cancel: Cancel::from(Arc::clone(signals.flag())),
        verity_key: verity_key(args)?,
        within: Vec::new(),
    };
    let composed = build.image(&args.config, &args.format, &args.output)?;
    tell(&composed, &args.output, ui)?;
    Ok(Outcome::Good)
}

/// What the images of one run have in common.
struct Build<'a> {
    args: &'a ImageBuildArgs,
    ui: &'a Ui,
    store: &'a Store,
    cancel: Cancel,
    verity_key: Option<CertificateKey>,
    /// The configs that the image at work is put into, the outermost first.
    within: Vec<PathBuf>,
}

impl Build<'_> {
    /// Composes the image of a config, in these formats or those that it names itself.
    fn image(&self, path: &Path, formats: &[String], output: &Path) -> Result<Composed, Failure> {
        let Self { args, ui, store, .. } = *self;
        let loaded = load(path);
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
        let Some(mut config) = loaded.config else {
            return Err(Failure::input(format!("{} has mistakes", path.display())).hint("nothing was written"));
        };
        let mut sources = loaded.sources;
        let mut files = loaded.files;
        let formats = self::formats(formats, &config)?;
        let places = places(args, &config, store)?;
        let lock_path = lock_path(path, &config);
        let lock = if args.update_lock { None } else { read_lock(&lock_path, ui)? };
        if args.release {
            refuse_unreleasable(args, &config, lock.is_some(), &sources, ui)?;
        }
        let keys = places.iter().map(|place| Keys::of_files(&place.keys)).collect::<Result<Vec<_>, _>>()?;
        let remotes = places.iter().zip(&keys).filter_map(|(place, keys)| Some((place.remote.clone()?, keys)));
        let remotes = Remotes { all: remotes.collect(), is_offline: args.offline };
        remotes.refresh(&sources, ui)?;
        let packages: Vec<PackageSource<'_>> =
            places.iter().zip(&keys).map(|(place, keys)| place.source(keys)).collect();
        let wanted = wanted(&config)?;
        let selection = match select(&packages, &wanted, lock.as_ref()) {
            Ok(selection) => selection,
            Err(error) => return Err(refused(error.into(), &sources, ui)),
        };
        repo::report(&selection.warnings, ui);
        remotes.fetch(&selection, &sources, ui)?;
        let _containers = self.containers(path, &mut config, &mut files)?;

        // What a root of the seed could not be made for is told as any other failure is.
        let failed: RefCell<Option<Failure>> = RefCell::new(None);
        let seed = |group: &str| {
            seed_root(args, group, store, ui).map_err(|failure| {
                let message = failure.message.clone();
                failed.replace(Some(failure));
                SeedFailure::from(message)
            })
        };
        let teller = Teller::new(ui);
        let published: BTreeMap<&str, _> = places
            .iter()
            .map(|place| (place.name.as_str(), (&place.folder, published_packages(&place.folder))))
            .collect();
        let built = |package: &Selected| {
            let (folder, packages) = published.get(package.repository.as_str())?;
            let found = packages.get(package.path.strip_prefix(folder).ok()?.to_str()?)?.clone();
            Some(BuiltFrom { content: found.content, action: found.action, key: found.key })
        };
        let request = Request {
            config: &config,
            config_files: named_digests(&files)?,
            packages: &selection.packages,
            repositories: &packages,
            store,
            helper: &Helper::default(),
            cancel: &self.cancel,
            verity_signer: self.verity_key.as_ref().map(|key| key as &dyn CertificateSigner),
            seed: &seed,
            epoch: epoch(&selection)?,
            formats: &formats,
            output,
            tool: format!("bedplate {}", env!("CARGO_PKG_VERSION")),
            built: &built,
            listener: &|progress| teller.tell(progress),
        };
        let composed = compose(&request, &mut sources);
        store::report_damage(&store.take_damage(), ui);
        if let Some(failure) = failed.take() {
            return Err(failure);
        }
        let composed = composed.map_err(|error| refused(error, &sources, ui))?;
        ui.diagnostics(&composed.warnings, &sources);
        if lock.is_none() {
            output::write(&lock_path.display().to_string(), &selection.lock.to_toml())?;
        }
        Ok(composed)
    }

    /// Composes the container images that the config at `path` puts into its image as files; their configs are added to `files`. The
    /// archives are there until what comes back is dropped.
    fn containers(
        &self,
        path: &Path,
        config: &mut ImageConfig,
        files: &mut Vec<PathBuf>,
    ) -> Result<Option<WorkFolder>, Failure> {
        if config.files.iter().all(|file| file.image.is_none()) {
            return Ok(None);
        }
        let work = self.store.work("containers")?;
        let mut within = self.within.clone();
        within.push(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        for (number, file) in config.files.iter_mut().enumerate() {
            let Some(image) = file.image.take() else { continue };
            let inner = &image.path;
            if within.contains(&inner.canonicalize().unwrap_or_else(|_| inner.clone())) {
                return Err(Failure::input(format!("{} would be put into its own image", inner.display()))
                    .hint(format!("change `image` of the file {}", *file.path)));
            }
            self.ui.counter("compose").line(&format!("container {} for {}:", image.written, *file.path));
            let folder = work.path().join(number.to_string());
            let one = Build { verity_key: None, cancel: self.cancel.clone(), within: within.clone(), ..*self };
            let made = one.image(inner, &[OutputFormat::DockerArchive.word().to_owned()], &folder)?;
            let archive = made.manifest.outputs.first().expect("one format was asked for");
            let archive = FilePath { written: image.written.clone(), path: folder.join(&archive.file) };
            file.source = Some(Spanned::new(archive, image.span));
            files.push(inner.clone());
        }
        Ok(Some(work))
    }
}

/// The forms that are asked for, each once.
fn formats(asked: &[String], config: &ImageConfig) -> Result<Vec<OutputFormat>, Failure> {
    let mut formats: Vec<OutputFormat> = Vec::new();
    let mut wrong = Vec::new();
    for text in asked {
        match OutputFormat::ALL.iter().copied().find(|format| format.word() == text) {
            Some(format) => formats.push(format),
            None => wrong.push(format!("`{text}` is no format")),
        }
    }
    if !wrong.is_empty() {
        let known: Vec<&str> = OutputFormat::ALL.iter().copied().map(OutputFormat::word).collect();
        return Err(Failure::input(wrong.join("\n")).hint(format!("there are {}", known.join(", "))));
    }
    if formats.is_empty() {
        formats = config.output.formats.iter().map(|format| format.value).collect();
    }
    let mut seen = BTreeSet::new();
    formats.retain(|format| seen.insert(format.word()));
    if formats.is_empty() {
        return Err(Failure::input("the config names no format, and neither does `--format`")
            .hint("write `formats = [\"vhd-fixed\", \"oci\"]` into `[output]`"));
    }
    if config.storage.partitions.is_empty()
        && let Some(disk) = formats.iter().find(|format| format.is_disk())
    {
        return Err(Failure::input(format!("`{}` needs partitions, and the config has none", disk.word()))
            .hint("`bedplate image explain storage.partition`"));
    }
    Ok(formats)
}

/// A repository, wherever it is named.
struct Place {
    name: String,
    folder: PathBuf,
    priority: i32,
    keys: Vec<PathBuf>,
    exclude: Vec<String>,
    remote: Option<Remote>,
}

impl Place {
    fn source<'a>(&self, keys: &'a Keys) -> PackageSource<'a> {
        PackageSource {
            name: self.name.clone(),
            folder: self.folder.clone(),
            priority: self.priority,
            exclude: self.exclude.clone(),
            signature: Some(keys),
        }
    }
}

/// The repositories of the config and of the arguments.
fn places(args: &ImageBuildArgs, config: &ImageConfig, store: &Store) -> Result<Vec<Place>, Failure> {
    let mut places: Vec<Place> = config.repositories.iter().map(|one| place_of(one, store)).collect();
    for text in &args.repo {
        let (name, folder) = repo::name_and_folder(text);
        let folder = PathBuf::from(folder);
        let keys = if args.key.is_empty() { vec![key_near(&folder)?] } else { args.key.clone() };
        places.push(Place { name, folder, priority: 99, keys, exclude: Vec::new(), remote: None });
    }
    if places.is_empty() {
        return Err(Failure::input("there is no repository to take packages from")
            .hint("add a `[[repository]]` to the config, or name one: `--repo out/repository/os`"));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = places.iter().find(|place| !names.insert(place.name.as_str())) {
        return Err(Failure::input(format!("two repositories are called `{}`", twice.name))
            .hint("give one another name: `--repo NAME=DIR`"));
    }
    Ok(places)
}

fn place_of(repository: &Repository, store: &Store) -> Place {
    let remote = repository.url.as_ref().map(|url| Remote::new(store, url.as_str(), url.span));
    let folder = match (&remote, &repository.path) {
        (Some(remote), _) => remote.folder.clone(),
        (None, Some(path)) => path.path.clone(),
        (None, None) => PathBuf::new(),
    };
    Place {
        name: repository.name.to_string(),
        folder,
        priority: i32::try_from(repository.priority.0).unwrap_or(i32::MAX),
        keys: vec![repository.key.path.clone()],
        exclude: repository.exclude.iter().map(ToString::to_string).collect(),
        remote,
    }
}

/// The key file that `bedplate build` leaves beside or above a repository.
fn key_near(folder: &Path) -> Result<PathBuf, Failure> {
    let folders = [Some(folder), folder.parent()];
    let found = folders.into_iter().flatten().map(|folder| folder.join(KEY_FILE)).find(|file| file.is_file());
    found.ok_or_else(|| {
        Failure::input(format!("there is no key for the packages of {}", folder.display()))
            .hint("name the file with the public key: `--key FILE`")
    })
}

/// The key that signs root hashes, if one is named.
fn verity_key(args: &ImageBuildArgs) -> Result<Option<CertificateKey>, Failure> {
    let (Some(key), Some(certificate)) = (&args.verity_key, &args.verity_certificate) else { return Ok(None) };
    Ok(Some(CertificateKey::load(key, certificate)?))
}

/// Where the lock is: what the config says, else beside it.
fn lock_path(path: &Path, config: &ImageConfig) -> PathBuf {
    config.packages.lock.as_ref().map_or_else(|| path.with_extension("lock"), |lock| lock.path.clone())
}

fn read_lock(path: &Path, ui: &Ui) -> Result<Option<Lock>, Failure> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io("cannot read", &name, &error)),
    };
    let mut sources = Sources::new();
    let id = sources.add(Source::new(name.as_str(), text.as_str()));
    Lock::parse(id, &text).map(Some).map_err(|wrong| {
        ui.diagnostics(&wrong, &sources);
        Failure::input(format!("{name} is not a lock")).hint("write it again: `--update-lock`")
    })
}

/// What a release must not have, all of it.
fn refuse_unreleasable(
    args: &ImageBuildArgs,
    config: &ImageConfig,
    has_lock: bool,
    sources: &Sources,
    ui: &Ui,
) -> Result<(), Failure> {
    let wrong = |message: &str, hint: &str, at: Option<Span>| {
        let diagnostic = Diagnostic::error("no-release", message).hint(hint);
        if let Some(at) = at { diagnostic.at(at) } else { diagnostic }
    };
    let mut found = Vec::new();
    if !has_lock {
        found.push(wrong(
            "a release needs a lock",
            "compose the image without `--release` first, and commit the lock",
            None,
        ));
    }
    if config.image_version.is_none() {
        found.push(wrong("a release needs a version", "write `image-version`", Some(config.name.span)));
    }
    if !args.repo.is_empty() {
        found.push(wrong("a release takes packages of the config's repositories only", "leave `--repo` out", None));
    }
    for script in &config.scripts {
        found.push(wrong(
            "a release has no scripts",
            "say it with files, users, services or a package",
            Some(script.name.span),
        ));
    }
    ui.diagnostics(&found, sources);
    if found.is_empty() { Ok(()) } else { Err(Failure::input("this is no release").hint("nothing was written")) }
}

fn wanted(config: &ImageConfig) -> Result<Wanted, Failure> {
    let mut install = Vec::new();
    let mut wrong = Vec::new();
    for request in &config.packages.install {
        match Item::from_str(request.as_str()) {
            Ok(item) => install.push((item, request.span)),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::input(wrong.join("\n")));
    }
    Ok(Wanted {
        install,
        exclude: config.packages.exclude.iter().map(ToString::to_string).collect(),
        recommends: *config.packages.weak_dependencies,
        architecture: config.architecture.word().to_owned(),
    })
}

/// The root of a group of the seed.
fn seed_root(args: &ImageBuildArgs, group: &str, store: &Store, ui: &Ui) -> Result<Tools, Failure> {
    let files = SeedFiles::read(&args.seed.seed, ui)?;
    let lock = files.checked_lock(ui)?;
    let apt = apt(store, files.suite()?)?;
    let temporary = std::env::temp_dir();
    let roots = SeedRoots { store, definition: &files.definition, lock, apt: &apt, temporary: &temporary };
    let teller = SeedTeller::new(ui);
    let digest = match roots.find(&[group])? {
        Some(digest) => digest,
        None => roots.create(&[group], &|progress| teller.tell(progress))?,
    };
    let names = roots.packages(&[group])?;
    let version = |name: &&str| {
        let package = lock.packages.get(*name)?;
        Some(format!("{name} {}", package.version))
    };
    let packages = names.iter().filter_map(version).collect();
    Ok(Tools { root: store.checkout(&digest)?, digest, packages })
}

fn named_digests(files: &[PathBuf]) -> Result<Vec<NamedDigest>, Failure> {
    let one = |path: &PathBuf| {
        let bytes =
            std::fs::read(path).map_err(|error| Failure::io("cannot read", &path.display().to_string(), &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(NamedDigest { name, sha256: Digest::of(&bytes).hex() })
    };
    files.iter().map(one).collect()
}

/// The time of an image: `SOURCE_DATE_EPOCH`, else that of the youngest package. No clock is asked.
fn epoch(selection: &Selection) -> Result<i64, Failure> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().map_err(|_| {
            Failure::input(format!("SOURCE_DATE_EPOCH is `{text}`")).hint("it is a number of seconds since 1970")
        });
    }
    let times = selection.packages.iter().map(|package| package.build_time);
    Ok(times.max().and_then(|time| i64::try_from(time).ok()).unwrap_or_default())
}

/// Reports why there is no image.
fn refused(error: ComposeError, sources: &Sources, ui: &Ui) -> Failure {
    let hint = "nothing was written";
    match &error {
        ComposeError::Mistakes(found) | ComposeError::Selection(SelectionError::Wanted(found)) => {
            ui.diagnostics(found, sources);
        }
        ComposeError::ConfigScript(found) => ui.diagnostics(std::slice::from_ref(&**found), sources),
        ComposeError::Untrusted(findings) | ComposeError::Selection(SelectionError::Repositories(findings)) => {
            repo::report(&findings.all, ui);
            let message = format!("packages cannot be used: {}", repo::count(&findings.all));
            return Failure { category: findings.category(), message, hint: Some(hint.to_owned()) };
        }
        _ => {}
    }
    let hint = match &error {
        ComposeError::Selection(SelectionError::Lock { hint, .. }) => hint,
        ComposeError::Initramfs(error) => error.hint().unwrap_or(hint),
        ComposeError::Install(error) if error.category() == Category::Input => {
            "leave one of the packages out: `packages.install`, `packages.exclude`; nothing was written"
        }
        _ => hint,
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(one) = cause {
        message.push_str(&format!(": {one}"));
        cause = one.source();
    }
    Failure { category: error.category(), message, hint: Some(hint.to_owned()) }
}

/// A line for each step; on a terminal also the step at work.
struct Teller {
    counter: Counter,
}

impl Teller {
    fn new(ui: &Ui) -> Self {
        Self { counter: ui.counter("compose") }
    }

    fn tell(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Started { step } => self.counter.say(|| format!("{step} …")),
            Progress::Finished { step, came, seconds } => {
                self.counter.line(&format!("{step}: {came} ({seconds:.1} s)"))
            }
            Progress::Line { step, line } => self.counter.say(|| format!("{step}: {line}")),
        }
    }
}

fn tell(composed: &Composed, output: &Path, ui: &Ui) -> Result<(), Failure> {
    for one in &composed.manifest.outputs {
        ui.print(&format!("{}\n", output.join(&one.file).display()))?;
    }
    let sizes = composed.manifest.outputs.iter().filter_map(|one| one.size).sum();
    ui.summary(&format!(
        "{}: {}, {} files, {}; written {} in {:.1} s",
        composed.manifest.name,
        many(composed.manifest.packages.len(), "package"),
        composed.manifest.tree.entries,
        show_bytes(composed.manifest.tree.size),
        show_bytes(sizes),
        composed.seconds,
    ));
    Ok(())
}
