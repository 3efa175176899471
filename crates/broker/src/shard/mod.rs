//! One shard: its connections, sessions and subscription tree, and the turn of its loop.
//!
//! A turn ([`Shard::step`]) is: take in what other shards sent; read each ready socket once, and for each
//! packet step the protocol, route, and append to the receivers' output; do what is due; hand over what
//! the turn has for other shards; write each touched connection once. A store, when there is one, gets
//! what the turn must make durable before the last two, and the acknowledgements that depend on it are
//! held back in the protocol until it has answered.
//!
//! Nothing here reads a clock or names an operating system: time and sockets are handed in.

mod admission;
mod asking;
mod authenticating;
pub(crate) mod connections;
mod cooling;
mod events;
mod found;
pub(crate) mod gate;
mod holdings;
pub(crate) mod inbox;
pub(crate) mod journal;
mod leaving;
mod output;
pub(crate) mod parcel;
mod poller;
mod random;
mod reading;
mod recording;
mod restoring;
mod rows;
mod run;
mod socket;
mod spilling;
mod subscriptions;
pub(crate) mod timers;

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use colibri_codec::{Frame, Packet, Version};
use colibri_protocol::Time;
use colibri_topics::SubscriptionTree;

use crate::config::Config;
use crate::handle::Stopper;
use crate::metrics::Metrics;
use crate::placement::Placement;
use crate::route::retained::Retained;
use crate::route::{Routing, interest::Interests};
use crate::sessions::Sessions;
use crate::subscriber::{Options, Subscriber};
use crate::sys_topics::SysTopics;
use crate::totals::{Queued, Totals};
use connections::Connections;
use cooling::Warm;
use inbox::{Inbox, Links, Operation};
use journal::Journal;
use output::Spare;
use random::Random;
use timers::{Timer, Timers};

pub use holdings::Holdings;
pub use poller::{Poller, Wake};
pub use restoring::Restored;
pub use socket::{Detached, Ready, Sockets};

/// The one buffer that all sockets of a shard are read into, in bytes. Chosen so that a read takes all
/// that a socket has by default, and that the buffer stays in the processor's second cache.
pub(crate) const READ_BUFFER_SIZE: usize = 256 << 10;
/// How many connections are accepted per turn, so that a storm of new ones does not stop the others.
const ACCEPTS_PER_TURN: usize = 64;
/// How long a shard waits before it looks again whether one that was behind has caught up.
const LINKS_FULL_RETRY: Duration = Duration::from_millis(1);
/// How long a listener rests when the system has no connection to give, for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Output that a client leaves unread beyond this multiple of the budget stops the reading from it.
const PAUSE_FACTOR: usize = 4;

/// One shard of a broker.
pub struct Shard {
    pub(crate) number: u8,
    pub(crate) config: Arc<Config>,
    pub(crate) now: Time,
    pub(crate) started: Time,
    pub(crate) connections: Connections,
    pub(crate) sessions: Sessions,
    pub(crate) tree: SubscriptionTree<Subscriber, Options>,
    pub(crate) interests: Interests,
    pub(crate) retained: Retained,
    pub(crate) timers: Timers,
    pub(crate) links: Links,
    pub(crate) queued: Queued,
    pub(crate) metrics: Metrics,
    pub(crate) sys_topics: SysTopics,
    pub(crate) routing: Routing,
    pub(crate) placement: Placement,
    pub(crate) random: Random,
    pub(crate) journal: Journal,
    /// Whether timers may have been due before the first turn, so that nobody is served before they are.
    pub(crate) overdue: bool,
    /// What is added to this shard's clock to get milliseconds since 1970.
    pub(crate) epoch: u64,
    read_buffer: Vec<u8>,
    /// What the protocol answers before it is known whether that has to wait for the store.
    pub(crate) answer: Vec<u8>,
    /// The properties of the message that is dealt with, where not all of them are passed on.
    passed_on: Vec<u8>,
    pub(crate) spare: Spare,
    /// Connections that are or were busy.
    pub(crate) warm: Warm,
    /// Connections to flush at the end of the turn.
    touched: Vec<u32>,
    /// Connections to flush before more is read.
    overfull: Vec<u32>,
    /// Connections that may have more to read.
    more: Vec<u32>,
    /// Connections to end because they cannot take more, with their births.
    pub(crate) given_up: Vec<(u32, u32)>,
    /// Connections of other shards that came in this turn, and their births.
    adopted: Vec<(u32, u32)>,
    /// Listeners that may have more connections waiting.
    pub(crate) accepting: Vec<usize>,
    /// Whether the broker is stopping, so that lost connections say nothing about their clients.
    pub(crate) stopping: bool,
    stop_at: Option<Time>,
}

/// What the loop around a shard is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call again when something is ready, or after this time; `None` is for ever.
    Wait(Option<Duration>),
    /// The shard has stopped.
    Stopped,
}

impl Shard {
    /// The shards of one broker, which know each other; and what stops them. `wakes` has for each shard
    /// what ends its wait when another has something for it.
    ///
    /// [`Broker`](crate::Broker) runs each on a thread of its own; a simulation may run all on one.
    pub fn all(
        config: &Arc<Config>,
        wakes: Vec<Box<dyn Fn() + Send + Sync>>,
        now: Time,
    ) -> (Vec<Self>, Stopper) {
        let inboxes: Vec<Arc<Inbox>> = wakes.into_iter().map(|wake| Arc::new(Inbox::new(wake))).collect();
        let crowded = Arc::new(AtomicU64::new(0));
        let totals = Arc::new(Totals::default());
        let links = (0u8..)
            .zip(&inboxes)
            .map(|(number, _)| (number, Links::new(number, inboxes.clone(), Arc::clone(&crowded))));
        let shards = links.map(|(number, links)| {
            let queued = Queued::new(Arc::clone(&totals), config);
            Self::new(number, Arc::clone(config), links, queued, now)
        });
        let shards = shards.collect();
        (shards, Stopper::new(inboxes))
    }

    fn new(number: u8, config: Arc<Config>, links: Links, queued: Queued, now: Time) -> Self {
        let seed = config.seed;
        let shards = links.count();
        let mut shard = Self {
            number,
            now,
            started: now,
            connections: Connections::default(),
            sessions: Sessions::new(seed),
            tree: SubscriptionTree::new(seed),
            interests: Interests::new(seed),
            retained: Retained::new(seed, shards),
            timers: Timers::default(),
            links,
            queued,
            metrics: Metrics::default(),
            sys_topics: SysTopics::new(shards),
            placement: Placement::new(seed, shards),
            routing: Routing::default(),
            random: Random::new(seed ^ u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            journal: Journal::default(),
            epoch: 0,
            overdue: false,
            answer: Vec::new(),
            passed_on: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_SIZE],
            spare: Spare::default(),
            warm: Warm::default(),
            touched: Vec::new(),
            overfull: Vec::new(),
            more: Vec::new(),
            adopted: Vec::new(),
            given_up: Vec::new(),
            accepting: Vec::new(),
            stopping: false,
            stop_at: None,
            config,
        };
        if number == 0 && !shard.config.sys_interval.is_zero() {
            shard.timers.set(now, Timer::SysTopics);
        }
        shard
    }

    /// One turn: `ready` has what has become ready since the last one.
    pub fn step(&mut self, now: Time, ready: &[Ready], sockets: &mut dyn Sockets) -> Next {
        self.now = now;
        self.look_at_totals();
        let adopted = mem::take(&mut self.adopted);
        self.take_inbox(sockets);
        if mem::take(&mut self.overdue) {
            while let Some(timer) = self.timers.pop_due(now) {
                self.on_timer(timer);
            }
        }
        self.look_for_stop(sockets);
        for event in ready {
            match *event {
                Ready::Listener(listener) => self.accepting.push(listener),
                Ready::Connection { connection, readable, writable, ended } => {
                    if writable {
                        self.on_writable(connection);
                    }
                    if ended && let Some(client) = self.connections.get_mut(connection) {
                        client.flags.ended = true;
                    }
                    if readable || ended {
                        self.read_again(connection);
                    }
                }
            }
        }
        // Who comes now is not served any more.
        if !self.stopping {
            self.accept(sockets);
        }
        if !self.is_held_up() {
            self.read_all(sockets);
            for (connection, birth) in adopted {
                self.begin_adopted(connection, birth, sockets);
            }
        } else {
            self.adopted.extend(adopted);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            self.on_timer(timer);
        }
        self.end_given_up();
        self.tidy_timers();
        self.hand_in_turn();
        self.flush_touched(sockets);
        if self.journal.has_changes() {
            // What waited has been sent, and some of it must not leave before the store knows.
            self.hand_in_turn();
        }
        self.tell_totals();
        self.links.set_behind(self.journal.is_behind());
        self.next()
    }

    /// Reads all connections that may have something, until there is too much for the store.
    fn read_all(&mut self, sockets: &mut dyn Sockets) {
        let mut connections = mem::take(&mut self.more);
        let mut read = 0;
        for &connection in &connections {
            self.read(connection, sockets);
            self.flush_overfull(sockets);
            if self.links.has_work_for_idle() {
                self.hand_in_turn();
            }
            read += 1;
            if self.journal.is_behind() {
                break;
            }
        }
        // Those that were not read come first the next time.
        connections.drain(..read);
        connections.append(&mut self.more);
        self.more = connections;
    }

    /// Hands over what there is for the store and for other shards. It comes before anything is written to
    /// a client, so that no client can know what a shard does not.
    pub(crate) fn hand_in_turn(&mut self) {
        let (ticket, partners) = self.journal.submit();
        for shard in (0..self.links.count()).filter(|shard| partners >> shard & 1 != 0) {
            self.links.send(shard, Operation::Joint { ticket });
        }
        self.links.flush();
        self.open_gates();
    }

    /// Whether another shard or the store is so far behind that this one should not read on.
    pub(crate) fn is_held_up(&self) -> bool {
        self.links.are_full() || self.journal.is_behind()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What this shard has counted, as the `$SYS` topics have it of all.
    pub fn metrics(&self) -> Metrics {
        debug_assert_eq!(self.queued.own(), self.recount());
        self.measure()
    }

    /// How many timers are set, also those that have lost their meaning.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    fn next(&self) -> Next {
        if let Some(stop_at) = self.stop_at {
            if self.connections.len() == 0 || self.now >= stop_at {
                return Next::Stopped;
            }
            let due = self.timers.next().map_or(stop_at, |due| due.min(stop_at));
            return Next::Wait(Some(due.since(self.now)));
        }
        // What broke while it was written to may have left something for other shards.
        let left = !self.touched.is_empty() || !self.given_up.is_empty() || self.links.has_outgoing();
        let at_once = !self.accepting.is_empty() || left;
        let reads = !self.more.is_empty() || !self.adopted.is_empty();
        if at_once || (reads && !self.is_held_up()) {
            return Next::Wait(Some(Duration::ZERO));
        }
        if reads {
            return Next::Wait(Some(LINKS_FULL_RETRY));
        }
        Next::Wait(self.timers.next().map(|due| due.since(self.now)))
    }

    fn on_writable(&mut self, number: u32) {
        if let Some(client) = self.connections.get_mut(number)
            && mem::take(&mut client.flags.blocked)
        {
            self.touch(number);
        }
    }

    /// Puts a connection into the list of those to read.
    pub(crate) fn read_again(&mut self, number: u32) {
        if let Some(client) = self.connections.get_mut(number)
            && !mem::replace(&mut client.flags.more, true)
        {
            self.more.push(number);
        }
    }

    fn accept(&mut self, sockets: &mut dyn Sockets) {
        for listener in mem::take(&mut self.accepting) {
            for count in 0.. {
                if count == ACCEPTS_PER_TURN {
                    self.accepting.push(listener);
                    break;
                }
                match sockets.accept(listener, self.connections.next_number()) {
                    Ok(Some(peer)) => {
                        let number = self.begin_connection(peer);
                        let address = self.config.listeners.get(listener);
                        let unsynced =
                            address.is_some_and(|address| self.config.unsynced_listeners.contains(address));
                        if let Some(client) = self.connections.get_mut(number) {
                            client.flags.unsynced = unsynced;
                        }
                    }
                    Ok(None) => break,
                    // One that was gone before it was accepted says nothing about the next; a lack of
                    // file descriptors does, and the listener is tried again when one is free.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(_) => {
                        self.metrics.accept_errors += 1;
                        self.timers.set(self.now + ACCEPT_RETRY, Timer::Accept { listener });
                        break;
                    }
                }
            }
        }
    }

    fn begin_connection(&mut self, peer: std::net::SocketAddr) -> u32 {
        let number = self.connections.next_number();
        let birth = self.connections.insert(peer, self.config.limits, self.now);
        self.timers.set(self.now + self.config.connect_timeout, Timer::Connect { connection: number, birth });
        number
    }

    /// Gives a connection to the home shard of its session, if that is another one.
    fn hand_over(&mut self, number: u32, frame: Frame<'_>, input: &[u8], sockets: &mut dyn Sockets) -> bool {
        if self.links.count() == 1 {
            return false;
        }
        let Ok(Packet::Connect(connect)) = Packet::decode(frame, Version::V5) else { return false };
        if connect.client_id.is_empty() {
            return false;
        }
        let home = self.home(connect.client_id.as_str());
        if home == self.number {
            return false;
        }
        let Some(client) = self.connections.get(number) else { return false };
        let (peer, unsynced) = (client.peer, client.flags.unsynced);
        if let Some(socket) = sockets.detach(number) {
            self.links.send(home, Operation::Adopt { socket, peer, unsynced, received: input.to_vec() });
        }
        self.connections.remove(number);
        true
    }

    /// Takes in a connection that another shard has accepted.
    pub(crate) fn adopt(
        &mut self,
        socket: Detached,
        (peer, unsynced): (std::net::SocketAddr, bool),
        received: Vec<u8>,
        sockets: &mut dyn Sockets,
    ) {
        if self.stopping {
            return;
        }
        let number = self.begin_connection(peer);
        if sockets.adopt(number, socket).is_err() {
            self.connections.remove(number);
            return;
        }
        if let Some(client) = self.connections.get_mut(number) {
            client.partial = received;
            client.flags.adopted = true;
            client.flags.unsynced = unsynced;
            self.adopted.push((number, client.birth));
        }
    }

    /// Deals with what an adopted connection brought.
    ///
    /// It comes a turn later, after the sockets that were ready by then: a client that has sent DISCONNECT
    /// on its older connection, which is here, is not to find that taken over with the packet unread.
    fn begin_adopted(&mut self, number: u32, birth: u32, sockets: &mut dyn Sockets) {
        let Some(client) = self.connections.born(number, birth) else { return };
        client.flags.adopted = false;
        let received = mem::take(&mut client.partial);
        self.take_in(number, &received, sockets);
        self.spare.take_back(received);
        self.touch(number);
        self.read_again(number);
    }

    /// The shard where the session of a client is.
    pub(crate) fn home(&self, client_id: &str) -> u8 {
        self.placement.shard_of(client_id)
    }

    fn take_inbox(&mut self, sockets: &mut dyn Sockets) {
        if !self.links.inbox().is_some_and(Inbox::is_filled) {
            return;
        }
        if self.journal.has_named() {
            // Parts may change the same rows, and are handed in before the joint.
            self.hand_in_turn();
        }
        // Once: what comes meanwhile is for the next look, so that busy senders cannot keep this shard from
        // its own clients. They go on reading theirs only when what was taken has been dealt with.
        let mut batches = self.links.spare_batches();
        if let Some(inbox) = self.links.inbox() {
            inbox.take(&mut batches);
        }
        for mut batch in batches.drain(..) {
            let count = batch.weight();
            for operation in batch.operations.drain(..) {
                self.on_operation(batch.from, operation, sockets);
                if !self.journal.has_parts() {
                    self.flush_overfull(sockets);
                }
            }
            if let Some(inbox) = self.links.inbox() {
                inbox.finish(count);
            }
            self.links.keep_operations(batch.operations);
        }
        self.links.keep_batches(batches);
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("number", &self.number).field("now", &self.now).finish_non_exhaustive()
    }
}
