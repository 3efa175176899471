//! Each way a peer can break the protocol, the reason code it calls for and the statements it breaks.

use core::fmt;

use colibri_codec::{Malformed, PacketType, ReasonCode, Version};

/// What the peer did that ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A packet that is none.
    Malformed(Malformed),
    /// The first packet is not CONNECT.
    ConnectMissing(PacketType),
    /// A second CONNECT.
    SecondConnect,
    /// A packet before the connection was accepted.
    BeforeConnack(PacketType),
    /// A packet that only this end may send, or that this version does not know from that end.
    WrongDirection(PacketType),
    /// CONNACK came when none was awaited.
    UnexpectedConnack,
    /// Session Present although a new session was asked for.
    SessionPresentUnasked,
    /// More QoS 1 and 2 messages than our Receive Maximum.
    ReceiveMaximumExceeded,
    /// A topic alias above our Topic Alias Maximum.
    TopicAliasTooHigh,
    /// A topic alias that was never set.
    TopicAliasUnknown,
    /// A client sent a Subscription Identifier with a PUBLISH.
    SubscriptionIdentifierFromClient,
    /// DISCONNECT asks for a Session Expiry Interval although CONNECT had none.
    SessionExpiryAfterZero,
    /// A server sent a Session Expiry Interval with DISCONNECT.
    SessionExpiryFromServer,
    /// AUTH on a connection without an Authentication Method, or with another one.
    AuthenticationMethodMismatch,
    /// A client sent Server Reference with DISCONNECT.
    ServerReferenceFromClient,
    /// A new QoS 2 message under an identifier that is still in use for a QoS 1 message not answered yet.
    PacketIdInUse,
    /// Nothing came for one and a half times the Keep Alive, or no PINGRESP.
    KeepAliveTimeout,
}

impl Violation {
    /// The 5.0 reason code that says this to the peer.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::Malformed(malformed) => malformed.reason_code(),
            Self::ConnectMissing(_)
            | Self::SecondConnect
            | Self::BeforeConnack(_)
            | Self::WrongDirection(_)
            | Self::UnexpectedConnack
            | Self::SessionPresentUnasked
            | Self::TopicAliasUnknown
            | Self::SubscriptionIdentifierFromClient
            | Self::SessionExpiryAfterZero
            | Self::SessionExpiryFromServer
            | Self::ServerReferenceFromClient
            | Self::PacketIdInUse
            | Self::AuthenticationMethodMismatch => ReasonCode::ProtocolError,
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::TopicAliasTooHigh => ReasonCode::TopicAliasInvalid,
            Self::KeepAliveTimeout => ReasonCode::KeepAliveTimeout,
        }
    }

    /// The numbered statements this breaks, without the `MQTT-` in front; empty where the rule has no number.
    pub const fn statements(self, version: Version) -> &'static [&'static str] {
        let v5 = version.has_properties();
        match self {
            Self::Malformed(malformed) => malformed.statements(version),
            Self::ConnectMissing(_) => &["3.1.0-1"],
            Self::SecondConnect => &["3.1.0-2"],
            Self::BeforeConnack(_) if v5 => &["3.1.2-30"],
            Self::SessionPresentUnasked if v5 => &["3.2.2-2", "3.2.2-4"],
            Self::SessionPresentUnasked => &["3.2.2-1"],
            Self::ReceiveMaximumExceeded if v5 => &["3.3.4-7", "3.3.4-9"],
            Self::TopicAliasTooHigh if v5 => &["3.3.2-9", "3.3.2-11"],
            Self::SubscriptionIdentifierFromClient if v5 => &["3.3.4-6"],
            Self::SessionExpiryFromServer if v5 => &["3.14.2-2"],
            Self::AuthenticationMethodMismatch if v5 => &["4.12.0-5", "4.12.0-7"],
            Self::KeepAliveTimeout if v5 => &["3.1.2-20"],
            Self::KeepAliveTimeout => &["3.1.2-23"],
            Self::BeforeConnack(_)
            | Self::WrongDirection(_)
            | Self::UnexpectedConnack
            | Self::ReceiveMaximumExceeded
            | Self::TopicAliasTooHigh
            | Self::TopicAliasUnknown
            | Self::SubscriptionIdentifierFromClient
            | Self::SessionExpiryAfterZero
            | Self::SessionExpiryFromServer
            | Self::ServerReferenceFromClient
            | Self::PacketIdInUse
            | Self::AuthenticationMethodMismatch => &[],
        }
    }
}

impl From<Malformed> for Violation {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::ConnectMissing(packet) => write!(f, "the first packet is {packet} and not CONNECT"),
            Self::SecondConnect => f.write_str("there was a second CONNECT"),
            Self::BeforeConnack(packet) => write!(f, "{packet} came before the connection was accepted"),
            Self::WrongDirection(packet) => write!(f, "{packet} is not for this end to send"),
            Self::UnexpectedConnack => f.write_str("there was a CONNACK that nobody awaited"),
            Self::SessionPresentUnasked => {
                f.write_str("the server goes on with a session although a new one was asked for")
            }
            Self::ReceiveMaximumExceeded => f.write_str("more messages are unacknowledged than allowed"),
            Self::TopicAliasTooHigh => f.write_str("the topic alias is above the maximum"),
            Self::TopicAliasUnknown => f.write_str("the topic alias was never set"),
            Self::SubscriptionIdentifierFromClient => {
                f.write_str("a client may not publish with a subscription identifier")
            }
            Self::SessionExpiryAfterZero => {
                f.write_str("the session expiry interval was 0 at the start and may not be raised at the end")
            }
            Self::SessionExpiryFromServer => {
                f.write_str("a server may not change the session expiry interval")
            }
            Self::AuthenticationMethodMismatch => {
                f.write_str("the authentication method is not that of CONNECT")
            }
            Self::ServerReferenceFromClient => f.write_str("a client may not send a server reference"),
            Self::PacketIdInUse => f.write_str("the packet identifier is in use"),
            Self::KeepAliveTimeout => f.write_str("the peer was silent for too long"),
        }
    }
}

impl core::error::Error for Violation {}
