//! One simulated client: the packets it sends, what it withholds, and what it remembers from connection to
//! connection. What it must and must not get is the business of `oracle.rs`.

mod connecting;
mod machine;
mod receiving;
mod sending;

use colibri_codec::{Disconnect, EncodeError, Frame, Packet, Properties, ReasonCode, Split, Version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::oracle::Oracle;
use crate::packet::Got;
use crate::workload::{self, Role, Stay};
use crate::{Coverage, Link, Random, Setting, World};
use machine::Machine;

/// How many messages a client has under way at most, unless the broker takes fewer.
pub(crate) const PUBLISHED_MAX: u16 = 20;
/// How many more may have to wait in a state machine.
const WAITING_MAX: u16 = 10;
/// For how many milliseconds a client may not be read because the disk fails: 100 for each message that it has
/// under way, and for some more.
pub(crate) const RESTS_MAX: u64 = 100 * 50;
/// Bytes of a payload that is stored in a row of its own.
pub(crate) const LARGE: usize = 3_000;

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
    /// The state machine, if it is one that drives this client.
    machine: Option<Machine>,
    /// How many messages it has under way at most, or waiting to be.
    published_max: usize,
    /// Whether it comes to the listener whose acknowledgements do not wait for the store.
    is_unsynced: bool,
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
    /// Somebody else has taken over from the present connection, or is about to.
    intruded: bool,
    /// When the connection was last seen to be there, in milliseconds.
    alive_at: u64,
    outgoing: BTreeMap<u64, Outgoing>,
    /// Identifiers of QoS 2 messages that were taken over and not released, and which.
    received: BTreeMap<u16, Vec<u8>>,
    /// Those of them that the broker may use for other messages, as it has forgotten them in a crash.
    forgotten: BTreeSet<u16>,
    /// Since when it has broken the protocol on the present connection, in milliseconds.
    outlaw_since: Option<u64>,
    withheld: VecDeque<Got>,
    unanswered: BTreeSet<u16>,
    subscribing: BTreeMap<u16, (String, u8)>,
    unsubscribing: BTreeMap<u16, String>,
    /// The will of the present connection.
    will: Option<u64>,
    will_qos: u8,
}

impl Client {
    pub(crate) fn new(number: usize, random: &mut Random, setting: &Setting) -> Self {
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
            machine: setting.has_protocol(number).then(Machine::default),
            published_max: usize::from(
                setting.receive_maximum + if setting.has_protocol(number) { WAITING_MAX } else { 0 },
            ),
            is_unsynced: setting.is_unsynced(number),
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
            intruded: false,
            session: Known::Absent,
            alive_at: 0,
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            outlaw_since: None,
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

    /// The broker had no turn until now, so that it could not close the connection of who broke the protocol.
    pub(crate) fn waits_from(&mut self, now: u64) {
        self.outlaw_since = self.outlaw_since.map(|_| now);
    }

    /// Whether it broke the protocol so many milliseconds ago and its connection stands.
    pub(crate) fn is_outlaw_for(&self, millis: u64, now: u64) -> bool {
        self.outlaw_since.is_some_and(|since| now >= since + millis)
    }

    /// Notes for the coverage what drives it.
    pub(crate) fn note(&self, coverage: &mut Coverage) {
        let what = match self.version {
            Version::V5 => "a client is driven by the state machine, 5.0",
            Version::V3_1 | Version::V3_1_1 => "a client is driven by the state machine, 3.1.1",
        };
        coverage.note_if(self.machine.is_some(), what);
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

    /// Sends what the state machine has written.
    fn flush(&mut self, oracle: &mut Oracle) {
        let Some(machine) = &mut self.machine else { return };
        let bytes = std::mem::take(&mut machine.out);
        let mut rest = bytes.as_slice();
        while let Ok(Split::Frame(frame, length)) = Frame::split(rest, u32::MAX) {
            if let Ok(packet) = Packet::decode(frame, self.version) {
                oracle.note(|| format!("{} sends {packet:?}", self.name));
                if let Packet::Publish(publish) = &packet
                    && let Some(serial) = machine.serial_under(publish.delivery)
                    && let Some(out) = self.outgoing.get_mut(&serial)
                {
                    out.id = publish.delivery.packet_id().map_or(0, |id| id.get());
                    oracle.is_sent(serial, out.id, out.message.qos);
                }
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        if let Some(link) = &self.link {
            link.send(&bytes);
        }
    }

    /// Sends what was waiting in the state machine and may leave by now.
    fn pump(&mut self, oracle: &mut Oracle) {
        let Some(machine) = &mut self.machine else { return };
        for serial in machine.pump(oracle.now) {
            self.outgoing.remove(&serial);
        }
        self.flush(oracle);
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
        if let Some(machine) = &mut self.machine {
            machine.lose();
        }
        self.accepted = false;
        self.outlaw_since = None;
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

    /// Closes, as the broker does not answer any more.
    pub(crate) fn give_up(&mut self, world: &World, oracle: &mut Oracle) {
        oracle.note(|| format!("{} gives its connection up", self.name));
        if let Some(link) = &self.link {
            link.end();
        }
        self.lose(world, oracle);
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
        match &mut self.machine {
            Some(machine) => machine.disconnect(&disconnect),
            None => {
                self.send(oracle, &format!("DISCONNECT {reason:?}"), |out| disconnect.encode(version, out))
            }
        }
        self.flush(oracle);
        if let Some(link) = &self.link {
            link.end();
        }
        let will = self.will;
        // Behind what breaks the protocol DISCONNECT is nothing that anybody reads, and who was taken over may have
        // been closed before it came.
        let counts = self.accepted && self.outlaw_since.is_none() && !self.intruded;
        self.lose(world, oracle);
        if let Some(will) = will.filter(|_| !with_will && counts) {
            oracle.will_is_called_off(will);
        }
    }

    /// The session ends with all that belongs to it, as far as the client can know.
    fn end_session(&mut self, oracle: &mut Oracle) {
        let again = self.machine.as_mut().map(Machine::end_session).unwrap_or_default();
        self.outgoing.retain(|serial, _| again.contains(serial));
        oracle.coverage.note_if(
            !again.is_empty(),
            "a client of the state machine makes new again what its lost session had",
        );
        self.received.clear();
        self.forgotten.clear();
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
        let was_known = self.session == Known::Present;
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
        oracle.session_is_there(self.number, present, was_known);
        match self.machine {
            Some(_) => self.pump(oracle),
            None => self.resume(oracle),
        }
        for (filter, qos) in filters {
            if !oracle.is_granted(self.number, filter) {
                self.subscribe(oracle, filter, *qos);
            }
        }
    }

    /// The clock that the broker keeps sessions by was set to another time.
    pub(crate) fn doubts_expiry(&mut self) {
        if matches!(self.stay, Stay::Seconds(_)) && self.session == Known::Present {
            self.session = Known::Unsure;
        }
    }

    /// Whether it could take a session that somebody else begins now for its own: its CONNECT is under way.
    pub(crate) fn may_be_fooled(&self) -> bool {
        self.is_connected() && !self.accepted && matches!(self.stay, Stay::Seconds(_))
    }

    /// Whether the broker may have ended the present connection before it reads what is sent there.
    pub(crate) fn may_be_over(&self) -> bool {
        self.intruded || self.link.as_ref().is_none_or(Link::is_closed)
    }

    /// Somebody else takes its session over, or begins a new one in place of one that was over, which the
    /// client cannot tell from the old one.
    pub(crate) fn is_taken_over(&mut self) {
        self.intruded = self.is_connected();
        self.gives_up |= matches!(self.stay, Stay::Seconds(_));
    }

    /// A crash has taken back what the broker knew of this client; `began` says whether its session began
    /// in what was taken back.
    pub(crate) fn is_forgotten(&mut self, began: bool) {
        self.forgotten.extend(self.received.keys());
        // A session that is older than the one it knows of may be there again, which it has no use for.
        self.gives_up |= began || self.session != Known::Present;
        // Since when it was connected may be among that.
        self.doubts_expiry();
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
