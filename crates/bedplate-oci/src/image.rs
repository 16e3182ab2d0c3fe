//! What an image is made of.

use std::collections::BTreeMap;

use crate::{Compression, Layer, OciError};

/// An image to be written.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// From the lowest to the topmost.
    pub layers: &'a [Layer],
    /// How it is run, and what is said of it.
    pub config: &'a ImageConfig,
    /// How layers are compressed; those of a docker archive are not.
    pub compression: Compression,
    /// `NAME` or `NAME:TAG`, as `docker tag` takes it; the tag is `latest` if there is none.
    pub name: Option<&'a str>,
}

/// How a container of an image is run, and what is said of the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// The processor, in the words of rpm (`x86_64`, `aarch64`) or of Go (`amd64`, `arm64`).
    pub architecture: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Who maintains it.
    pub author: Option<String>,
    /// `USER[:GROUP]`, by name or number; root if there is none.
    pub user: Option<String>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The command that arguments are added to.
    pub entrypoint: Vec<String>,
    /// The arguments, or the command if there is no entrypoint, for those who give none.
    pub command: Vec<String>,
    /// The folder to run in.
    pub working_directory: Option<String>,
    /// `PORT/tcp` and `PORT/udp` that it listens on.
    pub exposed_ports: Vec<String>,
    /// Folders whose content shall outlive a container.
    pub volumes: Vec<String>,
    /// The signal that ends a container: `SIGRTMIN+3` for systemd.
    pub stop_signal: Option<String>,
    /// Of the config: `docker inspect` shows them.
    pub labels: BTreeMap<String, String>,
    /// Of the manifest, for those who look without fetching anything else.
    pub annotations: BTreeMap<String, String>,
}

impl ImageConfig {
    /// The processor in the words of Go.
    pub(crate) fn go_architecture(&self) -> &str {
        match self.architecture.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
}

/// A name of an image, in its two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
}

impl<'a> Name<'a> {
    /// The grammar of the distribution specification.
    pub(crate) fn parse(name: &'a str) -> Result<Self, OciError> {
        let bad = |why| OciError::BadName { name: name.to_owned(), why };
        // A colon before a slash is that of a port.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (name, "latest"),
        };
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_tag = tag.len() <= 128
            && tag.bytes().next().is_some_and(is_word)
            && tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte));
        if !is_tag {
            return Err(bad(
                "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two",
            ));
        }
        let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_part = |part: &str| {
            let edges = [part.bytes().next(), part.bytes().last()];
            edges.iter().all(|edge| edge.is_some_and(is_lower))
                && part.bytes().all(|byte| is_lower(byte) || b"._-:".contains(&byte))
        };
        // Only the first part, a host, may have a port.
        let has_port = repository.split('/').skip(1).any(|part| part.contains(':'))
            || !repository.contains('/') && repository.contains(':');
        if has_port || !repository.split('/').all(is_part) {
            return Err(bad("it has small letters, digits and, between these, `.`, `_`, `-` and `/`"));
        }
        Ok(Self { repository, tag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("node", Some(("node", "latest"))),
            ("node:1.2.3", Some(("node", "1.2.3"))),
            ("registry.example:5000/team/node", Some(("registry.example:5000/team/node", "latest"))),
            ("registry.example:5000/team/node:x", Some(("registry.example:5000/team/node", "x"))),
            ("Node", None),
            ("node:", None),
            ("node:-x", None),
            ("a//b", None),
            ("a/b:1/c", None),
            ("", None),
        ] {
            let found = Name::parse(text).ok();
            assert_eq!(found.map(|name| (name.repository, name.tag)), expected, "{text}");
        }
    }
}
