//! Runs the simulation from seeds: `cargo run --release -p colibri-sim -- --seeds 0..1000`.

use std::process::ExitCode;
use std::time::Instant;

use colibri_sim::{Coverage, Plan, Setting, WILLS};

const USAGE: &str =
    "usage: colibri-sim --seed N | --seeds A..B  [--wills] [--shards N] [--steps N]
           [--only 1,5-9,..] [--plain] [--keep-going | --brief]

--wills has many wills and connections that are lost, --only has only some of the steps, and --plain the default broker and no client of the state machine. At the end
stands how often each fault and each state of interest happened.";

struct Arguments {
    seeds: std::ops::Range<u64>,
    shards: Option<usize>,
    steps: usize,
    only: Option<Vec<usize>>,
    plain: bool,
    /// Whether other seeds follow one that fails.
    keep_going: bool,
    /// Whether nothing is said of one that fails but which it is and why.
    brief: bool,
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments {
        seeds: 0..0,
        shards: None,
        steps: 300,
        only: None,
        plain: false,
        keep_going: false,
        brief: false,
    };
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
            "--only" => arguments.only = Some(places(&words.next()?)?),
            "--plain" => arguments.plain = true,
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

/// Reads `1,5-9`.
fn places(text: &str) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        places.extend(from..=to);
    }
    Some(places)
}

/// Writes `1,5-9`.
fn ranges(places: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &place in places {
        match parts.last_mut() {
            Some((_, to)) if *to + 1 == place => *to = place,
            _ => parts.push((place, place)),
        }
    }
    let words =
        parts.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    words.collect::<Vec<_>>().join(",")
}

/// Tells how a plan fails, in as few steps as are needed.
fn explain(plan: &Plan, arguments: &Arguments) {
    let (shorter, places) = match &arguments.only {
        Some(places) => (plan.clone(), places.clone()),
        None => plan.shrink(),
    };
    let Err(failure) = shorter.run(true) else { return };
    failure.history.iter().for_each(|line| println!("{line}"));
    println!("seed {} fails in {} of {} steps:", plan.seed, shorter.steps.len(), arguments.steps);
    println!("    {:?}", shorter.setting);
    shorter.steps.iter().for_each(|step| println!("    {step:?}"));
    println!("{}", failure.sentence);
    let plain = if arguments.plain { " --plain" } else { "" };
    println!(
        "cargo run --release -p colibri-sim -- --seed {} --shards {} --steps {}{plain} --only {}",
        plan.seed,
        plan.shards,
        arguments.steps,
        if places.is_empty() { ",".to_owned() } else { ranges(&places) }
    );
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (started, seeds) = (Instant::now(), arguments.seeds.clone());
    let total = seeds.end - seeds.start;
    let (mut failures, mut coverage) = (0, Coverage::default());
    for seed in seeds {
        let mut plan = Plan::new(seed, arguments.shards, arguments.steps);
        if arguments.plain {
            plan.setting = Setting::PLAIN;
        }
        if let Some(places) = &arguments.only {
            plan = plan.only(places);
        }
        let failure = match plan.run(false) {
            Ok(of_run) => {
                coverage.add(&of_run);
                continue;
            }
            Err(failure) => failure,
        };
        failures += 1;
        println!("seed {seed}, {} shards: {}", plan.shards, failure.sentence);
        if arguments.keep_going {
            continue;
        }
        if !arguments.brief {
            explain(&plan, &arguments);
        }
        return ExitCode::FAILURE;
    }
    print!("{coverage}");
    println!("{total} seeds, {failures} failed, {:.1} s", started.elapsed().as_secs_f64());
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
