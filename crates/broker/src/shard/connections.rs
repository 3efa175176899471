//! The connections of a shard, each with what it has read and not dealt with and what it has to write.

use std::net::SocketAddr;

use colibri_protocol::{Connection, Limits, Time};

use super::asking::Pending;
use super::authenticating::UnderWay;
use super::gate::Gate;
use crate::message::Delivery;
use crate::route::Route;

/// A connection and its buffers, which have memory only while they hold something.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) protocol: Connection<Delivery>,
    /// The session, once CONNECT is accepted.
    pub(crate) session: Option<u32>,
    pub(crate) peer: SocketAddr,
    /// Bytes that were read and are not a whole packet yet.
    pub(crate) partial: Vec<u8>,
    /// How many bytes `partial` must have before it is worth looking at.
    pub(crate) needed: usize,
    /// Bytes to be written, from `written` on.
    pub(crate) output: Vec<u8>,
    pub(crate) written: usize,
    /// What waits for an answer from elsewhere; nothing after it is dealt with.
    pub(crate) pending: Option<Box<Pending>>,
    /// Packets that wait for the store.
    pub(crate) gate: Option<Box<Gate>>,
    /// How far the client's authentication has come, while one is under way.
    pub(crate) exchange: Option<Box<UnderWay>>,
    /// What the last published topic led to.
    pub(crate) route: Option<Box<Route>>,
    /// Tells timers for an earlier connection of this number from those for this one.
    pub(crate) birth: u32,
    pub(crate) flags: Flags,
}

/// What is true of a connection at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// It is in the list of connections to flush at the end of the turn.
    pub(crate) touched: bool,
    /// It is in the list of connections to flush before more is read.
    pub(crate) overfull: bool,
    /// The system took less than was to be written; it will say when more fits.
    pub(crate) blocked: bool,
    /// It is in the list of connections that may have more to read.
    pub(crate) more: bool,
    /// Its client has ended it, perhaps behind bytes that have not been read.
    pub(crate) ended: bool,
    /// It is not read until its output has been written.
    pub(crate) paused: bool,
    /// It is in the list of connections to end because they cannot take more.
    pub(crate) given_up: bool,
    /// It came from another shard in this turn, and what it brought is for the next.
    pub(crate) adopted: bool,
    /// It is closed at the end of the turn.
    pub(crate) closing: bool,
    /// Before it is closed the client gets the time to read what it was told last: a socket that is closed
    /// with unread bytes in it takes back what was written.
    pub(crate) lingers: bool,
    /// It was told that nothing more comes, and what it sends is thrown away until it closes too.
    pub(crate) lingering: bool,
    /// What it is told does not wait for the store.
    pub(crate) unsynced: bool,
    /// Its session is stored.
    pub(crate) durable: bool,
    /// Its CONNACK waits in the gate, and nothing may come before that.
    pub(crate) sealed: bool,
    /// It is not read until more of its gate has been let through.
    pub(crate) gate_full: bool,
    /// It is in the list of connections that have something to give back when they become idle.
    pub(crate) warm: bool,
    /// It did something since that list was last gone through.
    pub(crate) busy: bool,
    /// It was refused something because the store takes nothing, and is not read for a moment.
    pub(crate) resting: bool,
    /// Its queue was half full when it came, or a limit of all queues was reached, and has not been less since.
    pub(crate) catching_up: bool,
    /// Retained messages are waiting for it, so that later ones wait behind them, even with QoS 0.
    pub(crate) replaying: bool,
}

impl Client {
    /// How many bytes wait to be written.
    pub(crate) const fn pending(&self) -> usize {
        self.output.len() - self.written
    }

    /// How many bytes wait for the store.
    pub(crate) fn gated(&self) -> usize {
        self.gate.as_ref().map_or(0, |gate| gate.len())
    }
}

/// Connections by number.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Option<Box<Client>>>,
    free: Vec<u32>,
    births: u32,
    open: usize,
}

impl Connections {
    /// The number that the next connection gets.
    pub(crate) fn next_number(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Makes a connection under [`Connections::next_number`]; gives its birth.
    pub(crate) fn insert(&mut self, peer: SocketAddr, limits: Limits, now: Time) -> u32 {
        self.births = self.births.wrapping_add(1);
        let client = Client {
            protocol: Connection::server(limits, now),
            session: None,
            peer,
            partial: Vec::new(),
            needed: 0,
            output: Vec::new(),
            written: 0,
            pending: None,
            gate: None,
            exchange: None,
            route: None,
            birth: self.births,
            flags: Flags::default(),
        };
        match self.free.pop() {
            Some(number) => {
                if let Some(slot) = self.slots.get_mut(number as usize) {
                    *slot = Some(Box::new(client));
                }
            }
            None => self.slots.push(Some(Box::new(client))),
        }
        self.open += 1;
        self.births
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Client> {
        self.slots.get_mut(number as usize)?.as_deref_mut()
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Client> {
        self.slots.get(number as usize)?.as_deref()
    }

    /// The connection of a timer, if it is still that one.
    pub(crate) fn born(&mut self, number: u32, birth: u32) -> Option<&mut Client> {
        self.get_mut(number).filter(|client| client.birth == birth && !client.flags.closing)
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<Box<Client>> {
        let client = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        self.open -= 1;
        Some(client)
    }

    pub(crate) const fn len(&self) -> usize {
        self.open
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        (0u32..).zip(&self.slots).filter_map(|(number, slot)| slot.as_ref().map(|_| number)).collect()
    }
}
