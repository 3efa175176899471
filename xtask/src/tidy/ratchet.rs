//! The list of files and functions that are longer than their limit, which may only shrink.

use std::collections::BTreeMap;
use std::fmt;

use super::Problem;
use super::sizes::{FILE_LINES, FUNCTION_LINES, Oversize};

/// The list's path from the root of the workspace.
pub(crate) const PATH: &str = "xtask/tidy-ratchet.txt";

/// The exceptions: each key with its recorded size.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ratchet {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    size: usize,
    /// Where the list says so.
    line: usize,
}

impl Ratchet {
    /// Reads the list; a line that cannot be read is a problem of its own.
    pub(crate) fn parse(text: &str) -> (Self, Vec<Problem>) {
        let mut ratchet = Self::default();
        let mut problems = Vec::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let entry =
                content.rsplit_once(' ').and_then(|(key, size)| Some((key.trim(), size.parse().ok()?)));
            match entry {
                Some((key, size)) => {
                    if ratchet.entries.insert(key.to_owned(), Entry { size, line }).is_some() {
                        problems.push(Problem::new(
                            PATH,
                            line,
                            format!("`{key}` is listed twice; keep one line."),
                        ));
                    }
                }
                None => {
                    problems.push(Problem::new(PATH, line, "the line does not end with a size; write one."))
                }
            }
        }
        (ratchet, problems)
    }

    /// How many exceptions there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Compares the list with what is there.
    pub(crate) fn compare(&self, oversize: &[Oversize]) -> Vec<Problem> {
        let mut problems: Vec<Problem> = oversize.iter().filter_map(|found| self.judge(found)).collect();
        for (key, entry) in &self.entries {
            if !oversize.iter().any(|found| found.key == *key) {
                let sentence = format!("`{key}` is within its limit or gone; remove this line.");
                problems.push(Problem::new(PATH, entry.line, sentence));
            }
        }
        problems
    }

    fn judge(&self, found: &Oversize) -> Option<Problem> {
        let Oversize { key, path, line, size, limit } = found;
        let Some(entry) = self.entries.get(key) else {
            let sentence = format!("`{key}` has {size} lines, more than {limit}; split it.");
            return Some(Problem::new(path, *line, sentence));
        };
        if *size > entry.size {
            let grew = format!(
                "`{key}` grew from {} to {size} lines; what is over {limit} may only shrink.",
                entry.size
            );
            return Some(Problem::new(path, *line, grew));
        }
        (*size < entry.size).then(|| {
            let sentence = format!("`{key}` shrank from {} to {size} lines; write {size} here.", entry.size);
            Problem::new(PATH, entry.line, sentence)
        })
    }

    /// The list as it should be now, and what was left as it is because it would add or raise.
    pub(crate) fn rewrite(&self, oversize: &[Oversize], allow_new: bool) -> (Self, Vec<Problem>) {
        let mut rewritten = Self::default();
        let mut refused = Vec::new();
        for found in oversize {
            let recorded = self.entries.get(&found.key);
            let rises = recorded.is_none_or(|entry| found.size > entry.size);
            if !rises || allow_new {
                rewritten.entries.insert(found.key.clone(), Entry { size: found.size, line: 0 });
                continue;
            }
            if let Some(entry) = recorded {
                rewritten.entries.insert(found.key.clone(), *entry);
            }
            refused.extend(self.judge(found));
        }
        (rewritten, refused)
    }
}

impl fmt::Display for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# What is longer than {FILE_LINES} lines (a file) or {FUNCTION_LINES} lines (a function), tests left out."
        )?;
        writeln!(
            f,
            "# `cargo xtask tidy` fails when something listed here grew, and when it shrank until the"
        )?;
        writeln!(
            f,
            "# figure is lowered; `cargo xtask tidy --write-ratchet` lowers the figures. One entry a line:"
        )?;
        writeln!(f, "#   file PATH LINES")?;
        writeln!(
            f,
            "#   fn PATH NAME LINES        (NAME#2 is the second function of that name in the file)"
        )?;
        for (key, entry) in &self.entries {
            writeln!(f, "{key} {}", entry.size)?;
        }
        Ok(())
    }
}
