//! Packages and repositories.

use super::Checks;

pub(super) fn check(checks: &mut Checks<'_>) {
    let packages = &checks.config.packages;
    for excluded in &packages.exclude {
        if let Some(installed) = packages.install.iter().find(|one| one.as_str() == excluded.as_str()) {
            let (one, other) = ((installed.span, "packages.install"), (excluded.span, "packages.exclude"));
            checks.conflict("contradiction", one, other, format!("`{excluded}`"));
        }
    }
}
