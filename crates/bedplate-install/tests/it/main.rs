//! Packages that rpmbuild made, installed by us and by rpm: the two are compared.

mod agreement;
mod conflicts;
mod owners;
mod store;
mod support;
