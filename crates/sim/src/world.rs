//! A broker in memory: all shards on one thread, a clock that stands until a test moves it, and an order
//! of turns that a seed decides.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use colibri_broker::shard::{Detached, Holdings, Next, Shard, Sockets};
use colibri_broker::{Config, Metrics, Report, Scribe, Stopper};
use colibri_protocol::Time;
use colibri_storage::faulty::Faulty;

use crate::Random;
use crate::network::{CAPACITY, LISTENERS, Link, Net};

/// More turns than any test needs before all is quiet.
const TURNS_MAX: usize = 4_000_000;

/// The world, which every client in it holds on to.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

struct Inner {
    config: Arc<Config>,
    shards: Vec<Place>,
    stopper: Stopper,
    /// What the shards' state is kept in, if anything is, and who writes there.
    store: Option<Faulty>,
    /// What the wall clock showed when this world began.
    epoch: u64,
    scribe: Option<Writing>,
    now: u64,
    random: Random,
    /// How many bytes a read of the broker gets at most.
    fragment: usize,
    capacity: usize,
    /// How many turns are under way, one within the other.
    depth: usize,
    /// For how many turns nothing is written to the store.
    stalled: usize,
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

/// One shard and what a thread of its own would have.
#[derive(Default)]
struct Place {
    shard: Option<Shard>,
    net: Net,
    woken: Arc<AtomicBool>,
    due: Option<u64>,
}

impl Place {
    /// The shards of one broker that begins at this time, and what stops them.
    fn all(config: &Arc<Config>, now: u64) -> (Vec<Self>, Stopper) {
        let woken: Vec<_> = (0..config.shards).map(|_| Arc::new(AtomicBool::new(true))).collect();
        let wakes = woken.iter().map(|woken| {
            let woken = Arc::clone(woken);
            Box::new(move || woken.store(true, Ordering::SeqCst)) as Box<dyn Fn() + Send + Sync>
        });
        let (shards, stopper) = Shard::all(config, wakes.collect(), Time::from_millis(now));
        let places = shards.into_iter().zip(woken).map(|(shard, woken)| Self {
            shard: Some(shard),
            net: Net::default(),
            woken,
            due: None,
        });
        (places.collect(), stopper)
    }
}

/// The scribe and what a thread of its own would have.
struct Writing {
    scribe: Scribe,
    due: Option<u64>,
}

impl Writing {
    /// Puts what a store holds into shards that have had no turn yet, and begins to write there.
    fn open(places: &mut [Place], store: Faulty, epoch: u64) -> Self {
        let mut shards: Vec<Shard> = places.iter_mut().filter_map(|place| place.shard.take()).collect();
        let report = Box::new(|_: Report<'_>| {});
        let (scribe, _) =
            match Shard::restore_all(&mut shards, Box::new(store), epoch, Box::new(|| {}), report) {
                Ok(opened) => opened,
                Err(error) => unreachable!("the store cannot be read: {error}"),
            };
        for (place, shard) in places.iter_mut().zip(shards) {
            place.shard = Some(shard);
        }
        Self { scribe, due: None }
    }
}

/// What the wall clock shows when a world begins, in milliseconds since 1970.
const EPOCH: u64 = 1_700_000_000_000;

/// The settings that tests begin with: repeatable, and without `$SYS` traffic.
pub fn config(shards: usize) -> Config {
    Config { shards, seed: 7, sys_interval: Duration::ZERO, ..Config::default() }
}

impl World {
    /// So many shards, and the first order of turns.
    pub fn new(shards: usize) -> Self {
        Self::with(config(shards), 1)
    }

    /// So many shards, in the order of turns that `seed` decides.
    pub fn seeded(shards: usize, seed: u64) -> Self {
        Self::with(config(shards), seed)
    }

    /// A broker with these settings, in the order of turns that `seed` decides. There must be a shard.
    pub fn with(config: Config, seed: u64) -> Self {
        let store = std::env::var_os("COLIBRI_TEST_STORE").map(|_| Faulty::new());
        Self::begin(config, seed, store, EPOCH)
    }

    /// The same for a broker that keeps its state in a store, and begins with what is there.
    pub fn with_store(config: Config, seed: u64, store: Faulty) -> Self {
        Self::begin(config, seed, Some(store), EPOCH)
    }

    /// The same, so many milliseconds of the wall clock after other worlds begin.
    pub fn later(config: Config, seed: u64, store: Faulty, millis: u64) -> Self {
        Self::begin(config, seed, Some(store), EPOCH + millis)
    }

    fn begin(config: Config, seed: u64, store: Option<Faulty>, epoch: u64) -> Self {
        let config = Arc::new(config);
        let (mut shards, stopper) = Place::all(&config, 0);
        let scribe = store.clone().map(|store| Writing::open(&mut shards, store, epoch));
        Self(Rc::new(RefCell::new(Inner {
            config,
            shards,
            stopper,
            store,
            epoch,
            scribe,
            now: 0,
            random: Random::new(seed),
            fragment: usize::MAX,
            capacity: CAPACITY,
            depth: 0,
            stalled: 0,
        })))
    }

    /// From here on `seed` decides the order of turns.
    pub fn reseed(&self, seed: u64) {
        self.0.borrow_mut().random = Random::new(seed);
    }

    /// From here on new connections give the broker at most so many bytes per read, 1 or more.
    pub fn fragment(&self, bytes: usize) {
        self.0.borrow_mut().fragment = bytes;
    }

    /// From here on new connections hold so many bytes on the way to the client.
    pub fn capacity(&self, bytes: usize) {
        self.0.borrow_mut().capacity = bytes;
    }

    /// A connection on which nothing has been sent. Shard 0 has the listener.
    pub fn connect(&self) -> Link {
        self.connect_to(0)
    }

    /// The same to one of two listeners. What knocks at the second waits for ever if the settings have but one.
    pub fn connect_to(&self, listener: usize) -> Link {
        let mut inner = self.0.borrow_mut();
        let link = Link::new(inner.capacity, inner.fragment);
        inner.shards[0].net.knock(listener.min(LISTENERS - 1), link.clone());
        link
    }

    /// Milliseconds since the start.
    pub fn now(&self) -> u64 {
        self.0.borrow().now
    }

    /// One turn of one shard, if one has something to do.
    pub fn turn(&self) -> bool {
        self.0.borrow_mut().turn()
    }

    /// Up to so many turns.
    pub fn turns(&self, count: usize) {
        for _ in 0..count {
            self.turn();
        }
    }

    /// Until nothing is left to do at this time.
    pub fn run(&self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return;
            }
        }
        unreachable!("the broker does not come to rest");
    }

    /// Lets the time pass, with all that falls due on the way.
    pub fn advance(&self, seconds: u64) {
        self.advance_millis(seconds * 1000);
    }

    /// As [`World::advance`], in milliseconds.
    pub fn advance_millis(&self, millis: u64) {
        self.run();
        let end = self.now() + millis;
        while self.pass(end) {}
    }

    /// Lets the time pass until something falls due or `end` comes, in milliseconds since the start, and
    /// then all be done that is to be done at that time. Whether `end` is still to come.
    pub fn pass(&self, end: u64) -> bool {
        let due = {
            let mut inner = self.0.borrow_mut();
            let due = inner.next_due().filter(|due| *due <= end);
            inner.now = due.unwrap_or(end).max(inner.now);
            due
        };
        self.run();
        due.is_some()
    }

    /// The process gets no turn for so many milliseconds, and whatever falls due meanwhile is late.
    pub fn suspend(&self, millis: u64) {
        self.0.borrow_mut().now += millis;
    }

    /// The wall clock is set to another time, which a broker that is started from here on finds.
    pub fn set_clock(&self, millis: i64) {
        let mut inner = self.0.borrow_mut();
        inner.epoch = inner.epoch.saturating_add_signed(millis);
    }

    /// The process dies: the shards are gone in the middle of what they did, with all that they had in
    /// memory, and all connections are lost. Nothing has a turn until [`World::start`].
    pub fn kill(&self) {
        let mut inner = self.0.borrow_mut();
        for place in &mut inner.shards {
            place.shard = None;
            place.due = None;
            place.net.break_all();
        }
        inner.scribe = None;
        inner.stalled = 0;
        inner.store = inner.store.take().map(|store| store.kill());
    }

    /// The power fails: as [`World::kill`], and the disk has what was synced and as much of the rest as `seed`
    /// says.
    pub fn lose_power(&self, seed: u64) {
        let crashed = self.0.borrow_mut().store.take().map(|store| store.crash(seed));
        self.kill();
        self.0.borrow_mut().store = crashed;
    }

    /// The store that the broker keeps its state in, if it has one, to plan faults for it.
    pub fn store(&self) -> Option<Faulty> {
        self.0.borrow().store.clone()
    }

    /// The disk is slow: nothing is written for so many turns of the shards, or tries of one. Until then the
    /// world may be at rest with something to write; 0 ends it.
    pub fn stall_store(&self, turns: usize) {
        self.0.borrow_mut().stalled = turns;
    }

    /// Whether the disk is slow at the moment.
    pub fn is_stalled(&self) -> bool {
        self.0.borrow().stalled > 0
    }

    /// A new process: the shards of a broker with the same settings begin at the present time, in place of
    /// those that were there.
    pub fn start(&self) {
        self.kill();
        let mut inner = self.0.borrow_mut();
        let (mut shards, stopper) = Place::all(&inner.config, inner.now);
        let epoch = inner.epoch;
        inner.scribe = inner.store.clone().map(|store| Writing::open(&mut shards, store, epoch));
        inner.shards = shards;
        inner.stopper = stopper;
    }

    /// Tells the broker to stop.
    pub fn stop(&self) {
        self.0.borrow().stopper.stop();
    }

    /// Whether all shards have stopped.
    pub fn is_stopped(&self) -> bool {
        self.0.borrow().shards.iter().all(|place| place.shard.is_none())
    }

    /// How many connections the shards have, and how many sockets.
    pub fn connections(&self) -> (usize, usize) {
        let inner = self.0.borrow();
        let connections =
            inner.shards.iter().filter_map(|place| place.shard.as_ref()).map(Shard::connections);
        (connections.sum(), inner.shards.iter().map(|place| place.net.open()).sum())
    }

    /// What the shards have counted.
    pub fn metrics(&self) -> Metrics {
        let inner = self.0.borrow();
        let mut sum = Metrics::default();
        inner.shards.iter().filter_map(|place| place.shard.as_ref()).for_each(|shard| sum += shard.metrics());
        sum
    }

    /// The most that any shard holds for one client or session, and for the store.
    pub fn holdings(&self) -> Holdings {
        let inner = self.0.borrow();
        let all = inner.shards.iter().filter_map(|place| place.shard.as_ref()).map(Shard::holdings);
        all.fold(Holdings::default(), |most, one| Holdings {
            output: most.output.max(one.output),
            gate: most.gate.max(one.gate),
            unread: most.unread.max(one.unread),
            waiting: most.waiting.max(one.waiting),
            waiting_bytes: most.waiting_bytes.max(one.waiting_bytes),
            in_flight: most.in_flight.max(one.in_flight),
            open_tickets: most.open_tickets.max(one.open_tickets),
            open_bytes: most.open_bytes.max(one.open_bytes),
        })
    }

    /// How many timers the shards have set.
    pub fn timers(&self) -> usize {
        let inner = self.0.borrow();
        inner.shards.iter().filter_map(|place| place.shard.as_ref()).map(Shard::timers).sum()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Inner {
    fn turn(&mut self) -> bool {
        self.stalled = self.stalled.saturating_sub(1);
        let mut busy: Vec<usize> = (0..self.shards.len()).filter(|index| self.is_busy(*index)).collect();
        if self.stalled == 0 && self.scribe.as_ref().is_some_and(|writing| self.has_to_write(writing)) {
            busy.push(self.shards.len());
        }
        if busy.is_empty() {
            return false;
        }
        let chosen = busy[self.random.below(busy.len())];
        if chosen == self.shards.len() {
            self.write();
            return true;
        }
        self.depth += 1;
        let mut place = std::mem::take(&mut self.shards[chosen]);
        place.woken.store(false, Ordering::SeqCst);
        let ready = place.net.news();
        let now = self.now;
        if let Some(shard) = &mut place.shard {
            let mut sockets = Interleaved { net: &mut place.net, others: self };
            match shard.step(Time::from_millis(now), &ready, &mut sockets) {
                Next::Wait(timeout) => {
                    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                    place.due = timeout.map(|timeout| now.saturating_add(millis(timeout)));
                }
                Next::Stopped => place.shard = None,
            }
        }
        self.shards[chosen] = place;
        self.depth -= 1;
        true
    }

    fn has_to_write(&self, writing: &Writing) -> bool {
        writing.scribe.has_work() || writing.due.is_some_and(|due| due <= self.now)
    }

    fn write(&mut self) {
        let Some(writing) = &mut self.scribe else { return };
        let due = writing.scribe.turn(Time::from_millis(self.now));
        writing.due =
            due.map(|time| self.now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
    }

    fn is_busy(&self, index: usize) -> bool {
        let place = &self.shards[index];
        let due = place.due.is_some_and(|due| due <= self.now);
        place.shard.is_some() && (due || place.woken.load(Ordering::SeqCst) || place.net.has_news())
    }

    fn next_due(&self) -> Option<u64> {
        let running = self.shards.iter().filter(|place| place.shard.is_some());
        let writing = self.scribe.as_ref().filter(|_| self.stalled == 0).and_then(|writing| writing.due);
        running.filter_map(|place| place.due).chain(writing).min()
    }
}
