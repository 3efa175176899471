//! A disk that is slow or full: what waits for it is bounded, what expires meanwhile is not delivered, and who
//! needs no disk is served.

use std::num::NonZeroU16;

use colibri_codec::Property;
use colibri_codec::Version::V5;
use colibri_sim::{World, config};
use colibri_storage::faulty::Faulty;
use colibri_storage::{Store, Table};

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::peer::Peer;
use crate::world::Clients;
use crate::{SHARDS, everywhere};

/// More turns than any of these tests has.
const FOR_NOW: usize = 10_000_000;

/// Sends a QoS 2 message that may expire, and awaits nothing.
fn post_expiring(publisher: &Peer, payload: &str, seconds: Option<u32>) {
    let expiry = seconds.map(Property::MessageExpiryInterval);
    let id = publisher.next_id();
    publisher.send_publish("t", payload.as_bytes(), (2, false, false), id, expiry.as_slice());
}

fn rows(world: &World, table: Table) -> u64 {
    world.store().and_then(|store| store.rows(table)).unwrap()
}

#[test]
fn a_message_that_expires_while_the_disk_is_slow_is_not_delivered_and_others_say_what_is_left() {
    for (shards, version) in everywhere() {
        for aliases in [0, 5] {
            for quota in [1, 100] {
                let world = World::with_store(config(shards), 1, Faulty::new());
                let hello = Hello::resume(version, "receiver");
                let five = version == V5;
                let hello = if five { hello.receive_maximum(quota) } else { hello };
                let receiver = world.join(&if five && aliases > 0 { hello.aliases(aliases) } else { hello });
                receiver.subscribe("t", 2);
                let publisher = world.join(&Hello::new(V5, "publisher"));
                world.stall_store(FOR_NOW);
                for (payload, seconds) in
                    [("short", Some(5)), ("long", Some(60)), ("none", None), ("last", Some(300))]
                {
                    post_expiring(&publisher, payload, seconds);
                }
                receiver.expect_nothing();
                world.advance(7);
                receiver.expect_nothing();
                world.stall_store(0);
                for (payload, expiry) in [("long", Some(53)), ("none", None), ("last", Some(293))] {
                    let message = receiver.expect_publish("t", payload, 2);
                    assert_eq!(message.expiry, expiry.filter(|_| five), "{payload}");
                }
                receiver.expect_nothing();
                assert_eq!(world.metrics().dropped_expired, 1);
                let answers: Vec<_> = std::iter::from_fn(|| publisher.next()).collect();
                assert_eq!(answers, (1..=4).map(|id| Got::Pubrec(id, 0)).collect::<Vec<_>>());
                assert_eq!((rows(&world, Table::Queue), rows(&world, Table::Bodies)), (0, 0));
                assert_eq!(world.metrics().in_flight_messages, 0);
            }
        }
    }
}

#[test]
fn a_message_that_waited_in_the_queue_expires_in_the_gate_too() {
    for (shards, version) in everywhere() {
        let mut config = config(shards);
        config.send_maximum = NonZeroU16::MIN;
        let world = World::with_store(config, 1, Faulty::new());
        let receiver = world.join(&Hello::resume(version, "receiver"));
        receiver.subscribe("t", 2);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.publish("t", "first", 1);
        for (payload, seconds) in [("short", 5), ("long", 60)] {
            let expiry = [Property::MessageExpiryInterval(seconds)];
            publisher.publish_with("t", payload.as_bytes(), 2, false, &expiry);
        }
        let first = receiver.expect_unanswered("t", "first", 1);
        world.stall_store(FOR_NOW);
        receiver.puback(first.id);
        receiver.expect_nothing();
        assert_eq!(world.metrics().queued_messages, 1, "one is in the gate");
        world.advance(10);
        world.stall_store(0);
        let long = receiver.expect_publish("t", "long", 2);
        assert_eq!(long.expiry, (version == V5).then_some(50));
        receiver.expect_nothing();
        assert_eq!(world.metrics().dropped_expired, 1);
        assert_eq!(rows(&world, Table::Queue), 0);
    }
}

#[test]
fn what_waits_for_a_slow_disk_in_gates_counts_as_output_of_its_receiver() {
    for shards in SHARDS {
        let mut config = config(shards);
        config.output_budget = 10_000;
        let world = World::with_store(config, 1, Faulty::new());
        let receivers: Vec<_> = (0..5)
            .map(|name| {
                let client = world.join(&Hello::resume(V5, &format!("r{name}")));
                client.subscribe("t", 2);
                client
            })
            .collect();
        let publisher = world.join(&Hello::new(V5, "publisher"));
        world.stall_store(FOR_NOW);
        (0..100).for_each(|number| post_expiring(&publisher, &format!("{number:01000}"), None));
        world.run();
        let metrics = world.metrics();
        let waiting = metrics.queued_messages + metrics.spilled_messages;
        assert!((440..=455).contains(&waiting), "{shards}: {waiting}");
        world.stall_store(0);
        for receiver in &receivers {
            let got = receiver.drain();
            assert!(got.iter().map(|message| &message.payload).eq(
                (0..100).map(|number| format!("{number:01000}").into_bytes()).collect::<Vec<_>>().iter()
            ));
        }
    }
}

#[test]
fn nobody_is_read_while_too_much_waits_for_a_slow_disk_and_everybody_afterwards() {
    const PAYLOAD: usize = 1 << 20;
    for shards in [1, 2] {
        let mut config = config(shards);
        config.queued_bytes_maximum = usize::MAX;
        let world = World::with_store(config, 1, Faulty::new());
        for name in ["a", "b"] {
            let away = world.join(&Hello::resume(V5, name));
            away.subscribe(name, 1);
            away.cut();
        }
        let publishers: Vec<_> =
            (0..20).map(|name| world.join(&Hello::new(V5, &format!("p{name}")))).collect();
        world.stall_store(FOR_NOW);
        let payload = vec![b'x'; PAYLOAD];
        for _ in 0..8 {
            for (publisher, topic) in publishers.iter().zip(["a", "b"].into_iter().cycle()) {
                publisher.post(topic, &payload, 1);
            }
        }
        world.run();
        let most = (64 << 20) * shards.min(2) as u64;
        let waiting = world.metrics().store_waiting_bytes;
        // One more read of one connection, at each shard that has a receiver.
        let slack = 4 * PAYLOAD as u64 * shards as u64;
        assert!((64 << 20..most + slack).contains(&waiting), "{shards} shards: {waiting}");
        assert!(publishers.iter().all(|publisher| publisher.next().is_none()));
        let unread: usize = publishers.iter().map(|publisher| publisher.link.unread()).sum();
        assert!(unread > 20 * PAYLOAD, "{unread}");
        world.stall_store(0);
        // Nothing tells a shard that reads nothing that there is room but its next look.
        world.advance(1);
        for publisher in &publishers {
            let answers: Vec<_> = std::iter::from_fn(|| publisher.next()).collect();
            assert_eq!(answers.len(), 8);
            assert!(answers.iter().all(|answer| matches!(answer, Got::Puback(_, 0))), "{answers:?}");
        }
        assert_eq!(world.metrics().store_waiting_bytes, 0);
    }
}

#[test]
fn a_client_that_is_not_read_for_a_slow_disk_does_not_count_as_silent() {
    for (shards, version) in everywhere() {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let away = world.join(&Hello::resume(version, "away"));
        away.subscribe("t", 1);
        away.cut();
        let witness = Hello::resume(version, "witness").will(Testament::new("will", b"silent"));
        let mut lively = Hello::new(version, "lively").will(Testament::new("will", b"silent"));
        lively.keep_alive = 10;
        let witness = world.join(&witness);
        witness.subscribe("will", 0);
        let lively = world.join(&lively);
        let mut dead = Hello::new(version, "dead").will(Testament::new("will", b"silent"));
        dead.keep_alive = 10;
        let dead = world.join(&dead);
        let publisher = world.join(&Hello::new(version, "publisher"));
        world.stall_store(FOR_NOW);
        for _ in 0..600 {
            publisher.post("t", b"x", 1);
            world.run();
        }
        for _ in 0..6 {
            lively.ping();
            world.advance(9);
        }
        assert!(!lively.is_closed());
        world.stall_store(0);
        world.advance(2);
        (0..6).for_each(|_| lively.expect(&Got::Pingresp));
        lively.expect_nothing();
        // One that has said nothing is found out.
        world.advance(2);
        assert!(dead.is_closed());
        witness.expect_publish("will", "silent", 0);
        witness.expect_nothing();
    }
}

#[test]
fn who_is_refused_because_the_disk_is_full_is_read_again_a_little_later_and_others_at_once() {
    for (shards, version) in everywhere() {
        let store = Faulty::new();
        let world = World::with_store(config(shards), 1, store.clone());
        let away = world.join(&Hello::resume(version, "away"));
        away.subscribe("t", 1);
        away.cut();
        let live = world.join(&Hello::new(version, "live"));
        live.subscribe("live", 1);
        let first = world.join(&Hello::new(V5, "first"));
        let publisher = world.join(&Hello::new(V5, "publisher"));
        store.set_capacity(store.size());
        first.post("t", b"finds out", 1);
        first.expect_nothing();
        for _ in 0..5 {
            let id = publisher.post("t", b"refused", 1);
            publisher.expect(&Got::Puback(id, 0x97));
            publisher.ping();
            publisher.expect_nothing();
            first.publish("live", "goes on", 0);
            live.expect_publish("live", "goes on", 0);
            world.advance_millis(100);
            publisher.expect(&Got::Pingresp);
        }
        store.set_capacity(None);
        world.advance(1);
        first.expect(&Got::Puback(1, 0));
        publisher.publish("t", "taken", 1);
        let away = world.join(&Hello::resume(version, "away"));
        away.expect_publish("t", "finds out", 1);
        away.expect_publish("t", "taken", 1);
        away.expect_nothing();
    }
}

#[test]
fn a_full_disk_stops_nobody_who_only_takes_what_is_there_already() {
    for shards in SHARDS {
        let store = Faulty::new();
        let world = World::with_store(config(shards), 1, store.clone());
        let receiver = world.join(&Hello::resume(V5, "receiver"));
        receiver.subscribe("t", 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        (0..900).for_each(|_| publisher.publish("t", "x", 1));
        store.set_capacity(Some(0));
        let late = world.join(&Hello::new(V5, "late"));
        late.post("t", b"finds out", 1);
        late.expect_nothing();
        for _ in 0..900 {
            let message = receiver.expect_unanswered("t", "x", 1);
            receiver.puback(message.id);
            world.run();
        }
        receiver.expect_unanswered("t", "finds out", 1);
        receiver.ping();
        receiver.expect(&Got::Pingresp);
        let live = world.join(&Hello::new(V5, "live"));
        live.subscribe("live", 1);
        live.publish("live", "goes on", 1);
        live.expect_publish("live", "goes on", 1);
        store.set_capacity(None);
        world.advance(1);
        assert_eq!(rows(&world, Table::Queue), 1);
    }
}

#[test]
fn a_refusal_leaves_behind_the_acknowledgements_of_earlier_messages_that_wait_for_the_disk() {
    // [v5 MQTT-4.6.0-2] [v5 MQTT-4.6.0-3]
    for shards in SHARDS {
        for (qos, lasting) in [(1, false), (1, true), (2, false), (2, true)] {
            let world = World::with_store(config(shards), 1, Faulty::new());
            let receiver = world.join(&Hello::resume(V5, "receiver"));
            receiver.subscribe("t", qos);
            let hello = if lasting { Hello::resume(V5, "publisher") } else { Hello::new(V5, "publisher") };
            let publisher = world.join(&hello);
            world.stall_store(FOR_NOW);
            let taken = publisher.post("t", b"1", qos);
            let refused = publisher.post("$SYS/t", b"2", qos);
            publisher.take_some(usize::MAX);
            assert_eq!(publisher.pop(), None);
            world.stall_store(0);
            for (id, code) in [(taken, 0), (refused, 0x87)] {
                let wanted = if qos == 1 { Got::Puback(id, code) } else { Got::Pubrec(id, code) };
                publisher.expect(&wanted);
            }
        }
    }
}
