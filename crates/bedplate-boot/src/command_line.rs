//! The kernel command line, from what the image is.
//!
//! Parameters have a fixed order: the root, verity, consoles, then what the image config adds. What the config removes is removed
//! from the first three. A value with spaces is put in quotes, as the kernel reads them.

use std::fmt;

/// A parameter that cannot be in a command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// It is empty.
    #[error("a kernel parameter is empty")]
    Empty,
    /// A character that has no place there.
    #[error("the kernel parameter `{parameter}` has the character {character:?}")]
    Character {
        /// The parameter.
        parameter: String,
        /// The character.
        character: char,
    },
    /// A space in the name.
    #[error("the kernel parameter `{0}` has a space before its `=`: write each parameter by itself")]
    Space(String),
}

/// Where the root file system is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootSource {
    /// A partition, by its unique GUID in lower case.
    Partition {
        /// The GUID.
        guid: String,
    },
    /// A verity-protected root: partitions are found by its hash, as the Discoverable Partitions Specification says.
    VerityRoot {
        /// The root hash in hexadecimal.
        hash: String,
        /// The unique GUIDs of data and hash partition, where they are not those that the hash says.
        partitions: Option<(String, String)>,
    },
    /// A verity-protected `/usr` on a root partition.
    VerityUsr {
        /// The unique GUID of the root partition in lower case.
        guid: String,
        /// The root hash of `/usr` in hexadecimal.
        hash: String,
        /// As for the root.
        partitions: Option<(String, String)>,
    },
}

/// Whether the root may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootAccess {
    /// It is mounted read-only and stays so.
    ReadOnly,
    /// It is mounted for writing.
    ReadWrite,
}

/// What a command line is made of.
#[derive(Debug, Clone)]
pub struct CommandLineRequest<'a> {
    /// The root.
    pub root: &'a RootSource,
    /// Its type of file system, if it is known.
    pub root_kind: Option<&'a str>,
    /// Whether it may be written.
    pub access: RootAccess,
    /// Consoles: the last one is `/dev/console`.
    pub consoles: &'a [String],
    /// Further parameters, in order.
    pub add: &'a [String],
    /// Parameters to leave out: by name (`quiet`, `console`), or with the value (`console=tty0`).
    pub remove: &'a [String],
}

/// A kernel command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    parameters: Vec<String>,
}

impl CommandLine {
    /// Composes a command line.
    ///
    /// # Errors
    ///
    /// All parameters that cannot be in one.
    pub fn compose(request: &CommandLineRequest<'_>) -> Result<Self, Vec<ParameterError>> {
        let mut own = root_parameters(request);
        own.extend(request.consoles.iter().map(|console| format!("console={console}")));
        own.retain(|parameter| !request.remove.iter().any(|removed| is_removed(parameter, removed)));
        let mut parameters = Vec::new();
        let mut errors = Vec::new();
        for parameter in own.iter().chain(request.add) {
            match quote(parameter) {
                Ok(quoted) if parameters.contains(&quoted) => {}
                Ok(quoted) => parameters.push(quoted),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { parameters }) } else { Err(errors) }
    }

    /// The parameters, quoted where they have spaces.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parameters.join(" "))
    }
}

fn root_parameters(request: &CommandLineRequest<'_>) -> Vec<String> {
    let mut out = Vec::new();
    match request.root {
        RootSource::Partition { guid } => out.push(format!("root=PARTUUID={guid}")),
        // systemd mounts /dev/mapper/root by itself when it is told of the hash; others have to be told.
        RootSource::VerityRoot { hash, partitions } => {
            out.extend(["root=/dev/mapper/root".to_owned(), format!("roothash={hash}")]);
            if let Some((data, tree)) = partitions {
                out.push(format!("systemd.verity_root_data=PARTUUID={data}"));
                out.push(format!("systemd.verity_root_hash=PARTUUID={tree}"));
            }
        }
        RootSource::VerityUsr { guid, hash, partitions } => {
            out.push(format!("root=PARTUUID={guid}"));
            out.extend(["mount.usr=/dev/mapper/usr".to_owned(), format!("usrhash={hash}")]);
            if let Some((data, tree)) = partitions {
                out.push(format!("systemd.verity_usr_data=PARTUUID={data}"));
                out.push(format!("systemd.verity_usr_hash=PARTUUID={tree}"));
            }
        }
    }
    out.extend(request.root_kind.map(|kind| format!("rootfstype={kind}")));
    out.push(if request.access == RootAccess::ReadOnly { "ro" } else { "rw" }.to_owned());
    out
}

fn is_removed(parameter: &str, removed: &str) -> bool {
    parameter == removed || (!removed.contains('=') && parameter.split('=').next() == Some(removed))
}

/// The parameter as it stands in a command line.
fn quote(parameter: &str) -> Result<String, ParameterError> {
    if parameter.is_empty() {
        return Err(ParameterError::Empty);
    }
    if let Some(character) = parameter.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ') || *c == '"') {
        return Err(ParameterError::Character { parameter: parameter.to_owned(), character });
    }
    match parameter.split_once('=') {
        Some((name, value)) if value.contains(' ') && !name.contains(' ') => Ok(format!("{name}=\"{value}\"")),
        _ if parameter.contains(' ') => Err(ParameterError::Space(parameter.to_owned())),
        _ => Ok(parameter.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(root: &RootSource, add: &[&str], remove: &[&str]) -> Result<String, Vec<ParameterError>> {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let consoles = texts(&["tty0", "ttyS0"]);
        let request = CommandLineRequest {
            root,
            root_kind: Some("erofs"),
            access: RootAccess::ReadOnly,
            consoles: &consoles,
            add: &texts(add),
            remove: &texts(remove),
        };
        CommandLine::compose(&request).map(|line| line.to_string())
    }

    #[test]
    fn pieces_have_a_fixed_order() {
        let partition = RootSource::Partition { guid: "1-2".into() };
        let verity = RootSource::VerityRoot { hash: "ab".into(), partitions: None };
        let named = RootSource::VerityRoot { hash: "ab".into(), partitions: Some(("1".into(), "2".into())) };
        let usr = RootSource::VerityUsr { guid: "3".into(), hash: "cd".into(), partitions: None };
        for (root, add, remove, expected) in [
            (
                &partition,
                &["quiet", "a=b c", "quiet"][..],
                &["console=tty0"][..],
                "root=PARTUUID=1-2 rootfstype=erofs ro console=ttyS0 quiet a=\"b c\"",
            ),
            (&verity, &[], &["console", "rootfstype"], "root=/dev/mapper/root roothash=ab ro"),
            (
                &named,
                &[],
                &["console", "rootfstype"],
                "root=/dev/mapper/root roothash=ab systemd.verity_root_data=PARTUUID=1 systemd.verity_root_hash=PARTUUID=2 ro",
            ),
            (&usr, &[], &["console"], "root=PARTUUID=3 mount.usr=/dev/mapper/usr usrhash=cd rootfstype=erofs ro"),
        ] {
            assert_eq!(compose(root, add, remove).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn all_bad_parameters_are_named() {
        let partition = RootSource::Partition { guid: "1".into() };
        let errors = compose(&partition, &["", "a b", "x=\"y\"", "n\n", "fine"], &[]).unwrap_err();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "a kernel parameter is empty",
                "the kernel parameter `a b` has a space before its `=`: write each parameter by itself",
                "the kernel parameter `x=\"y\"` has the character '\"'",
                "the kernel parameter `n\n` has the character '\\n'",
            ]
        );
    }
}
