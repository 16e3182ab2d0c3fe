//! Properties of the macro engine and the parser, in process and without a disk or a shell.

#![expect(clippy::print_stderr, reason = "a failing property shows the input that fails")]

mod display;
#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the same file is a library for the fuzz targets")]
mod entry;
mod macros;
mod parse;
mod seeds;
mod support;

/// A module that is not named above would not run.
#[test]
fn every_file_of_this_folder_is_a_module() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap();
        assert!(module == "main" || main.contains(&format!("\nmod {module};\n")), "main.rs does not name {module}");
    }
}
