//! `cargo xtask doc`: the public documentation builds without a warning.

use crate::outcome::{Outcome, Tally};
use crate::workspace::{self, Workspace};

/// Builds the documentation of our own crates; a broken link is an error.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
    workspace::run(command.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    Ok(Tally::default())
}
