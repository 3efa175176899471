//! `colibri broker`: runs an MQTT server.

use std::process::ExitCode;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

/// Runs the server until it is told to stop.
pub(crate) fn run(_options: &Options) -> ExitCode {
    ExitCode::FAILURE
}
