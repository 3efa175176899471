//! The `colibri` command: the broker and its tools in one binary.

mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
}
