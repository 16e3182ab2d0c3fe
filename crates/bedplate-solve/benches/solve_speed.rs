//! Time of the solver on a universe of 5,000 packages and 50,000 files: `cargo bench -p bedplate-solve`.
//!
//! Packages are in layers, each requires some of lower layers: by name, by a versioned name, by a capability that several
//! provide, by a path. One closure of about 400 packages is solved cold (index, preparation, search), and 1,500 closures of
//! about 100 packages warm. The result is one JSON object.
#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

use std::time::{Duration, Instant};

use bedplate_model::{BinaryPackage, Dependency, FileKind, PackageFile, Sense};
use bedplate_solve::{Item, Options, Repository, Solver, Universe};

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PACKAGES: usize = 5_000;
const FILES: usize = 10;
/// Packages that most others require.
const BASE: usize = 60;
const SMALL_SOLVES: usize = 1_500;

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn main() {
    // `cargo bench` adds this flag; `cargo test --benches` does not, and has no use for times.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds = 7;
    let repositories = repositories();
    let big = request(&repositories, 400);
    let cold = (0..rounds).map(|_| cold(repositories.clone(), &big)).min_by_key(|time| time.total).expect("rounds > 0");
    let universe = Universe::new(repositories.clone());
    let mut solver = Solver::new(&universe, Options::default());
    let smalls: Vec<Vec<Item>> = (0..SMALL_SOLVES).map(small).collect();
    let mut sizes = 0;
    let start = Instant::now();
    for items in &smalls {
        sizes += solver.solve(items).expect("every package can be installed").packages().len();
    }
    let small = start.elapsed();
    let broken: Vec<Item> = big.iter().cloned().chain(["breaker".parse().expect("a name is an item")]).collect();
    let start = Instant::now();
    let failure = solver.solve(&broken).expect_err("the breaker conflicts with what all need");
    let explain = start.elapsed();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{{\"packages\": {PACKAGES}, \"files\": {}, \"closure\": {}, \"index_ms\": {:.2}, \"prepare_ms\": {:.2}, \"solve_ms\": {:.2}, \
         \"cold_ms\": {:.2}, \"explain_ms\": {:.1}, \"reasons\": {}, \"small_solves\": {SMALL_SOLVES}, \"small_mean_packages\": {}, \"small_mean_us\": {:.1}}}",
        PACKAGES * FILES,
        cold.packages,
        millis(cold.index),
        millis(cold.prepare),
        millis(cold.solve),
        millis(cold.total),
        millis(explain),
        failure.problems.len(),
        sizes / SMALL_SOLVES,
        millis(small) * 1e3 / SMALL_SOLVES as f64,
    );
}

struct Cold {
    packages: usize,
    index: Duration,
    prepare: Duration,
    solve: Duration,
    total: Duration,
}

fn cold(repositories: Vec<Repository>, items: &[Item]) -> Cold {
    let start = Instant::now();
    let universe = Universe::new(repositories);
    let index = start.elapsed();
    let mut solver = Solver::new(&universe, Options::default());
    let prepare = start.elapsed() - index;
    let solution = solver.solve(items).expect("every package can be installed");
    let total = start.elapsed();
    Cold { packages: solution.packages().len(), index, prepare, solve: total - index - prepare, total }
}

/// As many of the upper packages as make a closure of about that size.
fn request(repositories: &[Repository], size: usize) -> Vec<Item> {
    let universe = Universe::new(repositories.to_vec());
    let mut solver = Solver::new(&universe, Options::default());
    let mut items = Vec::new();
    let mut at = PACKAGES - 1;
    while at > 0 {
        items.push(format!("package{at}").parse().expect("a name is an item"));
        if solver.solve(&items).is_ok_and(|solution| solution.packages().len() >= size) {
            break;
        }
        at -= 7;
    }
    items
}

/// A request with a closure of about 100 packages.
fn small(at: usize) -> Vec<Item> {
    let top = 900 + (at * 37) % (PACKAGES - 900);
    let item = |below| format!("package{}", top - below).parse().expect("a name is an item");
    (0..6).map(|number| item(number * 120)).collect()
}

fn repositories() -> Vec<Repository> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut packages: Vec<BinaryPackage> = (0..PACKAGES).map(|at| package(at, &mut numbers)).collect();
    let mut breaker = BinaryPackage::new("breaker-1-1.x86_64".parse().expect("a good name"));
    breaker.provides.push(Dependency::new("breaker", "1-1", Sense::EQUAL));
    breaker.conflicts.push(Dependency::new("package0", "", Sense::ANY));
    packages.push(breaker);
    vec![Repository { name: "base".to_owned(), priority: 99, packages }]
}

fn package(at: usize, numbers: &mut Numbers) -> BinaryPackage {
    let name = format!("package{at}");
    let nevra = format!("{name}-{}-1.x86_64", 1 + at % 9).parse().expect("a good name");
    let mut package = BinaryPackage::new(nevra);
    let evr = format!("{}-1", 1 + at % 9);
    package.provides.push(Dependency::new(name.clone(), evr.clone(), Sense::EQUAL));
    package.provides.push(Dependency::new(format!("{name}(x86-64)"), evr, Sense::EQUAL));
    package.provides.push(Dependency::new(format!("lib{name}.so.1()(64bit)"), "", Sense::ANY));
    if at < BASE {
        package.provides.push(Dependency::new(format!("capability{}", at / 3), "", Sense::ANY));
    }
    let fan = 3 + numbers.below(8);
    for _ in 0..fan.min(at) {
        // Most requirements are of a small base, as in a distribution.
        let other =
            if numbers.below(8) > 0 { numbers.below(at.min(BASE)) } else { at - 1 - numbers.below(at.min(400)) };
        package.requires.push(match numbers.below(6) {
            0 => Dependency::new(format!("package{other}"), "1", Sense::GREATER | Sense::EQUAL),
            1 => Dependency::new(format!("capability{}", other.min(BASE - 1) / 3), "", Sense::ANY),
            2 => Dependency::new(format!("/usr/share/package{other}/file3"), "", Sense::ANY),
            3 => Dependency::new(format!("(package{other} or package0)"), "", Sense::ANY),
            _ => Dependency::new(format!("libpackage{other}.so.1()(64bit)"), "", Sense::ANY),
        });
    }
    package.requires.push(Dependency::new("rpmlib(CompressedFileNames)", "3.0.4-1", Sense::LESS | Sense::EQUAL));
    let path = |number| PackageFile { path: format!("/usr/share/{name}/file{number}"), kind: FileKind::File };
    package.files = (0..FILES).map(path).collect();
    package
}
