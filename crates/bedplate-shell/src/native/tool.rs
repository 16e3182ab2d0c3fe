//! The usual text tools as functions.

mod awk;
mod column;
mod grep;
mod line;
mod name;
mod order;
mod sed;

use super::builtin::Extra;
use super::run::{Interpreter, Io};
use super::{Known, unknown};

/// What a tool did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) stdout: Vec<u8>,
    /// A message whose words we know.
    pub(super) errors: Vec<u8>,
    /// It says something whose words we do not know.
    pub(super) complains: bool,
    pub(super) status: i32,
}

impl Outcome {
    fn of(stdout: Vec<u8>) -> Self {
        Self { stdout, ..Self::default() }
    }
}

/// A call of a tool.
pub(super) struct Call<'c, 'a> {
    shell: &'c mut Interpreter<'a>,
    arguments: &'c [Vec<u8>],
    extra: &'c Extra,
    io: &'c Io,
}

/// Runs a tool.
pub(super) fn run(
    shell: &mut Interpreter<'_>,
    name: &[u8],
    arguments: &[Vec<u8>],
    extra: &Extra,
    io: &Io,
) -> Known<Outcome> {
    let mut call = Call { shell, arguments, extra, io };
    match name {
        b"cat" => line::cat(&mut call),
        b"head" => line::head(&mut call),
        b"tail" => line::tail(&mut call),
        b"tac" => line::tac(&mut call),
        b"rev" => line::rev(&mut call),
        b"wc" => line::wc(&mut call),
        b"cut" => column::cut(&mut call),
        b"tr" => column::tr(&mut call),
        b"grep" => grep::grep(&mut call, grep::Flavour::Basic),
        b"egrep" => grep::grep(&mut call, grep::Flavour::Extended),
        b"fgrep" => grep::grep(&mut call, grep::Flavour::Fixed),
        b"sed" => sed::sed(&mut call),
        b"awk" | b"gawk" | b"mawk" => awk::awk(&mut call),
        b"sort" => order::sort(&mut call),
        b"uniq" => order::uniq(&mut call),
        b"seq" => order::seq(&mut call),
        b"basename" => name::basename(&mut call),
        b"dirname" => name::dirname(&mut call),
        b"expr" => name::expr(&mut call),
        b"ls" => name::ls(&mut call),
        _ => unknown(format!("the command `{}`", String::from_utf8_lossy(name))),
    }
}

/// The name of an input and its content, if it is there.
type NamedInput<'f> = (&'f [u8], Option<Vec<u8>>);

/// Options and operands of a call.
struct Options {
    flags: Vec<(u8, Vec<u8>)>,
    operands: Vec<Vec<u8>>,
}

/// Where options may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Any,
    OptionsFirst,
}

impl Options {
    fn has(&self, flag: u8) -> bool {
        self.flags.iter().any(|(letter, _)| *letter == flag)
    }

    /// The value of an option that may be given once.
    fn value(&self, flag: u8) -> Known<Option<&[u8]>> {
        let mut values = self.flags.iter().filter(|(letter, _)| *letter == flag);
        let value = values.next().map(|(_, value)| value.as_slice());
        if values.next().is_some() { unknown("an option given twice") } else { Ok(value) }
    }
}

impl Call<'_, '_> {
    /// Reads options as GNU getopt does: they may stand after operands. `valued` letters take a value; long names stand for a
    /// letter.
    fn options(&self, plain: &[u8], valued: &[u8], long: &[(&[u8], u8)]) -> Known<Options> {
        self.read_options(plain, valued, long, Order::Any)
    }

    /// Reads options of a tool that takes none after its first operand.
    fn leading_options(&self, plain: &[u8], valued: &[u8], long: &[(&[u8], u8)]) -> Known<Options> {
        self.read_options(plain, valued, long, Order::OptionsFirst)
    }

    fn read_options(&self, plain: &[u8], valued: &[u8], long: &[(&[u8], u8)], order: Order) -> Known<Options> {
        let mut options = Options { flags: Vec::new(), operands: Vec::new() };
        let mut rest = self.arguments.iter();
        while let Some(word) = rest.next() {
            if word == b"--" && (order == Order::Any || options.operands.is_empty()) {
                options.operands.extend(rest.cloned());
                break;
            }
            if order == Order::OptionsFirst && !options.operands.is_empty() {
                options.operands.push(word.clone());
                continue;
            }
            if let Some(name) = word.strip_prefix(b"--") {
                let (name, value) = match name.iter().position(|byte| *byte == b'=') {
                    Some(at) => (&name[..at], Some(name[at + 1..].to_vec())),
                    None => (name, None),
                };
                // A name may be cut short; which one is then meant depends on the version.
                let Some((_, letter)) = long.iter().find(|(known, _)| *known == name) else {
                    return unknown("a long option");
                };
                let value = match (valued.contains(letter), value) {
                    (true, Some(value)) => value,
                    (true, None) => match rest.next() {
                        Some(value) => value.clone(),
                        None => return unknown("an option without its value"),
                    },
                    (false, None) => Vec::new(),
                    (false, Some(_)) => return unknown("an option with a value"),
                };
                options.flags.push((*letter, value));
                continue;
            }
            if word.len() < 2 || word[0] != b'-' {
                options.operands.push(word.clone());
                continue;
            }
            let mut at = 1;
            while at < word.len() {
                let letter = word[at];
                at += 1;
                if valued.contains(&letter) {
                    let value = if at < word.len() {
                        word[at..].to_vec()
                    } else {
                        match rest.next() {
                            Some(value) => value.clone(),
                            None => return unknown("an option without its value"),
                        }
                    };
                    options.flags.push((letter, value));
                    break;
                }
                if !plain.contains(&letter) {
                    return unknown(format!("the option `-{}`", char::from(letter)));
                }
                options.flags.push((letter, Vec::new()));
            }
        }
        Ok(options)
    }

    /// Standard input.
    fn input(&mut self) -> Known<Vec<u8>> {
        self.shell.read_input(self.io)
    }

    /// The files that are named, or standard input, in order; `None` for one that is missing.
    fn inputs<'f>(&mut self, files: &'f [Vec<u8>]) -> Known<Vec<NamedInput<'f>>> {
        if files.is_empty() {
            return Ok(vec![(b"-", Some(self.input()?))]);
        }
        let mut inputs = Vec::new();
        for file in files {
            let content = match file.as_slice() {
                b"-" => Some(self.input()?),
                b"/dev/null" => Some(Vec::new()),
                path => self.shell.read_file(path)?,
            };
            inputs.push((file.as_slice(), content));
        }
        Ok(inputs)
    }

    /// All inputs joined; a missing file is told by `message` (its name put in) and makes the status.
    fn joined(&mut self, files: &[Vec<u8>], message: [&str; 2], status: i32) -> Known<(Vec<u8>, Outcome)> {
        let mut outcome = Outcome::default();
        let mut joined = Vec::new();
        for (name, content) in self.inputs(files)? {
            match content {
                Some(content) => joined.extend(content),
                None => {
                    outcome.status = status;
                    outcome.complain_of(name, message);
                }
            }
        }
        Ok((joined, outcome))
    }
}

impl Outcome {
    /// Says that a file is missing: the words before its name and after it.
    fn complain_of(&mut self, name: &[u8], [before, after]: [&str; 2]) {
        let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte));
        if is_plain {
            self.errors.extend([before.as_bytes(), name, after.as_bytes(), b"\n"].concat());
        } else {
            self.complains = true;
        }
    }
}

const MISSING: &str = ": No such file or directory";

/// The text must be ASCII, so that a character is a byte in every locale.
fn ascii(bytes: &[u8]) -> Known<()> {
    if bytes.is_ascii() && !bytes.contains(&0) { Ok(()) } else { unknown("text that is not ASCII") }
}

/// The lines without their newlines, and whether the last one had its own.
fn lines(bytes: &[u8]) -> (Vec<&[u8]>, bool) {
    let is_whole = bytes.ends_with(b"\n");
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if is_whole || bytes.is_empty() {
        lines.pop();
    }
    (lines, is_whole)
}

/// A plain number of a few digits.
fn number(bytes: &[u8]) -> Option<usize> {
    if bytes.is_empty() || bytes.len() > 9 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
