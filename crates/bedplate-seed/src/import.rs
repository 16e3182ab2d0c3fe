//! Takes an installed system apart: a tar archive goes into the store, and each file to the package that it is of.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bedplate_cas::{Batch, BlobKind, Digest, TreeBuilder, TreeEntry};

use crate::SeedError;
use crate::alternatives::{self, Choice};
use crate::catalogs;
use crate::package::Shared;
use crate::paths::{is_dropped, plain};

const LISTS: &str = "var/lib/dpkg/info/";
const ALTERNATIVES: &str = "var/lib/dpkg/alternatives/";
const DIVERSIONS: &str = "var/lib/dpkg/diversions";

/// An installed system.
#[derive(Debug, Default)]
pub(crate) struct Image {
    entries: BTreeMap<String, TreeEntry>,
    /// What each package has, as dpkg knows it.
    lists: BTreeMap<String, Vec<String>>,
    alternatives: Vec<Choice>,
    /// The common catalog of XML.
    catalog: String,
    /// A path that a package took from others: where theirs went, and the package.
    diversions: BTreeMap<String, (String, String)>,
}

/// A package of an installed system.
#[derive(Debug)]
pub(crate) struct ImagePackage {
    /// Its files.
    pub(crate) tree: TreeBuilder,
    /// What of it depends on the other packages of a root.
    pub(crate) shared: Shared,
}

impl Image {
    /// Reads a tar archive; the contents of files are put into the batch. What pads the archive is read, too: whoever writes it would fail
    /// if nobody did, and mmdebstrap sends SIGHUP to its whole process group then.
    pub(crate) fn read(batch: &Batch, tar: impl Read) -> Result<Self, SeedError> {
        let mut image = Self::default();
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries().map_err(bad_tar)? {
            let mut entry = entry.map_err(bad_tar)?;
            let path = text(&entry.path_bytes())?;
            let path = plain(&path);
            if let Some(name) = path.strip_prefix(LISTS).and_then(|name| name.strip_suffix(".list")) {
                let package = name.split(':').next().unwrap_or(name).to_owned();
                let list = content(&mut entry)?;
                image.lists.insert(package, list.lines().map(plain).collect());
            } else if let Some(name) = path.strip_prefix(ALTERNATIVES) {
                if !name.is_empty() {
                    let choices = alternatives::parse(name, &content(&mut entry)?);
                    image.alternatives.extend(choices.ok_or_else(|| bad(format!("{path} is not as dpkg writes it")))?);
                }
            } else if path == catalogs::COMMON {
                image.catalog = content(&mut entry)?;
            } else if path == DIVERSIONS {
                image.diversions = diversions(&content(&mut entry)?);
            } else if !is_dropped(&path) {
                image.add(batch, path, &mut entry)?;
            }
        }
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(bad_tar)?;
        Ok(image)
    }

    fn add<R: Read>(&mut self, batch: &Batch, path: String, entry: &mut tar::Entry<'_, R>) -> Result<(), SeedError> {
        let mode = entry.header().mode().map_err(bad_tar)? & 0o7777;
        let link = entry.link_name_bytes().map(|name| text(&name)).transpose()?;
        let kind = entry.header().entry_type();
        let found = if kind.is_dir() {
            TreeEntry::Directory { mode }
        } else if kind.is_symlink() {
            TreeEntry::Symlink { target: link.ok_or_else(|| bad(format!("the link {path} leads nowhere")))? }
        } else if kind.is_hard_link() {
            let first = plain(&link.unwrap_or_default());
            self.entries
                .get(&first)
                .cloned()
                .ok_or_else(|| bad(format!("{path} is a hard link to {first}, which is not there")))?
        } else if kind.is_file() {
            TreeEntry::File { digest: put(batch, entry, mode)?, mode }
        } else {
            return Err(bad(format!("{path} is neither a file, a folder nor a link")));
        };
        self.entries.insert(path, found);
        Ok(())
    }

    /// Takes the packages apart. Files of no package are in none: caches and the like.
    ///
    /// # Errors
    /// If a file that a package should have is not there.
    pub(crate) fn split(&self) -> Result<BTreeMap<&str, ImagePackage>, SeedError> {
        let mut packages = BTreeMap::new();
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, list) in &self.lists {
            let mut tree = TreeBuilder::new();
            for path in list.iter().filter(|path| !path.is_empty() && !is_dropped(path)) {
                // Whether another package took the path depends on what else is installed: each package has its own paths.
                let found = match self.diversions.get(path) {
                    Some((moved, by)) if by != name => self.entries.get(moved),
                    _ => self.entries.get(path),
                };
                match found {
                    Some(entry) => {
                        owners.insert(path, name);
                        tree.add(path, entry.clone())?;
                    }
                    None => missing.push(format!("{path} of {name}")),
                }
            }
            let is_diverting = self.diversions.values().any(|(_, by)| by == name);
            let shared = Shared { is_diverting, ..Shared::default() };
            packages.insert(name.as_str(), ImagePackage { tree, shared });
        }
        if !missing.is_empty() {
            return Err(bad(format!("these files are not there: {}", missing.join(", "))));
        }
        for choice in &self.alternatives {
            let owner = choice.links.first().and_then(|link| owners.get(plain(&link.target).as_str()));
            if let Some(package) = owner.and_then(|owner| packages.get_mut(owner)) {
                let mut choice = choice.clone();
                choice.links.retain(|link| {
                    let target = plain(&link.target);
                    !is_dropped(&plain(&link.path)) && !is_dropped(&target) && self.entries.contains_key(&target)
                });
                package.shared.alternatives.push(choice);
            }
        }
        for (path, entry) in
            self.entries.range("etc/xml/".to_owned()..).take_while(|(path, _)| path.starts_with("etc/xml/"))
        {
            if let Some(package) = catalogs::package_of(path).and_then(|name| packages.get_mut(name)) {
                package.tree.add(path, entry.clone())?;
            }
        }
        for (name, line) in catalogs::lines(&self.catalog) {
            if let Some(package) = packages.get_mut(name) {
                package.shared.catalog.push(line.to_owned());
            }
        }
        Ok(packages)
    }
}

/// Small files, of which there are many, are read at once.
fn put<R: Read>(batch: &Batch, entry: &mut tar::Entry<'_, R>, mode: u32) -> Result<Digest, SeedError> {
    const SMALL: u64 = 1 << 20;
    let kind = BlobKind::of_mode(mode);
    if entry.size() > SMALL {
        return Ok(batch.put_reader_as(entry, kind)?);
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(bad_tar)?;
    Ok(batch.put_as(&bytes, kind)?)
}

fn content<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<String, SeedError> {
    let mut text = String::new();
    entry.read_to_string(&mut text).map_err(bad_tar)?;
    Ok(text)
}

fn text(bytes: &[u8]) -> Result<String, SeedError> {
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|error| bad(format!("the path {} is no UTF-8", String::from_utf8_lossy(error.as_bytes()))))
}

/// Three lines each: the path, where files of other packages went, the package that may have the path.
fn diversions(text: &str) -> BTreeMap<String, (String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let triples = lines.chunks_exact(3);
    triples.map(|three| (plain(three[0]), (plain(three[1]), three[2].to_owned()))).collect()
}

fn bad(why: String) -> SeedError {
    SeedError::BadImage { why }
}

fn bad_tar(error: io::Error) -> SeedError {
    bad(format!("its archive cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use bedplate_cas::Store;

    use super::*;

    #[test]
    fn archives_are_read_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        tar.append_data(&mut header, "etc/file", &b"x\n"[..]).unwrap();
        let mut bytes = tar.into_inner().unwrap();
        bytes.resize(bytes.len() + 10240, 0);
        let mut rest = bytes.as_slice();
        let image = Image::read(&store.batch(), &mut rest).unwrap();
        assert!(image.entries.contains_key("etc/file") && rest.is_empty(), "{} bytes are left", rest.len());
    }
}
