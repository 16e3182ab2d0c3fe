//! OCI image layouts.

use bedplate_cas::Digest;
use bedplate_oci::{Compression, Group, Layer, split, split_evenly};
use bedplate_tree::Kind;

use crate::support::{World, add, assert_same, digests, facts, run, sample};

fn name(digest: Digest) -> String {
    format!("sha256:{}", digest.hex())
}

#[test]
fn skopeo_sees_what_was_said() {
    let world = World::new();
    let written = world.layout(&[Layer::new(sample(&world), "all")], Compression::Gzip(6), "layout");
    let reference = format!("oci:{}:1.2", world.text("layout"));
    let about: serde_json::Value = serde_json::from_str(&run("skopeo", &["inspect", &reference])).unwrap();
    assert_eq!(about["Digest"], name(written.manifest));
    assert_eq!(about["Created"], "2023-11-14T22:13:20Z");
    assert_eq!((&about["Architecture"], &about["Os"]), (&"amd64".into(), &"linux".into()));
    assert_eq!(about["Labels"]["org.opencontainers.image.title"], "node");
    assert_eq!(about["Layers"], serde_json::json!([name(written.layers[0].digest)]));
    assert_eq!(about["Env"], serde_json::json!(["PATH=/usr/bin", "LANG=C.UTF-8"]));
    let config: serde_json::Value = serde_json::from_str(&run("skopeo", &["inspect", "--config", &reference])).unwrap();
    assert_eq!(
        config["config"],
        serde_json::json!({
            "User": "1000:1000", "ExposedPorts": {"443/tcp": {}}, "Env": ["PATH=/usr/bin", "LANG=C.UTF-8"],
            "Entrypoint": ["/usr/bin/tool"], "Cmd": ["--help"], "Volumes": {"/var/data": {}}, "WorkingDir": "/var",
            "Labels": {"a": "1", "org.opencontainers.image.title": "node"}, "StopSignal": "SIGRTMIN+3"
        })
    );
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([name(written.layers[0].archive)]));
    let raw: serde_json::Value = serde_json::from_str(&run("skopeo", &["inspect", "--raw", &reference])).unwrap();
    assert_eq!(raw["annotations"]["org.opencontainers.image.version"], "1.2");
    // Every digest is computed again on the way.
    run("skopeo", &["copy", &reference, &format!("dir:{}", world.text("dir"))]);
}

#[test]
fn umoci_unpacks_the_tree() {
    let world = World::new();
    let tree = sample(&world);
    for compression in [Compression::Gzip(6), Compression::None, Compression::Zstd(3)] {
        world.layout(&[Layer::new(tree.clone(), "all")], compression, "layout");
        let layout = match compression {
            // umoci 0.4 does not know zstd; skopeo unpacks it, and compares with what the config says.
            Compression::Zstd(_) => {
                let copy = format!("oci:{}:1.2", world.text("copy"));
                let from = format!("oci:{}:1.2", world.text("layout"));
                run("skopeo", &["copy", "--dest-compress-format", "gzip", &from, &copy]);
                "copy"
            }
            _ => "layout",
        };
        assert_same(&world.unpacked(layout), &facts(&tree));
    }
}

#[test]
fn layers_together_are_the_tree() {
    let world = World::new();
    let tree = sample(&world);
    let data = Group { name: "data".to_owned(), origins: vec!["da*".to_owned()], paths: vec!["/dev".parse().unwrap()] };
    for layers in [split(&tree, &[data], "rest").unwrap(), split_evenly(&tree, 4).unwrap()] {
        assert!(layers.len() > 1);
        world.layout(&layers, Compression::Gzip(1), "layout");
        assert_same(&world.unpacked("layout"), &facts(&tree));
    }
}

/// A change in one package leaves the other layers as they are.
#[test]
fn unchanged_layers_keep_their_digest() {
    let world = World::new();
    let mut tree = sample(&world);
    let groups =
        ["tool", "data"].map(|name| Group { name: name.into(), paths: Vec::new(), origins: vec![name.into()] });
    let before = world.layout(&split(&tree, &groups, "rest").unwrap(), Compression::Zstd(3), "layout");
    let other = world.file(b"other\n");
    add(&mut tree, "/usr/share/big", other, "data-2.1-1.noarch", |_| {});
    let after = world.layout(&split(&tree, &groups, "rest").unwrap(), Compression::Zstd(3), "layout");
    let same: Vec<bool> = before.layers.iter().zip(&after.layers).map(|(one, two)| one.digest == two.digest).collect();
    assert_eq!(same, [true, false, true]);
    assert_ne!(before.manifest, after.manifest);
    // The old one is gone as a whole.
    assert_eq!(digests(&world.path("layout/blobs")).len(), 5);
    assert_eq!(world.left(), ["layout"]);
}

#[test]
fn a_difference_takes_away_and_adds() {
    let world = World::new();
    let base = sample(&world);
    let mut whole = base.clone();
    whole.remove(&"/usr/share/big".parse().unwrap());
    whole.remove(&"/closed".parse().unwrap());
    whole.remove(&"/dev/null".parse().unwrap());
    let (new, more) = (world.file(b"new"), world.file(b"more"));
    add(&mut whole, "/dev/null", new.clone(), "driver", |_| {});
    add(&mut whole, "/usr/lib/driver", new, "driver", |entry| entry.mode = 0o755);
    add(&mut whole, "/usr/bin/tool", more, "driver", |entry| entry.mode = 0o755);
    let layer = Layer::between(&base, &whole, "driver").unwrap().unwrap();
    assert_eq!(layer.removed.iter().map(|path| path.as_str()).collect::<Vec<_>>(), ["/closed", "/usr/share/big"]);
    assert!(layer.tree.get("/usr/share/empty").is_none());
    world.layout(&[Layer::new(base, "base"), layer], Compression::Gzip(6), "layout");
    assert_same(&world.unpacked("layout"), &facts(&whole));
}

#[test]
fn the_same_everywhere() {
    let (one, two) = (World::new(), World::new());
    let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
    for compression in [Compression::Gzip(6), Compression::Zstd(3)] {
        let layout = |world: &World, name: &str| world.layout(&[Layer::new(sample(world), "all")], compression, name);
        let first = threads(1).install(|| layout(&one, "layout"));
        std::fs::create_dir_all(two.path("another/place")).unwrap();
        let second = threads(3).install(|| layout(&two, "another/place/layout"));
        // Once more, now with the layer of the store.
        let third = layout(&two, "layout");
        assert_eq!(first, second);
        assert_eq!(first, third);
        let expected = digests(&one.path("layout"));
        assert_eq!(digests(&two.path("another/place/layout")), expected);
        assert_eq!(digests(&two.path("layout")), expected);
        for path in ["another/place/layout", "layout"] {
            std::fs::remove_dir_all(two.path(path)).unwrap();
        }
    }
}

#[test]
fn an_ordinary_user_unpacks_it() {
    let world = World::new();
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::set_permissions(place.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut tree = sample(&world);
    // What only root makes is nothing for this.
    for path in ["/dev/null", "/dev/disk"] {
        tree.remove(&path.parse().unwrap());
    }
    world.layout(&[Layer::new(tree.clone(), "all")], Compression::Gzip(6), "layout");
    let (layout, bundle) = (place.path().join("layout"), place.path().join("bundle"));
    run("cp", &["-r", &world.text("layout"), layout.to_str().unwrap()]);
    run("chown", &["-R", "nobody", layout.to_str().unwrap()]);
    let image = format!("{}:1.2", layout.display());
    let bundle_text = bundle.to_str().unwrap();
    run(
        "setpriv",
        &[
            "--reuid",
            "nobody",
            "--clear-groups",
            "env",
            "HOME=/nonexistent",
            "umoci",
            "unpack",
            "--rootless",
            "--image",
            &image,
            bundle_text,
        ],
    );
    for (path, entry) in tree.iter() {
        if let Kind::File(digest) = &entry.kind {
            let found = std::fs::read(bundle.join("rootfs").join(path.relative())).unwrap();
            assert_eq!(Digest::of(&found), *digest, "{path}");
        }
    }
}
