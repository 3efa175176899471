//! `cargo xtask fmt`: the sources are formatted as rustfmt.toml says.

use crate::outcome::{Outcome, Tally};
use crate::workspace::{self, Workspace};

/// Checks the formatting and changes nothing.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    workspace::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
        .map_err(|sentence| format!("{sentence} `cargo fmt --all` mends the formatting."))?;
    Ok(Tally::default())
}
