//! What a run found, statement by statement, and how it is told.

mod json;
mod junit;
mod markdown;
mod table;

use std::time::Duration;

use colibri_codec::Version;

use crate::Limit;
use crate::run::{Outcome, Settings, Subject, Verdict};
use crate::statements::{Role, Statement, statements};

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All its cases passed, or did not apply in part.
    Passed,
    /// One of its cases failed.
    Failed,
    /// None of its cases applied.
    NotApplicable,
    /// It has no case yet.
    NotCovered,
    /// It binds clients, and no server shows it.
    ClientOnly,
    /// It binds servers, and no client shows it.
    ServerOnly,
    /// Bytes on the wire cannot show it.
    NotObservable,
}

impl Status {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Failed,
        Self::NotApplicable,
        Self::NotCovered,
        Self::ClientOnly,
        Self::ServerOnly,
        Self::NotObservable,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotApplicable => "not applicable",
            Self::NotCovered => "not yet covered",
            Self::ClientOnly => "of clients",
            Self::ServerOnly => "of servers",
            Self::NotObservable => "not observable",
        }
    }
}

/// How many statements have each status, in the order of [`Status::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; 7]);

impl Counts {
    /// How many have this status.
    pub fn of(&self, status: Status) -> usize {
        Status::ALL.iter().zip(self.0).find(|(found, _)| **found == status).map_or(0, |(_, count)| count)
    }

    fn count(&mut self, status: Status) {
        for (found, count) in Status::ALL.iter().zip(&mut self.0) {
            *count += usize::from(*found == status);
        }
    }
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    subject: Subject,
    versions: Vec<Version>,
    filtered: bool,
    outcomes: Vec<Outcome>,
    limits: Vec<Limit>,
    time: Duration,
}

impl Report {
    pub(crate) fn new(
        settings: &Settings,
        outcomes: Vec<Outcome>,
        limits: Vec<Limit>,
        time: Duration,
    ) -> Self {
        let subject = settings.subject.clone();
        let (versions, filtered) = (settings.versions.clone(), settings.filter.is_some());
        Self { subject, versions, filtered, outcomes, limits, time }
    }

    /// The cases that ran, in their order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The limits of the server, if they were looked for.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limits in one version.
    fn limits_in(&self, version: Version) -> impl Iterator<Item = &Limit> {
        self.limits.iter().filter(move |limit| limit.version == version)
    }

    /// What was tested: the address of the server, or the command of the client.
    pub fn subject(&self) -> String {
        match &self.subject {
            Subject::Server(address) => address.to_string(),
            Subject::Client(program) => program.to_string(),
        }
    }

    /// The statuses that a statement can have in this report.
    pub fn statuses(&self) -> impl Iterator<Item = Status> {
        let never = match self.subject {
            Subject::Server(_) => Status::ServerOnly,
            Subject::Client(_) => Status::ClientOnly,
        };
        Status::ALL.into_iter().filter(move |status| *status != never)
    }

    /// Whether no case failed.
    pub fn holds(&self) -> bool {
        self.failed().next().is_none()
    }

    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    }

    /// The statements of the versions that ran, with what became of them. With a filter, only those tested.
    pub fn statements(&self) -> Vec<(&'static Statement, Status)> {
        let wanted = statements().iter().filter(|statement| self.versions.contains(&statement.version));
        let judged = wanted.map(|statement| (statement, self.status(statement)));
        judged.filter(|(statement, _)| !self.filtered || self.verdicts(statement).next().is_some()).collect()
    }

    /// How many statements of a version have each status.
    pub fn counts(&self, version: Version) -> Counts {
        let mut counts = Counts::default();
        for (_, status) in self.statements().into_iter().filter(|(found, _)| found.version == version) {
            counts.count(status);
        }
        counts
    }

    fn verdicts<'a>(&'a self, statement: &'a Statement) -> impl Iterator<Item = &'a Verdict> {
        let of = |outcome: &&Outcome| {
            outcome.version == statement.version && outcome.case.ids.contains(&statement.id.as_str())
        };
        self.outcomes.iter().filter(of).map(|outcome| &outcome.verdict)
    }

    fn status(&self, statement: &Statement) -> Status {
        let mut status = match (&self.subject, statement.role) {
            (Subject::Server(_), Role::Client) => Status::ClientOnly,
            (Subject::Client(_), Role::Server) => Status::ServerOnly,
            _ if !statement.is_observable() => Status::NotObservable,
            _ => Status::NotCovered,
        };
        for verdict in self.verdicts(statement) {
            status = match (verdict, status) {
                (Verdict::Failed(_), _) | (_, Status::Failed) => Status::Failed,
                (Verdict::Passed, _) | (_, Status::Passed) => Status::Passed,
                (Verdict::NotApplicable(_), _) => Status::NotApplicable,
            };
        }
        status
    }
}

/// The areas in the order of their first statement, with the counts of one version.
fn areas(report: &Report, version: Version) -> Vec<(&'static str, Counts)> {
    let mut areas: Vec<(&'static str, Counts)> = Vec::new();
    for (statement, status) in report.statements() {
        if statement.version != version {
            continue;
        }
        let at = areas.iter().position(|(area, _)| *area == statement.area).unwrap_or_else(|| {
            areas.push((statement.area, Counts::default()));
            areas.len() - 1
        });
        if let Some((_, counts)) = areas.get_mut(at) {
            counts.count(status);
        }
    }
    areas
}
