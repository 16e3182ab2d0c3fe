//! What goes wrong is said, and leaves nothing behind.

use bedplate_cas::Digest;
use bedplate_diag::Category;
use bedplate_oci::{
    Compression, Image, Layer, OciError, write_docker_archive, write_folder, write_layout, write_root_archive,
};
use bedplate_tree::Kind;

use crate::support::{World, add, config, sample};

#[test]
fn a_content_that_is_not_there() {
    let world = World::new();
    let mut tree = sample(&world);
    add(&mut tree, "/usr/lost", Kind::File(Digest::of(b"nowhere")), "x", |_| {});
    let (layers, config) = ([Layer::new(tree.clone(), "")], config());
    let image = Image { layers: &layers, config: &config, compression: Compression::Gzip(6), name: None };
    let errors: [OciError; 4] = [
        write_layout(&world.store, &image, &world.path("x")).unwrap_err(),
        write_docker_archive(&world.store, &image, &world.path("x")).unwrap_err(),
        write_root_archive(&world.store, &tree, Compression::None, &world.path("x")).unwrap_err(),
        write_folder(&world.store, &tree, &world.path("x"), |_| false).unwrap_err(),
    ];
    for error in errors {
        let chain = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(chain.contains("/usr/lost") || chain.contains(&Digest::of(b"nowhere").hex()), "{chain}");
        assert_eq!(error.category(), Category::Environment);
    }
    assert!(world.left().is_empty(), "{:?}", world.left());
}

#[test]
fn names_that_mean_something_else() {
    let world = World::new();
    let mut tree = sample(&world);
    for path in ["/usr/.wh.x", "/.wh..wh..opq"] {
        add(&mut tree, path, Kind::Fifo, "x", |_| {});
    }
    let (layers, config) = ([Layer::new(tree, "")], config());
    let image = Image { layers: &layers, config: &config, compression: Compression::Gzip(6), name: None };
    let error = write_layout(&world.store, &image, &world.path("x")).unwrap_err();
    assert!(error.to_string().starts_with("`/.wh..wh..opq`, `/usr/.wh.x` cannot be in a layer"), "{error}");
    assert_eq!(error.category(), Category::Input);
    let bad = Image { name: Some("Node:1"), ..image };
    let error = write_layout(&world.store, &bad, &world.path("x")).unwrap_err();
    assert!(error.to_string().starts_with("`Node:1` is no name of an image"), "{error}");
}

#[test]
fn what_is_there_and_not_ours_stays() {
    let world = World::new();
    let tree = sample(&world);
    let (layers, config) = ([Layer::new(tree, "")], config());
    let image = Image { layers: &layers, config: &config, compression: Compression::Gzip(1), name: None };
    let target = world.path("home");
    std::fs::create_dir(&target).unwrap();
    // An empty one may be taken.
    write_layout(&world.store, &image, &target).unwrap();
    std::fs::remove_file(target.join("oci-layout")).unwrap();
    let error = write_layout(&world.store, &image, &target).unwrap_err();
    assert!(error.to_string().ends_with("is there and is no OCI image layout"), "{error}");
    let error = write_layout(&world.store, &image, &world.path("no/such/folder")).unwrap_err();
    assert!(error.to_string().contains("no/such"), "{error}");
}
