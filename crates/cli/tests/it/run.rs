//! Runs `colibri` and looks at how it ended.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::mock::PATIENCE;

/// How a command ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `colibri` with the time zone of the tests.
pub(crate) fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_colibri"))
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs `colibri` to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, b"")
}

/// Runs `colibri` to its end with a standard input.
pub(crate) fn run_with(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = start(arguments);
    // Whoever does not want its input closes it early.
    drop(child.stdin.take().unwrap().write_all(input));
    wait(child)
}

/// Waits for the end, and brings it about if it does not come.
pub(crate) fn wait(child: Child) -> Ended {
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(2 * PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            Command::new("kill").args(["-KILL", &id]).status().unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// All is well and nothing was printed.
pub(crate) fn silence() -> Ended {
    Ended { code: 0, stdout: String::new(), stderr: String::new() }
}

/// It failed with a code and one line on stderr.
pub(crate) fn failure(code: i32, line: &str) -> Ended {
    Ended { code, stdout: String::new(), stderr: format!("Error: {line}.\n") }
}
