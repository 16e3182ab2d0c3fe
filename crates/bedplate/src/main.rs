//! The `bedplate` program.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = bedplate::sandbox_helper() {
        return code;
    }
    let cli = bedplate::Cli::parse();
    let ui = bedplate::Ui::new(cli.color);
    match bedplate::run(cli, &ui) {
        Ok(outcome) => outcome.exit_code(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit_code()
        }
    }
}
