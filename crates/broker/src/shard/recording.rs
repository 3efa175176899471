//! What a shard writes down: each change of a stored session, of its messages, and of what is retained.
//!
//! Each function changes one row or a few of the turn's batch. When they are on disk is the business of
//! `journal.rs`, and who has to wait for that is decided by the callers.

use colibri_codec::{
    Frame, OwnedTopicFilter, PacketId, PacketType, Publish, QoS, SubscriptionOptions, TopicFilter, TopicName,
};
use colibri_protocol::{Event, Progress, Pumped, Sent};
use colibri_storage::records::{
    OF_SESSION, QueueState, RetainedRecord, SessionRecord, StoredWill, SubscriptionRecord, body_key,
    queue_key, received_key, session_prefix, subscription_key,
};
use colibri_storage::{Put, Table};

use super::Shard;
use super::inbox::Joint;
use super::journal::{Place, Shared, Ticket};
use super::rows::{put_row, stored};
use crate::message::{Delivery, Inbound, Message};
use crate::route::Route;
use crate::sessions::ClientSession;

/// A message with more bytes than this has a row of its own, as rows of queues are written again when
/// their messages are sent.
const INLINE_MAX: usize = colibri_storage::records::INLINE_MAX;

impl Shard {
    /// Deals with one packet of a connection whose session is stored, or that has packets in its gate.
    #[cold]
    pub(super) fn handle_recorded(&mut self, number: u32, frame: Frame<'_>, bytes: &[u8]) {
        let now = self.now;
        let mut answer = std::mem::take(&mut self.answer);
        let kind = frame.first_byte() >> 4;
        let Some(client) = self.connections.get_mut(number) else { return };
        if kind == PacketType::Publish.number() {
            let mut publish = Publish::EMPTY;
            match client.protocol.handle_publish(frame, &mut publish, now, &mut answer) {
                Ok(Some(topic)) => self.on_publish(number, &publish, &topic, bytes),
                // What was taken over before is acknowledged when that is stored.
                Ok(None) => self.answer_after(number, self.journal.pending(), &answer),
                Err(violation) => self.violate(number, violation),
            }
        } else {
            match client.protocol.handle_frame(frame, now, &mut answer) {
                Ok(Event::Handled) => {
                    let after = self.on_handled(number, kind, frame.body());
                    self.answer_after(number, after, &answer);
                    self.close_if_ended(number);
                }
                Ok(Event::Delivered(delivered)) => {
                    if let (Some(kept), Some(session)) = (delivered.kept, self.session_of(number)) {
                        self.forget_delivery(session, &kept);
                    }
                }
                Ok(Event::Release(id)) => {
                    self.forget_received(number, id);
                    let after = self.pending_for(number);
                    self.write_after(number, after, |protocol, out| protocol.complete(id, now, out));
                }
                other => self.on_event(number, other, bytes),
            }
            self.touch(number);
        }
        answer.clear();
        self.answer = answer;
    }

    /// Writes down what an acknowledgement changed that needed no decision; says what its answer waits for.
    fn on_handled(&mut self, number: u32, kind: u8, body: &[u8]) -> Option<Ticket> {
        if kind == PacketType::Pingreq.number() {
            // A slow disk is not to look like a dead server.
            return None;
        }
        if kind == PacketType::Pubrec.number()
            && let Some(id) = body.first_chunk().and_then(|id| PacketId::new(u16::from_be_bytes(*id)))
        {
            self.record_progress(number, id);
        }
        self.pending_for(number)
    }

    /// Writes an answer of the protocol when the store has all up to `after`.
    fn answer_after(&mut self, number: u32, after: Option<Ticket>, answer: &[u8]) {
        if answer.is_empty() {
            return;
        }
        let Some(client) = self.connections.get_mut(number) else { return };
        // Nothing comes before CONNACK.
        if after.is_none() && !client.flags.sealed {
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            client.output.extend_from_slice(answer);
        } else {
            self.write_after(number, after, |_, out| out.extend_from_slice(answer));
        }
        self.touch(number);
    }

    /// What answers to a client wait for that may depend on what was changed before; nothing if its session
    /// is not stored.
    pub(crate) fn pending_for(&self, number: u32) -> Option<Ticket> {
        let durable = self.connections.get(number).is_some_and(|client| client.flags.durable);
        if durable { self.journal.pending() } else { None }
    }

    fn session_of(&self, number: u32) -> Option<u32> {
        self.connections.get(number)?.session
    }

    /// The number in the store of a connection's session; `None` if it is not stored.
    fn storage_of(&self, number: u32) -> Option<u64> {
        let session = self.sessions.get(self.session_of(number)?)?;
        (session.storage != 0).then_some(session.storage)
    }

    /// Decides where a message with QoS 1 or 2 changes the store; `false` if it would have to, and the store
    /// takes nothing.
    pub(crate) fn begin_record(&mut self, inbound: &Inbound<'_>, route: &Route) -> bool {
        let others = (0..self.links.count())
            .any(|shard| route.shards() >> shard & 1 != 0 && self.links.stores_sessions(shard));
        let retained_elsewhere =
            inbound.retain && self.placement.shard_of(inbound.topic.as_str()) != self.number;
        // What the broker publishes for a client that is gone cannot be refused to anybody; it waits.
        if !self.journal.is_healthy() && !self.routing.own {
            let stored = |session| self.sessions.get(session).is_some_and(|entry| entry.storage != 0);
            if inbound.retain || others || !route.groups().is_empty() || route.sessions().any(stored) {
                return false;
            }
        }
        let groups_elsewhere = !route.groups().is_empty() && self.links.count() > 1;
        if inbound.qos == QoS::ExactlyOnce && (others || retained_elsewhere || groups_elsewhere) {
            self.journal.set_place(Place::Joint);
        }
        true
    }

    /// What a message for another shard has to do with the joint of this turn: that shard may store it.
    pub(crate) fn join_with(&mut self, shard: u8, qos: QoS) -> Joint {
        let joint = self.journal.is_joint();
        if !self.journal.is_on() || qos == QoS::AtMostOnce && !joint || !self.links.stores_sessions(shard) {
            return Joint::Apart;
        }
        self.journal.join(shard);
        if joint { Joint::Within } else { Joint::Before }
    }

    /// The same for a message that another shard retains. Only that of a will is retained together with the
    /// rest, as nobody sends it again: by then another one may be retained.
    pub(crate) fn join_retained(&mut self, shard: u8, qos: QoS) -> Joint {
        let joint = self.journal.is_joint() && self.routing.own;
        if !self.journal.is_on() || qos == QoS::AtMostOnce && !joint {
            return Joint::Apart;
        }
        self.journal.join(shard);
        if joint { Joint::Within } else { Joint::Before }
    }

    /// Decides where a message of another shard changes the store.
    pub(crate) fn begin_part(&mut self, from: u8, joint: Joint) {
        match joint {
            Joint::Within => self.journal.set_place(Place::Part(from)),
            Joint::Apart | Joint::Before => {}
        }
    }

    /// A session is connected: writes it down if it outlives the connection.
    pub(crate) fn begin_stored_session(&mut self, session: u32) {
        if !self.journal.is_on() {
            return;
        }
        let Some(entry) = self.sessions.get_mut(session) else { return };
        if entry.storage == 0 {
            if !entry.outlives_connection() {
                return;
            }
            entry.storage = self.journal.number();
            self.sessions.stored += 1;
            self.links.set_stored_sessions(self.sessions.stored);
        }
        self.record_session(session);
    }

    /// Writes down what there is to know of a session.
    pub(crate) fn record_session(&mut self, session: u32) {
        let epoch = self.epoch;
        let Some(entry) = self.sessions.get(session).filter(|entry| entry.storage != 0) else { return };
        let away = !entry.is_connected();
        // Not the time of this record: one is written later, too, when a delayed will has been published.
        let disconnected_at = if away { entry.left_at } else { 0 };
        let will = entry.will.as_ref().map(|will| StoredWill {
            delay: will.delay,
            message_expiry: will.message_expiry,
            due_at: away.then(|| disconnected_at + u64::from(will.delay) * 1000),
            message: stored(&will.message, epoch),
        });
        let record = SessionRecord {
            number: entry.storage,
            expiry_interval: entry.expiry_interval,
            connected: !away,
            disconnected_at,
            will,
        };
        let key = entry.client_id.as_bytes();
        self.journal
            .batch_for(Table::Sessions, key)
            .put_with(Table::Sessions, key, Put::Replace, |out| record.encode(out));
    }

    /// Takes all rows of a session out that has ended.
    pub(crate) fn forget_session(&mut self, entry: &ClientSession) {
        if entry.storage == 0 {
            return;
        }
        self.journal.end_session_of(&entry.client_id);
        let key = entry.client_id.as_bytes();
        self.journal.batch_for(Table::Sessions, key).delete(Table::Sessions, key);
        for table in OF_SESSION {
            self.journal.deletions().delete_prefix(table, &session_prefix(entry.storage));
        }
        let messages = entry.stored.iter().flat_map(|queue| queue.messages());
        let waiting = messages.map(|(delivery, _)| (delivery.row, delivery.body));
        let spilled = entry.spilled.iter().flat_map(|spilled| spilled.iter()).map(|row| (row.row, row.body));
        for (row, body) in waiting.chain(spilled).filter(|(row, _)| *row != 0) {
            self.journal.deletions().delete(Table::Queue, &queue_key(entry.storage, row));
            self.forget_body(body);
        }
        self.sessions.stored -= 1;
        self.links.set_stored_sessions(self.sessions.stored);
    }

    pub(crate) fn record_subscription(
        &mut self,
        session: u32,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) {
        let Some(entry) = self.sessions.get(session).filter(|entry| entry.storage != 0) else { return };
        let mut key = Vec::new();
        subscription_key(entry.storage, filter, &mut key);
        let record = SubscriptionRecord { options, identifier };
        self.journal.batch().put_with(Table::Subscriptions, &key, Put::Replace, |out| record.encode(out));
    }

    pub(crate) fn forget_subscription(&mut self, session: u32, filter: &OwnedTopicFilter) {
        let Some(entry) = self.sessions.get(session).filter(|entry| entry.storage != 0) else { return };
        let mut key = Vec::new();
        subscription_key(entry.storage, filter.filter(), &mut key);
        self.journal.batch().delete(Table::Subscriptions, &key);
    }

    /// Writes down that a QoS 2 message of a client was taken over. [v5 MQTT-4.3.3-10]
    pub(crate) fn record_received(&mut self, number: u32, id: PacketId) {
        if let Some(storage) = self.storage_of(number) {
            self.journal.batch().put(Table::Received, &received_key(storage, id), &[]);
        }
    }

    fn forget_received(&mut self, number: u32, id: PacketId) {
        if let Some(storage) = self.storage_of(number) {
            self.journal.batch().delete(Table::Received, &received_key(storage, id));
        }
    }

    /// Where the body of the message that is being routed is stored: 0 for the rows of its receivers. The
    /// first call for a message stores it.
    pub(crate) fn body_of(&mut self, message: &Message) -> u64 {
        let wanted = self.journal.shared == Shared::Wanted || message.stored_size() > INLINE_MAX;
        match self.journal.shared {
            Shared::Stored(body) => body,
            Shared::Inline | Shared::Wanted if wanted => {
                let body = self.journal.number();
                let message = stored(message, self.epoch);
                let key = body_key(body);
                self.journal.batch().put_with(Table::Bodies, &key, Put::Insert, |out| message.encode(out));
                self.journal.shared = Shared::Stored(body);
                body
            }
            Shared::Inline | Shared::Wanted => 0,
        }
    }

    /// The message that was routed has all its rows: a body that none of them needs is given up.
    pub(crate) fn end_sharing(&mut self) {
        if let Shared::Stored(body) = std::mem::take(&mut self.journal.shared)
            && !self.journal.has_body(body)
        {
            self.journal.batch().delete(Table::Bodies, &body_key(body));
        }
    }

    /// Writes a message down that has to wait for its session. It is handed back if it has to be in memory,
    /// too.
    pub(crate) fn record_waiting(&mut self, session: u32, delivery: Delivery) -> Option<Delivery> {
        let Some(entry) = self.sessions.get(session) else { return Some(delivery) };
        if entry.storage == 0 || delivery.qos == QoS::AtMostOnce {
            return Some(delivery);
        }
        let storage = entry.storage;
        let row = self.journal.row();
        let body = self.body_of(&delivery.message);
        let delivery = delivery.stored_at(row, body);
        self.put_row(storage, &delivery, QueueState::Waiting, Put::Insert);
        if body != 0 {
            self.journal.hold_body(body);
        }
        if self.is_to_spill(session, &delivery) {
            self.spill(session, &delivery);
            return None;
        }
        Some(delivery)
    }

    /// Writes a message down that was sent as soon as it came, under this identifier.
    pub(crate) fn record_sent(&mut self, session: u32, id: PacketId) {
        let Some(entry) = self.sessions.get(session) else { return };
        let (storage, connection) = (entry.storage, entry.connection);
        let epoch = self.epoch;
        let Some(client) = connection.and_then(|number| self.connections.get_mut(number)) else { return };
        let Some((delivery, _)) = client.protocol.session_mut().message(id) else { return };
        if delivery.body != 0 {
            self.journal.hold_body(delivery.body);
        }
        put_row(self.journal.batch(), storage, delivery, QueueState::Sent(id), Put::Insert, epoch);
    }

    /// Writes down how far the message under an identifier has come since it was sent.
    fn record_progress(&mut self, number: u32, id: PacketId) {
        let Some(storage) = self.storage_of(number) else { return };
        let epoch = self.epoch;
        let Some(client) = self.connections.get_mut(number) else { return };
        let order = client.protocol.session_mut().release_order(id);
        if let Some(order) = order
            && let Some((delivery, Progress::Released(id))) = client.protocol.session_mut().message(id)
        {
            let state = QueueState::Released(id, order);
            put_row(self.journal.batch(), storage, delivery, state, Put::Replace, epoch);
        }
    }

    fn put_row(&mut self, storage: u64, delivery: &Delivery, state: QueueState, put: Put) {
        put_row(self.journal.batch(), storage, delivery, state, put, self.epoch);
    }

    /// A message of a session is no longer wanted.
    pub(crate) fn forget_delivery(&mut self, session: u32, delivery: &Delivery) {
        self.forget_row(session, delivery.row, delivery.body);
    }

    pub(crate) fn forget_row(&mut self, session: u32, row: u64, body: u64) {
        let Some(entry) = self.sessions.get(session).filter(|entry| entry.storage != 0) else { return };
        if row == 0 {
            return;
        }
        let key = queue_key(entry.storage, row);
        self.journal.deletions().delete(Table::Queue, &key);
        self.forget_body(body);
    }

    fn forget_body(&mut self, body: u64) {
        if body != 0 && self.journal.let_go_of_body(body) {
            self.journal.deletions().delete(Table::Bodies, &body_key(body));
        }
    }

    /// Moves what waits for a stored session into its connection's output or gate.
    pub(super) fn pump_recorded(&mut self, number: u32) {
        let Some(session) = self.session_of(number) else { return };
        let Some(storage) = self.storage_of(number) else { return };
        self.fetch_spilled(session);
        let (now, epoch) = (self.now, self.epoch);
        let stays_behind = self.stays_behind_gate(number);
        let Some(client) = self.connections.get_mut(number) else { return };
        let room = self.config.output_budget.saturating_sub(client.pending() + client.gated());
        if room == 0 || !client.protocol.has_backlog() {
            return;
        }
        let mut answer = std::mem::take(&mut self.answer);
        let mut dropped = Vec::new();
        // Nor may what is retained overtake the SUBACK that it comes with.
        let mut gated = client.gate.is_some() && client.flags.replaying || stays_behind;
        let (journal, metrics) = (&mut self.journal, &mut self.metrics);
        let mut expires = None;
        client.protocol.set_takes_back(true);
        client.protocol.pump_watched(room, now, &mut answer, |pumped| match pumped {
            Pumped::Begun(delivery, id) => {
                metrics.publishes_sent += 1;
                gated |= delivery.qos == QoS::ExactlyOnce;
                expires = expires.into_iter().chain(delivery.message.expires).min();
                if delivery.row != 0 {
                    let state = QueueState::Sent(id);
                    put_row(journal.batch(), storage, delivery, state, Put::Replace, epoch);
                }
            }
            Pumped::Dropped(delivery, why) => {
                match why {
                    Sent::Expired => metrics.dropped_expired += 1,
                    Sent::TooLarge | Sent::NotSupported => metrics.dropped_too_large += 1,
                    Sent::Written(_) | Sent::Wait => {}
                }
                dropped.push((delivery.row, delivery.body));
            }
        });
        client.protocol.set_takes_back(false);
        for (row, body) in dropped {
            self.forget_row(session, row, body);
        }
        let after = if gated { self.journal.pending() } else { None };
        self.answer_after(number, after, &answer);
        if gated && let Some(gate) = self.connections.get_mut(number).and_then(|client| client.gate.as_mut())
        {
            gate.holds_messages = true;
            gate.note_expiry(expires);
        }
        answer.clear();
        self.answer = answer;
    }

    /// A message is retained, or taken away if its payload is empty.
    pub(crate) fn record_retained(&mut self, message: &Message) {
        let topic = message.topic.name().as_str();
        // What the broker says of itself is not true any more when it begins anew.
        if !self.journal.is_on() || topic.starts_with("$SYS/") {
            return;
        }
        let place = self.journal.place();
        if place == Place::Joint && !self.routing.own {
            // Its publisher sends it again if the joint is not committed.
            self.journal.set_place(Place::Main);
        }
        let key = topic.as_bytes();
        let batch = self.journal.batch_for(Table::Retained, key);
        if message.payload().is_empty() {
            batch.delete(Table::Retained, key);
        } else {
            let stored_at = self.epoch + self.now.as_millis();
            let record = RetainedRecord { stored_at, message: stored(message, self.epoch) };
            batch.put_with(Table::Retained, key, Put::Replace, |out| record.encode(out));
        }
        self.journal.set_place(place);
    }

    /// A retained message has expired.
    pub(crate) fn forget_retained(&mut self, topic: TopicName<'_>) {
        if self.journal.is_on() {
            let key = topic.as_str().as_bytes();
            self.journal.batch_for(Table::Retained, key).delete(Table::Retained, key);
        }
    }

    /// The store has committed one thing of a ticket. Gates open at the end of the turn.
    pub(crate) fn on_committed(&mut self, ticket: Ticket) {
        self.journal.on_committed(ticket);
    }
}
