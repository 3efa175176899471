//! `cargo xtask ledger`: ties every numbered statement to the code that enforces it and to the tests that
//! show it. Each kind of record has its own file here; this one gathers them and prints the totals.

mod citation;
mod id;
mod judge;
mod layer;
mod page;
mod runs;
mod shown;
mod statement;
#[cfg(test)]
mod tests;
mod waiver;

use std::fs;

use crate::outcome::{Failure, Outcome, Tally};
use crate::tidy::Problem;
use crate::tidy::tree::Tree;
use crate::workspace::Workspace;
use citation::Citation;
use layer::Layer;
use shown::{Gathering, Shown};
use statement::{Statement, Version};
use waiver::{Case, NotApplicable, Waiver};

/// The page that says what the ledger found.
pub(crate) const PAGE: &str = "docs/CONFORMANCE.md";

/// Everything that was read.
struct Ledger {
    statements: Vec<Statement>,
    citations: Vec<Citation>,
    shown: Vec<Shown>,
    waivers: Vec<Waiver>,
    not_applicable: Vec<NotApplicable>,
    /// All conformance cases.
    cases: Vec<Case>,
}

/// How a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Shown in every layer that is asked for and not waived.
    Tested,
    ByConstruction,
    NotObservable,
    Waived,
    /// A layer has neither a test nor a waiver.
    Open,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::Tested, Self::ByConstruction, Self::NotObservable, Self::Waived, Self::Open];

    fn name(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::ByConstruction => waiver::Status::ByConstruction.name(),
            Self::NotObservable => waiver::Status::NotObservable.name(),
            Self::Waived => waiver::Status::Waived.name(),
            Self::Open => "open",
        }
    }
}

impl Ledger {
    /// Reads the tree; what is wrong with single records comes along.
    fn read(tree: &Tree) -> Result<(Self, Vec<Problem>), String> {
        let statements = statement::read(tree)?;
        let waivers = waiver::read(tree);
        let mut gathering = Gathering {
            statements: &statements,
            not_applicable: waivers.not_applicable.iter().map(|entry| &entry.case).collect(),
            shown: Vec::new(),
            cases: Vec::new(),
            problems: waivers.problems.clone(),
        };
        gathering.read(tree);
        let Gathering { shown, cases, problems, .. } = gathering;
        let citations = citation::read(tree);
        let (waivers, not_applicable) = (waivers.waivers, waivers.not_applicable);
        Ok((Self { statements, citations, shown, waivers, not_applicable, cases }, problems))
    }

    /// Whether a test of this layer shows the statement.
    fn shows(&self, id: &str, layer: Layer) -> bool {
        self.shown.iter().any(|shown| shown.layer == layer && shown.id == id)
    }

    /// The waivers of a statement that cover one of the layers asked for, or all of it.
    fn waivers_of<'a>(&'a self, statement: &'a Statement) -> impl Iterator<Item = &'a Waiver> {
        self.waivers.iter().filter(|waiver| waiver.ids.contains(&statement.id))
    }

    /// The layers that are asked for and have neither a test nor a waiver.
    fn open_layers(&self, statement: &Statement) -> Vec<Layer> {
        let mut open = statement.demands();
        open.retain(|layer| {
            let waived = self.waivers.iter().any(|waiver| waiver.covers(&statement.id, *layer));
            !waived && !self.shows(&statement.id, *layer)
        });
        open
    }

    fn standing(&self, statement: &Statement) -> Standing {
        let shown = Layer::ALL.into_iter().any(|layer| self.shows(&statement.id, layer));
        let demands = statement.demands();
        if !self.open_layers(statement).is_empty() {
            return Standing::Open;
        }
        if demands.iter().any(|layer| self.shows(&statement.id, *layer)) || (demands.is_empty() && shown) {
            return Standing::Tested;
        }
        match self.waivers_of(statement).map(|waiver| waiver.status).min() {
            Some(waiver::Status::ByConstruction) => Standing::ByConstruction,
            Some(waiver::Status::NotObservable) => Standing::NotObservable,
            Some(waiver::Status::Waived) => Standing::Waived,
            None => Standing::Open,
        }
    }

    /// `3.1.1: 141 statements, 100 tested, ...`.
    fn totals(&self, version: Version) -> String {
        let of_version = || self.statements.iter().filter(move |statement| statement.version == version);
        let mut text = format!("{}: {} statements", version.name(), of_version().count());
        for standing in Standing::ALL {
            let count = of_version().filter(|statement| self.standing(statement) == standing).count();
            text.push_str(&format!(", {count} {}", standing.name()));
        }
        text
    }
}

/// Compares statements, code, tests, waivers and page; prints every problem and the totals.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    let (ledger, problems) = checked(&tree)?;
    for problem in &problems {
        println!("{problem}");
    }
    let totals = [Version::V3, Version::V5].map(|version| ledger.totals(version));
    println!(
        "{}; {} citations, {} ids on tests",
        totals.join("; "),
        ledger.citations.len(),
        ledger.shown.len()
    );
    match problems.len() {
        0 => Ok(Tally::default()),
        1 => Err(Failure::from("1 entry of the ledger does not balance.".to_owned())),
        count => Err(Failure::from(format!("{count} entries of the ledger do not balance."))),
    }
}

/// The ledger with every problem of it, sorted by place.
fn checked(tree: &Tree) -> Result<(Ledger, Vec<Problem>), String> {
    let (ledger, mut problems) = Ledger::read(tree)?;
    problems.extend(judge::check(&ledger, tree));
    if tree.get(PAGE).is_none_or(|file| file.text != page::write(&ledger)) {
        let sentence = "the page is not what the ledger found; `cargo xtask ledger --write` renews it.";
        problems.push(Problem::new(PAGE, 1, sentence));
    }
    problems.sort();
    problems.dedup();
    Ok((ledger, problems))
}

/// Writes the page, and then checks everything.
pub(crate) fn write(workspace: &Workspace) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    let (ledger, _) = Ledger::read(&tree)?;
    let path = workspace.root().join(PAGE);
    fs::write(&path, page::write(&ledger))
        .map_err(|error| format!("{} could not be written: {error}.", path.display()))?;
    println!("{PAGE} is written.");
    run(workspace)
}
