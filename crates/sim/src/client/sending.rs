//! What a client sends: subscriptions, messages, and the answers that it has withheld.

use colibri_codec::{
    Delivery, PacketId, Properties, Property, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS, ReasonCode,
    Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe, Version,
};

use super::{Client, LARGE, Outgoing, PUBLISHED_MAX, Stage};
use crate::World;
use crate::oracle::Oracle;
use crate::packet::Got;
use crate::workload::{self, Role};

impl Client {
    /// The lowest identifier that is free, so that each is used again as soon as can be.
    fn id(&self) -> u16 {
        let asks = |id: &u16| self.subscribing.contains_key(id) || self.unsubscribing.contains_key(id);
        let is_free = |id: &u16| self.outgoing.values().all(|out| out.id != *id) && !asks(id);
        (1..=u16::MAX).find(is_free).unwrap_or(u16::MAX)
    }

    pub(crate) fn subscribe(&mut self, oracle: &mut Oracle, filter: &str, qos: u8) {
        if !self.accepted {
            return;
        }
        let id = self.id();
        let (Ok(topic_filter), Some(packet_id)) = (TopicFilter::new(filter), PacketId::new(id)) else {
            return;
        };
        let options = SubscriptionOptions { qos: quality(qos), ..SubscriptionOptions::default() };
        let list = [Subscription { filter: topic_filter, options }];
        let subscribe =
            Subscribe { packet_id, properties: Properties::EMPTY, subscriptions: Sequence::new(&list) };
        let version = self.version;
        oracle.asks(self.number, filter, qos);
        self.subscribing.insert(id, (filter.to_owned(), qos));
        self.send(oracle, &format!("SUBSCRIBE {filter} qos {qos} id {id}"), |out| {
            subscribe.encode(version, out)
        });
    }

    pub(crate) fn unsubscribe(&mut self, oracle: &mut Oracle, filter: &str) {
        if !self.accepted || self.role != Role::Guest {
            return;
        }
        let id = self.id();
        let (Ok(topic_filter), Some(packet_id)) = (TopicFilter::new(filter), PacketId::new(id)) else {
            return;
        };
        let list = [topic_filter];
        let unsubscribe =
            Unsubscribe { packet_id, properties: Properties::EMPTY, filters: Sequence::new(&list) };
        let version = self.version;
        // Its identifier is in use until the answer comes, which means nothing any more.
        self.subscribing
            .values_mut()
            .filter(|(asked, _)| asked == filter)
            .for_each(|(asked, _)| asked.clear());
        oracle.asks_off(self.number, filter);
        self.unsubscribing.insert(id, filter.to_owned());
        self.send(oracle, &format!("UNSUBSCRIBE {filter} id {id}"), |out| unsubscribe.encode(version, out));
    }

    pub(crate) fn publish(&mut self, world: &World, oracle: &mut Oracle, message: workload::Message) {
        if !self.accepted || self.outgoing.len() >= PUBLISHED_MAX {
            return;
        }
        let message =
            workload::Message { expiry: message.expiry.filter(|_| self.version == Version::V5), ..message };
        let serial = oracle.publishes(self.number, message, world.now());
        let id = if message.qos == 0 { 0 } else { self.id() };
        let stage = if message.qos == 1 { Stage::Puback } else { Stage::Pubrec };
        let out = Outgoing { id, message, stage };
        self.send_publish(oracle, serial, &out, false);
        if message.qos > 0 {
            self.outgoing.insert(serial, out);
        }
    }

    pub(super) fn send_publish(&self, oracle: &mut Oracle, serial: u64, out: &Outgoing, dup: bool) {
        let Outgoing { id, message, .. } = out;
        let topic = message.topic();
        let mut payload = format!("m{serial:07}").into_bytes();
        if message.large {
            payload.resize(LARGE, b'.');
        }
        if message.empty {
            payload.clear();
        }
        let delivery = match (message.qos, PacketId::new(*id)) {
            (1, Some(id)) => Delivery::AtLeastOnce(id),
            (2, Some(id)) => Delivery::ExactlyOnce(id),
            _ => Delivery::AtMostOnce,
        };
        let expiry = message.expiry.map(Property::MessageExpiryInterval);
        let publish = Publish {
            dup,
            delivery,
            retain: message.is_retained(),
            topic: TopicName::new(&topic).ok(),
            properties: Properties::new(expiry.as_slice()),
            payload: &payload,
        };
        oracle.is_sent(serial, dup);
        let what = format!("PUBLISH {topic} m{serial:07} qos {} id {id} dup {dup} {message:?}", message.qos);
        let version = self.version;
        self.send(oracle, &what, |bytes| publish.encode(version, bytes));
    }

    pub(super) fn pubrel(&self, oracle: &mut Oracle, id: u16) {
        let Some(packet_id) = PacketId::new(id) else { return };
        let version = self.version;
        let pubrel = Pubrel::new(packet_id, ReasonCode::Success);
        self.send(oracle, &format!("PUBREL {id}"), |out| pubrel.encode(version, out));
    }

    /// Sends the oldest answer that was withheld; whether there was one.
    pub(crate) fn answer(&mut self, oracle: &mut Oracle) -> bool {
        let Some(got) = self.withheld.pop_front() else { return false };
        let version = self.version;
        match got {
            Got::Publish(message) => {
                let Some(id) = PacketId::new(message.id) else { return true };
                if message.qos == 1 {
                    self.unanswered.remove(&message.id);
                    let puback = Puback::new(id, ReasonCode::Success);
                    self.send(oracle, &format!("PUBACK {}", message.id), |out| puback.encode(version, out));
                } else {
                    let pubrec = Pubrec::new(id, ReasonCode::Success);
                    self.send(oracle, &format!("PUBREC {}", message.id), |out| pubrec.encode(version, out));
                }
            }
            Got::Pubrel(number) => {
                let Some(id) = PacketId::new(number) else { return true };
                self.received.remove(&number);
                self.unanswered.remove(&number);
                let pubcomp = Pubcomp::new(id, ReasonCode::Success);
                self.send(oracle, &format!("PUBCOMP {number}"), |out| pubcomp.encode(version, out));
            }
            _ => {}
        }
        true
    }

    /// Sends PINGREQ, so that the broker hears from it.
    pub(crate) fn ping(&self, oracle: &mut Oracle) {
        if self.accepted && self.keep_alive > 0 {
            self.send(oracle, "PINGREQ", |out| {
                out.extend_from_slice(&[0xC0, 0]);
                Ok(())
            });
        }
    }
}

const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
