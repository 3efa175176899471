//! `cargo xtask tidy`: what the compiler does not check. Each kind of check has its own file here;
//! this one gathers what they find.

mod forbidden;
mod layers;
mod lexer;
mod openings;
mod packets;
mod ratchet;
mod readme;
mod registries;
pub(crate) mod rust_file;
mod sizes;
#[cfg(test)]
mod tests;
pub(crate) mod tree;

use std::fmt;
use std::fs;

use crate::mutants;
use crate::outcome::{Failure, Outcome, Tally};
use crate::workspace::{self, Workspace};
use ratchet::Ratchet;
use rust_file::RustFile;
use tree::Tree;

/// One thing that is wrong, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    pub(crate) sentence: String,
}

impl Problem {
    pub(crate) fn new(path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, sentence: sentence.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.sentence)
    }
}

/// Runs every check, prints every problem, and fails if there is one.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    let packages = layers::packages(&metadata(workspace)?, &tree)?;
    let mut problems = layers::check(&packages);
    problems.extend(check(&tree));
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => Ok(Tally::default()),
        1 => Err(Failure::from("1 thing is untidy.".to_owned())),
        count => Err(Failure::from(format!("{count} things are untidy."))),
    }
}

/// Every check that needs the files alone.
fn check(tree: &Tree) -> Vec<Problem> {
    let rust = rust_file::read_all(tree);
    let mut problems = forbidden::check(&rust);
    problems.extend(openings::check(tree));
    problems.extend(packets::check(tree));
    problems.extend(mutants::check(tree));
    problems.extend(readme::check(tree));
    problems.extend(registries::check(tree));
    let (ratchet, malformed) = recorded_ratchet(tree);
    problems.extend(malformed);
    problems.extend(ratchet.compare(&oversize(&rust)));
    problems
}

fn oversize(rust: &[RustFile]) -> Vec<sizes::Oversize> {
    rust.iter().flat_map(sizes::measure).collect()
}

fn recorded_ratchet(tree: &Tree) -> (Ratchet, Vec<Problem>) {
    tree.get(ratchet::PATH).map_or_else(Default::default, |file| Ratchet::parse(&file.text))
}

/// Rewrites the list of exceptions. Without `allow_new` it lowers and removes entries only.
pub(crate) fn write_ratchet(workspace: &Workspace, allow_new: bool) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    let (recorded, _mended_by_rewriting) = recorded_ratchet(&tree);
    let (rewritten, refused) = recorded.rewrite(&oversize(&rust_file::read_all(&tree)), allow_new);
    let path = workspace.root().join(ratchet::PATH);
    fs::write(&path, rewritten.to_string())
        .map_err(|error| format!("{} could not be written: {error}.", path.display()))?;
    println!("{} now has {} entries.", ratchet::PATH, rewritten.len());
    for problem in &refused {
        println!("{problem}");
    }
    if refused.is_empty() {
        return Ok(Tally::default());
    }
    Err(Failure::from(format!(
        "{} entries would be new or higher, which takes `--allow-new`.",
        refused.len()
    )))
}

fn metadata(workspace: &Workspace) -> Result<serde_json::Value, String> {
    let text = workspace::read(&mut workspace.cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` printed no valid JSON: {error}."))
}
