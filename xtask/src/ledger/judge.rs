//! What is wrong with the ledger: each kind of gap between statements, code and tests.

use std::collections::BTreeSet;

use super::Ledger;
use super::layer::{Layer, names};
use super::statement::Statement;
use super::waiver::{self, Status, Waiver};
use super::{id, statement};
use crate::tidy::Problem;
use crate::tidy::tree::Tree;

/// The text that holds ids of its own making: the page, the tables, and the examples of the checks.
const NOT_SEARCHED: [&str; 2] = [super::PAGE, "xtask/"];

/// Every problem but that of the page.
pub(crate) fn check(ledger: &Ledger, tree: &Tree) -> Vec<Problem> {
    let mut problems = unknown(ledger, tree);
    for statement in &ledger.statements {
        problems.extend(missing(ledger, statement));
        problems.extend(cited_untested(ledger, statement));
        problems.extend(tested_uncited(ledger, statement));
    }
    problems.extend(ledger.waivers.iter().flat_map(|waiver| stale(ledger, waiver)));
    problems.extend(unknown_cases(ledger));
    problems
}

/// Ids that no standard has, anywhere in the tree.
fn unknown(ledger: &Ledger, tree: &Tree) -> Vec<Problem> {
    let known: BTreeSet<&str> = ledger.statements.iter().map(|statement| statement.id.as_str()).collect();
    let mut places: BTreeSet<(String, String, usize)> = BTreeSet::new();
    let searched = |path: &str| {
        !NOT_SEARCHED.iter().any(|start| path.starts_with(start))
            && !statement::TABLES.iter().any(|(_, table)| path == *table)
    };
    for file in tree.files().filter(|file| searched(&file.path)) {
        for (line, text) in (1..).zip(file.text.lines()) {
            places.extend(id::find(text).into_iter().map(|id| (id, file.path.clone(), line)));
        }
    }
    places.extend(ledger.citations.iter().map(|cited| (cited.id.clone(), cited.path.clone(), cited.line)));
    places.extend(ledger.shown.iter().map(|shown| (shown.id.clone(), shown.path.clone(), shown.line)));
    let unknown = places.into_iter().filter(|(id, ..)| !known.contains(id.as_str()));
    unknown
        .map(|(id, path, line)| {
            let sentence = format!("no standard has a statement {id}; mend the number or the version.");
            Problem::new(&path, line, sentence)
        })
        .collect()
}

/// A statement, or a layer of it, with neither a test nor a waiver.
fn missing(ledger: &Ledger, statement: &Statement) -> Option<Problem> {
    let waived = |layer| ledger.waivers.iter().any(|waiver| waiver.covers(&statement.id, layer));
    let mut lacking = statement.demands();
    if lacking.is_empty() {
        let shown = Layer::ALL.into_iter().any(|layer| ledger.shows(&statement.id, layer));
        if shown || ledger.waivers.iter().any(|waiver| waiver.ids.contains(&statement.id)) {
            return None;
        }
        let sentence =
            format!("{} has neither a test nor a waiver; waive it in {}.", statement.id, waiver::PATH);
        return Some(Problem::new(statement.path, statement.line, sentence));
    }
    lacking.retain(|layer| !ledger.shows(&statement.id, *layer) && !waived(*layer));
    let homes: Vec<&str> = lacking.iter().map(|layer| layer.home()).collect();
    let sentence = format!(
        "{} has neither a test nor a waiver in: {}; write {}, or waive it in {}.",
        statement.id,
        names(&lacking),
        homes.join(", and "),
        waiver::PATH
    );
    (!lacking.is_empty()).then(|| Problem::new(statement.path, statement.line, sentence))
}

/// A citation of a statement that no test shows, unless a breach is impossible or cannot be seen.
fn cited_untested(ledger: &Ledger, statement: &Statement) -> Option<Problem> {
    let cited = ledger.citations.iter().find(|cited| cited.id == statement.id)?;
    let excused = |waiver: &&Waiver| {
        waiver.ids.contains(&statement.id) && waiver.status != Status::Waived && waiver.layers.is_empty()
    };
    if Layer::ALL.into_iter().any(|layer| ledger.shows(&statement.id, layer))
        || ledger.waivers.iter().any(|waiver| excused(&waiver))
    {
        return None;
    }
    let sentence = format!("{} is cited here and no test shows it; write one.", statement.id);
    Some(Problem::new(&cited.path, cited.line, sentence))
}

/// A statement that a test shows and that no code says it enforces.
fn tested_uncited(ledger: &Ledger, statement: &Statement) -> Option<Problem> {
    let shown = ledger.shown.iter().find(|shown| shown.id == statement.id)?;
    if ledger.citations.iter().any(|cited| cited.id == statement.id) {
        return None;
    }
    let sentence = format!(
        "`{}` shows {} and no code cites it; write [{}] at the line that enforces it.",
        shown.test, statement.id, statement.id
    );
    Some(Problem::new(&shown.path, shown.line, sentence))
}

/// A waiver of what has a test, or of what nobody asks for.
fn stale(ledger: &Ledger, waiver: &Waiver) -> Vec<Problem> {
    let mut sentences = Vec::new();
    for id in &waiver.ids {
        let Some(statement) = ledger.statements.iter().find(|statement| statement.id == *id) else {
            continue;
        };
        let demands = statement.demands();
        for layer in waiver.layers.iter().filter(|layer| !demands.contains(layer)) {
            sentences.push(format!("nobody asks for {id} in {}; drop that layer here.", layer.name()));
        }
        // Where nothing is asked for, any test makes the waiver idle.
        let asked: &[Layer] = if demands.is_empty() { &Layer::ALL } else { &demands };
        let shown = |layer: &Layer| waiver.covers(id, *layer) && ledger.shows(id, *layer);
        if let Some(layer) = asked.iter().copied().find(|layer| shown(layer)) {
            let test = ledger.shown.iter().find(|shown| shown.id == *id && shown.layer == layer);
            let test = test.map_or("", |shown| shown.test.as_str());
            sentences.push(format!(
                "{id} is waived in {}, and `{test}` shows it; drop the waiver there.",
                layer.name()
            ));
        }
        let earlier = ledger.waivers.iter().filter(|other| other.line < waiver.line);
        let twice =
            |other: &Waiver| asked.iter().any(|layer| other.covers(id, *layer) && waiver.covers(id, *layer));
        if earlier.into_iter().any(twice) {
            sentences.push(format!("{id} is waived twice; keep one of the entries."));
        }
    }
    sentences.into_iter().map(|sentence| Problem::new(waiver::PATH, waiver.line, sentence)).collect()
}

/// An entry about a case that is not there.
fn unknown_cases(ledger: &Ledger) -> Vec<Problem> {
    let unknown = ledger.not_applicable.iter().filter(|entry| !ledger.cases.contains(&entry.case));
    unknown
        .map(|entry| {
            let sentence = format!("no conformance case is called `{}`; drop the entry.", entry.case.name);
            Problem::new(waiver::PATH, entry.line, sentence)
        })
        .collect()
}
