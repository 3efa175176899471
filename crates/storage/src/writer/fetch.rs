//! Reading part of a session's queue, which is not held in memory while the client is away.

use core::ops::{ControlFlow, Range};

use crate::records::{QueueBody, QueueRecord, body_key, parse_queue_key, queue_key, session_prefix};
use crate::{Rows, Store, StoreError, Table};

/// Asks for rows of one session's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Given back with the rows.
    pub token: u64,
    /// The session's number.
    pub session: u64,
    /// The first sequence to read.
    pub from: u64,
    /// The most rows.
    pub rows_max: usize,
    /// The most bytes of rows and bodies; the first row comes whatever its size.
    pub bytes_max: usize,
}

/// Rows of one session's queue, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// That of the [`Fetch`].
    pub token: u64,
    /// The session's number.
    pub session: u64,
    /// Whether there are more rows behind the last one.
    pub more: bool,
    bytes: Vec<u8>,
    rows: Vec<Place>,
}

/// One row of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchedRow<'a> {
    /// Its place in the queue.
    pub sequence: u64,
    /// What [`QueueRecord::decode`] reads.
    pub value: &'a [u8],
    /// What [`StoredMessage::decode`](crate::records::StoredMessage::decode) reads, if the row refers to a
    /// body; `None` also if that is missing, which only a damaged store has.
    pub body: Option<&'a [u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    sequence: u64,
    value: Range<usize>,
    body: Option<Range<usize>>,
}

impl Fetched {
    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = FetchedRow<'_>> {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        self.rows.iter().map(move |row| FetchedRow {
            sequence: row.sequence,
            value: bytes(&row.value),
            body: row.body.as_ref().map(bytes),
        })
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn add(&mut self, value: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        start..self.bytes.len()
    }
}

impl Fetch {
    /// Reads the rows.
    ///
    /// # Errors
    /// When the store cannot be read, or a row cannot be right.
    pub fn read(&self, store: &impl Store) -> Result<Fetched, StoreError> {
        let mut fetched = Fetched { token: self.token, session: self.session, ..Fetched::default() };
        let (prefix, from) = (session_prefix(self.session), queue_key(self.session, self.from));
        let mut result = Ok(());
        store.scan(Table::Queue, Rows::with_prefix(&prefix).starting_at(&from), &mut |key, value| {
            let full = fetched.rows.len() >= self.rows_max || fetched.bytes.len() >= self.bytes_max;
            if full && (self.rows_max == 0 || !fetched.is_empty()) {
                fetched.more = true;
                return ControlFlow::Break(());
            }
            result = add_row(store, &mut fetched, key, value);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result.map(|()| fetched)
    }
}

fn add_row(store: &impl Store, fetched: &mut Fetched, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
    let (_session, sequence) = parse_queue_key(key)?;
    let body = match QueueRecord::decode(key, value)?.body {
        QueueBody::Shared(body) => store.get(Table::Bodies, &body_key(body))?,
        QueueBody::Inline(_) | QueueBody::Gone => None,
    };
    let value = fetched.add(value);
    let body = body.map(|body| fetched.add(&body));
    fetched.rows.push(Place { sequence, value, body });
    Ok(())
}
