//! The `bedplate` program as a user meets it: arguments, output, exit codes, and its answers about the conformance cases.

#![expect(clippy::print_stderr, reason = "a test that is skipped says why, and the conformance test shows differences")]

mod build;
mod build_again;
mod build_modules;
mod build_prebuilt;
mod build_user;
mod build_world;
mod chain;
mod conformance;
mod expand;
mod graph;
mod help;
mod hostile;
mod image;
mod image_boot;
mod image_build;
mod image_container;
mod image_mistakes;
mod image_remote;
mod image_user;
mod lint;
mod macros;
mod output;
mod query;
mod render;
mod repo;
mod seed;
mod solve;
mod source;
mod store;
mod support;
mod version;

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
