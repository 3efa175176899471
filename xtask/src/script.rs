//! A Python script that tests the `colibri` binary and closes with its totals.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outcome::{Failure, Outcome, Tally};
use crate::workspace::{self, Workspace};

/// Runs `script` (its path from the root of the workspace) with the binary and these arguments.
pub(crate) fn run(workspace: &Workspace, script: &str, colibri: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("python3");
    // Unbuffered, so that a case is seen when it ends and not when the script does.
    command.arg("-u").arg(script).arg("--colibri").arg(colibri).args(arguments).current_dir(workspace.root());
    let mut totals = None;
    let status = workspace::run_lines(&mut command, |line| {
        println!("{line}");
        totals = Tally::from_closing_line(line).or(totals);
    })?;
    verdict(script, status.success(), &status.to_string(), totals)
}

/// Believes the script only when its exit code and its closing line agree.
fn verdict(script: &str, success: bool, status: &str, totals: Option<Tally>) -> Outcome {
    match totals {
        None => Err(Failure::from(format!(
            "{script} ended with {status} and without its closing line `N passed, N failed, N skipped`."
        ))),
        Some(tally) if tally.failed > 0 => {
            Err(Failure::counted(format!("{} cases of {script} failed.", tally.failed), tally))
        }
        Some(tally) if !success => {
            Err(Failure::counted(format!("{script} counted no failure and yet ended with {status}."), tally))
        }
        Some(tally) => Ok(tally),
    }
}

/// Why `python3` cannot be used here, if it cannot.
pub(crate) fn python_is_missing() -> Option<String> {
    let version =
        Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match version {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("`python3 --version` ended with {status}.")),
        Err(error) if error.kind() == ErrorKind::NotFound => Some("python3 is not installed.".to_owned()),
        Err(error) => Some(format!("python3 could not be started: {error}.")),
    }
}

/// Builds the `colibri` binary with the dev profile; where Cargo says it is.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let arguments =
        ["build", "--package", "colibri-cli", "--bin", "colibri", "--message-format=json-render-diagnostics"];
    let messages = workspace::read(&mut workspace.cargo(&arguments))?;
    messages
        .lines()
        .find_map(executable)
        .ok_or_else(|| "`cargo build` named no executable called colibri.".to_owned())
}

/// The executable that this message of Cargo's announces, if it is ours.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != "colibri" {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{executable, verdict};
    use crate::outcome::Tally;

    #[test]
    fn the_executable_is_read_from_what_cargo_says() {
        let ours =
            r#"{"reason":"compiler-artifact","target":{"name":"colibri"},"executable":"/t/debug/colibri"}"#;
        assert_eq!(executable(ours), Some(PathBuf::from("/t/debug/colibri")));
        assert_eq!(executable(r#"{"target":{"name":"colibri_codec"},"executable":null}"#), None);
        assert_eq!(executable("not a message"), None);
    }

    #[test]
    fn a_script_is_believed_only_when_its_exit_code_and_its_totals_agree() {
        let clean = Tally { passed: 3, failed: 0, skipped: 1 };
        let broken = Tally { passed: 3, failed: 2, skipped: 0 };
        assert_eq!(verdict("s.py", true, "exit status: 0", Some(clean)).unwrap(), clean);
        assert_eq!(verdict("s.py", true, "exit status: 0", Some(broken)).unwrap_err().tally, broken);
        assert_eq!(verdict("s.py", false, "exit status: 1", Some(clean)).unwrap_err().tally.failed, 1);
        assert_eq!(verdict("s.py", true, "exit status: 0", None).unwrap_err().tally.failed, 1);
    }
}
