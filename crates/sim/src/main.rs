//! Runs the simulation from seeds: `cargo run --release -p colibri-sim -- --seeds 0..1000`.

use std::process::ExitCode;
use std::time::Instant;

use colibri_sim::{Plan, WILLS};

const USAGE: &str =
    "usage: colibri-sim --seed N | --seeds A..B  [--wills] [--shards N] [--steps N] [--keep-going | --brief]";

struct Arguments {
    seeds: std::ops::Range<u64>,
    shards: Option<usize>,
    steps: usize,
    /// Whether other seeds follow one that fails.
    keep_going: bool,
    /// Whether nothing is said of one that fails but which it is and why.
    brief: bool,
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments { seeds: 0..0, shards: None, steps: 300, keep_going: false, brief: false };
    let mut wills = false;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" => {
                let seed = words.next()?.parse().ok()?;
                arguments.seeds = seed..seed + 1;
            }
            "--seeds" => {
                let range = words.next()?;
                let (from, to) = range.split_once("..")?;
                arguments.seeds = from.parse().ok()?..to.parse().ok()?;
            }
            "--shards" => arguments.shards = Some(words.next()?.parse().ok()?),
            "--steps" => arguments.steps = words.next()?.parse().ok()?,
            "--wills" => wills = true,
            "--brief" => arguments.brief = true,
            "--keep-going" => arguments.keep_going = true,
            _ => return None,
        }
    }
    if wills {
        arguments.seeds = (arguments.seeds.start | WILLS)..(arguments.seeds.end | WILLS);
    }
    (!arguments.seeds.is_empty()).then_some(arguments)
}

fn main() -> ExitCode {
    let Some(Arguments { seeds, shards, steps, keep_going, brief }) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (started, total) = (Instant::now(), seeds.end - seeds.start);
    let mut failures = 0;
    for seed in seeds {
        let plan = Plan::new(seed, shards, steps);
        let Err(failure) = plan.run(false) else { continue };
        failures += 1;
        println!("seed {seed}, {} shards: {}", plan.shards, failure.sentence);
        if keep_going {
            continue;
        }
        if brief {
            return ExitCode::FAILURE;
        }
        let shorter = plan.shrink();
        if let Err(failure) = shorter.run(true) {
            failure.history.iter().for_each(|line| println!("{line}"));
            println!("seed {seed} fails in {} of {} steps:", shorter.steps.len(), plan.steps.len());
            shorter.steps.iter().for_each(|step| println!("    {step:?}"));
            println!("{}", failure.sentence);
        }
        return ExitCode::FAILURE;
    }
    println!("{total} seeds, {failures} failed, {:.1} s", started.elapsed().as_secs_f64());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
