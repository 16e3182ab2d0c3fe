//! Messages of the Remote Execution API v2 (`build.bazel.remote.execution.v2`): only those that describe trees and actions.
//!
//! Their canonical encoding has the fields in the order of their numbers and no defaults, which is what prost writes. Lists that
//! the API wants sorted are sorted by who fills them: [`Command::canonical`] and [`Platform::new`] help.

use prost::Message;

use crate::DigestError;

/// SHA-256 and size of a blob.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Digest {
    /// Lower-case hexadecimal digits.
    #[prost(string, tag = "1")]
    pub hash: String,
    /// Bytes.
    #[prost(int64, tag = "2")]
    pub size_bytes: i64,
}

impl From<crate::Digest> for Digest {
    fn from(digest: crate::Digest) -> Self {
        Self { hash: digest.hex(), size_bytes: i64::try_from(digest.size).unwrap_or(i64::MAX) }
    }
}

impl TryFrom<&Digest> for crate::Digest {
    type Error = DigestError;

    fn try_from(digest: &Digest) -> Result<Self, DigestError> {
        // A negative size becomes one that no file has.
        Self::from_parts(&digest.hash, u64::try_from(digest.size_bytes).unwrap_or(u64::MAX))
    }
}

/// A number that may be absent (`google.protobuf.UInt32Value`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UInt32Value {
    /// The number.
    #[prost(uint32, tag = "1")]
    pub value: u32,
}

/// What an entry of a folder has beside its name and content. We use the mode only.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NodeProperties {
    /// Permission bits, with set-user-id and the like.
    #[prost(message, optional, tag = "3")]
    pub unix_mode: Option<UInt32Value>,
}

impl NodeProperties {
    /// Properties with this mode.
    pub fn of_mode(mode: u32) -> Self {
        Self { unix_mode: Some(UInt32Value { value: mode }) }
    }
}

/// A folder: its entries, each list sorted by name.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Directory {
    /// Plain files.
    #[prost(message, repeated, tag = "1")]
    pub files: Vec<FileNode>,
    /// Folders in it.
    #[prost(message, repeated, tag = "2")]
    pub directories: Vec<DirectoryNode>,
    /// Symbolic links.
    #[prost(message, repeated, tag = "3")]
    pub symlinks: Vec<SymlinkNode>,
    /// Of the folder itself.
    #[prost(message, optional, tag = "5")]
    pub node_properties: Option<NodeProperties>,
}

/// A plain file.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FileNode {
    /// Name in its folder.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Content.
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
    /// Whether it has an executable bit.
    #[prost(bool, tag = "4")]
    pub is_executable: bool,
    /// Its mode.
    #[prost(message, optional, tag = "6")]
    pub node_properties: Option<NodeProperties>,
}

/// A folder in a folder.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DirectoryNode {
    /// Name in its folder.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Of its `Directory` message.
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
}

/// A symbolic link.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SymlinkNode {
    /// Name in its folder.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Where it leads.
    #[prost(string, tag = "2")]
    pub target: String,
}

/// A variable of a command's environment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub struct EnvironmentVariable {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// What runs.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Command {
    /// The program and its arguments.
    #[prost(string, repeated, tag = "1")]
    pub arguments: Vec<String>,
    /// The whole environment, sorted by name.
    #[prost(message, repeated, tag = "2")]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// Folder below the input root to run in.
    #[prost(string, tag = "6")]
    pub working_directory: String,
    /// Files and folders that it makes, sorted, relative to the working folder.
    #[prost(string, repeated, tag = "7")]
    pub output_paths: Vec<String>,
}

impl Command {
    /// The command with its lists sorted as the API wants them.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        self.environment_variables.sort();
        self.output_paths.sort();
        self.output_paths.dedup();
        self
    }
}

/// What is asked of the machine.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Platform {
    /// Sorted by name, then value.
    #[prost(message, repeated, tag = "1")]
    pub properties: Vec<Property>,
}

impl Platform {
    /// A platform with these properties, sorted.
    pub fn new<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let named = |(name, value): (&str, &str)| Property { name: name.to_owned(), value: value.to_owned() };
        let mut properties: Vec<Property> = properties.into_iter().map(named).collect();
        properties.sort();
        Self { properties }
    }
}

/// One property of a platform.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub struct Property {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A span of time (`google.protobuf.Duration`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Billionths of a second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// One step: the digest of its encoding is its key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Action {
    /// Of a [`Command`].
    #[prost(message, optional, tag = "1")]
    pub command_digest: Option<Digest>,
    /// Of the [`Directory`] that it runs in.
    #[prost(message, optional, tag = "2")]
    pub input_root_digest: Option<Digest>,
    /// How long it may take.
    #[prost(message, optional, tag = "6")]
    pub timeout: Option<Duration>,
    /// Whether its result must not be served again.
    #[prost(bool, tag = "7")]
    pub do_not_cache: bool,
    /// Makes another key of the same action.
    #[prost(bytes = "vec", tag = "9")]
    pub salt: Vec<u8>,
    /// What is asked of the machine.
    #[prost(message, optional, tag = "10")]
    pub platform: Option<Platform>,
}

/// The digest of a message's encoding.
pub fn digest_of(message: &impl Message) -> crate::Digest {
    crate::Digest::of(&message.encode_to_vec())
}
