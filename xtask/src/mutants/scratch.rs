//! A copy of the sources under the target folder, in which a defect does no harm.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::list::Mutant;
use crate::tidy::tree::Tree;
use crate::workspace::Workspace;

/// What is copied: all that Cargo needs to know of the workspace.
const COPIED: [&str; 6] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "crates/", "fuzz/", "xtask/"];

/// How long the cases may take, which are done in a second or two: a defect may keep the broker busy for
/// ever.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);
/// The same for the seeds of the simulation, of which each takes some milliseconds.
const SEEDS_TIME_MAX: Duration = Duration::from_secs(300);
/// The seeds within which the simulation must notice.
const SEEDS: &str = "0..10000";

/// The copy.
pub(super) struct Scratch<'a> {
    workspace: &'a Workspace,
    tree: &'a Tree,
    sources: PathBuf,
    target: PathBuf,
}

impl<'a> Scratch<'a> {
    /// Brings the copy up to date; what has not changed is not written, so that Cargo leaves it alone.
    pub(super) fn new(workspace: &'a Workspace, tree: &'a Tree) -> Result<Self, String> {
        let folder = workspace.target()?.join("mutants");
        let (sources, target) = (folder.join("sources"), folder.join("target"));
        let scratch = Self { workspace, tree, sources, target };
        scratch.copy().map_err(|error| {
            format!("The sources could not be copied to {}: {error}.", scratch.sources.display())
        })?;
        Ok(scratch)
    }

    fn copy(&self) -> io::Result<()> {
        fs::create_dir_all(&self.sources)?;
        let wanted = |path: &str| {
            COPIED.iter().any(|prefix| path == *prefix || prefix.ends_with('/') && path.starts_with(prefix))
        };
        let mut copied = HashSet::new();
        for file in self.tree.files().filter(|file| wanted(&file.path)) {
            self.write(&file.path, &file.text)?;
            copied.insert(self.sources.join(&file.path));
        }
        remove_others(&self.sources, &copied)
    }

    fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.sources.join(path);
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    }

    /// Runs the cases of these statements in memory on the sources as they are; the names of the cases
    /// that failed.
    ///
    /// # Errors
    /// A sentence, if the cases could not be built, or if they ended in another way than a case would end.
    pub(super) fn failing_cases(&self, statements: &[String]) -> Result<Vec<String>, String> {
        let program =
            self.build(&["test", "--no-run", "--package", "colibri-conformance", "--test", "it"])?;
        let printed = self.target.join("printed.txt");
        let could_not = |error: io::Error| format!("{} could not be run: {error}.", program.display());
        let output = File::create(&printed).map_err(could_not)?;
        let mut command = Command::new(&program);
        command.args(["memory::", "--test-threads=1"]).current_dir(&self.sources);
        command.env("COLIBRI_STATEMENTS", statements.join(",")).env("RUST_BACKTRACE", "0");
        command.stderr(output.try_clone().map_err(could_not)?).stdout(output);
        let status = wait(&mut command, RUN_TIME_MAX).map_err(could_not)?;
        let text = fs::read(&printed).map_err(could_not)?;
        let text = String::from_utf8_lossy(&text);
        let Some(status) = status else {
            return Err(format!("the cases did not end within {RUN_TIME_MAX:?}."));
        };
        let failed = failed_cases(&text);
        if status.success() == failed.is_empty() {
            return Ok(failed);
        }
        Err(format!("the cases ended with {status} and named no case.\n{text}"))
    }

    /// Runs the simulation up to the first seed that fails; what it says of that.
    ///
    /// # Errors
    /// A sentence, if it could not be built or did not end.
    fn failing_seed(&self, has_wills: bool) -> Result<Vec<String>, String> {
        let program = self.build(&["build", "--package", "colibri-sim", "--bin", "colibri-sim"])?;
        let printed = self.target.join("printed.txt");
        let could_not = |error: io::Error| format!("{} could not be run: {error}.", program.display());
        let output = File::create(&printed).map_err(could_not)?;
        let mut command = Command::new(&program);
        command.args(has_wills.then_some("--wills"));
        command.args(["--seeds", SEEDS, "--brief"]).env("RUST_BACKTRACE", "0").stdout(output);
        command.stderr(std::process::Stdio::null());
        let status = wait(&mut command, SEEDS_TIME_MAX).map_err(could_not)?;
        let Some(status) = status else {
            return Err(format!("the seeds did not end within {SEEDS_TIME_MAX:?}."));
        };
        let text = fs::read(&printed).map_err(could_not)?;
        let text = String::from_utf8_lossy(&text);
        let failed = text.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect();
        if status.success() { Ok(Vec::new()) } else { Ok(failed) }
    }

    /// Builds a program; where it is.
    fn build(&self, arguments: &[&str]) -> Result<PathBuf, String> {
        let mut command = self.workspace.cargo(arguments);
        command.args(["--quiet", "--message-format=json"]).current_dir(&self.sources);
        command.arg("--target-dir").arg(&self.target);
        // The cases take a fraction of a second, so they are built as fast as can be.
        command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output = command.output();
        let output = output.map_err(|error| format!("`cargo test` could not be started: {error}."))?;
        let messages = String::from_utf8_lossy(&output.stdout);
        let program = messages.lines().rev().find_map(executable).filter(|_| output.status.success());
        program.ok_or_else(|| {
            let errors: Vec<String> = messages.lines().filter_map(rendered).collect();
            let said = String::from_utf8_lossy(&output.stderr);
            format!("the sources did not build.\n{}{said}", errors.concat())
        })
    }

    /// The names of the cases that fail with a defect, which is taken out again.
    pub(super) fn with(&self, mutant: &Mutant) -> Result<Vec<String>, String> {
        let Some(file) = self.tree.get(&mutant.file) else {
            return Err(format!("the file {} does not exist.", mutant.file));
        };
        let damaged = mutant.apply(&file.text)?;
        let write =
            |text: &str| self.write(&file.path, text).map_err(|error| format!("{}: {error}.", mutant.file));
        write(&damaged)?;
        let found = match mutant.statements.is_empty() {
            true => self.failing_seed(mutant.has_wills),
            false => self.failing_cases(&mutant.statements),
        };
        write(&file.text)?;
        found
    }
}

/// Removes files that are not there any more in the sources.
fn remove_others(folder: &Path, wanted: &HashSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(&path, wanted)?;
        } else if !wanted.contains(&path) && path.file_name().is_none_or(|name| name != "Cargo.lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The names in the lines `FAILED ids: name` of what the cases printed.
fn failed_cases(output: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("FAILED v"));
    let mut names: Vec<String> = lines.filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The program that this message of Cargo's announces, if it does.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

/// The error of the compiler in this message of Cargo's, if there is one.
fn rendered(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    let message = &message["message"];
    (message["level"] == "error").then(|| message["rendered"].as_str().map(str::to_owned))?
}

/// Waits for the end of a program; `None` if it took too long and was ended.
fn wait(command: &mut Command, time_max: Duration) -> io::Result<Option<ExitStatus>> {
    let mut child = command.spawn()?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > time_max {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::failed_cases;

    #[test]
    fn the_cases_that_failed_are_read_from_what_was_printed() {
        let output = "test a ... FAILED\nFAILED v5 MQTT-1.0.0-1,v5 MQTT-1.0.0-2: It does\nsent x\n\
                      FAILED v3.1.1 MQTT-1.0.0-1: It does: always\nFAILED v3.1.1 MQTT-1.0.0-1: It does\nFAILED. 1 passed";
        assert_eq!(failed_cases(output), ["It does", "It does: always"]);
    }
}
