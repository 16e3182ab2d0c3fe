//! An executable that can be a keeper of sandboxes, for the tests; and one that makes file systems by itself, as another user.

#![expect(clippy::print_stdout, reason = "tests read what it prints")]

use std::path::PathBuf;
use std::process::ExitCode;

use bedplate_cas::Store;
use bedplate_filesystem::{
    Context, ErofsOptions, Ext4Options, FilesystemKind, Request, Size, VfatOptions, XfsOptions, make,
};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::FileTree;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [bedplate_sandbox::HELPER_ARGUMENT] => bedplate_sandbox::child_main(),
        ["make", kind, folder] => {
            let kind = match kind {
                "erofs" => FilesystemKind::Erofs(ErofsOptions::default()),
                "ext4" => FilesystemKind::Ext4(Ext4Options::default()),
                "xfs" => FilesystemKind::Xfs(XfsOptions::default()),
                _ => FilesystemKind::Vfat(VfatOptions::default()),
            };
            match make_one(kind, folder.into()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    println!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => ExitCode::FAILURE,
    }
}

/// Makes `folder/KIND.image` of the tree `folder/tree`, with `folder/store` and `folder/tools`.
fn make_one(kind: FilesystemKind, folder: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let tree = FileTree::from_manifest(&std::fs::read_to_string(folder.join("tree"))?)?;
    let (store, tools) = (Store::open(&folder.join("store"))?, folder.join("tools"));
    let context = Context { store: &store, tools: &tools, helper: &Helper::Ourselves, cancel: &Cancel::default() };
    let size = Size::Minimal { slack: 0 };
    let request = Request { tree: &tree, kind, label: "LABEL", uuid: [7; 16], size, epoch: 1_700_000_000 };
    make(&context, &request, &folder.join(format!("{kind}.image")))?;
    Ok(())
}
