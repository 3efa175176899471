//! How this end closes a connection: with a refusal, a DISCONNECT, or after the peer broke the protocol.

use alloc::format;
use alloc::vec::Vec;

use colibri_codec::{Connack, Disconnect, Malformed, PacketType, Property, ReasonCode, Utf8String, Version};

use crate::{Connection, Kept, Role, State, Violation};

impl<M: Kept> Connection<M> {
    /// Server: refuses the connection, which is closed then. Where 3.x has no return code for the
    /// reason, nothing is written. [v3.1.1 MQTT-3.2.2-6]
    // [v5 MQTT-3.1.3-8] [v5 MQTT-3.2.2-7] [v3.1.1 MQTT-3.1.3-9] [v3.1.1 MQTT-3.2.2-5]
    pub fn refuse(&mut self, reason: ReasonCode, properties: &[Property<'_>], out: &mut Vec<u8>) {
        let full =
            Connack { properties: colibri_codec::Properties::new(properties), ..Connack::refused(reason) };
        // [v5 MQTT-3.2.2-19] [v5 MQTT-3.2.2-20]
        let connack =
            if self.peer_takes(full.length(self.version)) { full } else { Connack::refused(reason) };
        // [v5 MQTT-3.1.2-24]
        if self.peer_takes(connack.length(self.version)) && connack.encode(self.version, out).is_err() {
            debug_assert!(!self.version.has_properties());
        }
        self.state = State::Closed;
    }

    /// Ends the connection with a DISCONNECT, where this end may send one, and closes it.
    // [v5 MQTT-3.14.0-1] [v5 MQTT-3.14.4-1] [v5 MQTT-3.14.4-2] [v3.1.1 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
    pub fn disconnect(&mut self, disconnect: &Disconnect<'_>, out: &mut Vec<u8>) {
        let open = self.state == State::Open;
        self.state = State::Closed;
        if !open || !self.role.may_send(PacketType::Disconnect, self.version) {
            return;
        }
        // [v5 MQTT-3.14.2-3] [v5 MQTT-3.14.2-4]
        let bare = Disconnect::new(disconnect.reason);
        let shown = if self.peer_takes(disconnect.length(self.version)) { disconnect } else { &bare };
        // [v5 MQTT-3.1.2-24] [v5 MQTT-3.2.2-15]
        if self.peer_takes(shown.length(self.version)) {
            let written = shown.encode(self.version, out);
            debug_assert!(written.is_ok(), "{written:?}");
        }
    }

    /// Tells the peer what it did wrong, as far as the version and the state allow, and closes.
    // [v5 MQTT-4.13.1-1] [v5 MQTT-4.13.2-1] [v3.1.1 MQTT-4.8.0-1]
    pub fn fail(&mut self, violation: Violation, out: &mut Vec<u8>) {
        let text = format!("{violation}");
        let reason_string = Utf8String::new(&text).ok().map(Property::ReasonString);
        let properties = reason_string.as_slice();
        let reason = violation.reason_code();
        match (self.state, self.role) {
            (State::AwaitingConnect, Role::Server) => self.fail_connect(violation, properties, out),
            (State::Deciding, Role::Server) if self.version.has_properties() => {
                self.refuse(reason, properties, out);
            }
            // Before 5.0 a client tells nothing: a DISCONNECT would say that all is well.
            (State::Open, role) if self.version.has_properties() => {
                // Keep Alive timeout is for servers to send. [v5 MQTT-3.14.2-1]
                let reason = match (role, reason) {
                    (Role::Client, ReasonCode::KeepAliveTimeout) => ReasonCode::UnspecifiedError,
                    (Role::Client | Role::Server, reason) => reason,
                };
                let properties = colibri_codec::Properties::new(properties);
                self.disconnect(&Disconnect { reason, properties }, out);
            }
            (
                State::Open
                | State::Deciding
                | State::AwaitingConnack
                | State::AwaitingConnect
                | State::Closed,
                _,
            ) => {
                self.state = State::Closed;
            }
        }
    }

    /// Tells a client that never connected what was wrong with its CONNECT.
    fn fail_connect(&mut self, violation: Violation, properties: &[Property<'_>], out: &mut Vec<u8>) {
        match violation {
            Violation::Malformed(Malformed::ProtocolVersion(level)) => {
                // A client of what may follow 5.0 reads the form of 5.0, all others that of 3.1.1.
                // [v5 MQTT-3.1.2-2] [v3.1.1 MQTT-3.1.2-2]
                self.version = if level == Version::V5.level() + 1 { Version::V5 } else { Version::V3_1_1 };
                self.refuse(ReasonCode::UnsupportedProtocolVersion, &[], out);
            }
            // [v5 MQTT-3.1.4-1] [v3.1.1 MQTT-3.1.4-1]
            Violation::Malformed(Malformed::ProtocolName) | Violation::ConnectMissing(_) => {
                self.state = State::Closed;
            }
            _ if self.version.has_properties() => self.refuse(violation.reason_code(), properties, out),
            _ => self.state = State::Closed,
        }
    }
}
