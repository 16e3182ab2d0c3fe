//! Features of rpm itself, which packages require as `rpmlib(NAME)`.

use bedplate_model::{Dependency, Sense};

/// Name and version of each feature: `rpmlibProvides` of `lib/rpmds.c` of rpm 4.18.
const FEATURES: [(&str, &str); 21] = [
    ("rpmlib(BuiltinLuaScripts)", "4.2.2-1"),
    ("rpmlib(CaretInVersions)", "4.15.0-1"),
    ("rpmlib(CompressedFileNames)", "3.0.4-1"),
    ("rpmlib(ConcurrentAccess)", "4.1-1"),
    ("rpmlib(DynamicBuildRequires)", "4.15.0-1"),
    ("rpmlib(ExplicitPackageProvide)", "4.0-1"),
    ("rpmlib(FileCaps)", "4.6.1-1"),
    ("rpmlib(FileDigests)", "4.6.0-1"),
    ("rpmlib(HeaderLoadSortsTags)", "4.0.1-1"),
    ("rpmlib(LargeFiles)", "4.12.0-1"),
    ("rpmlib(PartialHardlinkSets)", "4.0.4-1"),
    ("rpmlib(PayloadFilesHavePrefix)", "4.0-1"),
    ("rpmlib(PayloadIsBzip2)", "3.0.5-1"),
    ("rpmlib(PayloadIsLzma)", "4.4.2-1"),
    ("rpmlib(PayloadIsXz)", "5.2-1"),
    ("rpmlib(PayloadIsZstd)", "5.4.18-1"),
    ("rpmlib(RichDependencies)", "4.12.0-1"),
    ("rpmlib(ScriptletExpansion)", "4.9.0-1"),
    ("rpmlib(ScriptletInterpreterArgs)", "4.0.3-1"),
    ("rpmlib(TildeInVersions)", "4.10.0-1"),
    ("rpmlib(VersionedDependencies)", "3.0.3-1"),
];

/// True if the dependency is on a feature of rpm.
pub(crate) fn is_rpmlib(name: &str) -> bool {
    name.starts_with("rpmlib(")
}

/// True if the rpm that will install the packages has the feature.
pub(crate) fn is_provided(dependency: &Dependency) -> bool {
    FEATURES
        .iter()
        .any(|(name, evr)| *name == dependency.name && Dependency::new(*name, *evr, Sense::EQUAL).overlaps(dependency))
}

/// The names of all features, for "did you mean".
pub(crate) fn features() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_features_are_provided_in_their_version() {
        for (name, evr, provided) in [
            ("rpmlib(PayloadIsZstd)", "5.4.18-1", true),
            ("rpmlib(PayloadIsZstd)", "5.4.19-1", true),
            ("rpmlib(PayloadIsZstd)", "5.4.17-1", false),
            ("rpmlib(Nonsense)", "1-1", false),
        ] {
            let dependency = Dependency::new(name, evr, Sense::LESS | Sense::EQUAL);
            assert_eq!(is_provided(&dependency), provided, "{name} {evr}");
        }
    }
}
