//! Virtual machines: real ones, that have nothing to start. Images that start are tested with `bedplate image build`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bedplate_boot::{Acceleration, DiskFormat, Fault, Firmware, VmEnd, VmError, VmEvent, VmRequest, run_vm};

use crate::support::World;

fn request(image: PathBuf, seconds: u64) -> VmRequest {
    VmRequest {
        image,
        format: DiskFormat::Raw,
        memory: 256,
        processors: 1,
        acceleration: Acceleration::Emulation,
        firmware: Firmware::find().expect("ovmf is installed by toolkit/host-setup"),
        log: None,
        timeout: Duration::from_secs(seconds),
        expect: Vec::new(),
        run: None,
    }
}

/// How many machines of a folder run.
fn running(world: &World) -> usize {
    let folder = world.path("").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(b"qemu-system") && String::from_utf8_lossy(line).contains(&folder)).count()
}

#[test]
fn an_empty_disk_is_named_and_nothing_stays() {
    let world = World::new();
    let image = world.write("empty,1.raw", vec![0; 1 << 20]);
    let log = world.path("console.log");
    let mut heard = Vec::new();
    let expect = vec!["BdsDxe: failed to load".to_owned(), "never".to_owned()];
    let request = VmRequest { log: Some(log.clone()), expect, ..request(image.clone(), 300) };
    let report = run_vm(&request, &AtomicBool::new(false), &mut |event| {
        if let VmEvent::Console(bytes) = event {
            heard.extend_from_slice(bytes);
        }
    })
    .unwrap();
    assert!(matches!(&report.end, VmEnd::Fault(Fault::NothingToBoot(_))), "{report:?}");
    assert!(!report.is_good() && !report.is_accelerated);
    assert_eq!(report.missing, ["never"]);
    assert_eq!(std::fs::read(&log).unwrap(), heard);
    assert_eq!(running(&world), 0);
    assert_eq!(std::fs::read(&image).unwrap(), vec![0; 1 << 20]);
}

#[test]
fn time_limit_signal_and_bad_image_end_it_at_once() {
    let world = World::new();
    let image = world.write("empty.raw", vec![0; 1 << 20]);
    let started = Instant::now();
    let limited = VmRequest { expect: vec!["never".into()], ..request(image.clone(), 1) };
    let report = run_vm(&limited, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert_eq!((report.end, report.missing), (VmEnd::TimedOut, vec!["never".to_owned()]));

    let stopped = run_vm(&request(image.clone(), 60), &AtomicBool::new(true), &mut |_| {});
    assert!(matches!(stopped, Err(VmError::Cancelled)), "{stopped:?}");

    let bad = VmRequest { format: DiskFormat::Qcow2, ..request(image, 60) };
    let report = run_vm(&bad, &AtomicBool::new(false), &mut |_| {});
    let said = format!("{report:?}");
    assert!(said.contains("Image is not in qcow2 format"), "{said}");

    let none = run_vm(&request(world.path("none.raw"), 60), &AtomicBool::new(false), &mut |_| {});
    assert!(none.unwrap_err().to_string().ends_with("none.raw`"));
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(running(&world), 0);
}

/// A machine dies with the process that watches it, however that dies. This test starts itself as that process.
#[test]
fn a_machine_dies_with_its_watcher() {
    const IMAGE: &str = "BEDPLATE_TEST_IMAGE";
    if let Some(image) = std::env::var_os(IMAGE) {
        let _ = run_vm(&request(image.into(), 60), &AtomicBool::new(false), &mut |_| {});
        return;
    }
    let world = World::new();
    let image = world.write("empty.raw", vec![0; 1 << 20]);
    let mut watcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "vm::a_machine_dies_with_its_watcher"])
        .env(IMAGE, &image)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let wait_for = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while running(&world) != count {
            assert!(Instant::now() < deadline, "{} machines run, not {count}", running(&world));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(1);
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    wait_for(0);
}
