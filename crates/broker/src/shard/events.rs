//! What packets, timers and other shards ask of a shard, each handed to where it is done.

use std::mem;
use std::time::Duration;

use colibri_codec::{
    Delivery, Disconnect, Frame, PacketType, Properties, Property, Publish, ReasonCode, TopicName,
    Utf8String, Version,
};
use colibri_protocol::{Event, Publication, Time, Topic, Violation, passed_on};

use super::inbox::Operation;
use super::journal::{Place, Ticket};
use super::parcel::Passage;
use super::socket::Sockets;
use super::timers::Timer;
use super::{READ_BUFFER_SIZE, Shard};
use crate::message::{self, Inbound, Wire};
use crate::route::{Outcome, Route};
use crate::subscriber::Subscriber;

/// When the keep alive of a client is looked at again that could not be read.
const KEEP_ALIVE_RETRY: Duration = Duration::from_secs(1);

impl Shard {
    /// Deals with one packet of a connection. `bytes` is the whole packet.
    #[inline]
    pub(crate) fn handle(&mut self, number: u32, frame: Frame<'_>, bytes: &[u8]) {
        let Some(client) = self.connections.get_mut(number) else { return };
        if client.flags.durable || client.gate.is_some() {
            return self.handle_recorded(number, frame, bytes);
        }
        if frame.first_byte() >> 4 == PacketType::Publish.number() {
            let mut publish = Publish::EMPTY;
            match client.protocol.handle_publish(frame, &mut publish, self.now, &mut client.output) {
                Ok(Some(topic)) => self.on_publish(number, &publish, &topic, bytes),
                Ok(None) => {}
                Err(violation) => self.violate(number, violation),
            }
            return;
        }
        match client.protocol.handle_frame(frame, self.now, &mut client.output) {
            Ok(Event::Handled) => self.close_if_ended(number),
            Ok(Event::Release(id)) => client.protocol.complete(id, self.now, &mut client.output),
            other => self.on_event(number, other, bytes),
        }
        self.touch(number);
    }

    /// Deals with what a packet means that is not a PUBLISH or PUBREL.
    pub(super) fn on_event(
        &mut self,
        number: u32,
        event: Result<Event<'_, message::Delivery>, Violation>,
        bytes: &[u8],
    ) {
        match event {
            // What waited is pumped when the connection is flushed, once for all packets of this read.
            Ok(Event::Handled | Event::Delivered(_) | Event::Release(_)) => {}
            Ok(Event::Subscribe(subscribe)) => self.on_subscribe(number, &subscribe),
            Ok(Event::Unsubscribe(unsubscribe)) => self.on_unsubscribe(number, &unsubscribe),
            Ok(Event::Connect(connect)) => self.on_connect(number, &connect, bytes),
            Ok(Event::Disconnect(disconnect)) => self.on_disconnect(number, &disconnect),
            Ok(Event::Auth(auth)) => self.on_auth(number, &auth),
            // PUBLISH was dealt with above, and the protocol lets no packet through that only a server may send.
            Ok(Event::Publish(_) | Event::Connack(_) | Event::Suback(_) | Event::Unsuback(_)) => {}
            Err(violation) => self.violate(number, violation),
        }
    }

    pub(crate) fn on_publish(&mut self, number: u32, publish: &Publish<'_>, topic: &Topic<'_>, bytes: &[u8]) {
        self.metrics.publishes_received += 1;
        let Some(client) = self.connections.get_mut(number) else { return };
        let publisher =
            client.session.map_or(Subscriber::NOBODY, |session| Subscriber::session(self.number, session));
        let version = client.protocol.version();
        let topic = topic.name();
        let mut route = client.route.take().unwrap_or_default();
        let mut copy = mem::take(&mut self.passed_on);
        let (properties, expires) = own(&publish.properties, self.now, &mut copy);
        let publication = Publication {
            topic,
            qos: publish.qos(),
            retain: publish.retain,
            expires,
            subscription_identifiers: &[],
            properties,
            payload: publish.payload,
        };
        // The bytes can be passed on if nothing in them belongs to this connection alone.
        let plain = !publish.dup && publish.properties.is_within(Publication::PASSED_ON);
        let wire = plain.then_some(Wire { bytes, has_properties: version.has_properties() });
        let mut inbound = Inbound::new(&publication, publisher).with_wire(wire);
        match self.may_publish(inbound.topic) {
            Err(reason) => self.answer_publish(number, publish.delivery, Outcome::Refused(reason), None),
            Ok(()) if self.config.check_payload_format && !is_well_formed(publish) => {
                self.refuse_payload(number, publish.delivery);
            }
            Ok(()) if self.ask_for_room(number, &mut inbound, publish.delivery, &mut route) => {}
            Ok(()) => self.take_over_message(number, &mut inbound, publish.delivery, &mut route),
        }
        if let Some(client) = self.connections.get_mut(number) {
            client.route = Some(route);
        }
        // What one long message took is not kept for ever.
        if copy.capacity() <= READ_BUFFER_SIZE {
            copy.clear();
            self.passed_on = copy;
        }
    }

    /// Refuses a message whose payload is not the text that it is said to be.
    fn refuse_payload(&mut self, number: u32, delivery: Delivery) {
        let reason = ReasonCode::PayloadFormatInvalid;
        if delivery == Delivery::AtMostOnce {
            // There is no acknowledgement to say so with (section 3.3.2.3.2).
            return self.disconnect(number, reason, refusal(reason));
        }
        self.answer_publish(number, delivery, Outcome::Refused(reason), None);
    }

    /// Routes a message of a client, and answers it: when the store has what that changed.
    pub(crate) fn take_over_message(
        &mut self,
        number: u32,
        inbound: &mut Inbound<'_>,
        delivery: Delivery,
        route: &mut Route,
    ) {
        let changes = self.journal.changes();
        let outcome = self.route(inbound, route);
        if let Delivery::ExactlyOnce(id) = delivery
            && !matches!(outcome, Outcome::Refused(_))
        {
            self.record_received(number, id);
        }
        self.journal.set_place(Place::Main);
        if matches!(outcome, Outcome::Refused(_)) && !self.journal.is_healthy() {
            self.rest(number);
        }
        let after = (self.journal.changes() != changes).then(|| self.journal.ticket());
        self.answer_publish(number, delivery, outcome, after);
    }

    /// Answers a message of a client as it fared, when the store has all up to `after`.
    pub(crate) fn answer_publish(
        &mut self,
        number: u32,
        delivery: Delivery,
        outcome: Outcome,
        after: Option<Ticket>,
    ) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let version = client.protocol.version();
        let reason = match outcome {
            Outcome::Routed => ReasonCode::Success,
            Outcome::NoSubscriber => ReasonCode::NoMatchingSubscribers,
            Outcome::Refused(reason) if version.has_properties() => {
                let (words, now) = (refusal(reason), self.now);
                // Behind the answers to earlier messages, which may wait for the store. [v5 MQTT-4.6.0-2]
                self.write_after(number, after, |protocol, out| {
                    protocol.refuse_publish(delivery, reason, words, now, out);
                });
                return;
            }
            // Before 5.0 there is no way to refuse: without an acknowledgement the client sends it again.
            Outcome::Refused(ReasonCode::QuotaExceeded) => return client.protocol.abandon(delivery),
            // What is not allowed is acknowledged all the same. [v3.1.1 MQTT-3.3.5-2]
            Outcome::Refused(_) => ReasonCode::Success,
        };
        if after.is_none() && client.gate.is_none() {
            return client.protocol.acknowledge(delivery, reason, self.now, &mut client.output);
        }
        let now = self.now;
        self.write_after(number, after, |protocol, out| protocol.acknowledge(delivery, reason, now, out));
    }

    /// Whether a client may publish to a topic, in person or by its will.
    #[inline]
    pub(crate) fn may_publish(&self, topic: TopicName<'_>) -> Result<(), ReasonCode> {
        let text = topic.as_str();
        // Also what a CONNECT is refused for, if its will goes there. [v5 MQTT-3.1.4-2]
        if text.starts_with('$') && text.starts_with("$SYS/") {
            return Err(ReasonCode::NotAuthorized);
        }
        if text.len() > self.config.topic_levels_maximum && !self.levels_are_few(text) {
            return Err(ReasonCode::TopicNameInvalid);
        }
        Ok(())
    }

    /// Whether a topic name or filter has no more levels than allowed.
    pub(crate) fn levels_are_few(&self, text: &str) -> bool {
        text.bytes().filter(|byte| *byte == b'/').count() < self.config.topic_levels_maximum
    }

    /// Ends a connection whose client broke the protocol.
    pub(crate) fn violate(&mut self, number: u32, violation: Violation) {
        let Some(client) = self.connections.get_mut(number) else { return };
        self.metrics.violations += 1;
        client.protocol.fail(violation, &mut client.output);
        client.flags.lingers = true;
        self.close_connection(number);
    }

    /// Ends a connection with a DISCONNECT that gives a reason, in words too.
    pub(crate) fn disconnect(&mut self, number: u32, reason: ReasonCode, words: &str) {
        let text = Utf8String::new(words).ok().filter(|words| !words.is_empty()).map(Property::ReasonString);
        self.disconnect_with(number, reason, text.as_slice());
    }

    /// Ends a connection with a DISCONNECT that has these properties.
    pub(crate) fn disconnect_with(&mut self, number: u32, reason: ReasonCode, properties: &[Property<'_>]) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let disconnect = Disconnect { reason, properties: Properties::new(properties) };
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        client.protocol.disconnect(&disconnect, &mut client.output);
        // [v5 MQTT-3.14.4-2]
        client.flags.lingers = true;
        self.close_connection(number);
    }

    fn on_disconnect(&mut self, number: u32, disconnect: &Disconnect<'_>) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let five = client.protocol.version() == Version::V5;
        let session = client.session.and_then(|session| self.sessions.get_mut(session));
        if let Some(session) = session {
            // [v5 MQTT-3.14.4-3] [v5 MQTT-3.1.2-10] [v3.1.1 MQTT-3.14.4-3] [v3.1.1 MQTT-3.1.2-10]
            if disconnect.reason == ReasonCode::Success {
                session.will = None;
            }
            if let Some(seconds) = disconnect.properties.session_expiry_interval().filter(|_| five) {
                session.expiry_interval = seconds.min(self.config.session_expiry_maximum);
            }
        }
        self.close_connection(number);
    }

    /// Deals with a timer that is due, if what it was set for is still there.
    pub(crate) fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Connect { connection, birth } => {
                let Some(client) = self.connections.born(connection, birth) else { return };
                match (&client.exchange, client.session) {
                    (_, Some(_)) => self.watch_keep_alive(connection),
                    // It has sent CONNECT, and has the time of its exchange.
                    (Some(under_way), None) => {
                        let due = under_way.deadline.min(self.now + self.config.connect_timeout);
                        self.timers.set(due, timer);
                    }
                    (None, None) => self.close_connection(connection),
                }
            }
            Timer::Authentication { connection, birth } => {
                self.on_authentication_timeout(connection, birth);
            }
            Timer::Linger { connection, birth } => {
                if let Some(client) =
                    self.connections.get_mut(connection).filter(|client| client.birth == birth)
                {
                    client.flags.lingers = false;
                    self.touch(connection);
                }
            }
            Timer::KeepAlive { connection, birth } => self.on_keep_alive(connection, birth),
            Timer::SessionExpiry { session, stay } => {
                let over = self.sessions.get(session).is_some_and(|s| s.stay == stay && !s.is_connected());
                if over {
                    self.end_session(session);
                }
            }
            Timer::WillDelay { session, stay } => {
                let due = self.sessions.get(session).is_some_and(|s| s.stay == stay && !s.is_connected());
                if due {
                    self.publish_will(session);
                }
            }
            Timer::QueueExpiry { session, stay } => self.on_queue_expiry(session, stay),
            Timer::RetainedExpiry { topic } => self.expire_retained(topic.name()),
            Timer::Rest { connection, birth } => self.end_rest(connection, birth),
            Timer::Accept { listener } => self.accepting.push(listener),
            Timer::Cool => self.cool(),
            Timer::SysTopics => self.on_sys_topics(),
        }
    }

    /// Throws out timers that mean nothing any more, once there may be as many as of the others: a client
    /// that comes and goes, or a retained message that is renewed, leaves one behind each time.
    pub(crate) fn tidy_timers(&mut self) {
        if !self.timers.may_be_stale() {
            return;
        }
        let mut timers = mem::take(&mut self.timers);
        timers.tidy(|due, timer| match timer {
            Timer::Linger { connection, birth } => {
                self.connections.get(*connection).is_some_and(|client| client.birth == *birth)
            }
            Timer::Connect { connection, birth }
            | Timer::KeepAlive { connection, birth }
            | Timer::Rest { connection, birth }
            | Timer::Authentication { connection, birth } => {
                self.connections.born(*connection, *birth).is_some()
            }
            Timer::SessionExpiry { session, stay } => {
                self.sessions.get(*session).is_some_and(|s| s.stay == *stay && !s.is_connected())
            }
            Timer::QueueExpiry { session, stay } => {
                self.sessions.get(*session).is_some_and(|s| s.stay == *stay)
            }
            Timer::WillDelay { session, stay } => {
                self.sessions.get(*session).is_some_and(|s| s.stay == *stay && s.will.is_some())
            }
            Timer::RetainedExpiry { topic } => self.retained.expires(topic.name()) == Some(due),
            Timer::Accept { .. } | Timer::Cool | Timer::SysTopics => true,
        });
        self.timers = timers;
    }

    fn on_keep_alive(&mut self, number: u32, birth: u32) {
        let now = self.now;
        let held_up = self.is_held_up();
        let Some(client) = self.connections.born(number, birth) else { return };
        if held_up || client.flags.gate_full || client.flags.more {
            // It is the store or another shard that keeps its packets from being read.
            return self.timers.set(now + KEEP_ALIVE_RETRY, Timer::KeepAlive { connection: number, birth });
        }
        match client.protocol.handle_timeout(now, &mut client.output) {
            Ok(()) => self.watch_keep_alive(number),
            // [v5 MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]
            Err(violation) => self.violate(number, violation),
        }
    }

    /// Sets the timer for when the client may have been silent for too long.
    pub(crate) fn watch_keep_alive(&mut self, number: u32) {
        let Some(client) = self.connections.get(number) else { return };
        if let Some(due) = client.protocol.poll_timeout(self.now) {
            self.timers.set(due, Timer::KeepAlive { connection: number, birth: client.birth });
        }
    }

    /// Does what another shard asks.
    pub(crate) fn on_operation(&mut self, from: u8, operation: Operation, sockets: &mut dyn Sockets) {
        match operation {
            Operation::Adopt { socket, peer, unsynced, received } => {
                self.adopt(socket, (peer, unsynced), received, sockets);
            }
            Operation::Interest { filter, interested } => self.on_interest(from, &filter, interested),
            Operation::Member { group, member, options } => self.on_member(&group, member, options),
            Operation::Messages(parcel) => self.take_parcel(from, parcel, sockets),
            Operation::Publish { message, retained, joint, promised } => {
                let passage = Passage { retained, joint, promised };
                self.take_message(from, &mut Inbound::from_message(&message), passage, None);
            }
            Operation::Deliver { session, group, message, joint, promised } => {
                let passage = Passage { retained: None, joint, promised };
                let member = Some((session, &group));
                self.take_message(from, &mut Inbound::from_message(&message), passage, member);
            }
            Operation::Joint { ticket } => self.journal.finish_part(from, ticket),
            Operation::Committed { ticket } => self.on_committed(ticket),
            Operation::Fetched(fetched) => self.on_fetched(*fetched),
            Operation::Retain { message, number, joint } => {
                self.begin_part(from, joint);
                self.retain(message, from, number);
                self.journal.set_place(Place::Main);
            }
            Operation::RetainedQuery { session, query, filter } => {
                self.answer_retained(from, session, query, &filter);
            }
            Operation::RetainedAnswer { session, query, answer } => {
                self.on_retained_answer(from, session, query, *answer, sockets);
            }
            Operation::AskRoom { connection, birth, message } => {
                self.answer_room(from, connection, birth, &message);
            }
            Operation::Room { connection, birth, full } => self.on_room(connection, birth, full, sockets),
            Operation::Verdict { connection, birth, verdict } => {
                self.on_verdict(connection, birth, verdict, sockets);
            }
            Operation::MetricsQuery => {
                let metrics = Box::new(self.measure());
                self.links.send(from, Operation::MetricsAnswer(metrics));
            }
            Operation::MetricsAnswer(metrics) => self.on_metrics(*metrics),
            // Who does not wait for the answer any more needs none.
            Operation::Measure(answer) => answer.send(self.measure()).unwrap_or_default(),
        }
    }

    /// Begins to stop when the broker is told to: 5.0 clients learn why.
    pub(crate) fn look_for_stop(&mut self, sockets: &mut dyn Sockets) {
        let told = self.links.inbox().is_some_and(super::inbox::Inbox::is_stopped);
        if !told || self.stop_at.is_some() {
            return;
        }
        self.stop_at = Some(self.now + self.config.stop_timeout);
        self.stopping = true;
        for number in self.connections.numbers() {
            let accepted = self.connections.get(number).is_some_and(|client| client.session.is_some());
            if accepted {
                self.disconnect_to_stop(number);
            } else {
                self.drop_connection(number, sockets);
            }
        }
    }
}

/// Whether the payload is UTF-8 if it is said to be (section 3.3.2.3.2).
#[cold]
fn is_well_formed(publish: &Publish<'_>) -> bool {
    publish.properties.payload_format_indicator() != Some(true)
        || std::str::from_utf8(publish.payload).is_ok()
}

/// Why a message was not taken over, for people.
fn refusal(reason: ReasonCode) -> &'static str {
    match reason {
        ReasonCode::NotAuthorized => "topics below $SYS are the server's own",
        ReasonCode::TopicNameInvalid => "the topic has more levels than this server allows",
        ReasonCode::QuotaExceeded => {
            "a queue is full, or there is no room for retained messages or on the disk"
        }
        ReasonCode::PayloadFormatInvalid => "the payload is said to be UTF-8 and is not",
        other => other.name(),
    }
}

/// The properties that are passed on, and when the message expires. Where all of them are, they are
/// borrowed from the packet; else those that are passed on are copied into `copy`.
fn own<'a>(properties: &Properties<'a>, now: Time, copy: &'a mut Vec<u8>) -> (Properties<'a>, Option<Time>) {
    if properties.is_empty() {
        return (Properties::EMPTY, None);
    }
    if properties.is_within(Publication::PASSED_ON) {
        return (*properties, None);
    }
    passed_on(properties, now, copy)
}
