//! A connection to the end under test that sends any bytes and says what it expects to come back.

use std::collections::VecDeque;
use std::time::Duration;

use colibri_codec::Version;

use crate::Stop;
use crate::network::{Connection, Received, Sent};
use crate::raw::{
    Ack, Answer, Connack, Content, Encode, Kind, PINGREQ, Packet, Publication, Publish, Subscribe,
    Unsubscribe, hex, puback, pubcomp, pubrec, pubrel, split, words,
};

/// What may always be said of a fault of the client: section 4.13.2 of 5.0 asks a server to give a reason, but
/// does not bind it (SHOULD), and what is malformed to one server is a Protocol Error to another, or a
/// reason that it does not wish to reveal (0x80) or that is its own (0x83).
const GENERAL_CODES: [u8; 4] = [0x80, 0x81, 0x82, 0x83];

/// How many of the packets sent a failure shows.
const SHOWN_MAX: usize = 6;

/// What a connection brings next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet.
    Packet(Packet),
    /// The end of the connection.
    Closed,
    /// Nothing in the time that was given.
    Silence,
}

/// A connection to the server under test, or from the client under test.
#[derive(Debug)]
pub struct Peer {
    connection: Box<dyn Connection>,
    version: Version,
    patience: Duration,
    name: String,
    buffer: Vec<u8>,
    /// Packets that came while another was waited for.
    stashed: VecDeque<Packet>,
    sent: Vec<Vec<u8>>,
    closed: bool,
    last_id: u16,
    fences: usize,
    connack: Connack,
}

impl Peer {
    pub(crate) fn new(
        connection: Box<dyn Connection>,
        version: Version,
        patience: Duration,
        name: &str,
    ) -> Self {
        Self {
            connection,
            version,
            patience,
            name: name.to_owned(),
            buffer: Vec::new(),
            stashed: VecDeque::new(),
            sent: Vec::new(),
            closed: false,
            // Far from the identifiers that scripts choose.
            last_id: 40_000,
            fences: 0,
            connack: Connack::default(),
        }
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The CONNACK that [`Peer::expect_connack`] read.
    pub fn connack(&self) -> &Connack {
        &self.connack
    }

    /// Whether that CONNACK said Session Present 1.
    pub fn session_present(&self) -> bool {
        self.connack.flags & 1 == 1
    }

    /// A Packet Identifier that this peer has not used.
    pub fn next_id(&mut self) -> u16 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends a packet or any bytes. A server that has closed the connection is noticed when reading.
    pub fn send(&mut self, packet: &(impl Encode + ?Sized)) -> Result<(), Stop> {
        let bytes = packet.encode(self.version);
        let sent = self.connection.send(&bytes);
        self.sent.push(bytes);
        match sent {
            Sent::Gone => Ok(()),
            Sent::Stuck => Err(self.fail("the server reads", format!("it did not in {:?}", self.patience))),
        }
    }

    /// A failure of this connection, with what was sent on it.
    pub fn fail(&self, expected: impl Into<String>, came: impl Into<String>) -> Stop {
        let skipped = self.sent.len().saturating_sub(SHOWN_MAX);
        let lines = self.sent.iter().skip(skipped).map(|bytes| {
            let name = Kind::of(bytes.first().copied().unwrap_or(0)).name();
            format!("{name}: {}", hex(bytes))
        });
        Stop::failed(lines.collect::<Vec<_>>().join("\n"), expected, came)
    }

    /// A failure because of a packet that came.
    pub fn fail_with(&self, expected: impl Into<String>, packet: &Packet) -> Stop {
        self.fail(expected, format!("{}: {}", words(packet), hex(&packet.bytes)))
    }

    fn fail_event(&self, expected: &str, event: &Event) -> Stop {
        match event {
            Event::Packet(packet) => self.fail_with(expected, packet),
            Event::Closed => self.fail(expected, "the end of the connection"),
            Event::Silence if self.buffer.is_empty() => {
                self.fail(expected, format!("nothing in {:?}", self.patience))
            }
            Event::Silence => self.fail(expected, format!("part of a packet: {}", hex(&self.buffer))),
        }
    }

    /// Fails unless the condition holds.
    pub fn require(&self, holds: bool, expected: &str, came: impl Into<String>) -> Result<(), Stop> {
        if holds { Ok(()) } else { Err(self.fail(expected, came)) }
    }

    /// What comes next within this time.
    pub fn next_within(&mut self, time: Duration) -> Result<Event, Stop> {
        if let Some(packet) = self.stashed.pop_front() {
            return Ok(Event::Packet(packet));
        }
        self.read_within(time)
    }

    /// What comes next from the network.
    fn read_within(&mut self, time: Duration) -> Result<Event, Stop> {
        let until = self.connection.now() + time;
        loop {
            let cut = split(&self.buffer, self.version);
            let cut =
                cut.map_err(|fault| self.fail("a packet", format!("{fault}: {}", hex(&self.buffer))))?;
            if let Some(packet) = cut {
                self.buffer.drain(..packet.bytes.len());
                return Ok(Event::Packet(packet));
            }
            if self.closed {
                return Ok(Event::Closed);
            }
            let left = until.saturating_sub(self.connection.now());
            if left.is_zero() {
                return Ok(Event::Silence);
            }
            match self.connection.receive(left) {
                Received::Bytes(bytes) => self.buffer.extend_from_slice(&bytes),
                Received::Closed => self.closed = true,
                Received::Nothing => {}
            }
        }
    }

    /// What comes next, within the time that an answer may take.
    pub fn next_event(&mut self) -> Result<Event, Stop> {
        self.next_within(self.patience)
    }

    /// What comes next, which is then still to come.
    pub fn peek(&mut self) -> Result<Event, Stop> {
        let event = self.next_event()?;
        if let Event::Packet(packet) = &event {
            self.stashed.push_front(packet.clone());
        }
        Ok(event)
    }

    /// The next packet, which must be of this kind and readable.
    pub fn expect(&mut self, kind: Kind) -> Result<Packet, Stop> {
        let event = self.next_event()?;
        match event {
            Event::Packet(packet) if packet.kind() == kind && packet.content != Content::Unreadable => {
                Ok(packet)
            }
            Event::Packet(_) | Event::Closed | Event::Silence => Err(self.fail_event(&kind.name(), &event)),
        }
    }

    /// The first packet of this kind; what comes before it is kept for later.
    pub fn find(&mut self, kind: Kind) -> Result<Packet, Stop> {
        if let Some(at) = self.stashed.iter().position(|packet| packet.kind() == kind)
            && let Some(packet) = self.stashed.remove(at)
        {
            return Ok(packet);
        }
        loop {
            let event = self.read_within(self.patience)?;
            match event {
                Event::Packet(packet) if packet.kind() == kind => return Ok(packet),
                Event::Packet(packet) => self.stashed.push_back(packet),
                Event::Closed | Event::Silence => return Err(self.fail_event(&kind.name(), &event)),
            }
        }
    }

    /// The next packet is a CONNACK that accepts.
    pub fn expect_connack(&mut self) -> Result<Connack, Stop> {
        let packet = self.expect(Kind::Connack)?;
        match &packet.content {
            Content::Connack(connack) if connack.code == 0 => {
                self.connack = connack.clone();
                Ok(connack.clone())
            }
            Content::Connack(_)
            | Content::Publish(_)
            | Content::Ack(_)
            | Content::Answer(_)
            | Content::Reason(..)
            | Content::Connect(_)
            | Content::Request(_)
            | Content::Other
            | Content::Unreadable => Err(self.fail_with("CONNACK with code 0x00", &packet)),
        }
    }

    /// The next packet is a PUBLISH.
    pub fn expect_publish(&mut self) -> Result<Publication, Stop> {
        let packet = self.expect(Kind::Publish)?;
        packet.publish().cloned().ok_or_else(|| self.fail_with("PUBLISH", &packet))
    }

    /// The next packet is a PUBLISH with this payload.
    pub fn expect_payload(&mut self, payload: impl AsRef<[u8]>) -> Result<Publication, Stop> {
        let packet = self.expect(Kind::Publish)?;
        match packet.publish() {
            Some(publish) if publish.payload == payload.as_ref() => Ok(publish.clone()),
            Some(_) | None => {
                let payload = String::from_utf8_lossy(payload.as_ref());
                Err(self.fail_with(format!("PUBLISH with payload {payload:?}"), &packet))
            }
        }
    }

    /// The first PUBACK, PUBREC, PUBREL or PUBCOMP, of this kind and under this identifier.
    pub fn expect_ack(&mut self, kind: Kind, id: u16) -> Result<Ack, Stop> {
        let packet = self.find(kind)?;
        match &packet.content {
            Content::Ack(ack) if ack.id == id => Ok(ack.clone()),
            _ => Err(self.fail_with(format!("{} under id {id}", kind.name()), &packet)),
        }
    }

    /// The first SUBACK or UNSUBACK, under this identifier.
    pub fn expect_answer(&mut self, kind: Kind, id: u16) -> Result<Answer, Stop> {
        let packet = self.find(kind)?;
        match &packet.content {
            Content::Answer(answer) if answer.id == id => Ok(answer.clone()),
            _ => Err(self.fail_with(format!("{} under id {id}", kind.name()), &packet)),
        }
    }

    /// Subscribes to one filter with this options byte; the code that the SUBACK gives.
    pub fn subscribe(&mut self, filter: impl AsRef<[u8]>, options: u8) -> Result<u8, Stop> {
        let id = self.next_id();
        self.send(&Subscribe::new(id).filter(filter, options))?;
        let answer = self.expect_answer(Kind::Suback, id)?;
        match answer.codes.as_slice() {
            [code] if *code <= 2 => Ok(*code),
            codes => {
                Err(self.fail("SUBACK with one granted QoS", format!("SUBACK with codes [{}]", hex(codes))))
            }
        }
    }

    /// Unsubscribes from one filter and waits for the UNSUBACK.
    pub fn unsubscribe(&mut self, filter: impl AsRef<[u8]>) -> Result<Answer, Stop> {
        let id = self.next_id();
        self.send(&Unsubscribe::new(id).filter(filter))?;
        self.expect_answer(Kind::Unsuback, id)
    }

    /// Publishes and goes through the whole exchange of its QoS; Reason Codes of 0x80 and above fail.
    pub fn publish(&mut self, publish: &Publish) -> Result<(), Stop> {
        self.send(publish)?;
        let Some(id) = publish.id() else { return Ok(()) };
        let kind = if publish.level() == 1 { Kind::Puback } else { Kind::Pubrec };
        let ack = self.expect_ack(kind, id)?;
        self.require(ack.code < 0x80, "a Reason Code below 0x80", format!("0x{:02X}", ack.code))?;
        if kind == Kind::Pubrec {
            self.send(&pubrel(id))?;
            self.expect_ack(Kind::Pubcomp, id)?;
        }
        Ok(())
    }

    /// Acknowledges a PUBLISH that came, through the whole exchange of its QoS.
    pub fn acknowledge(&mut self, publish: &Publication) -> Result<(), Stop> {
        match (publish.qos, publish.id) {
            (1, Some(id)) => self.send(&puback(id)),
            (2, Some(id)) => {
                self.send(&pubrec(id))?;
                self.expect_ack(Kind::Pubrel, id)?;
                self.send(&pubcomp(id))
            }
            _ => Ok(()),
        }
    }

    /// What comes before the answer to a PINGREQ that is now sent.
    pub fn fence(&mut self) -> Result<Vec<Packet>, Stop> {
        self.send(&PINGREQ)?;
        let mut before = Vec::new();
        loop {
            let event = self.next_event()?;
            match event {
                Event::Packet(packet) if packet.kind() == Kind::Pingresp => return Ok(before),
                Event::Packet(packet) => before.push(packet),
                Event::Closed | Event::Silence => return Err(self.fail_event("PINGRESP", &event)),
            }
        }
    }

    /// What comes before a message that this peer now sends to itself, which therefore comes last.
    pub fn drain(&mut self) -> Result<Vec<Packet>, Stop> {
        let (topic, payload) = self.raise_fence()?;
        self.send(&Publish::new(topic, &payload))?;
        self.collect_until(&payload)
    }

    /// Subscribes to a topic of its own; that topic and a payload that nothing else has.
    pub(crate) fn raise_fence(&mut self) -> Result<(String, Vec<u8>), Stop> {
        self.fences += 1;
        let topic = format!("conformance/{}/fence", self.name);
        self.subscribe(&topic, 0)?;
        Ok((topic, format!("fence {} {:p}", self.fences, &raw const *self).into_bytes()))
    }

    /// All packets before the PUBLISH with this payload. Fences of others on the same topic are left out.
    pub(crate) fn collect_until(&mut self, payload: &[u8]) -> Result<Vec<Packet>, Stop> {
        let mut before = Vec::new();
        loop {
            let event = self.next_event()?;
            match event {
                Event::Packet(packet) => match packet.publish() {
                    Some(publish) if publish.payload == payload => return Ok(before),
                    Some(publish) if publish.payload.starts_with(b"fence ") => {}
                    Some(_) | None => before.push(packet),
                },
                Event::Closed | Event::Silence => {
                    return Err(self.fail_event("a QoS 0 message to a new subscription", &event));
                }
            }
        }
    }

    /// Fails if any of these packets is a PUBLISH.
    pub fn require_no_publish(&self, packets: &[Packet], expected: &str) -> Result<(), Stop> {
        match packets.iter().find(|packet| packet.kind() == Kind::Publish) {
            Some(packet) => Err(self.fail_with(expected, packet)),
            None => Ok(()),
        }
    }

    /// Fails if there is any packet, with all of them.
    pub fn require_none(&self, packets: &[Packet], expected: &str) -> Result<(), Stop> {
        let lines = packets.iter().map(|packet| format!("{}: {}", words(packet), hex(&packet.bytes)));
        self.require(packets.is_empty(), expected, lines.collect::<Vec<_>>().join("\n"))
    }

    /// The server closes the connection. In 5.0 a CONNACK or DISCONNECT with one of these codes or with 0x80
    /// to 0x83 may come first, unless the list is empty; in 3.1.1 nothing may.
    pub fn expect_close(&mut self, codes: &[u8]) -> Result<(), Stop> {
        self.expect_close_within(codes, self.patience)
    }

    /// As [`Peer::expect_close`], with a time of its own for the first event.
    pub fn expect_close_within(&mut self, codes: &[u8], time: Duration) -> Result<(), Stop> {
        let general = GENERAL_CODES.into_iter().filter(|_| !codes.is_empty());
        let mut allowed_codes: Vec<u8> = codes.iter().copied().chain(general).collect();
        allowed_codes.sort_unstable();
        allowed_codes.dedup();
        let listed = hex(&allowed_codes);
        let expected = match (self.version, codes) {
            (Version::V5, [_, ..]) => {
                format!("the end of the connection, possibly after a code of [{listed}]")
            }
            _ => "the end of the connection".to_owned(),
        };
        let mut event = self.next_within(time)?;
        if let Event::Packet(packet) = &event {
            let code = match &packet.content {
                Content::Connack(connack) => Some(connack.code),
                Content::Reason(code, _) if packet.kind() == Kind::Disconnect => Some(*code),
                _ => None,
            };
            let allowed =
                self.version == Version::V5 && code.is_some_and(|code| allowed_codes.contains(&code));
            if allowed {
                event = self.next_event()?;
            }
        }
        if event == Event::Closed { Ok(()) } else { Err(self.fail_event(&expected, &event)) }
    }

    /// Closes the connection without a DISCONNECT, as a broken network would.
    pub fn cut(self) {
        drop(self);
    }

    /// Sends DISCONNECT and waits for the end of the connection.
    pub fn leave(self) -> Result<(), Stop> {
        self.leave_with(&crate::raw::disconnect())
    }

    /// Sends this DISCONNECT, ends the connection as a client has to [v5 MQTT-3.14.4-1], and waits until the
    /// server has done so too.
    pub fn leave_with(mut self, disconnect: &(impl Encode + ?Sized)) -> Result<(), Stop> {
        self.send(disconnect)?;
        self.connection.finish();
        self.expect_close(&[])
    }
}
