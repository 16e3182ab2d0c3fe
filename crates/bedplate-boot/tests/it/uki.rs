//! Unified kernel images, with the stub of the host's systemd.

use bedplate_boot::{PeError, UkiError, UkiFacts, UkiRequest, build_uki, uki_initramfs};

use crate::support::{World, run, text};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
const RELEASE: &str = "6.1.0-test";

fn stub() -> Vec<u8> {
    std::fs::read(STUB).unwrap_or_else(|error| panic!("{STUB} (toolkit/host-setup installs it): {error}"))
}

/// An executable with the header of an x86 kernel: what is read of a kernel without starting it.
fn kernel(machine: u16, version: &str) -> Vec<u8> {
    let mut bytes = vec![0; 0x1000];
    let mut put = |at: usize, content: &[u8]| bytes[at..at + content.len()].copy_from_slice(content);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &machine.to_le_bytes());
    put(0x54, &0xf0_u16.to_le_bytes()); // size of the optional header
    put(0x58, &0x20b_u16.to_le_bytes()); // PE32+
    put(0x58 + 56, &0x9000_u32.to_le_bytes()); // size in memory
    put(0x202, b"HdrS");
    put(0x20e, &0x400_u16.to_le_bytes());
    put(0x600, format!("{version} (someone@somewhere) #1 SMP\0").as_bytes());
    bytes
}

fn request<'a>(stub: &'a [u8], kernel: &'a [u8]) -> UkiRequest<'a> {
    UkiRequest {
        stub,
        kernel,
        initramfs: b"initramfs of odd length",
        os_release: "ID=test\nVERSION_ID=1\n",
        command_line: "console=ttyS0 quiet",
        kernel_version: RELEASE,
        sbat: "",
    }
}

#[test]
fn tools_read_it_and_it_says_what_went_in() {
    let world = World::new();
    let (stub, kernel) = (stub(), kernel(0x8664, RELEASE));
    let uki = build_uki(&request(&stub, &kernel)).unwrap();
    assert_eq!(build_uki(&request(&stub, &kernel)).unwrap(), uki);
    let file = world.write("uki.efi", &uki);

    let listed = text(&run("objdump", &[&"-h", &file], &world.path("")).stdout);
    let sections: Vec<&str> = listed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next()?.parse::<u32>().ok()?;
            words.next()
        })
        .collect();
    assert!(sections.ends_with(&[".osrel", ".cmdline", ".uname", ".initrd", ".linux"]), "{sections:?}");
    let dumped = world.path("cmdline");
    run("objcopy", &[&"-O", &"binary", &"--only-section=.cmdline", &file, &dumped], &world.path(""));
    assert_eq!(text(&std::fs::read(&dumped).unwrap()), "console=ttyS0 quiet");

    let facts = UkiFacts::read(&uki).unwrap();
    assert_eq!(facts.kernel_version.as_deref(), Some(RELEASE));
    assert_eq!(facts.command_line.as_deref(), Some("console=ttyS0 quiet"));
    assert_eq!(facts.os_release.as_deref(), Some("ID=test\nVERSION_ID=1\n"));
    assert_eq!(facts.sections.last().map(|(name, _)| name.as_str()), Some(".linux"));
    assert!(!facts.is_signed);
    assert_eq!(uki_initramfs(&uki).unwrap(), Some(&b"initramfs of odd length"[..]));
    assert_eq!(UkiFacts::read(&stub), Err(PeError::Format("it has no section `.linux`")));
}

#[test]
fn it_can_be_signed_and_a_change_is_found() {
    let world = World::new();
    let here = world.path("");
    let (stub, kernel) = (stub(), kernel(0x8664, RELEASE));
    // Lines of our own make the section larger than its place: it moves.
    let sbat = "bedplate,1,Bedplate,bedplate,1,https://example.org/\n".to_owned()
        + &(0..40).map(|n| format!("part{n},1,Bedplate,part,1,https://example.org/\n")).collect::<String>();
    let uki = build_uki(&UkiRequest { sbat: &sbat, ..request(&stub, &kernel) }).unwrap();
    let found = UkiFacts::read(&uki).unwrap().sbat.unwrap();
    assert!(found.starts_with("sbat,1,") && found.ends_with(&sbat), "{found}");
    assert_eq!(found.matches("part39,").count(), 1);

    let file = world.write("uki.efi", &uki);
    let unsigned = run("sbverify", &[&"--list", &file], &here);
    assert!(text(&[unsigned.stdout, unsigned.stderr].concat()).contains("No signature table present"));
    let (key, certificate, signed) = (world.path("key"), world.path("certificate"), world.path("signed.efi"));
    let subject = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test/", "-days", "2"];
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"req", &"-new", &"-x509"];
    arguments.extend(subject.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    arguments.extend([&"-keyout" as &dyn AsRef<std::ffi::OsStr>, &key, &"-out", &certificate]);
    run("openssl", &arguments, &here);
    run("sbsign", &[&"--key", &key, &"--cert", &certificate, &"--output", &signed, &file], &here);
    run("sbverify", &[&"--cert", &certificate, &signed], &here);

    let mut bytes = std::fs::read(&signed).unwrap();
    assert!(UkiFacts::read(&bytes).unwrap().is_signed);
    let at = bytes.windows(4).position(|window| window == b"quie").unwrap();
    bytes[at] ^= 1;
    let broken = world.write("broken.efi", &bytes);
    let refused = std::process::Command::new("sbverify").arg("--cert").args([&certificate, &broken]).output().unwrap();
    assert!(!refused.status.success());

    let signed_stub = std::fs::read(&signed).unwrap();
    assert_eq!(build_uki(&request(&signed_stub, &kernel)).unwrap_err(), UkiError::SignedStub);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (stub, good) = (stub(), kernel(0x8664, RELEASE));
    let arm = kernel(0xaa64, RELEASE);
    let other = kernel(0x8664, "6.2.0");
    let long = "x".repeat(2048);
    let base = request(&stub, &good);
    for (request, expected) in [
        (
            UkiRequest { stub: b"#!/bin/sh", ..base },
            "the stub of systemd cannot be used: it is no PE32+ executable: it does not begin with `MZ`",
        ),
        (
            UkiRequest { kernel: &good[..0x50], ..base },
            "the kernel cannot be used: it has no EFI stub (CONFIG_EFI_STUB): it ends before the COFF header ends",
        ),
        (UkiRequest { kernel: &arm, ..base }, "the stub is for processor type 0x8664, the kernel for 0xaa64"),
        (UkiRequest { kernel: &other, ..base }, "the kernel says that it is `6.2.0`, its modules are of `6.1.0-test`"),
        (UkiRequest { command_line: &long, ..base }, "the kernel command line has 2048 bytes; the kernel takes 2047"),
        (
            UkiRequest { command_line: "a\nb", ..base },
            "the kernel command line has the character '\\n'; only printable ASCII is taken as it is",
        ),
        (
            UkiRequest { sbat: "bedplate,1\n", ..base },
            "`bedplate,1` is no line of revocation data (.sbat): it needs six fields between commas",
        ),
    ] {
        assert_eq!(build_uki(&request).unwrap_err().to_string(), expected);
    }
    // Every truncation of the headers is an error, and none a panic.
    for length in 0..0x600 {
        let _ = build_uki(&UkiRequest { stub: &stub[..length], ..base });
        let _ = UkiFacts::read(&stub[..length]);
    }
}
