//! Work on many things with all processors.
//!
//! Not rayon: its threads take up other work while they wait, perhaps one that waits for the very checkout that this
//! thread is making.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::store::hold;

/// For fewer things than this, threads are not worth their start.
const FEW: usize = 32;

/// What a function gives for each of some things, in their order, or its first error.
pub(crate) fn map<'a, T: Sync, R: Send, E: Send>(
    items: &'a [T],
    work: impl Fn(&'a T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().div_ceil(FEW));
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (results, failure) = (Mutex::new(Vec::with_capacity(items.len())), Mutex::new(None));
    let run = || {
        let mut mine = Vec::new();
        while !has_failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { break };
            match work(item) {
                Ok(result) => mine.push((at, result)),
                Err(error) => {
                    has_failed.store(true, Ordering::Relaxed);
                    hold(&failure).get_or_insert(error);
                }
            }
        }
        hold(&results).append(&mut mine);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    if let Some(error) = hold(&failure).take() {
        return Err(error);
    }
    let mut results = std::mem::take(&mut *hold(&results));
    results.sort_unstable_by_key(|(at, _)| *at);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Does something with each of some things; gives the first error.
pub(crate) fn each<T: Sync, E: Send>(items: &[T], work: impl Fn(&T) -> Result<(), E> + Sync) -> Result<(), E> {
    map(items, work).map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order_and_an_error_ends_it() {
        for count in [0, 1, 31, 32, 33, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|one| one * 2).collect();
            assert_eq!(super::map(&items, |one| Ok::<_, ()>(one * 2)), Ok(doubled), "{count}");
            let failing = super::each(&items, |one| if *one + 1 == count { Err(*one) } else { Ok(()) });
            assert_eq!(failing.err(), count.checked_sub(1), "{count}");
        }
    }
}
