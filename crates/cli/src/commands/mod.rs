//! One file per command; this is their list.

mod broker;

use std::process::ExitCode;

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
}

/// Runs the command that the command line names.
pub(crate) fn run() -> ExitCode {
    match Colibri::parse().command {
        Command::Broker(options) => broker::run(&options),
    }
}
