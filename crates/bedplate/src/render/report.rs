//! The end of a run: root causes and what they block, or where the time went.

use std::fmt::Write as _;

use bedplate_engine::{FailedNode, Summary};

use super::board::{Board, label};
use super::took;
use crate::output::many;

/// How many of the slowest nodes are listed.
const SLOWEST: usize = 5;
/// How many names of blocked nodes are written out.
const NAMES: usize = 8;
/// A run that was shorter, in seconds, needs no table of what was slow.
const WORTH_A_TABLE: f64 = 10.0;

/// The text that a run ends with.
pub(super) fn report(board: &Board, summary: &Summary) -> String {
    let mut out = String::new();
    for failed in &summary.failed {
        failure(&mut out, failed);
    }
    if !summary.failed.is_empty() {
        out.push('\n');
    }
    if summary.is_good() && summary.wall_seconds >= WORTH_A_TABLE {
        slowest(&mut out, board, summary);
    }
    let mut counts = vec![format!("{} done", summary.done)];
    for (count, words) in [
        (summary.cached, "there already"),
        (summary.skipped, "not needed"),
        (summary.failed.len(), "failed"),
        (summary.blocked, "blocked by that"),
        (summary.cancelled, "not done"),
    ] {
        if count > 0 {
            counts.push(format!("{count} {words}"));
        }
    }
    let stopped = if summary.was_cancelled { "stopped: " } else { "" };
    let _ = write!(out, "{stopped}{} in {}", counts.join(", "), took(summary.wall_seconds));
    if summary.cpu_seconds > 0.0 {
        let _ = write!(
            out,
            " (processors {}, critical path {})",
            took(summary.cpu_seconds),
            took(summary.critical_seconds())
        );
    }
    out.push('\n');
    out
}

/// A root cause.
fn failure(out: &mut String, failed: &FailedNode) {
    let (name, failure) = (label(&failed.name, failed.kind), &failed.failure);
    let _ = writeln!(out, "\nerror: {name}: {}", failure.message);
    for line in &failure.lines {
        let _ = writeln!(out, "  | {line}");
    }
    if let Some(log) = &failed.log {
        let _ = writeln!(out, "  = log: {}", crate::ui::plain_path(&log.display().to_string()));
    }
    if !failed.blocks.is_empty() {
        let mut names = failed.blocks[..failed.blocks.len().min(NAMES)].join(", ");
        if failed.blocks.len() > NAMES {
            let _ = write!(names, " and {} more", failed.blocks.len() - NAMES);
        }
        let _ = writeln!(out, "  = blocks {}: {names}", many(failed.blocks.len(), "package"));
    }
    if let Some(hint) = &failure.hint {
        let _ = writeln!(out, "  = hint: {hint}");
    }
}

/// Where the time went.
fn slowest(out: &mut String, board: &Board, summary: &Summary) {
    let mut nodes: Vec<_> = board.finished.iter().collect();
    nodes.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    if nodes.is_empty() {
        return;
    }
    out.push_str("slowest:\n");
    for node in nodes.into_iter().take(SLOWEST) {
        let is_critical = summary.critical.iter().any(|one| one.name == node.name && one.kind == node.kind);
        let mark = if is_critical { "  critical" } else { "" };
        let _ = writeln!(out, "  {:>9}  {}{mark}", took(node.seconds), label(&node.name, node.kind));
    }
}
