//! Clients that are being authenticated: their exchanges with the authenticator (section 4.12).
//!
//! An authenticator answers through the inbox of the shard, so that nothing here waits for it. What a
//! client without an Authentication Method sends meanwhile is kept back; one with a method may send
//! nothing but AUTH and DISCONNECT, which the protocol sees to.

use std::fmt;
use std::mem;

use colibri_codec::{
    Auth, BinaryData, Connect, Frame, Packet, PacketType, Property, ReasonCode, Split, Utf8String,
};
use colibri_protocol::{State, Time};

use super::Shard;
use super::asking::Pending;
use super::socket::Sockets;
use super::timers::Timer;
use crate::authentication::{Authenticator, Claim, Exchange, Reply, Verdict};

/// An exchange of one client.
pub(crate) struct UnderWay {
    exchange: Box<dyn Exchange>,
    /// The CONNECT that waits for it; `None` when the client authenticates again.
    connect: Option<Box<[u8]>>,
    /// How many steps the client has taken.
    steps: u16,
    /// When it has taken too long.
    pub(crate) deadline: Time,
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Shard {
    /// Asks the authenticator about a client whose CONNECT is `bytes`.
    pub(crate) fn authenticate_connect(
        &mut self,
        number: u32,
        connect: &Connect<'_>,
        bytes: &[u8],
        authenticator: &dyn Authenticator,
    ) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let method = connect.properties.authentication_method().map(Utf8String::as_str);
        let claim = Claim {
            client_id: connect.client_id.as_str(),
            user_name: connect.user_name.map(Utf8String::as_str),
            password: connect.password.map(BinaryData::as_bytes),
            method,
            peer: client.peer,
            version: connect.version,
            again: false,
        };
        // [v5 MQTT-4.12.0-1]
        let Some(exchange) = authenticator.begin(&claim) else {
            let reason = method.map_or(ReasonCode::NotAuthorized, |_| ReasonCode::BadAuthenticationMethod);
            return self.refuse(number, reason);
        };
        if method.is_none() {
            client.pending = Some(Box::new(Pending::Admission));
        }
        self.begin_exchange(number, exchange, Some(bytes.into()));
        self.step_exchange(number, connect.properties.authentication_data());
    }

    /// A client sends AUTH: the answer to a challenge, or the wish to authenticate again.
    pub(crate) fn on_auth(&mut self, number: u32, auth: &Auth<'_>) {
        if auth.reason == ReasonCode::ReAuthenticate && !self.authenticate_again(number, auth) {
            // [v5 MQTT-4.12.1-2]
            return self.disconnect(
                number,
                ReasonCode::BadAuthenticationMethod,
                "nobody may authenticate again by this method",
            );
        }
        self.step_exchange(number, auth.properties.authentication_data());
    }

    /// Begins anew on an open connection; `false` if the authenticator does not want to.
    // [v5 MQTT-4.12.1-1]
    fn authenticate_again(&mut self, number: u32, auth: &Auth<'_>) -> bool {
        let Some(authenticator) = self.config.authenticator.clone() else { return false };
        let Some(client) = self.connections.get(number) else { return false };
        let session = client.session.and_then(|session| self.sessions.get(session));
        let Some(session) = session else { return false };
        let claim = Claim {
            client_id: &session.client_id,
            user_name: None,
            password: None,
            method: auth.properties.authentication_method().map(Utf8String::as_str),
            peer: client.peer,
            version: client.protocol.version(),
            again: true,
        };
        let Some(exchange) = authenticator.begin(&claim) else { return false };
        self.begin_exchange(number, exchange, None);
        true
    }

    fn begin_exchange(&mut self, number: u32, exchange: Box<dyn Exchange>, connect: Option<Box<[u8]>>) {
        let deadline = self.now + self.config.authentication_timeout;
        let Some(client) = self.connections.get_mut(number) else { return };
        client.exchange = Some(Box::new(UnderWay { exchange, connect, steps: 0, deadline }));
        let birth = client.birth;
        self.timers.set(deadline, Timer::Authentication { connection: number, birth });
    }

    fn step_exchange(&mut self, number: u32, data: Option<BinaryData<'_>>) {
        let Some(inbox) = self.links.own_inbox() else { return };
        let Some(client) = self.connections.get_mut(number) else { return };
        let birth = client.birth;
        let Some(under_way) = &mut client.exchange else { return };
        under_way.steps = under_way.steps.saturating_add(1);
        if under_way.steps > self.config.authentication_steps_maximum {
            return self.end_exchange(number, ReasonCode::NotAuthorized, "there were too many steps");
        }
        let reply = Reply::new(inbox, self.number, number, birth);
        under_way.exchange.step(data.map(BinaryData::as_bytes), reply);
    }

    /// The authenticator has answered a step.
    pub(crate) fn on_verdict(
        &mut self,
        number: u32,
        birth: u32,
        verdict: Verdict,
        sockets: &mut dyn Sockets,
    ) {
        let Some(client) = self.connections.born(number, birth) else { return };
        let Some(under_way) = &mut client.exchange else { return };
        let too_long = |data: &Option<Vec<u8>>| data.as_ref().is_some_and(|data| data.len() > 0xFFFF);
        match verdict {
            Verdict::Refused(reason, words) => self.end_exchange(number, reason, &words),
            Verdict::Challenge(data) | Verdict::Accepted(data) if too_long(&data) => {
                self.end_exchange(number, ReasonCode::UnspecifiedError, "the server's proof is too long");
            }
            Verdict::Challenge(data) => {
                if !self.send_auth(number, ReasonCode::ContinueAuthentication, data.as_deref()) {
                    self.end_exchange(number, ReasonCode::NotAuthorized, "");
                }
            }
            Verdict::Accepted(data) => match under_way.connect.take() {
                Some(connect) => self.admit_authenticated(number, &connect, data.as_deref(), sockets),
                None => {
                    client.exchange = None;
                    self.send_auth(number, ReasonCode::Success, data.as_deref());
                }
            },
        }
        self.touch(number);
    }

    /// A client has shown who it is, and is let in; then comes what it has sent meanwhile.
    fn admit_authenticated(
        &mut self,
        number: u32,
        connect: &[u8],
        data: Option<&[u8]>,
        sockets: &mut dyn Sockets,
    ) {
        let Some(client) = self.connections.get_mut(number) else { return };
        client.exchange = None;
        client.pending = None;
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        let Ok(Split::Frame(frame, _)) = Frame::split(connect, u32::MAX) else { return };
        let version = client.protocol.version();
        let Ok(Packet::Connect(connect)) = Packet::decode(frame, version) else { return };
        self.admit(number, &connect, data);
        self.go_on(number, sockets);
    }

    /// Sends AUTH; says whether that was possible.
    // [v5 MQTT-4.12.0-2] [v5 MQTT-4.12.0-5]
    fn send_auth(&mut self, number: u32, step: ReasonCode, data: Option<&[u8]>) -> bool {
        let now = self.now;
        let Some(client) = self.connections.get_mut(number) else { return false };
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        let data = data.and_then(|data| BinaryData::new(data).ok()).map(Property::AuthenticationData);
        let sent = client.protocol.authenticate(step, data.as_slice(), now, &mut client.output);
        self.close_if_ended(number);
        sent
    }

    /// Ends an exchange that has failed, and its connection with it.
    // [v5 MQTT-4.12.0-4] [v5 MQTT-4.12.1-2] [v5 MQTT-4.13.2-1]
    fn end_exchange(&mut self, number: u32, reason: ReasonCode, words: &str) {
        let Some(client) = self.connections.get_mut(number) else { return };
        client.exchange = None;
        match client.protocol.state() {
            State::Deciding => {
                let known = reason.is_failure() && reason.allowed_in(PacketType::Connack);
                let reason = if known { reason } else { ReasonCode::NotAuthorized };
                self.refuse_with(number, reason, words);
            }
            State::Open => {
                let known = reason.is_failure() && reason.allowed_in(PacketType::Disconnect);
                let reason = if known { reason } else { ReasonCode::NotAuthorized };
                self.disconnect(number, reason, words);
            }
            State::AwaitingConnect | State::AwaitingConnack | State::Closed => {}
        }
    }

    /// An exchange may have taken too long.
    pub(crate) fn on_authentication_timeout(&mut self, number: u32, birth: u32) {
        let now = self.now;
        let Some(client) = self.connections.born(number, birth) else { return };
        if client.exchange.as_ref().is_some_and(|under_way| under_way.deadline <= now) {
            self.end_exchange(number, ReasonCode::NotAuthorized, "the authentication took too long");
        }
    }

    /// Deals with what a client sent while something had to be awaited, and reads on from it.
    pub(crate) fn go_on(&mut self, number: u32, sockets: &mut dyn Sockets) {
        let Some(client) = self.connections.get_mut(number) else { return };
        let partial = mem::take(&mut client.partial);
        self.take_in(number, &partial, sockets);
        self.spare.take_back(partial);
        self.touch(number);
        self.read_again(number);
    }
}
