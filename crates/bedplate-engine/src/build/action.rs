//! A step of a build as an action: what runs, in which root. Its digest is the key of its result.
//!
//! ```text
//! Action ── command ──▶ arguments, environment, output paths
//!   │
//!   ├────── input root ▶ seed ◀ packages ◀ inputs (specs, sources, macros)     later ones lie over earlier ones
//!   ├────── platform
//!   └────── salt       ▶ the version of this description
//! ```
//!
//! The shape is that of the Remote Execution API: whoever runs the action elsewhere computes the same digest. What a machine
//! decides (how many jobs, where the jobserver is) is no part of it, and must not change a bit of the result.

use bedplate_cas::reapi::{Action, Command, EnvironmentVariable, Platform, digest_of};
use bedplate_cas::{Digest, Store, StoreError, TreeBuilder};

use super::inputs::NamedInputs;
use super::spec::{BuildSpec, FilePlace};

/// Grows when the same inputs would be built in another way.
pub const BUILD_FORMAT: &str = "bedplate-build-1";

/// The folder of a build in its root; rpm's `%_topdir`.
pub(crate) const TOP: &str = "/build";

/// What rpmbuild does in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Makes the source package.
    Source,
    /// Finds out what `%generate_buildrequires` asks for.
    Requires,
    /// Builds the binary packages, without tests.
    Build,
    /// Runs the tests.
    Check,
}

impl Step {
    /// The arguments of rpmbuild before those that all steps have.
    fn arguments(self) -> &'static [&'static str] {
        // All known names of the condition for tests are given; rpm does not mind those that a spec does not have.
        match self {
            Self::Source => &["-bs"],
            Self::Requires => &["-br", "--without", "check", "--without", "tests", "--without", "test"],
            Self::Build => &["-bb", "--nocheck", "--without", "check", "--without", "tests", "--without", "test"],
            Self::Check => &["-bi", "--define", "with_check 1"],
        }
    }

    /// What it makes, below [`TOP`].
    fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Source | Self::Requires => &["SRPMS"],
            Self::Build => &["RPMS"],
            Self::Check => &[],
        }
    }

    /// Its name in files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Requires => "requires",
            Self::Build => "build",
            Self::Check => "check",
        }
    }
}

/// The distribution's policy: macro files, without their comments.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Name and text of each file.
    pub macros: Vec<(String, Vec<u8>)>,
}

/// The root that a step needs: the seed and packages, lowest first.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// The tree of the seed's groups.
    pub(crate) seed: Digest,
    /// What of the seed is in it, for people: package and version.
    pub(crate) seed_packages: Vec<(String, String)>,
    /// The packages of ours: name and tree.
    pub(crate) packages: Vec<(String, Digest)>,
}

impl Root {
    /// The root without packages: a source package is made without them.
    pub(crate) fn without_packages(&self) -> Self {
        Self { packages: Vec::new(), ..self.clone() }
    }
}

/// A step, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Its key.
    pub(crate) action: Digest,
    /// The trees of its root, topmost first.
    pub(crate) layers: Vec<Digest>,
    /// What runs.
    pub(crate) arguments: Vec<String>,
    /// The environment.
    pub(crate) environment: Vec<(String, String)>,
    /// What it depends on, by name.
    pub(crate) inputs: NamedInputs,
}

/// Describes a step. Files of the spec's folder are put into the store; pinned sources need not be there yet.
pub(crate) fn prepare(
    store: &Store,
    policy: &Policy,
    spec: &BuildSpec,
    step: Step,
    root: &Root,
) -> Result<Prepared, StoreError> {
    let mut inputs = NamedInputs::default();
    let mut name = |kind: &str, name: &str, value: String| {
        let key = if name.is_empty() { kind.to_owned() } else { format!("{kind} {name}") };
        inputs.inputs.insert(key, value);
    };
    let mut tree = TreeBuilder::new();
    for (file, text) in &policy.macros {
        let digest = store.put(text)?;
        tree.file(&format!("etc/rpm/{file}"), digest, 0o644)?;
        name("macros", file, digest.hex());
    }
    let text = store.put(if step == Step::Source { &spec.text } else { &spec.canonical })?;
    tree.file(&format!("build/SPECS/{}", spec.file_name), text, 0o644)?;
    name("spec", "", text.hex());
    for file in &spec.files {
        let digest = match &file.place {
            FilePlace::Folder(path) => store.put_file(path)?,
            FilePlace::Pinned(digest) => *digest,
        };
        tree.file(&format!("build/SOURCES/{}", file.name), digest, 0o644)?;
        name(if file.is_patch { "patch" } else { "source" }, &file.name, digest.hex());
    }
    let own = store.put_tree(&tree)?;
    for (package, version) in &root.seed_packages {
        name("seed", package, version.clone());
    }
    for (package, digest) in &root.packages {
        name("package", package, digest.hex());
    }

    let mut layers = vec![root.seed];
    layers.extend(root.packages.iter().map(|(_, tree)| *tree));
    layers.push(own);
    let input_root = store.merge(&layers)?;
    layers.reverse();

    let mut arguments = vec!["/usr/bin/rpmbuild".to_owned()];
    arguments.extend(step.arguments().iter().map(|one| (*one).to_owned()));
    arguments.extend(["--nodeps", "--noclean", "--define", "_topdir /build"].map(str::to_owned));
    arguments.push(format!("{TOP}/SPECS/{}", spec.file_name));
    let environment: Vec<(String, String)> = [
        ("HOME", TOP.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("LOGNAME", "builder".to_owned()),
        ("PATH", "/usr/bin:/usr/sbin:/bin:/sbin".to_owned()),
        ("SOURCE_DATE_EPOCH", spec.time.to_string()),
        ("TZ", "UTC".to_owned()),
        ("USER", "builder".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let variable = |(name, value): &(String, String)| EnvironmentVariable { name: name.clone(), value: value.clone() };
    let command = Command {
        arguments: arguments.clone(),
        environment_variables: environment.iter().map(variable).collect(),
        working_directory: TOP.trim_start_matches('/').to_owned(),
        output_paths: step.outputs().iter().map(|path| (*path).to_owned()).collect(),
    }
    .canonical();
    let action = Action {
        command_digest: Some(digest_of(&command).into()),
        input_root_digest: Some(input_root.into()),
        salt: BUILD_FORMAT.as_bytes().to_vec(),
        platform: Some(Platform::new([("ISA", "x86-64"), ("OSFamily", "linux")])),
        ..Action::default()
    };
    let action = digest_of(&action);
    name("command", "", digest_of(&command).hex());
    name("format", "", BUILD_FORMAT.to_owned());
    inputs.action = action.to_string();
    Ok(Prepared { action, layers, arguments, environment, inputs })
}
