//! Where the workspace is, and how to run `cargo` in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The root folder of the workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the root. Cargo tells a program that it runs where its manifest is; the folder noted
    /// at compile time serves a program that was started by hand.
    pub(crate) fn find() -> Result<Self, String> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        match manifest.parent() {
            Some(root) if root.join("Cargo.toml").is_file() => Ok(Self { root: root.to_owned() }),
            _ => Err(format!("No workspace was found above {}.", manifest.display())),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that Cargo builds into.
    pub(crate) fn target(&self) -> Result<PathBuf, String> {
        let text = read(&mut self.cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("`cargo metadata`: {error}."))?;
        let target = metadata["target_directory"].as_str();
        target.map(PathBuf::from).ok_or_else(|| "`cargo metadata` named no target folder.".to_owned())
    }

    /// A `cargo` command with these arguments, of the toolchain that started us.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }
}

/// Runs a command on our own output; the error is a sentence.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("`{shown}` could not be started: {error}."))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}.")) }
}

/// Runs a command, handing each line of its standard output to `on_line`; standard error is ours.
pub(crate) fn run_lines(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus, String> {
    let shown = show(command);
    let could_not = |error| format!("`{shown}` could not be run: {error}.");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(could_not)?;
    if let Some(output) = child.stdout.take() {
        // Split by bytes: a test may print what is not UTF-8, and that must not end the reading.
        for line in BufReader::new(output).split(b'\n') {
            on_line(&String::from_utf8_lossy(&line.map_err(could_not)?));
        }
    }
    child.wait().map_err(could_not)
}

/// Runs a command and hands back its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String, String> {
    let mut text = String::new();
    let status = run_lines(command, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    if status.success() { Ok(text) } else { Err(format!("`{}` ended with {status}.", show(command))) }
}

/// A command as one would type it.
fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
