//! The example of docs/image-config.md.

use bedplate_image_config::{PartitionType, Verity};

use crate::support::good;

#[test]
fn the_example_of_the_page_is_good() {
    let page = include_str!("../../../../docs/image-config.md");
    let blocks: Vec<(&str, &str)> =
        page.split("```toml\n# ").skip(1).filter_map(|block| block.split_once("\n```")?.0.split_once('\n')).collect();
    assert_eq!(blocks.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["base.toml", "node.toml"]);
    let mut files = vec![("out/repository/a.rpm", ""), ("keys/os.asc", ""), ("files/motd", "")];
    files.extend(blocks);
    let config = good(&files);
    assert_eq!(config.packages.install.len(), 7);
    let added: Vec<&str> = config.kernel.command_line.add.iter().map(|one| one.as_str()).collect();
    assert_eq!(added, ["lockdown=integrity"]);
    let kinds: Vec<PartitionType> = config.storage.layout().iter().map(|one| one.kind).collect();
    use PartitionType::{Esp, Root, RootVerity, Var};
    assert_eq!(kinds, [Esp, Root, RootVerity, Var]);
    assert_eq!(*config.storage.partitions[1].verity, Verity::Hash);
    let options: Vec<&str> = config.storage.partitions[2].options.iter().map(|one| one.as_str()).collect();
    assert_eq!(options, ["nodev", "nosuid", "noexec"]);
}
