//! What a broker begins with: all that was stored when the one before it ended, however it did.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;

use colibri_codec::{OwnedTopicFilter, PacketId};
use colibri_protocol::{Progress, Session, Time};
use colibri_storage::records::{
    Counter, QueueBody, QueueRecord, QueueState, RetainedRecord, SessionRecord, StoredMessage,
    SubscriptionRecord, body_key, decode_counter, encode_counter, parse_body_key, parse_queue_key,
    parse_received_key, parse_subscription_key, queue_key,
};
use colibri_storage::{Batch, Rows, Store, StoreError, Table};
use colibri_topics::GroupId;

use super::Shard;
use super::journal::{FetchedRow, Journal};
use super::timers::Timer;
use crate::config::Durability;
use crate::message::{Delivery, Message};
use crate::scribe::{Report, Requests, Scribe};
use crate::sessions::Will;
use crate::spilled::SpilledRow;
use crate::subscriber::{Options, Subscriber};

/// How many numbers for sessions and bodies a broker reserves when it starts: more than it can give out.
const NUMBERS: u64 = 1 << 40;

/// What was found in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Sessions.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for them or are under way.
    pub messages: usize,
    /// Retained messages.
    pub retained: usize,
}

impl Shard {
    /// Fills the shards of a broker with what a store holds, and lets them keep their state there from here
    /// on: through the scribe, whose turn has to be called when `wake` asks for it. `epoch` is what makes
    /// milliseconds since 1970 of their clock. To be done before their first turn.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or holds what is damaged or newer; nothing is changed.
    pub fn restore_all(
        shards: &mut [Self],
        mut store: Box<dyn Store>,
        epoch: u64,
        wake: Box<dyn Fn() + Send + Sync>,
        report: Box<dyn FnMut(Report<'_>) + Send>,
    ) -> Result<(Scribe, Restored), StoreError> {
        let mut restored = Restored::default();
        let mut found = Found::read(&*store, epoch)?;
        let requests = Arc::new(Requests::new(wake));
        let count = u8::try_from(shards.len()).unwrap_or(u8::MAX);
        for (number, shard) in (0u8..).zip(&mut *shards) {
            shard.epoch = epoch;
            shard.journal =
                Journal::new(Arc::clone(&requests), number, count, (found.next_number, found.next_row));
        }
        for (client_id, session) in mem::take(&mut found.sessions) {
            if let Some(shard) = home_of(shards, &client_id) {
                restored.sessions += 1;
                restored.subscriptions += session.subscriptions.len();
                restored.messages += session.rows.len();
                shard.restore_session(&client_id, session)?;
            }
        }
        each_row(&*store, Table::Retained, |key, value| {
            let record = RetainedRecord::decode(key, value)?;
            let message = Arc::new(Message::from_stored(&record.message, epoch));
            if let Some(shard) = home_of(shards, record.message.topic.as_str()) {
                restored.retained += 1;
                shard.restore_retained(message);
            }
            Ok(())
        })?;
        let reserved = encode_counter(found.next_number.saturating_add(NUMBERS));
        for counter in Counter::ALL {
            found.orphans.put(Table::Meta, counter.key(), &reserved);
        }
        // After a failed sync and the end of the process, what was read may not be on the disk yet, and nobody
        // may be told of it before it is.
        store.commit(&found.orphans, true)?;
        let mut inboxes = Vec::new();
        let mut durability = Durability::default();
        for shard in shards {
            // So that the first turn of each finds what the others have subscribers for.
            shard.hand_in_turn();
            inboxes = shard.links.inboxes().to_vec();
            durability = shard.config.durability;
        }
        Ok((Scribe::new(requests, store, inboxes, durability, report), restored))
    }

    fn restore_session(&mut self, client_id: &str, found: FoundSession) -> Result<(), StoreError> {
        // A store with more sessions than a shard can have is that of another program.
        let Some(session) = self.sessions.create(client_id) else { return Ok(()) };
        let (queue, rows) = self.restore_queue(&found)?;
        let stay = self.sessions.next_stay();
        let will = found.will;
        let subscriber = Subscriber::session(self.number, session);
        let Some(entry) = self.sessions.get_mut(session) else { return Ok(()) };
        entry.storage = found.number;
        entry.expiry_interval = found.expiry_interval;
        entry.stay = stay;
        entry.stored = Some(Box::new(queue));
        if !rows.is_empty() {
            let spilled = entry.spilled.get_or_insert_default();
            rows.into_iter().for_each(|row| spilled.push_back(row));
        }
        for (filter, options) in &found.subscriptions {
            let is_shared = filter.filter().share().is_some();
            let options = if is_shared { options.with_away(true) } else { *options };
            entry.subscriptions.insert(filter.clone(), options);
        }
        self.sessions.stored += 1;
        self.links.set_stored_sessions(self.sessions.stored);
        for (filter, options) in found.subscriptions {
            let share = filter.filter().share().map(|(share, behind)| GroupId::new(share, behind));
            let options = if share.is_some() { options.with_away(true) } else { options };
            self.tree.subscribe(filter.filter(), subscriber, options);
            match share {
                Some(group) => self.announce_member(&group, subscriber, Some(options)),
                None => self.gain_interest(filter.filter()),
            }
        }
        self.restore_deadlines(session, stay, found.disconnected_at, will);
        Ok(())
    }

    /// Sets the timers of a session whose client is away.
    fn restore_deadlines(&mut self, session: u32, stay: u32, since: Option<u64>, will: Option<FoundWill>) {
        // A client that was connected when a crash came is away since then, which is since now as far as is
        // known here.
        let since = since.map_or(self.now, |at| time(at, self.epoch));
        let publisher = Subscriber::session(self.number, session);
        let Some(entry) = self.sessions.get_mut(session) else { return };
        if let Some(end) = entry.ends(since) {
            self.timers.set(end, Timer::SessionExpiry { session, stay });
        }
        if let Some(FoundWill { mut message, message_expiry, delay, due_at }) = will {
            message.publisher = publisher;
            entry.will = Some(Box::new(Will { message: Arc::new(message), message_expiry, delay }));
            let due = due_at.map_or_else(|| since.plus_seconds(delay), |at| time(at, self.epoch));
            self.timers.set(due, Timer::WillDelay { session, stay });
        }
    }

    /// The messages of a session: those under way in memory, the others where they are in the store.
    fn restore_queue(
        &mut self,
        found: &FoundSession,
    ) -> Result<(Session<Delivery>, Vec<SpilledRow>), StoreError> {
        let mut queue = Session::new();
        let mut spilled = Vec::new();
        for id in &found.received {
            queue.restore_received(*id);
        }
        for row in &found.rows {
            if row.body != 0 {
                self.journal.hold_body(row.body);
            }
            let Some(fetched) = &row.value else {
                spilled.push(SpilledRow::new(row.row, row.body, row.size, row.expires));
                continue;
            };
            let (delivery, state) = delivery(found.number, row.row, fetched, self.epoch)?;
            match state {
                QueueState::Waiting => queue.restore(delivery, Progress::Waiting, 0),
                QueueState::Sent(id) => queue.restore(delivery, Progress::Sent(id), 0),
                QueueState::Released(id, order) => queue.restore(delivery, Progress::Released(id), order),
            }
        }
        Ok((queue, spilled))
    }

    fn restore_retained(&mut self, message: Arc<Message>) {
        if let Some(expires) = message.expires {
            self.timers.set(expires, Timer::RetainedExpiry { topic: message.topic.clone() });
        }
        self.retained.restore(message, self.number);
        self.links.set_retained_bytes(self.retained.bytes());
    }

    /// A message that was read back from the queue of a session; `None` if it cannot be read.
    pub(crate) fn read_back(&self, session: u32, place: SpilledRow, value: &FetchedRow) -> Option<Delivery> {
        let storage = self.sessions.get(session)?.storage;
        let (delivery, _) = delivery(storage, place.row, value, self.epoch).ok()?;
        Some(delivery)
    }
}

/// The shard that what goes by this name belongs to.
fn home_of<'s>(shards: &'s mut [Shard], name: &str) -> Option<&'s mut Shard> {
    let home = shards.first()?.placement.shard_of(name);
    shards.get_mut(usize::from(home))
}

/// The sessions in a store, and rows that belong to none.
#[derive(Default)]
struct Found {
    sessions: BTreeMap<String, FoundSession>,
    /// Beyond the numbers of all sessions and bodies, and beyond all rows.
    next_number: u64,
    next_row: u64,
    orphans: Batch,
}

#[derive(Default)]
struct FoundSession {
    number: u64,
    expiry_interval: u32,
    /// `None` if the client was connected.
    disconnected_at: Option<u64>,
    will: Option<FoundWill>,
    subscriptions: Vec<(OwnedTopicFilter, Options)>,
    received: Vec<PacketId>,
    rows: Vec<FoundRow>,
}

struct FoundWill {
    message: Message,
    message_expiry: Option<u32>,
    delay: u32,
    due_at: Option<u64>,
}

struct FoundRow {
    row: u64,
    body: u64,
    size: usize,
    expires: Option<Time>,
    /// Its contents, if it has to be in memory.
    value: Option<FetchedRow>,
}

/// What there is to know of a body while it is not read.
struct FoundBody {
    size: usize,
    expires: Option<Time>,
    rows: u32,
}

impl Found {
    fn read(store: &dyn Store, epoch: u64) -> Result<Self, StoreError> {
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
            names.insert(record.number, client_id.clone());
            found.sessions.insert(client_id, session);
            Ok(())
        })?;
        found.read_subscriptions(store, &names)?;
        found.read_queues(store, &names, epoch)?;
        each_row(store, Table::Meta, |key, value| {
            for counter in Counter::ALL.into_iter().filter(|counter| counter.key() == key) {
                found.next_number = found.next_number.max(decode_counter(counter, value)?);
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
                self.orphans.delete(table, key);
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
                QueueBody::Gone => (0, (0, None)),
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
            self.orphans.delete(Table::Bodies, &body_key(*number));
        }
        Ok(())
    }
}

/// Reads all rows of a table, up to the first that cannot be read.
fn each_row(
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
pub(crate) const fn time(at: u64, epoch: u64) -> Time {
    Time::from_millis(at.saturating_sub(epoch))
}

/// A row of a queue as it was when it was written.
fn delivery(
    session: u64,
    row: u64,
    value: &FetchedRow,
    epoch: u64,
) -> Result<(Delivery, QueueState), StoreError> {
    let key = queue_key(session, row);
    let record = QueueRecord::decode(&key, &value.row)?;
    let (message, body) = match record.body {
        QueueBody::Inline(message) => (Message::from_stored(&message, epoch), 0),
        QueueBody::Shared(body) => {
            let Some(bytes) = &value.body else {
                let what = format!("its body {body} is not there");
                return Err(StoreError::corrupt_row(Table::Queue, &key, what));
            };
            (Message::from_stored(&StoredMessage::decode(&body_key(body), bytes)?, epoch), body)
        }
        QueueBody::Gone => {
            return Err(StoreError::corrupt_row(Table::Queue, &key, "it has no message"));
        }
    };
    let identifiers: Vec<u32> = record.subscription_identifiers.iter().collect();
    let group =
        record.group.and_then(|group| group.share()).map(|(share, behind)| GroupId::new(share, behind));
    let mut delivery =
        Delivery::new(Arc::new(message), record.qos, record.retain, &identifiers, group.as_ref());
    delivery.replayed = record.replayed;
    Ok((delivery.stored_at(row, body), record.state))
}
