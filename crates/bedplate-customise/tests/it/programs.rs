//! Indexes that programs make in the sandbox are those that they make on this machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use bedplate_customise::{CustomiseError, Programs, index_modules, index_systemd};
use bedplate_sandbox::{Cancel, Helper};
use bedplate_tree::FileTree;

use crate::support::Root;

fn helper() -> Helper {
    Helper::At(env!("CARGO_BIN_EXE_bedplate-customise-test-helper").into())
}

/// Copies a program of this machine with its libraries to the same paths below a folder.
fn copy_program(program: &str, root: &Path) {
    let out = Command::new("ldd").arg(program).output().expect("ldd is there (libc-bin)");
    let said = String::from_utf8(out.stdout).unwrap();
    let libraries = said.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain([program]) {
        // Through merged folders, where the host has them: /lib is usr/lib.
        let below = path.trim_start_matches('/');
        let below = if below.starts_with("usr/") { below.to_owned() } else { format!("usr/{below}") };
        let at = root.join(&below);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::copy(path, &at).unwrap_or_else(|error| panic!("{path}: {error} (toolkit/host-setup installs it)"));
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        let link = root.join(name);
        if link.symlink_metadata().is_err() {
            symlink(format!("usr/{name}"), &link).unwrap();
        }
    }
}

/// A module of the kernel, as far as depmod looks at it.
fn module(root: &Root, path: &str, source: &str) {
    let at = root.at(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let text = root.at("../module.c");
    fs::write(&text, source).unwrap();
    let status = Command::new("cc").args(["-c", "-fno-pic", "-mcmodel=kernel", "-o"]).arg(&at).arg(&text).status();
    assert!(status.expect("cc is there (toolkit/host-setup installs it)").success());
}

const EXPORTS: &str = r#"
static const char alias[] __attribute__((used, section(".modinfo"))) = "alias=pci:v00008086d*\0name=core";
void core_function(void) {}
extern const char core_name[] __attribute__((section("__ksymtab_strings")));
const char core_name[] = "core_function";
void *__ksymtab_core_function __attribute__((section("__ksymtab"))) = core_function;
"#;

const NEEDS: &str = r#"
static const char soft[] __attribute__((used, section(".modinfo"))) = "softdep=pre: core\0depends=core\0name=user_mod";
void core_function(void);
void init_module(void) { core_function(); }
"#;

const KERNEL: &str = "/usr/lib/modules/6.12.0-test";

fn root_with_modules() -> Root {
    let root = Root::new(&[
        (&format!("{KERNEL}/modules.builtin"), "kernel/fs/ext4/ext4.ko\n"),
        (&format!("{KERNEL}/modules.order"), "kernel/core.ko\nkernel/user-mod.ko\n"),
        (&format!("{KERNEL}/modules.builtin.modinfo"), "ext4.license=GPL\0ext4.alias=fs-ext4\0"),
        ("/usr/lib/modules/empty/README", "no modules"),
    ]);
    module(&root, &format!("{KERNEL}/kernel/core.ko"), EXPORTS);
    module(&root, &format!("{KERNEL}/kernel/user-mod.ko"), NEEDS);
    root
}

fn index(root: &mut Root, tools: &[PathBuf]) -> Result<FileTree, CustomiseError> {
    let (helper, cancel) = (helper(), Cancel::default());
    let mut result = Ok(());
    let tree = root.ours(|editor| {
        result = index_modules(editor, Programs { helper: &helper, cancel: &cancel, tools, tools_key: "host" });
    });
    result.map(|()| tree)
}

#[test]
fn depmod_of_tools() {
    let mut root = root_with_modules();
    let tools = root.at("../tools");
    copy_program("/sbin/depmod", &tools);
    let ours = index(&mut root, std::slice::from_ref(&tools)).unwrap();
    // The second time it is remembered: there is nothing to run it with.
    let again = index(&mut root, &[PathBuf::from("/nowhere")]).unwrap();
    assert_eq!(ours, again);

    // depmod looks for lib/modules.
    root.write("/lib", "-> usr/lib");
    root.theirs("/sbin/depmod", &["-b", root.path().to_str().unwrap(), "6.12.0-test"]);
    root.assert_same(&ours, |path| path == "/lib");
    let dependencies = fs::read_to_string(root.at(&format!("{KERNEL}/modules.dep"))).unwrap();
    assert!(dependencies.contains("kernel/user-mod.ko: kernel/core.ko"), "{dependencies}");
}

#[test]
fn depmod_of_the_image() {
    let mut root = root_with_modules();
    let error = index(&mut root, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{KERNEL}` has modules, and the image has no `depmod` to index them: install the package `kmod`")
    );
    copy_program("/sbin/depmod", &root.path());
    let tree = index(&mut root, &[]).unwrap();
    assert!(tree.get(&format!("{KERNEL}/modules.dep.bin")).is_some());
}

#[test]
fn a_program_that_fails_shows_what_it_said() {
    let mut root = root_with_modules();
    let tools = root.at("../tools");
    copy_program("/bin/sh", &tools);
    fs::create_dir_all(tools.join("usr/sbin")).unwrap();
    fs::write(tools.join("usr/sbin/depmod"), "#!/bin/sh\necho something is wrong; exit 7\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(tools.join("usr/sbin/depmod"), mode).unwrap();
    let error = index(&mut root, &[tools]).unwrap_err().to_string();
    let want = "`depmod -b /image 6.12.0-test` of the image failed: exit status 7\nsomething is wrong";
    assert_eq!(error, want);
}

#[test]
fn hardware_and_messages() {
    let catalog = "-- fc2e22bc6ee647b6b90729ab34a250b1\nSubject: A process died\nDefined-By: us\n\nIt died.\n";
    let mut root = Root::new(&[
        ("/usr/lib/udev/hwdb.d/20-x.hwdb", "usb:v1234*\n ID_VENDOR_FROM_DATABASE=Us\n\n"),
        ("/etc/udev/hwdb.d/30-y.hwdb", "usb:v1234p0001*\n ID_MODEL_FROM_DATABASE=It\n\n"),
        ("/usr/lib/systemd/catalog/us.catalog", catalog),
    ]);
    copy_program("/usr/bin/systemd-hwdb", &root.path());
    copy_program("/usr/bin/journalctl", &root.path());
    let (helper, cancel) = (helper(), Cancel::default());
    let programs = Programs { helper: &helper, cancel: &cancel, tools: &[], tools_key: "" };
    let before = root.tree();
    let not_here = root.ours(|editor| index_systemd(editor, programs, false).unwrap());
    assert_eq!(before, not_here);

    let ours = root.ours(|editor| index_systemd(editor, programs, true).unwrap());
    let path = root.path();
    let path = path.to_str().unwrap();
    // With `--root`, the database would hold the path of the root on this machine.
    root.theirs("chroot", &[path, "systemd-hwdb", "update", "--usr"]);
    root.theirs("chroot", &[path, "journalctl", "--update-catalog"]);
    root.assert_same(&ours, |_| false);
    assert!(ours.get("/var/lib/systemd/catalog/database").is_some());
}
