//! What callgrind writes, without its abbreviations: instructions by function and by source line.

use std::collections::BTreeMap;

/// The instructions of one run.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    functions: BTreeMap<String, Function>,
    /// By file and line.
    lines: BTreeMap<(String, u64), u64>,
}

#[derive(Debug, Default)]
struct Function {
    itself: u64,
    /// With all that it called.
    inclusive: u64,
}

impl Counts {
    /// Reads a file written with `--compress-strings=no --compress-pos=no`. Lines that say something else
    /// are passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut counts = Self::default();
        let (mut function, mut file) = ("", "");
        let mut is_call = false;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once('=') {
                match key {
                    "fn" => function = value,
                    "fl" | "fi" | "fe" => file = value,
                    "calls" => is_call = true,
                    _ => {}
                }
                continue;
            }
            let mut words = line.split(' ');
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
            let (Some(place), Some(cost)) = (number(words.next()), number(words.next())) else { continue };
            let entry = counts.functions.entry(function.to_owned()).or_default();
            entry.inclusive += cost;
            if !std::mem::take(&mut is_call) {
                entry.itself += cost;
                *counts.lines.entry((shorten(file).to_owned(), place)).or_default() += cost;
            }
        }
        counts
    }

    /// What the function with this name, whatever its path, cost with all that it called.
    pub(crate) fn inclusive(&self, name: &str) -> u64 {
        let is_it = |path: &str| path.rsplit("::").any(|part| part == name);
        self.functions.iter().filter(|(path, _)| is_it(path)).map(|(_, function)| function.inclusive).sum()
    }

    /// Functions with what they cost themselves and with all that they called, the dearest first. Those that only
    /// call others are left out.
    pub(crate) fn functions(&self) -> Vec<(&str, u64, u64)> {
        let all = self.functions.iter().filter(|(_, function)| function.itself > 0);
        let mut all: Vec<_> = all.map(|(name, cost)| (name.as_str(), cost.itself, cost.inclusive)).collect();
        all.sort_by_key(|(_, itself, _)| std::cmp::Reverse(*itself));
        all
    }

    /// Source files with what they cost, the dearest first.
    pub(crate) fn files(&self) -> Vec<(String, u64)> {
        let mut files = BTreeMap::<&str, u64>::new();
        for ((file, _), itself) in &self.lines {
            *files.entry(file).or_default() += itself;
        }
        dearest_first(files.into_iter().map(|(file, itself)| (file.to_owned(), itself)))
    }

    /// Source lines with what they cost, the dearest first.
    pub(crate) fn lines(&self) -> Vec<(String, u64)> {
        dearest_first(self.lines.iter().map(|((file, line), itself)| (format!("{file}:{line}"), *itself)))
    }
}

fn dearest_first(rows: impl Iterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, itself)| std::cmp::Reverse(*itself));
    rows
}

/// The standard library's own files have the compiler's commit in their paths.
fn shorten(file: &str) -> &str {
    let inside = file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    inside.map_or(file, |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::Counts;

    const TEXT: &str = "events: Ir\n\nfl=/rustc/abc/library/a.rs\nfn=broker::outer\n5 3\nfi=b.rs\n7 4\n\
                        cfi=c.rs\ncfn=broker::inner\ncalls=2 9\n8 20\nfe=b.rs\n9 1\n\nfl=c.rs\nfn=broker::inner\n9 20\n";

    #[test]
    fn a_call_counts_for_the_caller_and_for_no_line_of_it() {
        let counts = Counts::read(TEXT);
        assert_eq!(counts.functions(), [("broker::inner", 20, 20), ("broker::outer", 8, 28)]);
        let rows = |rows: &[(&str, u64)]| -> Vec<_> {
            rows.iter().map(|(place, itself)| ((*place).to_owned(), *itself)).collect()
        };
        let lines = [("c.rs:9", 20), ("b.rs:7", 4), ("library/a.rs:5", 3), ("b.rs:9", 1)];
        assert_eq!(counts.lines(), rows(&lines));
        assert_eq!(counts.files(), rows(&[("c.rs", 20), ("b.rs", 5), ("library/a.rs", 3)]));
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        let counts = Counts::read(TEXT);
        assert_eq!(counts.inclusive("outer"), 28);
        assert_eq!(counts.inclusive("out"), 0);
    }
}
