//! What a peer expects to come, and the exchanges it goes through.

use std::time::Duration;

use colibri_codec::Version;

use super::{Event, Peer};
use crate::raw::{
    Ack, Answer, Connack, Content, Kind, PINGREQ, Packet, Publication, Publish, Subscribe, Unsubscribe, hex,
    puback, pubcomp, pubrec, pubrel, words,
};
use crate::{Stop, wait};

/// What may always be said of a fault of the client: section 4.13.2 of 5.0 asks a server to give a reason, but
/// does not bind it (SHOULD), and what is malformed to one server is a Protocol Error to another, or a
/// reason that it does not wish to reveal (0x80) or that is its own (0x83).
const GENERAL_CODES: [u8; 4] = [0x80, 0x81, 0x82, 0x83];

impl Peer {
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
        if let Some(packet) = self.stash.take(|packet| packet.kind() == kind) {
            return Ok(packet);
        }
        let mut wait = self.wait_for(kind.name());
        loop {
            let event = self.read_within(wait.left(self.connection.now()))?;
            match self.counted(&mut wait, event)? {
                Event::Packet(packet) if packet.kind() == kind => return Ok(packet),
                Event::Packet(packet) => {
                    if !self.stash.keep(packet, self.bytes_max) {
                        let came = format!("more than {} packets before it", wait::PACKETS_MAX);
                        return Err(self.fail(kind.name(), came));
                    }
                }
                event @ (Event::Closed | Event::Silence) => return Err(self.fail_wait(&wait, &event)),
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
        let mut wait = self.wait_for("PINGRESP");
        loop {
            match self.next_in(&mut wait)? {
                Event::Packet(packet) if packet.kind() == Kind::Pingresp => return Ok(before),
                Event::Packet(packet) => before.push(packet),
                event @ (Event::Closed | Event::Silence) => return Err(self.fail_wait(&wait, &event)),
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
        let mut wait = self.wait_for("a QoS 0 message to a new subscription");
        loop {
            match self.next_in(&mut wait)? {
                Event::Packet(packet) => match packet.publish() {
                    Some(publish) if publish.payload == payload => return Ok(before),
                    Some(publish) if publish.payload.starts_with(b"fence ") => {}
                    Some(_) | None => before.push(packet),
                },
                event @ (Event::Closed | Event::Silence) => return Err(self.fail_wait(&wait, &event)),
            }
        }
    }

    /// Adds what comes, up to the next PUBLISH; `false` if that does not come.
    pub(crate) fn take_up_to_publish(&mut self, packets: &mut Vec<Packet>) -> Result<bool, Stop> {
        let mut wait = self.wait_for("PUBLISH");
        loop {
            let Event::Packet(packet) = self.next_in(&mut wait)? else { return Ok(false) };
            let is_publish = packet.kind() == Kind::Publish;
            packets.push(packet);
            if is_publish {
                return Ok(true);
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
}
