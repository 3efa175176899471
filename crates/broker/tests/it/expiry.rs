//! Message expiry (section 3.3.2.3.3) and the end of a broker.

use std::time::Duration;

use colibri_codec::Property;
use colibri_codec::Version::V5;
use colibri_sim::World;

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

#[test]
fn a_message_says_how_long_it_has_left_and_is_dropped_when_that_is_over() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for name in ["a", "b", "c"] {
            let first = world.join(&Hello::resume(version, name));
            first.subscribe("t", 1);
            publisher.publish_with("t", b"now", 1, false, &[Property::MessageExpiryInterval(60)]);
            assert_eq!(first.expect_publish("t", "now", 1).expiry, (version == V5).then_some(60));
            first.cut();
            publisher.publish_with("t", b"short", 1, false, &[Property::MessageExpiryInterval(5)]);
            publisher.publish_with("t", b"long", 1, false, &[Property::MessageExpiryInterval(60)]);
            world.advance(5);
            let back = world.join(&Hello::resume(version, name));
            assert_eq!(back.expect_publish("t", "long", 1).expiry, (version == V5).then_some(55));
            back.expect_nothing();
            back.unsubscribe("t");
        }
        assert_eq!(world.metrics().dropped_expired, 3);
    }
}

#[test]
fn a_message_that_was_sent_does_not_expire() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let client = world.join(&Hello::resume(version, "a"));
        client.subscribe("t", 2);
        publisher.publish_with("t", b"x", 2, false, &[Property::MessageExpiryInterval(1)]);
        client.expect_unanswered("t", "x", 2);
        world.advance(10);
        client.cut();
        let back = world.join(&Hello::resume(version, "a"));
        assert!(back.expect_publish("t", "x", 2).dup);
        back.expect_nothing();
    }
}

#[test]
fn a_message_that_expires_at_once_reaches_nobody_late() {
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let client = world.join(&Hello::new(V5, "a"));
        client.subscribe("t", 1);
        publisher.publish_with("t", b"x", 1, true, &[Property::MessageExpiryInterval(0)]);
        client.expect_nothing();
        client.subscribe("t", 1);
        client.expect_nothing();
    }
}

#[test]
fn a_broker_that_stops_tells_its_clients_and_publishes_no_wills() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let all: Vec<_> = (0..20)
            .map(|name| {
                let will = Testament::new("will", b"gone");
                let client = world.join(&Hello::resume(version, &format!("{name}")).will(will));
                client.subscribe("#", 0);
                client
            })
            .collect();
        let silent = world.open(version);
        world.run();
        world.stop();
        world.run();
        for client in &all {
            client.expect_disconnect(0x8B);
        }
        silent.expect_closed();
        world.advance(2);
        assert!(world.is_stopped());
    }
}

#[test]
fn a_client_that_does_not_read_does_not_hold_a_stopping_broker() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.stop_timeout = Duration::from_secs(3));
        world.capacity(100);
        let client = world.join(&Hello::new(version, "a"));
        client.subscribe("t", 1);
        client.reads(false);
        for _ in 0..100 {
            client.post("t", &[0; 100], 1);
        }
        world.run();
        world.stop();
        world.run();
        world.advance(3);
        assert!(world.is_stopped());
    }
}

#[test]
fn a_broker_that_stops_takes_nobody_new_and_does_not_wait_for_them() {
    for (shards, version) in everywhere() {
        for seed in 0..20 {
            let world = World::seeded(shards, seed);
            let all: Vec<_> =
                (0..4).map(|name| world.dial(&Hello::new(version, &format!("{name}")))).collect();
            world.turns(usize::try_from(seed).unwrap());
            world.stop();
            let late = world.open(version);
            world.run();
            assert!(world.is_stopped(), "{shards} shards, seed {seed}");
            drop((all, late));
        }
    }
}

#[test]
fn expired_messages_make_room_in_a_full_queue() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.queued_messages_maximum = 5);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for name in ["a", "b", "c"] {
            let client = world.join(&Hello::resume(version, name));
            client.subscribe(name, 1);
            client.cut();
            for _ in 0..5 {
                publisher.publish_with(name, b"short", 1, false, &[Property::MessageExpiryInterval(3)]);
            }
            world.advance(2);
            let id = publisher.post(name, b"refused", 1);
            publisher.expect(&Got::Puback(id, 0x97));
            world.advance(1);
            publisher.publish(name, "kept", 1);
            let back = world.join(&Hello::resume(version, name));
            back.expect_publish(name, "kept", 1);
            back.expect_nothing();
        }
        assert_eq!(world.metrics().dropped_expired, 15);
    }
}

#[test]
fn expired_messages_leave_the_queue_of_a_client_that_stays_away() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let client = world.join(&Hello::resume(version, "a"));
        client.subscribe("t", 1);
        client.reads(false);
        publisher.publish_with("t", b"sent", 1, false, &[Property::MessageExpiryInterval(15)]);
        client.cut();
        for seconds in [5, 15, 25, 25] {
            let expiry = [Property::MessageExpiryInterval(seconds)];
            publisher.publish_with("t", b"waits", 1, false, &expiry);
        }
        publisher.publish("t", "stays", 1);
        // The one that was sent does not expire any more.
        for (seconds, expired) in [(10, 1), (10, 2), (10, 4), (1000, 4)] {
            world.advance(seconds);
            assert_eq!(world.metrics().dropped_expired, expired);
        }
        let back = world.join(&Hello::resume(version, "a"));
        assert_eq!(back.drain().len(), 2);
        assert!(world.timers() < 10, "{}", world.timers());
    }
}
