//! An executable that can be a keeper of builds, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(bedplate_sandbox::HELPER_ARGUMENT) {
        return bedplate_sandbox::child_main();
    }
    ExitCode::FAILURE
}
