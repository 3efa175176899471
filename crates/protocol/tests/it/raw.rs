//! One end, fed and read byte by byte.

use std::mem;

use colibri_codec::{Frame, PacketId, Property, QoS, Split, Version};
use colibri_protocol::{Limits, Role, Sent, Session, State, Time};

use crate::end::{Answers, End, Seen, connect};
use crate::hex::{bytes, dump};
use crate::message::Message;

/// One end on a virtual clock; its peer is what the test writes down.
pub(crate) struct Raw {
    pub(crate) end: End,
    pub(crate) version: Version,
    pub(crate) now: Time,
}

impl Raw {
    /// A server that has seen nothing.
    pub(crate) fn fresh_server(version: Version, limits: Limits) -> Self {
        let now = Time::from_millis(0);
        Self { end: End::server(limits, now), version, now }
    }

    /// A server that has accepted a client with these further properties (hexadecimal, with their length).
    pub(crate) fn server_to(version: Version, limits: Limits, properties: &str) -> Self {
        let mut raw = Self::fresh_server(version, limits);
        let level = if version.has_properties() { "05" } else { "04" };
        raw.feed(&format!("10 L 0004 'MQTT' {level} 02 0000 {properties} 0001 'c'"));
        assert_eq!(raw.state(), State::Open);
        raw.discard();
        raw
    }

    /// A server that has accepted a client without wishes.
    pub(crate) fn server(version: Version) -> Self {
        Self::server_to(version, Limits::default(), "P")
    }

    /// The same, also for 3.1.
    pub(crate) fn server_of_any(version: Version) -> Self {
        let mut raw = Self::fresh_server(version, Limits::default());
        match version {
            Version::V3_1 => raw.feed("10 L 0006 'MQIsdp' 03 02 0000 0001 'c'"),
            Version::V3_1_1 | Version::V5 => return Self::server(version),
        }
        raw.discard();
        raw
    }

    /// A client that has sent CONNECT.
    pub(crate) fn fresh_client(version: Version, limits: Limits, session: Session<Message>) -> Self {
        let now = Time::from_millis(0);
        let end = End::client(&connect(version, false, 0, &[]), limits, session, now);
        Self { end, version, now }
    }

    /// A client that a server with these properties (hexadecimal, with their length) has accepted.
    pub(crate) fn client_to(version: Version, limits: Limits, properties: &str) -> Self {
        let mut raw = Self::fresh_client(version, limits, Session::new());
        raw.feed(&format!("20 L 00 00 {properties}"));
        assert_eq!(raw.state(), State::Open);
        raw.discard();
        raw
    }

    /// A client that a server without wishes has accepted.
    pub(crate) fn client(version: Version) -> Self {
        Self::client_to(version, Limits::default(), "P")
    }

    /// Either end, open.
    pub(crate) fn open(role: Role, version: Version) -> Self {
        match role {
            Role::Client => Self::client(version),
            Role::Server => Self::server(version),
        }
    }

    /// Either end, open, to a peer with these properties.
    pub(crate) fn open_to(role: Role, version: Version, limits: Limits, properties: &str) -> Self {
        match role {
            Role::Client => Self::client_to(version, limits, properties),
            Role::Server => Self::server_to(version, limits, properties),
        }
    }

    /// The same end on its next connection, which goes on with the session; CONNACK and CONNECT have
    /// passed, and what the session brought along is in the output.
    pub(crate) fn resume(self, properties: &str) -> Self {
        let mut raw = self.resume_seeing(properties);
        raw.seen();
        raw
    }

    /// The same, with what the driver learnt after CONNECT or CONNACK.
    pub(crate) fn resume_seeing(self, properties: &str) -> Self {
        let role = self.end.connection.role();
        let version = self.version;
        let limits = *self.end.connection.limits();
        let session = self.end.connection.into_session();
        let mut watch = self.end.watch;
        watch.cut();
        let mut raw = match role {
            Role::Client => Self::fresh_client(version, limits, session),
            Role::Server => {
                let mut raw = Self::fresh_server(version, limits);
                raw.end.stored = Some(session);
                raw
            }
        };
        raw.end.watch = watch;
        raw.now = self.now;
        raw.discard();
        match role {
            Role::Client => raw.feed(&format!("20 L 01 00 {properties}")),
            Role::Server => {
                let level = if version.has_properties() { "05" } else { "04" };
                raw.feed(&format!("10 L 0004 'MQTT' {level} 00 0000 {properties} 0001 'c'"));
                assert_eq!(raw.expect_packet(0x20)[2..4], [1, 0]);
            }
        }
        assert_eq!(raw.state(), State::Open);
        raw.end.seen.retain(|seen| !matches!(seen, Seen::Connect { .. } | Seen::Connack { .. }));
        raw
    }

    pub(crate) fn answering(mut self, answers: Answers) -> Self {
        self.end.answers = answers;
        self
    }

    pub(crate) fn state(&self) -> State {
        self.end.state()
    }

    /// Bytes arrive.
    pub(crate) fn feed(&mut self, text: &str) {
        self.end.take_in(&bytes(self.version, text), self.now);
    }

    /// One packet arrives, also while a server decides about CONNECT.
    pub(crate) fn handle(&mut self, text: &str) {
        let bytes = bytes(self.version, text);
        let Ok(Split::Frame(frame, _)) = Frame::split(&bytes, u32::MAX) else { panic!("{text}") };
        self.end.handle(frame, self.now);
        self.end.with(|_, _| ());
    }

    /// All output since the last look is this.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) {
        let (expected, written) = (bytes(self.version, text), mem::take(&mut self.end.out));
        assert_eq!(dump(&written), dump(&expected), "{} {:?}", self.version, self.end.connection.role());
    }

    /// The output begins with a packet of this type; it is taken out and returned.
    #[track_caller]
    pub(crate) fn expect_packet(&mut self, first: u8) -> Vec<u8> {
        assert_eq!(self.end.out.first(), Some(&first), "{}", dump(&self.end.out));
        let length = 2 + usize::from(self.end.out[1]);
        let rest = self.end.out.split_off(length);
        mem::replace(&mut self.end.out, rest)
    }

    pub(crate) fn discard(&mut self) {
        self.end.out.clear();
        self.end.seen.clear();
    }

    /// All that the driver learnt since the last look.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        mem::take(&mut self.end.seen)
    }

    pub(crate) fn send(&mut self, topic: &str, qos: QoS, payload: &str) -> Sent {
        self.end.send(Message::new(topic, qos, payload), self.now)
    }

    pub(crate) fn advance(&mut self, milliseconds: u64) {
        self.now = Time::from_millis(self.now.as_millis() + milliseconds);
        self.end.tick(self.now);
    }
}

/// A Packet Identifier.
pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

/// What a client with these properties sends.
pub(crate) fn client_with(version: Version, keep_alive: u16, properties: &[Property<'_>]) -> Raw {
    let now = Time::from_millis(0);
    let end =
        End::client(&connect(version, true, keep_alive, properties), Limits::default(), Session::new(), now);
    Raw { end, version, now }
}
