//! Writes a folder as whoever runs it, for the tests.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::path::Path;

use bedplate_cas::Store;
use bedplate_oci::write_folder;
use bedplate_tree::FileTree;

/// Arguments: a folder with `store` and `tree`; `folder` is made in it.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base = std::env::args().nth(1).ok_or("no folder")?;
    let base = Path::new(&base);
    let tree = FileTree::from_manifest(&std::fs::read_to_string(base.join("tree"))?)?;
    let store = Store::open(&base.join("store"))?;
    for missing in write_folder(&store, &tree, &base.join("folder"), |_| true)? {
        println!("{missing}");
    }
    Ok(())
}
