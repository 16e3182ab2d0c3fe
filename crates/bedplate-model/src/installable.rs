//! Which architectures' packages a machine can run, for the machines that images are made for.

/// The `arch_compat` tables of `rpmrc.in`, followed to their ends: nearest first, as `rpm --showrc` prints them.
const INSTALLABLE: &[(&str, &[&str])] = &[
    ("x86_64", &["x86_64", "amd64", "em64t", "athlon", "noarch", "i686", "i586", "i486", "i386", "fat"]),
    ("aarch64", &["aarch64", "noarch"]),
];

/// The architectures of the packages that can be installed on a machine, nearest first; `None` for a machine that images are
/// not made for.
///
/// `machine` is what `uname -m` says. Source packages (`src`, `nosrc`) fit nowhere: they are built, not installed. Where an
/// rpmrc is at hand, [`RpmRc::equivalents`](crate::RpmRc::equivalents) of
/// [`MachineTable::InstallArch`](crate::MachineTable::InstallArch) gives the same for any machine; this table is for resolving,
/// whose answer may not depend on the configuration of the machine it runs on.
pub fn installable_archs(machine: &str) -> Option<&'static [&'static str]> {
    INSTALLABLE.iter().find(|(name, _)| *name == machine).map(|(_, archs)| *archs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_takes_its_own_packages_and_noarch() {
        for (machine, archs) in INSTALLABLE {
            assert_eq!(installable_archs(machine), Some(*archs));
            assert_eq!(archs[0], *machine);
            assert!(archs.contains(&"noarch") && !archs.contains(&"src"));
        }
        assert_eq!(installable_archs("sparc"), None);
        assert_eq!(installable_archs("noarch"), None);
    }
}
