//! What is installed, and where it comes from.

use crate::grammar::{FilePath, FolderPath, LaterPath};
use crate::names::{LocalePattern, PackagePattern, PackageRequest, RepositoryName, RepositoryUrl};
use crate::shape::{Bounded, section};
use crate::spanned::Spanned;

section! {
    /// Which packages are installed, and how.
    pub struct Packages {
        /// What has to be there; what that requires comes along. Each item is what `Requires` of a spec takes: a name, a name with a version,
        /// a path, a capability such as `pkgconfig(zlib)`, a rich dependency in brackets.
        "install" => install: Vec<Spanned<PackageRequest>> = Otherwise("no package is installed"), "[\"systemd\", \"openssh-server >= 9\"]";
        /// Packages that are never taken: a name, `name.arch` or a full name, with `*`, `?` and `[…]`. If something needs one all the same,
        /// the compose fails and says what.
        "exclude" => exclude: Vec<Spanned<PackagePattern>> = Otherwise(""), "[\"*-debuginfo\"]";
        /// Also take what packages recommend, where that can be had.
        "weak-dependencies" => weak_dependencies: Spanned<bool> = Default("false"), "true";
        /// Install files that packages mark as documentation.
        "documentation" => documentation: Spanned<bool> = Default("false"), "true";
        /// Locales whose translations are installed. `*` stands for all.
        "locales" => locales: Vec<Spanned<LocalePattern>> = Default("[\"C.UTF-8\"]"), "[\"de_DE\", \"fr\"]";
        /// The file that keeps the exact packages. If it is there, a compose takes just these, until it is told to update it.
        "lock" => lock: Option<Spanned<LaterPath>> = Otherwise("the name of the config with `.lock` in the place of `.toml`"), "\"node.lock\"";
    }
}

section! {
    /// Where packages come from. All repositories are asked; every package has to be signed by a key of its repository.
    pub struct Repository ["name"] one of ["path", "url"] {
        /// Its name in messages, locks and manifests.
        "name" => name: Spanned<RepositoryName> = Required, "\"os\"";
        /// A folder of packages with signed repodata.
        "path" => path: Option<Spanned<FolderPath>> = Otherwise(""), "\"../out/repository\"";
        /// A repository that is fetched: the URL above `repodata/`.
        "url" => url: Option<Spanned<RepositoryUrl>> = Otherwise(""), "\"https://packages.example.com/os/x86_64\"";
        /// A file with the public keys (OpenPGP, with or without armour) that its packages and its repodata are signed by.
        "key" => key: Spanned<FilePath> = Required, "\"keys/os.asc\"";
        /// A repository with a lower number is preferred, whatever versions others have.
        "priority" => priority: Spanned<Bounded<0, 1000>> = Default("99"), "10";
        /// Packages of it that are not used, as in `packages.exclude`.
        "exclude" => exclude: Vec<Spanned<PackagePattern>> = Otherwise(""), "[\"kernel*\"]";
    }
}
