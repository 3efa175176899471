//! The `colibri` command: the broker and its tools in one binary.

mod anatomy;
mod arguments;
mod commands;
mod connect_options;
mod failure;
mod format;
mod launch;
mod packet_log;
mod property_flag;
mod url;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}
