//! Watches what one end sends: identifiers, repeats, Receive Maximum, aliases, sizes, and that no message
//! is lost or reported twice.

use std::collections::{BTreeMap, BTreeSet};

use colibri_codec::{Frame, Packet, PacketId, QoS, ReasonCode, Version};
use colibri_protocol::{PeerLimits, Role};

use super::message::{Message, serial};

/// A message that was sent and is not finished.
#[derive(Debug)]
struct Exchange {
    serial: u32,
    qos: QoS,
    /// Its PUBREC has come.
    released: bool,
    /// It counts on this connection: its PUBLISH or PUBREL was sent on it.
    current: bool,
}

/// What is known about the sending of one end, over all of its connections.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    exchanges: BTreeMap<PacketId, Exchange>,
    /// Requests that were not answered, and whether each is a SUBSCRIBE.
    requests: BTreeMap<PacketId, bool>,
    aliases: BTreeMap<u16, String>,
    /// Messages with QoS above 0 that the end took on for good.
    taken: BTreeSet<u32>,
    /// Messages that were delivered, refused or dropped, and the driver told so.
    ended: BTreeSet<u32>,
    /// Messages of the sessions before whose PUBREC had come when they were forgotten.
    forgotten: BTreeSet<u32>,
}

impl Outgoing {
    /// The connection is lost, and the session goes on.
    pub(crate) fn cut(&mut self) {
        self.requests.clear();
        self.aliases.clear();
        self.exchanges.values_mut().for_each(|exchange| exchange.current = false);
    }

    /// The peer has no session: what was under way is new again.
    pub(crate) fn forget(&mut self) {
        let released = self.exchanges.values().filter(|exchange| exchange.released);
        self.forgotten.extend(released.map(|exchange| exchange.serial));
        self.exchanges.clear();
    }

    /// How many messages count towards the peer's Receive Maximum.
    pub(crate) fn current(&self) -> usize {
        self.exchanges.values().filter(|exchange| exchange.current).count()
    }

    /// The exchanges under way: identifier, QoS, and whether the PUBREC has come.
    pub(crate) fn open(&self) -> impl Iterator<Item = (PacketId, QoS, bool)> {
        self.exchanges.iter().map(|(id, exchange)| (*id, exchange.qos, exchange.released))
    }

    /// The identifiers of requests that were not answered.
    pub(crate) fn requests(&self) -> impl Iterator<Item = PacketId> {
        self.requests.keys().copied()
    }

    /// The end took a message on and the driver has handed it over.
    pub(crate) fn took(&mut self, message: &Message) {
        if message.qos > QoS::AtMostOnce {
            self.taken.insert(message.serial);
        }
    }

    /// The driver was told that a message is not sent, or not again.
    pub(crate) fn dropped(&mut self, message: &Message) {
        assert!(
            self.ended.insert(message.serial) || message.qos == QoS::AtMostOnce,
            "{message:?} ended twice"
        );
        self.exchanges.retain(|_, exchange| exchange.serial != message.serial);
    }

    /// The driver was told that an exchange has ended.
    pub(crate) fn delivered(&mut self, message: &Message) {
        assert!(self.ended.insert(message.serial), "{message:?} ended twice");
    }

    /// Every message that was taken on has ended, is left in the session, or has arrived for sure.
    pub(crate) fn account(&self, left: &BTreeSet<u32>) {
        for serial in left {
            assert!(!self.ended.contains(serial), "message {serial} ended and is still there");
        }
        let released: BTreeSet<u32> = self
            .exchanges
            .values()
            .filter(|exchange| exchange.released)
            .map(|exchange| exchange.serial)
            .collect();
        for serial in &self.taken {
            let known = [&self.ended, left, &released, &self.forgotten];
            assert!(known.iter().any(|known| known.contains(serial)), "message {serial} is lost");
        }
    }

    /// The end took a packet of the peer in without complaint. What it ended, if anything.
    pub(crate) fn arrived(&mut self, frame: Frame<'_>, version: Version) -> Option<u32> {
        let (id, qos, released) = match Packet::decode(frame, version) {
            Ok(Packet::Puback(puback)) => (puback.packet_id, QoS::AtLeastOnce, false),
            Ok(Packet::Pubcomp(pubcomp)) => (pubcomp.packet_id, QoS::ExactlyOnce, true),
            Ok(Packet::Pubrec(pubrec)) if pubrec.reason.is_failure() => {
                (pubrec.packet_id, QoS::ExactlyOnce, false)
            }
            Ok(Packet::Pubrec(pubrec)) => {
                let exchange = self.exchanges.get_mut(&pubrec.packet_id)?;
                if exchange.qos == QoS::ExactlyOnce {
                    exchange.released = true;
                    exchange.current = true;
                }
                return None;
            }
            Ok(Packet::Suback(suback)) => return self.answered(suback.packet_id, true),
            Ok(Packet::Unsuback(unsuback)) => return self.answered(unsuback.packet_id, false),
            _ => return None,
        };
        let exchange = self.exchanges.get(&id)?;
        if exchange.qos != qos || exchange.released != released {
            return None;
        }
        self.exchanges.remove(&id).map(|exchange| exchange.serial)
    }

    fn answered(&mut self, id: PacketId, subscribe: bool) -> Option<u32> {
        if self.requests.get(&id) == Some(&subscribe) {
            self.requests.remove(&id);
        }
        None
    }

    /// A packet that the end has written.
    pub(crate) fn written(&mut self, packet: &Packet<'_>, role: Role, version: Version, peer: &PeerLimits) {
        assert!(role.may_send(packet.packet_type(), version), "{packet:?} from a {role:?}");
        match packet {
            Packet::Publish(publish) => {
                self.alias(publish, peer);
                if role == Role::Client {
                    let qos_maximum = peer.maximum_qos.map_or(2, u8::from);
                    assert!(publish.qos().number() <= qos_maximum, "Maximum QoS");
                    assert!(peer.retain_available || !publish.retain, "Retain Available");
                }
                self.publish(publish, peer);
            }
            Packet::Pubrel(pubrel) => match self.exchanges.get_mut(&pubrel.packet_id) {
                Some(exchange) if exchange.qos == QoS::ExactlyOnce => {
                    assert!(exchange.released, "PUBREL of {} before PUBREC", pubrel.packet_id);
                    exchange.current = true;
                }
                Some(_) | None => {
                    let expected = match version {
                        Version::V5 => ReasonCode::PacketIdentifierNotFound,
                        Version::V3_1 | Version::V3_1_1 => ReasonCode::Success,
                    };
                    assert_eq!(pubrel.reason, expected, "PUBREL of {}", pubrel.packet_id);
                }
            },
            Packet::Subscribe(subscribe) => self.request(subscribe.packet_id, true),
            Packet::Unsubscribe(unsubscribe) => self.request(unsubscribe.packet_id, false),
            _ => {}
        }
    }

    fn publish(&mut self, publish: &colibri_codec::Publish<'_>, peer: &PeerLimits) {
        let Some(id) = publish.delivery.packet_id() else {
            assert!(!publish.dup);
            return;
        };
        // [v5 MQTT-2.2.1-3] [v3.1.1 MQTT-2.3.1-2]
        assert!(!self.requests.contains_key(&id), "{id} is in use for a request");
        let serial = serial(publish.payload).expect("our messages have serial numbers");
        match self.exchanges.get_mut(&id) {
            Some(exchange) => {
                // [v5 MQTT-4.4.0-1] and nothing else is ever sent again.
                assert!(!exchange.current && !exchange.released, "{id} was sent twice");
                // [v5 MQTT-3.3.1-1] [v3.1.1 MQTT-3.3.1-1]
                assert!(publish.dup, "{id} was sent again without DUP");
                assert_eq!((exchange.serial, exchange.qos), (serial, publish.qos()), "{id} became another");
                exchange.current = true;
            }
            None => {
                assert!(!publish.dup, "{id} was sent first with DUP");
                let qos = publish.qos();
                let exchange = Exchange { serial, qos, released: false, current: true };
                self.exchanges.insert(id, exchange);
            }
        }
        // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9]
        assert!(self.current() <= usize::from(peer.receive_maximum), "Receive Maximum is exceeded");
    }

    /// [v5 MQTT-3.1.2-26] [v5 MQTT-3.3.2-9]
    fn alias(&mut self, publish: &colibri_codec::Publish<'_>, peer: &PeerLimits) {
        let Some(alias) = publish.properties.topic_alias() else { return };
        assert!(alias.get() <= peer.topic_alias_maximum, "Topic Alias Maximum");
        match publish.topic {
            Some(topic) => drop(self.aliases.insert(alias.get(), topic.as_str().to_owned())),
            None => assert!(self.aliases.contains_key(&alias.get()), "alias {alias} was never set"),
        }
    }

    fn request(&mut self, id: PacketId, subscribe: bool) {
        assert!(!self.exchanges.contains_key(&id), "{id} is in use for a message");
        assert!(self.requests.insert(id, subscribe).is_none(), "{id} is in use for a request");
    }
}
