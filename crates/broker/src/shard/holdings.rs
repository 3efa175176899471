//! How much a shard holds for its clients at the moment, for who watches whether limits are kept to.

use colibri_protocol::Session;

use super::Shard;
use super::connections::Client;

/// The most that a shard holds for one connection or one session, and what waits for the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Bytes to be written to one connection.
    pub output: usize,
    /// Bytes in the gate of one connection.
    pub gate: usize,
    /// Bytes of one connection that were read and not dealt with.
    pub unread: usize,
    /// Messages that wait for one session and count against its limits.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Messages under way to one session.
    pub in_flight: usize,
    /// Turns whose changes the store does not have yet.
    pub open_tickets: usize,
    /// The bytes of these changes.
    pub open_bytes: usize,
}

impl Shard {
    /// What this shard holds. Looks at every connection and session.
    pub fn holdings(&self) -> Holdings {
        let clients =
            || self.connections.numbers().into_iter().filter_map(|number| self.connections.get(number));
        let sessions = || self.sessions.numbers();
        let gate = |client: &Client| client.gate.as_ref().map_or(0, |gate| gate.len());
        let queue = |number| self.queue_of(number).map_or(0, Session::in_flight);
        let (open_tickets, open_bytes) = self.journal.open();
        Holdings {
            output: clients().map(Client::pending).max().unwrap_or(0),
            gate: clients().map(gate).max().unwrap_or(0),
            unread: clients().map(|client| client.partial.len()).max().unwrap_or(0),
            waiting: sessions().map(|number| self.waiting(number).messages).max().unwrap_or(0),
            waiting_bytes: sessions().map(|number| self.waiting(number).bytes).max().unwrap_or(0),
            in_flight: sessions().map(queue).max().unwrap_or(0),
            open_tickets,
            open_bytes,
        }
    }
}
