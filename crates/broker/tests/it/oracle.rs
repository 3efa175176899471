//! Random traffic against what the protocol promises: clients that connect, break, subscribe, publish and
//! keep acknowledgements back, on a number of shards, from one seed.

use std::collections::{BTreeMap, HashMap, HashSet};

use colibri_codec::Version;
use colibri_sim::{Random, World};
use proptest::prelude::{ProptestConfig, proptest};

use crate::hello::Hello;
use crate::packets::{Got, Message};
use crate::peer::{Peer, wish};
use crate::world::{Clients, configured};
use crate::{SHARDS, VERSIONS};

const CLIENTS: usize = 6;
/// These subscribe to everything at the start, and have to get everything.
const ANCHORS: usize = 2;
const FILTERS: [&str; 4] = ["t/0", "t/+", "t/1", "#"];
/// How many messages the broker leaves unacknowledged.
const SEND_MAXIMUM: u16 = 5;

/// What a publisher is waiting for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Puback,
    Pubrec,
    Pubcomp,
}

struct Outgoing {
    topic: String,
    payload: Vec<u8>,
    stage: Stage,
}

/// A client and what it remembers from connection to connection.
struct Client {
    name: String,
    version: Version,
    peer: Option<Peer>,
    accepted: bool,
    next_id: u16,
    /// By order of sending.
    outgoing: BTreeMap<u64, (u16, Outgoing)>,
    received: HashSet<u16>,
    withheld: Vec<Got>,
    /// Filters that it has ever asked for.
    asked: HashSet<&'static str>,
    /// What came, without repetitions under one identifier with QoS 2.
    got: Vec<Message>,
    unanswered: HashSet<u16>,
}

struct Run {
    world: World,
    random: Random,
    clients: Vec<Client>,
    serial: u64,
    /// Payloads with the QoS they were published with, once the broker has taken them over.
    taken: HashMap<Vec<u8>, u8>,
}

impl Client {
    fn new(number: usize, random: &mut Random) -> Self {
        Self {
            name: format!("client-{number}"),
            version: VERSIONS[random.below(2)],
            peer: None,
            accepted: false,
            next_id: 0,
            outgoing: BTreeMap::new(),
            received: HashSet::new(),
            withheld: Vec::new(),
            asked: HashSet::new(),
            got: Vec::new(),
            unanswered: HashSet::new(),
        }
    }

    fn connect(&mut self, world: &World) {
        self.peer = Some(world.dial(&Hello::resume(self.version, &self.name)));
        self.accepted = false;
    }

    fn lose(&mut self) {
        self.peer = None;
        self.withheld.clear();
        self.unanswered.clear();
    }

    fn id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id % 1000 + 1;
            if self.outgoing.values().all(|(id, _)| *id != self.next_id) {
                return self.next_id;
            }
        }
    }

    /// Sends again what the connection before left open, in order.
    fn resume(&self) {
        let Some(peer) = &self.peer else { return };
        for (id, out) in self.outgoing.values() {
            match out.stage {
                Stage::Puback => peer.send_publish(&out.topic, &out.payload, (1, false, true), *id, &[]),
                Stage::Pubrec => peer.send_publish(&out.topic, &out.payload, (2, false, true), *id, &[]),
                Stage::Pubcomp => peer.pubrel(*id),
            }
        }
    }

    fn publish(&mut self, serial: u64, topic: String, qos: u8) {
        let id = if qos == 0 { 0 } else { self.id() };
        let Some(peer) = &self.peer else { return };
        let payload = format!("{} {qos} {serial:06}", self.name).into_bytes();
        peer.send_publish(&topic, &payload, (qos, false, false), id, &[]);
        let stage = if qos == 1 { Stage::Puback } else { Stage::Pubrec };
        if qos > 0 {
            self.outgoing.insert(serial, (id, Outgoing { topic, payload, stage }));
        }
    }

    /// Takes a packet in; answers go to `withheld`.
    fn take(&mut self, got: Got, taken: &mut HashMap<Vec<u8>, u8>) {
        let place = |client: &Self, id| {
            client.outgoing.iter().find(|(_, (of, _))| *of == id).map(|(serial, _)| *serial)
        };
        match got {
            Got::Connack { code: 0, .. } => {
                self.accepted = true;
                self.resume();
            }
            Got::Publish(message) => {
                assert!(self.asked.iter().any(|filter| matches(filter, &message.topic)), "{message:?}");
                if message.qos > 0 {
                    self.unanswered.insert(message.id);
                    assert!(self.unanswered.len() <= usize::from(SEND_MAXIMUM), "too many under way");
                    self.withheld.push(Got::Publish(message.clone()));
                }
                if message.qos < 2 || self.received.insert(message.id) {
                    self.got.push(message);
                }
            }
            Got::Puback(id, code) => {
                assert!(code < 0x80);
                let serial = place(self, id).expect("an open exchange");
                let (_, out) = self.outgoing.remove(&serial).unwrap();
                assert!(out.stage == Stage::Puback);
                taken.insert(out.payload, 1);
            }
            Got::Pubrec(id, code) => {
                assert!(code < 0x80);
                let serial = place(self, id).expect("an open exchange");
                let (_, out) = self.outgoing.get_mut(&serial).unwrap();
                taken.insert(out.payload.clone(), 2);
                out.stage = Stage::Pubcomp;
                if let Some(peer) = &self.peer {
                    peer.pubrel(id);
                }
            }
            Got::Pubcomp(id, _) => {
                let serial = place(self, id).expect("an open exchange");
                self.outgoing.remove(&serial);
            }
            Got::Pubrel(id, _) => self.withheld.push(Got::Pubrel(id, 0)),
            // An older connection may be heard after a newer one, and takes over.
            Got::Suback(..) | Got::Unsuback(..) | Got::Pingresp | Got::Disconnect(0x8E) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Sends the oldest answer that was withheld.
    fn answer(&mut self) {
        let Some(peer) = &self.peer else { return };
        if self.withheld.is_empty() {
            return;
        }
        match self.withheld.remove(0) {
            Got::Publish(message) if message.qos == 1 => {
                peer.puback(message.id);
                self.unanswered.remove(&message.id);
            }
            Got::Publish(message) => peer.pubrec(message.id),
            Got::Pubrel(id, _) => {
                self.received.remove(&id);
                self.unanswered.remove(&id);
                peer.pubcomp(id);
            }
            _ => {}
        }
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    filter == "#" || filter == topic || filter == "t/+"
}

impl Run {
    fn new(shards: usize, seed: u64) -> Self {
        let world = configured(shards, |config| {
            config.send_maximum = std::num::NonZeroU16::new(SEND_MAXIMUM).unwrap();
            config.output_budget = 2000;
            config.seed = seed % 5;
        });
        world.reseed(seed);
        world.capacity(500);
        world.fragment(if seed.is_multiple_of(3) { 7 } else { usize::MAX });
        let mut random = Random::new(seed);
        let clients = (0..CLIENTS).map(|number| Client::new(number, &mut random)).collect();
        Self { world, random, clients, serial: 0, taken: HashMap::new() }
    }

    fn go(&mut self, steps: usize) {
        for number in 0..ANCHORS {
            self.clients[number].connect(&self.world);
            self.subscribe(number, "#", 2);
            self.settle(false);
        }
        for _ in 0..steps {
            self.step();
            let turns = self.random.below(6);
            self.world.turns(turns);
        }
        self.settle(true);
        self.check();
    }

    fn subscribe(&mut self, number: usize, filter: &'static str, qos: u8) {
        let client = &mut self.clients[number];
        if let Some(peer) = &client.peer {
            client.asked.insert(filter);
            peer.ask(&[wish(filter, qos)]);
        }
    }

    fn step(&mut self) {
        let number = self.random.below(CLIENTS);
        let client = &mut self.clients[number];
        if client.peer.is_none() {
            client.connect(&self.world);
            return;
        }
        match self.random.below(24) {
            0 => {
                client.peer.as_ref().unwrap().link.cut();
                client.lose();
            }
            1 => {
                client.peer.as_ref().unwrap().link.end();
                client.lose();
            }
            2 => {
                client.peer.as_ref().unwrap().send_bytes(&[0xE0, 0]);
                client.lose();
            }
            // A new connection while the old one stands.
            3 => {
                client.lose();
                client.connect(&self.world);
            }
            4 if number >= ANCHORS => {
                let filter = FILTERS[self.random.below(4)];
                let qos = u8::try_from(self.random.below(3)).unwrap();
                self.subscribe(number, filter, qos);
            }
            5 if number >= ANCHORS => {
                let filter = FILTERS[self.random.below(4)];
                client.peer.as_ref().unwrap().ask_off(&[filter]);
            }
            6 => {
                let millis = self.random.below(3000) as u64;
                self.world.advance_millis(millis);
            }
            7..14 if client.accepted => {
                let qos = u8::try_from(self.random.below(3)).unwrap();
                let topic = format!("t/{}", self.random.below(3));
                self.serial += 1;
                client.publish(self.serial, topic, qos);
            }
            14..20 => {
                let most = [3, 50, usize::MAX][self.random.below(3)];
                self.read(number, most);
            }
            _ => client.answer(),
        }
    }

    fn read(&mut self, number: usize, most: usize) -> bool {
        let client = &mut self.clients[number];
        let Some(peer) = &client.peer else { return false };
        let mut busy = peer.take_some(most);
        while let Some(got) = self.clients[number].peer.as_ref().and_then(Peer::pop) {
            self.clients[number].take(got, &mut self.taken);
            busy = true;
        }
        busy
    }

    /// Connects everybody, reads and answers everything, until nothing moves.
    fn settle(&mut self, connect: bool) {
        loop {
            let mut busy = false;
            for number in 0..CLIENTS {
                let client = &mut self.clients[number];
                // An older connection may have been heard after a newer one, and have taken over.
                if client.peer.as_ref().is_some_and(Peer::is_closed) {
                    client.lose();
                }
                if connect && client.peer.is_none() {
                    client.connect(&self.world);
                    busy = true;
                }
                self.world.run();
                busy |= self.read(number, usize::MAX);
                while !self.clients[number].withheld.is_empty() {
                    self.clients[number].answer();
                    busy = true;
                }
            }
            if !busy {
                return;
            }
        }
    }

    fn check(&self) {
        for (number, client) in self.clients.iter().enumerate() {
            let is_anchor = number < ANCHORS;
            assert!(client.outgoing.is_empty(), "{} is not done", client.name);
            assert!(client.peer.as_ref().is_some_and(|peer| !peer.is_closed()));
            let mut last: HashMap<(Vec<u8>, &str, u8), &[u8]> = HashMap::new();
            let mut seen = HashSet::new();
            for message in &client.got {
                let is_new = seen.insert((&message.payload, message.qos));
                // A publisher repeats its QoS 1 messages, and the broker those it sends with QoS 1.
                let published = message.payload[9] - b'0';
                assert!(is_new || message.qos == 1 || published == 1, "twice: {message:?}");
                // Who was not subscribed when such a message came first may get it when it comes again.
                let strict = is_anchor || published != 1;
                if !is_new || !strict {
                    continue;
                }
                let publisher_and_qos = message.payload[..10].to_vec();
                let key = (publisher_and_qos, message.topic.as_str(), message.qos);
                let before = last.insert(key, &message.payload);
                assert!(
                    before.is_none_or(|before| before < message.payload.as_slice()),
                    "order: {message:?}"
                );
            }
        }
        for anchor in &self.clients[..ANCHORS] {
            let got: HashSet<_> =
                anchor.got.iter().map(|message| (message.payload.clone(), message.qos)).collect();
            for (payload, qos) in &self.taken {
                let missing = String::from_utf8_lossy(payload);
                assert!(got.contains(&(payload.clone(), *qos)), "{missing} did not reach {}", anchor.name);
            }
        }
    }
}

fn run(shards: usize, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| Run::new(shards, seed).go(400));
        assert!(outcome.is_ok(), "{shards} shards, seed {seed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_is_kept_from_any_seed_on_any_number_of_shards(seed: u64, shards in 1..=8usize) {
        Run::new(shards, seed).go(400);
    }
}

#[test]
fn every_promise_is_kept_on_one_shard() {
    run(SHARDS[0], 0..1000);
}

#[test]
fn every_promise_is_kept_on_two_shards() {
    run(SHARDS[1], 0..1000);
}

#[test]
fn every_promise_is_kept_on_eight_shards() {
    run(SHARDS[2], 0..1000);
}
