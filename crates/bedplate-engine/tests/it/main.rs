//! The scheduler as its users see it: plans that are run by threads and watched by a sink. Publications as rpm and dnf see them.

mod modules;
mod plan;
mod property;
mod publish;
mod run;

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
