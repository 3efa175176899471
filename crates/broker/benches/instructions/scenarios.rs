//! The scenarios with a broker: who connects, what is subscribed to, what is published.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use colibri_broker::Config;
use colibri_broker::shard::{Next, Ready, Shard};
use colibri_codec::{QoS, Version};
use colibri_protocol::Time;

use crate::begin_measuring;
use crate::client::Client;
use crate::sockets::Memory;
use crate::tree::{mixed_filter, mixed_name};

/// How many messages each scenario publishes at least while it is measured, deliveries counted.
const DELIVERED_MIN: u64 = 10_000;
/// Turns before the measurement, after which buffers have their sizes and routes are known.
const WARM_UP_TURNS: usize = 6;
/// More turns than anything needs.
const TURNS_MAX: usize = 100_000;

/// Who is subscribed to what.
#[derive(Clone, Copy)]
enum Shape {
    /// Subscriber n to the topic of publisher n.
    Pairs,
    /// Every subscriber to the topics of all publishers.
    Everything,
    /// All subscribers share the topics of all publishers.
    Shared,
    /// So many subscriptions of several kinds, spread over the subscribers.
    Mixed(u32),
}

/// One scenario, which ends when enough messages were delivered.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    shape: Shape,
    publishers: u32,
    subscribers: u32,
    version: Version,
    qos: QoS,
    /// Messages of each publisher under way; they come to the broker in one read.
    window: usize,
    /// Bytes of payload.
    payload: usize,
}

const PAIRS: Scenario = Scenario {
    name: "pairs-q0",
    shape: Shape::Pairs,
    publishers: 10,
    subscribers: 10,
    version: Version::V3_1_1,
    qos: QoS::AtMostOnce,
    window: 1000,
    payload: 64,
};

/// All of them, with the sizes that the scenarios of `docs/benchmarks.md` have.
pub(crate) const SCENARIOS: [Scenario; 16] = [
    PAIRS,
    Scenario { name: "pairs-q1", qos: QoS::AtLeastOnce, window: 200, ..PAIRS },
    Scenario { name: "pairs-q2", qos: QoS::ExactlyOnce, window: 100, ..PAIRS },
    // One message a turn: what a turn costs by itself is seen here.
    Scenario { name: "single-q1", publishers: 1, subscribers: 1, qos: QoS::AtLeastOnce, window: 1, ..PAIRS },
    Scenario { name: "pairs-16k", window: 15, payload: 16 << 10, ..PAIRS },
    Scenario { name: "fanout-5-q0", subscribers: 5, window: 100, ..FANOUT },
    Scenario { name: "fanout-50-q0", subscribers: 50, window: 100, ..FANOUT },
    FANOUT,
    Scenario { name: "fanout-500-q1", qos: QoS::AtLeastOnce, window: 50, ..FANOUT },
    Scenario { name: "fanin-q0", window: 40, ..FANIN },
    Scenario { name: "fanin-q1", qos: QoS::AtLeastOnce, ..FANIN },
    Scenario { name: "shared-q0", shape: Shape::Shared, subscribers: 5, window: 40, ..FANIN },
    Scenario { name: "shared-q1", shape: Shape::Shared, subscribers: 5, qos: QoS::AtLeastOnce, ..FANIN },
    Scenario { name: "properties-q0", version: Version::V5, ..PAIRS },
    Scenario { name: "properties-q1", version: Version::V5, qos: QoS::AtLeastOnce, window: 200, ..PAIRS },
    Scenario {
        name: "mixed-100k",
        shape: Shape::Mixed(100_000),
        publishers: 1,
        subscribers: 100,
        window: 500,
        ..PAIRS
    },
];

const FANOUT: Scenario = Scenario {
    name: "fanout-500-q0",
    shape: Shape::Everything,
    publishers: 1,
    subscribers: 500,
    window: 100,
    ..PAIRS
};

const FANIN: Scenario =
    Scenario { name: "fanin", shape: Shape::Everything, publishers: 50, subscribers: 1, window: 10, ..PAIRS };

impl Scenario {
    /// Runs it; how many messages were delivered while it was measured.
    pub(crate) fn run(&self) -> Result<u64, Box<dyn Error>> {
        let mut world = World::new()?;
        let mut clients = Vec::new();
        for connection in 0..self.subscribers + self.publishers {
            clients.push(Client::connect(connection, self.version, &mut world.sockets)?);
        }
        world.sockets.knock(clients.len());
        world.settle(&mut clients)?;
        for (number, subscriber) in (0..self.subscribers).zip(&clients) {
            subscriber.subscribe(&self.filters(number), self.qos, &mut world.sockets)?;
        }
        world.settle(&mut clients)?;
        let payload = vec![b'x'; self.payload];
        let (_, publishers) = clients.split_at_mut(self.subscribers as usize);
        for (number, publisher) in (0..).zip(&mut *publishers) {
            let (topics, load) = (self.topics(number), (self.qos, self.window));
            publisher.prepare(&topics, load, &payload, &mut world.sockets)?;
        }
        world.settle(&mut clients)?;
        let (_, publishers) = clients.split_at_mut(self.subscribers as usize);
        publishers.iter_mut().for_each(|publisher| publisher.publish(&mut world.sockets));
        for _ in 0..WARM_UP_TURNS {
            world.round(&mut clients)?;
        }
        // With QoS 2 not every turn delivers. The measurement ends with one that does, so that it has whole
        // exchanges if one has gone before it.
        let mut before = received(&clients);
        while received(&clients) == before {
            world.round(&mut clients)?;
        }
        before = received(&clients);
        begin_measuring();
        while received(&clients) - before < DELIVERED_MIN {
            world.round(&mut clients)?;
        }
        Ok(received(&clients) - before)
    }

    /// What this subscriber subscribes to.
    fn filters(&self, subscriber: u32) -> Vec<String> {
        match self.shape {
            Shape::Pairs => vec![topic(subscriber)],
            Shape::Everything if self.publishers == 1 => vec![topic(0)],
            Shape::Everything => vec!["bench/+/state".to_owned()],
            Shape::Shared => vec!["$share/workers/bench/+/state".to_owned()],
            Shape::Mixed(count) => {
                (subscriber..count).step_by(self.subscribers as usize).map(mixed_filter).collect()
            }
        }
    }

    /// What this publisher publishes to, in turn.
    fn topics(&self, publisher: u32) -> Vec<String> {
        match self.shape {
            Shape::Pairs | Shape::Everything | Shape::Shared => vec![topic(publisher)],
            // Neighbours in the tree are not to be neighbours in time. Those with a hundred subscribers each
            // are left out: they would be nine deliveries in ten.
            Shape::Mixed(count) => {
                let scattered = (0..count / 5).map(|n| (n * 7_919) % count);
                scattered.filter(|n| n % 10 != 9).map(mixed_name).collect()
            }
        }
    }
}

fn topic(publisher: u32) -> String {
    format!("bench/{publisher}/state")
}

fn received(clients: &[Client]) -> u64 {
    clients.iter().map(|client| client.received).sum()
}

/// One shard and what is around it.
struct World {
    shard: Shard,
    sockets: Memory,
    ready: Vec<Ready>,
    /// Milliseconds since the start.
    now: u64,
    next: Next,
}

impl World {
    fn new() -> Result<Self, Box<dyn Error>> {
        let config = Config { shards: 1, seed: 7, sys_interval: Duration::ZERO, ..Config::default() };
        let (mut shards, _) = Shard::all(&Arc::new(config), vec![Box::new(|| {})], Time::from_millis(0));
        Ok(Self {
            shard: shards.pop().ok_or("there is no shard")?,
            sockets: Memory::default(),
            ready: Vec::new(),
            now: 0,
            next: Next::Wait(None),
        })
    }

    /// One turn of the broker, a millisecond after the last one.
    fn turn(&mut self) {
        self.now += 1;
        self.sockets.poll_ready(&mut self.ready);
        self.next = broker_turn(&mut self.shard, self.now, &self.ready, &mut self.sockets);
    }

    /// A turn, and then all clients answer and publish.
    fn round(&mut self, clients: &mut [Client]) -> Result<(), Box<dyn Error>> {
        self.turn();
        for client in clients {
            client.react(&mut self.sockets)?;
            client.publish_again(&mut self.sockets);
        }
        if self.sockets.any_closed() { Err("the broker has closed a connection".into()) } else { Ok(()) }
    }

    /// Turns until nobody has anything to do.
    fn settle(&mut self, clients: &mut [Client]) -> Result<(), Box<dyn Error>> {
        for _ in 0..TURNS_MAX {
            self.turn();
            for client in &mut *clients {
                client.react(&mut self.sockets)?;
            }
            self.sockets.poll_ready(&mut self.ready);
            if self.ready.is_empty() && self.next != Next::Wait(Some(Duration::ZERO)) {
                return Ok(());
            }
        }
        Err("the broker does not come to rest".into())
    }
}

/// One turn of the broker: what `cargo xtask bench` counts.
#[inline(never)]
fn broker_turn(shard: &mut Shard, now: u64, ready: &[Ready], sockets: &mut Memory) -> Next {
    shard.step(Time::from_millis(now), ready, sockets)
}
