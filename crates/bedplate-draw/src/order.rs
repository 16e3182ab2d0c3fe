//! The order of items within layers: few crossings, by barycentres and then by swaps of neighbours.
//!
//! This is the second step of Sugiyama's method. The least number of crossings is too hard to find; what is here finds a
//! good one and the same one each time.

/// Which items of the layers beside it an item is connected to.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// By item: those of the layer to its left.
    pub(crate) left: Vec<Vec<usize>>,
    /// By item: those of the layer to its right.
    pub(crate) right: Vec<Vec<usize>>,
}

/// How often to go there and back. More changes little.
const SWEEPS: usize = 12;
/// How often to try all swaps.
const SWAP_ROUNDS: usize = 6;

/// Sorts the items of each layer.
pub(crate) fn order(layers: &mut [Vec<usize>], links: &Links) {
    let mut best = (crossings(layers, links), layers.to_vec());
    let mut places = places(layers, links);
    for _ in 0..SWEEPS {
        for layer in layers.iter_mut().skip(1) {
            sort_by_neighbours(layer, &links.left, &mut places);
        }
        for layer in layers.iter_mut().rev().skip(1) {
            sort_by_neighbours(layer, &links.right, &mut places);
        }
        let now = crossings(layers, links);
        if now < best.0 {
            best = (now, layers.to_vec());
        }
    }
    layers.clone_from_slice(&best.1);
    swap_neighbours(layers, links);
}

/// The place of every item in its layer, from 0 to 1, so that layers of different sizes compare.
fn places(layers: &[Vec<usize>], links: &Links) -> Vec<f64> {
    let mut places = vec![0.0; links.left.len()];
    layers.iter().for_each(|layer| note_places(layer, &mut places));
    places
}

fn note_places(layer: &[usize], places: &mut [f64]) {
    for (place, item) in layer.iter().enumerate() {
        places[*item] = (place as f64 + 0.5) / layer.len() as f64;
    }
}

fn sort_by_neighbours(layer: &mut [usize], neighbours: &[Vec<usize>], places: &mut [f64]) {
    let wanted = |item: usize| {
        let near = &neighbours[item];
        let sum: f64 = near.iter().map(|other| places[*other]).sum();
        if near.is_empty() { places[item] } else { sum / near.len() as f64 }
    };
    let mut keyed: Vec<(f64, usize)> = layer.iter().map(|item| (wanted(*item), *item)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    layer.iter_mut().zip(keyed).for_each(|(place, (_, item))| *place = item);
    note_places(layer, places);
}

/// How many pairs of links cross.
fn crossings(layers: &[Vec<usize>], links: &Links) -> usize {
    let mut place = vec![0; links.left.len()];
    layers.iter().flat_map(|layer| layer.iter().enumerate()).for_each(|(at, item)| place[*item] = at);
    layers.windows(2).map(|pair| crossings_between(&pair[0], pair[1].len(), &links.right, &place)).sum()
}

/// Counts inversions with a Fenwick tree: of links in the order of their left ends, those whose right ends are out of order.
fn crossings_between(left: &[usize], right_len: usize, right: &[Vec<usize>], place: &[usize]) -> usize {
    let mut tree = vec![0_usize; right_len + 1];
    let (mut total, mut seen) = (0, 0);
    for item in left {
        for &other in &right[*item] {
            let (mut at, mut not_above) = (place[other] + 1, 0);
            while at > 0 {
                not_above += tree[at];
                at &= at - 1;
            }
            total += seen - not_above;
        }
        for &other in &right[*item] {
            let mut at = place[other] + 1;
            while at <= right_len {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
            seen += 1;
        }
    }
    total
}

/// Swaps items with their neighbours as long as that takes crossings away.
fn swap_neighbours(layers: &mut [Vec<usize>], links: &Links) {
    let mut place = vec![0; links.left.len()];
    layers.iter().flat_map(|layer| layer.iter().enumerate()).for_each(|(at, item)| place[*item] = at);
    for _ in 0..SWAP_ROUNDS {
        let mut has_swapped = false;
        for layer in layers.iter_mut() {
            for at in 1..layer.len() {
                let (upper, lower) = (layer[at - 1], layer[at]);
                let cost = |upper: usize, lower: usize| {
                    crossed(&links.left[upper], &links.left[lower], &place)
                        + crossed(&links.right[upper], &links.right[lower], &place)
                };
                if cost(lower, upper) < cost(upper, lower) {
                    layer.swap(at - 1, at);
                    (place[upper], place[lower]) = (at, at - 1);
                    has_swapped = true;
                }
            }
        }
        if !has_swapped {
            return;
        }
    }
}

/// How many links of an upper item cross those of the one below it, on one side.
fn crossed(upper: &[usize], lower: &[usize], place: &[usize]) -> usize {
    upper.iter().map(|a| lower.iter().filter(|b| place[**b] < place[*a]).count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(items: usize, pairs: &[(usize, usize)]) -> Links {
        let mut links = Links { left: vec![Vec::new(); items], right: vec![Vec::new(); items] };
        for (left, right) in pairs {
            links.left[*right].push(*left);
            links.right[*left].push(*right);
        }
        links
    }

    #[test]
    fn crossings_are_counted() {
        let cross = links(4, &[(0, 3), (1, 2)]);
        assert_eq!(crossings(&[vec![0, 1], vec![2, 3]], &cross), 1);
        let full = links(6, &[(0, 3), (0, 4), (0, 5), (1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)]);
        assert_eq!(crossings(&[vec![0, 1, 2], vec![3, 4, 5]], &full), 9);
        assert_eq!(crossings(&[vec![0], vec![]], &links(1, &[])), 0);
    }

    #[test]
    fn a_tangle_that_can_be_undone_is_undone() {
        let tangle = links(9, &[(0, 5), (1, 4), (2, 3), (3, 8), (4, 7), (5, 6), (0, 4)]);
        let mut layers = vec![vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8]];
        assert!(crossings(&layers, &tangle) > 0);
        order(&mut layers, &tangle);
        assert_eq!(crossings(&layers, &tangle), 0, "{layers:?}");
    }

    #[test]
    fn items_without_links_stay_where_they_are() {
        let mut layers = vec![vec![2, 0, 1]];
        order(&mut layers, &links(3, &[]));
        assert_eq!(layers, [[2, 0, 1]]);
    }
}
