//! `cargo xtask durability`: the `colibri` binary killed and without power or room, by tests/durability/run.py.

use crate::outcome::{Outcome, Tally};
use crate::script;
use crate::workspace::Workspace;

/// The script's path from the root of the workspace.
const SCRIPT: &str = "tests/durability/run.py";

/// Builds the binary and hands it to the script, which takes about half a minute.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    if let Some(reason) = script::python_is_missing() {
        println!("SKIP durability: {reason}");
        return Ok(Tally::ONE_SKIPPED);
    }
    let colibri = script::build(workspace)?;
    script::run(workspace, SCRIPT, &colibri, &[])
}
