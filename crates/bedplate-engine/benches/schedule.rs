//! How near the scheduler comes to what is possible: `cargo bench -p bedplate-engine --bench schedule`.
//!
//! Generated graphs of 338 nodes, shaped as a distribution: some 15 levels, most times short, a few very long (compilers, the
//! kernel). The real scheduler runs each with a clock that jumps, with 2 to 64 workers, and its time is compared with the lower bound:
//! no schedule is shorter than the critical path, or than all work over all workers. The result is one JSON object for
//! `ci/bench`: for each number of workers the worst ratio of all graphs, and the time of the slowest simulation.
#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

use std::time::Instant;

use bedplate_engine::{Limits, NewNode, NodeId, NodeKind, Scheduler, Work, simulate};
use serde_json::json;

const NODES: usize = 338;
const BUILDS: usize = 230;
const LEVELS: usize = 15;
const WORKERS: [usize; 5] = [2, 4, 8, 16, 64];
const GRAPHS: u64 = 20;

/// Sources that take long: their level and their seconds.
const GIANTS: [(usize, f64); 6] = [(2, 1500.0), (4, 2400.0), (6, 1800.0), (7, 1200.0), (9, 2100.0), (12, 900.0)];

/// Numbers that look random and are the same everywhere (the generator of Knuth's MMIX).
struct Random(u64);

impl Random {
    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a bound.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small numbers"
    )]
    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }

    /// A time in seconds: the logarithm is normal (twelve units less six are, nearly), the middle is half a minute.
    fn seconds(&mut self) -> f64 {
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (30.0_f64.ln() + 1.1 * normal).exp()
    }
}

/// A distribution: builds in levels, each of which needs one of the level before and some of any before; a check for some.
fn distribution(seed: u64) -> Work {
    let mut random = Random(seed);
    let mut work = Work::new();
    let mut levels: Vec<Vec<NodeId>> = vec![Vec::new(); LEVELS];
    let mut giants = GIANTS.iter().copied().peekable();
    for at in 0..BUILDS {
        // Every level has its share; the lower ones, of libraries, have more.
        let level = at * LEVELS / BUILDS;
        let giant = giants.next_if(|(of, _)| *of <= level);
        let seconds = giant.map_or_else(|| random.seconds(), |(_, seconds)| seconds);
        let name = format!("source{at}");
        let node = work.add(NewNode { name, kind: NodeKind::Build, seconds, memory: None });
        if level > 0 {
            let mut need = |from: &[NodeId], random: &mut Random| {
                work.need(node, from[random.below(from.len())]).expect("only earlier ones are needed");
            };
            need(&levels[level - 1], &mut random);
            for _ in 0..random.below(6) {
                let from = random.below(level);
                need(&levels[from], &mut random);
            }
        }
        levels[level].push(node);
    }
    for at in 0..NODES - BUILDS {
        let build = NodeId(u32::try_from(at * 2 % BUILDS).expect("small numbers"));
        let seconds = (work.seconds(build) * (0.2 + random.unit())).min(900.0);
        let name = work.name(build).to_owned();
        let check = work.add(NewNode { name, kind: NodeKind::Check, seconds, memory: None });
        work.need(check, build).expect("a check is new");
    }
    work
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn main() {
    let mut worst = vec![0.0_f64; WORKERS.len()];
    let mut slowest = 0.0_f64;
    let (mut critical_sum, mut work_sum) = (0.0, 0.0);
    for seed in 0..GRAPHS {
        let mut work = distribution(seed);
        assert_eq!(work.len(), NODES);
        let all: f64 = work.nodes().map(|node| work.seconds(node)).sum();
        let critical = work.nodes().map(|node| work.remaining(node)).fold(0.0, f64::max);
        critical_sum += critical;
        work_sum += all;
        for (jobs, worst) in WORKERS.into_iter().zip(&mut worst) {
            let scheduler = Scheduler::new(work.clone(), Limits { jobs, ..Limits::default() });
            let started = Instant::now();
            let spans = simulate(&scheduler, |_| 0.0);
            slowest = slowest.max(started.elapsed().as_secs_f64());
            assert_eq!(spans.len(), NODES, "all is done");
            let took = spans.iter().map(|span| span.end).fold(0.0, f64::max);
            let bound = critical.max(all / jobs as f64);
            assert!(took >= bound - 1e-6, "no schedule is shorter than the bound");
            *worst = worst.max(took / bound);
        }
    }
    let ratios: serde_json::Map<String, serde_json::Value> =
        WORKERS.iter().zip(&worst).map(|(workers, ratio)| (workers.to_string(), json!(ratio))).collect();
    println!(
        "{}",
        json!({
            "nodes": NODES, "graphs": GRAPHS, "worst_ratio": ratios, "slowest_simulation_s": slowest,
            "mean_critical_s": critical_sum / GRAPHS as f64, "mean_work_s": work_sum / GRAPHS as f64,
        })
    );
}
