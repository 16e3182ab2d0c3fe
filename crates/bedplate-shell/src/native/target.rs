//! Commands that ask about the target machine: answered from the facts and answers of the profile.

use bedplate_spec::host::ShellAnswer;

use super::builtin::Extra;
use super::run::Interpreter;
use super::{Known, unknown};
use crate::profile::Facts;

/// The answer of a command about the target; `None` if it is not about the target.
pub(super) fn answer(shell: &mut Interpreter<'_>, words: &[Vec<u8>], extra: &Extra) -> Known<Option<ShellAnswer>> {
    let profile = shell.profile;
    if let Some(answer) = profile.answer_words(words) {
        return Ok(Some(answer.clone()));
    }
    let facts = profile.facts();
    let mut texts = Vec::with_capacity(words.len());
    for word in words {
        match std::str::from_utf8(word) {
            Ok(text) => texts.push(text),
            Err(_) => return Ok(None),
        }
    }
    let Some((name, arguments)) = texts.split_first() else { return Ok(None) };
    let name = name.strip_prefix("/usr/bin/").or_else(|| name.strip_prefix("/bin/")).unwrap_or(name);
    let line = |fact: Option<String>| match fact {
        Some(text) => Ok(Some(said(text + "\n"))),
        None => unknown(format!("a fact of the target that `{name}` asks for")),
    };
    match (name, arguments) {
        ("nproc", [] | ["--all"]) | ("getconf", ["_NPROCESSORS_ONLN" | "_NPROCESSORS_CONF"]) => {
            line(facts.cpus.map(|cpus| cpus.to_string()))
        }
        ("uname", ["-m" | "--machine"]) | ("arch", []) => line(facts.machine.clone()),
        ("uname", ["-r" | "--kernel-release"]) => line(facts.kernel_release.clone()),
        ("uname", [] | ["-s" | "--kernel-name"]) => line(Some("Linux".to_owned())),
        ("uname", ["-o" | "--operating-system"]) => line(Some("GNU/Linux".to_owned())),
        ("uname", ["-n"]) | ("hostname", []) => line(facts.hostname.clone()),
        ("whoami", []) | ("id", ["-un" | "-nu" | "-gn" | "-ng"] | ["-u" | "-g", "-n"] | ["-n", "-u" | "-g"]) => {
            line(facts.user.clone())
        }
        ("id", ["-u" | "-g"]) => line(facts.user.clone().filter(|user| user == "root").map(|_| "0".to_owned())),
        ("date", arguments) => date(shell, facts, arguments, extra),
        ("perl", arguments) => match perl(facts, arguments) {
            Some(text) => Ok(Some(said(text))),
            None => unknown("something of perl"),
        },
        (name, arguments) if is_python(name) => match python(facts, arguments) {
            Some(text) => Ok(Some(said(text))),
            None => unknown("something of python"),
        },
        ("pkg-config" | "pkgconf", arguments) => pkg_config(facts, arguments),
        ("rpm", arguments) => match rpm_query(facts, arguments) {
            Some(text) => Ok(Some(said(text))),
            None => unknown("something of rpm"),
        },
        _ => Ok(None),
    }
}

fn said(text: String) -> ShellAnswer {
    ShellAnswer { stdout: text.into_bytes(), ..ShellAnswer::default() }
}

fn is_python(name: &str) -> bool {
    matches!(name, "python3" | "python" | "platform-python")
        || name.strip_prefix("python3.").is_some_and(|minor| !minor.is_empty())
}

/// `perl -V:NAME` and `perl -MConfig -e 'print $Config{NAME}'`.
fn perl(facts: &Facts, arguments: &[&str]) -> Option<String> {
    match arguments {
        [variable] => {
            let name = variable.strip_prefix("-V:")?;
            let value = facts.perl.get(name)?;
            (!value.contains('\'')).then(|| format!("{name}='{value}';\n"))
        }
        ["-MConfig", "-e", program] | ["-e", program] => {
            let program = match program.strip_prefix("use Config;") {
                Some(rest) => rest,
                None if arguments.len() == 3 => program,
                None => return None,
            };
            let program = program.trim().trim_end_matches(';').trim_end();
            let expression = program.strip_prefix("print")?.trim();
            let (expression, end) = match expression.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inner) => match inner.strip_suffix("\\n") {
                    Some(inner) => (inner, "\n"),
                    None => (inner, ""),
                },
                None => (expression, ""),
            };
            let name = expression.strip_prefix("$Config{")?.strip_suffix('}')?;
            let name = name.trim_matches(['\'', '"']);
            Some(format!("{}{end}", facts.perl.get(name)?))
        }
        _ => None,
    }
}

/// The usual one-line programs for versions and folders.
fn python(facts: &Facts, arguments: &[&str]) -> Option<String> {
    let program = match arguments {
        // How the interpreter is shut off from its surroundings makes no difference here.
        ["-c" | "-Ic" | "-Ec" | "-Esc" | "-sc" | "-Sc" | "-Isc", program] => *program,
        ["-I" | "-E" | "-s" | "-Es" | "-S", "-c", program] => *program,
        ["--version" | "-V"] => return Some(format!("Python {}\n", facts.python.get("version")?)),
        _ => return None,
    };
    let mut program: String = program.chars().filter(|c| !c.is_whitespace()).collect();
    program = program.replace('"', "'");
    while let Some(rest) =
        ["importsys;", "importsysconfig;", "fromsysimport*;", "importsys,sysconfig;", "importsysconfig,sys;"]
            .iter()
            .find_map(|import| program.strip_prefix(import))
    {
        program = rest.to_owned();
    }
    let program = match program.strip_prefix("fromdistutils.sysconfigimportget_python_lib;") {
        Some(rest) => rest.to_owned(),
        None => program,
    };
    let program = program.trim_end_matches(';');
    let (expression, end) = match program.strip_prefix("print(").and_then(|rest| rest.strip_suffix(')')) {
        Some(expression) => match expression.strip_suffix(",end=''") {
            Some(expression) => (expression, ""),
            None => (expression, "\n"),
        },
        None => (program.strip_prefix("sys.stdout.write(")?.strip_suffix(')')?, ""),
    };
    let version = || facts.python.get("version");
    let part = |at: usize| version()?.split('.').nth(at).map(str::to_owned);
    let both = |separator: &str| Some(format!("{}{separator}{}", part(0)?, part(1)?));
    let value = match expression {
        "sys.version_info.major" | "sys.version_info[0]" => part(0)?,
        "sys.version_info.minor" | "sys.version_info[1]" => part(1)?,
        "'%d.%d'%sys.version_info[:2]"
        | "'%s.%s'%sys.version_info[:2]"
        | "'%d.%d'%sys.version_info[0:2]"
        | "'%s.%s'%sys.version_info[0:2]"
        | "'{0}.{1}'.format(*sys.version_info)"
        | "'{}.{}'.format(*sys.version_info)"
        | "'{0.major}.{0.minor}'.format(sys.version_info)"
        | "'%s.%s'%(sys.version_info.major,sys.version_info.minor)"
        | "'%d.%d'%(sys.version_info.major,sys.version_info.minor)"
        | "'%s.%s'%(sys.version_info[0],sys.version_info[1])"
        | "'.'.join(map(str,sys.version_info[:2]))"
        | "sysconfig.get_python_version()"
        | "sysconfig.get_config_var('py_version_short')" => both(".")?,
        "'{0.major}{0.minor}'.format(sys.version_info)"
        | "'%d%d'%sys.version_info[:2]"
        | "sysconfig.get_config_var('py_version_nodot')" => both("")?,
        "get_python_lib()"
        | "get_python_lib(0)"
        | "sysconfig.get_path('purelib')"
        | "sysconfig.get_paths()['purelib']"
        | "sysconfig.get_path('purelib',vars={'platbase':'/usr','base':'/usr'})" => {
            facts.python.get("purelib")?.clone()
        }
        "get_python_lib(1)"
        | "get_python_lib(True)"
        | "get_python_lib(plat_specific=True)"
        | "sysconfig.get_path('platlib')"
        | "sysconfig.get_paths()['platlib']"
        | "sysconfig.get_path('platlib',vars={'platbase':'/usr','base':'/usr'})" => {
            facts.python.get("platlib")?.clone()
        }
        other => {
            let inside = |start: &str| other.strip_prefix(start)?.strip_suffix("')");
            let name = inside("sysconfig.get_config_var('").or_else(|| inside("sysconfig.get_path('"))?;
            if name.contains('\'') {
                return None;
            }
            facts.python.get(name)?.clone()
        }
    };
    Some(value + end)
}

/// `pkg-config` for one module.
fn pkg_config(facts: &Facts, arguments: &[&str]) -> Known<Option<ShellAnswer>> {
    let status = |value: bool| Ok(Some(ShellAnswer { status: i32::from(!value), ..ShellAnswer::default() }));
    let Some((module, options)) = arguments.split_last() else { return unknown("something of pkg-config") };
    let Some(version) = facts.pkg_config.get(*module) else { return unknown("a module of pkg-config") };
    // An empty version says that the module is not there: then some forms speak.
    match options {
        ["--modversion"] if !version.is_empty() => Ok(Some(said(format!("{version}\n")))),
        ["--exists"] => status(!version.is_empty()),
        _ => unknown("something of pkg-config"),
    }
}

/// `rpm -q --qf '%{version}' NAME`.
fn rpm_query(facts: &Facts, arguments: &[&str]) -> Option<String> {
    let (format, name) = match arguments {
        ["-q", "--qf" | "--queryformat", format, name] | ["-q", name, "--qf" | "--queryformat", format] => {
            (*format, *name)
        }
        ["-q", option, name] => {
            (option.strip_prefix("--qf=").or_else(|| option.strip_prefix("--queryformat="))?, *name)
        }
        _ => return None,
    };
    let known = facts.packages.get(name).filter(|known| !known.is_empty())?;
    let (version, release) = known.rsplit_once('-')?;
    let mut text = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        let lower = rest.to_ascii_lowercase();
        let (value, length) = if lower.starts_with("%{version}") {
            (version, 10)
        } else if lower.starts_with("%{release}") {
            (release, 10)
        } else if lower.starts_with("%{name}") {
            (name, 7)
        } else if rest.starts_with("\\n") {
            ("\n", 2)
        } else if b"%\\[]{}".contains(&u8::try_from(first).unwrap_or(b'%')) {
            return None;
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        text.push_str(value);
        rest = rest.get(length..)?;
    }
    Some(text)
}

/// `date` of the pinned clock, in UTC.
fn date(shell: &Interpreter<'_>, facts: &Facts, arguments: &[&str], extra: &Extra) -> Known<Option<ShellAnswer>> {
    let zone = extra.iter().rev().find(|(name, _)| name == "TZ").map(|(_, value)| value.clone());
    let zone =
        zone.or_else(|| shell.variables.get("TZ").filter(|variable| variable.is_exported).map(|own| own.value.clone()));
    let mut is_utc = matches!(zone.as_deref(), None | Some(b"UTC" | b"UTC0" | b""));
    let (mut now, mut format) = (facts.now, None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let time = match *argument {
            "-u" | "--utc" | "--universal" => {
                is_utc = true;
                continue;
            }
            "-d" | "--date" => rest.next().copied(),
            other if other.starts_with('+') && format.is_none() => {
                format = Some(&other[1..]);
                continue;
            }
            other => other.strip_prefix("--date=").or_else(|| other.strip_prefix("-d")),
        };
        let seconds = time.and_then(|time| time.strip_prefix('@')).filter(|time| time.len() < 12);
        match seconds.and_then(|seconds| seconds.parse().ok()) {
            Some(seconds) => now = Some(seconds),
            None => return unknown("a date of this kind"),
        }
    }
    match (now, format, is_utc) {
        (Some(now), Some(format), true) => Ok(Some(said(format_date(now, format)? + "\n"))),
        (None, ..) => unknown("the time without a pinned clock"),
        _ => unknown("a date of this kind"),
    }
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's algorithm).
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day)
}

fn format_date(now: i64, format: &str) -> Known<String> {
    const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let days = now.div_euclid(86_400);
    let (year, month, day) = civil(days);
    if !(1000..=9999).contains(&year) {
        return unknown("a year of this kind");
    }
    let seconds = now.rem_euclid(86_400);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let week_day = usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0);
    let (day_name, month_name) = (DAYS[week_day], MONTHS[month - 1]);
    let (_, mut january_first) = (0, days);
    while civil(january_first).0 == year {
        january_first -= 1;
    }
    let day_of_year = days - january_first;
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut letter = letters.next();
        let is_bare = letter == Some('-');
        if is_bare {
            letter = letters.next();
        }
        let pad = |value: i64, width: usize| if is_bare { value.to_string() } else { format!("{value:0width$}") };
        let piece = match letter {
            Some('Y') => year.to_string(),
            Some('C') => pad(year / 100, 2),
            Some('y') => pad(year % 100, 2),
            Some('m') => pad(i64::try_from(month).unwrap_or(1), 2),
            Some('d') => pad(day, 2),
            Some('H') => pad(hour, 2),
            Some('M') => pad(minute, 2),
            Some('S') => pad(second, 2),
            Some('j') => pad(day_of_year, 3),
            _ if is_bare => return unknown("a date format of this kind"),
            Some('e') => format!("{day:2}"),
            Some('a') => day_name[..3].to_owned(),
            Some('A') => day_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('B') => month_name.to_owned(),
            Some('u') => if week_day == 0 { 7 } else { week_day }.to_string(),
            Some('w') => week_day.to_string(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('D') => format!("{month:02}/{day:02}/{:02}", year % 100),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('R') => format!("{hour:02}:{minute:02}"),
            Some('s') => now.to_string(),
            Some('z') => "+0000".to_owned(),
            Some('Z') => "UTC".to_owned(),
            Some('n') => "\n".to_owned(),
            Some('t') => "\t".to_owned(),
            Some('%') => "%".to_owned(),
            _ => return unknown("a date format of this kind"),
        };
        text.push_str(&piece);
    }
    Ok(text)
}
