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

/// So much is kept at least of what comes before that line.
const KEPT: usize = 64 << 10;

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
    /// What was not handed on: it may be, or become, one of our two lines.
    held: Vec<u8>,
    has_begun: bool,
    status: Option<i32>,
}

impl GuestOutput {
    /// Takes what came; gives what of it the command wrote, as far as that is sure.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        // The terminal in the guest makes two characters of each line end.
        self.held.extend(bytes.iter().filter(|byte| **byte != b'\r'));
        if !self.has_begun
            && let Some(at) = find(&self.held, BEGIN.as_bytes())
        {
            self.has_begun = true;
            self.held.drain(..at + BEGIN.len());
        }
        if let Some((at, status)) = self.end() {
            self.status = Some(status);
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        if self.has_begun {
            let sure = self.held.len() - self.unsure();
            return self.held.drain(..sure).collect();
        }
        if self.held.len() > 2 * KEPT {
            self.held.drain(..self.held.len() - KEPT);
        }
        Vec::new()
    }

    /// What was held back, once no more will come.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        if self.has_begun { std::mem::take(&mut self.held) } else { Vec::new() }
    }

    /// The exit status of the command, if it ended.
    pub(super) fn status(&self) -> Option<i32> {
        self.status
    }

    /// Where the last line begins, and what it says.
    fn end(&self) -> Option<(usize, i32)> {
        let mark = format!("\n{MARK}");
        let is_mark = |at: &usize| self.held[*at..].starts_with(mark.as_bytes());
        (0..self.held.len()).filter(is_mark).find_map(|at| {
            let rest = &self.held[at + mark.len()..];
            // The line has to be whole.
            let line = std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'\n')?]).ok()?;
            let (kind, status) = line.split_once(' ')?;
            Some((at, exit_status(kind, status)))
        })
    }

    /// How many bytes at the end may be the beginning of the last line.
    fn unsure(&self) -> usize {
        let mark = format!("\n{MARK}");
        let Some(at) = self.held.iter().rposition(|byte| *byte == b'\n') else { return 0 };
        let tail = &self.held[at..];
        let is_mark = tail.starts_with(mark.as_bytes()) || mark.as_bytes().starts_with(tail);
        if is_mark { tail.len() } else { 0 }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
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
    fn output_is_handed_on_while_it_comes() {
        let mut output = GuestOutput::default();
        assert_eq!(output.feed(b"firmware\n\nbedplate-run-beg"), b"");
        assert_eq!(output.feed(b"ins\r\none\r\ntwo"), b"one\ntwo");
        // This may be the last line, and then it is not.
        assert_eq!(output.feed(b"\nbedplate-run-"), b"");
        assert_eq!(output.feed(b"length: 3\n"), b"\nbedplate-run-length: 3");
        assert_eq!(output.rest(), b"\n");
        assert_eq!(output.status(), None);
    }

    #[test]
    fn noise_before_the_command_takes_bounded_memory() {
        let mut output = GuestOutput::default();
        for _ in 0..10 {
            assert!(output.feed(&vec![b'x'; KEPT]).is_empty());
            assert!(output.held.len() <= 2 * KEPT);
        }
    }

    #[test]
    fn output_and_status_come_back() {
        for (said, expected, status) in [
            ("firmware\r\n\r\nbedplate-run-begins\r\na\r\n\r\nbedplate-run-ended: exited 0\r\n", "a\n", Some(0)),
            ("a\r\nb\r\n\r\nbedplate-run-ended: exited 3\r\n", "a\nb\n", Some(3)),
            ("\r\nbedplate-run-ended: killed TERM\r\n", "", Some(143)),
            ("\r\nbedplate-run-ended: dumped 99\r\n", "", Some(255)),
            (
                "\r\nbedplate-run-ended: not\r\n\r\nbedplate-run-ended: exited 4\r\n",
                "\nbedplate-run-ended: not\n",
                Some(4),
            ),
            ("\r\nbedplate-run-begins\r\na\r\nbedplate-run-ended: exited 1", "a\nbedplate-run-ended: exited 1", None),
            ("nothing\r\n", "", None),
        ] {
            for length in [1, 7, said.len()] {
                let mut output = GuestOutput::default();
                let mut wrote: Vec<u8> = said.as_bytes().chunks(length).flat_map(|part| output.feed(part)).collect();
                assert_eq!(output.status(), status, "{said:?}");
                wrote.extend(output.rest());
                assert_eq!(wrote, expected.as_bytes(), "{said:?} by {length}");
            }
        }
    }
}
