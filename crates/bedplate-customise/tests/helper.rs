//! An executable that can be a keeper of sandboxes, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(bedplate_sandbox::HELPER_ARGUMENT) => bedplate_sandbox::child_main(),
        _ => ExitCode::FAILURE,
    }
}
