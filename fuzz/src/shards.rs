//! The shards of a broker on one thread, over connections in memory, turn by turn.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use colibri_broker::shard::{Detached, Next, Ready, Shard, Sockets};
use colibri_broker::{Config, Metrics, Stopper};
use colibri_protocol::Time;

/// More turns than any input needs before all is quiet.
const TURNS_MAX: usize = 200_000;

/// One connection, seen from the network.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) to_broker: VecDeque<u8>,
    pub(crate) to_client: VecDeque<u8>,
    /// The client sends nothing more.
    pub(crate) ended: bool,
    /// The network has lost the connection.
    pub(crate) broken: bool,
    pub(crate) closed_by_broker: bool,
    /// Nothing more fit when the broker closed: its client did not read for too long.
    pub(crate) stalled: bool,
    /// How many bytes fit on the way to the client.
    pub(crate) capacity: usize,
    /// How many bytes one read gets at most.
    pub(crate) fragment: usize,
    readable: bool,
    writable: bool,
    full: bool,
}

impl Wire {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.to_broker.extend(bytes);
        self.readable = true;
    }

    pub(crate) const fn end(&mut self) {
        self.ended = true;
        self.readable = true;
    }

    pub(crate) fn cut(&mut self) {
        self.broken = true;
        self.to_broker.clear();
        self.readable = true;
        self.writable = true;
    }

    /// The client takes what has come, up to a number of bytes.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let taken = self.to_client.drain(..most.min(self.to_client.len())).collect();
        if self.full && self.to_client.len() < self.capacity {
            self.full = false;
            self.writable = true;
        }
        taken
    }

    const fn has_news(&self) -> bool {
        self.readable || self.writable
    }
}

/// The sockets of one shard, as long as it has its turn. A socket is the number of its wire.
struct Port<'a> {
    wires: &'a mut [Wire],
    own: &'a mut BTreeMap<u32, usize>,
    waiting: &'a mut VecDeque<usize>,
}

impl Port<'_> {
    fn wire(&mut self, connection: u32) -> io::Result<&mut Wire> {
        let number = *self.own.get(&connection).ok_or(io::ErrorKind::NotConnected)?;
        Ok(&mut self.wires[number])
    }

    fn watch(&mut self, connection: u32, number: usize) {
        let wire = &mut self.wires[number];
        wire.readable = !wire.to_broker.is_empty() || wire.ended || wire.broken;
        wire.writable = true;
        assert!(self.own.insert(connection, number).is_none(), "connection {connection} is in use");
    }
}

impl Sockets for Port<'_> {
    fn accept(&mut self, _: usize, connection: u32) -> io::Result<Option<SocketAddr>> {
        let Some(number) = self.waiting.pop_front() else { return Ok(None) };
        self.watch(connection, number);
        Ok(Some(SocketAddr::from(([127, 0, 0, 1], 40_000))))
    }

    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = self.wire(connection)?;
        if wire.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = buffer.len().min(wire.to_broker.len()).min(wire.fragment);
        if count == 0 && !wire.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer.iter_mut().zip(wire.to_broker.drain(..count)).for_each(|(place, byte)| *place = byte);
        wire.readable |= count > 0 && !wire.to_broker.is_empty();
        Ok(count)
    }

    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize> {
        let wire = self.wire(connection)?;
        assert!(!wire.closed_by_broker, "written after the end");
        if wire.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let count = bytes.len().min(wire.capacity.saturating_sub(wire.to_client.len()));
        wire.full |= count < bytes.len();
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.to_client.extend(&bytes[..count]);
        Ok(count)
    }

    fn finish(&mut self, connection: u32) {
        if let Ok(wire) = self.wire(connection) {
            wire.closed_by_broker = true;
            // A client that reads the end closes too.
            wire.end();
        }
    }

    fn close(&mut self, connection: u32) {
        if let Some(number) = self.own.remove(&connection) {
            let wire = &mut self.wires[number];
            wire.closed_by_broker = true;
            wire.stalled = wire.full;
        }
    }

    fn detach(&mut self, connection: u32) -> Option<Detached> {
        Some(Detached(Box::new(self.own.remove(&connection)?)))
    }

    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()> {
        let number = socket.0.downcast::<usize>().map_err(|_| io::ErrorKind::InvalidInput)?;
        self.watch(connection, *number);
        Ok(())
    }
}

/// One shard, what belongs to it, and when it wants its next turn.
struct Place {
    /// `None` once it has stopped.
    shard: Option<Shard>,
    own: BTreeMap<u32, usize>,
    woken: Arc<AtomicBool>,
    due: Option<u64>,
}

/// All shards, and the network around them.
pub(crate) struct World {
    places: Vec<Place>,
    pub(crate) wires: Vec<Wire>,
    waiting: VecDeque<usize>,
    knocked: bool,
    stopper: Stopper,
    pub(crate) now: u64,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let woken: Vec<_> = (0..config.shards).map(|_| Arc::new(AtomicBool::new(true))).collect();
        let wakes = woken.iter().map(|woken| {
            let woken = Arc::clone(woken);
            Box::new(move || woken.store(true, Ordering::SeqCst)) as Box<dyn Fn() + Send + Sync>
        });
        let (shards, stopper) = Shard::all(&Arc::new(config), wakes.collect(), Time::default());
        let place = |(shard, woken)| Place { shard: Some(shard), own: BTreeMap::new(), woken, due: None };
        let places = shards.into_iter().zip(woken).map(place).collect();
        Self { places, wires: Vec::new(), waiting: VecDeque::new(), knocked: false, stopper, now: 0 }
    }

    /// A client connects; the number of its wire.
    pub(crate) fn open(&mut self, capacity: usize, fragment: usize) -> usize {
        self.wires.push(Wire { capacity, fragment, ..Wire::default() });
        self.waiting.push_back(self.wires.len() - 1);
        self.knocked = true;
        self.wires.len() - 1
    }

    /// One turn of one of the shards that have something to do, if any have.
    pub(crate) fn turn(&mut self, which: usize) -> bool {
        let busy: Vec<usize> = (0..self.places.len()).filter(|index| self.is_busy(*index)).collect();
        let Some(chosen) = busy.get(which % busy.len().max(1)).copied() else { return false };
        let Self { places, wires, waiting, knocked, now, .. } = self;
        let place = &mut places[chosen];
        place.woken.store(false, Ordering::SeqCst);
        let mut ready = Vec::new();
        if chosen == 0 && std::mem::take(knocked) {
            ready.push(Ready::Listener(0));
        }
        for (connection, number) in &place.own {
            let wire = &mut wires[*number];
            if wire.has_news() {
                let readable = std::mem::take(&mut wire.readable);
                let writable = std::mem::take(&mut wire.writable);
                let ended = readable && (wire.ended || wire.broken);
                ready.push(Ready::Connection { connection: *connection, readable, writable, ended });
            }
        }
        let Some(shard) = &mut place.shard else { return true };
        let mut port = Port { wires, own: &mut place.own, waiting };
        match shard.step(Time::from_millis(*now), &ready, &mut port) {
            Next::Wait(timeout) => {
                place.due = timeout.map(|timeout| *now + u64::try_from(timeout.as_millis()).unwrap());
            }
            Next::Stopped => place.shard = None,
        }
        true
    }

    fn is_busy(&self, index: usize) -> bool {
        let place = &self.places[index];
        let due = place.due.is_some_and(|due| due <= self.now);
        let news = place.own.values().any(|number| self.wires[*number].has_news());
        let woken = place.woken.load(Ordering::SeqCst) || (index == 0 && self.knocked);
        place.shard.is_some() && (due || woken || news)
    }

    /// Until nothing is left to do at this time.
    pub(crate) fn run(&mut self) {
        for turn in 0..TURNS_MAX {
            if !self.turn(turn) {
                return;
            }
        }
        panic!("the broker does not come to rest");
    }

    /// Lets time pass, with all that falls due on the way.
    pub(crate) fn advance(&mut self, millis: u64) {
        self.run();
        let end = self.now + millis;
        loop {
            let running = self.places.iter().filter(|place| place.shard.is_some());
            let due = running.filter_map(|place| place.due).min().filter(|due| *due <= end);
            self.now = due.unwrap_or(end);
            self.run();
            if due.is_none() {
                return;
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.stopper.stop();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.places.iter().all(|place| place.shard.is_none())
    }

    /// How many connections the shards have, and how many sockets.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let shards = self.places.iter().filter_map(|place| place.shard.as_ref());
        (shards.map(Shard::connections).sum(), self.places.iter().map(|place| place.own.len()).sum())
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        self.places.iter().filter_map(|place| place.shard.as_ref()).for_each(|shard| sum += shard.metrics());
        sum
    }
}
