//! Where the code says that it enforces a statement.

use super::id;
use super::statement::Version;
use crate::tidy::rust_file::{Item, RustFile};
use crate::tidy::tree::{TextFile, Tree};

/// The crates that keep the standard.
pub(crate) const CRATES: [&str; 6] = ["codec", "topics", "protocol", "broker", "client", "cli"];

/// A statement cited at a line of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    /// The function or type that the line is in, or that the comment stands above.
    pub(crate) item: Option<String>,
    /// Whether it is an entry of a table from ways to be wrong to statements, not the check itself.
    pub(crate) is_entry: bool,
}

/// Reads every citation outside tests: `[v5 MQTT-3.3.2-2]` in a comment, and `"3.3.2-2"` in a function
/// whose name ends in `_v5` or `_v3`, which maps ways to be malformed to the statements they break.
pub(crate) fn read(tree: &Tree) -> Vec<Citation> {
    let mut citations = Vec::new();
    for name in CRATES {
        let folder = format!("crates/{name}/src/");
        for file in tree.rust_under(&folder) {
            read_file(file, &mut citations);
        }
    }
    citations
}

fn read_file(file: &TextFile, citations: &mut Vec<Citation>) {
    let rust = RustFile::read(file);
    let items = rust.items();
    for (line, text) in (1..).zip(file.text.lines()) {
        if rust.is_test_line(line) {
            continue;
        }
        let item = item_of(&items, line, text.trim_start().starts_with("//!"));
        let mut cite = |id: String, is_entry| {
            let item = item.map(|item| match &item.owner {
                Some(owner) => format!("{owner}::{}", item.name),
                None => item.name.clone(),
            });
            citations.push(Citation { id, path: file.path.clone(), line, item, is_entry });
        };
        let comment = text.split_once("//").map_or("", |(_, comment)| comment);
        for id in id::find_in_brackets(comment) {
            cite(id, false);
        }
        if let Some(version) = item.filter(|item| item.is_function).and_then(|item| mapped(&item.name)) {
            for number in id::find_bare(text) {
                cite(format!("{} MQTT-{number}", version.prefix()), true);
            }
        }
    }
}

/// The version whose statements a function of this name maps to.
fn mapped(function: &str) -> Option<Version> {
    if function.ends_with("_v3") {
        Some(Version::V3)
    } else if function.ends_with("_v5") {
        Some(Version::V5)
    } else {
        None
    }
}

/// The innermost item around a line, or the one that begins next, which a comment above it is about.
fn item_of(items: &[Item], line: usize, is_file_doc: bool) -> Option<&Item> {
    let around = items.iter().filter(|item| item.lines.contains(&line));
    let innermost = around.min_by_key(|item| (!item.is_function, item.lines.len()));
    let next = items.iter().filter(|item| item.lines.start > line).min_by_key(|item| item.lines.start);
    innermost.or(if is_file_doc { None } else { next })
}
