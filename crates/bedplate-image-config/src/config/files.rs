//! What is put into the tree: files, folders, links, units, scripts.

use crate::grammar::{FilePath, text_type};
use crate::names::{HostName, ItemName, LocaleName, TimeZone, UnitName};
use crate::paths::{ImagePath, LinkTarget, Mode, Owner};
use crate::shape::{Whole, section};
use crate::spanned::Spanned;

section! {
    /// Who the system is, and where.
    pub struct System {
        /// Name of the machine, in `/etc/hostname`.
        "hostname" => hostname: Option<Spanned<HostName>> = Otherwise("no `/etc/hostname` is written: the network or the cloud names the machine"), "\"node\"";
        /// Locale of the system, `LANG` in `/etc/locale.conf`.
        "locale" => locale: Spanned<LocaleName> = Default("\"C.UTF-8\""), "\"de_DE.UTF-8\"";
        /// Time zone of the system: what `/etc/localtime` leads to.
        "timezone" => timezone: Spanned<TimeZone> = Default("\"UTC\""), "\"Europe/Berlin\"";
    }
}

section! {
    /// A file that is put into the image. It replaces one of a package.
    pub struct File ["path"] one of ["content", "source", "image"] {
        /// Where it is put. Folders that are missing are made.
        "path" => path: Spanned<ImagePath> = Required, "\"/etc/motd\"";
        /// What is in it.
        "content" => content: Option<Spanned<String>> = Otherwise(""), "\"Welcome\\n\"";
        /// The file that is copied.
        "source" => source: Option<Spanned<FilePath>> = Otherwise(""), "\"files/motd\"";
        /// The config of a container image: it is composed first, of the same repositories, and its docker archive is the file. So a
        /// system has containers before it has a network.
        "image" => image: Option<Spanned<FilePath>> = Otherwise(""), "\"containers/pause.toml\"";
        /// Permissions, in octal digits.
        "mode" => mode: Spanned<Mode> = Default("\"0644\""), "\"0600\"";
        /// The user that owns it: a name or a number.
        "owner" => owner: Spanned<Owner> = Default("\"root\""), "\"core\"";
        /// The group that owns it: a name or a number.
        "group" => group: Spanned<Owner> = Default("\"root\""), "\"operators\"";
    }
}

section! {
    /// A folder that is made in the image, or whose mode and owner are changed.
    pub struct Directory ["path"] {
        /// Where it is.
        "path" => path: Spanned<ImagePath> = Required, "\"/srv/data\"";
        /// Permissions, in octal digits.
        "mode" => mode: Spanned<Mode> = Default("\"0755\""), "\"0750\"";
        /// The user that owns it: a name or a number.
        "owner" => owner: Spanned<Owner> = Default("\"root\""), "\"core\"";
        /// The group that owns it: a name or a number.
        "group" => group: Spanned<Owner> = Default("\"root\""), "\"operators\"";
    }
}

section! {
    /// A symbolic link that is made in the image.
    pub struct Link ["path"] {
        /// Where it is.
        "path" => path: Spanned<ImagePath> = Required, "\"/usr/bin/vi\"";
        /// What it leads to: an absolute path, or one relative to the folder of the link. It need not be there.
        "target" => target: Spanned<LinkTarget> = Required, "\"vim\"";
    }
}

section! {
    /// Which units of systemd start. What is not named here is left to the presets of the packages.
    pub struct Services {
        /// Units that start with the system, whatever the presets say.
        "enable" => enable: Vec<Spanned<UnitName>> = Otherwise(""), "[\"sshd.service\"]";
        /// Units that do not start by themselves.
        "disable" => disable: Vec<Spanned<UnitName>> = Otherwise(""), "[\"remote-fs.target\"]";
        /// Units that nothing can start.
        "mask" => mask: Vec<Spanned<UnitName>> = Otherwise(""), "[\"debug-shell.service\"]";
    }
}

text_type! {
    /// The type of a line of tmpfiles.d: a letter, and its modifiers.
    pub struct TmpfilesType;
    what "a type of tmpfiles.d";
    pattern "^([fwpLbcC]\\+?|L\\?|[dDevqQxXrRzZtThHaA]|[aA]\\+)[!=~^$-]*$";
    rule "a letter of tmpfiles.d(5) and its modifiers, such as `d`, `L+` or `f!`";
}

text_type! {
    /// How old a file of a line of tmpfiles.d may become.
    pub struct TmpfilesAge;
    what "an age of tmpfiles.d";
    pattern "^([abcmABCM]+:)?~?([0-9]+(us|ms|s|m|min|h|d|w|y)?)+$";
    rule "times with units, such as `10d` or `1h30m`";
}

section! {
    /// A line of tmpfiles.d(5): what systemd makes or cleans when the system starts.
    pub struct Tmpfiles {
        /// What is done: `d` makes a folder, `L` a link, `f` a file; the others are in tmpfiles.d(5).
        "type" => kind: Spanned<TmpfilesType> = Required, "\"d\"";
        /// The path. Specifiers such as `%h` are not taken.
        "path" => path: Spanned<ImagePath> = Required, "\"/run/node\"";
        /// Permissions, in octal digits.
        "mode" => mode: Option<Spanned<Mode>> = Otherwise("what tmpfiles.d(5) says for the type"), "\"0750\"";
        /// The user that owns it: a name or a number.
        "owner" => owner: Option<Spanned<Owner>> = Otherwise("root"), "\"core\"";
        /// The group that owns it: a name or a number.
        "group" => group: Option<Spanned<Owner>> = Otherwise("root"), "\"operators\"";
        /// Files that are older are removed.
        "age" => age: Option<Spanned<TmpfilesAge>> = Otherwise("nothing is removed for its age"), "\"10d\"";
        /// The last field of the line: content of a file, target of a link.
        "argument" => argument: Option<Spanned<String>> = Otherwise(""), "\"/usr/share/node\"";
    }
}

section! {
    /// A script that changes the tree of the image, when nothing else can. It runs after all else of the config was done, with the image
    /// as its root, as root, without a network.
    pub struct Script ["name"] one of ["content", "source"] {
        /// Its name in messages and in the manifest.
        "name" => name: Spanned<ItemName> = Required, "\"trim\"";
        /// What it does.
        "content" => content: Option<Spanned<String>> = Otherwise(""), "\"rm -rf /usr/share/games\\n\"";
        /// The file that has it.
        "source" => source: Option<Spanned<FilePath>> = Otherwise(""), "\"scripts/trim.sh\"";
        /// The program of the image that runs it.
        "interpreter" => interpreter: Spanned<ImagePath> = Default("\"/bin/sh\""), "\"/usr/bin/python3\"";
        /// What is given to it.
        "arguments" => arguments: Whole<Spanned<String>> = Otherwise("nothing"), "[\"--all\"]";
        /// Only `false` can be had: what a script fetches would be no declared input, and the image would not be the same twice.
        "network" => network: Spanned<bool> = Default("false"), "false";
    }
}
