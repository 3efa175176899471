//! How long files and functions are, outside tests.

use super::rust_file::RustFile;

/// A file of this many lines can still be read in one sitting.
pub(crate) const FILE_LINES: usize = 500;

/// A function of this many lines still fits a screen.
pub(crate) const FUNCTION_LINES: usize = 70;

/// A file or a function that is longer than its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Oversize {
    /// What the list of exceptions calls it: `file PATH` or `fn PATH NAME`.
    pub(crate) key: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) size: usize,
    pub(crate) limit: usize,
}

/// What is too long in one file. The second function of the same name in a file is `NAME#2`.
pub(crate) fn measure(file: &RustFile) -> Vec<Oversize> {
    let path = &file.path;
    let mut found = Vec::new();
    let size = file.lines_outside_tests();
    if size > FILE_LINES {
        let key = format!("file {path}");
        found.push(Oversize { key, path: path.clone(), line: 1, size, limit: FILE_LINES });
    }
    let functions = file.functions();
    for (index, function) in functions.iter().enumerate() {
        let size = function.lines.len();
        if size <= FUNCTION_LINES || file.in_tests(function.at) {
            continue;
        }
        let name = &function.name;
        let earlier = functions[..index].iter().filter(|other| other.name == *name).count();
        let ordinal = if earlier == 0 { String::new() } else { format!("#{}", earlier + 1) };
        let key = format!("fn {path} {name}{ordinal}");
        let line = function.lines.start;
        found.push(Oversize { key, path: path.clone(), line, size, limit: FUNCTION_LINES });
    }
    found
}
