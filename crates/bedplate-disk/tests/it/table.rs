//! Partition tables as sgdisk and sfdisk read them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use bedplate_disk::{
    Attributes, DiskSize, Format, LayoutRequest, PartitionRequest, PartitionSize, PartitionTable, PartitionType,
    Source, Target, content_uuid, layout, open_image, write_all,
};

use crate::common::{arguments, good, noise, options, run};

fn partition(kind: &str, label: &str, content: u64, size: PartitionSize, attributes: Attributes) -> PartitionRequest {
    PartitionRequest {
        kind: PartitionType::named(kind, "x86_64").unwrap(),
        guid: content_uuid(&[label.as_bytes()]),
        label: label.to_owned(),
        attributes,
        content,
        size,
    }
}

fn node() -> LayoutRequest {
    let content = PartitionSize::Content;
    let read_only = Attributes::READ_ONLY;
    LayoutRequest {
        size: DiskSize::Fixed(64 << 20),
        partitions: vec![
            partition("esp", "esp", 5000, PartitionSize::Fixed(8 << 20), Attributes::NO_AUTO),
            partition("root", "root-ä", 3_000_001, content, read_only.with(Attributes::GROW_FILE_SYSTEM)),
            partition("root-verity", "root-verity", 9000, content, read_only),
            partition("var", "var", 0, PartitionSize::Grow { at_least: 1 }, Attributes::GROW_FILE_SYSTEM),
        ],
        ..LayoutRequest::new(content_uuid(&[b"disk"]))
    }
}

#[test]
fn sgdisk_and_sfdisk_accept_the_table_and_read_what_we_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    let request = node();
    let layout = layout(&request).unwrap();
    let contents = vec![Some(Source::Bytes(noise(1, 5000))), Some(Source::Bytes(noise(2, 3_000_001))), None, None];
    let disk = layout.disk(contents).unwrap();
    let target = Target { path: path.clone(), format: Format::Raw, packing: None };
    write_all(&disk, &[target], options()).unwrap();

    let verdict = good("sgdisk", arguments!["-v", &path]);
    assert!(verdict.contains("No problems found"), "{verdict}");
    let verdict = good("sfdisk", arguments!["--verify", &path]);
    assert!(verdict.contains("No errors detected"), "{verdict}");

    let found: serde_json::Value = serde_json::from_str(&good("sfdisk", arguments!["-J", &path])).unwrap();
    let found = &found["partitiontable"];
    assert_eq!(found["label"], "gpt");
    assert_eq!(found["id"].as_str().unwrap().to_lowercase(), request.guid.to_string());
    assert_eq!(found["sectorsize"], 512);
    assert_eq!((&found["firstlba"], &found["lastlba"]), (&34.into(), &(131072 - 34).into()));
    let partitions = found["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 4);
    for (found, expected) in partitions.iter().zip(&layout.table.partitions) {
        let text = |key: &str| found[key].as_str().unwrap();
        assert_eq!(text("type").to_lowercase(), expected.kind.guid().to_string());
        assert_eq!(text("uuid").to_lowercase(), expected.guid.to_string());
        assert_eq!(text("name"), expected.label);
        assert_eq!(found["start"], expected.offset / 512);
        assert_eq!(found["size"], expected.length / 512);
    }
    let flags: Vec<&str> = partitions.iter().map(|found| found["attrs"].as_str().unwrap()).collect();
    assert_eq!(flags, ["GUID:63", "GUID:59,60", "GUID:60", "GUID:59"]);

    let mut image = open_image(&path).unwrap();
    let size = image.size();
    let read = PartitionTable::read(&mut image, size).unwrap();
    assert_eq!(read.table, layout.table);
    assert_eq!(read.problems, []);

    // Both see damage.
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"X", size - 512).unwrap();
    let output = run("sgdisk", arguments!["-v", &path]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("invalid backup GPT header"), "{output:?}");
    assert_eq!(PartitionTable::read(&mut open_image(&path).unwrap(), size).unwrap().problems.len(), 1);
}

#[test]
fn tables_of_sgdisk_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    File::create(&path).unwrap().set_len(32 << 20).unwrap();
    let script = "-n 3:2048:4095 -t 3:8304 -c 3:third -A 3:set:60 -n 1:8192:0 -t 1:ef00 -c 1:first";
    let mut call: Vec<&std::ffi::OsStr> = script.split(' ').map(std::ffi::OsStr::new).collect();
    call.push(path.as_os_str());
    good("sgdisk", &call);
    let mut image = open_image(&path).unwrap();
    let size = image.size();
    let read = PartitionTable::read(&mut image, size).unwrap();
    assert_eq!(read.problems, []);
    let facts: Vec<_> = read
        .table
        .partitions
        .iter()
        .map(|one| (one.label.as_str(), one.kind.to_string(), one.offset / 512, one.length / 512, one.attributes))
        .collect();
    assert_eq!(
        facts,
        [
            ("first", "esp".to_owned(), 8192, 65536 - 34 - 8192 + 1, Attributes::default()),
            ("third", "root-x86-64".to_owned(), 2048, 2048, Attributes::READ_ONLY),
        ]
    );
}

/// The GUIDs are those that util-linux has, by its own names.
#[test]
fn partition_types_are_those_of_the_specification() {
    let listing = good("sfdisk", arguments!["--label", "gpt", "--list-types"]).to_lowercase();
    for (name, expected) in [
        ("esp", "efi system"),
        ("xbootldr", "linux extended boot"),
        ("swap", "linux swap"),
        ("home", "linux home"),
        ("srv", "linux server data"),
        ("var", "linux variable data"),
        ("tmp", "linux temporary data"),
        ("linux-generic", "linux filesystem"),
        ("root-x86-64", "linux root (x86-64)"),
        ("root-x86-64-verity", "linux root verity (x86-64)"),
        ("root-x86-64-verity-sig", "linux root verity sign. (x86-64)"),
        ("usr-x86-64", "linux /usr (x86-64)"),
        ("usr-x86-64-verity", "linux /usr verity (x86-64)"),
        ("usr-x86-64-verity-sig", "linux /usr verity sign. (x86-64)"),
        ("root-arm64", "linux root (arm-64)"),
        ("root-arm64-verity", "linux root verity (arm-64)"),
        ("root-arm64-verity-sig", "linux root verity sign. (arm-64)"),
        ("usr-arm64", "linux /usr (arm-64)"),
        ("usr-arm64-verity", "linux /usr verity (arm-64)"),
        ("usr-arm64-verity-sig", "linux /usr verity sign. (arm-64)"),
    ] {
        let guid = name.parse::<PartitionType>().unwrap().guid().to_string();
        let line = listing.lines().find(|line| line.starts_with(&guid)).unwrap_or_else(|| panic!("{name}: no {guid}"));
        assert_eq!(line[guid.len()..].trim(), expected, "{name}");
    }
    assert_eq!(PartitionType::names().count(), 20);
}

/// A disk with sectors of 4096 bytes, as sfdisk reads it when it is told so.
#[test]
fn sectors_of_4096_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    let mut request = node();
    request.sector_size = bedplate_disk::SectorSize::Bytes4096;
    let layout = layout(&request).unwrap();
    let disk = layout.disk(vec![None, None, None, None]).unwrap();
    write_all(&disk, &[Target { path: path.clone(), format: Format::Raw, packing: None }], options()).unwrap();
    let mut image = open_image(&path).unwrap();
    let size = image.size();
    let read = PartitionTable::read(&mut image, size).unwrap();
    assert_eq!((&read.table, &read.problems[..]), (&layout.table, &[][..]));
    let listing = good("fdisk", arguments!["-b", "4096", "-l", "-o", "Start,Sectors", &path]);
    let numbers = |line: &str| line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<u64>>>();
    let found: Vec<Vec<u64>> = listing.lines().filter_map(numbers).filter(|numbers| numbers.len() == 2).collect();
    let expected: Vec<Vec<u64>> =
        layout.table.partitions.iter().map(|one| vec![one.offset / 4096, one.length / 4096]).collect();
    assert_eq!(found, expected, "{listing}");
}
