//! Our cache of libraries is, byte by byte, that of `ldconfig -r`.

use std::fs;
use std::path::Path;
use std::process::Command;

use bedplate_customise::cache_libraries;

use crate::support::Root;

const LIBRARIES: &str = "/lib/x86_64-linux-gnu";

/// A root with the host's loader and C library, at the places that its C library was made for.
fn root() -> Root {
    let root = Root::new(&[("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"), ("/usr/lib/x/keep", "")]);
    for name in ["libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"] {
        copy(&root, &Path::new(LIBRARIES).join(name), &format!("{LIBRARIES}/{name}"));
    }
    root.write("/lib64/ld-linux-x86-64.so.2", &format!("-> ..{LIBRARIES}/ld-linux-x86-64.so.2"));
    root
}

fn copy(root: &Root, from: &Path, to: &str) {
    let at = root.at(to);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::copy(from, at).unwrap();
}

/// A library with this soname, linked by the host's compiler.
fn library(root: &Root, path: &str, soname: &str) {
    let at = root.at(path);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    let source = root.at("../empty.c");
    fs::write(&source, "int nothing;\n").unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-nostdlib", "-o"]).arg(&at).arg(&source);
    if !soname.is_empty() {
        command.arg(format!("-Wl,-soname,{soname}"));
    }
    assert!(command.status().expect("cc is there (toolkit/host-setup installs it)").success());
}

fn agrees(mut root: Root) {
    let ours = root.ours(|editor| cache_libraries(editor).unwrap());
    root.theirs("/sbin/ldconfig", &["-r", root.path().to_str().unwrap()]);
    root.assert_same(&ours, |path| path.starts_with("/var/cache"));
}

#[test]
fn the_c_library_alone() {
    agrees(root());
}

#[test]
fn folders_links_and_hardware() {
    let root = root();
    root.write("/etc/ld.so.conf.d/b.conf", "/opt/b/lib\n# no\n/opt/missing\n/opt/same\n");
    root.write("/etc/ld.so.conf.d/a.conf", "/opt/a/lib/\n");
    root.write("/opt/same", "-> a/lib");
    // The same name in two folders, and two versions in one.
    library(&root, "/opt/a/lib/libone.so.1.2", "libone.so.1");
    library(&root, "/opt/a/lib/libone.so.1.10", "libone.so.1");
    library(&root, "/opt/b/lib/libone.so.1", "libone.so.1");
    // Links: by soname, for the linker, to another name, to nothing; a library without soname; what is none.
    library(&root, "/usr/lib/libtwo.so.2.0", "libtwo.so.2");
    root.write("/usr/lib/libtwo.so.2", "-> libtwo.so.2.0");
    root.write("/usr/lib/libtwo.so", "-> libtwo.so.2");
    root.write("/usr/lib/libother.so.9", "-> libtwo.so.2.0");
    root.write("/usr/lib/libgone.so", "-> libgone.so.1");
    library(&root, "/usr/lib/libplain.so", "");
    root.write("/usr/lib/libscript.so", "/* GNU ld script */");
    library(&root, "/usr/lib/notlib.so.1", "notlib.so.1");
    root.write("/usr/lib/libtwo.so.2.0-gdb.py", "");
    for (level, version) in [("x86-64-v2", "1.5"), ("x86-64-v3", "1.6"), ("x86-64-v4", "1.6")] {
        library(&root, &format!("/opt/a/lib/glibc-hwcaps/{level}/libone.so.{version}"), "libone.so.1");
    }
    library(&root, &format!("{LIBRARIES}/glibc-hwcaps/x86-64-v3/libthree.so.3"), "libthree.so.3");
    agrees(root);
}

#[test]
fn the_libraries_of_this_machine() {
    let root = root();
    // Small ones, so that it is quick, with all links that lead to them.
    let is_taken = |path: &Path| fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() < 30_000);
    let names = fs::read_dir(LIBRARIES).unwrap().map(|entry| entry.unwrap().path());
    for from in names.filter(|path| path.to_str().unwrap().contains(".so") && is_taken(path)) {
        let to = from.to_str().unwrap();
        match fs::read_link(&from) {
            Ok(target)
                if is_taken(&from.parent().unwrap().join(&target)) && !target.to_str().unwrap().contains('/') =>
            {
                root.write(to, &format!("-> {}", target.to_str().unwrap()));
            }
            Ok(_) => {}
            Err(_) => copy(&root, &from, to),
        }
    }
    agrees(root);
}

#[test]
fn an_image_without_glibc_is_left_alone() {
    let mut root = Root::new(&[("/usr/lib/libx.so.1", "x")]);
    let before = root.tree();
    assert_eq!(root.ours(|editor| cache_libraries(editor).unwrap()), before);
}
