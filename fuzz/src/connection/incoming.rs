//! Watches what one end makes of the messages that come: once only, answered in order, within its
//! Receive Maximum.

use std::collections::{BTreeSet, VecDeque};

use colibri_codec::{Delivery, Packet, PacketId, QoS};

/// An acknowledgement that is owed.
#[derive(Clone, Copy, Debug)]
struct Owed {
    id: PacketId,
    qos: QoS,
    /// It is for a message that came again; the answer to the first may do for both.
    repeat: bool,
}

/// What is known about the messages that came to one end.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// QoS 2 messages that were handed on and not released.
    unreleased: BTreeSet<PacketId>,
    /// In the order of the messages. [v5 MQTT-4.6.0-2] [v5 MQTT-4.6.0-3]
    owed: VecDeque<Owed>,
    /// How many messages of this connection are not finished.
    outstanding: usize,
    /// How many QoS 2 messages were not released when the connection began.
    brought: usize,
}

impl Incoming {
    /// A connection begins with what the session brings.
    pub(crate) fn begin(&mut self, unreleased: impl Iterator<Item = PacketId>) {
        let brought: BTreeSet<PacketId> = unreleased.collect();
        assert!(brought.is_subset(&self.unreleased), "{brought:?} of {:?}", self.unreleased);
        self.brought = brought.len();
        self.unreleased = brought;
        self.owed.clear();
        self.outstanding = 0;
    }

    /// A message was handed on.
    pub(crate) fn came(&mut self, delivery: Delivery) {
        let Some(id) = delivery.packet_id() else { return };
        if delivery.qos() == QoS::ExactlyOnce {
            // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
            assert!(self.unreleased.insert(id), "QoS 2 message {id} was handed on twice");
        }
        self.owed.push_back(Owed { id, qos: delivery.qos(), repeat: false });
        self.outstanding += 1;
    }

    /// A QoS 2 message came again and was not handed on.
    pub(crate) fn came_again(&mut self, id: PacketId) {
        assert!(self.unreleased.contains(&id), "QoS 2 message {id} was swallowed");
        self.owed.push_back(Owed { id, qos: QoS::ExactlyOnce, repeat: true });
    }

    /// The driver gave up the message that came last.
    pub(crate) fn abandoned(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(_) => drop(self.owed.pop_back()),
            Delivery::ExactlyOnce(id) => {
                self.owed.pop_back();
                self.unreleased.remove(&id);
            }
        }
    }

    /// The sender let go of a message, and the driver was told.
    pub(crate) fn released(&mut self, id: PacketId) {
        assert!(self.unreleased.remove(&id), "{id} was released twice");
    }

    /// The driver is done with a message that was released.
    pub(crate) fn completed(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// A packet that the end has written.
    pub(crate) fn written(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Puback(puback) => {
                self.pay(puback.packet_id, QoS::AtLeastOnce);
                self.completed();
            }
            Packet::Pubrec(pubrec) => {
                self.pay(pubrec.packet_id, QoS::ExactlyOnce);
                if pubrec.reason.is_failure() {
                    self.unreleased.remove(&pubrec.packet_id);
                    self.completed();
                }
            }
            _ => {}
        }
    }

    fn pay(&mut self, id: PacketId, qos: QoS) {
        while let Some(owed) = self.owed.pop_front() {
            if (owed.id, owed.qos) == (id, qos) {
                // An answer to a repeat may have been that to a later message under the same identifier.
                let next = self.owed.iter_mut().find(|next| !next.repeat || !owed.repeat);
                if let Some(next) = next.filter(|next| (next.id, next.qos) == (id, qos)) {
                    next.repeat |= owed.repeat;
                }
                return;
            }
            assert!(owed.repeat, "{id} was acknowledged before {owed:?}");
        }
        panic!("{id} was acknowledged and nothing is owed");
    }

    /// What the session says it has not been released agrees.
    pub(crate) fn check(&self, unreleased: impl Iterator<Item = PacketId>) {
        assert!(unreleased.eq(self.unreleased.iter().copied()), "{:?}", self.unreleased);
    }

    /// The QoS 2 messages that are not released.
    pub(crate) fn unreleased(&self) -> impl Iterator<Item = PacketId> {
        self.unreleased.iter().copied()
    }

    /// Whether a complaint about too many messages is due.
    pub(crate) const fn is_full(&self, receive_maximum: u16) -> bool {
        self.outstanding >= receive_maximum as usize
    }

    /// No more messages were handed on than a 5.0 peer may have under way.
    pub(crate) fn check_maximum(&self, receive_maximum: u16) {
        assert!(self.outstanding <= usize::from(receive_maximum) + self.brought, "our Receive Maximum");
    }
}
