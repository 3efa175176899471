//! A driver that keeps to the contract of `colibri-protocol`, and checks what the connection does.

use std::collections::{BTreeSet, VecDeque};
use std::mem;

use colibri_codec::{
    Connect, Delivery, Frame, Packet, PacketId, PacketType, Properties, Publish, QoS, ReasonCode, Sequence,
    Split, Suback, Unsuback, UnsubackReason, Version,
};
use colibri_protocol::{
    Acceptance, Connection, Event, Kept, Limits, Progress, Role, Sent, Session, State, Time, Violation,
};

use super::incoming::Incoming;
use super::message::{Message, serial};
use super::outgoing::Outgoing;
use crate::trace;

/// What a driver does with a message that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Acknowledges it at once.
    Take,
    /// Acknowledges it at once with a failure, which only 5.0 can say.
    Refuse,
    /// Acknowledges it later.
    Hold,
    /// Leaves it unanswered, where the version has no way to refuse it.
    Abandon,
}

/// One end and its driver.
pub(crate) struct Driver {
    pub(crate) connection: Connection<Message>,
    pub(crate) now: Time,
    /// Written and not yet taken by the peer.
    pub(crate) out: Vec<u8>,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    /// What is done with the messages that come, in turns.
    pub(crate) answers: VecDeque<Answer>,
    /// Messages whose answer is held back.
    pub(crate) held: Vec<PacketId>,
    /// Messages that were released and not completed.
    pub(crate) released: Vec<PacketId>,
    /// Whether PUBREL is answered at once.
    pub(crate) completes: bool,
    /// What a server goes on with when a client asks for it.
    pub(crate) stored: Option<Session<Message>>,
    /// How a server accepts; `None` leaves that to the script.
    pub(crate) acceptance: Option<Acceptance<'static>>,
    /// Serial numbers of the messages that came, with their QoS.
    pub(crate) received: Vec<(u32, QoS)>,
    pub(crate) violation: Option<Violation>,
    wants_new_session: bool,
    was_closed: bool,
    input: Vec<u8>,
    fresh: Vec<u8>,
}

impl Driver {
    pub(crate) fn server(limits: Limits, now: Time) -> Self {
        Self::around(Connection::server(limits, now), Vec::new(), now)
    }

    pub(crate) fn client(
        connect: &Connect<'_>,
        limits: Limits,
        session: Session<Message>,
        now: Time,
    ) -> Self {
        let mut out = Vec::new();
        let connection = Connection::client(connect, limits, session, now, &mut out).unwrap();
        Self::around(connection, out, now)
    }

    fn around(connection: Connection<Message>, out: Vec<u8>, now: Time) -> Self {
        Self {
            connection,
            now,
            out,
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            answers: VecDeque::from([Answer::Take]),
            held: Vec::new(),
            released: Vec::new(),
            completes: true,
            stored: None,
            acceptance: Some(Acceptance::default()),
            received: Vec::new(),
            violation: None,
            wants_new_session: false,
            was_closed: false,
            input: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// What the driver of the connection before knows. The connection itself ended.
    pub(crate) fn take_over(&mut self, before: Self) {
        self.outgoing = before.outgoing;
        self.outgoing.cut();
        self.incoming = before.incoming;
        self.answers = before.answers;
        self.completes = before.completes;
        self.received = before.received;
        self.acceptance = before.acceptance;
    }

    /// The session is given up with all that is in it.
    pub(crate) fn forget(&mut self) {
        self.outgoing = Outgoing::default();
        self.incoming = Incoming::default();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.state() == State::Open
    }

    /// Takes bytes in that may end anywhere.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        let mut input = mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut rest = input.as_slice();
        // What comes behind CONNECT waits until the driver has decided.
        while !matches!(self.connection.state(), State::Closed | State::Deciding) {
            match Frame::split(rest, self.connection.limits().maximum_packet_size.get()) {
                Ok(Split::Need(_)) => break,
                Ok(Split::Frame(frame, used)) => {
                    rest = &rest[used..];
                    self.handle(frame);
                }
                Err(malformed) => self.fail(malformed.into()),
            }
        }
        self.input = rest.to_vec();
    }

    /// Hands one frame over, whatever the state, and acts on what it means.
    pub(crate) fn handle(&mut self, frame: Frame<'_>) {
        let (before, due) = (self.connection.state(), self.due());
        let version = self.connection.version();
        let is_publish = frame.packet_type(version) == Ok(PacketType::Publish);
        let result = if is_publish && before == State::Open && frame.body().len().is_multiple_of(2) {
            let mut publish = blank();
            let topic = self.connection.handle_publish(frame, &mut publish, self.now, &mut self.fresh);
            topic.map(|topic| {
                let received = topic.map(|topic| colibri_protocol::Received { publish, topic });
                received.map_or(Event::Handled, Event::Publish)
            })
        } else {
            self.connection.handle_frame(frame, self.now, &mut self.fresh)
        };
        match result {
            Ok(event) => {
                let ended = (before == State::Open).then(|| self.outgoing.arrived(frame, version)).flatten();
                if let (Event::Handled, true) = (&event, is_publish) {
                    let again = Publish::decode(frame, version).unwrap().delivery.packet_id();
                    self.incoming.came_again(again.expect("QoS 2"));
                }
                self.act(event, ended);
            }
            Err(violation) => self.fail(violation),
        }
        if before == State::Open && self.is_open() {
            assert!(self.due() >= due, "a packet moved the deadline nearer");
        }
        if before == State::Closed {
            assert_eq!(self.connection.state(), State::Closed);
        }
        self.check();
    }

    /// The deadline of the connection; never is later than any time.
    fn due(&self) -> Time {
        self.connection.poll_timeout(self.now).unwrap_or(Time::from_millis(u64::MAX))
    }

    pub(crate) fn fail(&mut self, violation: Violation) {
        trace::note((self.connection.role() == Role::Client, mem::discriminant(&violation)));
        if violation == Violation::ReceiveMaximumExceeded {
            let maximum = self.connection.limits().receive_maximum.get();
            assert!(self.incoming.is_full(maximum), "a complaint about too few messages");
        }
        trace::print(&(self.connection.role(), "sees", violation));
        self.connection.fail(violation, &mut self.fresh);
        self.violation = Some(violation);
        assert_eq!(self.connection.state(), State::Closed);
        assert!(!violation.to_string().is_empty() && violation.reason_code().is_failure());
        self.flush();
    }

    /// Sends a message, or lets it wait; `keeps` says whether it could be sent again.
    pub(crate) fn send(&mut self, message: Message, keeps: bool) -> Sent {
        let keep = || keeps.then(|| message.clone());
        let sent = self.connection.send(&message.publication(), keep, self.now, &mut self.fresh);
        self.sent(message, keeps, sent)
    }

    /// Sends a message that is written first, as it is where several receivers get the same bytes.
    pub(crate) fn send_encoded(&mut self, message: Message) -> Sent {
        let version = self.connection.version();
        if !self.connection.takes_encoded() || !self.is_open() {
            return self.send(message, true);
        }
        let mut bytes = Vec::new();
        let publication = message.publication();
        let offset = Connection::<Message>::encode(&publication, version, self.now, &mut bytes).unwrap();
        let qos = message.qos;
        let encoded = colibri_protocol::Encoded { bytes: &bytes, packet_id_offset: offset, qos };
        let keep = || Some(message.clone());
        let sent = self.connection.send_encoded(&encoded, keep, &mut self.fresh, self.now);
        self.sent(message, true, sent)
    }

    fn sent(&mut self, message: Message, keeps: bool, sent: Sent) -> Sent {
        self.flush();
        match sent {
            Sent::Written(id) => {
                assert_eq!(id.is_some(), message.qos > QoS::AtMostOnce);
                if keeps {
                    self.outgoing.took(&message);
                }
            }
            Sent::Wait => self.enqueue(message),
            Sent::TooLarge | Sent::Expired | Sent::NotSupported => {}
        }
        self.check();
        sent
    }

    /// Puts a message into the queue of the session; before a server has accepted, that in store.
    pub(crate) fn enqueue(&mut self, message: Message) {
        let session = match (&mut self.stored, self.connection.state()) {
            (Some(stored), _) => stored,
            (None, State::AwaitingConnect | State::Deciding) => return,
            (None, State::AwaitingConnack | State::Open | State::Closed) => self.connection.session_mut(),
        };
        self.outgoing.took(&message);
        session.enqueue(message);
    }

    /// Sends what waits as far as it goes; then nothing that could be sent is left.
    pub(crate) fn pump(&mut self, room: usize) {
        let Self { connection, fresh, outgoing, .. } = self;
        let mut gone = Vec::new();
        let more = connection.pump(room, self.now, fresh, |message, _| gone.push(message));
        gone.iter().for_each(|message| outgoing.dropped(message));
        self.flush();
        if self.is_open() && !more && self.connection.has_backlog() {
            let maximum = usize::from(self.connection.peer().receive_maximum);
            assert!(
                self.outgoing.current() >= maximum,
                "quota is lost: {} are under way",
                self.outgoing.current()
            );
        }
        self.check();
    }

    /// Time passes, and the connection is told if it wants to be.
    pub(crate) fn advance(&mut self, millis: u64) {
        self.now = Time::from_millis(self.now.as_millis() + millis);
        if self.connection.poll_timeout(self.now).is_some_and(|due| due <= self.now) {
            match self.connection.handle_timeout(self.now, &mut self.fresh) {
                Ok(()) => self.flush(),
                Err(violation) => self.fail(violation),
            }
        }
        let due = self.connection.poll_timeout(self.now);
        assert!(due.is_none_or(|due| due > self.now), "the timer does not move on");
        self.check();
    }

    /// Anything else that writes.
    pub(crate) fn with<T>(
        &mut self,
        command: impl FnOnce(&mut Connection<Message>, Time, &mut Vec<u8>) -> T,
    ) -> T {
        let result = command(&mut self.connection, self.now, &mut self.fresh);
        self.flush();
        result
    }

    /// Server: accepts a client that waits for it.
    pub(crate) fn accept(&mut self, acceptance: &Acceptance<'_>) {
        assert_eq!(self.connection.state(), State::Deciding);
        let stored = self.stored.take().filter(|_| !self.wants_new_session);
        if stored.is_none() {
            self.forget();
        }
        let acceptance = Acceptance { session_present: stored.is_some(), ..*acceptance };
        let session = stored.unwrap_or_default();
        self.incoming.begin(session.unreleased_ids());
        self.with(|connection, now, out| connection.accept(&acceptance, session, now, out));
        self.pump(usize::MAX);
    }

    pub(crate) fn answer_held(&mut self, which: usize, reason: ReasonCode) {
        if !self.held.is_empty() {
            let id = self.held.remove(which % self.held.len());
            self.with(|connection, now, out| connection.acknowledge_held(id, reason, now, out));
            self.check();
        }
    }

    pub(crate) fn complete(&mut self, which: usize) {
        if !self.released.is_empty() {
            let id = self.released.remove(which % self.released.len());
            self.incoming.completed();
            self.with(|connection, now, out| connection.complete(id, now, out));
        }
    }

    /// The connection ends: everything is accounted for. Hands back the session.
    pub(crate) fn finish(&mut self) -> Session<Message> {
        let connection = mem::replace(&mut self.connection, Connection::server(Limits::default(), self.now));
        let session = self.stored.take().unwrap_or_else(|| connection.into_session());
        let left: BTreeSet<u32> = session.clone().into_messages().map(|message| message.serial).collect();
        self.outgoing.account(&left);
        session
    }

    fn act(&mut self, event: Event<'_, Message>, ended: Option<u32>) {
        trace::note((self.connection.role() == Role::Client, mem::discriminant(&event)));
        trace::print(&(self.connection.role(), "sees", &event));
        assert!(ended.is_none() || matches!(event, Event::Delivered(_)), "the end of {ended:?} is not told");
        match event {
            Event::Handled | Event::Suback(_) | Event::Unsuback(_) | Event::Auth(_) => {}
            Event::Connect(connect) => {
                self.wants_new_session = connect.clean_start;
                if let Some(acceptance) = self.acceptance {
                    self.accept(&acceptance);
                }
            }
            Event::Connack(connack) => self.on_connack(connack.session_present),
            Event::Publish(received) => {
                self.received
                    .extend(serial(received.publish.payload).map(|serial| (serial, received.publish.qos())));
                self.on_publish(received.publish.delivery);
            }
            Event::Release(id) => {
                self.incoming.released(id);
                self.released.push(id);
                if self.completes {
                    self.complete(self.released.len() - 1);
                }
            }
            Event::Delivered(delivered) => {
                assert!(ended.is_some(), "{delivered:?} was not under way");
                if let Some(message) = delivered.kept {
                    assert_eq!(Some(message.serial), ended);
                    self.outgoing.delivered(&message);
                }
                self.flush();
                self.pump(usize::MAX);
            }
            Event::Subscribe(subscribe) => {
                let granted = vec![ReasonCode::Success; subscribe.subscriptions.iter().count()];
                let reasons = Sequence::new(&granted);
                let packet_id = subscribe.packet_id;
                let suback = Suback { packet_id, properties: Properties::EMPTY, reasons };
                self.connection.suback(&suback, self.now, &mut self.fresh);
            }
            Event::Unsubscribe(unsubscribe) => {
                let success = UnsubackReason::new(ReasonCode::Success).unwrap();
                let done = vec![success; unsubscribe.filters.iter().count()];
                let reasons = Sequence::new(&done);
                let packet_id = unsubscribe.packet_id;
                let unsuback = Unsuback { packet_id, properties: Properties::EMPTY, reasons };
                self.connection.unsuback(&unsuback, self.now, &mut self.fresh);
            }
            Event::Disconnect(_) => assert_eq!(self.connection.state(), State::Closed),
        }
        self.flush();
    }

    fn on_connack(&mut self, session_present: bool) {
        if !self.is_open() {
            return;
        }
        // A CONNACK of 3.1 cannot say so.
        let present = session_present || self.connection.session().in_flight() > 0;
        if !present {
            self.outgoing.forget();
        }
        self.incoming.begin(self.connection.session().unreleased_ids());
        self.flush();
        self.pump(usize::MAX);
    }

    fn on_publish(&mut self, delivery: Delivery) {
        self.incoming.came(delivery);
        let is_v5 = self.connection.version() == Version::V5;
        if is_v5 {
            self.incoming.check_maximum(self.connection.limits().receive_maximum.get());
        }
        self.answers.rotate_left(1);
        let reason = match self.answers.back().copied().unwrap_or(Answer::Take) {
            Answer::Hold => {
                self.connection.hold(delivery);
                self.held.extend(delivery.packet_id());
                return;
            }
            Answer::Abandon if !is_v5 => {
                self.connection.abandon(delivery);
                return self.incoming.abandoned(delivery);
            }
            Answer::Refuse => ReasonCode::QuotaExceeded,
            Answer::Take | Answer::Abandon => ReasonCode::Success,
        };
        self.connection.acknowledge(delivery, reason, self.now, &mut self.fresh);
    }

    /// What was written is looked at and is on its way.
    fn flush(&mut self) {
        let fresh = mem::take(&mut self.fresh);
        let (version, role) = (self.connection.version(), self.connection.role());
        let peer = *self.connection.peer();
        assert!(!self.was_closed || fresh.is_empty(), "written to a closed connection: {fresh:02x?}");
        let mut rest = fresh.as_slice();
        while !rest.is_empty() {
            let Ok(Split::Frame(frame, used)) = Frame::split(rest, u32::MAX) else {
                panic!("not whole packets: {rest:02x?}");
            };
            let packet = Packet::decode(frame, version).expect("what is written can be read");
            // [v5 MQTT-3.1.2-24] [v5 MQTT-3.2.2-15]
            assert!(used <= peer.maximum_packet_size as usize, "too large for the peer: {packet:?}");
            trace::print(&(role, "writes", packet));
            self.outgoing.written(&packet, role, version, &peer);
            self.incoming.written(&packet);
            rest = &rest[used..];
        }
        self.was_closed = self.connection.state() == State::Closed;
        self.out.extend_from_slice(&fresh);
    }

    /// What the session says of itself agrees with itself and with the watches.
    fn check(&mut self) {
        assert!(self.fresh.is_empty());
        let session = self.connection.session();
        let waiting = session.messages().filter(|(_, progress)| *progress == Progress::Waiting);
        let (count, bytes) =
            waiting.fold((0, 0), |(count, bytes), (message, _)| (count + 1, bytes + message.size()));
        assert_eq!((session.waiting(), session.waiting_bytes()), (count, bytes));
        assert_eq!(session.waiting_counted(), count);
        if self.is_open() {
            self.incoming.check(session.unreleased_ids());
            let requests = self.outgoing.requests().count();
            assert_eq!(session.in_flight(), self.outgoing.open().count() + requests);
        }
        trace::note((session.in_flight().min(8), session.waiting().min(4), session.unreleased().min(4)));
    }
}

/// A PUBLISH to be read into.
fn blank<'a>() -> Publish<'a> {
    Publish {
        dup: false,
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: None,
        properties: Properties::EMPTY,
        payload: &[],
    }
}
