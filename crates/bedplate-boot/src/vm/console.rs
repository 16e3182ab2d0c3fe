//! What a serial console says: texts that are waited for, and faults.

use std::collections::VecDeque;

/// Lines that are kept for reports.
const KEPT: usize = 40;
/// A line that has no end is cut here.
const LONGEST_LINE: usize = 16 << 10;

/// What is recognised as the end of a boot that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The kernel stopped; the line that says why.
    Panic(String),
    /// systemd gave up and went to emergency mode.
    Emergency(String),
    /// The firmware found nothing to start.
    NothingToBoot(String),
    /// A block that dm-verity protects is not what it was.
    Corrupted(String),
}

impl Fault {
    /// What happened.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match self {
            Self::Panic(_) => "the kernel panicked",
            Self::Emergency(_) => "systemd went to emergency mode",
            Self::NothingToBoot(_) => "the firmware found nothing to start",
            Self::Corrupted(_) => "what dm-verity protects was changed",
        }
    }

    /// The line of the console that says so.
    #[must_use]
    pub fn line(&self) -> &str {
        match self {
            Self::Panic(line) | Self::Emergency(line) | Self::NothingToBoot(line) | Self::Corrupted(line) => line,
        }
    }

    fn of(line: &str) -> Option<Self> {
        type Make = fn(String) -> Fault;
        const SIGNS: [(&str, Make); 9] = [
            ("Kernel panic - not syncing", Fault::Panic),
            ("systemd[1]: Freezing execution", Fault::Panic),
            ("Emergency: the initramfs cannot go on", Fault::Emergency),
            ("Reached target emergency.target", Fault::Emergency),
            ("You are in emergency mode", Fault::Emergency),
            ("Entering emergency mode", Fault::Emergency),
            ("No bootable option or device was found", Fault::NothingToBoot),
            ("\"EFI Internal Shell\"", Fault::NothingToBoot),
            ("UEFI Interactive Shell", Fault::NothingToBoot),
        ];
        if line.contains("device-mapper: verity: ") && line.ends_with(" is corrupted") {
            return Some(Self::Corrupted(line.to_owned()));
        }
        let (_, fault) = SIGNS.into_iter().find(|(sign, _)| line.contains(sign))?;
        Some(fault(line.to_owned()))
    }
}

/// What was said so far.
#[derive(Debug)]
pub(super) struct Console {
    missing: Vec<String>,
    lines: VecDeque<String>,
    line: Vec<u8>,
    escape: Escape,
    fault: Option<Fault>,
}

/// Where in a control sequence of terminals we are (ECMA-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// Behind an escape character.
    Start,
    /// Between `ESC [` and the letter that ends it.
    Sequence,
    /// Between `ESC ]` or `ESC P` and what ends it.
    Text,
}

impl Console {
    pub(super) fn new(expect: &[String]) -> Self {
        Self { missing: expect.to_vec(), lines: VecDeque::new(), line: Vec::new(), escape: Escape::None, fault: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(*byte);
        }
        // A prompt has no end of line.
        self.look();
    }

    /// Texts that were not said yet.
    pub(super) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The first fault that was seen.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.clone()
    }

    pub(super) fn last_lines(&self) -> Vec<String> {
        let rest = String::from_utf8_lossy(&self.line).into_owned();
        self.lines.iter().cloned().chain((!rest.trim().is_empty()).then_some(rest)).collect()
    }

    fn take(&mut self, byte: u8) {
        self.escape = match (self.escape, byte) {
            (Escape::None, 0x1b) => Escape::Start,
            (Escape::None, b'\n') => return self.end_line(),
            (Escape::None, b'\t' | b' '..=b'~' | 0x80..) => {
                self.line.push(byte);
                if self.line.len() >= LONGEST_LINE {
                    self.end_line();
                }
                return;
            }
            (Escape::None, _) => return,
            (Escape::Start, b'[') => Escape::Sequence,
            (Escape::Start, b']' | b'P' | b'X' | b'^' | b'_') => Escape::Text,
            // One more character, as in `ESC ( B`.
            (Escape::Start, b' '..=b'/') => Escape::Start,
            (Escape::Start, _) => Escape::None,
            (Escape::Sequence, b'@'..=b'~') => Escape::None,
            (Escape::Sequence, b'\n') => return self.end_line(),
            (Escape::Sequence, _) => Escape::Sequence,
            (Escape::Text, 0x07) => Escape::None,
            (Escape::Text, 0x1b) => Escape::Start,
            (Escape::Text, b'\n') => return self.end_line(),
            (Escape::Text, _) => Escape::Text,
        };
    }

    fn end_line(&mut self) {
        self.look();
        self.escape = Escape::None;
        let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
        self.line.clear();
        if line.is_empty() {
            return;
        }
        if self.fault.is_none() {
            self.fault = Fault::of(&line);
        }
        // systemd says twice a second what it waits for: the last time is enough.
        let is_waiting = |line: &str| line.contains(" Job ") && line.contains("running (");
        if is_waiting(&line) && self.lines.back().is_some_and(|last| is_waiting(last)) {
            self.lines.pop_back();
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn look(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        self.missing.retain(|text| !line.contains(text.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(expect: &[&str], said: &[u8]) -> Console {
        let mut console = Console::new(&expect.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        for byte in said {
            console.feed(&[*byte]);
        }
        console
    }

    #[test]
    fn texts_are_found_through_colours_and_in_prompts() {
        let said = b"\x1b[2J\x1b[01;01H[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mbasic.target\x1b[0m.\r\n\
                     \x1b]0;title\x07\x1bPdata\x1b\\node login: ";
        let console = console(&["Reached target basic.target.", "node login:", "never"], said);
        assert_eq!(console.missing(), ["never"]);
        assert_eq!(console.last_lines(), ["[  OK  ] Reached target basic.target.", "node login: "]);
        assert_eq!(console.fault(), None);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        for (line, expected) in [
            ("[    1.2] Kernel panic - not syncing: VFS: Unable to mount", "the kernel panicked"),
            ("[  OK  ] Reached target emergency.target - Emergency Mode.", "systemd went to emergency mode"),
            ("BdsDxe: No bootable option or device was found.", "the firmware found nothing to start"),
            ("device-mapper: verity: 253:2: data block 0 is corrupted", "what dm-verity protects was changed"),
        ] {
            let fault =
                console(&[], format!("before\n{line}\nYou are in emergency mode\n").as_bytes()).fault().unwrap();
            assert_eq!((fault.what(), fault.line()), (expected, line));
        }
    }

    #[test]
    fn waiting_is_said_once() {
        let said = "a\n[*  ] Job x/start running (1s / 9s)\n[ * ] Job x/start running (2s / 9s)\nb\n";
        assert_eq!(console(&[], said.as_bytes()).last_lines(), ["a", "[ * ] Job x/start running (2s / 9s)", "b"]);
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut console = Console::new(&[]);
        console.feed(&vec![b'x'; 10 << 20]);
        assert_eq!(console.last_lines().len(), KEPT);
    }
}
