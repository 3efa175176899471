//! One file per command; this is their list.

mod bench;
mod broker;
mod conformance;
mod publish;
mod shell;
mod store;
mod subscribe;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// MQTT 3.1, 3.1.1 and 5.0: a broker and its tools.
#[derive(Debug, Parser)]
#[command(name = "colibri", version, about, disable_help_subcommand = true)]
struct Colibri {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs an MQTT server.
    Broker(broker::Options),
    /// Publishes messages.
    #[command(name = "pub", disable_help_flag = true)]
    Publish(Words),
    /// Subscribes and prints what comes.
    #[command(name = "sub", disable_help_flag = true)]
    Subscribe(Words),
    /// Tests which statements of the standards a server or a client keeps.
    Conformance(conformance::Options),
    /// Puts load on a server and says what was lost, late or refused, and what it cost.
    Bench(Box<bench::Options>),
    /// Speaks MQTT packet by packet and shows every byte.
    Shell(shell::Options),
    /// Checks, shows, exports and imports what a broker keeps on disk.
    Store(store::Options),
}

/// A command line that the command takes apart itself, as mosquitto's programs do.
#[derive(Debug, clap::Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    words: Vec<OsString>,
}

/// Runs the command that the command line names.
pub(crate) fn run() -> ExitCode {
    let colibri = match Colibri::try_parse() {
        Ok(colibri) => colibri,
        Err(error) => return explain(&error),
    };
    match colibri.command {
        Command::Bench(options) => bench::run(&options),
        Command::Broker(options) => broker::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Publish(Words { words }) => publish::run(words),
        Command::Subscribe(Words { words }) => subscribe::run(words),
        Command::Shell(options) => shell::run(&options),
        Command::Store(options) => store::run(&options),
    }
}

/// Prints what was asked for (help, version), or in one sentence what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody reading standard output is no reason to fail.
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{text}");
        return ExitCode::from(2);
    }
    // The first paragraph says what is wrong; what follows repeats the usage.
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let sentence = lines.collect::<Vec<_>>().join(" ");
    let sentence = sentence.trim_start_matches("error: ");
    eprintln!("colibri: {sentence}; --help lists what there is");
    ExitCode::from(2)
}
