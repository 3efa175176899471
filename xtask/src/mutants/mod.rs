//! `cargo xtask mutants`: breaks the broker in one line at a time and expects a conformance case or a seed of
//! the simulation to notice.

mod list;
mod scratch;

pub(crate) use list::check;

use std::collections::BTreeSet;
use std::time::Instant;

use crate::outcome::{Failure, Outcome, Tally};
use crate::tidy::tree::Tree;
use crate::workspace::{self, Workspace};
use list::Mutant;
use scratch::Scratch;

/// How many defects `cargo xtask test` sows. On two processors each costs three seconds, after fifteen for
/// the first build; all have their turn, since the commit decides which.
const PART: usize = 12;

/// Which defects to sow.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    All,
    /// Some, others for another commit.
    Part,
    /// Those whose sentence contains this, or all that the simulation must notice.
    Named(&'a str),
}

/// Sows the chosen defects, one after the other.
pub(crate) fn run(workspace: &Workspace, choice: Choice<'_>) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    if let Some(problem) = check(&tree).first() {
        return Err(Failure::from(problem.to_string()));
    }
    let text = tree.get(list::PATH).map_or("", |file| &file.text);
    let all = list::parse(text).map_err(|problem| problem.to_string())?;
    let chosen = choose(workspace, &all, choice);
    if chosen.is_empty() {
        return Err(Failure::from(format!("No defect of {} is called so.", list::PATH)));
    }
    println!("{} of {} defects", chosen.len(), all.len());
    let scratch = Scratch::new(workspace, &tree)?;
    let statements: BTreeSet<String> = chosen.iter().flat_map(|mutant| mutant.statements.clone()).collect();
    let statements: Vec<String> = statements.into_iter().collect();
    let started = Instant::now();
    let failing = if statements.is_empty() { Vec::new() } else { scratch.failing_cases(&statements)? };
    if let Some(case) = failing.first() {
        return Err(Failure::from(format!("Without a defect this case fails: {case}.")));
    }
    println!("{:>6.1} s  without a defect all cases pass", started.elapsed().as_secs_f64());
    let mut tally = Tally::default();
    for mutant in chosen {
        let started = Instant::now();
        let verdict = judge(&scratch, mutant);
        let seconds = started.elapsed().as_secs_f64();
        match verdict {
            Ok(cases) => {
                tally.passed += 1;
                println!("{seconds:>6.1} s  {}\n          caught by: {}", mutant.name, cases.join("; "));
            }
            Err(sentence) => {
                tally.failed += 1;
                println!("{seconds:>6.1} s  {}\n          NOT CAUGHT: {sentence}", mutant.name);
            }
        }
    }
    match tally.failed {
        0 => Ok(tally),
        1 => Err(Failure::counted("1 defect was not caught.", tally)),
        failed => Err(Failure::counted(format!("{failed} defects were not caught."), tally)),
    }
}

/// The cases that caught a defect; the error is a sentence.
fn judge(scratch: &Scratch<'_>, mutant: &Mutant) -> Result<Vec<String>, String> {
    let cases = scratch.with(mutant)?;
    if cases.is_empty() && mutant.statements.is_empty() {
        return Err("no seed of the simulation fails.".to_owned());
    }
    if cases.is_empty() {
        return Err(format!("all cases of {} pass.", mutant.statements.join(", ")));
    }
    Ok(cases)
}

fn choose<'a>(workspace: &Workspace, all: &'a [Mutant], choice: Choice<'_>) -> Vec<&'a Mutant> {
    match choice {
        Choice::All => all.iter().collect(),
        Choice::Named(list::SIMULATION) => all.iter().filter(|mutant| mutant.statements.is_empty()).collect(),
        Choice::Named(words) => all.iter().filter(|mutant| mutant.name.contains(words)).collect(),
        Choice::Part => {
            let first = commit(workspace).unwrap_or(0) % all.len().max(1);
            all.iter().cycle().skip(first).take(PART.min(all.len())).collect()
        }
    }
}

/// A number that differs from commit to commit, if there is one.
fn commit(workspace: &Workspace) -> Option<usize> {
    let mut git = std::process::Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(workspace.root());
    let hash = workspace::read(&mut git).ok()?;
    usize::from_str_radix(hash.get(..6)?, 16).ok()
}
