//! Time of one evaluation, spec by spec, on one thread: `cargo bench -p bedplate --bench spec_cpu -- CONFIG MACROS RECORDED FOLDER`.
//!
//! Each spec is evaluated several times in a warm process, and the shortest time counts: nothing is waited for (shell
//! commands are answered by rules, from the record or from memory), so that it is the time of the processor. The result is one
//! JSON object for `ci/bench`.
#![expect(clippy::print_stdout, reason = "the result of a benchmark")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bedplate_diag::SourceId;
use bedplate_shell::{Chain, DiskFiles, Facts, Profile, Recorded, ShellMode};
use bedplate_spec::host::{Files, Machine, Shell};
use bedplate_spec::{ConfigRequest, Dialect, MacroConfig, SpecInput, evaluate};

/// Evaluations of each spec; the first fills the caches.
const ROUNDS: usize = 7;

/// As in the command: macros may nest deep.
const STACK_SIZE: usize = 64 << 20;

fn main() {
    // `cargo bench` adds its own flag.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Ok([config, macros, recorded, folder]) = <[String; 4]>::try_from(arguments) else {
        // Reached by `cargo test --benches` also, which is no mistake.
        println!("arguments: CONFIG MACROS RECORDED FOLDER");
        return;
    };
    let thread = std::thread::Builder::new().stack_size(STACK_SIZE);
    let measured =
        thread.spawn(move || measure(&config, &macros, &recorded, &folder)).expect("a thread can be started");
    let mut times = measured.join().expect("the measurement does not panic");
    times.sort();
    let total: Duration = times.iter().sum();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let quantile = |percent: usize| times.get(times.len() * percent / 100).copied().map_or(0.0, micros);
    println!(
        "{{\"specs\": {}, \"median_us\": {:.1}, \"p90_us\": {:.1}, \"max_us\": {:.1}, \"mean_us\": {:.1}}}",
        times.len(),
        quantile(50),
        quantile(90),
        times.last().copied().map_or(0.0, micros),
        micros(total) / times.len().max(1) as f64,
    );
}

/// The shortest time of each spec.
fn measure(config_dir: &str, macros: &str, recorded: &str, folder: &str) -> Vec<Duration> {
    let files: Arc<dyn Files> = Arc::new(DiskFiles);
    let machine = Machine::default();
    let record = std::fs::read_to_string(recorded).expect("the record can be read");
    let record = Recorded::parse(SourceId(0), &record).expect("the record is good");
    let facts = Facts { cpus: Some(machine.cpus), ..Facts::default() };
    let chain = Chain::new(ShellMode::Off, Arc::clone(&files))
        .with_profile(Profile::of_facts(facts))
        .with_recorded(Arc::new(record));
    let shell: Arc<dyn Shell> = Arc::new(chain);
    let mut request = ConfigRequest::of_directory(config_dir, Dialect::V4_18);
    request.macros = macros.split(':').map(str::to_owned).collect();
    request.target = Some("x86_64".to_owned());
    let config = MacroConfig::read(&request, &files, &shell, &machine);
    let machine = Arc::new(machine);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "spec"))
        .collect();
    paths.sort();
    let time = |path: &Path| {
        let content = std::fs::read(path).expect("the spec can be read");
        let name = path.to_string_lossy();
        let rounds = (0..ROUNDS).map(|_| {
            let input = SpecInput { source_dir: Some(folder.to_owned()), ..SpecInput::new(&name, &content) };
            let start = Instant::now();
            let answer = evaluate(&config, input, &files, &shell, &machine);
            let time = start.elapsed();
            std::hint::black_box(answer);
            time
        });
        rounds.min().unwrap_or_default()
    };
    paths.iter().map(|path| time(path)).collect()
}
