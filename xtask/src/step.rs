//! The steps, in the order in which `cargo xtask test` runs them.

use crate::outcome::Outcome;
use crate::workspace::Workspace;
use crate::{bench, cargo_tests, clippy, doc, durability, fmt, interop, ledger, mutants, no_std, tidy};

/// One step of `cargo xtask test`, each also a command of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Tidy,
    Ledger,
    Clippy,
    Doc,
    NoStd,
    Tests,
    Bench,
    Mutants,
    Durability,
    Interop,
}

impl Step {
    /// Every step, the cheapest first, so that a small slip is reported before a long build.
    pub(crate) const ALL: [Self; 11] = [
        Self::Fmt,
        Self::Tidy,
        Self::Ledger,
        Self::Clippy,
        Self::Doc,
        Self::NoStd,
        Self::Tests,
        Self::Bench,
        Self::Mutants,
        Self::Durability,
        Self::Interop,
    ];

    /// The word for this step on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Ledger => "ledger",
            Self::Clippy => "clippy",
            Self::Doc => "doc",
            Self::NoStd => "no-std",
            Self::Tests => "tests",
            Self::Bench => "bench",
            Self::Mutants => "mutants",
            Self::Durability => "durability",
            Self::Interop => "interop",
        }
    }

    /// What this step checks, for `--help`.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Fmt => "the sources are formatted as rustfmt.toml says",
            Self::Tidy => "layers, forbidden names, file openings, packet files, sizes, READMEs",
            Self::Ledger => "each numbered statement has its code and its tests, or a reason",
            Self::Clippy => "no warning in any target with any feature",
            Self::Doc => "the public documentation builds without a warning",
            Self::NoStd => "codec, topics and protocol build without the standard library",
            Self::Tests => "cargo test --workspace, documentation examples included",
            Self::Bench => "no scenario of the broker takes 3 % more instructions than recorded",
            Self::Mutants => "defects sown into a copy are caught by the conformance cases; some in `test`",
            Self::Durability => "the colibri binary killed, without power, on a full disk (tests/durability)",
            Self::Interop => "the colibri binary against other clients (tests/interop)",
        }
    }

    /// The step that this word names.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == word)
    }

    /// Announces the step and runs it.
    pub(crate) fn run(self, workspace: &Workspace) -> Outcome {
        println!("== {}", self.name());
        match self {
            Self::Fmt => fmt::run(workspace),
            Self::Tidy => tidy::run(workspace),
            Self::Ledger => ledger::run(workspace),
            Self::Clippy => clippy::run(workspace),
            Self::Doc => doc::run(workspace),
            Self::NoStd => no_std::run(workspace),
            Self::Tests => cargo_tests::run(workspace),
            Self::Bench => bench::run(workspace, bench::Task::Compare),
            Self::Mutants => mutants::run(workspace, mutants::Choice::Part),
            Self::Durability => durability::run(workspace),
            Self::Interop => interop::run(workspace, None),
        }
    }
}

/// Prints why a step failed, if it did; whether it passed.
pub(crate) fn report(step: Step, outcome: &Outcome) -> bool {
    if let Err(failure) = outcome {
        println!("The step `{}` failed: {}", step.name(), failure.sentence);
    }
    outcome.is_ok()
}
