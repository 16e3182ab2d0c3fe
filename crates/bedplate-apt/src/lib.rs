//! The host's apt, asked for packages and sources of a chosen suite.
