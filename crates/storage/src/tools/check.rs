//! Whether all rows can be read, and what they refer to is there.

use core::fmt;
use core::ops::ControlFlow;
use std::collections::{HashMap, HashSet};

use super::describe;
use crate::records::{
    Counter, QueueBody, QueueRecord, QueueState, SessionRecord, decode_counter, parse_body_key,
    parse_queue_key, parse_received_key, parse_subscription_key,
};
use crate::{Rows, Store, StoreError, Table};

/// How many problems are listed; the others are only counted.
const LISTED_MAX: usize = 1000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many rows each table has, in the order of [`Table::ALL`].
    pub rows: [u64; Table::ALL.len()],
    /// The first problems.
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
    /// Bodies that no row refers to: they take room and do no harm.
    pub unused_bodies: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, with its table and key.
    pub error: StoreError,
}

/// Reads every row, and checks that the sessions and bodies that rows refer to are there, that no session
/// number or Packet Identifier is used twice, and that counters are beyond what was given out.
///
/// # Errors
/// When the store cannot be read. Rows that cannot be right are in the report.
pub fn check(store: &dyn Store) -> Result<Report, StoreError> {
    let mut check = Check { report: Report::default(), known: Known::default() };
    // Sessions and bodies come before the rows that refer to them.
    let order = [Table::Meta, Table::Sessions, Table::Bodies, Table::Subscriptions];
    for table in order.into_iter().chain([Table::Queue, Table::Received, Table::Retained]) {
        store.scan(table, Rows::ALL, &mut |key, value| {
            check.row(table, key, value);
            ControlFlow::Continue(())
        })?;
    }
    let unused = check.known.bodies.difference(&check.known.used_bodies).count();
    check.report.unused_bodies = unused as u64;
    Ok(check.report)
}

struct Check {
    report: Report,
    known: Known,
}

#[derive(Default)]
struct Known {
    counters: HashMap<Counter, u64>,
    sessions: HashSet<u64>,
    bodies: HashSet<u64>,
    used_bodies: HashSet<u64>,
    /// Packet Identifiers under way, with their sessions.
    under_way: HashSet<(u64, u16)>,
}

impl Check {
    fn row(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if let Some(rows) = self.report.rows.get_mut(table.index()) {
            *rows += 1;
        }
        // Decodes all of it, key and value.
        let result = describe(table, key, value).and_then(|_| self.known.references(table, key, value));
        if let Err(error) = result {
            self.report.problem_count += 1;
            if self.report.problems.len() < LISTED_MAX {
                self.report.problems.push(Problem { error });
            }
        }
    }
}

impl Known {
    fn references(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let wrong = |what: String| Err(StoreError::corrupt_row(table, key, what));
        match table {
            Table::Meta => {
                for counter in Counter::ALL.into_iter().filter(|counter| counter.key() == key) {
                    self.counters.insert(counter, decode_counter(counter, value)?);
                }
            }
            Table::Sessions => {
                let number = SessionRecord::decode(key, value)?.number;
                if !self.sessions.insert(number) {
                    return wrong(format!("session {number} has two clients"));
                }
                if number >= self.next(Counter::Session) {
                    return wrong(format!("session {number} is not below its counter"));
                }
            }
            Table::Bodies => {
                let body = parse_body_key(key)?;
                self.bodies.insert(body);
                if body >= self.next(Counter::Body) {
                    return wrong(format!("body {body} is not below its counter"));
                }
            }
            Table::Subscriptions => return self.session(table, key, parse_subscription_key(key)?.0),
            Table::Received => return self.session(table, key, parse_received_key(key)?.0),
            Table::Queue => {
                let (session, _) = parse_queue_key(key)?;
                self.session(table, key, session)?;
                let record = QueueRecord::decode(key, value)?;
                if let QueueBody::Shared(body) = record.body {
                    self.used_bodies.insert(body);
                    if !self.bodies.contains(&body) {
                        return wrong(format!("there is no body {body}"));
                    }
                }
                if let QueueState::Sent(packet_id) | QueueState::Released(packet_id, _) = record.state
                    && !self.under_way.insert((session, packet_id.get()))
                {
                    return wrong(format!("packet identifier {} is under way twice", packet_id.get()));
                }
            }
            Table::Retained => {}
        }
        Ok(())
    }

    fn next(&self, counter: Counter) -> u64 {
        self.counters.get(&counter).copied().unwrap_or(1)
    }

    fn session(&self, table: Table, key: &[u8], session: u64) -> Result<(), StoreError> {
        match self.sessions.contains(&session) {
            true => Ok(()),
            false => Err(StoreError::corrupt_row(table, key, format!("there is no session {session}"))),
        }
    }
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.problem_count == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{}", problem.error.detail())?;
        }
        let unlisted = self.problem_count - self.problems.len() as u64;
        if unlisted > 0 {
            writeln!(f, "and {unlisted} more")?;
        }
        for (table, rows) in Table::ALL.iter().zip(self.rows) {
            writeln!(f, "{table}: {rows} rows")?;
        }
        if self.unused_bodies > 0 {
            writeln!(f, "{} bodies are not used", self.unused_bodies)?;
        }
        write!(f, "{} problems", self.problem_count)
    }
}
