//! `cargo xtask`: the project's own checks and its test runner. This file reads the command line.
#![forbid(unsafe_code)]

mod bench;
mod cargo_tests;
mod clippy;
mod doc;
mod durability;
mod fmt;
mod interop;
mod ledger;
mod mutants;
mod no_std;
mod outcome;
mod script;
mod step;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use step::Step;
use workspace::Workspace;

/// The exit code of a command that ran and found something wrong.
const FAILED: u8 = 1;
/// The exit code of a command line that we do not understand.
const MISUSED: u8 = 2;

/// What a command line asks for.
#[derive(Debug, PartialEq)]
enum Command {
    Help,
    Test(test::Plan),
    Alone(Step),
    InteropOnly(String),
    MutantsOnly(String),
    WriteRatchet { allow_new: bool },
    WriteLedger,
    Bench(BenchTask),
}

/// What else than comparing all figures `cargo xtask bench` can do.
#[derive(Debug, PartialEq)]
enum BenchTask {
    Only(String),
    Write,
    Profile(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = match parse(&words) {
        Ok(command) => command,
        Err(sentence) => {
            eprintln!("{sentence}");
            return ExitCode::from(MISUSED);
        }
    };
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(sentence) => {
            eprintln!("{sentence}");
            return ExitCode::from(FAILED);
        }
    };
    if run(&command, &workspace) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Carries out a command; whether nothing was wrong.
fn run(command: &Command, workspace: &Workspace) -> bool {
    match command {
        Command::Help => {
            print!("{}", help());
            true
        }
        Command::Test(plan) => test::run(plan, workspace),
        Command::Alone(Step::Mutants) => mutants(workspace, mutants::Choice::All),
        Command::MutantsOnly(words) => mutants(workspace, mutants::Choice::Named(words)),
        Command::Alone(step) => step::report(*step, &step.run(workspace)),
        Command::InteropOnly(name) => {
            step::report(Step::Interop, &interop::run(workspace, Some(name.as_str())))
        }
        Command::WriteRatchet { allow_new } => {
            step::report(Step::Tidy, &tidy::write_ratchet(workspace, *allow_new))
        }
        Command::WriteLedger => step::report(Step::Ledger, &ledger::write(workspace)),
        Command::Bench(task) => {
            let task = match task {
                BenchTask::Only(names) => bench::Task::Only(names),
                BenchTask::Write => bench::Task::Write,
                BenchTask::Profile(name) => bench::Task::Profile(name),
            };
            step::report(Step::Bench, &bench::run(workspace, task))
        }
    }
}

fn mutants(workspace: &Workspace, choice: mutants::Choice<'_>) -> bool {
    step::report(Step::Mutants, &mutants::run(workspace, choice))
}

/// Reads the command line; the error is one sentence for the user.
fn parse(words: &[String]) -> Result<Command, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((&name, rest)) = words.split_first() else {
        return Err("Name a command: `cargo xtask --help` lists them.".to_owned());
    };
    if matches!(name, "--help" | "-h" | "help") || rest.iter().any(|word| matches!(*word, "--help" | "-h")) {
        return Ok(Command::Help);
    }
    if name == "test" {
        return test::Plan::parse(rest).map(Command::Test);
    }
    let step = Step::named(name)
        .ok_or_else(|| format!("`{name}` is not a command of xtask; `cargo xtask --help` lists them."))?;
    match (step, rest) {
        (_, []) => Ok(Command::Alone(step)),
        (Step::Interop, ["--only", suite]) => Ok(Command::InteropOnly((*suite).to_owned())),
        (Step::Mutants, ["--only", words]) => Ok(Command::MutantsOnly((*words).to_owned())),
        (Step::Ledger, ["--write"]) => Ok(Command::WriteLedger),
        (Step::Bench, ["--write"]) => Ok(Command::Bench(BenchTask::Write)),
        (Step::Bench, ["--only", names]) => Ok(Command::Bench(BenchTask::Only((*names).to_owned()))),
        (Step::Bench, ["--profile", name]) => Ok(Command::Bench(BenchTask::Profile((*name).to_owned()))),
        (Step::Tidy, ["--write-ratchet"]) => Ok(Command::WriteRatchet { allow_new: false }),
        (Step::Tidy, ["--write-ratchet", "--allow-new"] | ["--allow-new", "--write-ratchet"]) => {
            Ok(Command::WriteRatchet { allow_new: true })
        }
        (Step::Tidy, ["--allow-new"]) => {
            Err("`--allow-new` goes with `--write-ratchet`: on its own it allows nothing.".to_owned())
        }
        (_, [word, ..]) => Err(format!("`cargo xtask {name}` does not know what `{word}` means here.")),
    }
}

fn help() -> String {
    let mut text = String::from(
        "cargo xtask: the project's own checks and its test runner.\n\n\
         cargo xtask test [--only STEP[,STEP]] [--skip STEP[,STEP]]\n    \
         Runs the steps below in order and stops at the first that fails.\n\
         cargo xtask STEP\n    \
         Runs one step alone.\n\
         cargo xtask interop --only NAME\n    \
         Runs one client or suite of the interoperability tests.\n\
         cargo xtask mutants [--only WORDS]\n    \
         Sows all defects of xtask/mutants.txt, or those whose sentence contains the words.\n\
         cargo xtask bench --only NAME[,NAME] | --profile NAME | --write\n    \
         Counts the instructions of some scenarios, shows where one spends them, or records all.\n\
         cargo xtask ledger --write\n    \
         Writes docs/CONFORMANCE.md, then checks the ledger.\n\
         cargo xtask tidy --write-ratchet [--allow-new]\n    \
         Rewrites xtask/tidy-ratchet.txt: lowers and removes entries, adds or raises them\n    \
         only with --allow-new.\n\n\
         Steps:\n",
    );
    for step in Step::ALL {
        text.push_str(&format!("    {:<9}{}\n", step.name(), step.about()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{BenchTask, Command, parse};
    use crate::step::Step;
    use crate::test::Plan;

    fn parsed(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn a_step_is_a_command_of_its_own() {
        for step in Step::ALL {
            assert_eq!(parsed(step.name()), Ok(Command::Alone(step)));
        }
    }

    #[test]
    fn unknown_words_are_refused_with_a_sentence_that_names_them() {
        for line in [
            "frob",
            "test frob",
            "test --only frob",
            "test --skip fmt,frob",
            "fmt frob",
            "tidy --frob",
            "test --frob",
        ] {
            let sentence = parsed(line).unwrap_err();
            assert!(sentence.contains("frob") && sentence.ends_with('.'), "{line}: {sentence}");
        }
        assert!(parsed("").is_err());
        assert!(parsed("test --only").is_err());
        assert!(parsed("tidy --allow-new").is_err());
    }

    #[test]
    fn only_and_skip_choose_steps_in_the_order_of_the_table() {
        let Ok(Command::Test(plan)) = parsed("test --only tests,fmt --skip fmt") else {
            panic!("a plan was expected")
        };
        assert_eq!(plan.steps(), [Step::Tests]);
        let Ok(Command::Test(plan)) = parsed("test --only tests,fmt") else { panic!("a plan was expected") };
        assert_eq!(plan.steps(), [Step::Fmt, Step::Tests]);
        assert_eq!(Plan::default().steps(), Step::ALL);
        let Ok(Command::Test(plan)) = parsed("test --only ledger") else { panic!("a plan was expected") };
        assert_eq!(plan.steps(), [Step::Ledger]);
    }

    #[test]
    fn the_page_of_the_ledger_is_written_only_when_asked() {
        assert_eq!(parsed("ledger"), Ok(Command::Alone(Step::Ledger)));
        assert_eq!(parsed("ledger --write"), Ok(Command::WriteLedger));
        assert!(parsed("ledger --frob").is_err());
    }

    #[test]
    fn figures_are_recorded_only_when_asked() {
        assert_eq!(parsed("bench"), Ok(Command::Alone(Step::Bench)));
        assert_eq!(parsed("bench --write"), Ok(Command::Bench(BenchTask::Write)));
        let profile = BenchTask::Profile("pairs-q0".to_owned());
        assert_eq!(parsed("bench --profile pairs-q0"), Ok(Command::Bench(profile)));
        assert!(parsed("bench --profile").is_err());
    }

    #[test]
    fn the_ratchet_is_written_only_when_asked() {
        assert_eq!(parsed("tidy"), Ok(Command::Alone(Step::Tidy)));
        assert_eq!(parsed("tidy --write-ratchet"), Ok(Command::WriteRatchet { allow_new: false }));
        assert_eq!(parsed("tidy --allow-new --write-ratchet"), Ok(Command::WriteRatchet { allow_new: true }));
    }
}
