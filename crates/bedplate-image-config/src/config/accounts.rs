//! Users and groups.

use crate::names::{GroupName, UserDescription, UserName};
use crate::paths::ImagePath;
use crate::secrets::{PasswordHash, SshKey};
use crate::shape::section;
use crate::spanned::Spanned;

section! {
    /// A user. One that a package makes is changed.
    pub struct User ["name"] {
        /// The name that the user logs in with.
        "name" => name: Spanned<UserName> = Required, "\"core\"";
        /// Number of the user.
        "uid" => uid: Option<Spanned<u32>> = Otherwise("the first free one: from 1000 up, of a system user from 999 down"), "1000";
        /// Primary group.
        "group" => group: Option<Spanned<GroupName>> = Otherwise("a group of the user's own name, which is made if it is not there"), "\"users\"";
        /// Further groups.
        "groups" => groups: Vec<Spanned<GroupName>> = Otherwise(""), "[\"wheel\", \"systemd-journal\"]";
        /// Home folder. It is made, with what `/etc/skel` has, unless the user is a system user.
        "home" => home: Option<Spanned<ImagePath>> = Otherwise("`/home/NAME`; `/` for a system user; `/root` for root"), "\"/home/core\"";
        /// The shell that a login starts.
        "shell" => shell: Option<Spanned<ImagePath>> = Otherwise("`/bin/bash`; `/usr/sbin/nologin` for a system user"), "\"/bin/bash\"";
        /// Who that is, for people.
        "description" => description: Option<Spanned<UserDescription>> = Otherwise(""), "\"Who looks after the node\"";
        /// True for a user that a service runs as: no home folder is made, and its number is below 1000.
        "system" => system: Spanned<bool> = Default("false"), "true";
        /// Hash of the password. A password itself is not taken: whoever can read the config could read it.
        "password" => password: Option<Spanned<PasswordHash>> = Otherwise("no password lets the user in; that of a user of a package stays"), "\"$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/\"";
        /// Public keys that let the user in by ssh. They are written to `.ssh/authorized_keys` in the home folder.
        "ssh-keys" => ssh_keys: Vec<Spanned<SshKey>> = Otherwise(""), "[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKIyrN1ZyzVlkNQ1mBnFsYV4XqXZbPgT7Kk5gX0yqV me@example\"]";
    }
}

section! {
    /// A group. One that a package makes is changed.
    pub struct Group ["name"] {
        /// Its name.
        "name" => name: Spanned<GroupName> = Required, "\"operators\"";
        /// Number of the group.
        "gid" => gid: Option<Spanned<u32>> = Otherwise("the first free one: from 1000 up, of a system group from 999 down"), "1500";
        /// Users who are in it, beside those that name it in `groups`.
        "members" => members: Vec<Spanned<UserName>> = Otherwise(""), "[\"core\"]";
        /// True for a group of a service; its number is below 1000.
        "system" => system: Spanned<bool> = Default("false"), "true";
    }
}
