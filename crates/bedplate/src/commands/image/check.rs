//! `bedplate image check`.

use std::path::Path;

use bedplate_compose::{ElfCheckError, ElfFinding, check_elf};
use bedplate_diag::Category;
use regex::Regex;
use serde_json::json;

use super::inspect::find;
use crate::cli::ImageCheckArgs;
use crate::outcome::{Failure, Outcome};
use crate::output::many;
use crate::store;
use crate::ui::Ui;

/// What is right as it is.
struct Exception {
    package: String,
    check: String,
    path: Regex,
}

impl Exception {
    fn is_of(&self, finding: &ElfFinding) -> bool {
        // NAME-VERSION-RELEASE.ARCH
        let name = finding.origin.rsplitn(3, '-').nth(2).unwrap_or(&finding.origin);
        self.package == name && self.check == finding.check.word() && self.path.is_match(&finding.path)
    }
}

/// Checks programs and libraries.
pub(super) fn run(args: &ImageCheckArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let mut exceptions = Vec::new();
    for path in &args.exceptions {
        exceptions.extend(read(path)?);
    }
    let image = find(&args.image)?;
    let store = store::open(&args.store)?;
    let mut report = check_elf(&image.tree, &store)?;
    let all = report.findings.len();
    report.findings.retain(|finding| !exceptions.iter().any(|exception| exception.is_of(finding)));
    if args.json {
        let (files, findings) = (report.files, &report.findings);
        let value = json!({ "version": 1, "files": files, "findings": findings, "excepted": all - findings.len() });
        ui.print(&format!("{value:#}\n"))?;
    } else {
        let line = |one: &ElfFinding| format!("{}: {}: {}: {}\n", one.origin, one.path, one.check.word(), one.found);
        ui.print(&report.findings.iter().map(line).collect::<String>())?;
    }
    ui.summary(&format!(
        "{}, {}, {} excepted",
        many(report.files, "ELF file"),
        many(report.findings.len(), "finding"),
        all - report.findings.len()
    ));
    Ok(if report.findings.is_empty() { Outcome::Good } else { Outcome::BuildFailed })
}

/// Reads a file of exceptions; all its mistakes at once.
fn read(path: &Path) -> Result<Vec<Exception>, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io("cannot read", &shown.to_string(), &error))?;
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
    {
        match exception(line) {
            Ok(exception) => found.push(exception),
            Err(why) => wrong.push(format!("{shown}:{}: {why}", number + 1)),
        }
    }
    if wrong.is_empty() {
        return Ok(found);
    }
    Err(Failure::input(wrong.join("\n"))
        .hint("a line is `PACKAGE CHECK PATTERN REASON`, with a regular expression as its pattern"))
}

fn exception(line: &str) -> Result<Exception, String> {
    let mut words = line.split_whitespace();
    let (Some(package), Some(check), Some(pattern), Some(_)) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("a word is missing: an exception needs a reason, too".to_owned());
    };
    let path = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())?;
    Ok(Exception { package: package.to_owned(), check: check.to_owned(), path })
}

impl From<ElfCheckError> for Failure {
    fn from(error: ElfCheckError) -> Self {
        let hint = "name the store that the image was composed with (`--store`), or compose it again";
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let hint = Some(hint.to_owned());
        Self { category: Category::Environment, message: format!("{error}{cause}"), hint }
    }
}
