//! OpenPGP signatures: the only crate with OpenPGP in it.
