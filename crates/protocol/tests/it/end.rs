//! One end of a connection with a driver that keeps to the contract of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use colibri_codec::{
    Connect, Delivery, Frame, Packet, PacketId, PacketType, Properties, Property, ReasonCode, Sequence,
    Split, Suback, Unsuback, UnsubackReason, Utf8String, Version,
};
use colibri_protocol::{
    Acceptance, Connection, Event, Kept, Limits, Received, Role, Sent, Session, State, Time, Violation,
};

use crate::message::Message;

/// What a driver learnt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Connect { client_id: String },
    Connack { session_present: bool, reason: ReasonCode },
    Publish { topic: String, delivery: Delivery, dup: bool, payload: String },
    Release(PacketId),
    Delivered { id: u16, reason: ReasonCode, payload: Option<String> },
    Subscribe(u16),
    Unsubscribe(u16),
    Suback(u16, Vec<ReasonCode>),
    Unsuback(u16),
    Disconnect(ReasonCode),
    Auth(ReasonCode),
    Dropped(String, Sent),
    Violation(Violation),
}

/// When a driver answers a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    AtOnce,
    /// It holds the acknowledgement back; PUBREL it answers at once.
    Held,
    /// It answers nothing; the test does.
    Never,
}

/// One end and its driver.
pub(crate) struct End {
    pub(crate) connection: Connection<Message>,
    pub(crate) answers: Answers,
    /// Server: whether the driver accepts by itself; else the test answers CONNECT.
    pub(crate) accepts: bool,
    /// Server: what a CONNECT without Clean Start goes on with.
    pub(crate) stored: Option<Session<Message>>,
    pub(crate) server_keep_alive: Option<u16>,
    pub(crate) assigned_client_id: Option<String>,
    pub(crate) seen: Vec<Seen>,
    /// Written and not yet on its way to the peer.
    pub(crate) out: Vec<u8>,
    pub(crate) watch: Watch,
    /// What the driver has not answered yet.
    pub(crate) held: Vec<PacketId>,
    input: Vec<u8>,
    fresh: Vec<u8>,
}

impl End {
    pub(crate) fn server(limits: Limits, now: Time) -> Self {
        Self::around(Connection::server(limits, now), Vec::new())
    }

    pub(crate) fn client(
        connect: &Connect<'_>,
        limits: Limits,
        session: Session<Message>,
        now: Time,
    ) -> Self {
        let mut out = Vec::new();
        let connection = Connection::client(connect, limits, session, now, &mut out).unwrap();
        Self::around(connection, out)
    }

    fn around(connection: Connection<Message>, out: Vec<u8>) -> Self {
        Self {
            connection,
            answers: Answers::AtOnce,
            accepts: true,
            stored: None,
            server_keep_alive: None,
            assigned_client_id: None,
            seen: Vec::new(),
            out,
            watch: Watch::default(),
            held: Vec::new(),
            input: Vec::new(),
            fresh: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.connection.state()
    }

    /// Steps 1 to 7 of the contract: takes bytes in that may end anywhere.
    pub(crate) fn take_in(&mut self, bytes: &[u8], now: Time) {
        let mut input = mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        // What comes behind CONNECT waits until the driver has decided.
        while !matches!(self.state(), State::Closed | State::Deciding) {
            match Frame::split(rest, self.connection.limits().maximum_packet_size.get()) {
                Ok(Split::Need(_)) => break,
                Ok(Split::Frame(frame, used)) => {
                    rest = &rest[used..];
                    self.watch.arrived(frame, self.connection.version());
                    self.handle(frame, now);
                    self.flush();
                }
                Err(malformed) => self.fail(malformed.into()),
            }
        }
        self.input = rest.to_vec();
    }

    /// Hands one frame over whatever the state, and acts on what it means.
    pub(crate) fn handle(&mut self, frame: Frame<'_>, now: Time) {
        match self.connection.handle_frame(frame, now, &mut self.fresh) {
            Ok(event) => self.act(event, now),
            Err(violation) => self.fail(violation),
        }
    }

    pub(crate) fn fail(&mut self, violation: Violation) {
        self.seen.push(Seen::Violation(violation));
        self.connection.fail(violation, &mut self.fresh);
        self.flush();
    }

    /// Step 5: sends a message, or lets it wait.
    pub(crate) fn send(&mut self, message: Message, now: Time) -> Sent {
        let keep = || Some(message.clone());
        let sent = self.connection.send(&message.publication(), keep, now, &mut self.fresh);
        if sent == Sent::Wait {
            self.connection.session_mut().enqueue(message);
        }
        self.flush();
        sent
    }

    pub(crate) fn pump(&mut self, now: Time) {
        let Self { connection, fresh, seen, .. } = self;
        connection.pump(usize::MAX, now, fresh, |message, why| {
            seen.push(Seen::Dropped(text(&message.payload), why));
        });
        self.flush();
    }

    /// Step 8: lets the connection know that time has passed, if it wants to.
    pub(crate) fn tick(&mut self, now: Time) {
        if self.connection.poll_timeout(now).is_some_and(|due| due <= now) {
            match self.connection.handle_timeout(now, &mut self.fresh) {
                Ok(()) => self.flush(),
                Err(violation) => self.fail(violation),
            }
        }
    }

    /// Anything else that writes.
    pub(crate) fn with<T>(&mut self, command: impl FnOnce(&mut Connection<Message>, &mut Vec<u8>) -> T) -> T {
        let result = command(&mut self.connection, &mut self.fresh);
        self.flush();
        result
    }

    /// Server: accepts as the driver is set up to.
    pub(crate) fn accept(&mut self, clean_start: bool, now: Time) {
        let stored = self.stored.take().filter(|_| !clean_start);
        let acceptance = Acceptance {
            session_present: stored.is_some(),
            assigned_client_id: self.assigned_client_id.as_deref().map(|id| Utf8String::new(id).unwrap()),
            server_keep_alive: self.server_keep_alive,
            ..Acceptance::default()
        };
        self.connection.accept(&acceptance, stored.unwrap_or_default(), now, &mut self.fresh);
        self.flush();
        self.pump(now);
    }

    fn act(&mut self, event: Event<'_, Message>, now: Time) {
        match event {
            Event::Handled => {}
            Event::Connect(connect) => {
                self.seen.push(Seen::Connect { client_id: connect.client_id.as_str().into() });
                if self.accepts {
                    self.accept(connect.clean_start, now);
                }
            }
            Event::Connack(connack) => {
                let (session_present, reason) = (connack.session_present, connack.reason);
                self.seen.push(Seen::Connack { session_present, reason });
                if self.state() == State::Open {
                    if !session_present {
                        self.watch.forget();
                    }
                    self.flush();
                    self.pump(now);
                }
            }
            Event::Publish(received) => self.on_publish(&received, now),
            Event::Release(id) => {
                self.seen.push(Seen::Release(id));
                if self.answers != Answers::Never {
                    self.connection.complete(id, now, &mut self.fresh);
                }
            }
            Event::Delivered(delivered) => {
                let payload = delivered.kept.map(|message| text(&message.payload));
                let (id, reason) = (delivered.packet_id.get(), delivered.reason);
                self.seen.push(Seen::Delivered { id, reason, payload });
                self.flush();
                self.pump(now);
            }
            Event::Subscribe(subscribe) => {
                self.seen.push(Seen::Subscribe(subscribe.packet_id.get()));
                let granted = vec![ReasonCode::Success; subscribe.subscriptions.iter().count()];
                let suback = Suback {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: Sequence::new(&granted),
                };
                self.connection.suback(&suback, now, &mut self.fresh);
            }
            Event::Unsubscribe(unsubscribe) => {
                self.seen.push(Seen::Unsubscribe(unsubscribe.packet_id.get()));
                let success = UnsubackReason::new(ReasonCode::Success).unwrap();
                let done = vec![success; unsubscribe.filters.iter().count()];
                let unsuback = Unsuback {
                    packet_id: unsubscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: Sequence::new(&done),
                };
                self.connection.unsuback(&unsuback, now, &mut self.fresh);
            }
            Event::Suback(suback) => {
                self.seen.push(Seen::Suback(suback.packet_id.get(), suback.reasons.iter().collect()));
            }
            Event::Unsuback(unsuback) => self.seen.push(Seen::Unsuback(unsuback.packet_id.get())),
            Event::Disconnect(disconnect) => self.seen.push(Seen::Disconnect(disconnect.reason)),
            Event::Auth(auth) => self.seen.push(Seen::Auth(auth.reason)),
        }
    }

    fn on_publish(&mut self, received: &Received<'_>, now: Time) {
        let publish = &received.publish;
        self.seen.push(Seen::Publish {
            topic: received.topic.name().as_str().into(),
            delivery: publish.delivery,
            dup: publish.dup,
            payload: text(publish.payload),
        });
        match self.answers {
            Answers::AtOnce => {
                let success = ReasonCode::Success;
                self.connection.acknowledge(publish.delivery, success, now, &mut self.fresh);
            }
            Answers::Held => {
                self.connection.hold(publish.delivery);
                self.held.extend(publish.delivery.packet_id());
            }
            Answers::Never => {}
        }
    }

    /// What was written is seen by the watch and is on its way.
    fn flush(&mut self) {
        let fresh = mem::take(&mut self.fresh);
        self.out.extend_from_slice(&fresh);
        if self.watch.blind {
            return;
        }
        let (version, receive_maximum) = (self.connection.version(), self.connection.peer().receive_maximum);
        let limit = self.connection.peer().maximum_packet_size;
        let mut rest = fresh.as_slice();
        while let Split::Frame(frame, used) =
            Frame::split(rest, limit).expect("nothing above the peer's limit")
        {
            self.watch.written(frame, version, receive_maximum);
            rest = &rest[used..];
        }
        assert!(rest.is_empty(), "whole packets are written");
    }
}

/// Sees what one end writes and what reaches it, and holds it to the rules for identifiers, repeats and
/// Receive Maximum without looking inside.
#[derive(Default)]
pub(crate) struct Watch {
    /// Whether it looks away, where a test sends past the harness.
    pub(crate) blind: bool,
    /// Every PUBLISH that is not finished, also from earlier connections, with what it carried.
    in_use: BTreeMap<PacketId, Vec<u8>>,
    requests: BTreeSet<PacketId>,
    /// Those sent on this connection.
    open: BTreeSet<PacketId>,
}

impl Watch {
    /// The connection is lost.
    pub(crate) fn cut(&mut self) {
        self.open.clear();
        self.requests.clear();
    }

    fn forget(&mut self) {
        self.in_use.clear();
    }

    fn written(&mut self, frame: Frame<'_>, version: Version, receive_maximum: u16) {
        match Packet::decode(frame, version).expect("what is written can be read") {
            Packet::Publish(publish) => {
                let Some(id) = publish.delivery.packet_id() else { return };
                assert!(!self.requests.contains(&id), "{id} is in use for a request");
                // Only a lost connection makes anything be sent again (section 4.4).
                assert!(self.open.insert(id), "{id} was sent twice on one connection");
                assert!(self.open.len() <= usize::from(receive_maximum), "Receive Maximum is exceeded");
                let known = self.in_use.insert(id, publish.payload.to_vec());
                assert_eq!(publish.dup, known.is_some(), "DUP of {id}");
                assert!(known.is_none_or(|known| known == publish.payload), "{id} became another message");
            }
            Packet::Subscribe(subscribe) => self.request(subscribe.packet_id),
            Packet::Unsubscribe(unsubscribe) => self.request(unsubscribe.packet_id),
            _ => {}
        }
    }

    fn request(&mut self, id: PacketId) {
        assert!(!self.in_use.contains_key(&id), "{id} is in use for a message");
        assert!(self.requests.insert(id), "{id} is in use for a request");
    }

    fn arrived(&mut self, frame: Frame<'_>, version: Version) {
        let acknowledgement = [
            PacketType::Puback,
            PacketType::Pubrec,
            PacketType::Pubcomp,
            PacketType::Suback,
            PacketType::Unsuback,
        ];
        if !frame.packet_type(version).is_ok_and(|packet_type| acknowledgement.contains(&packet_type)) {
            return;
        }
        let finished = match Packet::decode(frame, version) {
            Ok(Packet::Puback(puback)) => puback.packet_id,
            Ok(Packet::Pubcomp(pubcomp)) => pubcomp.packet_id,
            Ok(Packet::Pubrec(pubrec)) if pubrec.reason.is_failure() => pubrec.packet_id,
            Ok(Packet::Suback(suback)) => suback.packet_id,
            Ok(Packet::Unsuback(unsuback)) => unsuback.packet_id,
            _ => return,
        };
        self.in_use.remove(&finished);
        self.requests.remove(&finished);
        self.open.remove(&finished);
    }
}

/// A CONNECT without credentials and will.
pub(crate) fn connect<'a>(
    version: Version,
    clean_start: bool,
    keep_alive: u16,
    properties: &'a [Property<'a>],
) -> Connect<'a> {
    Connect {
        version,
        clean_start,
        keep_alive,
        properties: Properties::new(properties),
        client_id: Utf8String::new("c").unwrap(),
        will: None,
        user_name: None,
        password: None,
    }
}

/// Which end has the role.
pub(crate) fn by_role<T>(role: Role, client: T, server: T) -> T {
    match role {
        Role::Client => client,
        Role::Server => server,
    }
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}
