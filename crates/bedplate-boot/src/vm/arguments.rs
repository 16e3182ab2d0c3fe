//! The command line of qemu.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::command::GuestCommand;
use super::{DiskFormat, VmRequest};

/// Where the serial ports of a machine lead.
pub(super) enum Channels<'a> {
    /// The first to this process's terminal.
    Terminal,
    /// To sockets that we listen at.
    Sockets { console: PathBuf, guest: PathBuf, command: Option<&'a GuestCommand> },
}

/// systemd's stub takes it as a further kernel parameter. An emulated machine on a busy one has timers that are late, and the kernel
/// would panic of that; under KVM it does not ask either.
const EMULATION: &str = "type=11,value=io.systemd.stub.kernel-cmdline-extra=no_timer_check";

/// All arguments for a machine.
pub(super) fn arguments(request: &VmRequest, variables: &Path, kvm: bool, channels: &Channels<'_>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| out.extend([OsString::from(name), value]);
    add("-machine", "q35".into());
    if kvm {
        add("-accel", "kvm".into());
        add("-cpu", "host".into());
    } else {
        // All processors at once, and a larger memory for what is translated.
        add("-accel", "tcg,thread=multi,tb-size=512".into());
        // All instructions, but: page tables of five levels make each walk longer, and exchanges of 16 bytes, which the kernel uses
        // where it finds them, go wrong now and then when qemu 7.2 emulates several processors.
        add("-cpu", "max,la57=off,cx16=off".into());
    }
    add("-smp", request.processors.to_string().into());
    add("-m", format!("{}M", request.memory).into());
    for (file, options) in
        [(request.firmware.code.as_path(), "if=pflash,format=raw,readonly=on"), (variables, "if=pflash,format=raw")]
    {
        add("-drive", drive(options, file));
    }
    let format = match request.format {
        DiskFormat::Raw => "format=raw",
        // The size that the file says, and not that of an old geometry.
        DiskFormat::Vhd => "format=vpc,force_size_calc=current_size",
        DiskFormat::Vhdx => "format=vhdx",
        DiskFormat::Qcow2 => "format=qcow2",
    };
    // What is written goes to a file of qemu's that has no name.
    add("-drive", drive(&format!("if=virtio,snapshot=on,cache=unsafe,{format}"), &request.image));
    add("-device", "virtio-rng-pci".into());
    match channels {
        Channels::Terminal => add("-serial", "mon:stdio".into()),
        Channels::Sockets { console, guest, command } => {
            for (name, path) in [("console", console), ("guest", guest)] {
                add("-chardev", path_option(&format!("socket,id={name},path="), path));
                add("-serial", format!("chardev:{name}").into());
            }
            if !kvm {
                add("-smbios", EMULATION.into());
            }
            for value in command.iter().flat_map(|command| command.smbios_values()) {
                add("-smbios", format!("type=11,value={value}").into());
            }
        }
    }
    // Nothing else: no network, no screen, no drives that firmware would try first; a restart is an end.
    out.extend(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"].map(OsString::from));
    out
}

fn drive(options: &str, file: &Path) -> OsString {
    path_option(&format!("{options},file="), file)
}

/// An option that ends with a path: commas of the path are doubled.
fn path_option(options: &str, path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut out = options.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        out.push(*byte);
        if *byte == b',' {
            out.push(b',');
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Acceleration, Firmware};

    #[test]
    fn commas_in_paths_are_paths() {
        let request = VmRequest {
            image: "/a,b.vhd".into(),
            format: DiskFormat::Vhd,
            memory: 512,
            processors: 2,
            acceleration: Acceleration::Auto,
            firmware: Firmware { code: "/code".into(), variables: "/vars".into() },
            log: None,
            timeout: std::time::Duration::from_secs(1),
            expect: Vec::new(),
            run: None,
        };
        let arguments = arguments(&request, Path::new("/copy"), true, &Channels::Terminal);
        let line = arguments.join(" ".as_ref()).into_string().unwrap();
        for part in [
            "-drive if=virtio,snapshot=on,cache=unsafe,format=vpc,force_size_calc=current_size,file=/a,,b.vhd",
            "-drive if=pflash,format=raw,file=/copy",
            "-accel kvm -cpu host",
            "-smp 2 -m 512M",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
