//! The package database of an image: what rpm's `sqlite` backend (`lib/backend/sqlite.c`) has after an installation.
//!
//! ```text
//! Packages       hnum, header of the package           one row each
//! Name, Basenames, Requirename, …   key, hnum, number of the value in the header
//! ```
//!
//! The file is the same for the same packages, fates and time: packages are numbered in the order of their installation, and
//! SQLite is built in. It has no journal; rpm turns on its write-ahead log when it first writes to it.

use std::sync::Arc;

use bedplate_cas::Store;
use bedplate_tree::{Entry, FileTree, Kind, TreePath};
use rayon::prelude::*;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, MAIN_DB, ToSql, params};

use crate::index::{Key, TABLES};
use crate::installed::{Installation, installed_header};
use crate::{Color, DatabaseError, Fate, Package, Placed};

/// The origin of the database in a tree.
const ORIGIN: &str = "package database";
const FILE: &str = "rpmdb.sqlite";

/// Where and how the database is written.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// The folder of `rpmdb.sqlite`: rpm's `_dbpath`.
    pub folder: TreePath,
    /// A path that is to be a link to that folder, for programs that look at an older place.
    pub link: Option<TreePath>,
    /// Time of the transaction, in seconds since 1970. Each package is installed a second after the one before it, as rpm has it
    /// with `SOURCE_DATE_EPOCH`, so that their order can be seen.
    pub epoch: i64,
    /// The word sizes of the architecture.
    pub color: Color,
}

impl DatabaseOptions {
    /// `/usr/lib/sysimage/rpm`, with a link at `/var/lib/rpm`.
    ///
    /// # Panics
    /// Never: the paths are good.
    #[must_use]
    pub fn new(epoch: i64, color: Color) -> Self {
        let path = |text: &str| text.parse().expect("it is an absolute path");
        Self { folder: path("/usr/lib/sysimage/rpm"), link: Some(path("/var/lib/rpm")), epoch, color }
    }
}

/// The bytes of the database of packages in the order of their installation, with the fates of their files.
///
/// # Errors
/// A header that cannot be in a database, or a time that cannot be.
pub fn database(
    packages: &[&Package],
    fates: &[Vec<Fate>],
    options: &DatabaseOptions,
) -> Result<Vec<u8>, DatabaseError> {
    let time = |offset: usize| {
        let time = i64::try_from(offset).ok().and_then(|offset| options.epoch.checked_add(offset));
        time.and_then(|time| u32::try_from(time).ok()).ok_or(DatabaseError::Epoch { epoch: options.epoch })
    };
    let transaction = time(0)?;
    let numbered: Vec<(usize, (&&Package, &Vec<Fate>))> = packages.iter().zip(fates).enumerate().collect();
    let header = |(number, (package, fates)): &(usize, (&&Package, &Vec<Fate>))| {
        let installation = Installation { time: time(*number)?, transaction, color: options.color };
        installed_header(package, fates, installation)
    };
    let headers: Vec<Result<Vec<u8>, DatabaseError>> = numbered.par_iter().map(header).collect();
    let headers = headers.into_iter().collect::<Result<Vec<_>, _>>()?;

    let mut connection = Connection::open_in_memory()?;
    // Nothing of it is on a disk, and a failure throws it away.
    connection.execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let change = connection.transaction()?;
    change.execute_batch("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);")?;
    {
        let mut insert = change.prepare("INSERT INTO 'Packages' VALUES (?, ?)")?;
        for (number, header) in headers.iter().enumerate() {
            insert.execute(params![row_number(number), header])?;
        }
    }
    let parsed: Vec<_> =
        packages.iter().map(|package| (package.headers().main(), package.headers().signature())).collect();
    for table in TABLES {
        let (name, kind) = (table.name, if table.is_text() { "TEXT" } else { "BLOB" });
        change.execute_batch(&format!(
            "CREATE TABLE '{name}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
             FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum));"
        ))?;
        let mut insert = change.prepare(&format!("INSERT INTO '{name}' VALUES (?, ?, ?)"))?;
        for (number, (main, signature)) in parsed.iter().enumerate() {
            for (key, index) in table.rows(main, signature, transaction) {
                insert.execute(params![key, row_number(number), index])?;
            }
        }
        drop(insert);
        // Made at once, they are smaller and made faster than row by row.
        if table.is_text() {
            change.execute_batch(&format!("CREATE INDEX '{name}_key_idx' ON '{name}'(key ASC);"))?;
        }
        if table.is_array {
            change.execute_batch(&format!("CREATE INDEX '{name}_hnum_idx' ON '{name}'(hnum ASC);"))?;
        }
    }
    change.commit()?;
    Ok(connection.serialize(MAIN_DB)?.to_vec())
}

/// Rows are numbered from 1.
fn row_number(number: usize) -> i64 {
    i64::try_from(number).map_or(i64::MAX, |number| number + 1)
}

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Name(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Puts the database of the packages of a tree into it, and into the store. A folder that no package has gets mode 0755, the
/// file 0644; all are of root and of the time of the options.
///
/// # Errors
/// As of [`database`]; or the tree has something else where it should be, or the store refused.
pub fn add_database(
    store: &Store,
    packages: &[&Package],
    placed: &mut Placed,
    options: &DatabaseOptions,
) -> Result<(), DatabaseError> {
    let bytes = database(packages, &placed.fates, options)?;
    let digest = store.put(&bytes)?;
    let tree = &mut placed.tree;
    let origin: Arc<str> = ORIGIN.into();
    let entry = |kind: Kind, mode: u16| Entry { mtime: options.epoch, ..Entry::new(kind, mode, &origin) };
    let folder = tree.resolve(&options.folder).unwrap_or_else(|| options.folder.clone());
    let file = folder.join(FILE).expect("it is a plain name");
    tree.insert(file, entry(Kind::File(digest), 0o644))?;
    if let Some(link) = &options.link {
        add_link(tree, link, &folder, entry)?;
    }
    Ok(())
}

/// Makes a link to a folder, unless a package has it already.
fn add_link(
    tree: &mut FileTree,
    link: &TreePath,
    folder: &TreePath,
    entry: impl Fn(Kind, u16) -> Entry,
) -> Result<(), DatabaseError> {
    if tree.resolve(link).as_ref() == Some(folder) {
        return Ok(());
    }
    let parent = link.parent().and_then(|parent| tree.resolve(&parent)).unwrap_or_else(TreePath::root);
    let at = parent.join(link.name()).expect("it is a name of a path");
    // An empty folder there is of a package that knows an older place.
    let is_empty_folder = tree.get(at.as_str()).is_some_and(Entry::is_directory) && tree.children(&at).next().is_none();
    match tree.get(at.as_str()) {
        Some(other) if !is_empty_folder => return Err(DatabaseError::Link { what: other.kind.what(), path: at }),
        _ => {}
    }
    let depth = parent.relative().split('/').filter(|part| !part.is_empty()).count();
    let target = format!("{}{}", "../".repeat(depth), folder.relative());
    Ok(tree.insert(at, entry(Kind::Symlink(target), 0o777))?)
}
