//! What a client sends: subscriptions, messages, and the answers that it has withheld.

use colibri_codec::{
    Delivery, PacketId, Properties, Property, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS, ReasonCode,
    Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe, Version,
};
use colibri_protocol::{Sent, Time};

use super::machine::Sending;
use super::{Client, LARGE, Outgoing, Stage};
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
        if let Some(machine) = &mut self.machine {
            if let Some(id) = machine.subscribe(&subscribe, oracle.now) {
                self.subscribing.insert(id.get(), (filter.to_owned(), qos));
            }
            return self.flush(oracle);
        }
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
        if let Some(machine) = &mut self.machine {
            if let Some(id) = machine.unsubscribe(&unsubscribe, oracle.now) {
                self.unsubscribing.insert(id.get(), filter.to_owned());
            }
            return self.flush(oracle);
        }
        self.unsubscribing.insert(id, filter.to_owned());
        self.send(oracle, &format!("UNSUBSCRIBE {filter} id {id}"), |out| unsubscribe.encode(version, out));
    }

    /// Publishes a message, unless too many are under way.
    pub(crate) fn publish(&mut self, world: &World, oracle: &mut Oracle, message: workload::Message) {
        if !self.accepted || self.outgoing.len() >= self.published_max {
            return;
        }
        let message =
            workload::Message { expiry: message.expiry.filter(|_| self.version == Version::V5), ..message };
        let serial = oracle.publishes(self.number, message, world.now());
        let id = if message.qos == 0 || self.machine.is_some() { 0 } else { self.id() };
        let stage = if message.qos == 1 { Stage::Puback } else { Stage::Pubrec };
        let out = Outgoing { id, message, stage };
        if self.machine.is_some() {
            return self.hand_to_machine(oracle, serial, out);
        }
        self.send_publish(oracle, serial, &out, false);
        if message.qos > 0 {
            self.outgoing.insert(serial, out);
        }
    }

    fn hand_to_machine(&mut self, oracle: &mut Oracle, serial: u64, out: Outgoing) {
        let message = out.message;
        let topic = message.topic();
        let (Ok(topic), Some(machine)) = (TopicName::new(&topic), &mut self.machine) else { return };
        let now = oracle.now;
        let sending = Sending {
            serial,
            topic: topic.into(),
            qos: quality(message.qos),
            retain: message.is_retained(),
            expires: message.expiry.map(|seconds| Time::from_millis(now).plus_seconds(seconds)),
            payload: payload(message, serial),
        };
        let sent = machine.publish(sending, now);
        if message.qos == 0 {
            oracle.is_sent(serial, 0, 0);
        } else if matches!(sent, Sent::Written(_) | Sent::Wait) {
            self.outgoing.insert(serial, out);
        }
        oracle
            .coverage
            .note_if(sent == Sent::Wait, "a client of the state machine has to wait for Receive Maximum");
        self.flush(oracle);
    }

    pub(super) fn send_publish(&self, oracle: &mut Oracle, serial: u64, out: &Outgoing, dup: bool) {
        let Outgoing { id, message, .. } = out;
        let topic = message.topic();
        let payload = payload(*message, serial);
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
        oracle.is_sent(serial, *id, message.qos);
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
        if self.machine.is_some() {
            self.answer_by_machine(oracle, &got);
            return true;
        }
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
                self.forgotten.remove(&number);
                self.unanswered.remove(&number);
                let pubcomp = Pubcomp::new(id, ReasonCode::Success);
                self.send(oracle, &format!("PUBCOMP {number}"), |out| pubcomp.encode(version, out));
            }
            _ => {}
        }
        true
    }

    fn answer_by_machine(&mut self, oracle: &mut Oracle, got: &Got) {
        let Some(machine) = &mut self.machine else { return };
        match got {
            Got::Publish(message) => {
                if message.qos == 1 {
                    self.unanswered.remove(&message.id);
                }
                if let Some(id) = PacketId::new(message.id) {
                    machine.acknowledge(id, oracle.now);
                }
            }
            Got::Pubrel(number) => {
                self.unanswered.remove(number);
                if let Some(id) = PacketId::new(*number) {
                    machine.complete(id, oracle.now);
                }
            }
            _ => {}
        }
        self.flush(oracle);
    }

    /// Sends PINGREQ, so that the broker hears from it. The state machine sends it when it is due; `false` if
    /// it has waited for an answer for too long.
    pub(crate) fn ping(&mut self, oracle: &mut Oracle) -> bool {
        if !self.accepted {
            return true;
        }
        if let Some(machine) = &mut self.machine {
            let is_there = machine.tick(oracle.now);
            self.flush(oracle);
            return is_there;
        }
        if self.keep_alive > 0 {
            self.send(oracle, "PINGREQ", |out| {
                out.extend_from_slice(&[0xC0, 0]);
                Ok(())
            });
        }
        true
    }

    /// Breaks the protocol in one of some ways, all of which the broker has to answer by closing.
    pub(crate) fn misbehave(&mut self, oracle: &mut Oracle, how: usize) {
        const WAYS: [(&str, &[u8]); 6] = [
            ("a second CONNECT", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01x"),
            ("a PUBLISH with QoS 3", b"\x36\x05\x00\x01x\x00\x01"),
            ("a Remaining Length of five bytes", b"\x30\xff\xff\xff\xff\x7f"),
            ("a SUBACK", b"\x90\x03\x00\x01\x00"),
            ("a PUBREL with flags 0000", b"\x60\x02\x00\x01"),
            ("a SUBSCRIBE with nothing in it", b"\x82\x00"),
        ];
        let Some((what, bytes)) = WAYS.get(how % WAYS.len()) else { return };
        self.outlaw_since = Some(oracle.now);
        oracle.coverage.note("a client breaks the protocol");
        self.send(oracle, what, |out| {
            out.extend_from_slice(bytes);
            Ok(())
        });
    }
}

/// The bytes of a message: its serial, and more if it is large.
fn payload(message: workload::Message, serial: u64) -> Vec<u8> {
    let mut payload = format!("m{serial:07}").into_bytes();
    if message.large {
        payload.resize(LARGE, b'.');
    }
    if message.empty {
        payload.clear();
    }
    payload
}

const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
