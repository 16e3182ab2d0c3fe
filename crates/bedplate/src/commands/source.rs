//! `bedplate source`: the files that specs take from elsewhere.

mod bundle_go;
mod fetch;
mod list;
mod selection;
mod update;
mod verify;

use bedplate_apt::{Apt, AptError};
use bedplate_cas::Store;
use bedplate_source::{HttpOptions, Step};

use crate::cli::SourceCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::{Counter, Ui};
use crate::units::show_bytes;

/// Runs a command of the group.
pub(crate) fn run(command: SourceCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        SourceCommand::Fetch(args) => fetch::run(&args, ui),
        SourceCommand::Verify(args) => verify::run(&args, ui),
        SourceCommand::Update(args) => update::run(&args, ui),
        SourceCommand::List(args) => list::run(&args, ui),
        SourceCommand::BundleGo(args) => bundle_go::run(&args, ui),
    }
}

/// Suites of Debian that files are looked for in.
const SUITES: [&str; 3] = ["trixie", "sid", "bookworm"];

/// The host's apt, with a state of its own in the store.
fn apt(store: &Store) -> Result<Apt, Failure> {
    Apt::new(&store.path().join("apt"), &SUITES).map_err(apt_failure)
}

fn apt_failure(error: AptError) -> Failure {
    Failure { category: error.category(), message: error.to_string(), hint: None }
}

/// How servers are talked to: with the proxies of the environment, as other tools take them.
pub(crate) fn http_options() -> HttpOptions {
    // Capital letters are not asked for with `http_proxy`: in a CGI program, a client could set them.
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let either = |name: &str| variable(name).or_else(|| variable(&name.to_uppercase()));
    HttpOptions {
        http_proxy: variable("http_proxy").or_else(|| either("all_proxy")),
        https_proxy: either("https_proxy").or_else(|| either("all_proxy")),
        no_proxy: either("no_proxy"),
        ..HttpOptions::default()
    }
}

/// Says what happens with a file.
fn tell(counter: &Counter, package: &str, file: &str, step: &Step<'_>) {
    match step {
        Step::Bytes { done, total } => {
            let of = total.map(|total| format!(" of {}", show_bytes(total))).unwrap_or_default();
            counter.say(|| format!("{package}: {file}: {}{of}", show_bytes(*done)));
        }
        Step::Again { place, why } => counter.line(&format!("{package}: {file}: {place}: {why}; trying again")),
        Step::Refused { place, trouble } => counter.line(&format!("{package}: {file}: not of {place}: {trouble}")),
        Step::Got { place: Some(place), digest } => {
            counter.line(&format!("{package}: {file}: {} of {place}", show_bytes(digest.size)));
        }
        Step::Got { place: None, .. } => {}
    }
}
