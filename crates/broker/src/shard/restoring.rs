//! What a broker begins with: all that was stored when the one before it ended, however it did.

use std::mem;
use std::sync::Arc;

use colibri_protocol::{Progress, Session};
use colibri_storage::records::{
    Counter, QueueBody, QueueRecord, QueueState, RetainedRecord, StoredMessage, body_key, encode_counter,
    queue_key,
};
use colibri_storage::{Store, StoreError, Table};
use colibri_topics::GroupId;

use super::Shard;
use super::found::{Found, FoundSession, FoundWill, each_row, time};
use super::journal::{FetchedRow, Journal};
use super::timers::Timer;
use crate::config::Durability;
use crate::message::{Delivery, Extra, Message};
use crate::placement::Placement;
use crate::scribe::{Report, Requests, Scribe};
use crate::sessions::Will;
use crate::spilled::SpilledRow;
use crate::subscriber::Subscriber;

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
        mut report: Box<dyn FnMut(Report<'_>) + Send>,
    ) -> Result<(Scribe, Restored), StoreError> {
        let mut restored = Restored::default();
        let mut found = Found::read(&*store, epoch)?;
        let requests = Arc::new(Requests::new(wake));
        let count = u8::try_from(shards.len()).unwrap_or(u8::MAX);
        let placement =
            found.placement.unwrap_or_else(|| shards.first().map_or(0, |shard| shard.config.seed));
        let homes = Placement::new(placement, count);
        for shard in &mut *shards {
            shard.epoch = epoch;
            shard.overdue = true;
            shard.placement = Placement::new(placement, count);
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
        // All was read, and nothing is damaged.
        found.part_bodies(&mut *store, |name| homes.shard_of(name))?;
        for (number, shard) in (0u8..).zip(&mut *shards) {
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
        let reserved = encode_counter(found.next_number.saturating_add(NUMBERS));
        let numbers = [(Counter::Session, &reserved), (Counter::Body, &reserved)];
        let placement = encode_counter(placement);
        for (counter, value) in numbers.into_iter().chain([(Counter::Placement, &placement)]) {
            found.mending.put(Table::Meta, counter.key(), value);
        }
        // After a failed sync and the end of the process, what was read may not be on the disk yet, and nobody
        // may be told of it before it is.
        store.commit(&found.mending, true)?;
        if let Some(first) = &found.first_stray {
            report(Report::Strays { rows: found.strays, first });
        }
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
        self.count_queue(session);
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
        self.watch_expiry(session);
        Ok(())
    }

    /// Sets the timers of a session whose client is away.
    fn restore_deadlines(&mut self, session: u32, stay: u32, since: Option<u64>, will: Option<FoundWill>) {
        let start = self.epoch + self.now.as_millis();
        let was_connected = since.is_none();
        // A client that was connected when a crash came is away since then, which is since now as far as is
        // known here. None has left in the future: a clock that was set back makes no session last longer.
        let since = since.unwrap_or(start).min(start);
        let publisher = Subscriber::session(self.number, session);
        let epoch = self.epoch;
        let Some(entry) = self.sessions.get_mut(session) else { return };
        entry.left_at = since;
        // [v5 MQTT-4.1.0-2]; the time before this broker began counts too.
        if entry.expiry_interval != u32::MAX {
            let end = time(since.saturating_add(u64::from(entry.expiry_interval) * 1000), epoch);
            self.timers.set(end, Timer::SessionExpiry { session, stay });
        }
        if let Some(FoundWill { mut message, message_expiry, delay, due_at }) = will {
            message.publisher = publisher;
            entry.will = Some(Box::new(Will { message: Arc::new(message), message_expiry, delay }));
            let latest = since.saturating_add(u64::from(delay) * 1000);
            let due = time(due_at.map_or(latest, |due| due.min(latest)), epoch);
            self.timers.set(due, Timer::WillDelay { session, stay });
        }
        if was_connected {
            // So that its time does not begin again with the next crash.
            self.record_session(session);
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
            self.timers.set(expires, Timer::RetainedExpiry { topic: Box::new(message.topic.clone()) });
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
    let extra = Extra::new(&identifiers, group.as_ref());
    let mut delivery = Delivery::new(Arc::new(message), record.qos, record.retain, extra);
    delivery.replayed = record.replayed;
    Ok((delivery.stored_at(row, body), record.state))
}
