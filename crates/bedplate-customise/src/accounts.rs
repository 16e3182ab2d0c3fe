//! Users and groups of an image: `/etc/passwd`, `/etc/shadow`, `/etc/group` and `/etc/gshadow`.
//!
//! Lines stay as they are and where they are; new ones come last, as passwd(5) programs add them.

use std::collections::BTreeSet;

use bedplate_tree::TreePath;

use crate::{CustomiseError, Editor};

/// The four files, and the mode of each if it is new. Nobody but root reads the shadow files, and root needs no bit for it.
const FILES: [(&str, u16); 4] =
    [("/etc/passwd", 0o644), ("/etc/shadow", 0), ("/etc/group", 0o644), ("/etc/gshadow", 0)];

/// What stands for a password that nobody can enter, in a way that also bars other programs that would check it.
pub(crate) const LOCKED: &str = "!*";

/// The users and groups of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    users: Table,
    shadow: Table,
    groups: Table,
    group_shadow: Table,
}

/// A user to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Real name or purpose.
    pub comment: String,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// The hash of the password, as crypt(5) writes it; none: no password opens the account.
    pub password: Option<String>,
    /// The account is expired: no key opens it either.
    pub is_locked: bool,
}

/// Lines of fields with colons between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Table(Vec<Vec<String>>);

impl Table {
    fn parse(text: &str) -> Self {
        Self(text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect())
    }

    fn text(&self) -> String {
        self.0.iter().map(|fields| fields.join(":") + "\n").collect()
    }

    fn find(&self, name: &str) -> Option<&Vec<String>> {
        self.0.iter().find(|fields| fields.len() > 1 && fields[0] == name)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Vec<String>> {
        self.0.iter_mut().find(|fields| fields.len() > 1 && fields[0] == name)
    }

    fn by_number(&self, column: usize, number: u32) -> Option<&Vec<String>> {
        self.0.iter().find(|fields| fields.get(column).and_then(|text| text.parse().ok()) == Some(number))
    }

    fn number(&self, name: &str, column: usize) -> Option<u32> {
        self.find(name)?.get(column)?.parse().ok()
    }

    /// Adds a line, before those that ask other services (`+`), which have to be the last.
    fn add(&mut self, fields: &[&str]) {
        let end = self.0.iter().position(|fields| fields[0].starts_with('+')).unwrap_or(self.0.len());
        self.0.insert(end, fields.iter().map(|&field| field.to_owned()).collect());
    }
}

impl Accounts {
    /// Those of four texts: passwd, shadow, group, gshadow.
    #[must_use]
    pub fn parse(texts: [&str; 4]) -> Self {
        let [users, shadow, groups, group_shadow] = texts.map(Table::parse);
        Self { users, shadow, groups, group_shadow }
    }

    /// The four texts: passwd, shadow, group, gshadow.
    #[must_use]
    pub fn texts(&self) -> [String; 4] {
        [&self.users, &self.shadow, &self.groups, &self.group_shadow].map(Table::text)
    }

    /// Those of a tree; a file that is not there is empty.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is not UTF-8.
    pub fn read(editor: &Editor<'_>) -> Result<Self, CustomiseError> {
        let mut texts: [String; 4] = Default::default();
        for (text, (path, _)) in texts.iter_mut().zip(FILES) {
            *text = editor.text(&path.parse().expect("it is a path"))?.unwrap_or_default();
        }
        Ok(Self::parse(texts.each_ref().map(String::as_str)))
    }

    /// Writes the files into a tree. Those that are there keep their owners and modes; an empty one that is not there is not made.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn write(&self, editor: &mut Editor<'_>) -> Result<(), CustomiseError> {
        for (text, (path, mode)) in self.texts().iter().zip(FILES) {
            let path: TreePath = path.parse().expect("it is a path");
            if !text.is_empty() || editor.follow(&path).is_some() {
                editor.rewrite(&path, text.as_bytes(), mode)?;
            }
        }
        Ok(())
    }

    /// The id of a user.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        self.users.number(name, 2)
    }

    /// The id of a group.
    #[must_use]
    pub fn gid(&self, name: &str) -> Option<u32> {
        self.groups.number(name, 2)
    }

    /// The id of a user's primary group.
    #[must_use]
    pub fn primary_gid(&self, user: &str) -> Option<u32> {
        self.users.number(user, 3)
    }

    /// A user's home folder.
    #[must_use]
    pub fn home(&self, user: &str) -> Option<&str> {
        self.users.find(user)?.get(5).map(String::as_str)
    }

    /// The second field of a user's line in shadow: the hash of the password, or what stands for none.
    #[must_use]
    pub fn password(&self, user: &str) -> Option<&str> {
        self.shadow.find(user)?.get(1).map(String::as_str)
    }

    /// The first user with an id.
    #[must_use]
    pub fn user_of(&self, uid: u32) -> Option<&str> {
        self.users.by_number(2, uid).map(|fields| fields[0].as_str())
    }

    /// The first group with an id.
    #[must_use]
    pub fn group_of(&self, gid: u32) -> Option<&str> {
        self.groups.by_number(2, gid).map(|fields| fields[0].as_str())
    }

    /// The names of all users.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.0.iter().filter(|fields| fields.len() > 2).map(|fields| fields[0].as_str())
    }

    /// The names of all groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.0.iter().filter(|fields| fields.len() > 2).map(|fields| fields[0].as_str())
    }

    /// Adds a user, who is not there yet. `day` is the date of the last change of the password, in days since 1970.
    pub fn add_user(&mut self, user: &NewUser, day: i64) {
        let NewUser { name, comment, home, shell, .. } = user;
        let (uid, gid, day) = (user.uid.to_string(), user.gid.to_string(), day.to_string());
        self.users.add(&[name, "x", &uid, &gid, comment, home, shell]);
        let password = user.password.as_deref().unwrap_or(LOCKED);
        let expires = if user.is_locked { "1" } else { "" };
        match self.shadow.find_mut(name) {
            // A line without a user: of a package that has the one file and not the other.
            Some(_) => self.set_password(name, password, &day),
            None => self.shadow.add(&[name, password, &day, "", "", "", "", expires, ""]),
        }
    }

    /// Adds a group, which is not there yet.
    pub fn add_group(&mut self, name: &str, gid: u32) {
        self.groups.add(&[name, "x", &gid.to_string(), ""]);
        if self.group_shadow.find(name).is_none() {
            self.group_shadow.add(&[name, LOCKED, "", ""]);
        }
    }

    /// Makes a user a member of a group that is there. The members of a group that gains one are sorted, as systemd-sysusers has
    /// them.
    pub fn add_member(&mut self, group: &str, user: &str) {
        for table in [&mut self.groups, &mut self.group_shadow] {
            let Some(members) = table.find_mut(group).and_then(|fields| fields.get_mut(3)) else { continue };
            let mut all: BTreeSet<&str> = members.split(',').filter(|name| !name.is_empty()).collect();
            if all.insert(user) {
                *members = all.into_iter().collect::<Vec<_>>().join(",");
            }
        }
    }

    /// Changes a user who is there: what is given replaces what stands.
    pub(crate) fn change_user(&mut self, name: &str, columns: &[(usize, Option<&str>)]) {
        let Some(fields) = self.users.find_mut(name) else { return };
        for (column, value) in columns {
            if let (Some(field), Some(value)) = (fields.get_mut(*column), value) {
                (*value).clone_into(field);
            }
        }
    }

    /// Sets the password of a user: a hash, or a text that no hash is. `day` as in [`add_user`](Self::add_user).
    pub(crate) fn set_password(&mut self, user: &str, password: &str, day: &str) {
        match self.shadow.find_mut(user) {
            Some(fields) => {
                fields.resize(9, String::new());
                password.clone_into(&mut fields[1]);
                day.clone_into(&mut fields[2]);
            }
            None => self.shadow.add(&[user, password, day, "", "", "", "", "", ""]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_lines_and_adds_last() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# note\n+::::::\n";
        let group = "root:x:0:\nwheel:x:10:zoe\n";
        let mut accounts = Accounts::parse([passwd, "root:*:1::::::\n", group, ""]);
        assert_eq!(accounts.texts(), [passwd, "root:*:1::::::\n", group, ""]);
        let user = NewUser {
            name: "app".into(),
            uid: 990,
            gid: 990,
            comment: "An app".into(),
            home: "/".into(),
            shell: "/usr/sbin/nologin".into(),
            password: None,
            is_locked: true,
        };
        accounts.add_user(&user, 19_675);
        accounts.add_group("app", 990);
        accounts.add_member("wheel", "app");
        accounts.add_member("wheel", "app");
        assert_eq!(
            accounts.texts(),
            [
                "root:x:0:0:root:/root:/bin/sh\n# note\napp:x:990:990:An app:/:/usr/sbin/nologin\n+::::::\n",
                "root:*:1::::::\napp:!*:19675:::::1:\n",
                "root:x:0:\nwheel:x:10:app,zoe\napp:x:990:\n",
                "app:!*::\n",
            ]
        );
        assert_eq!(accounts.uid("app"), Some(990));
        assert_eq!(accounts.uid("# note"), None);
        assert_eq!(accounts.group_of(10), Some("wheel"));
        assert_eq!(accounts.user_of(7), None);
    }

    #[test]
    fn passwords() {
        let mut accounts = Accounts::parse(["a:x:1:1::/:\n", "", "", ""]);
        accounts.set_password("a", "$6$x", "3");
        assert_eq!(accounts.texts()[1], "a:$6$x:3::::::\n");
        accounts.set_password("a", LOCKED, "4");
        assert_eq!(accounts.texts()[1], "a:!*:4::::::\n");
    }
}
