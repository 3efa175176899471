//! Runs of alike packets: what is dealt with together fares as it would packet by packet.
//!
//! The same traffic is played in several ways. In the long way a message to a topic of nobody stands before
//! each packet and, in 5.0, acknowledgements spell their Reason Code, so that there is no run anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use colibri_broker::{Config, Metrics, QueueFull};
use colibri_codec::Version::{self, V5};
use colibri_codec::{Delivery, Properties, Property, Publish, TopicName};
use colibri_sim::{Random, World, config};
use colibri_storage::faulty::Faulty;

use crate::VERSIONS;
use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::{Peer, Wish, packet_id, wish};
use crate::world::Clients;

const TOPICS: [&str; 3] = ["t/a", "t/b", "t/none/of/them"];

/// In which way the packets of the publisher reach the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// All at once.
    Whole,
    /// All at once, with nothing that makes a run.
    Long,
    /// In pieces, with some turns between them.
    Cut,
    /// Packet by packet, each dealt with before the next.
    Each,
}

/// What the publisher sends.
struct Source {
    version: Version,
    random: Random,
    serial: usize,
    next_id: u16,
    topic: usize,
    qos: usize,
    /// QoS 2 messages without PUBREL.
    open: Vec<u16>,
    has_alias: bool,
    has_large: bool,
}

impl Source {
    fn packet(&mut self) -> Vec<u8> {
        if self.random.below(8) == 0 {
            self.topic = self.random.below(TOPICS.len());
        }
        if self.random.below(8) == 0 {
            self.qos = self.random.below(3);
        }
        let open = self.random.below(self.open.len());
        match (self.random.below(40), self.open.get(open).copied()) {
            (0, _) => vec![0xC0, 0],
            (1..4, Some(id)) => {
                self.open.remove(open);
                let [high, low] = id.to_be_bytes();
                vec![0x62, 2, high, low]
            }
            // A repeated message, and an identifier that is in use.
            (4, Some(id)) => self.publish(TOPICS[self.topic], 2, id),
            (5, Some(id)) => self.publish(TOPICS[self.topic], 1, id),
            _ => {
                self.next_id = self.next_id % 65_535 + 1;
                if self.qos == 2 {
                    self.open.push(self.next_id);
                }
                self.publish(TOPICS[self.topic], self.qos, self.next_id)
            }
        }
    }

    fn publish(&mut self, topic: &str, qos: usize, id: u16) -> Vec<u8> {
        let random = &mut self.random;
        self.serial += 1;
        let mut payload = format!("{topic} {}", self.serial).into_bytes();
        payload.resize([0, 10, 40, 40, 40, 130][random.below(6)], b'.');
        if self.has_large && random.below(20) == 0 {
            payload.resize([130, 1000, 5000][random.below(3)], b'.');
        }
        let list = [
            Property::MessageExpiryInterval(100),
            Property::PayloadFormatIndicator(true),
            Property::TopicAlias(NonZeroU16::MIN),
            Property::TopicAlias(NonZeroU16::MIN),
        ];
        let (which, has_property) = (random.below(list.len()), random.below(12) == 0);
        let properties = if has_property { &list[which..=which] } else { &[] };
        let properties = if self.version == V5 { properties } else { &[] };
        let is_aliased = self.version == V5 && has_property && which >= 2;
        let topic = (!(is_aliased && self.has_alias)).then(|| TopicName::new(topic).unwrap());
        self.has_alias |= is_aliased;
        let publish = Publish {
            dup: qos > 0 && random.below(20) == 0,
            delivery: delivery(qos, id),
            retain: random.below(20) == 0,
            topic,
            properties: Properties::new(properties),
            payload: &payload,
        };
        let mut bytes = Vec::new();
        publish.encode(self.version, &mut bytes).unwrap();
        bytes
    }
}

fn delivery(qos: usize, id: u16) -> Delivery {
    match qos {
        0 => Delivery::AtMostOnce,
        1 => Delivery::AtLeastOnce(packet_id(id)),
        _ => Delivery::ExactlyOnce(packet_id(id)),
    }
}

/// A PUBLISH to a topic of nobody.
fn between(version: Version) -> Vec<u8> {
    let publish = Publish { topic: Some(TopicName::new("nobody").unwrap()), ..Publish::EMPTY };
    let mut bytes = Vec::new();
    publish.encode(version, &mut bytes).unwrap();
    bytes
}

/// A client that receives, and all that it got.
struct Receiver {
    hello: Hello,
    peer: Option<Peer>,
    /// Whether it spells its Reason Codes.
    spells: bool,
    got: Vec<Got>,
}

impl Receiver {
    /// Takes in what has come and answers all of it with one write; `false` if nothing came.
    fn take(&mut self) -> bool {
        let Some(peer) = &self.peer else { return false };
        peer.take_in();
        let mut answers = Vec::new();
        let mut busy = false;
        let mut answer = |first: u8, id: u16| {
            let [high, low] = id.to_be_bytes();
            let spelt = [first, 3, high, low, 0];
            let short = [first, 2, high, low];
            let spells = self.spells && peer.version == V5;
            answers.extend_from_slice(if spells { &spelt[..] } else { &short[..] });
        };
        while let Some(got) = peer.pop() {
            busy = true;
            match &got {
                Got::Publish(message) if message.qos == 1 => answer(0x40, message.id),
                Got::Publish(message) if message.qos == 2 => answer(0x50, message.id),
                Got::Pubrel(id, _) => answer(0x70, *id),
                _ => {}
            }
            self.got.push(got);
        }
        peer.send_bytes(&answers);
        busy
    }
}

/// One play of one seed.
struct Play {
    world: World,
    way: Way,
    weather: Weather,
    pieces: Random,
    asking: Random,
    publisher: Receiver,
    source: Source,
    receivers: Vec<Receiver>,
    fillers: u64,
}

/// What came of a play.
#[derive(Debug, PartialEq)]
struct Outcome {
    got: Vec<(String, Vec<Got>)>,
    metrics: Vec<(&'static str, u64)>,
}

/// Whether what is lost may depend on when packets come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Everybody reads, and nothing is ever full.
    Calm,
    Rough,
    /// As rough, with more receivers, several shared groups, smaller limits and larger messages.
    Storm,
}

impl Weather {
    fn is_calm(self) -> bool {
        self == Self::Calm
    }
}

fn settings(random: &mut Random, shards: usize, weather: Weather) -> Config {
    let mut config = config(shards);
    config.limits.topic_alias_maximum = 5;
    let budget = [config.output_budget, 4000, 500][random.below(3)];
    let queue = [config.queued_messages_maximum, 5, 30][random.below(3)];
    let policies = [QueueFull::Refuse, QueueFull::DropNewest, QueueFull::DropOldest];
    let policy = match policies[random.below(3)] {
        QueueFull::Refuse if queue == 5 => QueueFull::BySession,
        other => other,
    };
    if !weather.is_calm() {
        config.output_budget = budget;
        config.queued_messages_maximum = queue;
        config.queue_full = policy;
    }
    if weather == Weather::Storm {
        storm(random, &mut config);
    }
    config
}

fn storm(random: &mut Random, config: &mut Config) {
    let is_rare = |random: &mut Random| random.below(3) == 0;
    if is_rare(random) {
        config.send_maximum = [1, 3, 20].map(|maximum| NonZeroU16::new(maximum).unwrap())[random.below(3)];
    }
    if is_rare(random) {
        config.queued_bytes_maximum = [300, 2000][random.below(2)];
    }
    if is_rare(random) {
        config.queued_messages_total_maximum = [10, 40][random.below(2)];
    }
    if is_rare(random) {
        config.queued_bytes_total_maximum = [1000, 10_000][random.below(2)];
    }
    if is_rare(random) {
        config.limits.receive_maximum =
            [2, 10].map(|maximum| NonZeroU16::new(maximum).unwrap())[random.below(2)];
    }
    if is_rare(random) {
        config.queue_full = QueueFull::Disconnect;
    }
}

/// One of the kinds of receivers there are, with what it subscribes to.
fn receiver(
    random: &mut Random,
    number: usize,
    version: Version,
    weather: Weather,
) -> (Hello, Vec<Wish<'static>>) {
    let name = format!("receiver-{number}");
    let new = Hello::new(version, &name);
    let is_five = version == V5;
    let qos = u8::try_from(random.below(3)).unwrap();
    let filter = ["t/#", "t/a", "+/b"][random.below(3)];
    if weather == Weather::Storm && random.below(2) == 0 {
        let group = ["$share/g/t/#", "$share/g/t/a", "$share/h/t/#", "$share/h/+/b"][random.below(4)];
        let mut wishes = vec![wish(group, qos)];
        if is_five && random.below(6) == 0 {
            wishes[0] = wishes[0].identifier(9);
        }
        if random.below(3) == 0 {
            let qos = u8::try_from(random.below(3)).unwrap();
            let other = [filter, "$share/i/t/+", "$share/g/t/+"][random.below(3)];
            wishes.push(wish(other, qos));
        }
        let hello = if random.below(3) == 0 { Hello::resume(version, &name) } else { new };
        let hello = if is_five && random.below(6) == 0 { hello.packet_size(1500) } else { hello };
        return (hello, wishes);
    }
    let plain = wish(filter, qos);
    let (hello, wishes) = match random.below(14) {
        0 if is_five => (new.receive_maximum(3), vec![plain]),
        1 if is_five => (new.packet_size(100), vec![plain]),
        2 if is_five => (new, vec![plain.identifier(7)]),
        3 if is_five => (new, vec![plain.as_published()]),
        4 if is_five => (new.aliases(2), vec![plain]),
        5 => (new, vec![plain, wish("t/a", 0), wish("t/+", 1)]),
        6 => (Hello::resume(version, &name), vec![plain]),
        7 => (new, vec![wish("$share/g/t/#", qos)]),
        8 => (new, vec![wish("$share/g/t/#", qos), wish("t/a", 1)]),
        9 => (Hello::resume(version, &name), vec![wish("$share/g/t/#", qos)]),
        _ => (new, vec![wish(filter, qos.max(1))]),
    };
    (hello, wishes)
}

impl Play {
    fn new(seed: u64, shards: usize, stored: bool, weather: Weather, way: Way) -> Self {
        let mut random = Random::new(seed);
        let mut config = settings(&mut random, shards, weather);
        if stored {
            // Whether answers that wait for the store leave before a connection ends is a matter of time.
            config.limits.receive_maximum = colibri_sim::config(shards).limits.receive_maximum;
        }
        let is_roomy = config.output_budget > 4000;
        let world =
            if stored { World::with_store(config, seed, Faulty::new()) } else { World::with(config, seed) };
        let spells = way == Way::Long;
        let most = if weather == Weather::Storm { 8 } else { 4 };
        let receivers = (0..1 + random.below(most))
            .map(|number| {
                let version = VERSIONS[random.below(2)];
                let (hello, wishes) = receiver(&mut random, number, version, weather);
                let manner = random.below(6);
                world.capacity(if manner == 0 && !weather.is_calm() { 300 } else { 1 << 20 });
                let peer = world.join(&hello);
                wishes.into_iter().for_each(|wish| peer.subscribe_to(wish));
                let mut peer = Some(peer);
                match manner {
                    0 if !weather.is_calm() => peer.iter().for_each(|peer| peer.reads(false)),
                    1 => peer.take().into_iter().for_each(|peer| peer.cut()),
                    _ => {}
                }
                Receiver { hello, peer, spells, got: Vec::new() }
            })
            .collect();
        let version = VERSIONS[random.below(2)];
        let hello = Hello::new(version, "publisher");
        let hello = if random.below(4) == 0 { Hello::resume(version, "publisher") } else { hello };
        world.capacity(1 << 20);
        let peer = world.join(&hello);
        // How much waits for who receives its own messages depends on whether their acknowledgements have been
        // written, which those of a run are behind it.
        match random.below(6) {
            0 if is_roomy => peer.subscribe("t/#", 2),
            1 if version == V5 => peer.subscribe_to(wish("t/#", 1).no_local()),
            _ => {}
        }
        let publisher = Receiver { hello, peer: Some(peer), spells, got: Vec::new() };
        let (topic, qos) = (random.below(2), random.below(3));
        let source = Source {
            version,
            has_large: weather == Weather::Storm,
            random,
            serial: 0,
            next_id: 0,
            topic,
            qos,
            open: Vec::new(),
            has_alias: false,
        };
        Self {
            world,
            way,
            weather,
            pieces: Random::new(!seed),
            asking: Random::new(seed + 1),
            publisher,
            source,
            receivers,
            fillers: 0,
        }
    }

    fn send(&mut self, count: usize) {
        let packets: Vec<_> = (0..count).map(|_| self.source.packet()).collect();
        let link = &self.publisher.peer.as_ref().unwrap().link;
        match self.way {
            Way::Whole => link.send(&packets.concat()),
            Way::Long => {
                let filler = between(self.source.version);
                let all: Vec<_> = packets.into_iter().flat_map(|packet| [filler.clone(), packet]).collect();
                self.fillers += all.len() as u64 / 2;
                link.send(&all.concat());
            }
            Way::Cut => {
                let bytes = packets.concat();
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let longest = [3, 100, 2000][self.pieces.below(3)];
                    let (piece, behind) = rest.split_at(rest.len().min(1 + self.pieces.below(longest)));
                    link.send(piece);
                    self.world.turns(self.pieces.below(4));
                    rest = behind;
                }
            }
            Way::Each => packets.iter().for_each(|packet| {
                link.send(packet);
                self.world.run();
            }),
        }
        self.world.run();
    }

    /// Somebody asks for what is retained, which comes to it while the next packets do.
    fn subscribe_again(&mut self) {
        let which = self.asking.below(2 * self.receivers.len());
        let receiver = self.receivers.get(which).and_then(|receiver| receiver.peer.as_ref());
        if !self.weather.is_calm()
            && let Some(peer) = receiver
        {
            peer.ask(&[wish("t/#", 1)]);
        }
    }

    /// Lets everybody read and answer until nothing moves.
    fn settle(&mut self) {
        loop {
            let busy = self.receivers.iter_mut().map(Receiver::take).fold(false, |one, other| one | other);
            if !busy {
                return;
            }
        }
    }

    fn go(mut self) -> Outcome {
        for count in [60, 1, 60] {
            self.subscribe_again();
            self.send(count);
            self.publisher.take();
            self.settle();
        }
        for receiver in &mut self.receivers {
            match &receiver.peer {
                Some(peer) if !peer.is_closed() => peer.reads(true),
                _ => receiver.peer = Some(self.world.dial(&receiver.hello)),
            }
        }
        self.settle();
        self.publisher.take();
        self.settle();
        let mut metrics = counted(&self.world.metrics(), self.fillers);
        if self.publisher.peer.as_ref().is_some_and(Peer::is_closed) {
            // How many of the messages to nobody came is not known.
            metrics.remove(0);
        }
        let everybody = self.receivers.into_iter().chain([self.publisher]);
        let got = everybody.map(|receiver| (receiver.hello.client_id, receiver.got)).collect();
        Outcome { got, metrics }
    }
}

fn counted(metrics: &Metrics, fillers: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("received", metrics.publishes_received.saturating_sub(fillers)),
        ("sent", metrics.publishes_sent),
        ("slow", metrics.dropped_slow),
        ("dropped", metrics.dropped_queue_full),
        ("refused", metrics.refused_queue_full),
        ("large", metrics.dropped_too_large),
    ]
}

/// Texts by client and kind.
type Lists = BTreeMap<(String, String), Vec<String>>;

/// What each client got, by topic and QoS, and its acknowledgements by kind. The order between those is free.
fn in_order(outcome: &Outcome) -> Lists {
    let mut lists = Lists::new();
    for (name, list) in &outcome.got {
        for got in list {
            let (kind, what) = match got {
                Got::Publish(message) => {
                    let payload = String::from_utf8_lossy(&message.payload).into_owned();
                    let kind = format!("{} {}", message.topic, message.qos);
                    (kind, format!("{payload} {:?} {:?}", message.retain, message.identifiers))
                }
                Got::Puback(..) | Got::Pubrec(..) => ("received".into(), format!("{got:?}")),
                other => (format!("{:?}", std::mem::discriminant(other)), String::new()),
            };
            lists.entry((name.clone(), kind)).or_default().push(what);
        }
    }
    lists
}

/// What each client got in the order in which it came, with the acknowledgements of its own messages apart:
/// they may leave before or behind what it receives.
fn exact(outcome: &Outcome) -> Lists {
    let mut lists = Lists::new();
    for (name, list) in &outcome.got {
        for got in list {
            let kind = match got {
                Got::Publish(_) => "messages",
                // These go past what waits for the store.
                Got::Pingresp => "pings",
                // Where nothing of its client is stored it goes past what waits, too.
                Got::Pubcomp(..) => "ends",
                _ => "answers",
            };
            lists.entry((name.clone(), kind.into())).or_default().push(format!("{got:?}"));
        }
    }
    lists
}

/// The first place in which two lists differ, with what is there.
fn first_difference(one: &Lists, other: &Lists) -> Option<String> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    keys.into_iter().find_map(|key| {
        let (one, other) =
            (one.get(key).cloned().unwrap_or_default(), other.get(key).cloned().unwrap_or_default());
        let place = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place))?;
        Some(format!("{key:?} at {place}: {:?} and {:?}", one.get(place), other.get(place)))
    })
}

fn play(seed: u64, shards: usize, stored: bool, weather: Weather, way: Way) -> Outcome {
    Play::new(seed, shards, stored, weather, way).go()
}

/// How many seeds: more where somebody asks for them.
fn seeds(count: u64) -> u64 {
    std::env::var("COLIBRI_RUN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(count)
}

/// Plays seeds with runs and without, and compares.
fn compare(count: u64, weather: Weather) {
    for seed in 0..seeds(count) {
        let more = if weather == Weather::Storm && seed % 8 == 5 { 2 } else { 0 };
        let (shards, stored) = (1 + usize::from(seed % 2 == 1) + more, seed % 4 > 1);
        let whole = play(seed, shards, stored, weather, Way::Whole);
        let long = play(seed, shards, stored, weather, Way::Long);
        let name = format!("seed {seed}, {shards} shards, stored {stored}");
        assert_eq!(first_difference(&exact(&whole), &exact(&long)), None, "{name}");
        assert_eq!(whole.metrics, long.metrics, "{name}");
    }
}

#[test]
fn runs_fare_as_the_same_packets_that_are_no_runs() {
    compare(400, Weather::Rough);
}

#[test]
fn runs_fare_so_too_where_many_share_and_most_queues_are_full() {
    compare(250, Weather::Storm);
}

#[test]
fn what_waits_for_a_turn_that_stores_nothing_does_not_wait_for_one_that_does() {
    // A message with QoS 2 that might have concerned another shard came to a stored session with QoS 0.
    let each = in_order(&play(379, 2, true, Weather::Calm, Way::Each));
    let whole = in_order(&play(379, 2, true, Weather::Calm, Way::Whole));
    assert_eq!(first_difference(&whole, &each), None);
}

#[test]
fn it_does_not_matter_where_a_stream_is_cut() {
    for seed in 0..seeds(150) {
        let (shards, stored) = (1 + usize::from(seed % 2 == 1), seed % 4 > 1);
        let each = in_order(&play(seed, shards, stored, Weather::Calm, Way::Each));
        for way in [Way::Whole, Way::Cut, Way::Long] {
            let got = in_order(&play(seed, shards, stored, Weather::Calm, way));
            assert_eq!(
                first_difference(&got, &each),
                None,
                "seed {seed}, {shards} shards, stored {stored}, {way:?}"
            );
        }
    }
}
