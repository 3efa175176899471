//! What a connection is told only when the store has what it depends on.
//!
//! Packets in the gate leave in their order. Each has the ticket that it waits for; none waits for less
//! than one before it. Messages of QoS 0 and 1 go past the gate: whether they are stored is their
//! publisher's business. So do PINGRESPs, or a slow disk would look like a dead server.

use std::collections::VecDeque;
use std::mem;

use colibri_protocol::Connection;

use super::Shard;
use super::journal::Ticket;
use crate::message::Delivery;

/// How many bytes may wait in a gate before its client is not read any more. Acknowledgements take some
/// bytes each; a 5.0 client's Receive Maximum bounds them earlier.
pub(crate) const GATE_BYTES_MAX: usize = 256 << 10;

/// Packets that wait for the store.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    bytes: Vec<u8>,
    /// Tickets with the number of bytes that wait for each, and for none before it.
    waits: VecDeque<(Ticket, usize)>,
    /// Whether messages of all kinds are in it, which those that come now must not overtake.
    pub(crate) holds_messages: bool,
}

impl Gate {
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The ticket that the last packet waits for.
    fn last(&self) -> Ticket {
        self.waits.back().map_or(0, |(ticket, _)| *ticket)
    }

    /// Lets packets through whose tickets are complete; says whether none is left.
    fn release(&mut self, out: &mut Vec<u8>, is_complete: impl Fn(Ticket) -> bool) -> bool {
        let mut length = 0;
        while let Some((ticket, bytes)) = self.waits.front()
            && is_complete(*ticket)
        {
            length += bytes;
            self.waits.pop_front();
        }
        out.extend(self.bytes.drain(..length));
        self.waits.is_empty()
    }
}

impl Shard {
    /// Writes to a connection: at once if the store has all up to `after` and nothing waits in the gate,
    /// else into the gate.
    pub(crate) fn write_after<T>(
        &mut self,
        number: u32,
        after: Option<Ticket>,
        write: impl FnOnce(&mut Connection<Delivery>, &mut Vec<u8>) -> T,
    ) -> Option<T> {
        let after = after.filter(|ticket| !self.journal.is_complete(*ticket));
        let client = self.connections.get_mut(number)?;
        let after = after.filter(|_| !client.flags.unsynced);
        if after.is_none() && client.gate.is_none() {
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            return Some(write(&mut client.protocol, &mut client.output));
        }
        let is_new = client.gate.is_none();
        let gate = client.gate.get_or_insert_default();
        let start = gate.bytes.len();
        let result = write(&mut client.protocol, &mut gate.bytes);
        let length = gate.bytes.len() - start;
        if length > 0 {
            let last = gate.last();
            let ticket = after.unwrap_or(0).max(last);
            match gate.waits.back_mut() {
                Some((back, bytes)) if *back == ticket => *bytes += length,
                Some(_) | None => gate.waits.push_back((ticket, length)),
            }
        }
        if gate.waits.is_empty() {
            client.gate = None;
        } else if is_new {
            self.journal.gated.push((number, client.birth));
        }
        Some(result)
    }

    /// Lets through what waited for tickets that are complete by now.
    pub(crate) fn open_gates(&mut self) {
        if !self.journal.advance() {
            return;
        }
        let mut gated = mem::take(&mut self.journal.gated);
        gated.retain(|&(number, birth)| {
            let Some(client) = self.connections.born(number, birth) else { return false };
            let Some(gate) = &mut client.gate else { return false };
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            let journal = &self.journal;
            let empty = gate.release(&mut client.output, |ticket| journal.is_complete(ticket));
            // CONNACK was the first that waited.
            client.flags.sealed &= client.output.is_empty();
            let room = gate.len() < GATE_BYTES_MAX;
            if empty {
                client.gate = None;
            }
            let resume = room && mem::take(&mut client.flags.gate_full);
            if client.output.is_empty() {
                self.spare.take_back(mem::take(&mut client.output));
            } else {
                self.touch(number);
            }
            if resume {
                self.read_again(number);
            }
            !empty
        });
        gated.append(&mut self.journal.gated);
        self.journal.gated = gated;
    }
}
