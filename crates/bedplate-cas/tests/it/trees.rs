//! Trees: merging, checkouts, import.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use bedplate_cas::{StoreError, TreeBuilder, TreeEntry};

use crate::support::{Scratch, lines, tree};

#[test]
fn a_file_of_a_work_folder_becomes_a_blob() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let work = store.work("test").unwrap();
    let file = work.path().join("made");
    // The second time, the blob is there already.
    for _ in 0..2 {
        fs::write(&file, "content").unwrap();
        let digest = store.take_file(&file).unwrap();
        assert!(!file.exists());
        assert_eq!(store.read(&digest).unwrap(), b"content");
        let data = fs::metadata(store.path_of(&digest).unwrap()).unwrap();
        assert_eq!((data.permissions().mode() & 0o7777, data.nlink()), (0o444, 1));
    }
    assert!(matches!(store.take_file(&file), Err(StoreError::Io { .. })));
}

#[test]
fn trees_merge_as_packages_are_installed() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let cases: [(&[&str], &str); 9] = [
        (&["a = 1", "b = 2"], "a = 1\nb = 2\n"),
        (&["d/a = 1\nd/b = 1", "d/b = 2\nd/e/f = 3"], "d/a = 1\nd/b = 2\nd/e/f = 3\n"),
        (&["a -> b", "a = 1"], "a = 1\n"),
        (&["a = 1", "a -> b"], "a -> b\n"),
        (&["d/", "d/e/"], "d/e/\n"),
        // Merged /usr: the seed has the link, the package the folder.
        (
            &["lib64 -> usr/lib64\nusr/lib64/a = 1", "lib64/b = 2\nusr/lib64/c = 3"],
            "lib64 -> usr/lib64\nusr/lib64/a = 1\nusr/lib64/b = 2\nusr/lib64/c = 3\n",
        ),
        // The link leads to a folder that nobody has yet, absolutely, over another link, up.
        (&["lib64 -> /usr/lib64", "lib64/x/b = 2"], "lib64 -> /usr/lib64\nusr/lib64/x/b = 2\n"),
        (&["a/b -> ../c\nc -> d/e\nd/e/", "a/b/f = 1"], "a/b -> ../c\nc -> d/e\nd/e/f = 1\n"),
        (&["a = 1", "b = 1", "a = 2", "d/a = 1", "d/b = 1"], "a = 2\nb = 1\nd/a = 1\nd/b = 1\n"),
    ];
    for (trees, expected) in cases {
        let digests: Vec<_> = trees.iter().map(|text| tree(&store, text)).collect();
        let merged = store.merge(&digests).unwrap();
        assert_eq!(lines(&store, &merged), expected, "{trees:?}");
        assert_eq!(store.merge(&digests).unwrap(), merged, "{trees:?}, remembered");
        assert_eq!(merged, tree(&store, expected), "{trees:?}, as if it were one");
    }
}

#[test]
fn what_cannot_be_merged_is_named_all_at_once() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let earlier = tree(&store, "file = 1\nfolder/x = 1\nother/x = 1\nout -> ../..\nloop -> loop\nto-file -> file");
    let later = tree(&store, "file/x = 1\nfolder = 1\nother -> folder\nout/x = 1\nloop/x = 1\nto-file/x = 1");
    let Err(StoreError::Conflicts { conflicts }) = store.merge(&[earlier, later]) else { panic!("conflicts") };
    let mut found: Vec<String> =
        conflicts.iter().map(|one| format!("{} | {} | {}", one.path, one.earlier, one.later)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "file | a file | a folder",
            "folder | a folder | a file",
            "loop | a symbolic link that leads to itself | a folder",
            "other | a folder | a symbolic link",
            "out | a symbolic link out of the tree, to `../..` | a folder",
            "to-file | a symbolic link to the file `file` | a folder",
        ]
    );
}

#[test]
fn a_checkout_is_the_tree_and_what_was_changed_in_it_is_made_again() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let mut builder = TreeBuilder::new();
    let (text, program) = (store.put(b"text").unwrap(), store.put(b"program").unwrap());
    builder.file("etc/text", text, 0o640).unwrap();
    builder.file("bin/program", program, 0o4755).unwrap();
    builder.symlink("bin/link", "program").unwrap();
    builder.directory("tmp", 0o1777).unwrap();
    let tree = store.put_tree(&builder).unwrap();
    let path = store.checkout(&tree).unwrap();
    let is_good = || {
        let mode = |name: &str| fs::symlink_metadata(path.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(["etc/text", "bin/program", "tmp", "bin", ""].map(mode), [0o444, 0o555, 0o755, 0o755, 0o755]);
        assert_eq!(fs::read(path.join("bin/link")).unwrap(), b"program");
        for name in ["etc/text", "bin/program", "bin/link", "tmp", ""] {
            assert_eq!(fs::symlink_metadata(path.join(name)).unwrap().mtime(), 1, "{name}");
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
        assert_eq!(fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    };
    is_good();
    let change: [(&str, &dyn Fn()); 8] = [
        ("`tmp`: its time was changed", &|| touch(&path.join("tmp"), "@2")),
        ("`etc`: it has 0 instead of 1 entries", &|| fs::remove_file(path.join("etc/text")).unwrap()),
        ("`bin/link`: it leads to `other`", &|| {
            fs::remove_file(path.join("bin/link")).unwrap();
            symlink("other", path.join("bin/link")).unwrap();
            touch(&path.join("bin"), "@1");
        }),
        ("`etc/text` is not there", &|| {
            fs::rename(path.join("etc/text"), path.join("etc/test")).unwrap();
            touch(&path.join("etc"), "@1");
        }),
        ("`tmp`: its mode is 0700 instead of 0755", &|| {
            fs::set_permissions(path.join("tmp"), fs::Permissions::from_mode(0o700)).unwrap();
        }),
        ("`tmp`: it is no folder", &|| {
            fs::remove_dir(path.join("tmp")).unwrap();
            fs::write(path.join("tmp"), "").unwrap();
            touch(&path, "@1");
        }),
        ("`etc/text`: it has 5 bytes instead of 4", &|| {
            // A file of its own in the place of the link: the blob is good.
            fs::remove_file(path.join("etc/text")).unwrap();
            fs::write(path.join("etc/text"), "other").unwrap();
            fs::set_permissions(path.join("etc/text"), fs::Permissions::from_mode(0o444)).unwrap();
            ["etc/text", "etc"].iter().for_each(|name| touch(&path.join(name), "@1"));
        }),
        ("`tmp`: it has 1 instead of 0 entries", &|| fs::write(path.join("tmp/more"), "").unwrap()),
    ];
    for (expected, change) in change {
        change();
        // Whoever has looked at it does so once.
        assert_eq!(store.checkout(&tree).unwrap(), path);
        let other = scratch.open();
        assert_eq!(other.checkout(&tree).unwrap(), path);
        let damage = other.take_damage();
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!((damage[0].what.as_str(), damage[0].why.as_str()), (&*format!("checkout {tree}"), expected));
        is_good();
    }
}

fn touch(path: &Path, time: &str) {
    let done = Command::new("touch").args(["-h", "-d", time]).arg(path).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let folder = scratch.at("folder");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    fs::write(folder.join("a/file"), "text").unwrap();
    fs::write(folder.join("a/b/program"), "program").unwrap();
    fs::set_permissions(folder.join("a/b/program"), fs::Permissions::from_mode(0o2711)).unwrap();
    fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("../nowhere", folder.join("a/link")).unwrap();
    let tree = store.import_folder(&folder).unwrap();
    assert_eq!(store.import_folder(&folder).unwrap(), tree);
    let content = store.tree(&tree).unwrap();
    assert_eq!(
        content.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        ["", "a", "a/b", "a/b/program", "a/file", "a/link"]
    );
    assert_eq!(content.get("a"), Some(&TreeEntry::Directory { mode: 0o750 }));
    assert_eq!(content.get("a/link"), Some(&TreeEntry::Symlink { target: "../nowhere".to_owned() }));
    let Some(TreeEntry::File { digest, mode: 0o2711 }) = content.get("a/b/program") else { panic!("{content:?}") };
    assert_eq!(store.read(digest).unwrap(), b"program");
    assert_eq!((content.get("a/c"), content.size()), (None, 11));
    // What will be executable is in the store as such only.
    assert_eq!(scratch.blob_files(digest).len(), 1);
    let subtree = store.subtree(&tree, "a/b").unwrap().unwrap();
    assert_eq!(store.tree(&subtree).unwrap().iter().map(|(path, _)| path).collect::<Vec<_>>(), ["", "program"]);
    assert_eq!(store.subtree(&tree, "a/x").unwrap(), None);
    assert_eq!(store.subtree(&tree, "a/file").unwrap(), None);
}

#[test]
fn files_that_no_tree_can_hold_are_named_all_at_once() {
    use std::os::unix::ffi::OsStringExt;
    let scratch = Scratch::new();
    let store = scratch.open();
    let folder = scratch.at("folder");
    fs::create_dir_all(folder.join("d")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("d/socket")).unwrap();
    fs::write(folder.join(std::ffi::OsString::from_vec(b"n\xffme".to_vec())), "").unwrap();
    for arguments in [["pipe", "p", "", ""], ["null", "c", "1", "3"]] {
        let [name, rest @ ..] = arguments;
        let numbers = rest.iter().filter(|word| !word.is_empty());
        let done = Command::new("mknod").arg(folder.join("d").join(name)).args(numbers).status().unwrap();
        assert!(done.success());
    }
    let error = store.import_folder(&folder).unwrap_err();
    assert_eq!(error.category(), bedplate_diag::Category::Input);
    assert_eq!(
        error.to_string(),
        format!(
            "{} cannot be imported: `d/null` is a device; `d/pipe` is a named pipe; `d/socket` is a socket; \
             `n\u{fffd}me` is not named in UTF-8",
            folder.display()
        )
    );
    let error = store.import_folder(&scratch.at("nowhere")).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn only_a_store_is_opened_as_one() {
    let scratch = Scratch::new();
    let open = |name: &str| bedplate_cas::Store::open(&scratch.at(name));
    fs::create_dir(scratch.at("other")).unwrap();
    fs::write(scratch.at("other/file"), "").unwrap();
    assert!(matches!(open("other"), Err(StoreError::NotAStore { .. })));
    fs::write(scratch.at("other/version"), "something else").unwrap();
    assert!(matches!(open("other"), Err(StoreError::NotAStore { .. })));
    fs::write(scratch.at("other/version"), "bedplate store, format 2\n").unwrap();
    assert!(matches!(open("other"), Err(StoreError::Format { found: 2, known: 1, .. })));
    // One that a process left half-made.
    fs::create_dir_all(scratch.at("half/blobs")).unwrap();
    fs::write(scratch.at("half/version-x"), "").unwrap();
    open("half").unwrap().put(b"content").unwrap();
    let error = open("other/file").unwrap_err();
    assert!(error.to_string().contains("other/file"), "{error}");
}

#[test]
fn threads_share_a_checkout() {
    let scratch = Scratch::new();
    let store = scratch.open();
    let many: String = (0..200).map(|number| format!("d{}/f{number} = {number}\n", number % 7)).collect();
    let trees = [tree(&store, &many), tree(&store, "a = 1")];
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (store, tree) = (&store, &trees[number % 2]);
                scope.spawn(move || store.checkout(tree).unwrap())
            })
            .collect();
        for (number, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), store.checkout(&trees[number % 2]).unwrap());
        }
    });
    assert_eq!(scratch.names("checkouts").len(), 2);
    assert_eq!(store.take_damage(), []);
}
