//! Who may connect: what the broker asks, and how it is answered (sections 3.1.3.5, 3.1.3.6 and 4.12).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use colibri_codec::{ReasonCode, Version};

use crate::shard::inbox::{Batch, Inbox, Operation};

/// Decides who may connect, by user name and password or by an Authentication Method. There is one for all
/// shards.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// Begins with a client that wants to connect, or to authenticate again. `None` refuses it: with Bad
    /// authentication method (0x8C) if it names a method, with Not authorized (0x87) if it names none.
    ///
    /// This is called on the thread of a shard, which serves nobody else meanwhile: it must not wait.
    fn begin(&self, claim: &Claim<'_>) -> Option<Box<dyn Exchange>>;
}

/// One client being authenticated. It is dropped when that is done, or when the connection ends.
pub trait Exchange: Send {
    /// Takes the client's data: first those of CONNECT or of AUTH with Re-authenticate, then those of each
    /// AUTH that answers a challenge. The answer goes to `reply`, at once or later, from any thread; as in
    /// [`Authenticator::begin`] this must not wait.
    fn step(&mut self, data: Option<&[u8]>, reply: Reply);
}

/// Who a client says it is.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its identifier; empty if the server is to choose one.
    pub client_id: &'a str,
    /// Its user name. None when it authenticates again.
    pub user_name: Option<&'a str>,
    /// Its password. None when it authenticates again.
    pub password: Option<&'a [u8]>,
    /// The Authentication Method that it names.
    pub method: Option<&'a str>,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// The version that it speaks.
    pub version: Version,
    /// Whether it is connected already, and authenticates again (section 4.12.1).
    pub again: bool,
}

/// Takes the answer to one step. Dropped without one, it refuses with Unspecified error (0x80).
#[derive(Debug)]
pub struct Reply {
    inbox: Arc<Inbox>,
    shard: u8,
    connection: u32,
    birth: u32,
    answered: bool,
}

/// The answer to one step.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The client may connect, or stay. It gets the data.
    Accepted(Option<Vec<u8>>),
    /// The client gets the data and has to answer.
    Challenge(Option<Vec<u8>>),
    /// The connection ends, for this reason.
    Refused(ReasonCode, String),
}

impl Reply {
    pub(crate) const fn new(inbox: Arc<Inbox>, shard: u8, connection: u32, birth: u32) -> Self {
        Self { inbox, shard, connection, birth, answered: false }
    }

    /// The client may connect, or stay. With an Authentication Method it gets the data, at most 65,535 bytes.
    pub fn accept(mut self, data: Option<Vec<u8>>) {
        self.send(Verdict::Accepted(data));
    }

    /// The client gets the data, at most 65,535 bytes, and has to answer. Without an Authentication Method
    /// there is no way to ask, and the client is refused.
    pub fn challenge(mut self, data: Option<Vec<u8>>) {
        self.send(Verdict::Challenge(data));
    }

    /// The connection ends for this reason, which is to be 0x80 or above, and in these words, which may be
    /// empty. A reason that CONNACK or DISCONNECT cannot give becomes Not authorized (0x87).
    // [v5 MQTT-4.12.0-4] [v5 MQTT-4.12.1-2]
    pub fn refuse(mut self, reason: ReasonCode, words: impl Into<String>) {
        self.send(Verdict::Refused(reason, words.into()));
    }

    fn send(&mut self, verdict: Verdict) {
        self.answered = true;
        let Self { connection, birth, .. } = *self;
        let operations = vec![Operation::Verdict { connection, birth, verdict }];
        self.inbox.push(Batch { from: self.shard, operations });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Verdict::Refused(ReasonCode::UnspecifiedError, String::new()));
        }
    }
}
