//! What waits for all sessions together has its limits, in memory and in the store.

use std::num::NonZeroU16;

use colibri_broker::{Config, QueueFull};
use colibri_codec::Property;
use colibri_codec::Version::{V3_1_1, V5};
use colibri_sim::{World, config};
use colibri_storage::faulty::Faulty;

use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::Peer;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Messages,
    Bytes,
}

/// Where messages wait in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In memory, for clients that do not answer.
    Memory,
    /// In the store, for clients that are away.
    Store,
}

const POLICIES: [QueueFull; 4] =
    [QueueFull::Refuse, QueueFull::DropNewest, QueueFull::DropOldest, QueueFull::Disconnect];

impl Place {
    /// A world in which `messages` may wait here.
    fn world(self, shards: usize, (unit, messages): (Unit, usize), policy: QueueFull) -> World {
        let most = |of| match unit {
            Unit::Messages if of == Unit::Messages => messages,
            Unit::Bytes if of == Unit::Bytes => messages * self.weight(),
            Unit::Messages | Unit::Bytes => usize::MAX,
        };
        self.world_with(shards, |config| {
            config.queue_full = policy;
            let (of_messages, of_bytes) = (most(Unit::Messages), most(Unit::Bytes));
            match self {
                Self::Memory => {
                    config.queued_messages_total_maximum = of_messages;
                    config.queued_bytes_total_maximum = of_bytes;
                }
                Self::Store => {
                    config.stored_messages_total_maximum = of_messages;
                    config.stored_bytes_total_maximum = of_bytes;
                }
            }
        })
    }

    fn world_with(self, shards: usize, change: impl FnOnce(&mut Config)) -> World {
        let mut config = config(shards);
        config.send_maximum = NonZeroU16::MIN;
        change(&mut config);
        match self {
            Self::Memory => World::with(config, 1),
            Self::Store => World::with_store(config, 1, Faulty::new()),
        }
    }

    /// What one of the messages of these tests weighs, in bytes.
    fn weight(self) -> usize {
        let world = self.world_with(1, |_| {});
        let receiver = self.receiver(&world, "x", V5);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.publish("x", "00", 1);
        assert_eq!(self.level(&world).0, 1);
        drop(receiver);
        self.level(&world).1
    }

    /// A client for which all further messages to a topic of its name have to wait.
    fn receiver(self, world: &World, name: &str, version: colibri_codec::Version) -> Peer {
        match self {
            Self::Memory => {
                let client = world.join(&Hello::new(version, name));
                client.subscribe(name, 1);
                world.join(&Hello::new(V5, &format!("first-{name}"))).publish(name, "under way", 1);
                client.expect_unanswered(name, "under way", 1);
                client
            }
            Self::Store => {
                let client = world.join(&Hello::resume(version, name));
                client.subscribe(name, 1);
                client.cut();
                client
            }
        }
    }

    /// How many messages wait, and their bytes.
    fn level(self, world: &World) -> (usize, usize) {
        let metrics = world.metrics();
        let (messages, bytes) = match self {
            Self::Memory => (metrics.queued_messages, metrics.queued_bytes),
            Self::Store => (metrics.spilled_messages, metrics.spilled_bytes),
        };
        (usize::try_from(messages).unwrap(), usize::try_from(bytes).unwrap())
    }

    /// How many messages the limit of this place has refused, and dropped.
    fn bitten(self, world: &World) -> (u64, u64) {
        let metrics = world.metrics();
        assert_eq!((metrics.refused_queue_full, metrics.dropped_queue_full), (0, 0));
        let memory = (metrics.refused_queued_total, metrics.dropped_queued_total);
        let store = (metrics.refused_stored_total, metrics.dropped_stored_total);
        let (own, other) = match self {
            Self::Memory => (memory, store),
            Self::Store => (store, memory),
        };
        assert_eq!(other, (0, 0));
        own
    }

    /// What came for a receiver, first to last; it answers from here on.
    fn collect(self, world: &World, name: &str, receiver: Peer) -> Vec<Vec<u8>> {
        let receiver = match self {
            Self::Memory => {
                receiver.puback(1);
                receiver
            }
            Self::Store => world.join(&Hello::resume(receiver.version, name)),
        };
        receiver.drain().into_iter().map(|message| message.payload).collect()
    }
}

/// Every place, unit, number of shards and version.
fn all_limits() -> impl Iterator<Item = (Place, Unit, usize, colibri_codec::Version)> {
    let places = [(Place::Memory, Unit::Messages), (Place::Memory, Unit::Bytes)].into_iter();
    let places = places.chain([(Place::Store, Unit::Messages), (Place::Store, Unit::Bytes)]);
    places.flat_map(|(place, unit)| everywhere().map(move |(shards, version)| (place, unit, shards, version)))
}

/// Publishes and says whether it was taken; `None` is no answer.
fn offer(publisher: &Peer, topic: &str, payload: &str) -> Option<u8> {
    let id = publisher.post(topic, payload.as_bytes(), 1);
    let answer = publisher.next().map(|got| match got {
        Got::Puback(of, code) if of == id => code,
        other => panic!("{other:?}"),
    });
    publisher.world.run();
    answer
}

fn payloads(numbers: impl IntoIterator<Item = u32>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(|number| format!("{number:02}").into_bytes()).collect()
}

#[test]
fn at_the_limit_of_all_queues_messages_that_would_wait_meet_the_policy_and_others_pass() {
    for (place, unit, shards, version) in all_limits() {
        for policy in POLICIES {
            let world = place.world(shards, (unit, 10), policy);
            let names = ["a", "b", "c", "late"];
            let receivers = names.map(|name| place.receiver(&world, name, version));
            let publisher = world.join(&Hello::new(version, "publisher"));
            for (name, count) in [("a", 4), ("b", 4), ("c", 2)] {
                for number in 0..count {
                    assert_eq!(offer(&publisher, name, &format!("{number:02}")), Some(0));
                }
            }
            let level = place.level(&world);
            assert_eq!((level.0, level.1), (10, 10 * place.weight()));
            assert_eq!(place.bitten(&world), (0, 0));
            // One for whom nothing waits gets his.
            let free = world.join(&Hello::new(version, "free"));
            free.subscribe("free", 1);
            assert_eq!(offer(&publisher, "free", "00"), Some(0));
            free.expect_publish("free", "00", 1);
            if policy == QueueFull::Disconnect && place == Place::Memory {
                let [a, ..] = receivers;
                assert_eq!(offer(&publisher, "a", "90"), Some(0));
                a.expect_disconnect(0x97);
                assert_eq!(place.bitten(&world), (0, 1));
                assert_eq!(place.level(&world).0, 6);
                continue;
            }
            // The limit holds for a session with a queue, and for one without.
            for number in [90, 91] {
                let refusal = if version == V5 { Some(0x97) } else { None };
                let wanted = if policy == QueueFull::Refuse { refusal } else { Some(0) };
                assert_eq!(offer(&publisher, "a", &format!("{number}")), wanted, "{policy:?} {place:?}");
            }
            assert_eq!(
                offer(&publisher, "late", "92").filter(|code| *code == 0).is_none(),
                policy == QueueFull::Refuse
            );
            let bitten = if policy == QueueFull::Refuse { (3, 0) } else { (0, 3) };
            assert_eq!(place.bitten(&world), bitten, "{policy:?} {place:?} {unit:?} {shards}");
            assert!(place.level(&world).0 <= 10);
            let [a, b, c, late] = receivers;
            let expected =
                if policy == QueueFull::DropOldest { payloads([2, 3, 90, 91]) } else { payloads(0..4) };
            assert_eq!(place.collect(&world, "a", a), expected, "{policy:?} {place:?} {unit:?}");
            // There is room again, for whom there was none too.
            world.advance(1);
            assert_eq!(offer(&publisher, "late", "93"), Some(0));
            assert_eq!(place.collect(&world, "late", late), payloads([93]));
            assert_eq!(place.collect(&world, "b", b), payloads(0..4));
            assert_eq!(place.collect(&world, "c", c), payloads(0..2));
            assert_eq!(place.level(&world), (0, 0));
        }
    }
}

#[test]
fn a_large_message_makes_as_many_old_ones_go_as_it_needs_and_none_of_others() {
    for place in [Place::Memory, Place::Store] {
        for shards in SHARDS {
            let world = place.world(shards, (Unit::Bytes, 40), QueueFull::DropOldest);
            let names = ["a", "b"];
            let [a, b] = names.map(|name| place.receiver(&world, name, V5));
            let publisher = world.join(&Hello::new(V5, "publisher"));
            for number in 0..20 {
                publisher.publish("a", format!("{number:02}"), 1);
                publisher.publish("b", format!("{number:02}"), 1);
            }
            let weight = place.weight();
            let full = place.level(&world);
            let large = "9".repeat(2 * weight + 2);
            publisher.publish("a", &large, 1);
            assert!(place.level(&world).1 <= full.1, "{place:?}");
            assert_eq!(place.level(&world).0, 38);
            // One that all of a queue cannot make room for is not taken for it.
            publisher.publish("a", "9".repeat(100 * weight), 1);
            assert_eq!(place.level(&world).0, 20);
            assert_eq!(place.collect(&world, "b", b), payloads(0..20));
            assert_eq!(place.collect(&world, "a", a), payloads([]));
        }
    }
}

#[test]
fn a_queue_with_a_limit_in_bytes_stays_below_it_when_large_messages_replace_small_ones() {
    for shards in SHARDS {
        let world = configured(shards, |config| {
            config.queued_bytes_maximum = 10_000;
            config.queue_full = QueueFull::DropOldest;
        });
        let away = Place::Store.receiver(&world, "t", V5);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        (0..40).for_each(|_| publisher.publish("t", "small", 1));
        (0..40).for_each(|_| publisher.publish("t", "l".repeat(4000), 1));
        let metrics = world.metrics();
        assert!(metrics.queued_bytes + metrics.spilled_bytes < 14_000, "{metrics:?}");
        assert_eq!(Place::Store.collect(&world, "t", away).len(), 3);
    }
}

#[test]
fn shards_that_fill_the_queues_at_once_exceed_the_limit_by_a_turn_at_most_and_lose_nothing_they_took() {
    for place in [Place::Memory, Place::Store] {
        for (shards, version) in everywhere() {
            let world = place.world(shards, (Unit::Messages, 40), QueueFull::Refuse);
            let names: Vec<_> = (0..8).map(|number| format!("r{number}")).collect();
            let receivers: Vec<_> = names.iter().map(|name| place.receiver(&world, name, V5)).collect();
            let publishers: Vec<_> =
                (0..8).map(|name| world.join(&Hello::new(version, &format!("p{name}")))).collect();
            let mut taken = 0;
            for _ in 0..10 {
                for (publisher, name) in publishers.iter().zip(&names) {
                    publisher.post(name, b"xx", 1);
                    publisher.post(name, b"xx", 1);
                }
                for publisher in &publishers {
                    while let Some(got) = publisher.next() {
                        taken += usize::from(matches!(got, Got::Puback(_, 0)));
                    }
                }
            }
            let (messages, _) = place.level(&world);
            assert!((40..=40 + 16).contains(&messages), "{place:?} {shards}: {messages}");
            assert_eq!(messages, taken);
            assert_eq!(place.bitten(&world), (160 - taken as u64, 0));
            let got = names.iter().zip(receivers).map(|(name, one)| place.collect(&world, name, one).len());
            assert_eq!(got.sum::<usize>(), taken);
        }
    }
}

#[test]
fn messages_for_stored_sessions_go_to_the_store_when_memory_has_no_room() {
    for shards in SHARDS {
        let world = Place::Store.world_with(shards, |config| config.queued_messages_total_maximum = 5);
        let slow = world.join(&Hello::resume(V5, "slow"));
        slow.subscribe("t", 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for number in 0..31 {
            assert_eq!(offer(&publisher, "t", &format!("{number:02}")), Some(0));
        }
        let metrics = world.metrics();
        assert!((1..=5 + 8).contains(&metrics.queued_messages), "{metrics:?}");
        assert_eq!(metrics.queued_messages + metrics.spilled_messages, 30);
        let got: Vec<_> = slow.drain().into_iter().map(|message| message.payload).collect();
        assert_eq!(got, payloads(0..31));
        assert_eq!(Place::Store.bitten(&world), (0, 0));
        assert_eq!((Place::Memory.level(&world), Place::Store.level(&world)), ((0, 0), (0, 0)));
    }
}

#[test]
fn what_waits_is_counted_through_every_way_in_which_a_session_goes_on_or_ends() {
    for place in [Place::Memory, Place::Store] {
        for shards in SHARDS {
            let world = place.world_with(shards, |_| {});
            let publisher = world.join(&Hello::new(V5, "publisher"));
            for (name, seconds) in [("expires", 20), ("stays", 86_400), ("cleared", 86_400)] {
                let client = world.join(&Hello::new(V5, name).clean(false).expiry(seconds));
                client.subscribe("t", 1);
                client.cut();
            }
            (0..5).for_each(|_| publisher.publish("t", "xx", 1));
            publisher.publish_with("t", b"xx", 1, false, &[Property::MessageExpiryInterval(5)]);
            let total = |world: &World| Place::Memory.level(world).0 + Place::Store.level(world).0;
            assert_eq!(total(&world), 18);
            world.advance(11);
            assert_eq!(total(&world), 15);
            world.advance(10);
            assert_eq!(total(&world), 10);
            // It comes back, takes one, and is taken over by a newer connection with the rest.
            let first = world.join(&Hello::resume(V5, "stays"));
            let message = first.expect_unanswered("t", "xx", 1);
            assert_eq!(total(&world), 9);
            let second = world.join(&Hello::resume(V5, "stays"));
            assert!(second.expect_message().id == message.id);
            assert_eq!(total(&world), 9);
            second.leave();
            assert_eq!(total(&world), 9);
            let cleared = world.join(&Hello::new(V5, "cleared"));
            cleared.expect_nothing();
            assert_eq!(total(&world), 4);
            let last = world.join(&Hello::resume(V5, "stays"));
            assert_eq!(last.drain().len(), 5);
            assert_eq!((Place::Memory.level(&world), Place::Store.level(&world)), ((0, 0), (0, 0)));
        }
    }
}

#[test]
fn what_is_restored_counts_against_the_limits() {
    for shards in SHARDS {
        let world = Place::Store.world(shards, (Unit::Messages, 3), QueueFull::Refuse);
        let away = Place::Store.receiver(&world, "t", V5);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        (0..3).for_each(|_| assert_eq!(offer(&publisher, "t", "xx"), Some(0)));
        world.lose_power(1);
        world.start();
        let publisher = world.join(&Hello::new(V5, "publisher"));
        assert_eq!(Place::Store.level(&world).0, 3);
        assert_eq!(offer(&publisher, "t", "xx"), Some(0x97));
        assert_eq!(Place::Store.collect(&world, "t", away).len(), 3);
    }
}

#[test]
fn two_messages_that_expire_within_a_second_of_a_look_leave_a_full_queue_one_by_one() {
    for (shards, version) in [(1, V3_1_1), (2, V5)] {
        let world = Place::Store.world_with(shards, |config| {
            config.queued_messages_maximum = 2;
            config.queue_full = QueueFull::DropNewest;
        });
        let slow = world.join(&Hello::resume(version, "t"));
        slow.subscribe("t", 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.publish("t", "under way", 1);
        let expiry = [Property::MessageExpiryInterval(1)];
        publisher.publish_with("t", b"one", 1, false, &expiry);
        world.advance_millis(200);
        publisher.publish_with("t", b"other", 1, false, &expiry);
        world.advance_millis(800);
        publisher.publish("t", "room", 1);
        world.advance_millis(300);
        publisher.publish("t", "none yet", 1);
        slow.expect_publish("t", "under way", 1);
        slow.expect_publish("t", "room", 1);
        slow.expect_nothing();
        assert_eq!(world.metrics().dropped_expired, 2);
    }
}
