//! `cargo xtask tests`: `cargo test --workspace`, documentation examples included, and its totals.

use crate::outcome::{Failure, Outcome, Tally};
use crate::workspace::{self, Workspace};

/// Runs every test, past the first failing binary, so that the totals are those of the whole tree.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let mut tally = Tally::default();
    let mut command = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    let status = workspace::run_lines(&mut command, |line| {
        println!("{line}");
        if let Some(counted) = Tally::from_test_result(line) {
            tally += counted;
        }
    })?;
    if status.success() && tally.failed == 0 {
        return Ok(tally);
    }
    let sentence = match tally.failed {
        0 => format!("`cargo test` ended with {status} before every test had run."),
        1 => "1 test failed.".to_owned(),
        failed => format!("{failed} tests failed."),
    };
    Err(Failure::counted(sentence, tally))
}
