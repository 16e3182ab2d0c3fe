//! Packages that rpmbuild made, beside rpm itself.

mod order;
mod plan;
mod run;
mod support;
mod tree;
