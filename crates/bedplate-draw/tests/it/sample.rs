//! Graphs like those of a distribution: few packages that everything needs, many that need a few, and some with long names.

use bedplate_draw::{Drawing, Edge, EdgeClass, Node, NodeClass};

const NAMES: [&str; 40] = [
    "glibc",
    "gcc",
    "binutils",
    "bash",
    "zlib",
    "ncurses",
    "perl",
    "python3",
    "openssl",
    "systemd",
    "util-linux",
    "coreutils",
    "libxml2",
    "cmake",
    "meson",
    "krb5",
    "curl",
    "rpm",
    "dbus",
    "pam",
    "grub2",
    "kernel",
    "lvm2",
    "cryptsetup",
    "python-sphinxcontrib-htmlhelp",
    "perl-Module-Build-Tiny",
    "containerd",
    "runc",
    "golang",
    "rust",
    "llvm",
    "elfutils",
    "libselinux",
    "audit",
    "iptables",
    "nftables",
    "chrony",
    "moby-engine",
    "kubernetes",
    "libseccomp",
];

/// A generator of numbers that are the same everywhere (Knuth's linear congruence).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// A graph of so many nodes. The second wave is the widest, the later ones thin out.
pub(crate) fn sample(count: usize) -> Drawing {
    let mut numbers = Numbers(count as u64);
    let waves = 4 + count.ilog2() as usize / 2 + count / 120;
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    for at in 0..count {
        let base = NAMES[at % NAMES.len()];
        let label = match at / NAMES.len() {
            0 => base.to_owned(),
            1 => format!("python-{base}"),
            round => format!("{base}-plugin-{round}"),
        };
        let group = if at < 3 {
            at
        } else {
            // The smaller of two throws: skewed to the lower waves.
            1 + numbers.below(waves - 1).min(numbers.below(waves - 1))
        };
        nodes.push(Node {
            sublabel: format!(
                "{}.{}.{}-{}.azl4",
                numbers.below(9),
                numbers.below(40),
                numbers.below(9),
                1 + numbers.below(5)
            ),
            tooltip: format!("specs/{label}/{label}.spec"),
            seconds: (numbers.below(12) != 0).then(|| (5 + numbers.below(40) * numbers.below(40)) as f64),
            class: match numbers.below(24) {
                0 => NodeClass::Prebuilt,
                1 => NodeClass::Check,
                2 if count < 100 => NodeClass::Failed,
                _ if group == 0 => NodeClass::Seed,
                _ => NodeClass::Build,
            },
            ..Node::new(label, group as u32)
        });
    }
    let mut edges = Vec::new();
    for from in 0..count {
        let lower: Vec<usize> = (0..count).filter(|to| nodes[*to].group < nodes[from].group).collect();
        if lower.is_empty() {
            continue;
        }
        for _ in 0..1 + numbers.below(5) {
            // Half of all needs are hubs.
            let to = if numbers.below(2) == 0 {
                lower[numbers.below(lower.len().min(6))]
            } else {
                lower[numbers.below(lower.len())]
            };
            let class = if numbers.below(10) == 0 { EdgeClass::Guess } else { EdgeClass::Needs };
            let label = format!("pkgconfig({})", nodes[to].label);
            edges.push(Edge { from, to, label, class });
        }
    }
    mark_critical_path(&mut nodes, &mut edges, waves as u32);
    // A cycle that was cut: an early node needs a late one.
    if count > 6 {
        let late = (0..count).rev().find(|at| nodes[*at].group >= 2).unwrap_or(0);
        edges.push(Edge {
            from: 1,
            to: late,
            label: "BuildRequires: docs (gcc.spec:41)".into(),
            class: EdgeClass::Cut,
        });
        edges.push(Edge { from: 1, to: 1, label: "gcc".into(), class: EdgeClass::Cut });
        nodes[1].class = NodeClass::Cycle;
    }
    Drawing::new(format!("Build graph of {count} packages"), nodes, edges).expect("the generator names its own nodes")
}

fn mark_critical_path(nodes: &mut [Node], edges: &mut Vec<Edge>, waves: u32) {
    let mut before: Option<usize> = None;
    for wave in 0..waves {
        let longest = (0..nodes.len())
            .filter(|at| nodes[*at].group == wave)
            .max_by(|a, b| nodes[*a].seconds.unwrap_or(0.0).total_cmp(&nodes[*b].seconds.unwrap_or(0.0)));
        let Some(node) = longest else { continue };
        nodes[node].critical = true;
        if let Some(to) = before {
            edges.push(Edge { from: node, to, label: "critical".into(), class: EdgeClass::Critical });
        }
        before = Some(node);
    }
}
