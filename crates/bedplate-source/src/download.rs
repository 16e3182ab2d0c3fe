//! Single files over HTTP, for those who know themselves what they fetch: repositories of packages.

use std::path::Path;

use crate::http::{Http, Watch};
use crate::partial::Partial;
use crate::{HttpOptions, Sha256, Trouble};

/// Connections to servers.
#[derive(Debug)]
pub struct Downloads {
    http: Http,
}

impl Downloads {
    /// Connections as the options say; none is opened yet.
    ///
    /// # Errors
    /// If a proxy cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, Trouble> {
        Ok(Self { http: Http::new(options)? })
    }

    /// Fetches a file, in one piece: what is at `target` is replaced when all of it is here, and with `sha256` only if it is that. A
    /// file of that hash which is at `target` already is not fetched. `bytes` hears how many are here.
    ///
    /// # Errors
    /// If the server does not have it, cannot be reached, sends other bytes, or the file cannot be written.
    pub fn get(
        &self,
        url: &str,
        target: &Path,
        sha256: Option<Sha256>,
        bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Trouble> {
        let is_there = |sha256| Sha256::of_file(target).is_ok_and(|(found, _)| found == sha256);
        if sha256.is_some_and(is_there) {
            return Ok(());
        }
        let folder = target.parent().unwrap_or(Path::new("."));
        let mut partial = match sha256 {
            Some(sha256) => Partial::open(folder, sha256)?,
            None => Partial::unnamed(folder)?,
        };
        let fetched = self.http.download(url, &mut partial, None, &Told(bytes)).and_then(|()| match sha256 {
            Some(expected) => match partial.sha256()? {
                found if found == expected => Ok(()),
                actual => Err(Trouble::WrongSha256 { expected, actual }),
            },
            None => Ok(()),
        });
        if let Err(trouble) = fetched {
            // What is known by its hash is gone on with the next time, unless it is wrong.
            if sha256.is_none() || trouble.is_wrong() {
                partial.remove();
            }
            return Err(trouble);
        }
        std::fs::rename(&partial.path, target).map_err(Trouble::io(target))
    }
}

struct Told<'a>(&'a (dyn Fn(u64) + Sync));

impl Watch for Told<'_> {
    fn bytes(&self, done: u64, _total: Option<u64>) {
        (self.0)(done);
    }

    fn again(&self, _why: &str) {}
}
