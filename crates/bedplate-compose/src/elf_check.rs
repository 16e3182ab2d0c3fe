//! Programs and libraries of an image: whether they find what they need in it, and how they are hardened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bedplate_cas::{Digest, Store};
use bedplate_tree::{FileTree, Kind, TreePath};
use rayon::prelude::*;
use serde::Serialize;

use crate::elf::{self, Elf};

/// Where the loader looks without being told.
const FOLDERS: [&str; 4] = ["/usr/lib64", "/usr/lib", "/lib64", "/lib"];
/// What is looked at for its first bytes first.
const MAGIC: &[u8] = b"\x7fELF";

/// What a program or library should be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElfCheck {
    /// Each library that it needs is in the image.
    Needed,
    /// The program that loads it is in the image.
    Interpreter,
    /// A program is position independent.
    Pie,
    /// Data that is relocated is read-only afterwards.
    Relro,
    /// All symbols are bound at the start.
    Now,
    /// The stack cannot be executed.
    Stack,
    /// Its run paths are in the image.
    Runpath,
    /// Its code is not changed when it is loaded.
    Textrel,
    /// At least one file of the package uses the stack protector.
    Canary,
}

impl ElfCheck {
    /// What exceptions call it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Interpreter => "interpreter",
            Self::Pie => "pie",
            Self::Relro => "relro",
            Self::Now => "now",
            Self::Stack => "stack",
            Self::Runpath => "runpath",
            Self::Textrel => "textrel",
            Self::Canary => "canary",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ElfFinding {
    /// The full name of the package, or who else made the file.
    pub origin: String,
    /// The file; the root if it is about the package.
    pub path: String,
    /// What was checked.
    pub check: ElfCheck,
    /// What is there.
    pub found: String,
}

/// All programs and libraries of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ElfReport {
    /// How many there are.
    pub files: usize,
    /// What is wrong, by package.
    pub findings: Vec<ElfFinding>,
}

/// Why an image cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ElfCheckError {
    /// The store has not what is in a file.
    #[error("the store has not the content of `{path}`")]
    Absent {
        /// The file.
        path: String,
    },
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file in the store.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Looks at all programs and libraries of an image's tree; their contents are in the store that it was composed with.
///
/// # Errors
/// The store has not all of them.
pub fn check_elf(tree: &FileTree, store: &Store) -> Result<ElfReport, ElfCheckError> {
    let files: Vec<(&TreePath, Digest)> =
        tree.iter().filter_map(|(path, entry)| Some((path, entry.content()?))).collect();
    let read: Result<Vec<Option<(&TreePath, Elf)>>, ElfCheckError> = files
        .par_iter()
        .map(|(path, digest)| Ok(contents(store, path, digest)?.and_then(|bytes| Some((*path, elf::read(&bytes)?)))))
        .collect();
    let files: Vec<(&TreePath, Elf)> = read?.into_iter().flatten().collect();
    let folders = folders(tree, store);
    let mut report = ElfReport { files: files.len(), findings: Vec::new() };
    let mut protected: BTreeMap<&str, bool> = BTreeMap::new();
    for (path, file) in &files {
        let Some(entry) = tree.get(path.as_str()) else { continue };
        let origin: &str = &entry.origin;
        // The start files of the C library alone do not make a program of C.
        *protected.entry(origin).or_default() |= file.has_stack_protector || !file.is_dynamic;
        report.findings.extend(findings(tree, &folders, path, file).into_iter().map(|(check, found)| ElfFinding {
            origin: origin.to_owned(),
            path: path.to_string(),
            check,
            found,
        }));
    }
    for (origin, _) in protected.into_iter().filter(|(_, is_protected)| !is_protected) {
        let found = "no file of it uses the stack protector".to_owned();
        let (origin, path) = (origin.to_owned(), "/".to_owned());
        report.findings.push(ElfFinding { origin, path, check: ElfCheck::Canary, found });
    }
    report.findings.sort();
    Ok(report)
}

/// The bytes of a file that begins as ELF does.
fn contents(store: &Store, path: &TreePath, digest: &Digest) -> Result<Option<Vec<u8>>, ElfCheckError> {
    if digest.size < MAGIC.len() as u64 {
        return Ok(None);
    }
    let Some(place) = store.place_of(digest) else {
        // It may be in a pack.
        let bytes = store.read(digest).map_err(|_| ElfCheckError::Absent { path: path.to_string() })?;
        return Ok(bytes.starts_with(MAGIC).then_some(bytes));
    };
    let failed = |source| ElfCheckError::Read { path: place.clone(), source };
    let mut file = std::fs::File::open(&place).map_err(failed)?;
    let mut bytes = vec![0; MAGIC.len()];
    std::io::Read::read_exact(&mut file, &mut bytes).map_err(failed)?;
    if bytes != MAGIC {
        return Ok(None);
    }
    std::io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// The folders of the loader: its own, and those of its configuration.
fn folders(tree: &FileTree, store: &Store) -> Vec<String> {
    let mut folders: Vec<String> = FOLDERS.map(str::to_owned).into();
    let texts = tree.iter().filter(|(path, _)| {
        let path = path.as_str();
        path == "/etc/ld.so.conf" || (path.starts_with("/etc/ld.so.conf.d/") && path.ends_with(".conf"))
    });
    for (_, entry) in texts {
        let text = entry.content().and_then(|digest| store.read(&digest).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        folders.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned));
    }
    folders
}

fn findings(tree: &FileTree, folders: &[String], path: &TreePath, file: &Elf) -> Vec<(ElfCheck, String)> {
    let mut found = Vec::new();
    let mut add = |check, what: String| found.push((check, what));
    let here = path.parent().unwrap_or_else(TreePath::root);
    let run_paths: Vec<String> = file.run_paths.iter().map(|part| expanded(part, here.as_str())).collect();
    let missing: BTreeSet<&str> = file
        .needed
        .iter()
        .map(String::as_str)
        .filter(|name| !run_paths.iter().chain(folders).any(|folder| is_file(tree, &format!("{folder}/{name}"))))
        .collect();
    if !missing.is_empty() {
        add(ElfCheck::Needed, format!("not in the image: {}", missing.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if let Some(interpreter) = file.interpreter.as_ref().filter(|interpreter| !is_file(tree, interpreter)) {
        add(ElfCheck::Interpreter, format!("not in the image: {interpreter}"));
    }
    if file.is_fixed {
        add(ElfCheck::Pie, "a program that has to lie where it was linked for".to_owned());
    }
    if !file.has_relro {
        add(ElfCheck::Relro, "relocated data stays writable".to_owned());
    }
    if file.is_dynamic && !file.binds_now {
        add(ElfCheck::Now, "symbols are bound when they are first used".to_owned());
    }
    if file.has_executable_stack {
        add(ElfCheck::Stack, "the stack can be executed".to_owned());
    }
    if file.has_text_relocations {
        add(ElfCheck::Textrel, "code is changed when it is loaded".to_owned());
    }
    let foreign: Vec<&str> = file
        .run_paths
        .iter()
        .zip(&run_paths)
        .filter(|(_, expanded)| !is_directory(tree, expanded))
        .map(|(part, _)| part.as_str())
        .collect();
    if !foreign.is_empty() {
        add(ElfCheck::Runpath, format!("no folder of the image: `{}`", foreign.join("`, `")));
    }
    found
}

/// A part of a run path with the folder of its file put in, and without `..`.
fn expanded(part: &str, here: &str) -> String {
    let whole = part.replace("${ORIGIN}", here).replace("$ORIGIN", here);
    if !whole.starts_with('/') {
        return whole;
    }
    let mut parts = Vec::new();
    for name in whole.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            parts.pop();
        } else {
            parts.push(name);
        }
    }
    format!("/{}", parts.join("/"))
}

fn kind<'a>(tree: &'a FileTree, path: &str) -> Option<&'a Kind> {
    let path: TreePath = path.parse().ok()?;
    Some(&tree.get(tree.resolve(&path)?.as_str())?.kind)
}

fn is_file(tree: &FileTree, path: &str) -> bool {
    matches!(kind(tree, path), Some(Kind::File(_) | Kind::HardLink(_)))
}

fn is_directory(tree: &FileTree, path: &str) -> bool {
    path.starts_with('/') && matches!(kind(tree, path), Some(Kind::Directory))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use bedplate_tree::Entry;

    use super::*;

    /// Compiles a program or library of one function.
    fn compile(folder: &Path, name: &str, source: &str, options: &[&str]) -> Vec<u8> {
        std::fs::write(folder.join("part.c"), source).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["part.c", "-o", name]).args(options).current_dir(folder);
        assert!(compiler.status().unwrap().success(), "{name}");
        std::fs::read(folder.join(name)).unwrap()
    }

    #[test]
    fn what_is_not_hardened_or_not_there_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let store = Store::open(&at.join("store")).unwrap();
        let mut tree = FileTree::new();
        let mut add = |path: &str, kind: Kind, origin: &str| {
            tree.insert(path.parse().unwrap(), Entry::new(kind, 0o755, &Arc::from(origin))).unwrap();
        };
        for path in ["/", "/usr", "/usr/bin", "/usr/lib64", "/usr/lib", "/usr/lib/own", "/etc"] {
            add(path, Kind::Directory, "filesystem-1-1.noarch");
        }
        add("/lib64", Kind::Symlink("usr/lib64".to_owned()), "filesystem-1-1.noarch");
        let mut file =
            |path: &str, bytes: &[u8], origin: &str| add(path, Kind::File(store.put(bytes).unwrap()), origin);
        // Only their names count.
        file("/usr/lib64/libc.so.6", b"text", "glibc-2-1.x86_64");
        file("/usr/lib64/ld-linux-x86-64.so.2", b"text", "glibc-2-1.x86_64");
        file("/etc/text", b"\x7fELF and no more", "glibc-2-1.x86_64");
        let full = ["-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-fstack-protector-all"];
        let library = [&["-shared", "-fPIC", "-Wl,-soname,libpart.so.1"][..], &full].concat();
        let bytes = compile(at, "libpart.so.1", "int part(void) { return 1; }", &library);
        file("/usr/lib/own/libpart.so.1", &bytes, "good-1-1.x86_64");
        let main = "int main(void) { return 0; }";
        let caller = "int part(void); int main(void) { return part(); }";
        let mut program = |name: &str, source: &str, options: &[&str]| {
            let bytes = compile(at, name, source, options);
            file(&format!("/usr/bin/{name}"), &bytes, &format!("{name}-1-1.x86_64"));
        };
        let linked = ["-pie", "-fPIE", "-L.", "-l:libpart.so.1"];
        program("good", main, &[&["-pie", "-fPIE"][..], &full].concat());
        program("found", caller, &[&linked[..], &["-Wl,-rpath,$ORIGIN/../lib/own"], &full].concat());
        program("lost", caller, &[&linked[..], &full].concat());
        program("elsewhere", caller, &[&linked[..], &["-Wl,-rpath,/build/lib:/usr/lib/own"], &full].concat());
        program("fixed", main, &[&["-no-pie", "-fno-PIE"][..], &full].concat());
        program("lazy", main, &["-pie", "-fPIE", "-fstack-protector-all", "-Wl,-z,lazy,-z,relro"]);
        program("soft", main, &[&["-pie", "-fPIE"][..], &full, &["-Wl,-z,norelro", "-Wl,-z,execstack"]].concat());
        program("bare", main, &["-pie", "-fPIE", "-fno-stack-protector", "-Wl,-z,relro,-z,now"]);
        program("static", main, &["-static", "-fno-PIE", "-no-pie"]);

        let report = check_elf(&tree, &store).unwrap();
        assert_eq!(report.files, 10);
        let found: Vec<(&str, &str, &str)> =
            report.findings.iter().map(|one| (one.path.as_str(), one.check.word(), one.found.as_str())).collect();
        let expected = [
            ("/", "canary", "no file of it uses the stack protector"),
            ("/usr/bin/elsewhere", "runpath", "no folder of the image: `/build/lib`"),
            ("/usr/bin/fixed", "pie", "a program that has to lie where it was linked for"),
            ("/usr/bin/lazy", "now", "symbols are bound when they are first used"),
            ("/usr/bin/lost", "needed", "not in the image: libpart.so.1"),
            ("/usr/bin/soft", "relro", "relocated data stays writable"),
            ("/usr/bin/soft", "stack", "the stack can be executed"),
            ("/usr/bin/static", "pie", "a program that has to lie where it was linked for"),
        ];
        assert_eq!(found, expected);
        assert_eq!(report.findings[0].origin, "bare-1-1.x86_64");

        // A store that has not what is in a file.
        let other = Store::open(&at.join("other")).unwrap();
        assert!(matches!(check_elf(&tree, &other), Err(ElfCheckError::Absent { .. })));
    }
}
