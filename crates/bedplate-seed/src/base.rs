//! Files that are in every root, and are of no package: written here, so that they never depend on what is installed.

/// Path and content of each; all have mode 0644.
pub(crate) const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\n\
         builder:x:1000:1000:builder:/build:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\ntty:x:5:\nbuilder:x:1000:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost bedplate\n::1 localhost bedplate\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
    ),
    // Libraries of packages that we build come last: tools of the seed run with those of the seed.
    ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n/usr/lib64\n"),
];
