//! Extended authentication (5.0, section 4.12): the method of a connection, and whose turn it is.
//!
//! ```text
//!  before CONNACK    client: CONNECT --> server: AUTH 0x18 --> client: AUTH 0x18 --> ... --> server: CONNACK
//!  once open         client: AUTH 0x19 --> server: AUTH 0x18 --> client: AUTH 0x18 --> ... --> server: AUTH 0x00
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use colibri_codec::{Auth, Properties, Property, ReasonCode, Utf8String};

use crate::{Connection, Kept, Role, State, Time, Violation};

/// The Authentication Method of a connection, and how far an exchange has come.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    method: Box<str>,
    turn: Turn,
}

/// Who has to take the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// No exchange is under way.
    Nobody,
    This,
    Peer,
}

impl Authentication {
    /// What CONNECT brings: the server has to answer it. Boxed, as nearly no connection has one.
    pub(crate) fn begun(method: Option<Utf8String<'_>>, role: Role) -> Option<Box<Self>> {
        let turn = match role {
            Role::Client => Turn::Peer,
            Role::Server => Turn::This,
        };
        method.map(|method| Box::new(Self { method: method.as_str().into(), turn }))
    }

    /// CONNACK ends the exchange; gives the method for it.
    // [v5 MQTT-4.12.0-5]
    pub(crate) fn end(&mut self) -> Option<Property<'_>> {
        self.turn = Turn::Nobody;
        self.property()
    }

    fn property(&self) -> Option<Property<'_>> {
        Utf8String::new(&self.method).ok().map(Property::AuthenticationMethod)
    }
}

impl<M: Kept> Connection<M> {
    /// Takes a step of an extended authentication: AUTH with Continue authentication as the answer to a
    /// CONNECT or an AUTH; from a client Re-authenticate, which begins anew on an open connection; from a
    /// server Success, which ends what that began. The method is added to `properties`.
    ///
    /// Says whether it was written: not if it is not this end's turn, or without an Authentication Method
    /// in CONNECT. A peer that does not take a packet of its size finds the connection closed.
    // [v5 MQTT-4.12.0-2] [v5 MQTT-4.12.0-3] [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.0-6] [v5 MQTT-4.12.0-7]
    // [v5 MQTT-4.12.1-1]
    pub fn authenticate(
        &mut self,
        step: ReasonCode,
        properties: &[Property<'_>],
        now: Time,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(authentication) = self.authentication.as_deref() else { return false };
        let (turn, next) = match (step, self.role, self.state) {
            (ReasonCode::ContinueAuthentication, Role::Server, State::Deciding | State::Open)
            | (ReasonCode::ContinueAuthentication, Role::Client, State::AwaitingConnack | State::Open) => {
                (Turn::This, Turn::Peer)
            }
            (ReasonCode::ReAuthenticate, Role::Client, State::Open) => (Turn::Nobody, Turn::Peer),
            (ReasonCode::Success, Role::Server, State::Open) => (Turn::This, Turn::Nobody),
            _ => return false,
        };
        if authentication.turn != turn {
            return false;
        }
        let authentication = Authentication { turn: next, ..authentication.clone() };
        let bare: Vec<Property<'_>> = authentication
            .property()
            .into_iter()
            .chain(properties.iter().copied().filter(|property| !explains(property)))
            .collect();
        let full: Vec<Property<'_>> =
            bare.iter().copied().chain(properties.iter().copied().filter(explains)).collect();
        let version = self.version;
        self.write_answer(Properties::new(&full), Properties::new(&bare), now, out, |properties, out| {
            Auth { reason: step, properties }.encode(version, out)
        });
        self.authentication = Some(Box::new(authentication));
        self.state != State::Closed
    }

    /// Whether a packet names the method that CONNECT did, or none where that did not.
    // [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.0-6]
    pub(crate) fn check_method(&self, properties: &Properties<'_>) -> Result<(), Violation> {
        let method = self.authentication.as_deref().map(|authentication| &*authentication.method);
        if properties.authentication_method().map(Utf8String::as_str) == method {
            Ok(())
        } else {
            Err(Violation::AuthenticationMethodMismatch)
        }
    }

    /// Notes a step of the peer, if it is its turn.
    // [v5 MQTT-3.15.2-1] [v5 MQTT-4.12.1-1]
    pub(crate) fn take_authentication_step(&mut self, step: ReasonCode) -> Result<(), Violation> {
        let Some(authentication) = self.authentication.as_deref_mut() else {
            return Err(Violation::AuthenticationMethodMismatch);
        };
        let next = match (authentication.turn, step, self.role, self.state) {
            (Turn::Peer, ReasonCode::ContinueAuthentication, _, _) => Turn::This,
            (Turn::Nobody, ReasonCode::ReAuthenticate, Role::Server, State::Open) => Turn::This,
            (Turn::Peer, ReasonCode::Success, Role::Client, State::Open) => Turn::Nobody,
            _ => return Err(Violation::AuthenticationOutOfTurn),
        };
        authentication.turn = next;
        Ok(())
    }
}

/// Whether a property only explains, and is left out where it is too much.
fn explains(property: &Property<'_>) -> bool {
    matches!(property, Property::ReasonString(_) | Property::UserProperty(_))
}
