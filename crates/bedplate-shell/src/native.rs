//! A small sh with the usual tools as functions.
//!
//! It gives exactly what bash (called as `sh`) and the GNU tools would give, or says that it does not know. So everything
//! here leans to not knowing: an option that is not listed, a pattern whose longest match could differ, a byte that is not ASCII
//! where the locale would count. It has no effects and reads files only through [`Files`]; steps, sizes and depth are bounded.
//!
//! A file that a command reads below the source folder is looked up there; relative names count from there. The folders that a
//! sandbox hides (`/tmp`, `/dev`, `/proc`, …) are not known.

mod arithmetic;
mod builtin;
mod condition;
mod expand;
mod regular;
mod run;
mod syntax;
mod target;
mod tool;

use std::fmt;
use std::sync::Arc;

use bedplate_spec::host::{Files, ShellAnswer, ShellCall};

use crate::profile::Profile;

pub(crate) use syntax::{Command, Kind, List, Name, Part, Pipeline, Redirection, Word, parse};

/// Why the small sh does not know an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not answered natively: {}", self.0)
    }
}

impl std::error::Error for Unknown {}

/// A value, or why it is not known.
pub(crate) type Known<T> = Result<T, Unknown>;

/// Gives up, with the reason.
pub(crate) fn unknown<T>(why: impl Into<String>) -> Known<T> {
    Err(Unknown(why.into()))
}

/// The small sh.
pub struct Native {
    files: Arc<dyn Files>,
    profile: Arc<Profile>,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").finish_non_exhaustive()
    }
}

impl Native {
    /// A small sh that reads `files` and knows the facts and answers of `profile`.
    pub fn new(files: Arc<dyn Files>, profile: Arc<Profile>) -> Self {
        Self { files, profile }
    }

    pub(crate) fn set_profile(&mut self, profile: Arc<Profile>) {
        self.profile = profile;
    }

    /// The answer of a command.
    ///
    /// # Errors
    /// The first reason why it is not known.
    pub fn answer(&self, call: ShellCall<'_>) -> Result<ShellAnswer, Unknown> {
        run::answer(call, self.files.as_ref(), &self.profile)
    }
}

/// The words of a text that is one command without expansions, assignments and redirections.
pub(crate) fn words_of_simple_command(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let list = parse(text).ok()?;
    let [item] = list.items.as_slice() else { return None };
    let (Pipeline { is_negated: false, commands }, true) = (&item.first, item.rest.is_empty()) else { return None };
    let [Command { kind: Kind::Simple { assignments, words }, redirections }] = commands.as_slice() else {
        return None;
    };
    if !assignments.is_empty() || !redirections.is_empty() {
        return None;
    }
    words.iter().map(literal).collect()
}

/// The text of a word without expansions.
pub(crate) fn literal(word: &Word) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for part in word {
        match part {
            Part::Text { bytes, .. } => text.extend_from_slice(bytes),
            _ => return None,
        }
    }
    Some(text)
}
