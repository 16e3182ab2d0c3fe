//! `bedplate source`: the files that specs take from elsewhere.

mod fetch;
mod list;
mod selection;
mod update;
mod verify;

use bedplate_source::{HttpOptions, Step};

use crate::cli::SourceCommand;
use crate::outcome::{Failure, Outcome};
use crate::ui::{Counter, Ui};

/// Runs a command of the group.
pub(crate) fn run(command: SourceCommand, ui: &Ui) -> Result<Outcome, Failure> {
    match command {
        SourceCommand::Fetch(args) => fetch::run(&args, ui),
        SourceCommand::Verify(args) => verify::run(&args, ui),
        SourceCommand::Update(args) => update::run(&args, ui),
        SourceCommand::List(args) => list::run(&args, ui),
    }
}

/// How servers are talked to: with the proxies of the environment, as other tools take them.
fn http_options() -> HttpOptions {
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
            let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
            counter.say(|| format!("{package}: {file}: {}{of}", size(*done)));
        }
        Step::Again { place, why } => counter.line(&format!("{package}: {file}: {place}: {why}; trying again")),
        Step::Refused { place, trouble } => counter.line(&format!("{package}: {file}: not of {place}: {trouble}")),
        Step::Got { place: Some(place), digest } => {
            counter.line(&format!("{package}: {file}: {} of {place}", size(digest.size)));
        }
        Step::Got { place: None, .. } => {}
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "bytes" { format!("{bytes} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
