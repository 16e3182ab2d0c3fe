//! Names of the system: users, units, modules, packages.

use bedplate_model::{DependencyKind, parse_rich};

use crate::grammar::text_type;
use crate::shape::{Grammar, PairKey};

fn at_most(text: &str, limit: usize) -> Result<(), String> {
    let length = text.chars().count();
    if length > limit { Err(format!("it has {length} characters; {limit} are allowed")) } else { Ok(()) }
}

text_type! {
    /// The name of an image, as `IMAGE_ID` of os-release takes it.
    pub struct ImageName;
    what "a name of an image";
    pattern "^[a-z0-9][a-z0-9._-]*$";
    rule "lower-case letters, digits, `.`, `_` and `-`, a letter or digit first";
    check |text| at_most(text, 64);
}

text_type! {
    /// The version of an image, as `IMAGE_VERSION` of os-release takes it.
    pub struct ImageVersion;
    what "a version of an image";
    pattern "^[a-z0-9][a-z0-9._-]*$";
    rule "lower-case letters, digits, `.`, `_` and `-`, a letter or digit first";
    check |text| at_most(text, 64);
}

text_type! {
    /// What has to be installed: a package, a capability, a path, a rich dependency, as `Requires` of a spec has it.
    pub struct PackageRequest;
    what "a request for a package";
    pattern "^[^\\s].*$";
    rule "a name, a name with a version such as `systemd >= 257`, a path or a rich dependency in brackets";
    check check_package_request;
}

fn check_package_request(text: &str) -> Result<(), String> {
    if text.starts_with('(') {
        let (_, rest) = parse_rich(text, DependencyKind::Requires).map_err(|problem| problem.to_string())?;
        return if rest.trim().is_empty() {
            Ok(())
        } else {
            Err(format!("text after the last bracket: `{}`", rest.trim()))
        };
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [name] if name.contains(['=', '<', '>']) && !name.contains('(') => {
            Err("a comparison has spaces around it".to_owned())
        }
        [_] => Ok(()),
        [_, "=" | "<" | ">" | "<=" | ">=", _] => Ok(()),
        _ => Err("it is several words".to_owned()),
    }
}

text_type! {
    /// Which packages: a name, `name.arch` or a full name, with `*`, `?` and `[…]`.
    pub struct PackagePattern;
    what "a pattern of package names";
    pattern "^[A-Za-z0-9_*?\\[][A-Za-z0-9._+~^:*?\\[\\]!-]*$";
    rule "a package name, with `*`, `?` and `[…]` for what may vary";
}

text_type! {
    /// The name of a repository.
    pub struct RepositoryName;
    what "a name of a repository";
    pattern "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    rule "letters, digits, `.`, `_` and `-`";
}

text_type! {
    /// Where a repository is.
    pub struct RepositoryUrl;
    what "a URL of a repository";
    pattern "^https?://[^\\s/]+(/\\S*)?$";
    rule "a URL that begins with `https://`";
}

text_type! {
    /// A locale, as `LANG` has it.
    pub struct LocaleName;
    what "a locale";
    pattern "^(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\\.[A-Za-z0-9-]+)?(@[A-Za-z]+)?$";
    rule "a locale such as `C.UTF-8`, `de_DE.UTF-8` or `de`";
}

text_type! {
    /// Locales whose translations are installed: a locale, or `*` for all.
    pub struct LocalePattern;
    what "a locale";
    pattern "^(\\*|(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\\.[A-Za-z0-9-]+)?(@[A-Za-z]+)?)$";
    rule "a locale such as `de_DE` or `de`, or `*` for all";
}

text_type! {
    /// A host name, or a full domain name.
    pub struct HostName;
    what "a host name";
    pattern "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$";
    rule "letters, digits and `-`, in parts of at most 63 between dots, 64 in all";
    check |text| {
        if text.split('.').any(|part| part.len() > 63) {
            return Err("a part is longer than 63 characters".to_owned());
        }
        at_most(text, 64)
    };
}

text_type! {
    /// A time zone of the tz database.
    pub struct TimeZone;
    what "a time zone";
    pattern "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$";
    rule "the path of a zone below /usr/share/zoneinfo, such as `UTC` or `Europe/Berlin`";
}

text_type! {
    /// The name of a user.
    pub struct UserName;
    what "a user name";
    pattern "^[a-z_][a-z0-9_-]*$";
    rule "at most 31 lower-case letters, digits, `_` and `-`, a letter or `_` first";
    check |text| at_most(text, 31);
}

text_type! {
    /// The name of a group.
    pub struct GroupName;
    what "a group name";
    pattern "^[a-z_][a-z0-9_-]*$";
    rule "at most 31 lower-case letters, digits, `_` and `-`, a letter or `_` first";
    check |text| at_most(text, 31);
}

text_type! {
    /// A field of `/etc/passwd` that is free text.
    pub struct UserDescription;
    what "a description of a user";
    pattern "^[^:\\n\\x00-\\x1f]*$";
    rule "one line without a colon";
}

text_type! {
    /// The name of a systemd unit.
    pub struct UnitName;
    what "a unit name";
    pattern "^[A-Za-z0-9:_.\\\\@-]+\\.(service|socket|target|timer|path|mount|automount|swap|slice|scope|device)$";
    rule "the full name of a unit, such as `sshd.service`";
    check |text| {
        let name = text.rsplit_once('.').map_or(text, |(name, _)| name);
        if name.is_empty() || name.starts_with('@') {
            return Err("nothing stands before its kind".to_owned());
        }
        at_most(text, 255)
    };
}

text_type! {
    /// A parameter of the kernel command line: a name, or a name and a value.
    pub struct KernelParameter;
    what "a kernel parameter";
    pattern "^[^\\s\"=\\x00-\\x1f]+(=([^\\s\"]|\"[^\"]*\")*)?$";
    rule "one `name` or `name=value`; a value with spaces stands in double quotes";
}

impl KernelParameter {
    /// What stands before the first `=`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.as_str().split_once('=').map_or(self.as_str(), |(name, _)| name)
    }

    /// What stands behind it, quotes included; none for a parameter without `=`.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.as_str().split_once('=').map(|(_, value)| value)
    }
}

text_type! {
    /// The name of a kernel module. To the kernel, `-` and `_` are the same.
    pub struct ModuleName;
    what "a module name";
    pattern "^[A-Za-z0-9_-]+$";
    rule "letters, digits, `_` and `-`, without `.ko`";
}

impl ModuleName {
    /// The name with `_` for `-`, as the kernel compares names.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.as_str().replace('-', "_")
    }
}

impl PairKey for ModuleName {
    const GRAMMAR: Grammar = Self::GRAMMAR;
}

text_type! {
    /// Options of a kernel module, as modprobe.d takes them.
    pub struct ModuleOptions;
    what "options of a module";
    pattern "^[A-Za-z0-9_.-]+(=[^\\n]*)?( +[A-Za-z0-9_.-]+(=[^\\n]*)?)*$";
    rule "one or more `name=value` on a line";
}

text_type! {
    /// A key of sysctl. Parts stand between dots, or between slashes if a part has dots of its own.
    pub struct SysctlKey;
    what "a key of sysctl";
    pattern "^[A-Za-z0-9_-]+([./][A-Za-z0-9_*@:-]+)+$";
    rule "two or more parts between dots or slashes, such as `net.ipv4.ip_forward`";
}

impl SysctlKey {
    /// The path below `/proc/sys`: the first separator of a key says which one separates, as sysctl.d(5) has it.
    #[must_use]
    pub fn path(&self) -> String {
        let text = self.as_str();
        match text.find(['.', '/']).map(|at| &text[at..=at]) {
            Some(".") => text
                .chars()
                .map(|c| {
                    if c == '.' {
                        '/'
                    } else if c == '/' {
                        '.'
                    } else {
                        c
                    }
                })
                .collect(),
            _ => text.to_owned(),
        }
    }
}

impl PairKey for SysctlKey {
    const GRAMMAR: Grammar = Self::GRAMMAR;
    const HAS_DOTS: bool = true;
}

text_type! {
    /// A console of the kernel: a device, and how fast it is.
    pub struct Console;
    what "a console";
    pattern "^(tty[A-Za-z]*[0-9]*|hvc[0-9]+)(,[0-9]+([noe]([78]r?)?)?)?$";
    rule "a terminal device and, for a serial one, its speed, such as `ttyS0,115200n8`";
}

text_type! {
    /// A key of a label or an annotation of an OCI image.
    pub struct LabelKey;
    what "a key of a label";
    pattern "^[A-Za-z0-9][A-Za-z0-9._/-]*$";
    rule "letters, digits, `.`, `_`, `/` and `-`, such as `org.opencontainers.image.title`";
}

impl PairKey for LabelKey {
    const GRAMMAR: Grammar = Self::GRAMMAR;
    const HAS_DOTS: bool = true;
}

text_type! {
    /// The name of an environment variable.
    pub struct VariableName;
    what "a name of an environment variable";
    pattern "^[A-Za-z_][A-Za-z0-9_]*$";
    rule "letters, digits and `_`, no digit first";
}

impl PairKey for VariableName {
    const GRAMMAR: Grammar = Self::GRAMMAR;
}

text_type! {
    /// A name under which an OCI image is found: a repository and a tag.
    pub struct OciReference;
    what "a reference of an image";
    pattern "^[a-z0-9]+([._:/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*)?$";
    rule "a name and a tag, such as `example.com/node:1.2.3`";
    check |text| at_most(text, 255);
}

text_type! {
    /// The name of something that a config has several of: a script, a layer.
    pub struct ItemName;
    what "a name";
    pattern "^[A-Za-z0-9][A-Za-z0-9._-]*$";
    rule "letters, digits, `.`, `_` and `-`, a letter or digit first";
    check |text| at_most(text, 64);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a text: nothing, or the reason.
    fn why<T: std::str::FromStr<Err = crate::GrammarError>>(text: &str) -> Option<String> {
        text.parse::<T>().err().map(|error| error.why)
    }

    #[test]
    fn names_have_their_grammar() {
        let long = "a".repeat(65);
        for (is_good, text, wrong) in [
            (true, "node-1.2_x", why::<ImageName>("node-1.2_x")),
            (false, "Node", why::<ImageName>("Node")),
            (false, "long", why::<ImageName>(&long)),
            (false, "newline", why::<ImageName>("node\n")),
            (true, "1.2.3", why::<ImageVersion>("1.2.3")),
            (false, "1.2+3", why::<ImageVersion>("1.2+3")),
            (true, "a >= 1:2-3", why::<PackageRequest>("a >= 1:2-3")),
            (true, "(a or b)", why::<PackageRequest>("(a or b)")),
            (true, "lib(x)(64bit)", why::<PackageRequest>("lib(x)(64bit)")),
            (true, "config(a) = 1", why::<PackageRequest>("config(a) = 1")),
            (false, "(a or b) c", why::<PackageRequest>("(a or b) c")),
            (false, "a => 1", why::<PackageRequest>("a => 1")),
            (true, "kernel-[0-9]*", why::<PackagePattern>("kernel-[0-9]*")),
            (true, "https", why::<RepositoryUrl>("https://a.b/c")),
            (false, "ftp", why::<RepositoryUrl>("ftp://a.b/c")),
            (true, "de_DE.UTF-8@euro", why::<LocaleName>("de_DE.UTF-8@euro")),
            (false, "*", why::<LocaleName>("*")),
            (true, "*", why::<LocalePattern>("*")),
            (true, "a.b-c.example", why::<HostName>("a.b-c.example")),
            (false, "a..b", why::<HostName>("a..b")),
            (false, "part of 64", why::<HostName>(&"a".repeat(64))),
            (true, "Etc/GMT+1", why::<TimeZone>("Etc/GMT+1")),
            (false, "../etc/passwd", why::<TimeZone>("../etc/passwd")),
            (true, "_apt", why::<UserName>("_apt")),
            (false, "0day", why::<UserName>("0day")),
            (false, "32 letters", why::<UserName>(&"a".repeat(32))),
            (false, "a:b", why::<UserDescription>("a:b")),
            (true, "getty@tty1.service", why::<UnitName>("getty@tty1.service")),
            (true, "dev-disk.device", why::<UnitName>("dev-disk\\x2d.device")),
            (false, "@.service", why::<UnitName>("@.service")),
            (false, "a/b.service", why::<UnitName>("a/b.service")),
            (true, "a=\"b c\"", why::<KernelParameter>("a=\"b c\"")),
            (true, "a.b=c=d", why::<KernelParameter>("a.b=c=d")),
            (false, "open quote", why::<KernelParameter>("a=\"b")),
            (true, "io_timeout=1 x=2", why::<ModuleOptions>("io_timeout=1 x=2")),
            (true, "ttyAMA0", why::<Console>("ttyAMA0")),
            (true, "ttyS0,115200n8r", why::<Console>("ttyS0,115200n8r")),
            (false, "tty 0", why::<Console>("tty 0")),
            (true, "net/ipv4/conf/eth0.1/x", why::<SysctlKey>("net/ipv4/conf/eth0.1/x")),
            (false, "..", why::<SysctlKey>("net..x")),
            (true, "reference", why::<OciReference>("localhost:5000/a/b:1.2")),
            (false, "reference", why::<OciReference>("a:")),
        ] {
            assert_eq!(wrong.is_none(), is_good, "{text}: {wrong:?}");
        }
    }

    #[test]
    fn parts_of_names_are_known() {
        let parameter: KernelParameter = "a.b=c=d".parse().unwrap();
        assert_eq!((parameter.name(), parameter.value()), ("a.b", Some("c=d")));
        assert_eq!("quiet".parse::<KernelParameter>().unwrap().value(), None);
        assert_eq!("br-netfilter".parse::<ModuleName>().unwrap().canonical(), "br_netfilter");
        for (key, path) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
            ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ] {
            assert_eq!(key.parse::<SysctlKey>().unwrap().path(), path);
        }
    }
}
