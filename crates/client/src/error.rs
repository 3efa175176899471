//! What can fail, one kind per operation, each knowing who is to blame.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use colibri_codec::{ConnectReturnCode, EncodeError, Malformed, ReasonCode, Version};
use colibri_protocol::Violation;

use crate::{OwnedProperties, Rejected};

/// Who has to mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever called: a name, a filter, a property that cannot be.
    Caller,
    /// The server.
    Server,
    /// What lies between: names, addresses, the network.
    Environment,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The options cannot be put into a CONNECT.
    Invalid(EncodeError),
    /// The host's name is not known.
    UnknownHost {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The address to bind to is not one of this machine.
    Bind {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody took the connection at the last address tried.
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There was no answer in time.
    TimedOut(Duration),
    /// The connection broke before the server had answered.
    Io(io::Error),
    /// The server closed the connection before it had answered, with a version before 5.0.
    Closed,
    /// The server does not speak the version asked for.
    UnsupportedVersion {
        /// The version asked for.
        version: Version,
        /// How it was found out.
        evidence: Evidence,
    },
    /// The server said no.
    Refused {
        /// Why. Before 5.0 this stands for the return code of the same meaning.
        reason: ReasonCode,
        /// The number on the wire: the reason code, or the return code of an older version.
        code: u8,
        /// What it added: Reason String, Server Reference.
        properties: OwnedProperties,
    },
    /// The server broke the protocol.
    Violation(Violation),
    /// The server wants an extended authentication, for which there is no authenticator.
    ExtendedAuthentication,
    /// This end did not go on with the authentication.
    Authentication(Rejected),
}

/// How it was found out that a server does not speak a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It said so in its CONNACK.
    Answer,
    /// It answered 5.0 in the form of 3.1.1.
    OldForm,
    /// It closed the connection right after CONNECT, as servers from before 5.0 may.
    Closed,
}

impl ConnectError {
    /// Who has to mend it.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Invalid(_) | Self::Bind { .. } => Blame::Caller,
            Self::UnknownHost { .. } | Self::Unreachable { .. } | Self::TimedOut(_) | Self::Io(_) => {
                Blame::Environment
            }
            Self::Closed | Self::Violation(_) | Self::ExtendedAuthentication | Self::Authentication(_) => {
                Blame::Server
            }
            Self::UnsupportedVersion { .. } => Blame::Caller,
            Self::Refused { reason, .. } => match reason {
                ReasonCode::ServerUnavailable
                | ReasonCode::ServerBusy
                | ReasonCode::ConnectionRateExceeded
                | ReasonCode::UnspecifiedError
                | ReasonCode::ImplementationSpecificError => Blame::Server,
                _ => Blame::Caller,
            },
        }
    }

    /// A refusal in the words of a version before 5.0.
    pub(crate) const fn refused_before_v5(code: ConnectReturnCode) -> Self {
        Self::Refused { reason: code.reason(), code: code as u8, properties: OwnedProperties::new() }
    }
}

impl From<Malformed> for ConnectError {
    fn from(malformed: Malformed) -> Self {
        Self::Invalid(malformed.into())
    }
}

impl From<EncodeError> for ConnectError {
    fn from(error: EncodeError) -> Self {
        Self::Invalid(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => write!(f, "these options make no CONNECT: {error}"),
            Self::UnknownHost { host, source } => write!(f, "the host {host} cannot be found: {source}"),
            Self::Bind { address, source } => write!(f, "cannot connect from {address}: {source}"),
            Self::Unreachable { address, source } => write!(f, "cannot connect to {address}: {source}"),
            Self::TimedOut(limit) => write!(f, "there was no answer within {} s", limit.as_secs()),
            Self::Io(error) => write!(f, "the connection broke before the server answered: {error}"),
            Self::Closed => f.write_str("the server closed the connection without an answer to CONNECT"),
            Self::UnsupportedVersion { version, evidence } => match evidence {
                Evidence::Answer => write!(f, "the server does not speak MQTT {version}"),
                Evidence::OldForm => write!(f, "the server answers MQTT {version} in the form of 3.1.1"),
                Evidence::Closed => write!(
                    f,
                    "the server closed the connection right after CONNECT; perhaps it does not speak MQTT {version}"
                ),
            },
            Self::Refused { reason, properties, .. } => {
                write!(f, "the server refused the connection: {}", reason.name())?;
                if let Some(text) = properties.view().reason_string() {
                    write!(f, ", \"{text}\"")?;
                }
                match properties.view().server_reference() {
                    Some(server) => write!(f, "; it names {server} instead"),
                    None => Ok(()),
                }
            }
            Self::Violation(violation) => write!(f, "the server broke the protocol: {violation}"),
            Self::ExtendedAuthentication => f.write_str(
                "the server wants an extended authentication, for which there is no authenticator",
            ),
            Self::Authentication(rejected) => rejected.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(error) => Some(error),
            Self::UnknownHost { source, .. }
            | Self::Bind { source, .. }
            | Self::Unreachable { source, .. }
            | Self::Io(source) => Some(source),
            Self::Violation(violation) => Some(violation),
            Self::Authentication(rejected) => Some(rejected),
            Self::TimedOut(_)
            | Self::Closed
            | Self::UnsupportedVersion { .. }
            | Self::Refused { .. }
            | Self::ExtendedAuthentication => None,
        }
    }
}

/// Why a message did not arrive, or is not known to have arrived.
#[derive(Debug)]
pub enum PublishError {
    /// The message has a property that a PUBLISH may not carry.
    Invalid(Malformed),
    /// It is larger than the server takes.
    TooLarge {
        /// The largest packet the server takes, in bytes.
        maximum: u32,
    },
    /// It expired before it could be sent.
    Expired,
    /// The server takes no such QoS, or no retained messages.
    NotSupported,
    /// The server refused it.
    Refused {
        /// The identifier it was sent under.
        packet_id: colibri_codec::PacketId,
        /// Why.
        reason: ReasonCode,
        /// What it added.
        properties: OwnedProperties,
    },
    /// The client ended first; whether the message arrived is not known.
    Ended,
}

impl PublishError {
    /// Who has to mend it.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Invalid(_) | Self::TooLarge { .. } | Self::NotSupported => Blame::Caller,
            Self::Refused { .. } => Blame::Server,
            Self::Expired | Self::Ended => Blame::Environment,
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(malformed) => malformed.fmt(f),
            Self::TooLarge { maximum } => {
                write!(f, "the message is larger than the {maximum} bytes that the server takes")
            }
            Self::Expired => f.write_str("the message expired before it could be sent"),
            Self::NotSupported => f.write_str("the server takes no such QoS, or no retained messages"),
            Self::Refused { reason, properties, .. } => {
                write!(f, "the server refused the message: {}", reason.name())?;
                match properties.view().reason_string() {
                    Some(text) => write!(f, ", \"{text}\""),
                    None => Ok(()),
                }
            }
            Self::Ended => f.write_str("the client ended before the message was acknowledged"),
        }
    }
}

impl std::error::Error for PublishError {}

/// Why a SUBSCRIBE or UNSUBSCRIBE has no answer.
#[derive(Debug)]
pub enum RequestError {
    /// It cannot be put into a packet, or not into one that the server takes.
    Invalid(EncodeError),
    /// All 65,535 packet identifiers are in use.
    NoPacketIdentifier,
    /// The connection was lost before the answer; it may be asked again.
    Lost,
    /// The client has ended.
    Ended,
}

impl RequestError {
    /// Who has to mend it.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Invalid(_) | Self::NoPacketIdentifier => Blame::Caller,
            Self::Lost | Self::Ended => Blame::Environment,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::NoPacketIdentifier => f.write_str("all packet identifiers are in use"),
            Self::Lost => f.write_str("the connection was lost before the server answered"),
            Self::Ended => f.write_str("the client has ended"),
        }
    }
}

impl std::error::Error for RequestError {}
