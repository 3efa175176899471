//! `cargo xtask clippy`: no warning in any target with any feature.

use crate::outcome::{Outcome, Tally};
use crate::workspace::{self, Workspace};

/// Runs clippy over the whole workspace with warnings as errors.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(&arguments))?;
    Ok(Tally::default())
}
