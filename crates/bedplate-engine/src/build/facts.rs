//! What is kept of a built package beside its file: enough to plan what needs it without opening it.

use bedplate_cas::Digest;
use bedplate_model::{BinaryPackage, Dependency, FileKind, PackageFile, Sense};
use serde::{Deserialize, Serialize};

/// One package of a build's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// Name, version and architecture.
    pub nevra: String,
    /// The file's name.
    pub file: String,
    /// The file, without a signature.
    pub rpm: Digest,
    /// Its content identity: SHA-256 of the package without lead and signature header, in hexadecimal digits.
    pub identity: String,
    /// What it would install; none for a package with debugging information, which no build root holds.
    pub tree: Option<Digest>,
    source_rpm: Option<String>,
    dependencies: Vec<Vec<(String, String, u32)>>,
    files: Vec<(String, char)>,
}

/// True for packages of debugging information: they are published apart, and in no build root.
pub fn is_debug(name: &str) -> bool {
    ["-debuginfo", "-debugsource"].iter().any(|end| name.ends_with(end))
}

impl PackageFacts {
    /// The facts of a package that was read from its file.
    pub(crate) fn new(
        package: &BinaryPackage,
        file: String,
        rpm: Digest,
        identity: String,
        tree: Option<Digest>,
    ) -> Self {
        let list = |kind| {
            let all = package.dependencies(kind).into_iter().flatten();
            all.map(|one| (one.name.clone(), one.evr.clone(), one.sense.bits())).collect()
        };
        let letter = |kind| match kind {
            FileKind::File => 'f',
            FileKind::Directory => 'd',
            FileKind::Ghost => 'g',
        };
        Self {
            nevra: package.nevra.to_string(),
            file,
            rpm,
            identity,
            tree,
            source_rpm: package.source_rpm.clone(),
            dependencies: BinaryPackage::KINDS.into_iter().map(list).collect(),
            files: package.files.iter().map(|one| (one.path.clone(), letter(one.kind))).collect(),
        }
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        self.nevra.rsplitn(3, '-').nth(2).unwrap_or(&self.nevra)
    }

    /// The package, as resolving knows it; none if the facts are not ours.
    pub(crate) fn package(&self) -> Option<BinaryPackage> {
        let mut package = BinaryPackage::new(self.nevra.parse().ok()?);
        package.source_rpm.clone_from(&self.source_rpm);
        for (kind, list) in BinaryPackage::KINDS.into_iter().zip(&self.dependencies) {
            let made = package.dependencies_mut(kind)?;
            made.extend(
                list.iter()
                    .map(|(name, evr, sense)| Dependency::new(name.clone(), evr.clone(), Sense::from_bits(*sense))),
            );
        }
        for (path, letter) in &self.files {
            let kind = match letter {
                'd' => FileKind::Directory,
                'g' => FileKind::Ghost,
                _ => FileKind::File,
            };
            package.files.push(PackageFile { path: path.clone(), kind });
        }
        Some(package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_give_the_package_back() {
        let mut package = BinaryPackage::new("zlib-devel-1:1.3.1-1.bp1.x86_64".parse().unwrap());
        package.source_rpm = Some("zlib-1.3.1-1.bp1.src.rpm".to_owned());
        package.provides = vec![Dependency::new("pkgconfig(zlib)", "1.3.1", Sense::EQUAL)];
        package.files = vec![PackageFile { path: "/usr/include".to_owned(), kind: FileKind::Directory }];
        let facts = PackageFacts::new(&package, "z.rpm".to_owned(), Digest::of(b"z"), "00".to_owned(), None);
        let text = serde_json::to_string(&facts).unwrap();
        let facts: PackageFacts = serde_json::from_str(&text).unwrap();
        assert_eq!(facts.package(), Some(package));
        assert_eq!(facts.name(), "zlib-devel");
        assert!(is_debug("zlib-debuginfo") && !is_debug("zlib"));
    }
}
