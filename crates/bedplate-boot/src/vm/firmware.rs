//! UEFI firmware for virtual machines.

use std::path::{Path, PathBuf};

use super::VmError;

/// Where systems have OVMF: code and the template of its variables. Those of 4 MiB without Secure Boot's enforcement first.
const PLACES: [(&str, &str); 6] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"),
];

/// Firmware: its code, and the template of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// The code; it is read only.
    pub code: PathBuf,
    /// The variables as they are on a new machine; each run has a copy.
    pub variables: PathBuf,
}

impl Firmware {
    /// The firmware of this system, if there is one.
    #[must_use]
    pub fn find() -> Option<Self> {
        let found =
            PLACES.into_iter().find(|(code, variables)| Path::new(code).is_file() && Path::new(variables).is_file());
        found.map(|(code, variables)| Self { code: code.into(), variables: variables.into() })
    }

    /// Copies the variables into a folder.
    pub(super) fn copy_variables(&self, folder: &Path) -> Result<PathBuf, VmError> {
        let copy = folder.join("variables");
        let bytes = std::fs::read(&self.variables).map_err(VmError::io("read", &self.variables))?;
        std::fs::write(&copy, bytes).map_err(VmError::io("write", &copy))?;
        Ok(copy)
    }
}
