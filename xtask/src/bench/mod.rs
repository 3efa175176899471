//! `cargo xtask bench`: instructions per message, counted by callgrind, against those that are recorded.
//!
//! The scenarios are in crates/broker/benches/instructions, which is built as a release is. They do the same
//! in every run, so that a figure says something about the sources and nothing about the machine's load.

mod callgrind;
mod counts;
mod figures;

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use crate::outcome::{Failure, Outcome, Tally};
use crate::workspace::{self, Workspace};
use callgrind::{Callgrind, Measured};
use figures::{Figures, Verdict};

/// The program with the scenarios.
const BENCH: &str = "instructions";
/// How many functions and how many source lines a profile shows.
const SHOWN: usize = 30;

/// What to do with what is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Task<'a> {
    /// Compares all with what is recorded.
    Compare,
    /// Compares one scenario, or several with commas.
    Only(&'a str),
    /// Records all.
    Write,
    /// Shows where one scenario spends its instructions.
    Profile(&'a str),
}

/// Builds the scenarios and counts.
pub(crate) fn run(workspace: &Workspace, task: Task<'_>) -> Outcome {
    if let Some(reason) = callgrind::obtain() {
        println!("SKIP bench: {reason}");
        return Ok(Tally::ONE_SKIPPED);
    }
    let toolchain = figures::toolchain()?;
    let recorded = Figures::read(workspace)?;
    let compares = matches!(task, Task::Compare | Task::Only(_));
    if compares && recorded.toolchain != toolchain {
        println!(
            "SKIP bench: the figures were recorded with {}, and here is {toolchain}.",
            recorded.toolchain
        );
        return Ok(Tally::ONE_SKIPPED);
    }
    let callgrind = Callgrind { program: build(workspace)?, folder: workspace.target()?.join(BENCH) };
    let chosen = match task {
        Task::Compare | Task::Write => callgrind.scenarios()?,
        Task::Only(names) => names.split(',').map(str::to_owned).collect(),
        Task::Profile(name) => vec![name.to_owned()],
    };
    let measured = count(&callgrind, &chosen)?;
    match task {
        Task::Compare => compare(&recorded, &measured, true),
        Task::Only(_) => compare(&recorded, &measured, false),
        Task::Write => {
            print_table(&recorded, &measured);
            Figures::new(toolchain, &measured).write(workspace)?;
            println!("These are recorded now.");
            Ok(Tally::default())
        }
        Task::Profile(_) => {
            measured.iter().for_each(|measured| measured.print_profile(workspace.root(), SHOWN));
            Ok(Tally::default())
        }
    }
}

/// Counts all these scenarios, as many at a time as there are processors; the last, which takes longest, first.
fn count(callgrind: &Callgrind, scenarios: &[String]) -> Result<Vec<Measured>, String> {
    let waiting = Mutex::new(scenarios.iter().enumerate().collect::<Vec<_>>());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
    let work = || {
        let mut done = Vec::new();
        while let Some((place, scenario)) = next() {
            done.push((place, callgrind.count(scenario)?));
        }
        Ok(done)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(scenarios.len());
    let results: Vec<Result<Vec<_>, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let broken = || Err("A thread that counts has panicked.".to_owned());
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broken())).collect()
    });
    let mut all = Vec::new();
    for result in results {
        all.extend(result?);
    }
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, measured)| measured).collect())
}

/// Judges what was counted: what has grown, or is not recorded, is a failure. `all` says whether every figure
/// that is recorded is to be there.
fn compare(recorded: &Figures, measured: &[Measured], all: bool) -> Outcome {
    let verdicts = print_table(recorded, measured);
    let mut tally = Tally::default();
    for verdict in &verdicts {
        match verdict {
            Verdict::Same | Verdict::Shrunk => tally.passed += 1,
            Verdict::Grown | Verdict::Unknown => tally.failed += 1,
        }
    }
    for name in recorded.names().filter(|_| all) {
        if !measured.iter().flat_map(Measured::figures).any(|(known, _)| known == name) {
            println!("{name} is recorded, and no scenario has it.");
            tally.failed += 1;
        }
    }
    if verdicts.contains(&Verdict::Shrunk) {
        println!("Something costs less than before: `cargo xtask bench --write` records it.");
    }
    if tally.failed == 0 {
        return Ok(tally);
    }
    let sentence = format!(
        "Figures that have grown by more than 3 % or do not match those recorded: {}. `cargo xtask bench --profile \
         SCENARIO` shows where the instructions go; `cargo xtask bench --write` records what is meant to be so.",
        tally.failed
    );
    Err(Failure::counted(sentence, tally))
}

/// Prints a line for each figure; what has become of them.
fn print_table(recorded: &Figures, measured: &[Measured]) -> Vec<Verdict> {
    println!("{:<20} {:>10} {:>10} {:>7}  instructions per", "figure", "recorded", "measured", "ratio");
    let mut verdicts = Vec::new();
    for (name, figure) in measured.iter().flat_map(Measured::figures) {
        let (verdict, before) = recorded.judge(name, figure.each);
        let shown = before.map_or_else(|| "-".to_owned(), |before| format!("{before:.1}"));
        let ratio = before.map_or_else(|| "-".to_owned(), |before| format!("{:.3}", figure.each / before));
        println!(
            "{name:<20} {shown:>10} {:>10.1} {ratio:>7}  {}{}",
            figure.each,
            figure.unit,
            verdict.remark()
        );
        verdicts.push(verdict);
    }
    verdicts
}

/// Builds the program with the scenarios as a release is built; where Cargo says it is.
fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let arguments = [
        "bench",
        "--package",
        "colibri-broker",
        "--bench",
        BENCH,
        "--no-run",
        "--message-format=json-render-diagnostics",
    ];
    let mut command = workspace.cargo(&arguments);
    // Flags of one's own would make figures of one's own.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let messages = workspace::read(&mut command)?;
    messages
        .lines()
        .find_map(executable)
        .ok_or_else(|| format!("`cargo bench` named no executable called {BENCH}."))
}

/// The executable that this message of Cargo's announces, if it is ours.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != BENCH {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}
