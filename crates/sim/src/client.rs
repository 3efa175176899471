//! One simulated client: the packets it sends, what it withholds, and what it remembers from connection to
//! connection. What it must and must not get is the business of `oracle.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;

use colibri_codec::{
    BinaryData, Connect, Delivery, Disconnect, EncodeError, PacketId, Properties, Property, Puback, Pubcomp,
    Publish, Pubrec, Pubrel, QoS, ReasonCode, Sequence, Subscribe, Subscription, SubscriptionOptions,
    TopicFilter, TopicName, Unsubscribe, Utf8String, Version, Will,
};

use crate::oracle::{Oracle, WillSent};
use crate::packet::{Got, Message, first};
use crate::workload::{self, Role, Stay};
use crate::{Link, Random, World};

/// How many messages a client has under way at most; the broker takes as many.
pub(crate) const PUBLISHED_MAX: usize = 20;
/// Bytes of a payload that is stored in a row of its own.
const LARGE: usize = 3_000;

/// What a publisher is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Puback,
    Pubrec,
    Pubcomp,
}

/// A message that was sent and whose exchange is open.
#[derive(Debug)]
struct Outgoing {
    id: u16,
    message: workload::Message,
    stage: Stage,
}

/// What a client knows of its session at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Absent,
    Unsure,
    Present,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    name: String,
    version: Version,
    pub(crate) stay: Stay,
    role: Role,
    receive_maximum: u16,
    aliases_maximum: u16,
    keep_alive: u16,
    with_will: bool,
    pub(crate) link: Option<Link>,
    buffer: Vec<u8>,
    aliases: BTreeMap<u16, String>,
    accepted: bool,
    clean: bool,
    /// It has given its session up, and no CONNACK has said yet that the broker has.
    gives_up: bool,
    session: Known,
    /// When the connection was last seen to be there, in milliseconds.
    alive_at: u64,
    next_id: u16,
    outgoing: BTreeMap<u64, Outgoing>,
    /// Identifiers of QoS 2 messages that were taken over and not released, and which.
    received: BTreeMap<u16, Vec<u8>>,
    withheld: VecDeque<Got>,
    unanswered: BTreeSet<u16>,
    subscribing: BTreeMap<u16, (String, u8)>,
    /// The will of the present connection.
    will: Option<u64>,
}

impl Client {
    pub(crate) fn new(number: usize, random: &mut Random) -> Self {
        let role = workload::role(number);
        let version = match role {
            Role::Member => Version::V5,
            Role::Anchor(_) if number == 0 => Version::V5,
            Role::Anchor(_) => Version::V3_1_1,
            Role::Guest => [Version::V3_1_1, Version::V5][random.below(2)],
        };
        let five = version == Version::V5;
        let stay = match (role, random.below(4)) {
            (Role::Guest, 0) => Stay::Connection,
            (Role::Guest, 1) if five => Stay::Seconds(5),
            _ => Stay::ForGood,
        };
        let receive_maximum = if five { [1, 2, 5, 20][random.below(4)] } else { u16::MAX };
        Self {
            number,
            name: format!("client-{number}"),
            version,
            stay,
            role,
            receive_maximum,
            aliases_maximum: if five && random.below(3) == 0 { 2 } else { 0 },
            keep_alive: if random.below(3) == 0 { 10 } else { 0 },
            with_will: role == Role::Guest && random.below(2) == 0,
            link: None,
            buffer: Vec::new(),
            aliases: BTreeMap::new(),
            accepted: false,
            clean: false,
            gives_up: false,
            session: Known::Absent,
            alive_at: 0,
            next_id: 0,
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            withheld: VecDeque::new(),
            unanswered: BTreeSet::new(),
            subscribing: BTreeMap::new(),
            will: None,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    pub(crate) const fn is_accepted(&self) -> bool {
        self.accepted
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outgoing.is_empty() && self.withheld.is_empty() && self.unanswered.is_empty()
    }

    pub(crate) fn open_messages(&self) -> Vec<u64> {
        self.outgoing.keys().copied().collect()
    }

    fn send(
        &self,
        oracle: &mut Oracle,
        what: &str,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        let Some(link) = &self.link else { return };
        let mut bytes = Vec::new();
        if let Err(error) = encode(&mut bytes) {
            oracle.fail(format!("{} cannot write {what}: {error}", self.name));
        }
        oracle.note(|| format!("{} sends {what}", self.name));
        link.send(&bytes);
    }

    // Connections.

    pub(crate) fn connect(&mut self, world: &World, oracle: &mut Oracle, clean: bool) {
        let clean = clean && self.role == Role::Guest || self.stay == Stay::Connection || self.gives_up;
        self.gives_up = clean;
        self.link = Some(world.connect());
        self.accepted = false;
        self.clean = clean;
        if clean {
            self.end_session(oracle);
        }
        if self.session == Known::Absent {
            // Whether it is there is known again when CONNACK comes.
            self.session = Known::Unsure;
        }
        let five = self.version == Version::V5;
        let mut properties = Vec::new();
        if five {
            match self.stay {
                Stay::ForGood => properties.push(Property::SessionExpiryInterval(1_000_000)),
                Stay::Seconds(seconds) => properties.push(Property::SessionExpiryInterval(seconds)),
                Stay::Connection => {}
            }
            properties.extend(NonZeroU16::new(self.receive_maximum).map(Property::ReceiveMaximum));
            if self.aliases_maximum > 0 {
                properties.push(Property::TopicAliasMaximum(self.aliases_maximum));
            }
        }
        let will = self.with_will.then(|| {
            let delay = if five && self.stay != Stay::Connection { 3 * (oracle.serial() % 2) } else { 0 };
            // A session that ends before the delay is over publishes the will then.
            oracle.will(WillSent { client: self.number, delay, clean: false, may: None, cancelled: false })
        });
        if self.clean {
            oracle.wills_are_due(self.number, world.now(), true);
        }
        self.will = will;
        let will_payload = will.map(|serial| format!("w{serial:07}"));
        let will_topic = format!("w/{}", self.number);
        let delay = will.map_or(0, |serial| oracle.will_delay(serial));
        let will_properties: Vec<_> = (delay > 0)
            .then(|| u32::try_from(delay).map(Property::WillDelayInterval).ok())
            .flatten()
            .into_iter()
            .collect();
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][(oracle.serial() % 3) as usize];
        let parts = (|| {
            let payload = will_payload.as_ref().map(|payload| BinaryData::new(payload.as_bytes()));
            let will = match payload {
                Some(payload) => Some(Will {
                    topic: TopicName::new(&will_topic).ok()?,
                    payload: payload.ok()?,
                    qos,
                    retain: false,
                    properties: Properties::new(&will_properties),
                }),
                None => None,
            };
            Some((Utf8String::new(&self.name).ok()?, will))
        })();
        let Some((client_id, will)) = parts else { return oracle.fail("no CONNECT can be made".into()) };
        let connect = Connect {
            version: self.version,
            clean_start: clean,
            keep_alive: self.keep_alive,
            properties: Properties::new(&properties),
            client_id,
            will,
            user_name: None,
            password: None,
        };
        let what = format!(
            "CONNECT clean {clean} {:?} {:?} will {will_payload:?} delay {delay}",
            self.version, self.stay
        );
        self.send(oracle, &what, |out| connect.encode(out));
    }

    /// The client has no connection any more, whether or not the broker knows.
    pub(crate) fn lose(&mut self, world: &World, oracle: &mut Oracle) {
        let Some(link) = self.link.take() else { return };
        if self.accepted && !link.is_closed() {
            self.alive_at = world.now();
        }
        oracle.wills_are_due(self.number, world.now(), false);
        if !self.accepted && matches!(self.stay, Stay::Seconds(_)) {
            // The broker may have begun a new session in place of one that was over, and the client cannot
            // tell the two apart any more.
            self.gives_up = true;
        }
        self.accepted = false;
        self.buffer.clear();
        self.aliases.clear();
        self.withheld.clear();
        self.unanswered.clear();
        self.subscribing.clear();
        self.will = None;
        // Before 5.0 a clean session is one that ends with its connection.
        if self.stay == Stay::Connection || self.clean && self.version == Version::V3_1_1 {
            self.end_session(oracle);
        }
    }

    /// The broker and the client are at rest, and the connection stands.
    pub(crate) fn is_seen(&mut self, now: u64) {
        if self.accepted && self.link.as_ref().is_some_and(|link| !link.is_closed()) {
            self.alive_at = now;
        }
    }

    /// Says DISCONNECT and closes.
    pub(crate) fn leave(&mut self, world: &World, oracle: &mut Oracle, with_will: bool) {
        let with_will = with_will && self.version == Version::V5;
        let reason = if with_will { ReasonCode::DisconnectWithWillMessage } else { ReasonCode::Success };
        let disconnect = Disconnect { reason, properties: Properties::EMPTY };
        let version = self.version;
        self.send(oracle, &format!("DISCONNECT {reason:?}"), |out| disconnect.encode(version, out));
        if let Some(link) = &self.link {
            link.end();
        }
        let will = self.will;
        let accepted = self.accepted;
        self.lose(world, oracle);
        if let Some(will) = will.filter(|_| !with_will && accepted) {
            oracle.will_is_called_off(will);
        }
    }

    /// The session ends with all that belongs to it, as far as the client can know.
    fn end_session(&mut self, oracle: &mut Oracle) {
        self.outgoing.clear();
        self.received.clear();
        self.session = Known::Absent;
        oracle.session_ends(self.number);
    }

    /// Whether the session must be there, if CONNACK comes now.
    fn expected(&self, now: u64) -> Known {
        match (self.session, self.stay) {
            (Known::Present, Stay::Seconds(seconds)) if now - self.alive_at >= u64::from(seconds) * 1000 => {
                Known::Unsure
            }
            (known, _) => known,
        }
    }

    fn on_connack(&mut self, world: &World, oracle: &mut Oracle, present: bool) {
        if self.accepted {
            return oracle.fail(format!("{} gets a second CONNACK", self.name));
        }
        self.accepted = true;
        self.gives_up = false;
        let expected = if self.clean { Known::Absent } else { self.expected(world.now()) };
        match (expected, present) {
            (Known::Absent, true) => oracle.fail(format!("{} finds a session that is over", self.name)),
            (Known::Present, false) => oracle.fail(format!("{} has lost its session", self.name)),
            _ => {}
        }
        if !present {
            self.end_session(oracle);
        }
        self.session = Known::Present;
        self.is_seen(world.now());
        let filters: &[(&str, u8)] = match self.role {
            Role::Anchor(filters) => filters,
            Role::Member => &[(workload::SHARED_FILTER, 2)],
            Role::Guest => &[],
        };
        self.resume(oracle);
        for (filter, qos) in filters {
            if !oracle.is_granted(self.number, filter) {
                self.subscribe(oracle, filter, *qos);
            }
        }
    }

    /// Sends again what the connection before left open, in order.
    fn resume(&self, oracle: &mut Oracle) {
        for (serial, out) in &self.outgoing {
            match out.stage {
                Stage::Puback | Stage::Pubrec => self.send_publish(oracle, *serial, out, true),
                Stage::Pubcomp => self.pubrel(oracle, out.id),
            }
        }
    }

    // What it sends.

    fn id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id % 1000 + 1;
            let open = self.outgoing.values().any(|out| out.id == self.next_id);
            if !open && !self.subscribing.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
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
        self.subscribing.retain(|_, (asked, _)| asked != filter);
        oracle.asks_off(self.number, filter);
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

    fn send_publish(&self, oracle: &mut Oracle, serial: u64, out: &Outgoing, dup: bool) {
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

    fn pubrel(&self, oracle: &mut Oracle, id: u16) {
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

    // What it gets.

    /// Reads up to so many bytes, and deals with the packets that are whole; whether anything came.
    pub(crate) fn read(&mut self, world: &World, oracle: &mut Oracle, most: usize) -> bool {
        let Some(link) = &self.link else { return false };
        let taken = link.take(most);
        if taken.is_empty() {
            return false;
        }
        self.buffer.extend_from_slice(&taken);
        loop {
            match first(&self.buffer, self.version) {
                Ok(Some((got, length))) => {
                    self.buffer.drain(..length);
                    self.on_packet(world, oracle, got);
                }
                Ok(None) => return true,
                Err(sentence) => {
                    oracle.fail(format!("{} gets {sentence}", self.name));
                    return true;
                }
            }
        }
    }

    fn on_packet(&mut self, world: &World, oracle: &mut Oracle, got: Got) {
        oracle.note(|| format!("{} gets {got:?}", self.name));
        if !self.accepted && !matches!(got, Got::Connack { .. }) {
            return oracle.fail(format!("{} gets {got:?} before CONNACK", self.name));
        }
        match got {
            Got::Connack { code: 0, present } => self.on_connack(world, oracle, present),
            Got::Connack { code, .. } => oracle.is_refused(&format!("{}, CONNACK {code}", self.name)),
            Got::Publish(message) => self.on_message(oracle, message),
            Got::Puback(id, code) => self.on_ack(oracle, (id, code), Stage::Puback, world.now()),
            Got::Pubrec(id, code) => self.on_ack(oracle, (id, code), Stage::Pubrec, world.now()),
            Got::Pubcomp(id) => self.on_ack(oracle, (id, 0), Stage::Pubcomp, world.now()),
            Got::Pubrel(id) => self.withheld.push_back(Got::Pubrel(id)),
            Got::Suback(id, codes) => {
                // It may have been asked off meanwhile.
                let Some((filter, qos)) = self.subscribing.remove(&id) else { return };
                match codes.as_slice() {
                    [code] if *code == qos => oracle.is_subscribed(self.number, &filter, qos),
                    [0x80 | 0x97] => oracle.is_refused(&format!("{}, SUBACK", self.name)),
                    _ => oracle.fail(format!("{} gets SUBACK {codes:?}", self.name)),
                }
            }
            Got::Unsuback(_) | Got::Pingresp => {}
            // Taken over by a connection that was heard later, silent for too long, or told of the end.
            Got::Disconnect(0x8E | 0x8D | 0x8B) => {}
            Got::Disconnect(code) => oracle.fail(format!("{} gets DISCONNECT {code:#x}", self.name)),
        }
    }

    fn on_ack(&mut self, oracle: &mut Oracle, (id, code): (u16, u8), stage: Stage, now: u64) {
        let found = self.outgoing.iter_mut().find(|(_, out)| out.id == id);
        let Some((&serial, out)) = found.filter(|(_, out)| out.stage == stage) else {
            return oracle
                .fail(format!("{} gets an answer of {stage:?} to {id}, which is not open", self.name));
        };
        if code >= 0x80 {
            oracle.message_is_refused(serial, code);
            self.outgoing.remove(&serial);
        } else if stage == Stage::Pubrec {
            out.stage = Stage::Pubcomp;
            oracle.is_acknowledged(serial, now);
            self.pubrel(oracle, id);
        } else {
            self.outgoing.remove(&serial);
            if stage == Stage::Puback {
                oracle.is_acknowledged(serial, now);
            }
        }
    }

    fn on_message(&mut self, oracle: &mut Oracle, mut message: Message) {
        if let Some(alias) = message.alias {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(&alias).cloned().unwrap_or_default();
            } else {
                self.aliases.insert(alias, message.topic.clone());
            }
        }
        if message.qos > 0 {
            if !self.unanswered.insert(message.id) {
                oracle.fail(format!("{} gets {message:?} under an identifier in use", self.name));
            }
            if self.unanswered.len() > usize::from(self.receive_maximum.min(oracle.send_maximum)) {
                oracle.fail(format!("{} gets more than its Receive Maximum", self.name));
            }
            self.withheld.push_back(Got::Publish(message.clone()));
        }
        let mut is_new = true;
        if message.qos == 2 {
            let before = self.received.insert(message.id, message.payload.clone());
            is_new = before.is_none();
            if before.is_some_and(|before| before != message.payload) {
                oracle.fail(format!("{} gets {message:?} under an unreleased identifier", self.name));
            }
        }
        oracle.is_delivered(self.number, &message, is_new);
    }
}

pub(crate) const fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
