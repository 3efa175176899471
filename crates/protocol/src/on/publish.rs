//! PUBLISH arrives (sections 3.3.4, 4.3 and 4.9).

use alloc::vec::Vec;

use colibri_codec::{Delivery, PacketId, Properties, Puback, Publish, Pubrec, QoS, ReasonCode};

use crate::answer::reason_string;
use crate::event::Topic;
use crate::incoming::HeldAck;
use crate::{Connection, Kept, Role, State, Time, Violation};

/// What is wrong with an identifier that is in use.
pub(super) const ID_TAKEN: &str = "a message is not finished under this packet identifier";

impl<M: Kept> Connection<M> {
    /// The topic of a message that is to be handed on; `None` for one that was before.
    #[inline(always)]
    pub(crate) fn on_publish<'a>(
        &mut self,
        publish: &Publish<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Option<Topic<'a>>, Violation> {
        let topic = match publish.topic {
            Some(topic) if publish.properties.is_empty() => Topic::Named(topic),
            _ => self.resolve_topic(publish)?,
        };
        match publish.delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(id) => {
                self.take_receive_quota()?;
                if self.is_id_taken(id) {
                    self.refuse_publish(
                        publish.delivery,
                        ReasonCode::PacketIdentifierInUse,
                        ID_TAKEN,
                        now,
                        out,
                    );
                    return Ok(None);
                }
            }
            Delivery::ExactlyOnce(id) => {
                // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
                if self.session.received.contains(id) {
                    self.repeat_pubrec(id, now, out);
                    return Ok(None);
                }
                // First: a message that is refused with its connection comes again on the next.
                self.take_receive_quota()?;
                if !self.held.is_empty() && self.is_id_held(id) {
                    self.refuse_publish(
                        publish.delivery,
                        ReasonCode::PacketIdentifierInUse,
                        ID_TAKEN,
                        now,
                        out,
                    );
                    return Ok(None);
                }
                self.session.received.insert(id);
            }
        }
        Ok(Some(topic))
    }

    /// Answers a message of [`Event::Publish`](crate::Event::Publish), in the order of the messages: PUBACK for QoS 1, PUBREC for
    /// QoS 2, nothing for QoS 0. A reason of 0x80 or above says that the message was not taken over.
    // [v5 MQTT-3.3.4-1] [v5 MQTT-4.3.2-4] [v5 MQTT-4.3.3-8] [v3.1.1 MQTT-3.3.4-1] [v3.1.1 MQTT-4.3.2-2]
    // After PUBACK nothing is known of the identifier: [v5 MQTT-4.3.2-5]
    #[inline]
    pub fn acknowledge(&mut self, delivery: Delivery, reason: ReasonCode, now: Time, out: &mut Vec<u8>) {
        let (id, qos) = match delivery {
            Delivery::AtMostOnce => return,
            Delivery::AtLeastOnce(id) => (id, QoS::AtLeastOnce),
            Delivery::ExactlyOnce(id) => (id, QoS::ExactlyOnce),
        };
        if self.held.is_empty() {
            self.write_ack(id, qos, reason, now, out);
        } else {
            self.held.push(HeldAck { id, qos, reason: Some(reason), words: "" });
        }
    }

    /// As [`Connection::acknowledge`] with a reason of 0x80 or above, which is given in words too, if the
    /// sender wants and takes them.
    #[cold]
    pub fn refuse_publish(
        &mut self,
        delivery: Delivery,
        reason: ReasonCode,
        words: &'static str,
        now: Time,
        out: &mut Vec<u8>,
    ) {
        let Some(id) = delivery.packet_id() else { return };
        let ack = HeldAck { id, qos: delivery.qos(), reason: Some(reason), words };
        if self.held.is_empty() {
            self.write_held(ack, now, out);
        } else {
            self.held.push(ack);
        }
    }

    /// Leaves a message unanswered that was not taken over, where the version has no way to say so: the
    /// sender keeps it and sends it again on its next connection.
    pub fn abandon(&mut self, delivery: Delivery) {
        if let Delivery::ExactlyOnce(id) = delivery {
            self.session.received.remove(id);
        }
    }

    /// Holds the answer to a message back, and so those of all later messages, until
    /// [`Connection::acknowledge_held`].
    pub fn hold(&mut self, delivery: Delivery) {
        if let Some(id) = delivery.packet_id() {
            self.held.push(HeldAck { id, qos: delivery.qos(), reason: None, words: "" });
        }
    }

    /// Answers a message whose answer was held back, and those behind it that are known.
    pub fn acknowledge_held(&mut self, id: PacketId, reason: ReasonCode, now: Time, out: &mut Vec<u8>) {
        if self.held.complete(id, reason) {
            while let Some(ack) = self.held.pop_known() {
                self.write_held(ack, now, out);
            }
        }
    }

    /// How many answers are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn write_held(&mut self, ack: HeldAck, now: Time, out: &mut Vec<u8>) {
        let HeldAck { id, qos, reason: Some(reason), words } = ack else { return };
        if words.is_empty() || !self.version.has_properties() || self.state != State::Open {
            return self.write_ack(id, qos, reason, now, out);
        }
        // [v5 MQTT-4.3.3-9]
        if qos == QoS::ExactlyOnce {
            self.session.received.remove(id);
        }
        self.receive_quota.give_back();
        let (words, version) = (reason_string(words), self.version);
        let full = Properties::new(words.as_slice());
        self.write_answer(full, Properties::EMPTY, now, out, |properties, out| match qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => Puback { packet_id: id, reason, properties }.encode(version, out),
            QoS::ExactlyOnce => Pubrec { packet_id: id, reason, properties }.encode(version, out),
        });
    }

    /// Whether the sender uses an identifier for something new under which this end still has one of its
    /// QoS 2 messages: they disagree about the session. Before 5.0 there is no way to say so.
    // [v5 MQTT-2.2.1-3]
    #[inline]
    pub(crate) fn is_id_taken(&self, id: PacketId) -> bool {
        self.session.received.len() > 0 && self.version.has_properties() && self.session.received.contains(id)
    }

    /// The same for a message with QoS 1 that waits for its answer.
    // [v5 MQTT-2.2.1-3]
    fn is_id_held(&self, id: PacketId) -> bool {
        self.version.has_properties() && self.held.is_open(id, QoS::AtLeastOnce)
    }

    /// No answer is larger than the peer takes: a connection to one that takes no packet of
    /// [`ACK_SIZE_MAX`](crate::answer::ACK_SIZE_MAX) does not open.
    // [v5 MQTT-3.1.2-24] [v5 MQTT-3.2.2-15]
    fn write_ack(&mut self, id: PacketId, qos: QoS, reason: ReasonCode, now: Time, out: &mut Vec<u8>) {
        let reason = if self.version.has_properties() { reason } else { ReasonCode::Success };
        // [v5 MQTT-4.3.3-9]
        if qos == QoS::ExactlyOnce && reason.is_failure() {
            self.session.received.remove(id);
        }
        // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
        if self.state != State::Open {
            return;
        }
        // The code is all that is said, so the packet is never too large for it. [v5 MQTT-3.1.2-29]
        // [v5 MQTT-3.4.2-2] [v5 MQTT-3.4.2-3] [v5 MQTT-3.5.2-2] [v5 MQTT-3.5.2-3]
        let written = match qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => {
                self.receive_quota.give_back();
                Puback { packet_id: id, reason, properties: Properties::EMPTY }.encode(self.version, out)
            }
            QoS::ExactlyOnce => {
                if reason.is_failure() {
                    self.receive_quota.give_back();
                }
                Pubrec { packet_id: id, reason, properties: Properties::EMPTY }.encode(self.version, out)
            }
        };
        debug_assert!(written.is_ok(), "{written:?}");
        self.keep_alive.sent(now);
    }

    /// A QoS 2 message came again before its PUBREL: it is not handed on a second time.
    fn repeat_pubrec(&mut self, id: PacketId, now: Time, out: &mut Vec<u8>) {
        // If the first answer is still held back it will do for both.
        if !self.held.is_open(id, QoS::ExactlyOnce) {
            self.acknowledge(Delivery::ExactlyOnce(id), ReasonCode::Success, now, out);
        }
    }

    fn take_receive_quota(&mut self) -> Result<(), Violation> {
        // Before 5.0 nobody was told of a maximum, so there is none to exceed.
        if !self.receive_quota.take() && self.version.has_properties() {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        Ok(())
    }

    fn resolve_topic<'a>(&mut self, publish: &Publish<'a>) -> Result<Topic<'a>, Violation> {
        // [v5 MQTT-3.3.4-6]
        if self.role == Role::Server && publish.properties.subscription_identifier().is_some() {
            return Err(Violation::SubscriptionIdentifierFromClient);
        }
        let Some(alias) = publish.properties.topic_alias() else {
            return publish.topic.map(Topic::Named).ok_or(Violation::TopicAliasUnknown);
        };
        // [v5 MQTT-3.3.2-9] [v5 MQTT-3.3.2-10] [v5 MQTT-3.3.2-11] [v5 MQTT-3.3.2-12]
        if alias.get() > self.limits.topic_alias_maximum {
            return Err(Violation::TopicAliasTooHigh);
        }
        match publish.topic {
            Some(topic) => {
                self.incoming_aliases.set(alias, topic);
                Ok(Topic::Named(topic))
            }
            None => self
                .incoming_aliases
                .get(alias)
                .cloned()
                .map(Topic::Aliased)
                .ok_or(Violation::TopicAliasUnknown),
        }
    }
}
