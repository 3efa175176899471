//! A message goes to one session: into its connection's output, or into its queue.

use colibri_codec::{QoS, Version};
use colibri_protocol::{Connection, Encoded, Sent, Session, Time};
use colibri_topics::GroupId;

use crate::config::QueueFull;
use crate::message::{Delivery, Inbound};
use crate::shard::Shard;

/// A message written once for all receivers that get the same bytes but for the Packet Identifier.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    bytes: Vec<u8>,
    shapes: Vec<Shape>,
    /// The shape of the packet as it came.
    wire: Option<Form>,
    wire_offset: usize,
}

/// What tells one shape from another: the form of 5.0 or the older one, QoS, RETAIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    has_properties: bool,
    qos: QoS,
    retain: bool,
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    form: Form,
    from: usize,
    to: usize,
    packet_id_offset: usize,
}

/// How one session gets a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'t> {
    pub(crate) qos: QoS,
    /// The RETAIN flag.
    pub(crate) retain: bool,
    /// The Subscription Identifiers.
    pub(crate) identifiers: &'t [u32],
    /// The shared group that it is sent for.
    pub(crate) group: Option<&'t GroupId>,
}

impl Terms<'_> {
    /// What is kept of a message that is sent so.
    pub(super) fn delivery(&self, inbound: &mut Inbound<'_>) -> Delivery {
        Delivery::new(inbound.keep().clone(), self.qos, self.retain, self.identifiers, self.group)
    }

    pub(super) const fn form(&self, protocol: &Connection<Delivery>) -> Form {
        let has_properties = protocol.version().has_properties();
        Form { has_properties, qos: self.qos, retain: self.retain }
    }
}

impl Shapes {
    /// Forgets the message before.
    pub(crate) fn begin(&mut self, inbound: &Inbound<'_>) {
        self.bytes.clear();
        self.shapes.clear();
        self.wire = inbound.wire.map(|wire| Form {
            has_properties: wire.has_properties,
            qos: inbound.qos,
            retain: inbound.retain,
        });
        if let Some(wire) = &inbound.wire {
            // First byte, Remaining Length, topic length, topic.
            let continued = wire.bytes.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
            self.wire_offset = 1 + continued + 1 + 2 + inbound.topic.as_str().len();
        }
    }

    /// The message in one form; `None` if it is too large for any receiver.
    #[inline]
    pub(super) fn get<'a>(&'a mut self, form: Form, inbound: &Inbound<'a>, now: Time) -> Option<Encoded<'a>> {
        if let Some(wire) = inbound.wire
            && self.wire == Some(form)
        {
            return Some(Encoded { bytes: wire.bytes, qos: form.qos, packet_id_offset: self.wire_offset });
        }
        let known = self.shapes.iter().find(|shape| shape.form == form).copied();
        let shape = match known {
            Some(shape) => shape,
            None => self.make(form, inbound, now)?,
        };
        let bytes = self.bytes.get(shape.from..shape.to)?;
        Some(Encoded { bytes, qos: form.qos, packet_id_offset: shape.packet_id_offset })
    }

    #[cold]
    fn make(&mut self, form: Form, inbound: &Inbound<'_>, now: Time) -> Option<Shape> {
        let version = if form.has_properties { Version::V5 } else { Version::V3_1_1 };
        let publication = inbound.publication(form.qos, form.retain, &[]);
        let from = self.bytes.len();
        let packet_id_offset =
            Connection::<Delivery>::encode(&publication, version, now, &mut self.bytes).ok()?;
        let shape = Shape { form, from, to: self.bytes.len(), packet_id_offset };
        self.shapes.push(shape);
        Some(shape)
    }
}

impl Shard {
    /// Sends a message to one session.
    #[inline]
    pub(crate) fn send_to_session(
        &mut self,
        number: u32,
        terms: Terms<'_>,
        inbound: &mut Inbound<'_>,
        shapes: &mut Shapes,
    ) {
        let Some(session) = self.sessions.get_mut(number) else { return };
        if let Some(retained) = inbound.retained {
            session.awaited.iter_mut().for_each(|awaited| awaited.note_live(inbound.topic, retained));
        }
        let keep = session.outlives_connection() || terms.group.is_some();
        let Some(connection) = session.connection else {
            // [v3.1.1 MQTT-3.1.2-5]
            if terms.qos > QoS::AtMostOnce {
                self.enqueue(number, terms.delivery(inbound));
            }
            return;
        };
        if session.storage != 0 && (terms.qos > QoS::AtMostOnce || self.stays_behind_gate(connection)) {
            return self.send_recorded(number, connection, terms, inbound, shapes);
        }
        let Some(client) = self.connections.get_mut(connection) else { return };
        let is_slow = client.pending() > self.config.output_budget;
        let sent = if is_slow || client.flags.replaying || client.flags.sealed {
            if terms.qos == QoS::AtMostOnce && is_slow {
                self.metrics.dropped_slow += 1;
                return;
            }
            Sent::Wait
        } else {
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            let form = terms.form(&client.protocol);
            let takes_encoded = terms.identifiers.is_empty() && client.protocol.takes_encoded();
            let encoded = if takes_encoded { shapes.get(form, inbound, self.now) } else { None };
            match encoded {
                Some(encoded) => {
                    let keep = || keep.then(|| terms.delivery(inbound));
                    client.protocol.send_encoded(&encoded, keep, &mut client.output, self.now)
                }
                None => {
                    let kept = (keep && terms.qos > QoS::AtMostOnce).then(|| terms.delivery(inbound));
                    let publication = inbound.publication(terms.qos, terms.retain, terms.identifiers);
                    client.protocol.send(&publication, || kept, self.now, &mut client.output)
                }
            }
        };
        self.note_sent(number, connection, sent, terms, inbound);
    }

    /// Notes what became of a message that was to be sent at once.
    #[inline]
    pub(super) fn note_sent(
        &mut self,
        number: u32,
        connection: u32,
        sent: Sent,
        terms: Terms<'_>,
        inbound: &mut Inbound<'_>,
    ) {
        match sent {
            Sent::Written(_) => {
                self.metrics.publishes_sent += 1;
                self.touch(connection);
            }
            Sent::Wait => {
                self.enqueue(number, terms.delivery(inbound));
                self.touch(connection);
            }
            Sent::TooLarge | Sent::NotSupported => self.metrics.dropped_too_large += 1,
            Sent::Expired => self.metrics.dropped_expired += 1,
        }
    }

    /// Puts a message into a session's queue, if the queue has room or the policy makes some.
    pub(super) fn enqueue(&mut self, number: u32, delivery: Delivery) {
        if self.has_full_queue(number) {
            if !self.make_room(number) {
                return;
            }
        } else if self.config.queue_full == QueueFull::Disconnect {
            self.note_caught_up(number);
        }
        self.enqueue_here(number, delivery);
        if self.is_full(number) {
            self.note_full();
        }
    }

    /// Puts a message behind those that wait: in the store if the session is stored, and there alone if it
    /// need not be in memory.
    fn enqueue_here(&mut self, number: u32, delivery: Delivery) {
        if let Some(delivery) = self.record_waiting(number, delivery)
            && let Some(queue) = self.queue_of_mut(number)
        {
            queue.enqueue(delivery);
        }
        self.watch_expiry(number);
    }

    /// Does what the policy says about a full queue; says whether the message may come in.
    fn make_room(&mut self, number: u32) -> bool {
        self.note_full();
        match self.config.queue_full {
            // Whoever could be refused was. This one was on its way when the queue became full, or is the
            // broker's own, and as much again is kept for such.
            QueueFull::Refuse if !self.is_overfull(number) => true,
            QueueFull::Refuse | QueueFull::DropNewest => {
                self.metrics.dropped_queue_full += 1;
                false
            }
            QueueFull::DropOldest => {
                self.metrics.dropped_queue_full += 1;
                self.drop_oldest(number);
                true
            }
            QueueFull::Disconnect => {
                self.metrics.dropped_queue_full += 1;
                // A client that comes back to a full queue gets the chance to take what is in it, or it could
                // never come back while somebody publishes.
                if !self.is_catching_up(number) {
                    self.give_up(number);
                }
                false
            }
        }
    }

    fn is_catching_up(&self, number: u32) -> bool {
        let connection = self.sessions.get(number).and_then(|session| session.connection);
        connection
            .and_then(|number| self.connections.get(number))
            .is_some_and(|client| client.flags.catching_up)
    }

    fn note_caught_up(&mut self, number: u32) {
        let connection = self.sessions.get(number).and_then(|session| session.connection);
        if let Some(client) = connection.and_then(|number| self.connections.get_mut(number)) {
            client.flags.catching_up = false;
        }
    }

    fn note_full(&mut self) {
        if !self.routing.crowded {
            self.routing.crowded = true;
            self.links.set_crowded(true);
        }
    }

    /// Takes the message out that has waited longest.
    fn drop_oldest(&mut self, number: u32) {
        if let Some(oldest) = self.queue_of_mut(number).and_then(Session::pop_waiting) {
            self.forget_delivery(number, &oldest);
        } else {
            self.drop_oldest_spilled(number);
        }
    }

    fn is_overfull(&self, number: u32) -> bool {
        let (messages, bytes) = self.waiting(number);
        messages / 2 >= self.config.queued_messages_maximum || bytes / 2 >= self.config.queued_bytes_maximum
    }

    /// How many messages count against the limits of a session's queue, and their bytes.
    pub(crate) fn waiting(&self, number: u32) -> (usize, usize) {
        let Some(queue) = self.queue_of(number) else { return (0, 0) };
        let spilled = self.sessions.get(number).and_then(|session| session.spilled.as_deref());
        let (messages, bytes) = spilled.map_or((0, 0), |spilled| (spilled.counted(), spilled.bytes()));
        (queue.waiting_counted() + messages, queue.waiting_bytes() + bytes)
    }

    /// Puts a retained message into a session's queue, which it is not counted against: it is shared with
    /// all who get it, and the client asked for it.
    pub(crate) fn replay(&mut self, number: u32, delivery: Delivery) {
        let connection = self.sessions.get(number).and_then(|session| session.connection);
        if connection.is_none() && delivery.qos == QoS::AtMostOnce {
            return;
        }
        let maximum = self.config.replayed_messages_maximum;
        let Some(queue) = self.queue_of(number) else { return };
        if queue.waiting() - queue.waiting_counted() >= maximum {
            self.metrics.dropped_queue_full += 1;
            return self.give_up(number);
        }
        self.enqueue_here(number, delivery);
        self.end_sharing();
        if let Some(connection) = connection {
            if let Some(client) = self.connections.get_mut(connection) {
                client.flags.replaying = true;
            }
            self.touch(connection);
        }
    }

    /// The messages under way and waiting of a session, wherever they are.
    pub(crate) fn queue_of(&self, number: u32) -> Option<&Session<Delivery>> {
        let session = self.sessions.get(number)?;
        match session.connection {
            Some(connection) => self.connections.get(connection).map(|client| client.protocol.session()),
            None => session.stored.as_deref(),
        }
    }

    pub(crate) fn queue_of_mut(&mut self, number: u32) -> Option<&mut Session<Delivery>> {
        let session = self.sessions.get_mut(number)?;
        match session.connection {
            Some(connection) => {
                self.connections.get_mut(connection).map(|client| client.protocol.session_mut())
            }
            None => session.stored.as_deref_mut(),
        }
    }

    /// Whether the queue of a session takes no more.
    pub(crate) fn is_full(&self, number: u32) -> bool {
        let (messages, bytes) = self.waiting(number);
        messages >= self.config.queued_messages_maximum || bytes >= self.config.queued_bytes_maximum
    }

    pub(crate) fn any_queue_is_full(&self) -> bool {
        self.sessions.numbers().any(|number| self.is_full(number))
    }
}
