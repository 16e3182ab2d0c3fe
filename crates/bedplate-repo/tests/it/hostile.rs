//! Files that are cut, or have a bit turned: no panic, and nothing that a digest covers is taken for good.

use std::path::Path;

use bedplate_repo::{CreateOptions, LoadOptions, Payload, create, load, read_package};
use proptest::prelude::*;

use crate::support::{Fake, copy_of_odd, odd};

const NAME: &str = "odd-2.0~rc1-3.x86_64.rpm";

fn read(bytes: &[u8]) -> Result<bedplate_repo::RepositoryPackage, Vec<bedplate_repo::Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    std::fs::write(&path, bytes).unwrap();
    read_package(&path, NAME, 10, Payload::Digest).map(|read| read.package)
}

/// A package without what is about the file and not about what is in it.
fn content(bytes: &[u8]) -> Option<bedplate_model::BinaryPackage> {
    read(bytes).ok().map(|package| package.package)
}

#[test]
fn a_cut_package_is_never_good() {
    let bytes = std::fs::read(odd().join(NAME)).unwrap();
    let package = read(&bytes).unwrap();
    let (start, end) = package.header_range;
    let all = (0..2000).chain(start as usize - 20..start as usize + 200).chain(end as usize - 20..end as usize + 20);
    for at in all.chain([bytes.len() - 1]) {
        assert!(read(&bytes[..at]).is_err(), "cut at {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_turned_bit_of_a_package_changes_nothing_or_is_found(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let good = std::fs::read(odd().join(NAME)).unwrap();
        let package = read(&good).unwrap();
        let at = at.index(good.len());
        let mut turned = good.clone();
        turned[at] ^= 1 << bit;
        let covered = at as u64 >= package.header_range.0;
        // Lead and signature header are covered by nothing: what is made of such a file has to be the same all the same.
        if let Some(found) = content(&turned) {
            prop_assert!(!covered && found == package.package, "byte {at}");
        }
    }

    #[test]
    fn random_headers_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 96_usize..400) {
        let mut file = Fake::v6().bytes();
        let end = (at + bytes.len()).min(file.len());
        file[at.min(end)..end].copy_from_slice(&bytes[..end - at.min(end)]);
        let _ = read(&file);
    }

    #[test]
    fn a_turned_bit_of_repodata_is_found(which in 0_usize..4, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (folder, files) = repository();
        let (path, good) = &files[which];
        let mut turned = good.clone();
        let at = at.index(good.len());
        turned[at] ^= 1 << bit;
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("repodata")).unwrap();
        for (other, bytes) in files {
            let bytes = if other == path { &turned } else { bytes };
            std::fs::write(copy.path().join("repodata").join(other), bytes).unwrap();
        }
        let options = LoadOptions { changelogs: 10, ..LoadOptions::default() };
        match load(&[copy.path()], &options) {
            // `repomd.xml` is covered by its signature only; what it does not say of the packages may change.
            Ok(found) if path == "repomd.xml" => {
                prop_assert_eq!(&found[0].packages, &load(&[folder], &options).unwrap()[0].packages);
            }
            Ok(_) => prop_assert!(false, "{path}, byte {at}"),
            Err(findings) => prop_assert!(findings.has_errors()),
        }
    }
}

type Files = Vec<(String, Vec<u8>)>;

/// A repository that is made once, and its files.
fn repository() -> (&'static Path, &'static Files) {
    static MADE: std::sync::OnceLock<(std::path::PathBuf, Files)> = std::sync::OnceLock::new();
    let (path, files) = MADE.get_or_init(|| {
        let folder = copy_of_odd();
        create(folder.path(), &CreateOptions::default()).unwrap();
        // The packages go; their metadata stays below the build folder.
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
        std::fs::create_dir_all(&kept).unwrap();
        let _ = std::fs::remove_dir_all(kept.join("repodata"));
        std::fs::create_dir(kept.join("repodata")).unwrap();
        let mut files = Files::new();
        for entry in std::fs::read_dir(folder.path().join("repodata")).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            std::fs::write(kept.join("repodata").join(&name), &bytes).unwrap();
            files.push((name, bytes));
        }
        files.sort();
        (kept, files)
    });
    (path, files)
}
