//! What a store holds when a broker starts, before it is dealt out to the shards.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use colibri_codec::{OwnedTopicFilter, PacketId};
use colibri_protocol::Time;
use colibri_storage::records::{
    Counter, QueueBody, QueueRecord, QueueState, SessionRecord, StoredMessage, SubscriptionRecord, body_key,
    decode_counter, parse_body_key, parse_queue_key, parse_received_key, parse_subscription_key, queue_key,
};
use colibri_storage::{Batch, Rows, Store, StoreError, Table};

use super::journal::FetchedRow;
use crate::message::Message;
use crate::subscriber::Options;

/// Copies of bodies are written when they have so many bytes, so that a start needs no memory for all of them.
const PARTED_MAX: usize = 16 << 20;

/// The sessions in a store, and rows that belong to none.
#[derive(Default)]
pub(super) struct Found {
    pub(super) sessions: BTreeMap<String, FoundSession>,
    /// Beyond the numbers of all sessions and bodies, and beyond all rows.
    pub(super) next_number: u64,
    pub(super) next_row: u64,
    /// What shards agree on to find the home of a session or topic, if it was stored.
    pub(super) placement: Option<u64>,
    /// Changes to be made before anything else: rows that belong to nobody go, bodies that shards share are
    /// copied.
    pub(super) mending: Batch,
    /// How many rows belong to no session, and the first of them: no broker leaves any, but an import may.
    pub(super) strays: usize,
    pub(super) first_stray: Option<StoreError>,
}

#[derive(Default)]
pub(super) struct FoundSession {
    pub(super) number: u64,
    pub(super) expiry_interval: u32,
    /// `None` if the client was connected.
    pub(super) disconnected_at: Option<u64>,
    pub(super) will: Option<FoundWill>,
    pub(super) subscriptions: Vec<(OwnedTopicFilter, Options)>,
    pub(super) received: Vec<PacketId>,
    pub(super) rows: Vec<FoundRow>,
}

pub(super) struct FoundWill {
    pub(super) message: Message,
    pub(super) message_expiry: Option<u32>,
    pub(super) delay: u32,
    pub(super) due_at: Option<u64>,
}

pub(super) struct FoundRow {
    pub(super) row: u64,
    pub(super) body: u64,
    pub(super) size: usize,
    pub(super) expires: Option<Time>,
    /// Its contents, if it has to be in memory.
    pub(super) value: Option<FetchedRow>,
}

/// What there is to know of a body while it is not read.
struct FoundBody {
    size: usize,
    expires: Option<Time>,
    rows: u32,
}

impl Found {
    /// Reads everything but the retained messages.
    pub(super) fn read(store: &dyn Store, epoch: u64) -> Result<Self, StoreError> {
        let mut found = Self::default();
        let mut names = HashMap::new();
        each_row(store, Table::Sessions, |key, value| {
            let record = SessionRecord::decode(key, value)?;
            found.next_number = found.next_number.max(record.number);
            let will = record.will.map(|will| FoundWill {
                message: Message::from_stored(&will.message, epoch),
                message_expiry: will.message_expiry,
                delay: will.delay,
                due_at: will.due_at,
            });
            let session = FoundSession {
                number: record.number,
                expiry_interval: record.expiry_interval,
                disconnected_at: (!record.connected).then_some(record.disconnected_at),
                will,
                ..FoundSession::default()
            };
            // The decoder has checked that it is UTF-8.
            let client_id = String::from_utf8_lossy(key).into_owned();
            if names.insert(record.number, client_id.clone()).is_some() {
                // Each would be given the messages of both, and the first to end would take them away.
                let what = format!("session {} has another client already", record.number);
                return Err(StoreError::corrupt_row(Table::Sessions, key, what));
            }
            found.sessions.insert(client_id, session);
            Ok(())
        })?;
        found.read_subscriptions(store, &names)?;
        found.read_queues(store, &names, epoch)?;
        each_row(store, Table::Meta, |key, value| {
            for counter in Counter::ALL.into_iter().filter(|counter| counter.key() == key) {
                let number = decode_counter(counter, value)?;
                match counter {
                    Counter::Session | Counter::Body => found.next_number = found.next_number.max(number),
                    Counter::Placement => found.placement = Some(number),
                }
            }
            Ok(())
        })?;
        found.next_number += 1;
        found.next_row += 1;
        Ok(found)
    }

    /// The session with a number; a row of one that is not there is thrown out.
    fn owner(
        &mut self,
        names: &HashMap<u64, String>,
        number: u64,
        table: Table,
        key: &[u8],
    ) -> Option<&mut FoundSession> {
        self.next_number = self.next_number.max(number);
        match names.get(&number) {
            Some(name) => self.sessions.get_mut(name),
            None => {
                self.mending.delete(table, key);
                self.strays += 1;
                self.first_stray.get_or_insert_with(|| {
                    StoreError::corrupt_row(table, key, format!("there is no session {number}"))
                });
                None
            }
        }
    }

    fn read_subscriptions(
        &mut self,
        store: &dyn Store,
        names: &HashMap<u64, String>,
    ) -> Result<(), StoreError> {
        each_row(store, Table::Subscriptions, |key, value| {
            let (number, filter) = parse_subscription_key(key)?;
            let record = SubscriptionRecord::decode(key, value)?;
            if let Some(session) = self.owner(names, number, Table::Subscriptions, key) {
                let options = Options::new(record.options, record.identifier);
                session.subscriptions.push((filter.into(), options));
            }
            Ok(())
        })?;
        each_row(store, Table::Received, |key, _| {
            let (number, id) = parse_received_key(key)?;
            if let Some(session) = self.owner(names, number, Table::Received, key) {
                session.received.push(id);
            }
            Ok(())
        })
    }

    fn read_queues(
        &mut self,
        store: &dyn Store,
        names: &HashMap<u64, String>,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let mut bodies = HashMap::new();
        each_row(store, Table::Bodies, |key, value| {
            let number = parse_body_key(key)?;
            self.next_number = self.next_number.max(number);
            let message = StoredMessage::decode(key, value)?;
            let (size, expires) = weigh(&message, epoch);
            bodies.insert(number, FoundBody { size, expires, rows: 0 });
            Ok(())
        })?;
        each_row(store, Table::Queue, |key, value| {
            let (number, row) = parse_queue_key(key)?;
            self.next_row = self.next_row.max(row);
            let record = QueueRecord::decode(key, value)?;
            let Some(session) = self.owner(names, number, Table::Queue, key) else { return Ok(()) };
            let (body, (size, expires)) = match record.body {
                QueueBody::Inline(message) => (0, weigh(&message, epoch)),
                QueueBody::Shared(body) => match bodies.get_mut(&body) {
                    Some(found) => {
                        found.rows += 1;
                        (body, (found.size, found.expires))
                    }
                    None => {
                        let what = format!("its body {body} is not there");
                        return Err(StoreError::corrupt_row(Table::Queue, key, what));
                    }
                },
                // There may be one in a later version.
                QueueBody::Gone => {
                    return Err(StoreError::corrupt_row(Table::Queue, key, "it has no message"));
                }
            };
            let in_memory = record.state != QueueState::Waiting || record.group.is_some() || record.replayed;
            let value = in_memory.then(|| FetchedRow { row: value.to_vec(), body: None });
            let size = if record.replayed { 0 } else { size };
            session.rows.push(FoundRow { row, body, size, expires, value });
            Ok(())
        })?;
        for row in self.sessions.values_mut().flat_map(|session| &mut session.rows) {
            if let Some(value) = row.value.as_mut().filter(|_| row.body != 0) {
                value.body = store.get(Table::Bodies, &body_key(row.body))?;
            }
        }
        for (number, _) in bodies.iter().filter(|(_, body)| body.rows == 0) {
            self.mending.delete(Table::Bodies, &body_key(*number));
        }
        Ok(())
    }
}

impl Found {
    /// Gives each shard a body of its own where rows of several need one: a shard deletes a body when none of
    /// its own rows needs it. That happens when the number of shards has changed.
    ///
    /// What is written here and there changes nothing that the store says: a start that ends before the others
    /// leaves a body more.
    pub(super) fn part_bodies(
        &mut self,
        store: &mut dyn Store,
        home: impl Fn(&str) -> u8,
    ) -> Result<(), StoreError> {
        // For each body the shard that has it, and the copies for others.
        let mut owners: HashMap<u64, u8> = HashMap::new();
        let mut copies: HashMap<(u64, u8), u64> = HashMap::new();
        for (name, session) in &mut self.sessions {
            let shard = home(name);
            for row in session.rows.iter_mut().filter(|row| row.body != 0) {
                if *owners.entry(row.body).or_insert(shard) == shard {
                    continue;
                }
                let original = row.body;
                let next = self.next_number;
                let copy = *copies.entry((original, shard)).or_insert(next);
                if copy == next {
                    self.next_number += 1;
                    let key = body_key(original);
                    let body = store.get(Table::Bodies, &key)?.unwrap_or_default();
                    self.mending.put(Table::Bodies, &body_key(copy), &body);
                }
                let key = queue_key(session.number, row.row);
                let value = store.get(Table::Queue, &key)?.unwrap_or_default();
                let record =
                    QueueRecord { body: QueueBody::Shared(copy), ..QueueRecord::decode(&key, &value)? };
                let mut parted = Vec::new();
                record.encode(&mut parted);
                self.mending.put(Table::Queue, &key, &parted);
                row.body = copy;
                if let Some(value) = &mut row.value {
                    value.row = parted;
                }
                if self.mending.size() > PARTED_MAX {
                    store.commit(&self.mending, false)?;
                    self.mending.clear();
                }
            }
        }
        Ok(())
    }
}

/// Reads all rows of a table, up to the first that cannot be read.
pub(super) fn each_row(
    store: &dyn Store,
    table: Table,
    mut read: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut result = Ok(());
    store.scan(table, Rows::ALL, &mut |key, value| {
        result = read(key, value);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result
}

/// What keeping a stored message costs in bytes, and when it expires.
fn weigh(message: &StoredMessage<'_>, epoch: u64) -> (usize, Option<Time>) {
    (message.size() + size_of::<Message>(), message.expires_at.map(|at| time(at, epoch)))
}

/// A time since 1970 on a shard's clock, whose beginning is the earliest there is.
pub(super) const fn time(at: u64, epoch: u64) -> Time {
    Time::from_millis(at.saturating_sub(epoch))
}
