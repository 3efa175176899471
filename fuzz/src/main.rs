//! Explores fuzz targets on the stable toolchain: bends inputs, keeps what does something new, and saves
//! what panics, as small as it gets.
#![forbid(unsafe_code)]

mod explore;

use std::path::PathBuf;
use std::process::ExitCode;

use colibri_fuzz::{TARGETS, Target, targets};
use explore::Plan;

/// The exit code after a crash.
const CRASHED: u8 = 1;
/// The exit code of a command line that we do not understand.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Ok((targets, plan)) => run(&targets, &plan),
        Err(sentence) => {
            eprintln!("{sentence}\n\n{}", help());
            ExitCode::from(MISUSED)
        }
    }
}

fn run(targets: &[&'static Target], plan: &Plan) -> ExitCode {
    let mut crashes = 0;
    for target in targets {
        match explore::run(target, plan) {
            Ok(found) => crashes += found,
            Err(sentence) => {
                eprintln!("{}: {sentence}", target.name);
                return ExitCode::from(MISUSED);
            }
        }
    }
    if crashes == 0 { ExitCode::SUCCESS } else { ExitCode::from(CRASHED) }
}

/// Reads the command line; the error is one sentence for the user.
fn parse(words: &[String]) -> Result<(Vec<&'static Target>, Plan), String> {
    let (name, mut rest) = words.split_first().ok_or("Name a target, or `all`.")?;
    let chosen = match name.as_str() {
        "all" => TARGETS.iter().collect(),
        name => vec![targets::find(name).ok_or_else(|| format!("`{name}` is not a target."))?],
    };
    let mut plan = Plan::default();
    while let [flag, value, tail @ ..] = rest {
        rest = tail;
        let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is not a number."));
        match flag.as_str() {
            "--seconds" => plan.seconds = number()?,
            "--executions" => plan.executions = number()?,
            "--seed" => plan.seed = number()?,
            "--jobs" => plan.jobs = number()?.max(1),
            "--input" => plan.input = Some(PathBuf::from(value)),
            "--corpus" => plan.corpus = Some(PathBuf::from(value)),
            _ => return Err(format!("`{flag}` is not a flag.")),
        }
    }
    match rest {
        [] => Ok((chosen, plan)),
        [flag, ..] => Err(format!("`{flag}` needs a value.")),
    }
}

fn help() -> String {
    let mut text = String::from(
        "cargo run --profile fuzz -p colibri-fuzz -- TARGET [--seconds N] [--executions N] [--seed S] \
         [--jobs J] [--corpus FOLDER]\n\
         cargo run --profile fuzz -p colibri-fuzz -- TARGET --input FILE    (runs one input and shows it)\n\n\
         Targets, or `all` for one after the other:\n",
    );
    for target in &TARGETS {
        text.push_str(&format!("    {:<14}{}\n", target.name, target.about));
    }
    text
}
