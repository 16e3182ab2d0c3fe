//! "Did you mean": the nearest of the known names.

/// The candidate nearest to `name` by edit distance, if it is near enough to be a slip of the pen
/// (at most a third of the name's length, and no more than three edits; case does not count).
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let limit = (wanted.len() / 3).clamp(1, 3);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let found: Vec<char> = candidate.to_lowercase().chars().collect();
        if candidate == name || found.len().abs_diff(wanted.len()) > limit {
            continue;
        }
        let distance = edit_distance(&wanted, &found, limit);
        // Ties go to the name that sorts first, so that the answer does not depend on a map's order.
        if distance <= limit && best.is_none_or(|known| (distance, candidate) < known) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. Some number above
/// `limit` if it is more than that.
fn edit_distance(a: &[char], b: &[char], limit: usize) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // No later row can be better than the best of two rows in a sequence.
        let best = |row: &[usize]| row.iter().min().copied().unwrap_or(0);
        if best(&row) > limit && best(&last) > limit {
            return limit + 1;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name() {
        let tags = ["Requires", "Release", "Recommends", "Version"];
        for (slip, want) in [
            ("Reqiures", Some("Requires")),
            ("Verison", Some("Version")),
            ("release", Some("Release")),
            ("Banana", None),
        ] {
            assert_eq!(nearest(slip, tags), want, "{slip}");
        }
    }
}
