//! Good configs.

use crate::support::{good, load_files, tell};

#[test]
fn a_small_config_has_its_defaults() {
    let config = good(&[("node.toml", "name = \"node\"\n")]);
    assert_eq!(config.name.as_str(), "node");
    assert_eq!(config.architecture.word(), "x86_64");
    assert_eq!(config.packages.locales.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["C.UTF-8"]);
    assert!(!*config.packages.documentation);
    assert_eq!(config.system.timezone.as_str(), "UTC");
}

#[test]
fn keys_with_dots_are_keys_of_sysctl() {
    let text = "name = \"node\"\n[sysctl]\nnet.ipv4.ip_forward = 1\n\"kernel.kptr_restrict\" = \"2\"\n";
    let config = good(&[("node.toml", text)]);
    let pairs: Vec<(String, String)> =
        config.sysctl.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    assert_eq!(
        pairs,
        [("kernel.kptr_restrict".to_owned(), "2".to_owned()), ("net.ipv4.ip_forward".to_owned(), "1".to_owned())]
    );
}

#[test]
fn a_config_is_laid_over_the_one_that_it_inherits() {
    let base = "name = \"base\"\n[packages]\ninstall = [\"a\", \"vim\"]\n[[user]]\nname = \"core\"\nuid = 1000\n\
                [[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n[sysctl]\nkernel.panic = 1\n";
    let node = "name = \"node\"\ninherit = \"lib/base.toml\"\nforget = [\"packages.install=vim\"]\n[packages]\ninstall = [\"b\"]\n\
                [[user]]\nname = \"core\"\nshell = \"/bin/sh\"\n[[file]]\npath = \"/etc/issue\"\ncontent = \"x\"\n\
                [sysctl]\nkernel.panic = 2\n";
    let config = good(&[("node.toml", node), ("lib/base.toml", base), ("lib/motd", "hello")]);
    assert_eq!(config.packages.install.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.users.len(), 1);
    assert_eq!(config.users[0].uid.map(|uid| *uid), Some(1000));
    assert_eq!(config.users[0].shell.as_ref().unwrap().as_str(), "/bin/sh");
    assert_eq!(config.files[0].source.as_ref().unwrap().path.to_str(), Some("lib/motd"));
    assert_eq!(config.sysctl.0[0].1.to_string(), "2");
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let loaded = load_files(&[
        ("node.toml", "inherit = \"base.toml\"\nsise = 1\n[packages]\ninstal = [\"a\"]\n"),
        ("base.toml", "[storage]\nroot = \"readonly\"\n"),
    ]);
    let told = tell(&loaded.diagnostics, &loaded.sources);
    for says in [
        "unknown key `sise`",
        "did you mean `install`?",
        "base.toml:2:8",
        "did you mean `read-only`?",
        "`name` is missing",
    ] {
        assert!(told.contains(says), "{says} not in:\n{told}");
    }
}

/// Files that `complete.toml` names.
const FILES: [(&str, &str); 3] = [("repository/a.rpm", ""), ("keys/os.asc", ""), ("files/secret", "")];

#[test]
fn a_config_with_everything_is_good() {
    let mut files = vec![("node.toml", include_str!("../data/complete.toml"))];
    files.extend(FILES);
    let config = good(&files);
    let layout = config.storage.layout();
    let told: Vec<String> = layout
        .iter()
        .map(|one| {
            let mount = one.mount.as_ref().map_or("-", |mount| mount.as_str());
            format!("{} {} {} {} {mount}", one.kind, one.label, *one.size, *one.filesystem)
        })
        .collect();
    // The signature that `verity` asks for has no partition in the config.
    assert_eq!(
        told,
        [
            "esp esp 256M vfat /boot",
            "root root-a minimal erofs /",
            "root-verity-sig root-verity-sig minimal none -",
            "root-verity root-verity 64M none -",
            "linux-generic data 1G xfs /data",
            "var var grow ext4 /var"
        ]
    );
    assert!(layout[1].is_read_only && !layout[5].is_read_only);
    assert_eq!(config.storage.etc_access().map(|access| access.word()), Some("overlay"));
    assert_eq!(config.storage.var_access(), None);
}

#[test]
fn a_chain_is_laid_over_each_other_from_its_far_end() {
    let far = "name = \"far\"\ndescription = \"far\"\n[oci]\nentrypoint = [\"/bin/sh\", \"-c\"]\n[[file]]\npath = \"/a\"\nsource = \"a\"\n\
               [[repository]]\nname = \"os\"\npath = \"r\"\nkey = \"k\"\n[[user]]\nname = \"debug\"\n\
               [kernel.modules]\nload = [\"x\", \"y\"]\noptions = { x = \"a=1\", y = \"b=2\" }\n";
    let middle = "inherit = \"far/far.toml\"\nforget = [\"user=debug\", \"kernel.modules.options=x\"]\ndescription = \"middle\"\n\
                  [[repository]]\nname = \"os\"\nurl = \"https://example.com/os\"\n\
                  [[storage.partition]]\ntype = \"root\"\nsize = \"1G\"\n[[storage.partition]]\ntype = \"linux-generic\"\nlabel = \"data\"\nsize = \"1G\"\n";
    let near = "inherit = \"lib/middle.toml\"\nforget = [\"kernel.modules.load\"]\nname = \"near\"\n[oci]\nentrypoint = [\"/init\"]\n\
                [[file]]\npath = \"/a\"\ncontent = \"new\"\nmode = \"0600\"\n[kernel.modules]\nload = [\"z\"]\n\
                [boot]\nkind = \"none\"\n[[storage.partition]]\ntype = \"linux-generic\"\nlabel = \"data\"\nfilesystem = \"xfs\"\n\
                [[storage.partition]]\ntype = \"linux-generic\"\nlabel = \"more\"\n[output]\nformats = [\"oci\"]\n";
    let config = good(&[
        ("node.toml", near),
        ("lib/middle.toml", middle),
        ("lib/far/far.toml", far),
        ("lib/far/a", ""),
        ("lib/far/r/x.rpm", ""),
        ("lib/far/k", ""),
    ]);
    assert_eq!((config.name.as_str(), config.description.unwrap().as_str()), ("near", "middle"));
    assert_eq!(config.oci.entrypoint.0.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["/init"]);
    // The nearer of two keys that exclude each other stays; what the item said else is kept.
    assert!(config.files[0].source.is_none() && config.files[0].content.is_some());
    assert!(config.repositories[0].path.is_none() && config.repositories[0].url.is_some());
    assert_eq!(config.repositories[0].key.path.to_str(), Some("lib/far/k"));
    assert!(config.users.is_empty() && config.forget.len() == 1);
    assert_eq!(config.kernel.modules.load.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["z"]);
    assert_eq!(config.kernel.modules.options.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["y"]);
    let partitions: Vec<String> =
        config.storage.layout().iter().map(|one| format!("{} {} {}", one.label, *one.size, *one.filesystem)).collect();
    assert_eq!(partitions, ["root 1G ext4", "data 1G xfs", "more minimal ext4"]);
}

#[test]
fn a_config_with_any_line_missing_or_broken_is_told_about_and_not_stumbled_over() {
    let whole = include_str!("../data/complete.toml");
    let count = whole.lines().count();
    for at in 0..count {
        for broken in ["", "x = [", "zzz = 1", "type = 3", "name = \"?\""] {
            let lines = whole.lines().enumerate().map(|(n, line)| if n == at { broken } else { line });
            let text = lines.collect::<Vec<_>>().join("\n");
            let mut files = vec![("node.toml", text.as_str())];
            files.extend(FILES);
            let loaded = load_files(&files);
            let is_bad = loaded.diagnostics.iter().any(bedplate_diag::Diagnostic::is_error);
            assert_eq!(loaded.config.is_none(), is_bad, "line {}: {broken}", at + 1);
            assert!(broken.is_empty() || is_bad, "line {}: {broken}", at + 1);
            for one in &loaded.diagnostics {
                assert!(one.hint.is_some(), "line {}: {broken}: {}", at + 1, one.message);
                let span = one.span.expect("every mistake has a place");
                assert!(span.end as usize <= text.len(), "line {}: {broken}", at + 1);
            }
        }
    }
}
