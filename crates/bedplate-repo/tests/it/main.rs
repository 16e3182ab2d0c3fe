//! Repositories of packages that rpmbuild made, beside createrepo_c and dnf.

mod append;
mod broken;
mod hostile;
mod oracle;
mod packages;
mod payload;
mod support;
