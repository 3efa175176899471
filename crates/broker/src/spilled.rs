//! Waiting messages of a session that are in the store alone: memory has only where they are.

use std::collections::VecDeque;

use colibri_protocol::Time;

/// Later than all times, in seconds.
const NEVER: u32 = u32::MAX;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpilledRow {
    /// Its row in the stored queue of the session.
    pub(crate) row: u64,
    /// Where its body is stored, if that is not in the row; else 0.
    pub(crate) body: u64,
    /// What it weighs in bytes; 0 if it does not count against the queue's limits.
    pub(crate) size: u32,
    /// When it expires, in seconds of the shard's clock, rounded up; [`NEVER`] if it does not.
    expires: u32,
}

impl SpilledRow {
    pub(crate) fn new(row: u64, body: u64, size: usize, expires: Option<Time>) -> Self {
        let expires =
            expires.map_or(NEVER, |at| u32::try_from(at.as_millis().div_ceil(1000)).unwrap_or(NEVER));
        Self { row, body, size: u32::try_from(size).unwrap_or(u32::MAX), expires }
    }

    pub(crate) const fn is_expired(&self, now: Time) -> bool {
        self.expires != NEVER && now.as_millis() >= self.expires as u64 * 1000
    }
}

/// The spilled messages of one session, oldest first.
#[derive(Debug)]
pub(crate) struct Spilled {
    rows: VecDeque<SpilledRow>,
    bytes: usize,
    counted: usize,
    /// None expires before this time, in seconds as in the rows; [`NEVER`] if none does.
    expiry: u32,
    /// How many of the oldest have been asked for.
    pub(crate) asked: usize,
}

impl Default for Spilled {
    fn default() -> Self {
        Self { rows: VecDeque::new(), bytes: 0, counted: 0, expiry: NEVER, asked: 0 }
    }
}

impl Spilled {
    pub(crate) fn push_back(&mut self, row: SpilledRow) {
        self.note(&row);
        self.rows.push_back(row);
    }

    pub(crate) fn push_front(&mut self, row: SpilledRow) {
        debug_assert_eq!(self.asked, 0);
        self.note(&row);
        self.rows.push_front(row);
    }

    pub(crate) fn pop_front(&mut self) -> Option<SpilledRow> {
        let row = self.rows.pop_front()?;
        self.bytes = self.bytes.saturating_sub(row.size as usize);
        self.counted = self.counted.saturating_sub(usize::from(row.size > 0));
        self.asked = self.asked.saturating_sub(1);
        Some(row)
    }

    pub(crate) fn front(&self) -> Option<&SpilledRow> {
        self.rows.front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SpilledRow> {
        self.rows.iter()
    }

    /// Takes those out that have expired, unless some have been asked for.
    pub(crate) fn take_expired(&mut self, now: Time) -> Vec<SpilledRow> {
        let is_due = now.as_millis() >= u64::from(self.expiry) * 1000;
        if self.asked > 0 || self.expiry == NEVER || !is_due {
            return Vec::new();
        }
        let (expired, rows): (Vec<_>, Vec<_>) = self.rows.drain(..).partition(|row| row.is_expired(now));
        *self = Self::default();
        rows.into_iter().for_each(|row| self.push_back(row));
        expired
    }

    /// When it is next worth looking for expired ones; `None` is never.
    pub(crate) fn next_expiry(&self) -> Option<Time> {
        (self.expiry != NEVER).then(|| Time::from_millis(u64::from(self.expiry) * 1000))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many count against the queue's limits.
    pub(crate) const fn counted(&self) -> usize {
        self.counted
    }

    /// What those weigh in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn note(&mut self, row: &SpilledRow) {
        self.bytes += row.size as usize;
        self.counted += usize::from(row.size > 0);
        self.expiry = self.expiry.min(row.expires);
    }
}
