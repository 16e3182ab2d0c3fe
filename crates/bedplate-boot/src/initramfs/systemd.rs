//! What of systemd an initramfs needs. Units are those of the image; which ones, is said here.

/// Programs without which nothing starts.
pub(super) const PROGRAMS: [&str; 10] = [
    "/usr/lib/systemd/systemd",
    "/usr/lib/systemd/systemd-journald",
    "/usr/lib/systemd/systemd-modules-load",
    "/usr/lib/systemd/systemd-shutdown",
    "/usr/lib/systemd/systemd-udevd",
    "/usr/lib/systemd/system-generators/systemd-fstab-generator",
    "/usr/bin/systemctl",
    "/usr/bin/udevadm",
    "/usr/bin/mount",
    "/usr/bin/umount",
];

/// Programs that only some versions or builds of systemd have, or that the image may do without.
pub(super) const OPTIONAL_PROGRAMS: [&str; 8] = [
    "/usr/lib/systemd/systemd-executor",
    "/usr/lib/systemd/systemd-sysroot-fstab-check",
    "/usr/lib/systemd/systemd-volatile-root",
    "/usr/lib/systemd/systemd-sysctl",
    "/usr/lib/systemd/system-generators/systemd-gpt-auto-generator",
    "/usr/bin/systemd-tmpfiles",
    "/usr/bin/journalctl",
    "/usr/sbin/modprobe",
];

/// Programs that open a verity device.
pub(super) const VERITY_PROGRAMS: [&str; 2] =
    ["/usr/lib/systemd/systemd-veritysetup", "/usr/lib/systemd/system-generators/systemd-veritysetup-generator"];

/// Programs that check file systems.
pub(super) const CHECK_PROGRAMS: [&str; 2] = ["/usr/lib/systemd/systemd-fsck", "/usr/sbin/fsck"];

/// Units without which nothing starts.
pub(super) const UNITS: [&str; 44] = [
    "basic.target",
    "emergency.target",
    "final.target",
    "halt.target",
    "initrd-cleanup.service",
    "initrd-fs.target",
    "initrd-parse-etc.service",
    "initrd-root-device.target",
    "initrd-root-fs.target",
    "initrd-switch-root.service",
    "initrd-switch-root.target",
    "initrd-udevadm-cleanup-db.service",
    "initrd-usr-fs.target",
    "initrd.target",
    "kexec.target",
    "local-fs-pre.target",
    "local-fs.target",
    "modprobe@.service",
    "paths.target",
    "poweroff.target",
    "reboot.target",
    "rescue.target",
    "shutdown.target",
    "slices.target",
    "sockets.target",
    "swap.target",
    "sysinit.target",
    "systemd-halt.service",
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
    "systemd-journald.socket",
    "systemd-kexec.service",
    "systemd-modules-load.service",
    "systemd-poweroff.service",
    "systemd-reboot.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "timers.target",
    "umount.target",
    "veritysetup-pre.target",
    "veritysetup.target",
    "remote-veritysetup.target",
];

/// Units that only some versions have, or whose program may be missing.
pub(super) const OPTIONAL_UNITS: [&str; 10] = [
    "systemd-journald-varlink@.socket",
    "systemd-sysctl.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup.service",
    "systemd-volatile-root.service",
    "system-systemd\\x2dveritysetup.slice",
    "cryptsetup-pre.target",
    "breakpoint-pre-switch-root.service",
    "blockdev@.target",
];

/// Units that check file systems.
pub(super) const CHECK_UNITS: [&str; 2] = ["systemd-fsck-root.service", "systemd-fsck@.service"];

/// Rules of udev: those that name disks and partitions, load drivers, and tell systemd of devices.
pub(super) const RULES: [&str; 10] = [
    "10-dm.rules",
    "13-dm-disk.rules",
    "50-udev-default.rules",
    "55-dm.rules",
    "60-block.rules",
    "60-persistent-storage-dm.rules",
    "60-persistent-storage.rules",
    "80-drivers.rules",
    "95-dm-notify.rules",
    "99-systemd.rules",
];

/// Of these, the ones that have to be there.
pub(super) const REQUIRED_RULES: [&str; 4] =
    ["50-udev-default.rules", "60-persistent-storage.rules", "80-drivers.rules", "99-systemd.rules"];

/// Programs that rules call, in the order in which systems have them: the first that is there.
pub(super) const DMSETUP: [&str; 2] = ["/usr/sbin/dmsetup", "/usr/bin/dmsetup"];
pub(super) const RULE_PROGRAMS: [&str; 2] = ["/usr/lib/udev/ata_id", "/usr/lib/udev/scsi_id"];

/// Rules that wait for an answer of `dmsetup`: without it, opening a device would never end.
pub(super) const DMSETUP_RULES: [&str; 4] =
    ["10-dm.rules", "55-dm.rules", "60-persistent-storage-dm.rules", "95-dm-notify.rules"];

/// Other data of the image.
pub(super) const DATA: [&str; 3] = [
    "/usr/lib/tmpfiles.d/systemd.conf",
    "/usr/lib/tmpfiles.d/static-nodes-permissions.conf",
    "/usr/lib/sysctl.d/50-default.conf",
];

/// What is started if the root file system cannot be had: it says what failed, on the console, and the machine waits there.
/// There is no shell in an initramfs of ours: it would be a way around the verity that was just found broken.
pub(super) const EMERGENCY_UNIT: &str = "\
[Unit]
Description=Emergency: the initramfs cannot go on
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
ExecStart=-/usr/bin/systemctl list-units --failed --plain --no-pager --no-legend --full
ExecStart=-/usr/bin/systemctl list-jobs --plain --no-pager --no-legend --full
";
