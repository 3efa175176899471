//! `cargo xtask interop`: the `colibri` binary against other clients, by tests/interop/run.py.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::outcome::{Failure, Outcome, Tally};
use crate::workspace::{self, Workspace};

/// The script's path from the root of the workspace.
const SCRIPT: &str = "tests/interop/run.py";
/// How many shards the broker gets, run by run: everything works the same with one, two and more than
/// there are processors.
const SHARDS: [&str; 3] = ["1", "2", "8"];

/// Builds the binary and hands it to the script; `only` names one client or suite of the script's.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>) -> Outcome {
    if !workspace.root().join(SCRIPT).is_file() {
        return Err(Failure::from(format!("The script {SCRIPT} does not exist.")));
    }
    if let Some(reason) = python_is_missing() {
        println!("SKIP interop: {reason}");
        return Ok(Tally::ONE_SKIPPED);
    }
    let colibri = build(workspace)?;
    let mut total = Tally::default();
    for shards in SHARDS {
        println!("-- interop with {shards} shard(s)");
        total += run_script(workspace, &colibri, shards, only)?;
    }
    Ok(total)
}

/// One run of the script, with so many shards.
fn run_script(workspace: &Workspace, colibri: &Path, shards: &str, only: Option<&str>) -> Outcome {
    let mut command = Command::new("python3");
    // Unbuffered, so that a case is seen when it ends and not when the script does.
    command
        .arg("-u")
        .arg(SCRIPT)
        .arg("--colibri")
        .arg(colibri)
        .args(["--shards", shards])
        .current_dir(workspace.root());
    if let Some(name) = only {
        command.args(["--only", name]);
    }
    let mut totals = None;
    let status = workspace::run_lines(&mut command, |line| {
        println!("{line}");
        totals = Tally::from_closing_line(line).or(totals);
    })?;
    verdict(status.success(), &status.to_string(), totals)
}

/// Believes the script only when its exit code and its closing line agree.
fn verdict(success: bool, status: &str, totals: Option<Tally>) -> Outcome {
    match totals {
        None => Err(Failure::from(format!(
            "{SCRIPT} ended with {status} and without its closing line `N passed, N failed, N skipped`."
        ))),
        Some(tally) if tally.failed > 0 => {
            Err(Failure::counted(format!("{} cases of {SCRIPT} failed.", tally.failed), tally))
        }
        Some(tally) if !success => {
            Err(Failure::counted(format!("{SCRIPT} counted no failure and yet ended with {status}."), tally))
        }
        Some(tally) => Ok(tally),
    }
}

/// Why `python3` cannot be used here, if it cannot.
fn python_is_missing() -> Option<String> {
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
fn build(workspace: &Workspace) -> Result<PathBuf, String> {
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
        assert_eq!(verdict(true, "exit status: 0", Some(clean)).unwrap(), clean);
        assert_eq!(verdict(true, "exit status: 0", Some(broken)).unwrap_err().tally, broken);
        assert_eq!(verdict(false, "exit status: 1", Some(clean)).unwrap_err().tally.failed, 1);
        assert_eq!(verdict(true, "exit status: 0", None).unwrap_err().tally.failed, 1);
    }
}
