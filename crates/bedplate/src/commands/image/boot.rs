//! `bedplate image boot`.

use std::io::{IsTerminal, Write as _};

use bedplate_boot::{
    Acceleration, DiskFormat, Firmware, VmEnd, VmError, VmEvent, VmReport, VmRequest, run_vm, run_vm_interactively,
};
use bedplate_engine::Cancel;

use crate::cli::{AccelerationChoice, DiskFormatChoice, ImageBootArgs};
use crate::outcome::{Failure, Outcome};
use crate::ui::{Ui, plain_path};

/// Starts an image and says what became of it.
pub(crate) fn run(args: &ImageBootArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let request = request(args)?;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_terminal && request.expect.is_empty() && request.run.is_none() && request.log.is_none() {
        ui.summary("the console of the machine follows; Ctrl-A X ends it");
        let status = run_vm_interactively(&request)?;
        return if status.success() {
            Ok(Outcome::Good)
        } else {
            Err(Failure::environment(format!("qemu ended: {status}")))
        };
    }
    let cancel = Cancel::new();
    cancel.on_signals().map_err(|error| Failure::environment(format!("cannot watch signals: {error}")))?;
    let mut output = Ok(());
    let mut print = |bytes: &[u8]| {
        if output.is_ok() {
            output = ui.print_bytes(bytes);
            // It is looked at while it comes, and a prompt has no end of line.
            let _ = std::io::stdout().flush();
        }
    };
    let report = run_vm(&request, cancel.flag(), &mut |event| match event {
        // With a command, standard output is what it wrote.
        VmEvent::Console(bytes) if request.run.is_some() => drop(std::io::stderr().write_all(bytes)),
        VmEvent::Console(bytes) | VmEvent::Command(bytes) => print(bytes),
        VmEvent::Notice(text) => ui.summary(text),
    })?;
    output?;
    tell(&report, ui)
}

fn request(args: &ImageBootArgs) -> Result<VmRequest, Failure> {
    let image = plain_path(&args.image.display().to_string());
    let format = match args.format {
        Some(DiskFormatChoice::Raw) => DiskFormat::Raw,
        Some(DiskFormatChoice::Vhd) => DiskFormat::Vhd,
        Some(DiskFormatChoice::Vhdx) => DiskFormat::Vhdx,
        Some(DiskFormatChoice::Qcow2) => DiskFormat::Qcow2,
        None => DiskFormat::of_path(&args.image).ok_or_else(|| {
            Failure::input(format!("the format of {image} is not known by its ending"))
                .hint("name it: `--format raw`, `vhd`, `vhdx` or `qcow2`; unpack an image that is compressed")
        })?,
    };
    if let Err(error) = std::fs::File::open(&args.image) {
        return Err(Failure::input(format!("cannot read {image}: {error}")));
    }
    if args.expect.iter().any(|text| text.is_empty() || text.contains('\n')) {
        return Err(Failure::input("a text to expect is empty or has several lines").hint("name one text of one line"));
    }
    let firmware = Firmware::find().ok_or_else(|| {
        Failure::environment("there is no UEFI firmware for virtual machines (OVMF)")
            .hint("install it: Debian's package is ovmf; toolkit/host-setup does it")
    })?;
    Ok(VmRequest {
        image: args.image.clone(),
        format,
        memory: (args.memory >> 20).max(1),
        processors: args.cpus,
        acceleration: match args.acceleration {
            AccelerationChoice::Auto => Acceleration::Auto,
            AccelerationChoice::Kvm => Acceleration::Kvm,
            AccelerationChoice::Emulation => Acceleration::Emulation,
        },
        firmware,
        log: args.log.clone(),
        timeout: args.timeout,
        expect: args.expect.clone(),
        run: args.run.clone(),
    })
}

/// Says how it went.
fn tell(report: &VmReport, ui: &Ui) -> Result<Outcome, Failure> {
    if let Some(status) = report.command.filter(|status| *status != 0) {
        ui.summary(&format!("the command ended with status {status}"));
    }
    let how = if report.is_accelerated { "KVM" } else { "emulated" };
    let seconds = report.elapsed.as_secs_f64();
    if report.is_good() && (report.end == VmEnd::Done || report.command.is_none()) {
        ui.summary(&format!("good after {seconds:.1} s ({how})"));
        return Ok(Outcome::Good);
    }
    let why = match &report.end {
        VmEnd::Done => return Ok(Outcome::BuildFailed),
        VmEnd::PoweredOff => "it switched itself off".to_owned(),
        VmEnd::Fault(fault) => format!("{}: {}", fault.what(), fault.line()),
        VmEnd::TimedOut => "the time is over".to_owned(),
        VmEnd::Died { status, output } => format!("qemu ended: {status}\n{output}"),
    };
    for line in &report.last_lines {
        ui.summary(&format!("  | {line}"));
    }
    for text in &report.missing {
        ui.summary(&format!("not seen: {text}"));
    }
    ui.summary(&format!("failed after {seconds:.1} s ({how}): {why}"));
    Ok(if matches!(report.end, VmEnd::Died { .. }) { Outcome::Environment } else { Outcome::BuildFailed })
}

impl From<VmError> for Failure {
    fn from(error: VmError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self { category: error.category(), message: bedplate_engine::build::chain(&error), hint }
    }
}
