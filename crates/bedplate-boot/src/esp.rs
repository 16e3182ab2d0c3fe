//! The EFI system partition as a file tree, for whoever writes the file system.
//!
//! ```text
//! EFI/BOOT/BOOTX64.EFI          systemd-boot, or the unified kernel image itself
//! EFI/systemd/systemd-bootx64.efi
//! EFI/Linux/NAME_VERSION.efi    unified kernel images
//! loader/loader.conf
//! loader/entries.srel           says that the tree follows the Boot Loader Specification
//! ```

use std::sync::Arc;

use bedplate_cas::{Digest, Store, StoreError};
use bedplate_tree::{Entry, FileTree, InsertError, Kind, TreePath, TreePathError};

/// Of which processor the programs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EfiArchitecture {
    /// x86-64.
    X64,
    /// 64-bit ARM.
    Aa64,
}

impl EfiArchitecture {
    /// The name that the UEFI specification gives it, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Aa64 => "aa64",
        }
    }
}

/// What firmware starts first.
#[derive(Debug, Clone, Copy)]
pub enum FirstProgram<'a> {
    /// systemd-boot (`systemd-bootx64.efi`), which finds the images and can have several.
    SystemdBoot {
        /// The program.
        program: &'a [u8],
        /// Seconds that its menu waits; 0: it is not shown.
        timeout: u32,
    },
    /// The unified kernel image itself: nothing else can be started.
    Uki,
}

/// What goes onto an EFI system partition.
#[derive(Debug, Clone, Copy)]
pub struct EspRequest<'a> {
    /// Of which processor the programs are.
    pub architecture: EfiArchitecture,
    /// What firmware starts first.
    pub first: FirstProgram<'a>,
    /// Name and version of the image: `node_1.2.3`. It becomes the name of the unified kernel image.
    pub name: &'a str,
    /// The unified kernel image, signed or not.
    pub uki: &'a [u8],
    /// Time of all files, in seconds since 1970.
    pub epoch: i64,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// The name of the image cannot be a file name.
    #[error("`{name}` cannot be the name of a file on an EFI system partition: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A file could not be put into the store.
    #[error("failed to keep a file of the EFI system partition")]
    Store(#[from] StoreError),
    /// A path is none.
    #[error("failed to name a file of the EFI system partition")]
    Path(#[from] TreePathError),
    /// A file has no place.
    #[error("failed to place a file of the EFI system partition")]
    Insert(#[from] InsertError),
}

impl EspError {
    /// Who can mend it.
    #[must_use]
    pub fn category(&self) -> bedplate_diag::Category {
        match self {
            Self::Name { .. } => bedplate_diag::Category::Input,
            Self::Store(error) => error.category(),
            Self::Path(_) | Self::Insert(_) => bedplate_diag::Category::Internal,
        }
    }
}

/// Makes the tree of an EFI system partition; contents are put into the store.
///
/// # Errors
///
/// See [`EspError`].
pub fn esp_tree(request: &EspRequest<'_>, store: &Store) -> Result<FileTree, EspError> {
    check_name(request.name)?;
    let machine = request.architecture.name();
    let uki = store.put(request.uki)?;
    let fallback = format!("/EFI/BOOT/BOOT{}.EFI", machine.to_uppercase());
    let image = format!("/EFI/Linux/{}.efi", request.name);
    let mut files: Vec<(String, Digest)> = vec![(image, uki)];
    match request.first {
        FirstProgram::Uki => files.push((fallback, uki)),
        FirstProgram::SystemdBoot { program, timeout } => {
            let program = store.put(program)?;
            files.push((fallback, program));
            files.push((format!("/EFI/systemd/systemd-boot{machine}.efi"), program));
            // Nobody may change the command line of an image that was measured or signed.
            let config = format!("timeout {timeout}\neditor no\n");
            files.push(("/loader/loader.conf".to_owned(), store.put(config.as_bytes())?));
            files.push(("/loader/entries.srel".to_owned(), store.put(b"type1\n")?));
        }
    }
    let origin = Arc::from("boot");
    let mut tree = FileTree::new();
    if let Some(root) = tree.get_mut("/") {
        root.mtime = request.epoch;
    }
    for (path, content) in files {
        let path: TreePath = path.parse()?;
        tree.insert(path, Entry { mtime: request.epoch, ..Entry::new(Kind::File(content), 0o644, &origin) })?;
    }
    Ok(tree)
}

/// FAT takes few characters, and systemd-boot reads versions from the name.
fn check_name(name: &str) -> Result<(), EspError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > 200 {
        "it has more than 200 bytes"
    } else if name.starts_with('.') {
        "it begins with a dot"
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-~^".contains(&byte)) {
        "it may have letters, digits and `._+-~^`"
    } else {
        return Ok(());
    };
    Err(EspError::Name { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_and_systemd_boot_find_the_image() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let request = EspRequest {
            architecture: EfiArchitecture::X64,
            first: FirstProgram::SystemdBoot { program: b"boot", timeout: 0 },
            name: "node_1.2.3",
            uki: b"kernel",
            epoch: 7,
        };
        let tree = esp_tree(&request, &store).unwrap();
        let files: Vec<_> = tree
            .iter()
            .filter_map(|(path, entry)| Some((path.as_str(), store.read(&entry.content()?).unwrap())))
            .map(|(path, content)| (path, String::from_utf8(content).unwrap()))
            .collect();
        let expected = [
            ("/EFI/BOOT/BOOTX64.EFI", "boot"),
            ("/EFI/Linux/node_1.2.3.efi", "kernel"),
            ("/EFI/systemd/systemd-bootx64.efi", "boot"),
            ("/loader/entries.srel", "type1\n"),
            ("/loader/loader.conf", "timeout 0\neditor no\n"),
        ];
        assert_eq!(files, expected.map(|(path, content)| (path, content.to_owned())));
        assert!(tree.iter().all(|(_, entry)| entry.mtime == 7));

        let direct = EspRequest { first: FirstProgram::Uki, architecture: EfiArchitecture::Aa64, ..request };
        let tree = esp_tree(&direct, &store).unwrap();
        assert_eq!(tree.get("/EFI/BOOT/BOOTAA64.EFI").unwrap().kind, Kind::File(Digest::of(b"kernel")));

        for name in ["", "a/b", ".x", "a b", "ä"] {
            assert!(matches!(esp_tree(&EspRequest { name, ..request }, &store), Err(EspError::Name { .. })), "{name}");
        }
    }
}
