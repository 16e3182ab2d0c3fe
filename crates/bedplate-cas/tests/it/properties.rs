//! Random trees: there and back, and merged as a naive merge of path maps does it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use bedplate_cas::{Digest, Store, StoreError, TreeBuilder, TreeEntry};
use proptest::prelude::*;

use crate::support::Scratch;

/// What is at a path of a random tree. Links lead nowhere, so that merging does not follow them.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    File(Vec<u8>, u32),
    Link(String),
    Folder(u32),
}

type Map = BTreeMap<String, Node>;

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => (prop::collection::vec(any::<u8>(), 0..40), prop::sample::select(vec![0o644, 0o600, 0o755, 0o4711, 0o555]))
            .prop_map(|(content, mode)| Node::File(content, mode)),
        1 => "[a-zé/.]{1,9}".prop_map(Node::Link),
        1 => prop::sample::select(vec![0o755, 0o700, 0o1777]).prop_map(Node::Folder),
    ]
}

/// A map in which every path's folders are folders.
fn map() -> impl Strategy<Value = Map> {
    let path = prop::collection::vec("[a-d]|é ü|[.]x", 1..5).prop_map(|names| names.join("/"));
    prop::collection::btree_map(path, node(), 0..25).prop_map(|drawn| {
        let mut map = Map::from([(String::new(), Node::Folder(0o755))]);
        for (path, node) in drawn {
            add_parents(&mut map, &path);
            let is_under_a_folder = parents(&path).all(|parent| matches!(map.get(parent), Some(Node::Folder(_))));
            if is_under_a_folder {
                map.entry(path).or_insert(node);
            }
        }
        map
    })
}

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn add_parents(map: &mut Map, path: &str) {
    for parent in parents(path) {
        match map.get(parent) {
            None => drop(map.insert(parent.to_owned(), Node::Folder(0o755))),
            Some(Node::Folder(_)) => {}
            Some(_) => return,
        }
    }
}

fn put(store: &Store, map: &Map) -> Digest {
    let (mut builder, batch) = (TreeBuilder::new(), store.batch());
    for (path, node) in map {
        match node {
            Node::File(content, mode) => builder.file(path, batch.put(content).unwrap(), *mode),
            Node::Link(target) => builder.symlink(path, target),
            Node::Folder(mode) => builder.directory(path, *mode),
        }
        .unwrap();
    }
    let tree = batch.put_tree(&builder).unwrap();
    batch.commit().unwrap();
    tree
}

fn get(store: &Store, tree: &Digest) -> Map {
    let tree = store.tree(tree).unwrap();
    let node = |entry: &TreeEntry| match entry {
        TreeEntry::File { digest, mode } => Node::File(store.read(digest).unwrap(), *mode),
        TreeEntry::Symlink { target } => Node::Link(target.clone()),
        TreeEntry::Directory { mode } => Node::Folder(*mode),
    };
    tree.iter().map(|(path, entry)| (path.to_owned(), node(entry))).collect()
}

/// Writes a map to a folder of the host.
fn write(map: &Map, root: &Path) {
    for (path, node) in map {
        let path = root.join(path);
        match node {
            Node::File(content, mode) => {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Node::Link(target) => symlink(target, &path).unwrap(),
            Node::Folder(mode) => {
                fs::create_dir_all(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

/// Reads a folder of the host as a map. Checkouts keep of modes only the executable bit.
fn read(root: &Path, below: &str, map: &mut Map) {
    let path = if below.is_empty() { root.to_owned() } else { root.join(below) };
    let data = fs::symlink_metadata(&path).unwrap();
    let node = if data.is_symlink() {
        Node::Link(fs::read_link(&path).unwrap().to_str().unwrap().to_owned())
    } else if data.is_file() {
        Node::File(fs::read(&path).unwrap(), data.mode() & 0o7777)
    } else {
        for entry in fs::read_dir(&path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            read(root, &if below.is_empty() { name } else { format!("{below}/{name}") }, map);
        }
        Node::Folder(data.mode() & 0o7777)
    };
    map.insert(below.to_owned(), node);
}

fn with_plain_modes(map: &Map) -> Map {
    let plain = |node: &Node| match node {
        Node::File(content, mode) => Node::File(content.clone(), if mode & 0o111 == 0 { 0o444 } else { 0o555 }),
        Node::Link(target) => Node::Link(target.clone()),
        Node::Folder(_) => Node::Folder(0o755),
    };
    map.iter().map(|(path, node)| (path.clone(), plain(node))).collect()
}

/// The merge of maps, path by path; nothing where two entries do not go together.
fn naive_merge(maps: &[Map]) -> Option<Map> {
    let mut all = Map::from([(String::new(), Node::Folder(0o755))]);
    for (path, node) in maps.iter().flatten() {
        match (all.get(path), node) {
            (None | Some(Node::File(..) | Node::Link(_)), Node::File(..) | Node::Link(_))
            | (None | Some(Node::Folder(_)), Node::Folder(_)) => drop(all.insert(path.clone(), node.clone())),
            _ => return None,
        }
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn trees_come_back_from_the_store_a_checkout_and_a_folder(map in map()) {
        let scratch = Scratch::in_memory();
        let store = scratch.open();
        let tree = put(&store, &map);
        prop_assert_eq!(&get(&store, &tree), &map);
        let mut found = Map::new();
        read(&store.checkout(&tree).unwrap(), "", &mut found);
        prop_assert_eq!(found, with_plain_modes(&map));
        let folder = scratch.at("folder");
        write(&map, &folder);
        prop_assert_eq!(store.import_folder(&folder).unwrap(), tree);
        // Each folder is a tree of its own.
        for (path, node) in &map {
            let is_folder = matches!(node, Node::Folder(_));
            prop_assert_eq!(store.subtree(&tree, path).unwrap().is_some(), is_folder);
        }
    }

    #[test]
    fn merging_is_merging_of_paths(maps in prop::collection::vec(map(), 0..5)) {
        let scratch = Scratch::in_memory();
        let store = scratch.open();
        let maps: Vec<Map> = maps.into_iter().map(|map| map.into_iter().map(|(path, node)| match node {
            // A link that leads nowhere: a folder over it is a conflict.
            Node::Link(_) => (path, Node::Link("../../../../../../nowhere".to_owned())),
            node => (path, node),
        }).collect()).collect();
        let trees: Vec<Digest> = maps.iter().map(|map| put(&store, map)).collect();
        let merged = store.merge(&trees);
        match naive_merge(&maps) {
            Some(expected) => {
                let merged = merged.unwrap();
                prop_assert_eq!(get(&store, &merged), expected.clone());
                prop_assert_eq!(merged, put(&store, &expected));
            }
            None => {
                let is_refused = matches!(merged, Err(StoreError::Conflicts { .. }));
                prop_assert!(is_refused);
            }
        }
    }
}
