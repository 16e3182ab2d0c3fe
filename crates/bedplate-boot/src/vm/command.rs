//! A command that runs in the guest.
//!
//! systemd (256 and later) takes units from credentials, and credentials from SMBIOS strings of type 11: so a command runs in an
//! image that knows nothing of us. The unit runs it after `multi-user.target`, with the second serial port as its output; when it
//! has ended, a last line says how.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::VmError;

/// What SMBIOS and qemu surely take.
pub(super) const LARGEST_COMMAND: usize = 8 << 10;

/// Begins the line that says how the command ended. A command that writes such a line itself only fools its own caller.
const MARK: &str = "bedplate-run-ended: ";

/// The line before its output: firmware and kernel write to the same port before.
const BEGIN: &str = "\nbedplate-run-begins\n";

const UNIT: &str = "bedplate-run.service";

/// So much of the end of the output is kept at least.
const KEPT: usize = 16 << 20;

/// Longer than the last line can be.
const LAST_LINE: usize = 256;

/// A command, ready to be handed over.
#[derive(Debug)]
pub(super) struct GuestCommand {
    unit: String,
}

impl GuestCommand {
    pub(super) fn new(command: &str) -> Result<Self, VmError> {
        if command.len() > LARGEST_COMMAND {
            return Err(VmError::LongCommand(command.len()));
        }
        let unit = format!(
            "[Unit]\nDescription=Command of `bedplate image boot --run`\nAfter=multi-user.target\n\n\
             [Service]\nType=exec\nStandardInput=null\nStandardOutput=file:/dev/ttyS1\nStandardError=inherit\n\
             ExecStartPre=/bin/sh -c \"echo; echo bedplate-run-begins\"\n\
             ExecStart=/bin/sh -c {}\n\
             ExecStopPost=/bin/sh -c \"echo; echo {MARK}${{EXIT_CODE}} ${{EXIT_STATUS}}\"\n",
            quote(command)
        );
        Ok(Self { unit })
    }

    /// Values of SMBIOS strings of type 11.
    pub(super) fn smbios_values(&self) -> [String; 2] {
        let credential =
            |name: &str, text: &str| format!("io.systemd.credential.binary:{name}={}", BASE64_STANDARD.encode(text));
        [
            credential(&format!("systemd.extra-unit.{UNIT}"), &self.unit),
            credential("systemd.unit-dropin.multi-user.target", &format!("[Unit]\nWants={UNIT}\n")),
        ]
    }

    pub(super) fn listen(&self) -> GuestOutput {
        GuestOutput::default()
    }
}

/// What came through the second serial port.
#[derive(Debug, Default)]
pub(super) struct GuestOutput {
    bytes: Vec<u8>,
    has_begun: bool,
}

impl GuestOutput {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        // The terminal in the guest makes two characters of each line end.
        self.bytes.extend(bytes.iter().filter(|byte| **byte != b'\r'));
        if !self.has_begun
            && let Some(at) = self.bytes.windows(BEGIN.len()).position(|window| window == BEGIN.as_bytes())
        {
            self.has_begun = true;
            self.bytes.drain(..at + BEGIN.len());
        }
        if self.bytes.len() > 2 * KEPT {
            self.bytes.drain(..self.bytes.len() - KEPT);
        }
    }

    /// True if the command has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.split().is_some()
    }

    /// What the command wrote, and its exit status, if it ended.
    pub(super) fn finish(self) -> Option<(Vec<u8>, i32)> {
        let (output, status) = self.split()?;
        Some((output.to_vec(), status))
    }

    fn split(&self) -> Option<(&[u8], i32)> {
        let mark = format!("\n{MARK}");
        let end = self.bytes.len().saturating_sub(LAST_LINE);
        let at = end + find_last(&self.bytes[end..], mark.as_bytes())?;
        let rest = std::str::from_utf8(&self.bytes[at + mark.len()..]).ok()?;
        // The line has to be whole.
        let (kind, status) = rest[..rest.find('\n')?].split_once(' ')?;
        Some((&self.bytes[..at], exit_status(kind, status)))
    }
}

fn find_last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

/// The number that a shell would give: systemd says `exited 3`, or `killed TERM`.
fn exit_status(kind: &str, status: &str) -> i32 {
    const SIGNALS: [(&str, i32); 8] =
        [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("ABRT", 6), ("KILL", 9), ("SEGV", 11), ("TERM", 15)];
    match kind {
        "exited" => status.parse().unwrap_or(255),
        _ => 128 + SIGNALS.iter().find(|(name, _)| *name == status).map_or(127, |(_, number)| *number),
    }
}

/// A word of a unit file: in quotes, with what systemd would replace taken literally.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_the_unit() {
        let command = GuestCommand::new("echo \"$HOME\" 100%\\\n").unwrap();
        assert!(
            command.unit.contains("ExecStart=/bin/sh -c \"echo \\\"$$HOME\\\" 100%%\\\\\\n\"\n"),
            "{}",
            command.unit
        );
        let [unit, wants] = command.smbios_values();
        assert!(
            unit.starts_with("io.systemd.credential.binary:systemd.extra-unit.bedplate-run.service=W1Vua"),
            "{unit}"
        );
        assert!(!wants.contains(','), "{wants}");
        assert!(matches!(GuestCommand::new(&"x".repeat(9000)), Err(VmError::LongCommand(9000))));
    }

    #[test]
    fn endless_output_takes_bounded_memory() {
        let mut output = GuestOutput::default();
        for _ in 0..40 {
            output.feed(&vec![b'x'; 1 << 20]);
        }
        output.feed(b"\nbedplate-run-ended: exited 0\n");
        let (output, status) = output.finish().unwrap();
        assert!(status == 0 && output.len() >= KEPT && output.len() <= 2 * KEPT + 100, "{}", output.len());
    }

    #[test]
    fn output_and_status_come_back() {
        for (said, expected) in [
            ("firmware\r\n\r\nbedplate-run-begins\r\na\r\n\r\nbedplate-run-ended: exited 0\r\n", Some(("a\n", 0))),
            ("a\r\nb\r\n\r\nbedplate-run-ended: exited 3\r\n", Some(("a\nb\n", 3))),
            ("\r\nbedplate-run-ended: killed TERM\r\n", Some(("", 143))),
            ("\r\nbedplate-run-ended: dumped 99\r\n", Some(("", 255))),
            ("\r\nbedplate-run-ended: exited 1", None),
            ("nothing\r\n", None),
        ] {
            let mut output = GuestOutput::default();
            for byte in said.as_bytes() {
                output.feed(&[*byte]);
            }
            assert_eq!(output.is_complete(), expected.is_some());
            let expected = expected.map(|(output, status)| (output.as_bytes().to_vec(), status));
            assert_eq!(output.finish(), expected, "{said:?}");
        }
    }
}
