//! What happens to one end in the targets `server` and `client`: a list of operations from the fuzzer.

use std::num::{NonZeroU16, NonZeroU32};

use arbitrary::{Arbitrary, Unstructured};
use colibri_codec::{
    Connack, Connect, Disconnect, Frame, Packet, Pingresp, Properties, Property, Puback, Pubcomp, Pubrec,
    Pubrel, QoS, ReasonCode, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
    Unsubscribe, Utf8String, Version,
};
use colibri_protocol::{Acceptance, Limits, Role, Session, State, Time, Violation};

use super::driver::{Answer, Driver};
use super::message::Message;
use crate::operations::{self, Blob};
use crate::packets;
use crate::trace;

const TOPICS: [&str; 4] = ["a", "b", "a/b", "long/topic/that/an/alias/is/worth/for"];
/// A User Property and a Content Type.
const WIRE: &[u8] = b"\x26\x00\x01k\x00\x01v\x03\x00\x01t";

/// What one end tells the other at the beginning.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct Settings {
    bits: u8,
    keep_alive: u8,
    receive_maximum: u8,
    packet_size: u8,
    aliases: u8,
}

/// What becomes of the end.
#[derive(Arbitrary, Debug)]
enum Op {
    /// A packet of any kind comes; it follows in the bytes.
    Packet,
    Packets(u8),
    Bytes(Blob),
    Frame(u8, Blob),
    /// The peer answers one of the messages it got, as far as that has come.
    Reply {
        which: u8,
        reason: u8,
    },
    /// The peer lets go of one of its QoS 2 messages.
    Release(u8),
    Send {
        topic: u8,
        bits: u8,
        filler: u8,
    },
    Pump(u8),
    Answers(u8),
    AnswerHeld {
        which: u8,
        reason: u8,
    },
    Complete(u8),
    Advance(u8),
    AdvanceFar(u16),
    /// Client: subscribes, unsubscribes or pings. Server: accepts or refuses, if that is still to do.
    Request(u8),
    End(u8),
    /// The connection is lost, and the session goes on with the next.
    Resume(Settings),
}

impl Settings {
    /// Those of an end without wishes.
    pub(crate) const fn plain() -> Self {
        Self { bits: 0, keep_alive: 0, receive_maximum: 0, packet_size: 0, aliases: 0 }
    }

    pub(crate) fn limits(self) -> Limits {
        let standard = Limits::default();
        let receive_maximum = NonZeroU16::new(u16::from(self.receive_maximum % 16));
        let size = NonZeroU32::new(u32::from(self.packet_size) * 4).filter(|size| size.get() > 200);
        Limits {
            receive_maximum: receive_maximum.unwrap_or(standard.receive_maximum),
            maximum_packet_size: size.unwrap_or(standard.maximum_packet_size),
            topic_alias_maximum: u16::from(self.aliases % 4),
            aliases_set_maximum: 2,
        }
    }

    /// The properties of a peer with these wishes.
    fn properties(self, role: Role) -> Vec<Property<'static>> {
        let mut list = Vec::new();
        if let Some(maximum) = NonZeroU16::new(u16::from(self.receive_maximum % 8)) {
            list.push(Property::ReceiveMaximum(maximum));
        }
        if let Some(size) = NonZeroU32::new(u32::from(self.packet_size.saturating_sub(160))) {
            list.push(Property::MaximumPacketSize(size));
        }
        if self.aliases >= 128 {
            list.push(Property::TopicAliasMaximum(u16::from(self.aliases % 4)));
        }
        match role {
            Role::Client => {
                list.push(Property::SessionExpiryInterval(u32::from(self.bits & 2)));
                if self.bits & 4 != 0 {
                    list.push(Property::AuthenticationMethod(Utf8String::new("m").unwrap()));
                }
            }
            Role::Server => {
                if self.bits & 4 != 0 {
                    list.push(Property::MaximumQos(self.bits & 8 != 0));
                }
                if self.bits & 16 != 0 {
                    list.push(Property::RetainAvailable(false));
                }
                if self.bits & 32 != 0 {
                    list.push(Property::ServerKeepAlive(u16::from(self.keep_alive)));
                }
            }
        }
        list
    }
}

/// One end under its script.
struct Script<'a> {
    driver: Driver,
    role: Role,
    version: Version,
    limits: Limits,
    serial: u32,
    /// A message was sent of which nothing was kept, as one may where the session ends with its connection.
    is_brief: bool,
    u: Unstructured<'a>,
}

/// Runs the script in `data` for one end.
pub(crate) fn run(data: &[u8], role: Role) {
    let mut u = Unstructured::new(data);
    let Ok((number, own, peer)) = <(u8, Settings, Settings)>::arbitrary(&mut u) else { return };
    let version = [Version::V5, Version::V3_1_1, Version::V5, Version::V3_1][usize::from(number) % 4];
    let now = Time::from_millis(1_000);
    let driver = Driver::server(own.limits(), now);
    let mut script = Script { driver, role, version, limits: own.limits(), serial: 0, is_brief: false, u };
    script.begin(Session::new(), peer);
    for _ in 0..operations::OPERATIONS_MAX {
        if script.u.is_empty() {
            break;
        }
        let Ok(op) = Op::arbitrary(&mut script.u) else { break };
        trace::print(&op);
        script.act(op);
        // Nobody reads it here.
        script.driver.out.clear();
    }
    script.driver.finish();
}

impl Script<'_> {
    /// The next connection begins, and the peer says its part.
    fn begin(&mut self, session: Session<Message>, peer: Settings) {
        let now = self.driver.now;
        let properties = peer.properties(self.role.other());
        let properties = Properties::new(&properties);
        let clean_start = peer.bits & 1 != 0;
        match self.role {
            Role::Server => {
                let mut next = Driver::server(self.limits, now);
                let kept = peer.bits & 128 == 0;
                next.stored = kept.then_some(session);
                self.replace(next);
                if !kept {
                    self.driver.forget();
                }
                let connect = self.connect(clean_start, u16::from(peer.keep_alive), properties);
                let bytes = packets::written(&Packet::Connect(connect), self.version).unwrap();
                self.driver.acceptance = (peer.bits & 64 == 0).then(|| Acceptance {
                    server_keep_alive: (peer.bits & 32 != 0).then_some(3),
                    send_maximum: (peer.bits & 16 != 0).then_some(2),
                    ..Acceptance::default()
                });
                self.driver.take_in(&bytes);
            }
            Role::Client => {
                let keep_alive = u16::from(peer.keep_alive);
                let list = [Property::SessionExpiryInterval(u32::MAX)];
                let connect = self.connect(clean_start, keep_alive, Properties::new(&list));
                let next = Driver::client(&connect, self.limits, session, now);
                self.replace(next);
                // Sometimes the CONNACK is left to the script.
                if peer.bits & 128 == 0 {
                    let session_present = peer.bits & 64 == 0 && !clean_start;
                    let connack = Connack { session_present, reason: ReasonCode::Success, properties };
                    self.feed(&Packet::Connack(connack));
                }
            }
        }
    }

    fn connect<'a>(&self, clean_start: bool, keep_alive: u16, properties: Properties<'a>) -> Connect<'a> {
        Connect {
            version: self.version,
            clean_start,
            keep_alive,
            properties,
            client_id: Utf8String::new("c").unwrap(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    fn replace(&mut self, next: Driver) {
        let before = std::mem::replace(&mut self.driver, next);
        self.driver.take_over(before);
    }

    fn feed(&mut self, packet: &Packet<'_>) {
        trace::print(packet);
        if let Ok(bytes) = packets::written(packet, self.version) {
            self.driver.take_in(&bytes);
        }
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Packet => self.packet(),
            Op::Packets(count) => (0..count % 8).for_each(|_| self.packet()),
            Op::Bytes(bytes) => self.driver.take_in(&bytes.0),
            Op::Frame(first, body) => self.driver.handle(Frame::new(first, &body.0)),
            Op::Reply { which, reason } => self.reply(usize::from(which), reason),
            Op::Release(which) => {
                let ids: Vec<_> = self.driver.incoming.unreleased().collect();
                if let Some(id) = ids.get(usize::from(which) % ids.len().max(1)) {
                    self.feed(&Packet::Pubrel(Pubrel::new(*id, ReasonCode::Success)));
                }
            }
            Op::Send { topic, bits, filler } => self.send(topic, bits, filler),
            Op::Pump(room) => {
                self.driver.pump(if room < 128 { usize::from(room) } else { usize::MAX });
            }
            Op::Answers(bits) => self.answers(bits),
            Op::AnswerHeld { which, reason } => {
                let reason = if reason < 200 { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
                self.driver.answer_held(usize::from(which), reason);
            }
            Op::Complete(which) => self.driver.complete(usize::from(which)),
            Op::Advance(millis) => self.driver.advance(u64::from(millis) * 16),
            Op::AdvanceFar(seconds) => self.driver.advance(u64::from(seconds) * 1000),
            Op::Request(bits) => self.request(bits),
            Op::End(bits) => self.end(bits),
            Op::Resume(settings) => {
                let session = self.driver.finish();
                if std::mem::take(&mut self.is_brief) {
                    self.driver.forget();
                    self.begin(Session::new(), settings);
                } else {
                    self.begin(session, settings);
                }
            }
        }
    }

    fn packet(&mut self) {
        let Self { u, version, driver, .. } = self;
        let built = packets::build(u, *version, |packet| {
            trace::print(&packet);
            packets::written(&packet, *version)
        });
        if let Ok(Ok(bytes)) = built {
            driver.take_in(&bytes);
        }
    }

    fn reply(&mut self, which: usize, reason: u8) {
        let open: Vec<_> = self.driver.outgoing.open().collect();
        let Some((id, qos, released)) = open.get(which % open.len().max(1)).copied() else {
            return self.feed(&Packet::Pingresp(Pingresp));
        };
        let code = if reason < 224 { ReasonCode::Success } else { ReasonCode::QuotaExceeded };
        match (qos, released) {
            (QoS::ExactlyOnce, false) => self.feed(&Packet::Pubrec(Pubrec {
                packet_id: id,
                reason: code,
                properties: Properties::EMPTY,
            })),
            (QoS::ExactlyOnce, true) => self.feed(&Packet::Pubcomp(Pubcomp::new(id, ReasonCode::Success))),
            (QoS::AtMostOnce | QoS::AtLeastOnce, _) => self.feed(&Packet::Puback(Puback::new(id, code))),
        }
    }

    fn send(&mut self, topic: u8, bits: u8, filler: u8) {
        let qos =
            [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce][usize::from(bits & 3)];
        let topic = TOPICS[usize::from(topic) % TOPICS.len()];
        let mut message = Message::new(self.serial, topic, qos, usize::from(filler) % 64);
        self.serial += 1;
        message.retain = bits & 4 != 0;
        if bits & 8 != 0 {
            message.wire = WIRE;
        }
        if bits & 0x30 == 0x30 {
            message.expires = Some(self.driver.now.plus_seconds(u32::from(filler)));
        }
        if bits & 0xC0 == 0xC0 && self.role == Role::Server {
            self.driver.send_encoded(message);
        } else if bits & 0xC0 == 0x80 {
            self.driver.enqueue(message);
        } else {
            let keeps = bits & 0xC0 != 0x40;
            self.is_brief |= !keeps;
            self.driver.send(message, keeps);
        }
    }

    fn answers(&mut self, bits: u8) {
        let one = |shift: u8| match bits >> shift & 3 {
            0 => Answer::Take,
            1 => Answer::Hold,
            2 => Answer::Refuse,
            _ => Answer::Abandon,
        };
        self.driver.answers = [0, 2, 4].map(one).into();
        self.driver.completes = bits & 0x40 == 0;
    }

    fn request(&mut self, bits: u8) {
        let filter = TopicFilter::new(["#", "a/+"][usize::from(bits & 1)]).unwrap();
        match self.role {
            Role::Server if self.driver.connection.state() == State::Deciding => {
                if bits & 2 == 0 {
                    self.driver.accept(&Acceptance::default());
                } else {
                    let text = Property::ReasonString(Utf8String::new("not this one").unwrap());
                    let reason = [ReasonCode::NotAuthorized, ReasonCode::Banned][usize::from(bits >> 2 & 1)];
                    self.driver.with(|connection, _, out| connection.refuse(reason, &[text], out));
                }
            }
            Role::Server => {}
            Role::Client if bits & 6 == 6 => {
                self.driver.with(|connection, now, out| connection.ping(now, out));
            }
            Role::Client => {
                let id = colibri_codec::PacketId::new(1).unwrap();
                let list = vec![
                    Subscription { filter, options: SubscriptionOptions::default() };
                    1 + usize::from(bits >> 5)
                ];
                let filters = vec![filter; 1 + usize::from(bits >> 5)];
                let (subscriptions, filters) = (Sequence::new(&list), Sequence::new(&filters));
                let properties = Properties::EMPTY;
                let subscribe = Subscribe { packet_id: id, properties, subscriptions };
                let unsubscribe = Unsubscribe { packet_id: id, properties, filters };
                let written = self.driver.with(|connection, now, out| match bits & 2 {
                    0 => connection.subscribe(&subscribe, now, out),
                    _ => connection.unsubscribe(&unsubscribe, now, out),
                });
                assert!(self.driver.is_open() || written == Ok(None));
            }
        }
    }

    fn end(&mut self, bits: u8) {
        match bits % 4 {
            0 if self.driver.is_open() => self.driver.fail(Violation::KeepAliveTimeout),
            1 => self.driver.fail(Violation::SecondConnect),
            _ => {
                let text = [Property::ReasonString(Utf8String::new("it is time").unwrap())];
                let properties = Properties::new(&text);
                let disconnect = Disconnect { reason: ReasonCode::UnspecifiedError, properties };
                self.driver.with(|connection, _, out| connection.disconnect(&disconnect, out));
            }
        }
    }
}
