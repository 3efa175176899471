//! Connections in memory: bytes in both directions, and readiness told at its edges.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use colibri_broker::shard::{Detached, Ready, Sockets};

/// How many bytes fit one direction of a connection unless a test says otherwise.
pub(crate) const CAPACITY: usize = 256 << 10;

/// One connection, seen from the network.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) to_broker: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// How many bytes fit on the way to the client.
    pub(crate) capacity: usize,
    /// How many bytes one read of the broker gets at most.
    pub(crate) fragment: usize,
    /// The client sends nothing more.
    pub(crate) client_ended: bool,
    /// The network has lost the connection.
    pub(crate) broken: bool,
    /// Writes fail although nothing has told the broker that the connection is lost.
    pub(crate) writes_fail: bool,
    pub(crate) broker_closed: bool,
    readable: bool,
    writable: bool,
    full: bool,
}

/// A connection that both ends hold on to.
pub(crate) type Shared = Arc<Mutex<Wire>>;

pub(crate) fn lock(wire: &Shared) -> MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    pub(crate) fn shared(capacity: usize, fragment: usize) -> Shared {
        Arc::new(Mutex::new(Self {
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
        }))
    }

    /// The client sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_broker.extend(bytes);
        self.readable = true;
    }

    /// The client sends no more, and reads no more.
    pub(crate) fn end(&mut self) {
        self.client_ended = true;
        self.readable = true;
    }

    /// The network loses the connection, with all that is on it.
    pub(crate) fn cut(&mut self) {
        self.broken = true;
        self.to_broker.clear();
        self.to_client.clear();
        self.readable = true;
        self.writable = true;
    }

    /// The client takes what has come, up to a number of bytes.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let count = most.min(self.to_client.len());
        let taken = self.to_client.drain(..count).collect();
        if self.full && self.to_client.len() < self.capacity {
            self.full = false;
            self.writable = true;
        }
        taken
    }

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

/// The sockets of one shard.
#[derive(Default)]
pub(crate) struct Net {
    waiting: VecDeque<Shared>,
    listening: bool,
    wires: HashMap<u32, Shared>,
}

impl Net {
    /// A client knocks.
    pub(crate) fn knock(&mut self, wire: Shared) {
        self.waiting.push_back(wire);
        self.listening = true;
    }

    pub(crate) fn has_news(&self) -> bool {
        self.listening || self.wires.values().any(|wire| lock(wire).has_news())
    }

    /// What has become ready since the last call, in the order of the connections' numbers.
    pub(crate) fn news(&mut self) -> Vec<Ready> {
        let mut ready = Vec::new();
        if std::mem::take(&mut self.listening) {
            ready.push(Ready::Listener(0));
        }
        let mut numbers: Vec<u32> = self.wires.keys().copied().collect();
        numbers.sort_unstable();
        for connection in numbers {
            let mut wire = lock(&self.wires[&connection]);
            if wire.has_news() {
                let readable = std::mem::take(&mut wire.readable);
                let writable = std::mem::take(&mut wire.writable);
                let ended = readable && (wire.client_ended || wire.broken);
                ready.push(Ready::Connection { connection, readable, writable, ended });
            }
        }
        ready
    }

    pub(crate) fn open(&self) -> usize {
        self.wires.len()
    }

    fn wire(&self, connection: u32) -> io::Result<MutexGuard<'_, Wire>> {
        self.wires.get(&connection).map(lock).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Wire {
    fn has_news(&self) -> bool {
        self.readable || self.writable
    }
}

impl Sockets for Net {
    fn accept(&mut self, _: usize, connection: u32) -> io::Result<Option<SocketAddr>> {
        let Some(wire) = self.waiting.pop_front() else { return Ok(None) };
        lock(&wire).watch();
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
            let mut wire = lock(wire);
            wire.broker_closed = true;
            // A client that reads the end closes too.
            wire.client_ended = true;
            wire.readable = true;
        }
    }

    fn close(&mut self, connection: u32) {
        if let Some(wire) = self.wires.remove(&connection) {
            lock(&wire).broker_closed = true;
        }
    }

    fn detach(&mut self, connection: u32) -> Option<Detached> {
        Some(Detached(Box::new(self.wires.remove(&connection)?)))
    }

    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()> {
        let wire = *socket.0.downcast::<Shared>().map_err(|_| io::ErrorKind::InvalidInput)?;
        lock(&wire).watch();
        assert!(self.wires.insert(connection, wire).is_none(), "connection {connection} is in use");
        Ok(())
    }
}
