//! What the processes below one have in memory, as far as `/proc` tells.

use std::fs;

/// Sums over a process and all its descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tree {
    /// Bytes of memory, without cached files.
    pub(crate) memory: u64,
    /// Threads.
    pub(crate) threads: u64,
}

/// Looks at a process and its descendants, but not at more than `most` of them.
pub(crate) fn look(top: u32, most: u64) -> Tree {
    let (mut tree, mut waiting, mut seen) = (Tree::default(), vec![top], 0);
    while let Some(process) = waiting.pop() {
        seen += 1;
        if seen > most {
            break;
        }
        if let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) {
            let one = parse_status(&status);
            tree.memory += one.memory;
            tree.threads += one.threads;
        }
        for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            waiting.extend(children.split_ascii_whitespace().filter_map(|number| number.parse::<u32>().ok()));
        }
    }
    tree
}

fn parse_status(status: &str) -> Tree {
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Tree { memory: (number("RssAnon") + number("RssShmem")) << 10, threads: number("Threads") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = "Name:\tcc1\nVmRSS:\t  9000 kB\nRssAnon:\t    5000 kB\nRssFile:\t 3999 kB\nRssShmem:\t  1 kB\nThreads:\t3\n";
        assert_eq!(parse_status(status), Tree { memory: 5001 << 10, threads: 3 });
        // A process that is just ending has no memory.
        assert_eq!(parse_status("Name:\tx\nThreads:\t1\n"), Tree { memory: 0, threads: 1 });
    }

    #[test]
    fn children_are_counted() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let tree = look(std::process::id(), 1000);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.threads >= 2 && tree.memory > 0, "{tree:?}");
        assert_eq!(look(u32::MAX, 10), Tree::default());
    }
}
