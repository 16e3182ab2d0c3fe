//! Files that programs of the image make of others: indexes of kernel modules, hardware and message catalogs.
//!
//! Their formats belong to the programs, so the programs run, in a sandbox that shows them the files that they read, and nothing
//! else of this machine. What they made is remembered in the store by all that it was made of.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bedplate_cas::{Digest, WorkFolder};
use bedplate_sandbox::{Cancel, Helper, Job, Limits, Mode, run};
use bedplate_tree::{Kind, TreePath};
use serde::{Deserialize, Serialize};

use crate::{CustomiseError, Editor};

/// How programs run, and where those are that an image need not have.
#[derive(Debug, Clone, Copy)]
pub struct Programs<'a> {
    /// The executable that becomes the keeper of sandboxes.
    pub helper: &'a Helper,
    /// Ends a program from another thread.
    pub cancel: &'a Cancel,
    /// Folders of a root with `depmod`, the topmost first; it may be made for another processor than the image. If they have none, the
    /// image's own is used.
    pub tools: &'a [PathBuf],
    /// What names the content of `tools`: other tools, another text.
    pub tools_key: &'a str,
}

/// Files that a program made, by path, with their contents.
#[derive(Debug, Serialize, Deserialize)]
struct Made(BTreeMap<TreePath, Digest>);

/// One program to run.
struct Program<'r> {
    argv: &'r [&'r str],
    /// The layers of the root that it runs in.
    layers: Vec<PathBuf>,
    /// The folders, inside, that it writes to.
    writes: &'r [&'r str],
}

/// The version of what is remembered: to be raised when the way a program is run changes.
const MEMORY: &str = "1";

/// How long a program may take: the largest index, of all modules of a distribution's kernel, takes seconds.
const LONGEST: Duration = Duration::from_secs(600);

/// Lines of a program's output that an error shows.
const LINES: usize = 30;

/// Makes the indexes of the modules of each kernel below `/usr/lib/modules` (`modules.dep` and its like), by depmod(8).
///
/// # Errors
///
/// If there is no depmod, or it fails; if a file cannot be read or written.
pub fn index_modules(editor: &mut Editor<'_>, programs: Programs<'_>) -> Result<(), CustomiseError> {
    editor.step("depmod");
    let modules: TreePath = "/usr/lib/modules".parse().expect("it is a path");
    let has_module = |path: &TreePath| {
        editor.tree.below(path).any(|(path, _)| path.name().ends_with(".ko") || path.name().contains(".ko."))
    };
    let kernels = editor.tree.children(&modules).filter(|(path, entry)| entry.is_directory() && has_module(path));
    let kernels: Vec<TreePath> = kernels.map(|(path, _)| path.clone()).collect();
    for kernel in kernels {
        // What is an index already is made anew; the lists of what is built in are the kernel's own.
        let inputs: Vec<TreePath> = editor
            .tree
            .below(&kernel)
            .filter(|(path, _)| path.parent().as_ref() != Some(&kernel) || is_input_of_depmod(path.name()))
            .map(|(path, _)| path.clone())
            .chain(settings_of_depmod(editor))
            .collect();
        let key = key(editor, &inputs, &[programs.tools_key])?;
        let made = match recall(editor, "depmod", &key)? {
            Some(made) => made,
            None => {
                let made = depmod(editor, programs, &kernel, &inputs)?;
                remember(editor, "depmod", &key, &made)?;
                made
            }
        };
        put(editor, &made, 0o644)?;
    }
    Ok(())
}

fn is_input_of_depmod(name: &str) -> bool {
    !name.starts_with("modules.") || ["modules.builtin", "modules.builtin.modinfo", "modules.order"].contains(&name)
}

fn settings_of_depmod(editor: &Editor<'_>) -> Vec<TreePath> {
    crate::configuration::files(editor, &crate::configuration::folders("depmod.d"), ".conf")
}

fn depmod(
    editor: &Editor<'_>,
    programs: Programs<'_>,
    kernel: &TreePath,
    inputs: &[TreePath],
) -> Result<Made, CustomiseError> {
    let work = editor.store.work("depmod")?;
    let layer = work.path().join("layer");
    let image = layer.join("image");
    lay_out(editor, inputs, &image)?;
    // depmod looks for `/lib/modules`.
    let lib = image.join("lib");
    symlink("usr/lib", &lib).map_err(CustomiseError::io("link", &lib))?;
    let argv = ["depmod", "-b", "/image", kernel.name()];
    let is_program = |folder: &PathBuf| {
        ["usr/sbin/depmod", "usr/bin/depmod", "sbin/depmod"]
            .iter()
            .any(|path| folder.join(path).symlink_metadata().is_ok())
    };
    let system;
    let root = if programs.tools.iter().any(is_program) {
        programs.tools.to_vec()
    } else if ["/usr/sbin/depmod", "/usr/bin/depmod"].iter().any(|path| editor.look(path).is_some()) {
        system = whole_system(editor)?;
        vec![system.folder.clone()]
    } else {
        return Err(CustomiseError::NoDepmod { kernel: kernel.clone() });
    };
    let layers = [layer].into_iter().chain(root).collect();
    let folder = format!("/image{kernel}");
    let upper = start(&Program { argv: &argv, layers, writes: &[&folder] }, programs, &work)?;
    let from = upper.join(folder.trim_start_matches('/'));
    let mut made = BTreeMap::new();
    for entry in fs::read_dir(&from).map_err(CustomiseError::io("read", &from))? {
        let path = entry.map_err(CustomiseError::io("read", &from))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        made.insert(kernel.join(name).expect("depmod names files plainly"), editor.store.put_file(&path)?);
    }
    Ok(Made(made))
}

/// A file that a program of the image makes of files of the image.
struct Index {
    program: &'static str,
    arguments: &'static [&'static str],
    /// Folders whose files are its inputs, and how these end.
    inputs: &'static [&'static str],
    suffix: &'static str,
    output: &'static str,
    /// The mode that the program gives its output.
    mode: u16,
}

const INDEXES: [Index; 2] = [
    Index {
        program: "/usr/bin/systemd-hwdb",
        arguments: &["update", "--usr"],
        inputs: &["/usr/lib/udev/hwdb.d", "/etc/udev/hwdb.d"],
        suffix: ".hwdb",
        output: "/usr/lib/udev/hwdb.bin",
        mode: 0o444,
    },
    Index {
        program: "/usr/bin/journalctl",
        arguments: &["--update-catalog"],
        inputs: &["/usr/lib/systemd/catalog"],
        suffix: ".catalog",
        output: "/var/lib/systemd/catalog/database",
        mode: 0o644,
    },
];

/// Makes the hardware database of udev and the message catalog of the journal, by systemd-hwdb and journalctl of the image, if it
/// has them and something for them.
///
/// `runs_here` says whether this machine can run programs of the image; if not, systemd makes both when the image boots.
///
/// # Errors
///
/// If a program fails; if a file cannot be read or written.
pub fn index_systemd(editor: &mut Editor<'_>, programs: Programs<'_>, runs_here: bool) -> Result<(), CustomiseError> {
    editor.step("indexes of systemd");
    let mut system = None;
    for index in INDEXES {
        let program: TreePath = index.program.parse().expect("it is a path");
        let folders = index.inputs.iter().filter_map(|folder| folder.parse::<TreePath>().ok());
        let inputs: Vec<TreePath> = folders
            .flat_map(|folder| editor.tree.below(&folder).map(|(path, _)| path.clone()).collect::<Vec<_>>())
            .filter(|path| path.name().ends_with(index.suffix))
            .collect();
        if !runs_here || inputs.is_empty() || editor.follow(&program).is_none() {
            continue;
        }
        let key_files: Vec<TreePath> = inputs.iter().cloned().chain([program]).chain(libraries(editor)).collect();
        let name = index.program.rsplit('/').next().unwrap_or_default();
        let key = key(editor, &key_files, index.arguments)?;
        let made = match recall(editor, name, &key)? {
            Some(made) => made,
            None => {
                let work = editor.store.work(name)?;
                let system = match &mut system {
                    Some(system) => system,
                    none => none.insert(whole_system(editor)?),
                };
                let argv: Vec<&str> = [index.program].iter().chain(index.arguments).copied().collect();
                let folder = index.output.rsplit_once('/').map_or("/", |(folder, _)| folder);
                let layers = vec![system.folder.clone()];
                let upper = start(&Program { argv: &argv, layers, writes: &[folder] }, programs, &work)?;
                let digest = editor.store.put_file(&upper.join(index.output.trim_start_matches('/')))?;
                let made = Made([(index.output.parse().expect("it is a path"), digest)].into());
                remember(editor, name, &key, &made)?;
                made
            }
        };
        put(editor, &made, index.mode)?;
    }
    Ok(())
}

/// The library that systemd's programs are made of.
fn libraries(editor: &Editor<'_>) -> Vec<TreePath> {
    let folder = "/usr".parse().expect("it is a path");
    let found = editor.tree.below(&folder).filter(|(path, _)| path.name().starts_with("libsystemd-shared-"));
    found.map(|(path, _)| path.clone()).collect()
}

/// What names all that an answer depends on.
fn key(editor: &Editor<'_>, files: &[TreePath], words: &[&str]) -> Result<String, CustomiseError> {
    let mut text = format!("{MEMORY} {words:?}\n");
    for path in files {
        let what = match editor.follow(path).map(|(_, entry)| &entry.kind) {
            Some(Kind::File(digest)) => digest.to_string(),
            Some(other) => other.what().to_owned(),
            None => "nothing".to_owned(),
        };
        text.push_str(&format!("{path} {what}\n"));
    }
    Ok(Digest::of(text.as_bytes()).hex())
}

/// What was made of the same before, if all of it is still there.
fn recall(editor: &Editor<'_>, name: &str, key: &str) -> Result<Option<Made>, CustomiseError> {
    let document = editor.store.document(&format!("customise-{name}"), key)?;
    let made: Option<Made> = document.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(made.filter(|made| made.0.values().all(|digest| editor.store.has(digest))))
}

fn remember(editor: &Editor<'_>, name: &str, key: &str, made: &Made) -> Result<(), CustomiseError> {
    let text = serde_json::to_vec(made).expect("paths and digests are JSON");
    Ok(editor.store.set_document(&format!("customise-{name}"), key, &text)?)
}

fn put(editor: &mut Editor<'_>, made: &Made, mode: u16) -> Result<(), CustomiseError> {
    for (path, digest) in &made.0 {
        let entry = editor.entry(Kind::File(*digest), mode);
        editor.put(path, entry)?;
    }
    Ok(())
}

/// Parts of an image that no program of ours reads.
const LEFT_OUT: [&str; 8] = [
    "/usr/lib/modules",
    "/usr/lib/firmware",
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/share/locale",
    "/boot",
    "/proc",
    "/dev",
];

/// The image as a folder, for its own programs to run in.
struct System {
    folder: PathBuf,
    _work: WorkFolder,
}

fn whole_system(editor: &Editor<'_>) -> Result<System, CustomiseError> {
    let work = editor.store.work("system")?;
    // A work folder is for its owner alone.
    let folder = work.path().join("root");
    let is_left_out = |path: &str| {
        LEFT_OUT
            .iter()
            .any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let paths: Vec<TreePath> =
        editor.tree.iter().map(|(path, _)| path).filter(|path| !is_left_out(path.as_str())).cloned().collect();
    lay_out(editor, &paths, &folder)?;
    Ok(System { folder, _work: work })
}

/// Makes files, links and folders of the tree below a folder. Files are hard links to the store where that can be.
fn lay_out(editor: &Editor<'_>, paths: &[TreePath], target: &Path) -> Result<(), CustomiseError> {
    fs::create_dir_all(target).map_err(CustomiseError::io("make", target))?;
    for path in paths {
        let Some(entry) = editor.tree.get(path.as_str()) else { continue };
        let at = target.join(path.relative());
        let folder = if entry.is_directory() { at.as_path() } else { at.parent().unwrap_or(target) };
        fs::create_dir_all(folder).map_err(CustomiseError::io("make", folder))?;
        let digest = match &entry.kind {
            Kind::Symlink(to) => {
                symlink(to, &at).map_err(CustomiseError::io("link", &at))?;
                continue;
            }
            Kind::File(digest) => *digest,
            Kind::HardLink(file) => match editor.tree.get(file.as_str()).and_then(bedplate_tree::Entry::content) {
                Some(digest) => digest,
                None => continue,
            },
            _ => continue,
        };
        let content = |source| CustomiseError::Content { path: path.clone(), source };
        let place = editor.store.sound_place_of(&digest).map_err(content)?;
        let is_executable = entry.mode & 0o111 != 0;
        let fits =
            |blob| fs::metadata(blob).is_ok_and(|facts| (facts.permissions().mode() & 0o111 != 0) == is_executable);
        if !place.is_whole || !fits(&place.path) || fs::hard_link(&place.path, &at).is_err() {
            let bytes = editor.store.read(&digest).map_err(content)?;
            fs::write(&at, bytes).map_err(CustomiseError::io("write", &at))?;
            let mode = fs::Permissions::from_mode(if is_executable { 0o555 } else { 0o444 });
            fs::set_permissions(&at, mode).map_err(CustomiseError::io("write", &at))?;
        }
    }
    Ok(())
}

/// Runs a program; gives the folder of what it wrote.
fn start(program: &Program<'_>, programs: Programs<'_>, work: &WorkFolder) -> Result<PathBuf, CustomiseError> {
    let scratch = work.path().join("scratch");
    let upper = scratch.join("upper");
    for folder in program.writes {
        let folder = upper.join(folder.trim_start_matches('/'));
        fs::create_dir_all(&folder).map_err(CustomiseError::io("make", &folder))?;
        // The program runs as nobody in particular.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).map_err(CustomiseError::io("open", &folder))?;
    }
    let word = |text: &&str| OsString::from(text);
    let job = Job {
        layers: program.layers.clone(),
        scratch,
        binds: Vec::new(),
        prepare: Vec::new(),
        argv: program.argv.iter().map(word).collect(),
        env: [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("TZ", "UTC")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        folder: "/".into(),
        limits: Limits { wall: LONGEST, ..Limits::default() },
        mode: Mode::Batch,
    };
    let mut lines: Vec<String> = Vec::new();
    let outcome = run(&job, programs.helper, programs.cancel, &mut |line| {
        lines.push(String::from_utf8_lossy(line).into_owned());
    });
    let command = program.argv.join(" ");
    match outcome {
        Ok(outcome) if outcome.end.is_success() => Ok(upper),
        Ok(outcome) => {
            let last = lines.len().saturating_sub(LINES);
            let output = lines[last..].join("\n");
            Err(CustomiseError::Program { program: command, end: outcome.end.to_string(), output })
        }
        Err(source) => Err(CustomiseError::Sandbox { program: command, source }),
    }
}
