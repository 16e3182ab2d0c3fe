//! The capabilities that rpm's generator would give a shared library: its soname, and each version of its symbols.
//!
//! A package that we build requires them (`libc.so.6(GLIBC_2.34)(64bit)`); as long as the seed lends the library, the seed has to
//! provide them.

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader as _};
use object::{Endianness, Result};

/// What a 64-bit ELF library provides, in the words of rpm's `elfdeps`; nothing for what is no such library.
pub(crate) fn provides(bytes: &[u8]) -> Vec<String> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Vec::new();
    }
    // A file that only looks like ELF provides nothing.
    read(bytes).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Result<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    if header.e_type(endian) != elf::ET_DYN {
        return Ok(Vec::new());
    }
    let sections = header.sections(endian, bytes)?;
    let Some((entries, link)) = sections.dynamic(endian, bytes)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, bytes, link)?;
    let mut soname = None;
    for entry in entries {
        if entry.d_tag(endian) == elf::DT_SONAME {
            soname = std::str::from_utf8(entry.string(endian, strings)?).ok();
        }
    }
    let Some(soname) = soname else { return Ok(Vec::new()) };
    let mut found = vec![format!("{soname}()(64bit)")];
    if let Some((mut versions, link)) = sections.gnu_verdef(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        while let Some((version, mut names)) = versions.next()? {
            // The base version is the library itself.
            if version.vd_flags.get(endian) & elf::VER_FLG_BASE == elf::VER_FLG_BASE {
                continue;
            }
            if let Some(name) = names.next()?
                && let Ok(name) = std::str::from_utf8(name.name(endian, strings)?)
            {
                found.push(format!("{soname}({name})(64bit)"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn libraries_provide_what_rpm_says() {
        let mut compared = 0;
        for folder in ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"] {
            for entry in std::fs::read_dir(folder).unwrap().flatten().take(300) {
                let path = entry.path();
                if !path.to_string_lossy().contains(".so.") || !path.is_file() {
                    continue;
                }
                let mut child = Command::new("/usr/lib/rpm/elfdeps")
                    .arg("--provides")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("rpm is installed by toolkit/host-setup");
                writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
                let output = child.wait_with_output().unwrap();
                let mut wanted: Vec<String> =
                    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
                let mut found = provides(&std::fs::read(&path).unwrap());
                wanted.sort();
                wanted.dedup();
                found.sort();
                // elfdeps gives a library without a soname the name of its file.
                if !found.is_empty() {
                    assert_eq!(found, wanted, "{}", path.display());
                    compared += 1;
                }
            }
        }
        assert!(compared > 20, "only {compared} libraries were compared");
    }

    #[test]
    fn what_is_no_library_provides_nothing() {
        assert!(
            provides(b"").is_empty() && provides(b"#!/bin/sh\n").is_empty() && provides(b"\x7fELF broken").is_empty()
        );
    }
}
