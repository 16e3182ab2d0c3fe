//! Files that Debian has: of source packages, and out of binary packages.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use bedplate_apt::{Apt, AptError, Download, SourceFile, deb_data};

use crate::{Sha256, Trouble};

/// Fetches a file of a source package. If it is known what it has to be, no list of the mirror is needed where files of `main`
/// are, and what the lists say to be something else is not fetched at all.
pub(crate) fn source_file(
    apt: &Apt,
    source: &str,
    file: &str,
    pinned: Option<(Sha256, u64)>,
    target: &Path,
) -> Result<(), Trouble> {
    let usual = usual_path(source, file);
    if let Some((sha256, size)) = pinned {
        let download = Download { path: usual.clone(), sha256, size, target: target.to_owned() };
        match apt.fetch(&[download], &|_| {}) {
            Err(AptError::NotFetched { .. }) => {}
            other => return Ok(other?),
        }
    }
    let all = apt.source_files(source)?;
    let named: Vec<_> = all.iter().filter(|one| one.file == file).collect();
    let is_wanted = |one: &&&SourceFile| pinned.is_none_or(|(sha256, _)| sha256 == one.sha256);
    match (named.iter().find(is_wanted), named.first(), pinned) {
        (Some(found), ..) => Ok(apt.fetch_source(found, target)?),
        (None, Some(other), Some((expected, _))) => Err(Trouble::WrongSha256 { expected, actual: other.sha256 }),
        _ if all.is_empty() => Err(Trouble::NotInDebian(format!("Debian has no source package `{source}`"))),
        _ => {
            let names: BTreeSet<&str> = all.iter().map(|one| one.file.as_str()).collect();
            let names: Vec<&str> = names.into_iter().collect();
            let why = format!("Debian's source package `{source}` has no file `{file}`; it has {}", names.join(", "));
            Err(Trouble::NotInDebian(why))
        }
    }
}

/// Where the mirror has a file of a free source package.
fn usual_path(source: &str, file: &str) -> String {
    let letters = if source.starts_with("lib") { 4 } else { 1 };
    let folder: String = source.chars().take(letters).collect();
    format!("pool/main/{folder}/{source}/{file}")
}

/// Fetches a binary package and takes one file out of it. Links are followed within the package.
pub(crate) fn file_of_deb(apt: &Apt, package: &str, version: &str, file: &str, target: &Path) -> Result<(), Trouble> {
    let Some(found) = apt.deb(package, Some(version))? else {
        let newest = apt.deb(package, None)?;
        return Err(Trouble::NotInDebian(match newest {
            Some(newest) => {
                format!("Debian has no version {version} of package `{package}`; it has {}", newest.version)
            }
            None => format!("Debian has no package `{package}`"),
        }));
    };
    let deb = target.with_extension("deb");
    apt.fetch_deb(&found, &deb)?;
    let taken = take_out(&deb, file, target);
    // What is left over is of no harm: the next fetch writes over it.
    let _ = std::fs::remove_file(&deb);
    match taken.map_err(Trouble::io(&deb))? {
        true => Ok(()),
        false => Err(Trouble::NotInDebian(format!("package `{package}` {version} has no file `{file}`"))),
    }
}

/// Writes a file of a package; false if it has none of that name.
fn take_out(deb: &Path, file: &str, target: &Path) -> io::Result<bool> {
    let mut wanted = file.trim_start_matches('/').to_owned();
    // A link may lead to what stands before it: then the package is read once more.
    for _ in 0..8 {
        match find(deb, &wanted, target)? {
            Found::File => return Ok(true),
            Found::Link(to) => wanted = to,
            Found::Nothing => return Ok(false),
        }
    }
    Ok(false)
}

enum Found {
    File,
    Link(String),
    Nothing,
}

fn find(deb: &Path, wanted: &str, target: &Path) -> io::Result<Found> {
    let mut archive = tar::Archive::new(deb_data(deb)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if plain(&entry.path()?.to_string_lossy()) != wanted {
            continue;
        }
        let kind = entry.header().entry_type();
        if kind.is_file() {
            io::copy(&mut entry, &mut File::create(target)?)?;
            return Ok(Found::File);
        }
        let Some(to) = entry.link_name()?.map(|to| to.to_string_lossy().into_owned()) else {
            return Ok(Found::Nothing);
        };
        if kind.is_hard_link() || to.starts_with('/') {
            return Ok(Found::Link(plain(&to)));
        }
        let folder = wanted.rsplit_once('/').map_or("", |(folder, _)| folder);
        return Ok(Found::Link(plain(&format!("{folder}/{to}"))));
    }
    Ok(Found::Nothing)
}

/// A path without `.`, `..` and a leading slash.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn files_of_main_lie_by_the_first_letters_of_their_source() {
        assert_eq!(usual_path("zlib", "zlib_1.orig.tar.gz"), "pool/main/z/zlib/zlib_1.orig.tar.gz");
        assert_eq!(usual_path("libcap2", "x"), "pool/main/libc/libcap2/x");
    }

    #[test]
    fn a_file_is_taken_out_of_a_package_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for path in ["DEBIAN", "usr/lib/firmware", "lib"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        let control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.example>\nDescription: x\n";
        std::fs::write(root.join("DEBIAN/control"), control).unwrap();
        std::fs::write(root.join("usr/lib/firmware/real.bin"), "firmware").unwrap();
        let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, root.join(at)).unwrap();
        link("../usr/lib/firmware/real.bin", "lib/linked.bin");
        link("/usr/lib/firmware/real.bin", "lib/absolute.bin");
        link("loop.bin", "lib/loop.bin");
        std::fs::hard_link(root.join("usr/lib/firmware/real.bin"), root.join("usr/lib/firmware/hard.bin")).unwrap();
        let deb = folder.path().join("x.deb");
        let made = Command::new("dpkg-deb").args(["-b", "--root-owner-group"]).arg(&root).arg(&deb).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let target = folder.path().join("target");
        for file in ["/usr/lib/firmware/real.bin", "lib/linked.bin", "lib/absolute.bin", "usr/lib/firmware/hard.bin"] {
            assert!(take_out(&deb, file, &target).unwrap(), "{file}");
            assert_eq!(std::fs::read_to_string(&target).unwrap(), "firmware");
            std::fs::remove_file(&target).unwrap();
        }
        for file in ["lib/loop.bin", "lib/nothing.bin", "lib"] {
            assert!(!take_out(&deb, file, &target).unwrap(), "{file}");
        }
    }
}
