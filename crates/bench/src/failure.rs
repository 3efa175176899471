//! Why nothing could be measured.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a run did not begin, or did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// The plan cannot be carried out; a sentence without its full stop.
    Plan(String),
    /// No connection was accepted.
    NobodyConnected {
        /// Where they were to go.
        server: SocketAddr,
        /// What went wrong most often.
        reason: String,
    },
    /// The system gives no poller or thread, or one of them ended.
    System(io::Error),
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(sentence) => f.write_str(sentence),
            Self::NobodyConnected { server, reason } => {
                write!(f, "no connection to {server} was accepted: {reason}; is a server running there")
            }
            Self::System(error) => write!(f, "the system does not give what is needed: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
