//! Every source file opens with a sentence that says what belongs there.

use super::Problem;
use super::tree::Tree;

/// The folders whose sources are ours.
const FOLDERS: [&str; 3] = ["crates/", "xtask/", "fuzz/"];

/// Checks the first line of every Rust source.
pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let silent = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|sentence| sentence.trim().is_empty())
    };
    FOLDERS
        .iter()
        .flat_map(|folder| tree.rust_under(folder))
        .filter(|file| silent(&file.text))
        .map(|file| {
            Problem::new(
                &file.path,
                1,
                "the file does not begin with a `//!` sentence; say what belongs here.",
            )
        })
        .collect()
}
