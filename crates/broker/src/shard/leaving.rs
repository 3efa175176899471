//! A connection ends, and perhaps its session with it: wills, expiry, and what was on its way.

use std::mem;
use std::sync::Arc;

use colibri_codec::{QoS, ReasonCode};
use colibri_protocol::{Progress, State};
use colibri_storage::Table;

use super::Shard;
use super::asking::Pending;
use super::journal::Place;
use super::timers::Timer;
use crate::message::{Delivery, Inbound, Message};
use crate::sessions::Will;
use crate::totals::Levels;
use colibri_topics::GroupId;

impl Shard {
    /// Ends a connection; it is closed when what is to be written to it has been.
    pub(crate) fn close_connection(&mut self, number: u32) {
        self.lose_connection(number);
        if let Some(client) = self.connections.get_mut(number) {
            client.flags.closing = true;
            if client.flags.sealed {
                // Its CONNACK never left, and nothing may come before that.
                client.output.clear();
            }
        }
        self.touch(number);
    }

    /// Closes a connection that the protocol has ended: its client takes no packet as large as an answer.
    pub(crate) fn close_if_ended(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        if client.protocol.state() == State::Closed && !client.flags.closing {
            client.flags.lingers = true;
            self.close_connection(number);
        }
    }

    /// Ends a connection because the broker stops: its client learns where else to go, if that is known.
    pub(crate) fn disconnect_to_stop(&mut self, number: u32) {
        let config = Arc::clone(&self.config);
        let reference = config.server_reference.as_ref();
        match reference.and_then(|reference| Some((reference.reason(), reference.property()?))) {
            Some((reason, property)) => self.disconnect_with(number, reason, &[property]),
            None => {
                let reason = ReasonCode::ServerShuttingDown;
                self.disconnect(number, reason, "the server is shutting down");
            }
        }
    }

    /// Takes the session off a connection that has ended, however it did. What is left of the
    /// connection only writes and closes.
    pub(crate) fn lose_connection(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let Some(session) = client.session.take() else { return };
        client.gate = None;
        // Nobody has taken over a message that still waits for other shards, so it is none of the received
        // ones; what they answer now has no meaning.
        if let Some(pending) = client.pending.take()
            && let Pending::Message(asked) = *pending
        {
            client.protocol.abandon(asked.delivery());
        }
        let mut messages = mem::take(client.protocol.session_mut());
        // Those were kept only to come behind retained ones; they are no part of a session (section 4.1).
        messages.retain_waiting(|delivery| delivery.qos > QoS::AtMostOnce);
        self.spill_waiting(session, &mut messages);
        let now = self.now;
        let left_at = self.epoch + now.as_millis();
        let stay = self.sessions.next_stay();
        let Some(entry) = self.sessions.get_mut(session) else { return };
        entry.connection = None;
        entry.left_at = left_at;
        entry.stay = stay;
        // Also what a member of a shared group has begun. [v5 MQTT-4.8.2-4]
        entry.stored = Some(Box::new(messages));
        entry.expiry_watched = false;
        let counts = entry.backlogged || entry.stored.as_deref().is_some_and(|queue| queue.waiting() > 0);
        // [v5 MQTT-3.1.2-23] [v3.1.1 MQTT-4.1.0-2]
        if !entry.outlives_connection() {
            return self.end_session(session);
        }
        // [v5 MQTT-4.1.0-2]
        if let Some(end) = entry.ends(now) {
            self.timers.set(end, Timer::SessionExpiry { session, stay });
        }
        if counts {
            self.count_queue(session);
        }
        self.watch_expiry(session);
        self.set_away(session, true);
        let Some(entry) = self.sessions.get(session) else { return };
        // [v5 MQTT-3.1.2-8]; the end of the session, if that comes first, publishes it too.
        match &entry.will {
            Some(will) if will.delay > 0 => {
                self.timers.set(now.plus_seconds(will.delay), Timer::WillDelay { session, stay });
            }
            Some(_) => self.publish_will(session),
            None => {}
        }
        self.record_session(session);
    }

    /// Ends a session: publishes the will that still waits, and forgets everything.
    pub(crate) fn end_session(&mut self, session: u32) {
        self.publish_will(session);
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let filters = entry.subscriptions.take_filters();
        // If a will is yet to be stored, the session ends with that.
        let place = self.journal.place_of(Table::Sessions, entry.client_id.as_bytes());
        let before = self.journal.replace_place(place);
        for filter in filters {
            self.remove_subscription(session, &filter);
        }
        let entry = self.sessions.remove(session);
        if let Some(entry) = entry {
            self.queued.count(session, Levels::default());
            self.forget_session(&entry);
            for (group, message) in entry.stored.iter().flat_map(|messages| redeliverable(messages)) {
                self.route_to_group(&group, &mut Inbound::from_message(&message));
            }
        }
        self.journal.set_place(before);
    }

    /// Publishes the will of a session whose connection is lost, if there is one, and forgets it.
    ///
    /// If the session is stored, a crash must neither lose the will nor bring it back: it goes out of the record
    /// of the session and into all queues in one joint, and to stored sessions when that is committed.
    // [v5 MQTT-3.1.2-10] [v3.1.1 MQTT-3.1.2-10]
    pub(crate) fn publish_will(&mut self, session: u32) {
        // [v3.1.1 MQTT-3.1.2-12]
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let stored = entry.storage != 0;
        let Some(will) = entry.will.take() else { return };
        // A server that stops has not lost its clients.
        if self.stopping {
            return;
        }
        if !stored {
            return self.publish_taken(&will);
        }
        let before = self.journal.replace_place(Place::Joint);
        self.record_session(session);
        self.publish_taken(&will);
        self.journal.set_place(before);
    }

    fn publish_taken(&mut self, will: &Will) {
        let mut inbound = Inbound::from_message(&will.message);
        if let Some(seconds) = will.message_expiry {
            inbound = inbound.expiring(self.now.plus_seconds(seconds));
        }
        let mut route = self.routing.foreign.take().unwrap_or_default();
        // Nobody is there to be told that a queue is full or a topic not allowed.
        self.publish(&mut inbound, &mut route);
        self.routing.foreign = Some(route);
    }

    /// Notes that the connection of a session that cannot take more is to end.
    ///
    /// It does not end at once: its will may go to others that cannot take more, theirs to still others,
    /// and one within the other they would need more of the stack than there is.
    pub(crate) fn give_up(&mut self, session: u32) {
        let Some(number) = self.sessions.get(session).and_then(|entry| entry.connection) else { return };
        let Some(client) = self.connections.get_mut(number) else { return };
        if !mem::replace(&mut client.flags.given_up, true) {
            self.given_up.push((number, client.birth));
        }
    }

    /// Ends the connections that were given up.
    pub(crate) fn end_given_up(&mut self) {
        while let Some((number, birth)) = self.given_up.pop() {
            if self.connections.born(number, birth).is_some() {
                self.disconnect(number, ReasonCode::QuotaExceeded, "too many messages wait for this client");
            }
        }
    }
}

/// The messages of a shared subscription that another member may get: those that were never sent, and
/// those with QoS 1 that may not have arrived. One with QoS 2 that was begun goes to nobody else, nor does
/// one that the member refused, which is not under way any more.
// [v5 MQTT-4.8.2-5] [v5 MQTT-4.8.2-6]
fn redeliverable(messages: &colibri_protocol::Session<Delivery>) -> Vec<(GroupId, Arc<Message>)> {
    messages
        .messages()
        .filter(|(delivery, progress)| match progress {
            Progress::Waiting => true,
            Progress::Sent(_) => delivery.qos < QoS::ExactlyOnce,
            Progress::Released(_) => false,
        })
        .filter_map(|(delivery, _)| Some((delivery.group()?.clone(), Arc::clone(&delivery.message))))
        .collect()
}
