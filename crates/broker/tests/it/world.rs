//! A broker in memory: all shards on one thread, a clock that stands until a test moves it, and an order
//! of turns that a seed decides.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use colibri_broker::shard::{Detached, Next, Shard, Sockets};
use colibri_broker::{Config, Metrics, Stopper};
use colibri_codec::Version;
use colibri_protocol::Time;

use crate::hello::Hello;
use crate::peer::Peer;
use crate::wire::{CAPACITY, Net, Shared, Wire};

/// More turns than any test needs before all is quiet.
const TURNS_MAX: usize = 4_000_000;

/// The world, which every client in it holds on to.
#[derive(Clone)]
pub(crate) struct World(Rc<RefCell<Inner>>);

struct Inner {
    shards: Vec<Place>,
    stopper: Stopper,
    now: u64,
    random: Random,
    /// How many bytes a read of the broker gets at most; 0 lets the seed decide anew each time.
    fragment: usize,
    capacity: usize,
    /// How many turns are under way, one within the other.
    depth: usize,
}

/// Sockets that let other shards have turns within the turn of this one, as threads would.
struct Interleaved<'a> {
    net: &'a mut Net,
    others: &'a mut Inner,
}

impl Interleaved<'_> {
    fn pause(&mut self) {
        while self.others.depth < 3 && self.others.random.below(3) == 0 && self.others.turn() {}
    }
}

impl Sockets for Interleaved<'_> {
    fn accept(&mut self, listener: usize, connection: u32) -> io::Result<Option<SocketAddr>> {
        self.net.accept(listener, connection)
    }

    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize> {
        self.pause();
        let result = self.net.read(connection, buffer);
        self.pause();
        result
    }

    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize> {
        self.pause();
        self.net.write(connection, bytes)
    }

    fn finish(&mut self, connection: u32) {
        self.net.finish(connection);
    }

    fn close(&mut self, connection: u32) {
        self.net.close(connection);
    }

    fn detach(&mut self, connection: u32) -> Option<Detached> {
        self.net.detach(connection)
    }

    fn adopt(&mut self, connection: u32, socket: Detached) -> io::Result<()> {
        self.net.adopt(connection, socket)
    }
}

#[derive(Default)]
struct Place {
    shard: Option<Shard>,
    net: Net,
    woken: Arc<AtomicBool>,
    due: Option<u64>,
}

/// Numbers from a seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x5DEE_CE66_D123_4567)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// The settings that tests begin with: repeatable, and without `$SYS` traffic.
pub(crate) fn config(shards: usize) -> Config {
    Config { shards, seed: 7, sys_interval: Duration::ZERO, ..Config::default() }
}

/// What a test says about one that it wants changed.
pub(crate) fn configured(shards: usize, change: impl FnOnce(&mut Config)) -> World {
    let mut config = config(shards);
    change(&mut config);
    World::with(config, 1)
}

impl World {
    /// So many shards, and the first order of turns.
    pub(crate) fn new(shards: usize) -> Self {
        Self::with(config(shards), 1)
    }

    /// So many shards, in the order of turns that `seed` decides.
    pub(crate) fn seeded(shards: usize, seed: u64) -> Self {
        Self::with(config(shards), seed)
    }

    pub(crate) fn with(config: Config, seed: u64) -> Self {
        let woken: Vec<_> = (0..config.shards).map(|_| Arc::new(AtomicBool::new(true))).collect();
        let wakes = woken.iter().map(|woken| {
            let woken = Arc::clone(woken);
            Box::new(move || woken.store(true, Ordering::SeqCst)) as Box<dyn Fn() + Send + Sync>
        });
        let (shards, stopper) = Shard::all(&Arc::new(config), wakes.collect(), Time::default());
        let places = shards.into_iter().zip(woken).map(|(shard, woken)| Place {
            shard: Some(shard),
            net: Net::default(),
            woken,
            due: None,
        });
        Self(Rc::new(RefCell::new(Inner {
            shards: places.collect(),
            stopper,
            now: 0,
            random: Random::new(seed),
            fragment: usize::MAX,
            capacity: CAPACITY,
            depth: 0,
        })))
    }

    /// From here on `seed` decides the order of turns.
    pub(crate) fn reseed(&self, seed: u64) {
        self.0.borrow_mut().random = Random::new(seed);
    }

    /// From here on connections give the broker so many bytes per read.
    pub(crate) fn fragment(&self, bytes: usize) {
        self.0.borrow_mut().fragment = bytes;
    }

    /// From here on connections hold so many bytes on the way to the client.
    pub(crate) fn capacity(&self, bytes: usize) {
        self.0.borrow_mut().capacity = bytes;
    }

    /// A connection on which nothing has been sent.
    pub(crate) fn open(&self, version: Version) -> Peer {
        let wire = {
            let mut inner = self.0.borrow_mut();
            let wire: Shared = Wire::shared(inner.capacity, inner.fragment);
            inner.shards[0].net.knock(Arc::clone(&wire));
            wire
        };
        Peer::new(self.clone(), wire, version)
    }

    /// A connection on which CONNECT has been sent.
    pub(crate) fn dial(&self, hello: &Hello) -> Peer {
        let peer = self.open(hello.version);
        peer.send_bytes(&hello.encode());
        peer
    }

    /// A client that is connected.
    pub(crate) fn join(&self, hello: &Hello) -> Peer {
        let peer = self.dial(hello);
        peer.expect_accepted();
        peer
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.0.borrow().now
    }

    /// One turn of one shard, if one has something to do.
    pub(crate) fn turn(&self) -> bool {
        self.0.borrow_mut().turn()
    }

    /// Up to so many turns.
    pub(crate) fn turns(&self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// Until nothing is left to do at this time.
    pub(crate) fn run(&self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("the broker does not come to rest");
    }

    /// Lets the time pass, with all that falls due on the way.
    pub(crate) fn advance(&self, seconds: u64) {
        self.advance_millis(seconds * 1000);
    }

    pub(crate) fn advance_millis(&self, millis: u64) {
        self.run();
        let end = self.now() + millis;
        loop {
            let due = self.0.borrow().next_due().filter(|due| *due <= end);
            self.0.borrow_mut().now = due.unwrap_or(end);
            self.run();
            if due.is_none() {
                return;
            }
        }
    }

    /// Tells the broker to stop.
    pub(crate) fn stop(&self) {
        self.0.borrow().stopper.stop();
    }

    /// Whether all shards have stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.borrow().shards.iter().all(|place| place.shard.is_none())
    }

    /// How many connections the shards have, and how many sockets.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let inner = self.0.borrow();
        let connections =
            inner.shards.iter().filter_map(|place| place.shard.as_ref()).map(Shard::connections);
        (connections.sum(), inner.shards.iter().map(|place| place.net.open()).sum())
    }

    /// What the shards have counted.
    pub(crate) fn metrics(&self) -> Metrics {
        let inner = self.0.borrow();
        let mut sum = Metrics::default();
        inner.shards.iter().filter_map(|place| place.shard.as_ref()).for_each(|shard| sum += shard.metrics());
        sum
    }

    /// How many timers the shards have set.
    pub(crate) fn timers(&self) -> usize {
        let inner = self.0.borrow();
        inner.shards.iter().filter_map(|place| place.shard.as_ref()).map(Shard::timers).sum()
    }
}

impl Inner {
    fn turn(&mut self) -> bool {
        let busy: Vec<usize> = (0..self.shards.len()).filter(|index| self.is_busy(*index)).collect();
        if busy.is_empty() {
            return false;
        }
        let chosen = busy[self.random.below(busy.len())];
        self.depth += 1;
        let mut place = std::mem::take(&mut self.shards[chosen]);
        place.woken.store(false, Ordering::SeqCst);
        let ready = place.net.news();
        let now = self.now;
        if let Some(shard) = &mut place.shard {
            let mut sockets = Interleaved { net: &mut place.net, others: self };
            match shard.step(Time::from_millis(now), &ready, &mut sockets) {
                Next::Wait(timeout) => {
                    place.due = timeout.map(|timeout| now + u64::try_from(timeout.as_millis()).unwrap());
                }
                Next::Stopped => place.shard = None,
            }
        }
        self.shards[chosen] = place;
        self.depth -= 1;
        true
    }

    fn is_busy(&self, index: usize) -> bool {
        let place = &self.shards[index];
        let due = place.due.is_some_and(|due| due <= self.now);
        place.shard.is_some() && (due || place.woken.load(Ordering::SeqCst) || place.net.has_news())
    }

    fn next_due(&self) -> Option<u64> {
        let running = self.shards.iter().filter(|place| place.shard.is_some());
        running.filter_map(|place| place.due).min()
    }
}
