//! `bedplate replay`: shows a recorded run again.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use bedplate_engine::{EVENTS_VERSION, Event, TimedEvent};

use crate::cli::ReplayArgs;
use crate::outcome::{Failure, Outcome};
use crate::render;
use crate::ui::Ui;

/// How often a screen is told the time.
const TICK: Duration = Duration::from_millis(66);

/// Reads events and shows them.
pub(crate) fn run(args: &ReplayArgs, ui: &Ui) -> Result<Outcome, Failure> {
    let input: Box<dyn Read> = match args.file.as_str() {
        "-" => Box::new(std::io::stdin().lock()),
        path => Box::new(std::fs::File::open(path).map_err(|error| Failure::io("cannot read", path, &error))?),
    };
    let mut sinks = if args.times { render::files(&args.render)? } else { render::sinks(&args.render)? };
    let mut times = render::Times::default();
    let (started, mut last) = (Instant::now(), Duration::ZERO);
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line.map_err(|error| Failure::io("cannot read", &args.file, &error))?;
        let timed = read(&line).map_err(|why| {
            Failure::input(format!("{}:{}: {why}", args.file, number + 1))
                .hint("a file of events is what `--events FILE` writes")
        })?;
        if number == 0 {
            check_version(&timed.event).map_err(|why| Failure::input(format!("{}:1: {why}", args.file)))?;
        }
        let time = Duration::try_from_secs_f64(timed.seconds).unwrap_or(last).max(last);
        if let Some(speed) = args.speed {
            // As it was: the clock goes on between the events.
            loop {
                let now = started.elapsed().mul_f64(speed);
                if now >= time {
                    break;
                }
                sinks.iter_mut().for_each(|sink| sink.tick(now.max(last)));
                std::thread::sleep(TICK.min((time - now).div_f64(speed)));
            }
        }
        last = time;
        sinks.iter_mut().for_each(|sink| sink.event(time, &timed.event));
        times.event(&timed.event);
    }
    if args.times {
        ui.print(&if args.json { times.json() } else { times.table() })?;
    }
    Ok(Outcome::Good)
}

fn read(line: &str) -> Result<TimedEvent, String> {
    serde_json::from_str(line).map_err(|error| format!("this is no event: {error}"))
}

fn check_version(first: &Event) -> Result<(), String> {
    match first {
        Event::RunStarted { version, .. } if *version == EVENTS_VERSION => Ok(()),
        Event::RunStarted { version, .. } => {
            Err(format!("the events have version {version}, and this program reads version {EVENTS_VERSION}"))
        }
        _ => Err("the first event is not `run_started`".to_owned()),
    }
}
