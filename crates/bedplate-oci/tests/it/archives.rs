//! Archives for `docker load`, and of the root.

use bedplate_cas::Digest;
use bedplate_oci::{Compression, Image, Layer, split_evenly, write_docker_archive, write_root_archive};

use crate::support::{World, assert_same, config, facts, facts_of_folder, run, sample};

#[test]
fn skopeo_reads_the_archive_for_docker() {
    let world = World::new();
    let tree = sample(&world);
    let mut layers = split_evenly(&tree, 3).unwrap();
    // The same layer twice is there once.
    layers.push(layers[0].clone());
    let config = config();
    let image =
        Image { layers: &layers, config: &config, compression: Compression::Gzip(6), name: Some("example/node:1.2") };
    let written = write_docker_archive(&world.store, &image, &world.path("image.tar")).unwrap();
    let archive = format!("docker-archive:{}", world.text("image.tar"));
    let about: serde_json::Value = serde_json::from_str(&run("skopeo", &["inspect", &archive])).unwrap();
    assert_eq!(about["Created"], "2023-11-14T22:13:20Z");
    assert_eq!(about["Labels"]["a"], "1");
    let tags: serde_json::Value = serde_json::from_str(&run("skopeo", &["list-tags", &archive])).unwrap();
    assert_eq!(tags["Tags"], serde_json::json!(["example/node:1.2"]));
    run("skopeo", &["copy", &archive, &format!("dir:{}", world.text("dir"))]);
    run("skopeo", &["copy", &archive, &format!("oci:{}:1.2", world.text("copy"))]);
    assert_same(&world.unpacked("copy"), &facts(&tree));

    // It is the image that the layout has, and the same bytes the next time.
    let layout = world.layout(&layers, Compression::Gzip(6), "layout");
    assert_eq!(layout.config, written.config);
    let bytes = std::fs::read(world.path("image.tar")).unwrap();
    let other = World::new();
    let layers = {
        let tree = sample(&other);
        let mut layers = split_evenly(&tree, 3).unwrap();
        layers.push(layers[0].clone());
        layers
    };
    let image = Image { layers: &layers, ..image };
    write_docker_archive(&other.store, &image, &other.path("image.tar")).unwrap();
    assert!(bytes == std::fs::read(other.path("image.tar")).unwrap());
    let names = run("tar", &["-tf", &world.text("image.tar")]);
    assert_eq!(names.lines().filter(|name| name.ends_with(".tar")).count(), layers.len() - 1, "{names}");
}

#[test]
fn tar_unpacks_the_root() {
    let world = World::new();
    let tree = sample(&world);
    let mut sizes = Vec::new();
    for (compression, option) in
        [(Compression::None, "--no-auto-compress"), (Compression::Gzip(9), "--gzip"), (Compression::Zstd(9), "--zstd")]
    {
        let name = format!("root.tar{}", compression.suffix());
        let digest = write_root_archive(&world.store, &tree, compression, &world.path(&name)).unwrap();
        let bytes = std::fs::read(world.path(&name)).unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        sizes.push(bytes.len());
        std::fs::create_dir(world.path("root")).unwrap();
        let (archive, folder) = (world.text(&name), world.text("root"));
        run(
            "tar",
            &[
                "--xattrs",
                "--xattrs-include=*",
                "--numeric-owner",
                "--delay-directory-restore",
                "-p",
                option,
                "-xf",
                &archive,
                "-C",
                &folder,
            ],
        );
        assert_same(&facts_of_folder(&world.path("root")), &facts(&tree));
        std::fs::remove_dir_all(world.path("root")).unwrap();
    }
    assert!(sizes[1] < sizes[0] && sizes[2] < sizes[1], "{sizes:?}");
}

/// Nothing that a tree cannot have: an image of no files is one too.
#[test]
fn an_empty_image() {
    let world = World::new();
    let layers = [Layer::new(bedplate_tree::FileTree::new(), "")];
    world.layout(&layers, Compression::Gzip(6), "layout");
    assert_eq!(world.unpacked("layout").len(), 1);
}
