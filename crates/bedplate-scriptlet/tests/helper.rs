//! An executable that can be a keeper of sandboxes, for the tests.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bedplate_cas::Store;
use bedplate_scriptlet::{Package, Rpm, RunOptions, order, plan, run};
use bedplate_tree::FileTree;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bedplate_sandbox::HELPER_ARGUMENT] => bedplate_sandbox::child_main(),
        ["run", store, manifest, ref files @ ..] => {
            scripts(Path::new(store), Path::new(manifest), files);
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

/// Runs the scripts of package files over a tree, and prints the tree.
fn scripts(store: &Path, manifest: &Path, files: &[&str]) {
    let store = Store::open(store).unwrap();
    let mut tree = FileTree::from_manifest(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    let packages: Vec<Package> = files.iter().map(|path| Package::read(&PathBuf::from(path)).unwrap()).collect();
    let steps = plan(&packages, &order(&packages, Rpm::V4_18), Rpm::V4_18);
    let options = RunOptions { epoch: 1_700_000_000, ..RunOptions::default() };
    match run(&mut tree, &packages, &steps, &store, &options, &mut |_, _| {}) {
        Ok(_) => print!("{}", tree.to_manifest()),
        Err(error) => println!("{error}: {:?}", std::error::Error::source(&error)),
    }
}
