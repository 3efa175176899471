//! `cargo xtask test`: the steps in order, up to the first failure, then the seconds and the totals.

use std::time::{Duration, Instant};

use crate::outcome::{Outcome, Tally};
use crate::step::{self, Step};
use crate::workspace::Workspace;

/// Which steps to run.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Run these and no others; empty means all.
    only: Vec<Step>,
    /// Leave these out.
    skip: Vec<Step>,
}

impl Plan {
    /// Reads what follows `test` on the command line; the error is one sentence for the user.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut plan = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let chosen = match word {
                "--only" => &mut plan.only,
                "--skip" => &mut plan.skip,
                _ => return Err(format!("`cargo xtask test` does not know what `{word}` means here.")),
            };
            let names = words.next().ok_or_else(|| format!("`{word}` needs the name of a step after it."))?;
            for name in names.split(',') {
                chosen.push(Step::named(name).ok_or_else(|| unknown_step(name))?);
            }
        }
        Ok(plan)
    }

    /// The steps to run, in the order of the table whatever the order on the command line.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let chosen = |step: &Step| self.only.is_empty() || self.only.contains(step);
        Step::ALL.into_iter().filter(chosen).filter(|step| !self.skip.contains(step)).collect()
    }
}

fn unknown_step(name: &str) -> String {
    let names: Vec<&str> = Step::ALL.iter().map(|step| step.name()).collect();
    format!("`{name}` is not a step; the steps are {}.", names.join(", "))
}

/// Runs the plan; whether every step of it passed.
pub(crate) fn run(plan: &Plan, workspace: &Workspace) -> bool {
    let steps = plan.steps();
    let mut finished = Vec::new();
    for &step in &steps {
        let start = Instant::now();
        let outcome = step.run(workspace);
        let stop = outcome.is_err();
        finished.push((step, start.elapsed(), outcome));
        if stop {
            break;
        }
    }
    summarize(&steps, &finished)
}

/// Prints the table and, as the very last line, the totals; whether every step passed.
fn summarize(steps: &[Step], finished: &[(Step, Duration, Outcome)]) -> bool {
    println!("== summary");
    let mut total = Tally::default();
    for (step, duration, outcome) in finished {
        let (verdict, tally) = match outcome {
            Ok(tally) => ("passed", *tally),
            Err(failure) => ("failed", failure.tally),
        };
        let counts = if tally == Tally::default() { String::new() } else { format!(" ({tally})") };
        println!("{:<9}{:>8.1} s  {verdict}{counts}", step.name(), duration.as_secs_f64());
        total += tally;
    }
    for step in &steps[finished.len()..] {
        println!("{:<9}{:>8}    not run", step.name(), "-");
    }
    let passed = finished.iter().all(|(step, _, outcome)| step::report(*step, outcome));
    println!("{total}");
    passed
}
