//! PUBLISH arrives (sections 3.3.4, 4.3 and 4.9).

use alloc::vec::Vec;

use colibri_codec::{Delivery, PacketId, Properties, Puback, Publish, Pubrec, QoS, ReasonCode};

use crate::event::Topic;
use crate::incoming::HeldAck;
use crate::{Connection, Kept, Role, State, Time, Violation};

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
            Delivery::AtLeastOnce(_) => self.take_receive_quota()?,
            Delivery::ExactlyOnce(id) => {
                // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
                if self.session.received.contains(id) {
                    self.repeat_pubrec(id, now, out);
                    return Ok(None);
                }
                // First: a message that is refused with its connection comes again on the next.
                self.take_receive_quota()?;
                self.session.received.insert(id);
            }
        }
        Ok(Some(topic))
    }

    /// Answers a message of [`Event::Publish`](crate::Event::Publish), in the order of the messages: PUBACK for QoS 1, PUBREC for
    /// QoS 2, nothing for QoS 0. A reason of 0x80 or above says that the message was not taken over.
    // [v5 MQTT-3.3.4-1] [v5 MQTT-4.3.2-4] [v5 MQTT-4.3.3-8] [v3.1.1 MQTT-3.3.4-1] [v3.1.1 MQTT-4.3.2-2]
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
            self.held.push(HeldAck { id, qos, reason: Some(reason) });
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
            self.held.push(HeldAck { id, qos: delivery.qos(), reason: None });
        }
    }

    /// Answers a message whose answer was held back, and those behind it that are known.
    pub fn acknowledge_held(&mut self, id: PacketId, reason: ReasonCode, now: Time, out: &mut Vec<u8>) {
        if self.held.complete(id, reason) {
            while let Some((id, qos, reason)) = self.held.pop_known() {
                self.write_ack(id, qos, reason, now, out);
            }
        }
    }

    /// How many answers are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

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
