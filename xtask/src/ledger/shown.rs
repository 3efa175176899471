//! The tests that show statements: conformance cases, tests with ids above them, vectors.

use std::ops::Range;

use super::id;
use super::layer::Layer;
use super::runs::{ignores, runs};
use super::statement::{Role, Statement, Version};
use super::waiver::Case;
use crate::tidy::Problem;
use crate::tidy::rust_file::RustFile;
use crate::tidy::tree::{TextFile, Tree};

/// Where the cases are, and below it those in which the client is tested.
const CASES: &str = "crates/conformance/src/";
const CLIENT_CASES: &str = "crates/conformance/src/client/";
const VECTORS: &str = "crates/codec/tests/vectors/";

/// The crates whose tests carry ids, with the ends that a test without `server:` or `client:` is about.
const MEMORY: [(&str, Ends); 5] = [
    ("crates/protocol/", Ends::OfRole),
    ("crates/broker/", Ends::Only(Layer::ServerMemory)),
    ("crates/topics/", Ends::Only(Layer::ServerMemory)),
    ("crates/client/", Ends::Only(Layer::ClientMemory)),
    ("crates/codec/", Ends::Only(Layer::Vectors)),
];

#[derive(Clone, Copy)]
enum Ends {
    /// Those that must keep the statement: both ends run the same code.
    OfRole,
    Only(Layer),
}

/// A statement that a test shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) layer: Layer,
    pub(crate) path: String,
    pub(crate) line: usize,
    /// The name of the test, the case or the vector.
    pub(crate) test: String,
}

/// Gathers what tests show, and what is wrong with how they say so.
pub(crate) struct Gathering<'a> {
    pub(crate) statements: &'a [Statement],
    /// The cases that do not apply to our own broker and client, and so show nothing.
    pub(crate) not_applicable: Vec<&'a Case>,
    pub(crate) shown: Vec<Shown>,
    pub(crate) cases: Vec<Case>,
    pub(crate) problems: Vec<Problem>,
}

impl Gathering<'_> {
    /// Reads every layer.
    pub(crate) fn read(&mut self, tree: &Tree) {
        let mut run = vec![Layer::ServerWire, Layer::ServerMemory, Layer::ClientMock];
        run.retain(|layer| runs(tree, *layer));
        for file in tree.rust_under(CASES) {
            self.read_cases(file, &run);
        }
        for (folder, ends) in MEMORY {
            for file in tree.rust_under(folder) {
                self.read_tests(file, ends);
            }
        }
        let is_vector = |file: &&TextFile| file.path.starts_with(VECTORS) && file.path.ends_with(".toml");
        for file in tree.files().filter(is_vector) {
            self.read_vectors(file);
        }
    }

    fn add(&mut self, id: &str, layer: Layer, (path, line): (&str, usize), test: &str) {
        let (id, path, test) = (id.to_owned(), path.to_owned(), test.to_owned());
        self.shown.push(Shown { id, layer, path, line, test });
    }

    /// The literal `ids: &["v5 MQTT-..."]` of each case, followed by its `name: "..."`. It is shown in those of
    /// the layers in which cases are `run`.
    fn read_cases(&mut self, file: &TextFile, run: &[Layer]) {
        let is_client = file.path.starts_with(CLIENT_CASES);
        let layers = run.iter().filter(|layer| (**layer == Layer::ClientMock) == is_client);
        for (at, opening) in file.text.match_indices("ids: &[") {
            let rest = &file.text[at + opening.len()..];
            let Some((ids, after)) = rest.split_once(']') else { continue };
            let Some(name) = after.split_once("name: \"").map(|(_, name)| quoted(name)) else { continue };
            self.cases.push(Case { is_client, name: name.to_owned() });
            if self.not_applicable.iter().any(|case| case.is_client == is_client && case.name == name) {
                continue;
            }
            let place = (file.path.as_str(), file.text[..at].lines().count());
            for id in id::find(ids) {
                for layer in layers.clone() {
                    self.add(&id, *layer, place, name);
                }
            }
        }
    }

    /// The ids in comments of a test: in its body, or between its documentation and its signature.
    fn read_tests(&mut self, file: &TextFile, ends: Ends) {
        let rust = RustFile::read(file);
        let lines: Vec<&str> = file.text.lines().collect();
        let tests: Vec<(Range<usize>, String)> = rust
            .functions()
            .into_iter()
            .filter_map(|function| {
                let start = test_attribute(&lines, function.lines.start)?;
                Some((start..function.lines.end, function.name))
            })
            .collect();
        for (line, text) in (1..).zip(&lines).filter(|(line, _)| rust.is_test_line(*line)) {
            let comment = text.split_once("//").map_or("", |(_, comment)| comment);
            if id::find_in_brackets(comment).is_empty() {
                continue;
            }
            match tests.iter().find(|(range, _)| range.contains(&line)) {
                Some((_, name)) => self.add_comment(comment, ends, (&file.path, line), name),
                None => {
                    let sentence =
                        "these ids belong to no test that runs; put them into the one that shows them.";
                    self.problems.push(Problem::new(&file.path, line, sentence));
                }
            }
        }
    }

    fn add_comment(&mut self, comment: &str, ends: Ends, place: (&str, usize), test: &str) {
        let words = comment.trim_start();
        for id in id::find_in_brackets(comment) {
            let role = self.statements.iter().find(|statement| statement.id == id).map(|found| found.role);
            let layers: &[Layer] = match (ends, role) {
                _ if words.starts_with("server:") => &[Layer::ServerMemory],
                _ if words.starts_with("client:") => &[Layer::ClientMemory],
                (Ends::Only(layer), _) => &[layer],
                (Ends::OfRole, Some(Role::Server)) => &[Layer::ServerMemory],
                (Ends::OfRole, Some(Role::Client)) => &[Layer::ClientMemory],
                (Ends::OfRole, Some(Role::Both)) => &[Layer::ServerMemory, Layer::ClientMemory],
                // An unknown id is reported where all text is searched for them.
                (Ends::OfRole, None) => &[],
            };
            for layer in layers {
                self.add(&id, *layer, place, test);
            }
        }
    }

    /// The `statements` of each vector.
    fn read_vectors(&mut self, file: &TextFile) {
        let table: toml::Table = match file.text.parse() {
            Ok(table) => table,
            Err(error) => {
                let sentence = format!("the vectors cannot be read: {}.", error.message());
                self.problems.push(Problem::new(&file.path, 1, sentence));
                return;
            }
        };
        let headings = (1..).zip(file.text.lines()).filter(|(_, text)| text.trim() == "[[case]]");
        let cases = table.get("case").and_then(toml::Value::as_array).into_iter().flatten();
        for ((line, _), case) in headings.zip(cases) {
            let name = case.get("name").and_then(toml::Value::as_str).unwrap_or_default();
            for (version, key) in [(Version::V3, "v3"), (Version::V5, "v5")] {
                let numbers = case.get("statements").and_then(|statements| statements.get(key));
                for number in numbers.and_then(toml::Value::as_array).into_iter().flatten() {
                    let id = format!("{} MQTT-{}", version.prefix(), number.as_str().unwrap_or("?"));
                    self.add(&id, Layer::Vectors, (&file.path, line), name);
                }
            }
        }
    }
}

/// What stands before the quotation mark that ends a string.
fn quoted(text: &str) -> &str {
    let ends = |(at, _): &(usize, &str)| !text[..*at].ends_with('\\');
    let end = text.match_indices('"').find(ends).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// The first line of the attributes and comments above a function, if they make it a test that runs.
fn test_attribute(lines: &[&str], function: usize) -> Option<usize> {
    let above = lines.get(..function.checked_sub(1)?)?.iter().rev();
    let above: Vec<&str> = above
        .map(|text| text.trim_start())
        .take_while(|text| text.starts_with("#[") || text.starts_with("//"))
        .collect();
    let is_test = |text: &&str| text.starts_with("#[test]") || text.starts_with("#[tokio::test");
    let runs = above.iter().any(is_test) && !above.iter().any(|text| ignores(text));
    runs.then(|| function - above.len())
}
