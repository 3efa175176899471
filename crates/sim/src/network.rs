//! Connections in memory: bytes in both directions, and readiness told at its edges.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colibri_broker::shard::{Detached, Ready, Sockets};

/// How many bytes fit on the way to a client unless [`World::capacity`](crate::World::capacity) says
/// otherwise: 256 KiB, about what a system gives a socket.
pub const CAPACITY: usize = 256 << 10;

/// How many listeners there are, whether or not the broker has as many.
pub(crate) const LISTENERS: usize = 2;

/// The client's end of a connection, of which a clone is the same end. Dropping it closes nothing.
///
/// Its methods let no time pass and give the broker no turn.
#[derive(Clone, Debug)]
pub struct Link(Arc<Mutex<Wire>>);

/// One connection, seen from the network.
#[derive(Debug)]
struct Wire {
    to_broker: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// How many bytes fit on the way to the client.
    capacity: usize,
    /// How many bytes one read of the broker gets at most.
    fragment: usize,
    /// The client sends nothing more.
    client_ended: bool,
    /// The network has lost the connection.
    broken: bool,
    /// Writes fail although nothing has told the broker that the connection is lost.
    writes_fail: bool,
    broker_closed: bool,
    readable: bool,
    writable: bool,
    full: bool,
}

impl Link {
    pub(crate) fn new(capacity: usize, fragment: usize) -> Self {
        Self(Arc::new(Mutex::new(Wire {
            to_broker: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity,
            fragment,
            client_ended: false,
            broken: false,
            writes_fail: false,
            broker_closed: false,
            readable: false,
            writable: false,
            full: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client sends bytes.
    pub fn send(&self, bytes: &[u8]) {
        let mut wire = self.lock();
        wire.to_broker.extend(bytes);
        wire.readable = true;
    }

    /// The client sends no more, and reads no more.
    pub fn end(&self) {
        let mut wire = self.lock();
        wire.client_ended = true;
        wire.readable = true;
    }

    /// The network loses the connection, with all that is on it.
    pub fn cut(&self) {
        let mut wire = self.lock();
        wire.broken = true;
        wire.to_broker.clear();
        wire.to_client.clear();
        wire.readable = true;
        wire.writable = true;
    }

    /// From here on the broker's writes fail, although nothing tells it that the connection is lost.
    pub fn fail_writes(&self) {
        self.lock().writes_fail = true;
    }

    /// The client takes what has come, up to a number of bytes.
    pub fn take(&self, most: usize) -> Vec<u8> {
        let mut wire = self.lock();
        let count = most.min(wire.to_client.len());
        let taken = wire.to_client.drain(..count).collect();
        if wire.full && wire.to_client.len() < wire.capacity {
            wire.full = false;
            wire.writable = true;
        }
        taken
    }

    /// Takes back what the broker has not read yet.
    pub fn take_back(&self) -> Vec<u8> {
        self.lock().to_broker.drain(..).collect()
    }

    /// How many bytes the broker has not read yet.
    pub fn unread(&self) -> usize {
        self.lock().to_broker.len()
    }

    /// Whether the broker has closed. What it wrote before can still be taken.
    pub fn is_closed(&self) -> bool {
        self.lock().broker_closed
    }
}

impl Wire {
    /// Whether a broker that is watching this connection for the first time finds it ready.
    fn watch(&mut self) {
        self.readable = !self.to_broker.is_empty() || self.client_ended || self.broken;
        self.writable = true;
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = buffer.len().min(self.to_broker.len()).min(self.fragment);
        if count == 0 && !self.client_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(self.to_broker.drain(..count)) {
            *place = byte;
        }
        // A socket gives all it has; one that gives less is told of again.
        self.readable |= count > 0 && !self.to_broker.is_empty() && count < buffer.len();
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken || self.writes_fail {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = bytes.len().min(self.capacity.saturating_sub(self.to_client.len()));
        self.full |= count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_client.extend(&bytes[..count]);
        Ok(count)
    }
}

/// A socket on its way from shard to shard: closed like any other if the process dies meanwhile.
struct Passing(Option<Link>);

impl Drop for Passing {
    fn drop(&mut self) {
        if let Some(wire) = self.0.take() {
            wire.cut();
            wire.lock().broker_closed = true;
        }
    }
}

/// The sockets of one shard.
#[derive(Default)]
pub(crate) struct Net {
    waiting: [VecDeque<Link>; LISTENERS],
    listening: [bool; LISTENERS],
    wires: HashMap<u32, Link>,
}

impl Net {
    /// A client knocks at a listener.
    pub(crate) fn knock(&mut self, listener: usize, wire: Link) {
        self.waiting[listener].push_back(wire);
        self.listening[listener] = true;
    }

    /// Whether anything has become ready since the last call of [`Net::news`].
    pub(crate) fn has_news(&self) -> bool {
        self.listening.contains(&true) || self.wires.values().any(|wire| wire.lock().has_news())
    }

    /// What has become ready since the last call, in the order of the connections' numbers.
    pub(crate) fn news(&mut self) -> Vec<Ready> {
        let mut ready = Vec::new();
        let listeners = self.listening.iter_mut().enumerate();
        ready.extend(
            listeners
                .filter_map(|(listener, is_so)| std::mem::take(is_so).then_some(Ready::Listener(listener))),
        );
        let mut numbers: Vec<u32> = self.wires.keys().copied().collect();
        numbers.sort_unstable();
        for connection in numbers {
            let mut wire = self.wires[&connection].lock();
            if wire.has_news() {
                let readable = std::mem::take(&mut wire.readable);
                let writable = std::mem::take(&mut wire.writable);
                let ended = readable && (wire.client_ended || wire.broken);
                ready.push(Ready::Connection { connection, readable, writable, ended });
            }
        }
        ready
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> usize {
        self.wires.len()
    }

    /// The process has died: the system closes its sockets, and what comes then finds nobody.
    pub(crate) fn break_all(&mut self) {
        self.listening = [false; LISTENERS];
        let waiting = self.waiting.iter_mut().flat_map(|waiting| waiting.drain(..));
        for wire in waiting.chain(self.wires.drain().map(|(_, wire)| wire)) {
            wire.cut();
            wire.lock().broker_closed = true;
        }
    }

    fn wire(&self, connection: u32) -> io::Result<MutexGuard<'_, Wire>> {
        self.wires.get(&connection).map(Link::lock).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Wire {
    fn has_news(&self) -> bool {
        self.readable || self.writable
    }
}

impl Sockets for Net {
    fn accept(&mut self, listener: usize, connection: u32) -> io::Result<Option<SocketAddr>> {
        let Some(wire) = self.waiting[listener].pop_front() else { return Ok(None) };
        wire.lock().watch();
        assert!(self.wires.insert(connection, wire).is_none(), "connection {connection} is in use");
        Ok(Some(SocketAddr::from(([127, 0, 0, 1], 40000))))
    }

    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize> {
        self.wire(connection)?.read(buffer)
    }

    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize> {
        self.wire(connection)?.write(bytes)
    }

    fn finish(&mut self, connection: u32) {
        if let Some(wire) = self.wires.get(&connection) {
            let mut wire = wire.lock();
            wire.broker_closed = true;
            // A client that reads the end closes too.
            wire.client_ended = true;
            wire.readable = true;
        }
    }

    fn close(&mut self, connection: u32) {
        if let Some(wire) = self.wires.remove(&connection) {
            wire.lock().broker_closed = true;
        }
    }

    fn detach(&mut self, connection: u32) -> Option<Detached> {
        Some(Detached(Box::new(Passing(self.wires.remove(&connection)))))
    }

    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()> {
        let mut passing = *socket.0.downcast::<Passing>().map_err(|_| io::ErrorKind::InvalidInput)?;
        let wire = passing.0.take().ok_or(io::ErrorKind::InvalidInput)?;
        wire.lock().watch();
        assert!(self.wires.insert(connection, wire).is_none(), "connection {connection} is in use");
        Ok(())
    }
}
