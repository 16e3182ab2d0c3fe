//! Remembers what commands answered in this run.
//!
//! The key is the command's text, its environment, and the source folder where the command could see it. Of several
//! threads that ask the same at once, one runs the command and the others wait for its answer.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bedplate_spec::host::{ShellAnswer, ShellCall, ShellError};

type Outcome = Result<ShellAnswer, ShellError>;

/// What a memo holds at most, in bytes of keys and answers.
const DEFAULT_MOST_BYTES: usize = 64 << 20;

/// A bounded memory of answers.
pub struct Memo {
    most_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Arc<[u8]>, Arc<Slot>>,
    /// Finished entries, oldest first, with their sizes.
    order: VecDeque<(Arc<[u8]>, usize)>,
    bytes: usize,
}

/// One answer, perhaps still to come.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Running,
    Done(Outcome),
    /// Who ran it panicked: the next one tries.
    Abandoned,
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = lock(&self.inner);
        f.debug_struct("Memo")
            .field("entries", &inner.entries.len())
            .field("bytes", &inner.bytes)
            .finish_non_exhaustive()
    }
}

impl Default for Memo {
    fn default() -> Self {
        Self::with_bound(DEFAULT_MOST_BYTES)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of ours panics while it holds one; a poisoned lock comes from a caller's thread that was unwound elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memo {
    /// A memo of at most so many bytes of keys and answers; the oldest go first.
    pub fn with_bound(most_bytes: usize) -> Self {
        Self { most_bytes, inner: Mutex::default() }
    }

    /// The answer of a command: remembered (the flag is true), or now given by `run`. `sees_folder` says whether the command could
    /// read the source folder.
    pub fn answer(&self, call: ShellCall<'_>, sees_folder: bool, run: impl FnOnce() -> Outcome) -> (Outcome, bool) {
        let key = key(call, sees_folder);
        loop {
            let (slot, is_ours) = {
                let mut inner = lock(&self.inner);
                match inner.entries.get(&key) {
                    Some(slot) => (Arc::clone(slot), false),
                    None => {
                        let slot = Arc::new(Slot::default());
                        inner.entries.insert(Arc::clone(&key), Arc::clone(&slot));
                        (slot, true)
                    }
                }
            };
            if is_ours {
                let guard = Running { memo: self, key: &key, slot: &slot };
                let outcome = run();
                guard.finish(&outcome);
                return (outcome, false);
            }
            let mut state = lock(&slot.state);
            loop {
                match &*state {
                    State::Running => state = slot.done.wait(state).unwrap_or_else(PoisonError::into_inner),
                    State::Done(outcome) => return (outcome.clone(), true),
                    State::Abandoned => break,
                }
            }
        }
    }

    fn set(&self, key: &Arc<[u8]>, slot: &Slot, state: State) {
        let size = match &state {
            State::Done(Ok(answer)) => Some(key.len() + answer.stdout.len() + answer.stderr.len()),
            State::Done(Err(ShellError::Failed(_))) | State::Abandoned | State::Running => None,
            // A bound that was hit once would be hit again: waiting for it a second time helps nobody.
            State::Done(Err(_)) => Some(key.len()),
        };
        let mut inner = lock(&self.inner);
        match size {
            Some(size) => {
                inner.order.push_back((Arc::clone(key), size));
                inner.bytes += size;
                while inner.bytes > self.most_bytes
                    && let Some((oldest, size)) = inner.order.pop_front()
                {
                    inner.entries.remove(&oldest);
                    inner.bytes -= size;
                }
            }
            None => drop(inner.entries.remove(key)),
        }
        drop(inner);
        *lock(&slot.state) = state;
        slot.done.notify_all();
    }
}

/// Sees to it that nobody waits for ever if the run panics.
struct Running<'a> {
    memo: &'a Memo,
    key: &'a Arc<[u8]>,
    slot: &'a Slot,
}

impl Running<'_> {
    fn finish(self, outcome: &Outcome) {
        self.memo.set(self.key, self.slot, State::Done(outcome.clone()));
        std::mem::forget(self);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.memo.set(self.key, self.slot, State::Abandoned);
    }
}

/// Every part with its length before it, so that no two calls have the same key.
fn key(call: ShellCall<'_>, sees_folder: bool) -> Arc<[u8]> {
    let mut key = Vec::with_capacity(call.command.len() + 256);
    let mut put = |bytes: &[u8]| {
        key.extend_from_slice(&bytes.len().to_le_bytes());
        key.extend_from_slice(bytes);
    };
    put(call.command);
    put(if sees_folder { call.source_dir.as_bytes() } else { b"" });
    for (name, value) in call.environment {
        put(name.as_bytes());
        put(value.as_bytes());
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn text(text: &str) -> Outcome {
        Ok(ShellAnswer { stdout: text.as_bytes().to_vec(), ..ShellAnswer::default() })
    }

    #[test]
    fn the_key_is_command_environment_and_the_folder_if_it_is_seen() {
        let (memo, one, other) = (Memo::default(), BTreeMap::new(), BTreeMap::from([("A".to_owned(), "1".to_owned())]));
        let call = |environment, source_dir| ShellCall { command: b"x", environment, source_dir };
        assert_eq!(memo.answer(call(&one, "/a"), false, || text("1")), (text("1"), false));
        assert_eq!(memo.answer(call(&one, "/b"), false, || text("2")), (text("1"), true));
        assert_eq!(memo.answer(call(&one, "/b"), true, || text("3")), (text("3"), false));
        assert_eq!(memo.answer(call(&one, "/b"), true, || text("4")), (text("3"), true));
        assert_eq!(memo.answer(call(&other, "/b"), true, || text("5")), (text("5"), false));
    }

    #[test]
    fn one_thread_runs_and_the_others_wait() {
        let (memo, runs, environment) = (Memo::default(), AtomicUsize::new(0), BTreeMap::new());
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let call = ShellCall { command: b"slow", environment: &environment, source_dir: "/" };
                    let (outcome, _) = memo.answer(call, false, || {
                        runs.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        text("done")
                    });
                    assert_eq!(outcome, text("done"));
                });
            }
        });
        assert_eq!(runs.into_inner(), 1);
    }

    #[test]
    fn a_panic_leaves_nobody_waiting_and_failures_are_tried_again() {
        let (memo, environment) = (Memo::default(), BTreeMap::new());
        let call = ShellCall { command: b"x", environment: &environment, source_dir: "/" };
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| memo.answer(call, false, || panic!("no"))));
        assert!(panicked.is_err());
        let failed = Err(ShellError::Failed("no bash".to_owned()));
        assert_eq!(memo.answer(call, false, || failed.clone()), (failed, false));
        assert_eq!(memo.answer(call, false, || Err(ShellError::TimedOut(5))), (Err(ShellError::TimedOut(5)), false));
        assert_eq!(memo.answer(call, false, || text("late")), (Err(ShellError::TimedOut(5)), true));
    }

    #[test]
    fn memory_is_bounded() {
        let (memo, environment) = (Memo::with_bound(4096), BTreeMap::new());
        for number in 0..100 {
            let command = format!("c{number}");
            let call = ShellCall { command: command.as_bytes(), environment: &environment, source_dir: "/" };
            let _ = memo.answer(call, false, || text(&"x".repeat(500)));
            assert!(lock(&memo.inner).bytes <= 4096);
        }
        let held = lock(&memo.inner).entries.len();
        assert!((1..10).contains(&held), "{held}");
    }
}
