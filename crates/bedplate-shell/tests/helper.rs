//! An executable that can be a sandbox worker, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(bedplate_sys::sandbox::HELPER_ARGUMENT) {
        return bedplate_sys::sandbox::child_main();
    }
    ExitCode::FAILURE
}
