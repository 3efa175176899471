//! One connection: its parts, what goes in, what comes out. What arriving packets do is in `on/`, how it
//! ends in `closing`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use colibri_codec::{
    Connack, Connect, EncodeError, Frame, Packet, PacketId, PacketType, Pingreq, Properties, Property,
    Puback, Publish, QoS, ReasonCode, Suback, Subscribe, Unsuback, Unsubscribe, Utf8String, Version,
};

use crate::alias::{IncomingAliases, OutgoingAliases};
use crate::authentication::Authentication;
use crate::event::{Event, Received, Topic};
use crate::flow::Quota;
use crate::incoming::HeldAcks;
use crate::keep_alive::{Due, KeepAlive};
use crate::outgoing::Stage;
use crate::{Kept, Limits, PeerLimits, Role, Session, State, Time, Violation};

/// One connection, at either end.
///
/// The methods come in four kinds, told by their names: `handle_` takes in what happened, `poll_` asks
/// what is to be done, plain verbs command, plain nouns look. Output is appended to the `out` that is
/// handed in. How they fit together is in the [crate documentation](crate).
#[derive(Debug)]
pub struct Connection<M> {
    pub(crate) role: Role,
    pub(crate) state: State,
    pub(crate) version: Version,
    pub(crate) limits: Limits,
    pub(crate) peer: PeerLimits,
    pub(crate) keep_alive: KeepAlive,
    /// What the peer may still send.
    pub(crate) receive_quota: Quota,
    /// What this end may still send.
    pub(crate) send_quota: Quota,
    pub(crate) incoming_aliases: IncomingAliases,
    pub(crate) outgoing_aliases: Option<Box<OutgoingAliases>>,
    /// Whether what is written may be taken back before it leaves.
    pub(crate) takes_back: bool,
    pub(crate) held: HeldAcks,
    /// The Authentication Method that CONNECT named, if it did.
    pub(crate) authentication: Option<Box<Authentication>>,
    /// Whether CONNECT asked for a session that outlives the connection (Session Expiry above 0).
    pub(crate) session_may_outlive: bool,
    /// Client: whether CONNECT asked for a new session.
    pub(crate) clean_start: bool,
    pub(crate) session: Session<M>,
}

/// How a server accepts a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'a> {
    /// Whether the session handed in was stored.
    pub session_present: bool,
    /// The client identifier, if the client had none.
    pub assigned_client_id: Option<Utf8String<'a>>,
    /// The keep alive in seconds, if it is not the client's.
    pub server_keep_alive: Option<u16>,
    /// How many QoS 1 and 2 messages this end leaves unacknowledged at most, whatever the client would
    /// take; before 5.0 a client cannot say.
    pub send_maximum: Option<u16>,
    /// Further properties of the CONNACK.
    pub properties: &'a [Property<'a>],
}

impl<M: Kept> Connection<M> {
    /// A server's end, before anything has come.
    pub fn server(limits: Limits, now: Time) -> Self {
        Self {
            role: Role::Server,
            state: State::AwaitingConnect,
            version: Version::V3_1_1,
            limits,
            peer: PeerLimits::default(),
            keep_alive: KeepAlive::new(Role::Server, 0, now),
            receive_quota: Quota::new(limits.receive_maximum.get()),
            send_quota: Quota::new(u16::MAX),
            incoming_aliases: IncomingAliases::default(),
            outgoing_aliases: None,
            takes_back: false,
            held: HeldAcks::default(),
            authentication: None,
            session_may_outlive: false,
            clean_start: false,
            session: Session::new(),
        }
    }

    /// A client's end; writes CONNECT with the limits among its properties.
    ///
    /// `session` is what is left of the connection before, or new.
    ///
    /// # Errors
    /// [`EncodeError`] when the CONNECT cannot be written.
    // [v5 MQTT-3.1.0-1] [v3.1.1 MQTT-3.1.0-1]
    pub fn client(
        connect: &Connect<'_>,
        limits: Limits,
        session: Session<M>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Self, EncodeError> {
        let connect = &in_earnest(connect);
        let own: Vec<Property<'_>> = limits.properties().chain(connect.properties.iter()).collect();
        let properties = Properties::new(&own);
        Connect { properties, ..*connect }.encode(out)?;
        let mut connection = Self::server(limits, now);
        connection.role = Role::Client;
        connection.state = State::AwaitingConnack;
        connection.version = connect.version;
        connection.keep_alive = KeepAlive::new(Role::Client, connect.keep_alive, now);
        connection.session_may_outlive = connect.properties.session_expiry_interval().unwrap_or(0) > 0;
        // Before 5.0 properties are left out of CONNECT.
        let method = connect.properties.authentication_method();
        let method = method.filter(|_| connect.version.has_properties());
        connection.authentication = Authentication::begun(method, Role::Client);
        connection.clean_start = connect.clean_start;
        connection.session = session;
        Ok(connection)
    }

    /// Takes in one packet and says what it means. Acknowledgements that need no decision are appended to
    /// `out`.
    ///
    /// # Errors
    /// [`Violation`] when the peer broke the protocol: call [`Connection::fail`] and close.
    #[inline]
    pub fn handle_frame<'a>(
        &mut self,
        frame: Frame<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Event<'a, M>, Violation> {
        self.keep_alive.received(now);
        let packet_type = self.admit(&frame)?;
        if self.state == State::AwaitingConnect {
            // What is wrong with a CONNECT is said in the version that it asks for.
            self.version = Connect::peek_version(frame.body()).unwrap_or(self.version);
        }
        match packet_type {
            // These are on the path of a message, and not taken through the large `Packet`.
            PacketType::Publish => {
                let publish = Publish::decode(frame, self.version)?;
                let topic = self.on_publish(&publish, now, out)?;
                return Ok(topic.map_or(Event::Handled, |topic| Event::Publish(Received { publish, topic })));
            }
            PacketType::Puback => return Ok(self.on_puback(Puback::decode(frame.body(), self.version)?)),
            _ => {}
        }
        match Packet::decode(frame, self.version)? {
            Packet::Connect(connect) => self.on_connect(connect, now),
            Packet::Connack(connack) => self.on_connack(connack, now, out),
            Packet::Publish(_) | Packet::Puback(_) => Ok(Event::Handled),
            Packet::Pubrec(pubrec) => self.on_pubrec(pubrec, now, out),
            Packet::Pubrel(pubrel) => self.on_pubrel(pubrel, now, out),
            Packet::Pubcomp(pubcomp) => Ok(self.on_pubcomp(pubcomp)),
            Packet::Subscribe(subscribe) => Ok(self.on_subscribe(subscribe, now, out)),
            Packet::Suback(suback) => Ok(self.on_suback(suback)),
            Packet::Unsubscribe(unsubscribe) => Ok(self.on_unsubscribe(unsubscribe, now, out)),
            Packet::Unsuback(unsuback) => Ok(self.on_unsuback(unsuback)),
            Packet::Pingreq(Pingreq) => Ok(self.on_pingreq(now, out)),
            Packet::Pingresp(_) => Ok(self.on_pingresp()),
            Packet::Disconnect(disconnect) => self.on_disconnect(disconnect),
            Packet::Auth(auth) => self.on_auth(auth),
        }
    }

    /// As [`Connection::handle_frame`] for a frame that is a PUBLISH, for drivers in a hurry: the packet is
    /// put into `publish` and not wrapped in an event. `None` is [`Event::Handled`].
    ///
    /// # Errors
    /// As for [`Connection::handle_frame`].
    #[inline(always)]
    pub fn handle_publish<'a>(
        &mut self,
        frame: Frame<'a>,
        publish: &mut Publish<'a>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Option<Topic<'a>>, Violation> {
        self.keep_alive.received(now);
        if self.state != State::Open {
            self.admit(&frame)?;
        }
        publish.read(frame, self.version)?;
        self.on_publish(publish, now, out)
    }

    /// Takes in that time has passed: sends a PINGREQ if one is due.
    ///
    /// # Errors
    /// [`Violation::KeepAliveTimeout`] when the peer was silent for too long.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<u8>) -> Result<(), Violation> {
        if self.state != State::Open {
            return Ok(());
        }
        match self.keep_alive.due(now) {
            Due::Later(_) => Ok(()),
            Due::Ping => {
                Pingreq.encode(out);
                self.keep_alive.sent(now);
                self.keep_alive.pinged(now);
                Ok(())
            }
            Due::GiveUp => Err(Violation::KeepAliveTimeout),
        }
    }

    /// When [`Connection::handle_timeout`] is next worth calling; `None` is never. A later packet can
    /// only move it further away.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        if self.state != State::Open {
            return None;
        }
        match self.keep_alive.due(now) {
            Due::Later(when) => when,
            Due::Ping | Due::GiveUp => Some(now),
        }
    }

    /// Server: accepts the connection with `session`, and begins to send again what that has under way. A
    /// client that takes no packet of the size of the CONNACK finds the connection closed.
    // [v5 MQTT-3.1.4-5] [v5 MQTT-3.2.0-1] [v3.1.1 MQTT-3.1.4-4] [v3.1.1 MQTT-3.2.0-1]
    pub fn accept(&mut self, acceptance: &Acceptance<'_>, session: Session<M>, now: Time, out: &mut Vec<u8>) {
        debug_assert_eq!(self.state, State::Deciding);
        let mut authentication = self.authentication.take();
        let method = authentication.as_deref_mut().and_then(Authentication::end);
        let mut properties: Vec<Property<'_>> = Vec::new();
        if self.version.has_properties() {
            properties.extend(self.limits.properties());
            // [v5 MQTT-3.1.3-7] [v5 MQTT-3.2.2-16]
            properties.extend(acceptance.assigned_client_id.map(Property::AssignedClientIdentifier));
            properties.extend(acceptance.server_keep_alive.map(Property::ServerKeepAlive));
            properties.extend(method);
            properties.extend_from_slice(acceptance.properties);
        }
        // Before 5.0 the client could not be told. [v5 MQTT-3.2.2-22]
        if let Some(keep_alive) = acceptance.server_keep_alive.filter(|_| self.version.has_properties()) {
            self.keep_alive.change(keep_alive);
        }
        // How long this end took to decide is not the client's silence.
        self.keep_alive.received(now);
        let send_maximum = acceptance.send_maximum.unwrap_or(u16::MAX);
        self.peer.receive_maximum = self.peer.receive_maximum.min(send_maximum);
        if !self.peer_takes(accepting(acceptance, &properties).length(self.version)) {
            // [v5 MQTT-3.2.2-19] [v5 MQTT-3.2.2-20]
            properties.retain(|property| {
                !matches!(property, Property::ReasonString(_) | Property::UserProperty(_))
            });
        }
        let connack = accepting(acceptance, &properties);
        // [v5 MQTT-3.1.2-24]
        if !self.peer_takes(connack.length(self.version)) {
            self.session = session;
            self.state = State::Closed;
            return;
        }
        let written = connack.encode(self.version, out);
        debug_assert!(written.is_ok(), "{written:?}");
        self.authentication = authentication;
        self.open(session, now, out);
    }

    /// Server: answers a SUBSCRIBE. The properties are left out where the client does not want or take
    /// them; a client that does not take the answer at all finds the connection closed, with Packet too large.
    // [v5 MQTT-3.8.4-1] [v5 MQTT-3.8.4-2] [v3.1.1 MQTT-3.8.4-1] [v3.1.1 MQTT-3.8.4-2]
    pub fn suback(&mut self, suback: &Suback<'_>, now: Time, out: &mut Vec<u8>) {
        if self.state != State::Open {
            return;
        }
        let (suback, version) = (*suback, self.version);
        self.write_answer(suback.properties, Properties::EMPTY, now, out, |properties, out| {
            Suback { properties, ..suback }.encode(version, out)
        });
    }

    /// Server: answers an UNSUBSCRIBE, as [`Connection::suback`] does a SUBSCRIBE.
    // [v5 MQTT-3.10.4-4] [v5 MQTT-3.10.4-5] [v3.1.1 MQTT-3.10.4-4] [v3.1.1 MQTT-3.10.4-5]
    pub fn unsuback(&mut self, unsuback: &Unsuback<'_>, now: Time, out: &mut Vec<u8>) {
        if self.state != State::Open {
            return;
        }
        let (unsuback, version) = (*unsuback, self.version);
        self.write_answer(unsuback.properties, Properties::EMPTY, now, out, |properties, out| {
            Unsuback { properties, ..unsuback }.encode(version, out)
        });
    }

    /// Client: sends a SUBSCRIBE under an identifier of its own, which is returned; whatever identifier
    /// `subscribe` has is replaced. `Ok(None)` if all identifiers are in use or the connection is not open.
    ///
    /// # Errors
    /// [`EncodeError`] when the packet cannot be written.
    pub fn subscribe(
        &mut self,
        subscribe: &Subscribe<'_>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, EncodeError> {
        if self.state != State::Open {
            return Ok(None);
        }
        let Some(packet_id) = self.session.outgoing.begin(Stage::AwaitingSuback, None) else {
            return Ok(None);
        };
        let start = out.len();
        let written = Subscribe { packet_id, ..*subscribe }.encode(self.version, out);
        self.finish_request(packet_id, written, start, now, out)
    }

    /// Client: sends an UNSUBSCRIBE, as [`Connection::subscribe`] does a SUBSCRIBE.
    ///
    /// # Errors
    /// [`EncodeError`] when the packet cannot be written.
    pub fn unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe<'_>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, EncodeError> {
        if self.state != State::Open {
            return Ok(None);
        }
        let Some(packet_id) = self.session.outgoing.begin(Stage::AwaitingUnsuback, None) else {
            return Ok(None);
        };
        let start = out.len();
        let written = Unsubscribe { packet_id, ..*unsubscribe }.encode(self.version, out);
        self.finish_request(packet_id, written, start, now, out)
    }

    /// Client: sends a PINGREQ now.
    pub fn ping(&mut self, now: Time, out: &mut Vec<u8>) {
        if self.state != State::Open {
            return;
        }
        Pingreq.encode(out);
        self.keep_alive.sent(now);
        self.keep_alive.pinged(now);
    }

    /// Which end this is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where the connection is in its life.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The version spoken; before CONNECT has come, 3.1.1.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What the peer accepts.
    pub const fn peer(&self) -> &PeerLimits {
        &self.peer
    }

    /// What this end accepts.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Messages under way and waiting.
    pub const fn session(&self) -> &Session<M> {
        &self.session
    }

    /// Messages under way and waiting, to be changed.
    pub const fn session_mut(&mut self) -> &mut Session<M> {
        &mut self.session
    }

    /// Gives memory back that is empty now, for a connection that is idle.
    pub fn give_back(&mut self) {
        self.session.outgoing.give_back();
        self.session.received.give_back();
    }

    /// Ends the connection and hands back what outlives it. [v5 MQTT-4.1.0-1] [v3.1.1 MQTT-4.1.0-1]
    pub fn into_session(self) -> Session<M> {
        self.session
    }

    /// Whether this packet may come now, from that end. The order is: state, direction, form.
    #[inline]
    fn admit(&self, frame: &Frame<'_>) -> Result<PacketType, Violation> {
        let packet_type = frame.packet_type(match self.state {
            // The version is not known yet; AUTH is malformed in none of them for sure.
            State::AwaitingConnect => Version::V5,
            State::Deciding | State::AwaitingConnack | State::Open | State::Closed => self.version,
        })?;
        if self.state == State::Open {
            if !self.role.other().may_send(packet_type, self.version) {
                return Err(Violation::WrongDirection(packet_type));
            }
            // However they are made. [v5 MQTT-3.1.0-2] [v5 MQTT-3.2.0-2] [v3.1.1 MQTT-3.1.0-2]
            return match packet_type {
                PacketType::Connect => Err(Violation::SecondConnect),
                PacketType::Connack => Err(Violation::UnexpectedConnack),
                other => Ok(other),
            };
        }
        match (self.state, packet_type) {
            (State::AwaitingConnect, PacketType::Connect)
            | (State::AwaitingConnack, PacketType::Connack | PacketType::Auth)
            | (State::Deciding, PacketType::Auth | PacketType::Disconnect) => Ok(packet_type),
            // [v5 MQTT-3.1.0-1] [v3.1.1 MQTT-3.1.0-1]
            (State::AwaitingConnect, _) => Err(Violation::ConnectMissing(packet_type)),
            (State::Deciding, PacketType::Connect) => Err(Violation::SecondConnect),
            // [v5 MQTT-3.1.2-30]
            (State::AwaitingConnack | State::Deciding | State::Open | State::Closed, _) => {
                Err(Violation::BeforeConnack(packet_type))
            }
        }
    }

    /// Opens the connection: sets the quotas, and begins to send again what the session has under way.
    pub(crate) fn open(&mut self, session: Session<M>, now: Time, out: &mut Vec<u8>) {
        self.state = State::Open;
        self.session = session;
        self.send_quota = Quota::new(self.peer.receive_maximum);
        let aliases = self.peer.topic_alias_maximum.min(self.limits.aliases_set_maximum);
        if aliases > 0 {
            let aliases = OutgoingAliases::new(aliases);
            self.outgoing_aliases = Some(Box::new(aliases));
        }
        self.resend(now, out);
    }

    /// Whether the peer takes a packet of this size.
    pub(crate) fn peer_takes(&self, length: Result<u32, EncodeError>) -> bool {
        length.is_ok_and(|length| length <= self.peer.maximum_packet_size)
    }

    fn finish_request(
        &mut self,
        packet_id: PacketId,
        written: Result<(), EncodeError>,
        start: usize,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, EncodeError> {
        let too_large = out.len() - start > self.peer.maximum_packet_size as usize;
        // [v5 MQTT-3.2.2-15]
        let written = match written {
            Ok(()) if too_large => Err(EncodeError::PacketTooLarge { remaining_length: out.len() - start }),
            other => other,
        };
        if let Err(error) = written {
            out.truncate(start);
            self.session.outgoing.finish(packet_id);
            return Err(error);
        }
        self.keep_alive.sent(now);
        Ok(Some(packet_id))
    }

    pub(crate) const fn stage_for(qos: QoS) -> Stage {
        match qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => Stage::AwaitingPuback,
            QoS::ExactlyOnce => Stage::AwaitingPubrec,
        }
    }
}

/// The CONNECT as it is sent. Before 5.0 nobody can come back to a session without a name, so one that is
/// asked for without a name is a clean one.
// [v3.1.1 MQTT-3.1.3-7]
fn in_earnest<'a>(connect: &Connect<'a>) -> Connect<'a> {
    let is_nameless = connect.client_id.as_str().is_empty() && !connect.version.has_properties();
    Connect { clean_start: connect.clean_start || is_nameless, ..*connect }
}

/// The CONNACK of an accepted connection.
const fn accepting<'a>(acceptance: &Acceptance<'_>, properties: &'a [Property<'a>]) -> Connack<'a> {
    Connack {
        session_present: acceptance.session_present,
        reason: ReasonCode::Success,
        properties: Properties::new(properties),
    }
}
