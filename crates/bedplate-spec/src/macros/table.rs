//! Macro definitions: a stack for each name, over a shared base.
//!
//! The macro files of a distribution are read once and shared by all specs of a run; a spec's own definitions lie in a
//! table over it. A name that a spec touches gets a copy of the base's stack, so that `%undefine` uncovers what rpm
//! would uncover.

use std::cell::Cell;
use std::sync::Arc;

use bedplate_diag::Span;
use rustc_hash::FxHashMap;

use super::builtin::Builtin;

/// Levels of definitions (`include/rpm/rpmmacro.h`): where a definition comes from.
pub(crate) mod level {
    pub(crate) const BUILTIN: i32 = -20;
    pub(crate) const MACRO_FILES: i32 = -13;
    pub(crate) const RPMRC: i32 = -11;
    pub(crate) const COMMAND_LINE: i32 = -7;
    pub(crate) const SPEC: i32 = -3;
    pub(crate) const GLOBAL: i32 = 0;
}

/// What a macro stands for.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Text that is expanded again.
    Text(Arc<str>),
    /// Text that is taken as it is.
    Literal(Arc<str>),
    /// Code of ours.
    Builtin(Builtin),
}

/// One definition.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    /// Options of a parametric macro in the manner of getopt; `None` for a simple macro.
    pub(crate) options: Option<Arc<str>>,
    pub(crate) body: Body,
    pub(crate) level: i32,
    /// Made by the engine for a call (`%1`, `%*`, `%{-x}`): invisible to deeper calls.
    pub(crate) automatic: bool,
    /// The body holds quote characters (rpm 4.20).
    pub(crate) quoted: bool,
    /// The body becomes its own expansion at first use (rpm 6).
    pub(crate) one_shot: bool,
    /// Where it was defined.
    pub(crate) origin: Option<Span>,
}

impl Entry {
    pub(crate) fn is_builtin(&self) -> bool {
        matches!(self.body, Body::Builtin(_))
    }

    /// The text that `%{macrobody:}` and listings show.
    pub(crate) fn body_text(&self) -> &str {
        match &self.body {
            Body::Text(text) | Body::Literal(text) => text,
            Body::Builtin(builtin) => builtin.body_text(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    used: Cell<bool>,
}

type Base = FxHashMap<Arc<str>, Vec<Arc<Entry>>>;

/// Definitions that several specs share; never changed once built.
#[derive(Debug, Default, Clone)]
pub(crate) struct BaseTable {
    stacks: Base,
}

impl BaseTable {
    pub(crate) fn len(&self) -> usize {
        self.stacks.len()
    }
}

/// The definitions that one spec sees.
#[derive(Debug, Default)]
pub(crate) struct Table {
    base: Arc<BaseTable>,
    own: FxHashMap<Arc<str>, Vec<Slot>>,
    /// Names defined at a level above 0, in order: what a returning parametric macro has to look at.
    scoped: Vec<(i32, Arc<str>)>,
}

impl Table {
    pub(crate) fn over(base: Arc<BaseTable>) -> Self {
        Self { base, own: FxHashMap::default(), scoped: Vec::new() }
    }

    /// The definition in force.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        match self.own.get(name) {
            Some(stack) => stack.last().map(|slot| &slot.entry),
            None => self.base.stacks.get(name)?.last(),
        }
    }

    /// Notes that a definition was looked up: an unused local one gets a warning.
    pub(crate) fn mark_used(&self, name: &str) {
        if let Some(slot) = self.own.get(name).and_then(|stack| stack.last()) {
            slot.used.set(true);
        }
    }

    fn own_stack(&mut self, name: &Arc<str>) -> &mut Vec<Slot> {
        let base = &self.base;
        self.own.entry(Arc::clone(name)).or_insert_with(|| {
            let inherited = base.stacks.get(name).map(Vec::as_slice).unwrap_or_default();
            inherited.iter().map(|entry| Slot::new(Arc::clone(entry))).collect()
        })
    }

    /// Defines: the new definition covers an older one of the same name.
    pub(crate) fn push(&mut self, entry: Entry) {
        let name = Arc::clone(&entry.name);
        if entry.level > level::GLOBAL {
            self.scoped.push((entry.level, Arc::clone(&name)));
        }
        self.own_stack(&name).push(Slot::new(Arc::new(entry)));
    }

    /// Takes the definition in force away and uncovers the older one.
    pub(crate) fn pop(&mut self, name: &str) {
        if let Some(stack) = self.own.get_mut(name) {
            stack.pop();
        } else if let Some((name, _)) = self.base.stacks.get_key_value(name) {
            let name = Arc::clone(name);
            self.own_stack(&name).pop();
        }
    }

    /// Takes away what calls at `level` or deeper defined; gives the names that were never used, sorted.
    /// With `whole` a name loses all its local definitions, else (rpm 4.18) only the uppermost.
    pub(crate) fn leave_level(&mut self, level: i32, whole: bool) -> Vec<Arc<str>> {
        let from = self.scoped.iter().rposition(|(of, _)| *of < level).map_or(0, |at| at + 1);
        let mut names: Vec<Arc<str>> = self.scoped.drain(from..).map(|(_, name)| name).collect();
        names.sort_unstable();
        names.dedup();
        let mut unused = Vec::new();
        for name in names {
            let Some(stack) = self.own.get_mut(&name) else { continue };
            if let Some(top) = stack.last()
                && top.entry.level >= level
                && !top.entry.automatic
                && !top.used.get()
            {
                unused.push(Arc::clone(&name));
            }
            if whole {
                while stack.last().is_some_and(|top| top.entry.level >= level) {
                    stack.pop();
                }
            } else {
                // rpm 4.18 pops once, and looks at the name again only if that emptied its slot.
                if stack.last().is_some_and(|top| top.entry.level >= level) {
                    stack.pop();
                }
                if let Some(top) = stack.last()
                    && top.entry.level >= level
                {
                    let left = top.entry.level;
                    self.scoped.push((left, Arc::clone(&name)));
                }
            }
            if stack.is_empty() && !self.base.stacks.contains_key(&name) {
                self.own.remove(&name);
            }
        }
        unused
    }

    /// All definitions in force, sorted by name.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let own = self.own.values().filter_map(|stack| stack.last()).map(|slot| Arc::clone(&slot.entry));
        let base = self.base.stacks.iter().filter(|(name, _)| !self.own.contains_key(*name));
        let mut all: Vec<Arc<Entry>> = own.chain(base.filter_map(|(_, stack)| stack.last().cloned())).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The names of all definitions in force, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.own.iter().filter(|(_, stack)| !stack.is_empty()).map(|(name, _)| &**name);
        let base = self.base.stacks.keys().filter(|name| !self.own.contains_key(*name)).map(|name| &**name);
        own.chain(base)
    }

    /// Turns this table into a base for others.
    pub(crate) fn into_base(self) -> BaseTable {
        let mut stacks = self.base.stacks.clone();
        for (name, stack) in self.own {
            if stack.is_empty() {
                stacks.remove(&name);
            } else {
                stacks.insert(name, stack.into_iter().map(|slot| Arc::clone(&slot.entry)).collect());
            }
        }
        BaseTable { stacks }
    }
}

impl Slot {
    fn new(entry: Arc<Entry>) -> Self {
        Self { entry, used: Cell::new(false) }
    }
}
