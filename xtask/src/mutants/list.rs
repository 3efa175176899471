//! The list of defects, and whether each still has its place in the sources.

use crate::tidy::Problem;
use crate::tidy::tree::Tree;

/// The list's path from the root of the workspace.
pub(crate) const PATH: &str = "xtask/mutants.txt";

/// What stands in place of statements where seeds of the simulation must notice.
pub(crate) const SIMULATION: &str = "simulation";
/// The same where those seeds have many wills.
const SIMULATION_OF_WILLS: &str = "simulation of wills";

/// One defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// What the broker does wrong with it, as a sentence.
    pub(crate) name: String,
    /// The statements whose cases must notice; none if seeds of the simulation must.
    pub(crate) statements: Vec<String>,
    /// Whether the seeds have many wills.
    pub(crate) has_wills: bool,
    /// The path of the file from the root.
    pub(crate) file: String,
    /// The text that stands there exactly once.
    pub(crate) find: String,
    /// What takes its place.
    pub(crate) replacement: String,
    /// Where in the list it begins.
    pub(crate) line: usize,
}

impl Mutant {
    /// The source with the defect; the error is a sentence.
    pub(crate) fn apply(&self, source: &str) -> Result<String, String> {
        match source.matches(&self.find).count() {
            1 => Ok(source.replacen(&self.find, &self.replacement, 1)),
            count => Err(format!(
                "`{}` stands {count} times in {}, and not once; mend the entry.",
                self.find, self.file
            )),
        }
    }
}

/// Reads the list; entries are apart by empty lines, and a line with `#` in front is a comment.
pub(crate) fn parse(text: &str) -> Result<Vec<Mutant>, Problem> {
    let mut mutants = Vec::new();
    let mut entry: Vec<&str> = Vec::new();
    let mut begins = 1;
    for (line, content) in (1..).zip(text.lines().chain([""])) {
        let content = content.trim();
        if content.starts_with('#') {
            continue;
        }
        if !content.is_empty() {
            if entry.is_empty() {
                begins = line;
            }
            entry.push(content);
            continue;
        }
        if !entry.is_empty() {
            let mutant = read(&entry, begins).ok_or_else(|| {
                let sentence = "the entry is not a sentence, statements, a file, `- text` and `+ text`.";
                Problem::new(PATH, begins, sentence)
            })?;
            mutants.push(mutant);
            entry.clear();
        }
    }
    Ok(mutants)
}

fn read(entry: &[&str], line: usize) -> Option<Mutant> {
    let [name, statements, file, find, replacement] = entry else { return None };
    let ids = statements.split(',').filter(|_| ![SIMULATION, SIMULATION_OF_WILLS].contains(statements));
    let has_wills = *statements == SIMULATION_OF_WILLS;
    let statements: Vec<String> = ids.map(|id| id.trim().to_owned()).collect();
    let named = |id: &String| id.starts_with("v3.1.1 MQTT-") || id.starts_with("v5 MQTT-");
    statements.iter().all(named).then_some(())?;
    Some(Mutant {
        name: (*name).to_owned(),
        statements,
        has_wills,
        file: (*file).to_owned(),
        find: find.strip_prefix("- ")?.to_owned(),
        replacement: replacement.strip_prefix("+ ")?.to_owned(),
        line,
    })
}

/// Whether every entry can be applied to the sources as they are.
pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(list) = tree.get(PATH) else { return Vec::new() };
    let mutants = match parse(&list.text) {
        Ok(mutants) => mutants,
        Err(problem) => return vec![problem],
    };
    let fault = |mutant: &Mutant| {
        let applied = match tree.get(&mutant.file) {
            Some(file) => mutant.apply(&file.text),
            None => Err(format!("the file {} does not exist; mend the entry.", mutant.file)),
        };
        applied.err().map(|sentence| Problem::new(PATH, mutant.line, sentence))
    };
    mutants.iter().filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::{PATH, check, parse};
    use crate::tidy::tree::Tree;

    const LIST: &str = "# About the list.\n\nOne is two\n    v5 MQTT-1.0.0-1, v3.1.1 MQTT-1.0.0-2\n    \
                        crates/a/src/lib.rs\n    - 1\n    + 2\n";

    #[test]
    fn an_entry_is_read_and_applied() {
        let mutants = parse(LIST).unwrap();
        assert_eq!(mutants.len(), 1);
        assert_eq!(mutants[0].name, "One is two");
        assert_eq!(mutants[0].statements, ["v5 MQTT-1.0.0-1", "v3.1.1 MQTT-1.0.0-2"]);
        assert_eq!(mutants[0].line, 3);
        assert_eq!(mutants[0].apply("let a = 1;").unwrap(), "let a = 2;");
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_refused_where_it_begins() {
        for broken in [
            LIST.replace("- 1", "1"),
            LIST.replace("v5", "v6"),
            LIST.replace("    + 2\n", ""),
            LIST.replace("    + 2\n", "    + 2\n    + 3\n"),
        ] {
            let problem = parse(&broken).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("{PATH}:3: ")), "{problem}");
        }
    }

    #[test]
    fn a_text_that_stands_there_twice_or_not_at_all_is_a_problem() {
        for (source, problems) in [("1", 0), ("1 1", 1), ("3", 1)] {
            let tree = Tree::of(&[(PATH, LIST), ("crates/a/src/lib.rs", source)]);
            assert_eq!(check(&tree).len(), problems, "{source}");
        }
        assert_eq!(check(&Tree::of(&[(PATH, LIST)])).len(), 1);
    }
}
