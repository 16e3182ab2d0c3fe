//! Garbage collection: what was not used for long goes, the oldest first.
//!
//! Roots keep all that they lead to. Everything else has a time of last use: an action, with what it made; a checkout; a file of a repository
//! that was fetched; a blob that no action made. They are kept, the newest first, as long as they are young enough and there is room.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustc_hash::{FxHashMap, FxHashSet};
use rustix::fs::FlockOperation;

use crate::closure::Closure;
use crate::inventory::{Inventory, Item, folder_bytes};
use crate::record::remove_file;
use crate::stats::Total;
use crate::store::prepare;
use crate::work::{flock, try_flock};
use crate::{ActionEntry, Damage, Digest, Store, StoreError, Wait};

/// What to collect.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// What was not used for longer goes.
    pub max_age: Option<Duration>,
    /// The oldest go until the rest has so many bytes on the disk.
    pub max_size: Option<u64>,
    /// The time now: ages are counted from it.
    pub now: SystemTime,
    /// Whether to remove anything.
    pub mode: GcMode,
    /// Whether to wait for the processes that use the store.
    pub wait: Wait,
}

/// Whether garbage is removed or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GcMode {
    /// It is removed.
    Remove,
    /// It is counted.
    DryRun,
}

/// What was collected (or would be).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs that went.
    pub blobs: Total,
    /// Actions that went.
    pub actions: Total,
    /// Checkouts that went.
    pub checkouts: Total,
    /// Files of repositories that went.
    pub fetched: Total,
    /// What is left: blobs, actions, checkouts and files of repositories.
    pub kept: Total,
    /// What of that the roots keep: blobs.
    pub kept_by_roots: Total,
    /// What was found damaged on the way, and dropped.
    pub damage: Vec<Damage>,
}

/// Collects garbage of a store. Nobody else can use it meanwhile, and nothing that a running process uses is removed.
///
/// # Errors
/// If the store is in use and is not waited for, if a root is damaged (nothing is removed then), or if the system refuses.
pub fn collect_garbage(path: &Path, options: &GcOptions) -> Result<GcReport, StoreError> {
    let lock = prepare(path)?;
    let lock_path = path.join("lock");
    let io = || StoreError::io("lock", &lock_path);
    match options.wait {
        Wait::Yes => flock(&lock, FlockOperation::LockExclusive).map_err(io())?,
        Wait::No => {
            if !try_flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(io())? {
                return Err(StoreError::InUse { path: path.to_owned(), processes: holders(&lock) });
            }
        }
    }
    let store = Store::with_lock(path, lock)?;
    let mut report = Collection::run(&store, options)?;
    report.damage = store.take_damage();
    Ok(report)
}

/// The processes that hold a lock of a file, as the system lists them.
fn holders(lock: &File) -> Vec<u32> {
    let Ok(data) = lock.metadata() else { return Vec::new() };
    let (major, minor) = (rustix::fs::major(data.dev()), rustix::fs::minor(data.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", data.ino());
    let list = fs::read_to_string("/proc/locks").unwrap_or_default();
    // `1: FLOCK  ADVISORY  READ  PID MAJOR:MINOR:INODE 0 EOF`
    let lines = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut all: Vec<u32> = lines
        .filter(|words| words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&file.as_str()))
        .filter_map(|words| words[4].parse().ok())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Something with a time of last use. What it leads to is kept with it.
enum Unit {
    Action(Item<Digest>, ActionEntry),
    Checkout(Item<Digest>),
    /// A file of a repository that was fetched.
    Fetched(Item<()>),
    /// A blob (or tree) that nothing else leads to.
    Loose(Digest),
}

struct Collection<'a> {
    store: &'a Store,
    options: &'a GcOptions,
    closure: Closure<'a>,
    /// Bytes on the disk and last use of each blob, of both its files.
    blobs: FxHashMap<Digest, (u64, SystemTime)>,
    kept: FxHashSet<Digest>,
    report: GcReport,
}

impl<'a> Collection<'a> {
    fn run(store: &'a Store, options: &'a GcOptions) -> Result<GcReport, StoreError> {
        let mut all = Inventory::of(store)?;
        let mut blobs: FxHashMap<Digest, (u64, SystemTime)> = FxHashMap::default();
        for item in &all.blobs {
            let (bytes, time) = blobs.entry(item.what.0).or_insert((0, SystemTime::UNIX_EPOCH));
            *bytes += item.bytes();
            *time = item.changed().max(*time);
        }
        let (closure, kept, report) = (Closure::new(store), FxHashSet::default(), GcReport::default());
        let mut this = Self { store, options, closure, blobs, kept, report };
        this.keep_roots()?;
        let mut units = this.units(&mut all)?;
        units.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        let gone = this.choose(units)?;
        this.finish(gone, &all)?;
        Ok(this.report)
    }

    fn keep_roots(&mut self) -> Result<(), StoreError> {
        for name in self.store.roots()? {
            let Some(digests) = self.store.root(&name)? else { return Err(StoreError::DamagedRoot { name }) };
            for digest in digests {
                self.closure.any(&digest, &mut self.kept)?;
            }
        }
        for bytes in self.kept.iter().filter_map(|digest| self.blobs.get(digest)) {
            self.report.kept_by_roots.add(bytes.0);
        }
        Ok(())
    }

    /// All that may go.
    fn units(&mut self, all: &mut Inventory) -> Result<Vec<(SystemTime, Unit)>, StoreError> {
        let mut units = Vec::new();
        let mut known = self.kept.clone();
        for item in all.actions.drain(..) {
            if let Some((_, entry)) = self.store.read_action(&item.what)? {
                self.closure.action(&entry, &mut known)?;
                units.push((item.modified(), Unit::Action(item, entry)));
            }
        }
        for item in all.checkouts.drain(..) {
            self.closure.tree(&item.what, &mut known)?;
            units.push((item.modified(), Unit::Checkout(item)));
        }
        units.extend(all.fetched.drain(..).map(|item| (item.modified(), Unit::Fetched(item))));
        let loose = self.blobs.iter().filter(|(digest, _)| !known.contains(digest));
        units.extend(loose.map(|(digest, (_, time))| (*time, Unit::Loose(*digest))));
        Ok(units)
    }

    /// Keeps units, of which the newest come first, as long as they may stay; gives the others.
    fn choose(&mut self, units: Vec<(SystemTime, Unit)>) -> Result<Vec<Unit>, StoreError> {
        let mut room = self.options.max_size.map(|size| size.saturating_sub(self.report.kept_by_roots.bytes));
        let (mut gone, mut is_over) = (Vec::new(), false);
        for (time, unit) in units {
            let age = self.options.now.duration_since(time).unwrap_or_default();
            is_over |= self.options.max_age.is_some_and(|limit| age > limit);
            if !is_over {
                let (own, new) = match &unit {
                    Unit::Action(item, entry) => (item.bytes(), self.closure.action(entry, &mut self.kept)?),
                    Unit::Checkout(item) => (folder_bytes(&item.path), self.closure.tree(&item.what, &mut self.kept)?),
                    Unit::Fetched(item) => (item.bytes(), Vec::new()),
                    Unit::Loose(digest) => (0, self.closure.tree(digest, &mut self.kept)?),
                };
                let bytes = own + new.iter().filter_map(|digest| self.blobs.get(digest)).map(|one| one.0).sum::<u64>();
                if let Some(room) = &mut room {
                    is_over = bytes > *room;
                    *room = room.saturating_sub(bytes);
                }
                if !is_over {
                    if own > 0 {
                        self.report.kept.add(own);
                    }
                    continue;
                }
                for digest in &new {
                    self.kept.remove(digest);
                }
            }
            gone.push(unit);
        }
        Ok(gone)
    }

    /// Removes what is not kept: entries before what they lead to.
    fn finish(&mut self, gone: Vec<Unit>, all: &Inventory) -> Result<(), StoreError> {
        let is_real = self.options.mode == GcMode::Remove;
        let mut checkouts = Vec::new();
        for unit in gone {
            match unit {
                Unit::Action(item, _) => {
                    self.report.actions.add(item.bytes());
                    if is_real {
                        remove_file(&item.path)?;
                    }
                }
                Unit::Checkout(item) => checkouts.push(item),
                Unit::Fetched(item) => {
                    self.report.fetched.add(item.bytes());
                    if is_real {
                        remove_file(&item.path)?;
                    }
                }
                Unit::Loose(_) => {}
            }
        }
        for item in checkouts {
            self.report.checkouts.add(folder_bytes(&item.path));
            if is_real {
                self.store.drop_checkout(&item.path)?;
            }
        }
        for item in &all.blobs {
            if self.kept.contains(&item.what.0) {
                self.report.kept.add(item.bytes());
            } else {
                self.report.blobs.add(item.bytes());
                if is_real {
                    remove_file(&item.path)?;
                }
            }
        }
        if is_real {
            let locks = self.store.inner.layout.locks();
            for entry in fs::read_dir(&locks).map_err(StoreError::io("read", &locks))?.flatten() {
                remove_file(&entry.path())?;
            }
        }
        Ok(())
    }
}
