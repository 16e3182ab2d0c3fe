//! The indexes that kmod looks modules up in: `modules.dep.bin` and its kin.
//!
//! ```text
//! magic, version, offset of the root          32 bits each, big-endian
//! node: [prefix, zero byte] [first and last character, offset of the child of each] [count of values, values]
//! offset: 28 bits; the upper four say which of the three parts a node has
//! value: priority (32 bits), text, zero byte
//! ```
//!
//! A trie by characters, children before their parents (libkmod-index.h of kmod).

use std::collections::BTreeMap;

const MAGIC: u32 = 0xb007_f457;
const VERSION: u32 = 0x0002_0001;
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;

/// Keys of ASCII characters, each with its values in order.
pub(crate) type Index = BTreeMap<String, Vec<String>>;

/// An index in the form that kmod reads.
pub(crate) fn write_index(index: &Index) -> Vec<u8> {
    let mut out = vec![0; 12];
    let keys: Vec<(&[u8], &[String])> = index.iter().map(|(key, values)| (key.as_bytes(), values.as_slice())).collect();
    let root = node(&keys, 0, &mut out);
    for (slot, number) in out.chunks_exact_mut(4).zip([MAGIC, VERSION, root]) {
        slot.copy_from_slice(&number.to_be_bytes());
    }
    out
}

/// Writes the node of the keys, which agree in their first `depth` bytes; gives its offset with its flags.
fn node(keys: &[(&[u8], &[String])], depth: usize, out: &mut Vec<u8>) -> u32 {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return offset(out) };
    // They are sorted: what the first and the last agree in, all do.
    let common = first.0.iter().zip(last.0).take_while(|(a, b)| a == b).count();
    let prefix = &first.0[depth..common];
    let (own, rest) = if first.0.len() == common { (first.1, &keys[1..]) } else { (&[][..], keys) };

    let mut children: BTreeMap<u8, u32> = BTreeMap::new();
    for group in rest.chunk_by(|a, b| a.0[common] == b.0[common]) {
        children.insert(group[0].0[common], node(group, common + 1, out));
    }
    let mut at = offset(out);
    if !prefix.is_empty() {
        out.extend_from_slice(prefix);
        out.push(0);
        at |= HAS_PREFIX;
    }
    if let (Some((first, _)), Some((last, _))) = (children.first_key_value(), children.last_key_value()) {
        out.extend([*first, *last]);
        for character in *first..=*last {
            out.extend(children.get(&character).copied().unwrap_or_default().to_be_bytes());
        }
        at |= HAS_CHILDREN;
    }
    if !own.is_empty() {
        out.extend(u32::try_from(own.len()).unwrap_or(u32::MAX).to_be_bytes());
        for (priority, value) in (0_u32..).zip(own) {
            out.extend(priority.to_be_bytes());
            out.extend(value.as_bytes());
            out.push(0);
        }
        at |= HAS_VALUES;
    }
    at
}

fn offset(out: &[u8]) -> u32 {
    u32::try_from(out.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_written_as_kmod_has_them() {
        let index: Index = [("ab", vec!["1"]), ("ac", vec!["2", "3"])]
            .map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()))
            .into();
        let bytes = write_index(&index);
        let mut expected = Vec::new();
        for number in [MAGIC, VERSION, HAS_PREFIX | HAS_CHILDREN | 38] {
            expected.extend(number.to_be_bytes());
        }
        expected.extend(*b"\0\0\0\x01\0\0\0\x001\0"); // at 12: values of `ab`
        expected.extend(*b"\0\0\0\x02\0\0\0\x002\0\0\0\0\x013\0"); // at 22: values of `ac`
        expected.extend(*b"a\0bc"); // at 38: the root
        expected.extend((HAS_VALUES | 12).to_be_bytes());
        expected.extend((HAS_VALUES | 22).to_be_bytes());
        assert_eq!(bytes, expected);
        assert_eq!(write_index(&Index::new()).len(), 12);
    }
}
