//! The tests that run the conformance cases: what no test runs shows nothing.

use super::layer::Layer;
use crate::tidy::tree::{TextFile, Tree};

/// Where the tests are that run all cases of a layer, and what such a file has in it.
const RUNS: [(Layer, &str, &[&str]); 3] = [
    (Layer::ServerMemory, "crates/conformance/tests/", &["all_cases()", "colibri_sim"]),
    (Layer::ServerWire, "crates/conformance/tests/", &["Broker::start(", "report.holds()", "inapplicable()"]),
    (Layer::ClientMock, "crates/cli/tests/", &["\"conformance\"", "\"--client\"", "client-case"]),
];

/// Whether a test runs all cases of this layer. The layers that no case belongs to need none.
pub(super) fn runs(tree: &Tree, layer: Layer) -> bool {
    let Some((_, folder, marks)) = RUNS.iter().find(|(found, ..)| *found == layer) else { return true };
    let is_run = |file: &TextFile| {
        marks.iter().all(|mark| file.text.contains(mark)) && !has_ignored(&file.text) && is_built(tree, file)
    };
    tree.rust_under(folder).any(is_run)
}

/// Whether an attribute in these lines has a test left out.
fn has_ignored(text: &str) -> bool {
    text.lines().any(ignores)
}

/// Whether a line is an attribute that has a test left out.
pub(super) fn ignores(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("#[") && line.contains("ignore")
}

/// Whether the `main.rs` beside a file has it as a module.
fn is_built(tree: &Tree, file: &TextFile) -> bool {
    let Some((folder, name)) = file.path.rsplit_once('/') else { return false };
    let module = format!("mod {};", name.trim_end_matches(".rs"));
    let main = tree.get(&format!("{folder}/main.rs"));
    main.is_some_and(|main| main.text.lines().any(|line| line.trim() == module))
}
