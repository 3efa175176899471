//! One simulated client: the packets it sends, what it withholds, and what it remembers from connection to
//! connection. What it must and must not get is the business of `oracle.rs`.

mod receiving;
mod sending;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;

use colibri_codec::{
    BinaryData, Connect, Disconnect, EncodeError, Properties, Property, QoS, ReasonCode, TopicName,
    Utf8String, Version, Will,
};

use crate::oracle::{Oracle, WillSent};
use crate::packet::Got;
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
    /// Whether every other one of its wills is retained.
    retains_wills: bool,
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
    outgoing: BTreeMap<u64, Outgoing>,
    /// Identifiers of QoS 2 messages that were taken over and not released, and which.
    received: BTreeMap<u16, Vec<u8>>,
    withheld: VecDeque<Got>,
    unanswered: BTreeSet<u16>,
    subscribing: BTreeMap<u16, (String, u8)>,
    unsubscribing: BTreeMap<u16, String>,
    /// The will of the present connection.
    will: Option<u64>,
    will_qos: u8,
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
            retains_wills: false,
            link: None,
            buffer: Vec::new(),
            aliases: BTreeMap::new(),
            accepted: false,
            clean: false,
            gives_up: false,
            session: Known::Absent,
            alive_at: 0,
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            withheld: VecDeque::new(),
            unanswered: BTreeSet::new(),
            subscribing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            will: None,
            will_qos: 0,
        }
    }

    /// Has a will from here on if it is of those that may have one.
    pub(crate) fn like_wills(&mut self) {
        self.with_will = self.role == Role::Guest;
        self.retains_wills = true;
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
        oracle.may_take_over(self.number);
        self.accepted = false;
        self.clean = clean;
        if clean {
            self.end_session(oracle);
        }
        if self.session == Known::Absent {
            // Whether it is there is known again when CONNACK comes.
            self.session = Known::Unsure;
        }
        let properties = self.properties();
        if self.clean {
            oracle.wills_are_due(self.number, world.now(), true);
        }
        let will = self.new_will(oracle);
        self.will = will;
        let will_payload = will.map(|serial| format!("w{serial:07}"));
        let will_topic = format!("w/{}", self.number);
        let delay = will.map_or(0, |serial| oracle.will_delay(serial));
        let will_properties: Vec<_> = (delay > 0)
            .then(|| u32::try_from(delay).map(Property::WillDelayInterval).ok())
            .flatten()
            .into_iter()
            .collect();
        self.will_qos = (oracle.serial() % 3) as u8;
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(self.will_qos)];
        let parts = (|| {
            let payload = will_payload.as_ref().map(|payload| BinaryData::new(payload.as_bytes()));
            let will = match payload {
                Some(payload) => Some(Will {
                    topic: TopicName::new(&will_topic).ok()?,
                    payload: payload.ok()?,
                    qos,
                    retain: self.retains_will(will.unwrap_or(0)),
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

    /// A will for the next connection, if it is to have one.
    fn new_will(&self, oracle: &mut Oracle) -> Option<u64> {
        let five = self.version == Version::V5;
        self.with_will.then(|| {
            let delay = if five && self.stay != Stay::Connection { 3 * (oracle.serial() % 2) } else { 0 };
            // A session that ends before the delay is over publishes the will then.
            let serial = oracle.serial() + 1;
            oracle.will(WillSent {
                client: self.number,
                delay,
                retain: self.retains_will(serial),
                stored: !self.ends_with_connection(),
                clean: false,
                may: None,
                cancelled: false,
                accepted: false,
                promised: false,
                lost: None,
            })
        })
    }

    const fn retains_will(&self, serial: u64) -> bool {
        self.retains_wills && (serial / 3).is_multiple_of(2)
    }

    /// Whether the session is over when the connection is.
    fn ends_with_connection(&self) -> bool {
        // Before 5.0 a clean session is one that ends with its connection.
        self.stay == Stay::Connection || self.clean && self.version == Version::V3_1_1
    }

    /// What it says of itself in CONNECT.
    fn properties(&self) -> Vec<Property<'static>> {
        let mut properties = Vec::new();
        if self.version == Version::V5 {
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
        properties
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
        self.unsubscribing.clear();
        self.will = None;
        if self.ends_with_connection() {
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
        if let Some(will) =
            self.will.filter(|_| self.will_qos > 0 && self.stay == Stay::ForGood && !self.clean)
        {
            oracle.will_is_promised(will);
        }
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
}
