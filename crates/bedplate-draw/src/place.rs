//! How high the items of layers stand: near what they are connected to, never on each other.

/// A link between neighbouring layers that pulls its two ends to one height.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pull {
    pub(crate) other: usize,
    pub(crate) weight: f64,
}

/// How often to go there and back.
const SWEEPS: usize = 10;

/// The heights of all items, at their middles, the least 0.
///
/// `left` and `right` are the pulls of each item from the layers beside it; `distance` is how far two neighbours of a layer
/// have to be from each other.
pub(crate) fn place(
    layers: &[Vec<usize>],
    left: &[Vec<Pull>],
    right: &[Vec<Pull>],
    distance: impl Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let mut heights = vec![0.0; left.len()];
    let distances: Vec<Vec<f64>> =
        layers.iter().map(|layer| layer.windows(2).map(|pair| distance(pair[0], pair[1])).collect()).collect();
    for (layer, distances) in layers.iter().zip(&distances) {
        let mut height = -distances.iter().sum::<f64>() / 2.0;
        for (at, item) in layer.iter().enumerate() {
            heights[*item] = height;
            height += distances.get(at).copied().unwrap_or_default();
        }
    }
    let mut settle_layer = |at: usize, pulls: &[&[Vec<Pull>]]| {
        let layer = &layers[at];
        let wish = |item: &usize| {
            let all = || pulls.iter().flat_map(|side| &side[*item]);
            let weight: f64 = all().map(|pull| pull.weight).sum();
            let sum: f64 = all().map(|pull| pull.weight * heights[pull.other]).sum();
            // What nothing pulls gives way.
            if weight > 0.0 { (sum / weight, weight) } else { (heights[*item], 0.05) }
        };
        let wishes: Vec<(f64, f64)> = layer.iter().map(wish).collect();
        for (item, height) in layer.iter().zip(settle(&wishes, &distances[at])) {
            heights[*item] = height;
        }
    };
    for _ in 0..SWEEPS {
        (1..layers.len()).for_each(|at| settle_layer(at, &[left]));
        (0..layers.len().saturating_sub(1)).rev().for_each(|at| settle_layer(at, &[right]));
    }
    for _ in 0..SWEEPS {
        (0..layers.len()).for_each(|at| settle_layer(at, &[left, right]));
    }
    let least = heights.iter().copied().fold(f64::INFINITY, f64::min);
    // Half pixels keep horizontal lines sharp and cost less than the slack of the distances.
    heights.iter().map(|height| ((height - least) * 2.0).round() / 2.0).collect()
}

/// The heights nearest to the wishes (each with its weight, in least squares) that keep order and distances.
///
/// Without the distances this is isotonic regression, which pooling of neighbours solves exactly.
fn settle(wishes: &[(f64, f64)], distances: &[f64]) -> Vec<f64> {
    struct Pool {
        weighted: f64,
        weight: f64,
        members: usize,
    }
    let mean = |pool: &Pool| pool.weighted / pool.weight;
    let mut offsets = Vec::with_capacity(wishes.len());
    let mut pools: Vec<Pool> = Vec::new();
    let mut offset = 0.0;
    for (at, (wish, weight)) in wishes.iter().enumerate() {
        offsets.push(offset);
        let mut pool = Pool { weighted: (wish - offset) * weight, weight: *weight, members: 1 };
        while let Some(before) = pools.pop_if(|before| mean(before) > mean(&pool)) {
            pool.weighted += before.weighted;
            pool.weight += before.weight;
            pool.members += before.members;
        }
        pools.push(pool);
        offset += distances.get(at).copied().unwrap_or_default();
    }
    let heights = pools.iter().flat_map(|pool| std::iter::repeat_n(mean(pool), pool.members));
    heights.zip(offsets).map(|(height, offset)| height + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_granted_where_there_is_room() {
        assert_eq!(settle(&[(0.0, 1.0), (50.0, 1.0)], &[10.0]), [0.0, 50.0]);
        assert_eq!(settle(&[(5.0, 1.0), (5.0, 1.0)], &[10.0]), [0.0, 10.0]);
        assert_eq!(settle(&[(5.0, 3.0), (5.0, 1.0)], &[8.0]), [3.0, 11.0]);
        assert_eq!(settle(&[(9.0, 1.0), (0.0, 1.0), (100.0, 1.0)], &[1.0, 1.0]), [4.0, 5.0, 100.0]);
    }

    #[test]
    fn a_chain_is_straight() {
        let pull = |other| vec![Pull { other, weight: 1.0 }];
        let (left, right) = (vec![vec![], pull(0), pull(1), vec![]], vec![pull(1), pull(2), vec![], vec![]]);
        let heights = place(&[vec![0], vec![3, 1], vec![2]], &left, &right, |_, _| 20.0);
        assert_eq!((heights[0], heights[1]), (heights[1], heights[2]));
        assert!(heights[1] - heights[3] >= 20.0, "{heights:?}");
    }
}
