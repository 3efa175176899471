//! How the connection fares: what the application may watch.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use colibri_codec::ReasonCode;
use colibri_protocol::Violation;

use crate::{ConnectError, OwnedProperties, Rejected};

/// How the connection fares. Whoever watches sees the latest state, and may miss those between.
#[derive(Clone, Debug)]
pub enum Status {
    /// The server has accepted the connection.
    Connected(Arc<ServerInfo>),
    /// The connection is lost; the client tries again after the delay.
    Waiting {
        /// What ended the connection.
        lost: Ending,
        /// How many attempts have failed since.
        failed: u32,
        /// How long until the next one.
        delay: Duration,
    },
    /// The client has ended.
    Ended(Ending),
}

/// What the server said when it accepted the connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInfo {
    /// Whether it goes on with a session that it had stored.
    pub session_present: bool,
    /// The client identifier in use, the server's or our own.
    pub client_id: String,
    /// The properties of its CONNACK; none before 5.0.
    pub properties: OwnedProperties,
}

/// Why a connection ended.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The application asked for it.
    Asked,
    /// The server said DISCONNECT (5.0).
    ByServer {
        /// Its reason.
        reason: ReasonCode,
        /// What it added.
        properties: OwnedProperties,
    },
    /// The server closed the connection without a word.
    Closed,
    /// The server broke the protocol, or was silent for too long.
    Violation(Violation),
    /// This end did not go on with an authentication.
    Authentication(Rejected),
    /// The connection failed.
    Io(Arc<io::Error>),
    /// The server refused to have the client back.
    Refused(Arc<ConnectError>),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("the client disconnected"),
            Self::ByServer { reason, properties } => {
                write!(f, "the server ended the connection: {reason}")?;
                match properties.view().reason_string() {
                    Some(text) => write!(f, ", \"{text}\""),
                    None => Ok(()),
                }
            }
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Violation(Violation::KeepAliveTimeout) => {
                f.write_str("the server did not answer a ping within the keep alive")
            }
            Self::Violation(violation) => write!(f, "the server broke the protocol: {violation}"),
            Self::Authentication(rejected) => rejected.fmt(f),
            Self::Io(error) => write!(f, "the connection failed: {error}"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}
