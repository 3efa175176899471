//! Waiting messages that are in the store alone: those for a client that is away, and those that a
//! connected one leaves waiting in great number. They are read back as the client takes them.

use colibri_protocol::Session;

use super::Shard;
use super::journal::{FetchRequest, Fetched};
use crate::message::Delivery;
use crate::spilled::SpilledRow;
use crate::totals::Pool;

/// How many messages may wait in memory for a client that is connected; later ones are in the store alone.
/// Enough that a client which takes a second to catch up makes nobody read the store.
const MEMORY_MESSAGES: usize = 1000;
/// The same in bytes.
const MEMORY_BYTES: usize = 1 << 20;
/// How many messages are read at a time, and how many bytes of them unless the first alone is larger.
const FETCH_MESSAGES: usize = 500;
const FETCH_BYTES: usize = 1 << 20;
/// More is read when fewer messages than this wait in memory.
const FETCH_BELOW: usize = FETCH_MESSAGES / 2;
/// How many are read for a client that has none left when memory has no room: so many that it goes on, and not
/// more than all clients together may have.
const FETCH_WHEN_FULL: usize = 8;

impl Shard {
    /// Whether a waiting message of a stored session need not be in memory.
    ///
    /// One for a shared group stays there, as another member may have to get it; and so does a retained one,
    /// which is in memory anyway and comes before what is published later, even with QoS 0.
    pub(crate) fn is_to_spill(&self, number: u32, delivery: &Delivery) -> bool {
        may_spill(delivery) && self.spills_next(number)
    }

    /// Whether the next message that has to wait for a session would be left to the store.
    pub(crate) fn spills_next(&self, number: u32) -> bool {
        let Some(session) = self.sessions.get(number).filter(|session| session.storage != 0) else {
            return false;
        };
        let Some(queue) = self.queue_of(number) else { return false };
        let many = queue.waiting() >= MEMORY_MESSAGES || queue.waiting_bytes() >= MEMORY_BYTES;
        session.spilled.is_some() || !session.is_connected() || many || self.queued.is_full(Pool::Memory)
    }

    /// Leaves a waiting message to the store.
    pub(crate) fn spill(&mut self, number: u32, delivery: &Delivery) {
        let row = spilled_row(delivery);
        if let Some(session) = self.sessions.get_mut(number) {
            session.spilled.get_or_insert_default().push_back(row);
        }
    }

    /// Leaves to the store what waits in memory for a client that has gone.
    pub(crate) fn spill_waiting(&mut self, number: u32, queue: &mut Session<Delivery>) {
        let Some(session) = self.sessions.get_mut(number) else { return };
        if session.storage == 0 {
            return;
        }
        let mut rows = Vec::new();
        queue.retain_waiting(|delivery| {
            let spills = may_spill(delivery);
            if spills {
                rows.push(spilled_row(delivery));
            }
            !spills
        });
        if let Some(spilled) = &mut session.spilled {
            spilled.asked = 0;
        }
        if !rows.is_empty() {
            let spilled = session.spilled.get_or_insert_default();
            rows.into_iter().rev().for_each(|row| spilled.push_front(row));
        }
    }

    /// Reads more of what is in the store alone, if its client will soon have taken what is in memory.
    pub(crate) fn fetch_spilled(&mut self, number: u32) {
        let waiting = self.queue_of(number).map_or(0, Session::waiting);
        let (below, most) = if self.queued.is_full(Pool::Memory) {
            (1, FETCH_WHEN_FULL)
        } else {
            (FETCH_BELOW, FETCH_MESSAGES)
        };
        let now = self.now;
        let Some(session) = self.sessions.get_mut(number) else { return };
        let storage = session.storage;
        let Some(spilled) = &mut session.spilled else { return };
        if spilled.asked > 0 || waiting >= below || session.connection.is_none() {
            return;
        }
        let expired = spilled.take_expired(now);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for row in spilled.iter().take(most) {
            bytes += row.size as usize;
            if bytes > FETCH_BYTES && !rows.is_empty() {
                break;
            }
            rows.push(row.row);
        }
        spilled.asked = rows.len();
        if spilled.is_empty() {
            session.spilled = None;
        }
        self.drop_expired_rows(number, &expired);
        if !rows.is_empty() {
            self.journal.fetch(FetchRequest { session: number, number: storage, rows });
        }
    }

    /// What was read from the store comes to wait in memory.
    pub(crate) fn on_fetched(&mut self, fetched: Fetched) {
        let number = fetched.session;
        let Some(session) = self.sessions.get(number) else { return };
        // It may be another session by now, or its client gone again.
        let Some(connection) = session.connection.filter(|_| session.storage == fetched.number) else {
            return;
        };
        for (row, value) in fetched.rows {
            let Some(session) = self.sessions.get_mut(number) else { return };
            let Some(spilled) = &mut session.spilled else { break };
            if spilled.asked == 0 || spilled.front().is_none_or(|front| front.row != row) {
                continue;
            }
            let Some(place) = spilled.pop_front() else { break };
            let Some(delivery) = value.and_then(|value| self.read_back(number, place, &value)) else {
                self.metrics.unreadable_rows += 1;
                continue;
            };
            if let Some(queue) = self.queue_of_mut(number) {
                queue.enqueue(delivery);
            }
        }
        if let Some(session) = self.sessions.get_mut(number) {
            if let Some(spilled) = &mut session.spilled {
                spilled.asked = 0;
            }
            if session.spilled.as_ref().is_some_and(|spilled| spilled.is_empty()) {
                session.spilled = None;
            }
        }
        self.touch(connection);
    }

    /// Takes the oldest message out that is in the store alone; gives what it counted with, in bytes.
    pub(crate) fn drop_oldest_spilled(&mut self, number: u32) -> Option<usize> {
        let session = self.sessions.get_mut(number)?;
        let spilled = session.spilled.as_mut()?;
        let row = spilled.pop_front()?;
        if spilled.is_empty() {
            session.spilled = None;
        }
        self.forget_row(number, row.row, row.body);
        Some(row.size as usize)
    }

    /// Frees the room that expired messages take in the store for a session.
    pub(crate) fn expire_spilled(&mut self, number: u32) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(number) else { return };
        let Some(spilled) = &mut session.spilled else { return };
        let expired = spilled.take_expired(now);
        if spilled.is_empty() {
            session.spilled = None;
        }
        self.drop_expired_rows(number, &expired);
    }

    fn drop_expired_rows(&mut self, number: u32, expired: &[SpilledRow]) {
        self.metrics.dropped_expired += expired.len() as u64;
        for row in expired {
            self.forget_row(number, row.row, row.body);
        }
    }
}

fn may_spill(delivery: &Delivery) -> bool {
    delivery.row != 0 && delivery.may_be_stored_alone()
}

fn spilled_row(delivery: &Delivery) -> SpilledRow {
    use colibri_protocol::Kept;
    SpilledRow::new(delivery.row, delivery.body, delivery.size(), delivery.message.expires)
}
