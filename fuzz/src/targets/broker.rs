//! The shards of a broker in memory under several raw connections: what comes out is always MQTT, within
//! what its receiver allows, and asked for; and nothing is left when everybody has gone.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use colibri_broker::{Config, QueueFull};
use colibri_codec::topic::TopicFilter;
use colibri_codec::{
    BinaryData, Connect, Delivery, Frame, Packet, PacketId, Properties, Property, Puback, Pubcomp, Publish,
    Pubrec, Pubrel, QoS, ReasonCode, Sequence, Split, Subscribe, Subscription, SubscriptionOptions,
    TopicName, Unsubscribe, Utf8String, Version, Will,
};
use colibri_protocol::{Limits, Role};
use colibri_topics::matches;

use crate::operations::{self, Blob};
use crate::packets::{self, written};
use crate::shards::World;
use crate::trace;

const CLIENTS: usize = 4;
const SEND_MAXIMUM: u16 = 3;
/// The longest that a session stays.
const SESSION_SECONDS: u32 = 60;
const TOPICS: [&str; 5] = ["a", "a/b", "b", "c/d/e", "$x"];
const FILTERS: [&str; 8] = ["#", "a", "a/+", "+/b", "$share/g/a", "$share/g/#", "b", "$share/h/+/#"];

#[derive(Arbitrary, Debug)]
enum Op {
    /// A client connects, whether it is connected or not.
    Connect {
        client: u8,
        bits: u8,
        receive_maximum: u8,
        packet_size: u8,
    },
    Subscribe {
        client: u8,
        filter: u8,
        bits: u8,
    },
    Unsubscribe {
        client: u8,
        filter: u8,
    },
    Publish {
        client: u8,
        topic: u8,
        bits: u8,
        filler: u8,
    },
    /// A client answers the oldest packet that wants an answer.
    Answer {
        client: u8,
        bits: u8,
    },
    /// A packet of any kind; it follows in the bytes.
    Packet(u8),
    Bytes {
        client: u8,
        bytes: Blob,
    },
    Read {
        client: u8,
        bytes: u8,
    },
    Leave {
        client: u8,
        how: u8,
    },
    Turn(u8),
    Run,
    Advance(u8),
}

/// A client's end of its newest connection.
#[derive(Default)]
struct Client {
    wire: Option<usize>,
    version: Option<Version>,
    /// What was sent and not looked at, for the filters in it.
    sent: Vec<u8>,
    received: Vec<u8>,
    receive_maximum: u16,
    packet_size: u32,
    accepted: bool,
    disconnected: bool,
    /// It may have acknowledged what it has not read.
    is_wild: bool,
    /// Messages from the broker that are not finished on this connection.
    open: BTreeSet<PacketId>,
    aliases: BTreeMap<u16, String>,
    owed: Vec<(PacketId, u8)>,
    next_id: u16,
}

struct Run<'a> {
    world: World,
    clients: [Client; CLIENTS],
    /// Every filter that anybody ever asked for.
    asked: BTreeSet<String>,
    u: Unstructured<'a>,
}

pub(super) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok([shards, bits]) = <[u8; 2]>::arbitrary(&mut u) else { return };
    let world = World::new(config(shards, bits));
    let mut run = Run { world, clients: Default::default(), asked: BTreeSet::new(), u };
    for _ in 0..operations::OPERATIONS_MAX {
        if run.u.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut run.u) else { break };
        trace::print(&op);
        run.act(op);
    }
    run.end(bits & 1 != 0);
}

fn config(shards: u8, bits: u8) -> Config {
    Config {
        listeners: Vec::new(),
        shards: 1 + usize::from(shards % 3),
        seed: u64::from(shards / 3),
        limits: Limits {
            receive_maximum: NonZeroU16::new(4).unwrap(),
            maximum_packet_size: NonZeroU32::new(1_000).unwrap(),
            topic_alias_maximum: 2,
            ..Limits::default()
        },
        send_maximum: NonZeroU16::new(SEND_MAXIMUM).unwrap(),
        session_expiry_maximum: SESSION_SECONDS,
        queued_messages_maximum: if bits & 2 == 0 { 4 } else { 1_000 },
        queued_bytes_maximum: 2_000,
        queue_full: if bits & 4 == 0 { QueueFull::Refuse } else { QueueFull::DropNewest },
        replayed_messages_maximum: if bits & 8 == 0 { 3 } else { 1_000 },
        output_budget: if bits & 16 == 0 { 200 } else { 100_000 },
        subscriptions_maximum: 5,
        topic_levels_maximum: 6,
        retained_bytes_maximum: 500,
        sys_interval: Duration::ZERO,
        ..Config::default()
    }
}

impl Run<'_> {
    fn act(&mut self, op: Op) {
        match op {
            Op::Connect { client, bits, receive_maximum, packet_size } => {
                self.connect(usize::from(client) % CLIENTS, bits, receive_maximum, packet_size);
            }
            Op::Subscribe { client, filter, bits } => {
                let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(bits % 3)];
                let filter = TopicFilter::new(FILTERS[usize::from(filter) % FILTERS.len()]).unwrap();
                let options = SubscriptionOptions {
                    qos,
                    no_local: bits & 64 != 0 && filter.share().is_none(),
                    retain_as_published: bits & 128 != 0,
                    ..SubscriptionOptions::default()
                };
                let list = [Subscription { filter, options }];
                let (packet_id, subscriptions) = (self.id(client), Sequence::new(&list));
                let properties = Properties::EMPTY;
                self.send(client, &Packet::Subscribe(Subscribe { packet_id, properties, subscriptions }));
            }
            Op::Unsubscribe { client, filter } => {
                let list = [TopicFilter::new(FILTERS[usize::from(filter) % FILTERS.len()]).unwrap()];
                let (packet_id, filters) = (self.id(client), Sequence::new(&list));
                let properties = Properties::EMPTY;
                self.send(client, &Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
            }
            Op::Publish { client, topic, bits, filler } => self.publish(client, topic, bits, filler),
            Op::Answer { client, bits } => self.answer(client, bits),
            Op::Packet(client) => {
                self.client(client).is_wild = true;
                let version = self.client(client).version.unwrap_or(Version::V5);
                if let Ok(Ok(bytes)) =
                    packets::build(&mut self.u, version, |packet| written(&packet, version))
                {
                    self.send_bytes(client, &bytes);
                }
            }
            Op::Bytes { client, bytes } => {
                self.client(client).is_wild = true;
                self.send_bytes(client, &bytes.0);
            }
            Op::Read { client, bytes } => {
                let most = if bytes < 128 { usize::from(bytes) } else { usize::MAX };
                self.read(usize::from(client) % CLIENTS, most);
            }
            Op::Leave { client, how } => self.leave(usize::from(client) % CLIENTS, how),
            Op::Turn(which) => {
                self.world.turn(usize::from(which));
            }
            Op::Run => self.world.run(),
            Op::Advance(tenths) => self.world.advance(u64::from(tenths) * 100),
        }
    }

    fn client(&mut self, number: u8) -> &mut Client {
        &mut self.clients[usize::from(number) % CLIENTS]
    }

    fn id(&mut self, number: u8) -> PacketId {
        let client = self.client(number);
        client.next_id = client.next_id % 5 + 1;
        PacketId::new(client.next_id).unwrap()
    }

    fn connect(&mut self, number: usize, bits: u8, receive_maximum: u8, packet_size: u8) {
        let version = [Version::V5, Version::V5, Version::V3_1_1, Version::V3_1][usize::from(bits) % 4];
        let mut list = vec![Property::SessionExpiryInterval(u32::from(bits >> 4) * 8)];
        let (mut maximum, mut size) = (u16::MAX, u32::MAX);
        if version == Version::V5 {
            if let Some(wanted) = NonZeroU16::new(u16::from(receive_maximum % 6)) {
                list.push(Property::ReceiveMaximum(wanted));
                maximum = wanted.get();
            }
            if packet_size >= 128 {
                size = u32::from(packet_size) - 100;
                list.push(Property::MaximumPacketSize(NonZeroU32::new(size).unwrap()));
            }
            if receive_maximum >= 128 {
                list.push(Property::TopicAliasMaximum(1));
            }
        }
        let topic = TopicName::new(TOPICS[usize::from(receive_maximum) % TOPICS.len()]).unwrap();
        let payload = BinaryData::new(b"will").unwrap();
        let delay = [Property::WillDelayInterval(u32::from(packet_size % 4))];
        let properties = Properties::new(&delay);
        let will = Will { topic, payload, qos: QoS::AtLeastOnce, retain: bits & 128 != 0, properties };
        let name = format!("c{number}");
        let connect = Connect {
            version,
            clean_start: bits & 4 != 0,
            keep_alive: u16::from(packet_size % 8),
            properties: Properties::new(&list),
            client_id: Utf8String::new(&name).unwrap(),
            will: (bits & 8 != 0).then_some(will),
            user_name: None,
            password: None,
        };
        let wire = self
            .world
            .open(if bits & 64 == 0 { 300 } else { 1 << 20 }, if bits & 32 == 0 { 5 } else { 1 << 20 });
        if let Some(before) = self.clients[number].wire {
            // Nobody reads the older connection any more.
            self.world.wires[before].take(usize::MAX);
            self.world.wires[before].end();
        }
        self.clients[number] =
            Client { wire: Some(wire), receive_maximum: maximum, packet_size: size, ..Client::default() };
        let bytes = written(&Packet::Connect(connect), version).unwrap();
        self.send_bytes(u8::try_from(number).unwrap(), &bytes);
    }

    fn send(&mut self, client: u8, packet: &Packet<'_>) {
        let Some(version) = self.client(client).version else { return };
        if let Ok(bytes) = written(packet, version) {
            self.send_bytes(client, &bytes);
        }
    }

    /// Sends bytes, and notes the version and the filters in them.
    fn send_bytes(&mut self, number: u8, bytes: &[u8]) {
        let Some(wire) = self.client(number).wire else { return };
        self.world.wires[wire].send(bytes);
        let client = &mut self.clients[usize::from(number) % CLIENTS];
        client.sent.extend_from_slice(bytes);
        while let Ok(Split::Frame(frame, used)) = Frame::split(&client.sent, u32::MAX) {
            match Packet::decode(frame, client.version.unwrap_or(Version::V5)) {
                Ok(Packet::Connect(connect)) if client.version.is_none() => {
                    client.version = Some(connect.version)
                }
                Ok(Packet::Subscribe(subscribe)) => {
                    self.asked
                        .extend(subscribe.subscriptions.iter().map(|one| one.filter.as_str().to_owned()));
                }
                _ => {}
            }
            client.sent.drain(..used);
        }
    }

    fn publish(&mut self, client: u8, topic: u8, bits: u8, filler: u8) {
        let id = self.id(client);
        let delivery = match bits % 3 {
            0 => Delivery::AtMostOnce,
            1 => Delivery::AtLeastOnce(id),
            _ => Delivery::ExactlyOnce(id),
        };
        let payload = vec![b'.'; usize::from(filler % 64)];
        let expiry = [Property::MessageExpiryInterval(u32::from(filler))];
        let list = if bits & 64 == 0 { &[][..] } else { &expiry };
        let dup = bits & 8 != 0 && delivery != Delivery::AtMostOnce;
        let publish = Publish {
            dup,
            delivery,
            retain: bits & 128 != 0,
            topic: Some(TopicName::new(TOPICS[usize::from(topic) % TOPICS.len()]).unwrap()),
            properties: Properties::new(list),
            payload: &payload,
        };
        self.send(client, &Packet::Publish(publish));
        if bits % 3 == 2 && bits & 16 == 0 {
            self.send(client, &Packet::Pubrel(Pubrel::new(id, ReasonCode::Success)));
        }
    }

    fn answer(&mut self, number: u8, bits: u8) {
        let client = self.client(number);
        if client.owed.is_empty() {
            return;
        }
        let (id, first) = client.owed.remove(0);
        let reason = if bits < 224 { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
        let properties = Properties::EMPTY;
        let packet = match first {
            0x32 => Packet::Puback(Puback { packet_id: id, reason, properties }),
            0x34 => Packet::Pubrec(Pubrec { packet_id: id, reason, properties }),
            _ => Packet::Pubcomp(Pubcomp::new(id, ReasonCode::Success)),
        };
        let refused = first == 0x34 && reason.is_failure() && client.version == Some(Version::V5);
        if first != 0x34 || refused {
            client.open.remove(&id);
        }
        self.send(number, &packet);
    }

    fn leave(&mut self, number: usize, how: u8) {
        let Some(wire) = self.clients[number].wire else { return };
        match how % 3 {
            0 => self.world.wires[wire].cut(),
            1 => self.world.wires[wire].end(),
            _ => self.send_bytes(u8::try_from(number).unwrap(), &[0xE0, 0]),
        }
    }

    /// A client reads, and every packet that is whole is looked at.
    fn read(&mut self, number: usize, most: usize) {
        let client = &mut self.clients[number];
        let Some(wire) = client.wire else { return };
        client.received.extend(self.world.wires[wire].take(most));
        let received = std::mem::take(&mut client.received);
        let mut rest = received.as_slice();
        loop {
            match Frame::split(rest, client.packet_size) {
                Ok(Split::Frame(frame, used)) => {
                    let version = client.version.unwrap_or(Version::V3_1_1);
                    let packet = Packet::decode(frame, version).expect("what the broker writes can be read");
                    trace::print(&(number, "reads", packet));
                    client.take(&packet, version, &self.asked);
                    rest = &rest[used..];
                }
                Ok(Split::Need(_)) => break,
                Err(error) => panic!("{error}: {rest:02x?}"),
            }
        }
        client.received = rest.to_vec();
        let wire = &self.world.wires[wire];
        let is_over = wire.closed_by_broker && !wire.broken && !wire.stalled && wire.to_client.is_empty();
        assert!(!is_over || rest.is_empty(), "the last packet is cut: {rest:02x?}");
    }

    /// Everybody goes, or the broker stops; nothing is left behind.
    fn end(&mut self, stops: bool) {
        for number in 0..CLIENTS {
            self.world.run();
            self.read(number, usize::MAX);
        }
        let metrics = self.world.metrics();
        trace::note((
            metrics.sessions.min(4),
            metrics.subscriptions.min(8),
            metrics.retained_messages.min(4),
        ));
        trace::note((
            metrics.publishes_sent.min(8),
            metrics.refused_queue_full.min(1),
            metrics.violations.min(2),
        ));
        if stops {
            self.world.stop();
            self.world.advance(5_000);
            assert!(self.world.is_stopped(), "the broker does not stop");
            return;
        }
        self.world.wires.iter_mut().for_each(crate::shards::Wire::cut);
        self.world.run();
        assert_eq!(self.world.connections(), (0, 0));
        self.world.advance(u64::from(SESSION_SECONDS) * 1_000 + 10_000);
        let metrics = self.world.metrics();
        assert_eq!((metrics.connections, metrics.sessions, metrics.subscriptions), (0, 0, 0));
    }
}

impl Client {
    /// A packet of the broker.
    fn take(&mut self, packet: &Packet<'_>, version: Version, asked: &BTreeSet<String>) {
        trace::note((version, packet.packet_type(), self.open.len()));
        assert!(!self.disconnected, "{packet:?} after DISCONNECT");
        assert!(Role::Server.may_send(packet.packet_type(), version), "{packet:?} in {version}");
        assert_eq!(self.accepted, !matches!(packet, Packet::Connack(_)), "{packet:?} at the wrong time");
        match packet {
            Packet::Connack(connack) => {
                self.accepted = connack.reason == ReasonCode::Success;
                self.disconnected = !self.accepted;
            }
            Packet::Disconnect(_) => self.disconnected = true,
            Packet::Publish(publish) => self.on_publish(publish, asked),
            Packet::Pubrel(pubrel) => self.owed.push((pubrel.packet_id, 0x62)),
            _ => {}
        }
    }

    fn on_publish(&mut self, publish: &Publish<'_>, asked: &BTreeSet<String>) {
        let alias = publish.properties.topic_alias().map(NonZeroU16::get);
        let topic = match (publish.topic, alias) {
            (Some(topic), Some(alias)) => {
                self.aliases.insert(alias, topic.as_str().to_owned());
                topic.as_str().to_owned()
            }
            (Some(topic), None) => topic.as_str().to_owned(),
            (None, Some(alias)) => self.aliases[&alias].clone(),
            (None, None) => panic!("no topic"),
        };
        let name = TopicName::new(&topic).unwrap();
        let is_asked_for = |filter: &String| matches(TopicFilter::new(filter).unwrap(), name);
        assert!(asked.iter().any(is_asked_for), "nobody asked for {topic}");
        let Some(id) = publish.delivery.packet_id() else { return };
        let is_new = self.open.insert(id);
        assert!(is_new || self.is_wild, "{id} is under way twice");
        let most = usize::from(self.receive_maximum.min(SEND_MAXIMUM));
        assert!(self.open.len() <= most || self.is_wild, "{} messages are under way", self.open.len());
        self.owed.push((id, if publish.qos() == QoS::AtLeastOnce { 0x32 } else { 0x34 }));
    }
}
