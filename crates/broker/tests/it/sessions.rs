//! Sessions: kept, resumed, taken over, ended (sections 3.1.2.4, 3.1.2.11.2, 3.1.4 and 4.1).

use colibri_codec::Version::{V3_1_1, V5};
use colibri_codec::{Property, ReasonCode};
use colibri_sim::World;

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

#[test]
fn a_session_keeps_subscriptions_and_messages_in_order() {
    // [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-23] [v5 MQTT-3.2.2-3] [v5 MQTT-4.5.0-1] [v5 MQTT-4.6.0-6]
    // [v3.1.1 MQTT-3.1.2-4] [v3.1.1 MQTT-3.1.2-5] [v3.1.1 MQTT-3.2.2-2] [v3.1.1 MQTT-3.2.2-3]
    // [v3.1.1 MQTT-4.5.0-1] [v3.1.1 MQTT-4.6.0-5]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for name in ["a", "b", "c", "d", "e"] {
            let first = world.dial(&Hello::resume(version, name));
            assert!(!first.expect_accepted());
            first.subscribe(&format!("{name}/#"), 2);
            first.cut();
            for number in 0..50 {
                publisher.publish(&format!("{name}/x"), format!("{number}"), 1 + number % 2);
            }
            publisher.publish(&format!("{name}/x"), "not kept", 0);
            let second = world.dial(&Hello::resume(version, name));
            assert!(second.expect_accepted());
            for number in 0..50 {
                let message = second.expect_message();
                assert_eq!(message.payload, format!("{number}").into_bytes());
                second.answer(&message);
            }
            second.expect_nothing();
            publisher.publish(&format!("{name}/y"), "live", 1);
            second.expect_publish(&format!("{name}/y"), "live", 1);
        }
    }
}

#[test]
fn a_clean_start_begins_anew() {
    // [v5 MQTT-3.1.2-4] [v5 MQTT-3.1.4-4] [v5 MQTT-3.2.2-2] [v3.1.1 MQTT-3.1.2-6] [v3.1.1 MQTT-3.1.4-3]
    // [v3.1.1 MQTT-3.2.2-1] [v3.1.1 MQTT-3.2.2-3]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let first = world.join(&Hello::resume(version, "a"));
        first.subscribe("t", 1);
        first.cut();
        publisher.publish("t", "lost", 1);
        let second = world.dial(&Hello::new(version, "a"));
        assert!(!second.expect_accepted());
        publisher.publish("t", "not subscribed", 1);
        second.expect_nothing();
        second.cut();
        let third = world.dial(&Hello::resume(version, "a"));
        assert!(!third.expect_accepted());
        assert_eq!(world.metrics().subscriptions, 0);
    }
}

#[test]
fn what_was_not_acknowledged_comes_again_under_its_identifier() {
    // [v5 MQTT-2.2.1-4] [v5 MQTT-3.3.1-1] [v5 MQTT-4.3.3-5] [v5 MQTT-4.3.3-6] [v5 MQTT-4.4.0-1]
    // [v3.1.1 MQTT-2.3.1-4] [v3.1.1 MQTT-3.3.1-1] [v3.1.1 MQTT-4.3.3-1] [v3.1.1 MQTT-4.4.0-1]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let first = world.join(&Hello::resume(version, "a"));
        first.subscribe("t/#", 2);
        for qos in [1, 2, 2] {
            publisher.publish(&format!("t/{qos}"), "x", qos);
        }
        let one = first.expect_unanswered("t/1", "x", 1);
        let two = first.expect_unanswered("t/2", "x", 2);
        let three = first.expect_unanswered("t/2", "x", 2);
        assert!(one.id != two.id && two.id != three.id && one.id != 0);
        first.pubrec(three.id);
        first.expect(&Got::Pubrel(three.id, 0));
        first.cut();
        let second = world.join(&Hello::resume(version, "a"));
        second.expect(&Got::Pubrel(three.id, 0));
        let again = second.expect_unanswered("t/1", "x", 1);
        assert!(again.dup && again.id == one.id);
        second.puback(again.id);
        let again = second.expect_unanswered("t/2", "x", 2);
        assert!(again.dup && again.id == two.id);
        second.answer(&again);
        second.pubcomp(three.id);
        second.expect_nothing();
        second.cut();
        world.join(&Hello::resume(version, "a")).expect_nothing();
    }
}

#[test]
fn a_qos_2_message_sent_again_on_a_new_connection_is_delivered_once() {
    // [v5 MQTT-4.3.3-10] [v5 MQTT-4.3.3-11] [v5 MQTT-4.3.3-12] [v3.1.1 MQTT-4.3.3-2]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let receiver = world.join(&Hello::new(version, "receiver"));
        receiver.subscribe("t", 2);
        let first = world.join(&Hello::resume(version, "a"));
        first.send_publish("t", b"once", (2, false, false), 7, &[]);
        first.expect(&Got::Pubrec(7, 0));
        first.cut();
        let second = world.join(&Hello::resume(version, "a"));
        second.send_publish("t", b"once", (2, false, true), 7, &[]);
        second.expect(&Got::Pubrec(7, 0));
        second.pubrel(7);
        second.expect(&Got::Pubcomp(7, 0));
        receiver.expect_publish("t", "once", 2);
        second.send_publish("t", b"new", (2, false, false), 7, &[]);
        second.expect(&Got::Pubrec(7, 0));
        receiver.expect_publish("t", "new", 2);
        receiver.expect_nothing();
    }
}

#[test]
fn a_session_ends_when_its_expiry_interval_is_over() {
    // [v5 MQTT-3.1.2-6] [v5 MQTT-3.1.2-23] [v5 MQTT-4.1.0-1] [v5 MQTT-4.1.0-2]
    for shards in SHARDS {
        let world = World::new(shards);
        for name in ["a", "b", "c", "d"] {
            world.join(&Hello::new(V5, name).expiry(20)).cut();
            world.advance(19);
            let present = world.dial(&Hello::new(V5, name).clean(false).expiry(20));
            assert!(present.expect_accepted());
            // While the client is connected nothing expires.
            world.advance(100);
            present.expect_nothing();
            present.subscribe("x", 1);
            present.cut();
            world.advance(20);
            assert_eq!(world.metrics().sessions, 0);
            assert_eq!(world.metrics().subscriptions, 0);
            let absent = world.dial(&Hello::new(V5, name).clean(false));
            assert!(!absent.expect_accepted());
            absent.leave();
        }
    }
}

#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    // [v5 MQTT-3.1.2-23] [v3.1.1 MQTT-3.1.2-6]
    for shards in SHARDS {
        let world = World::new(shards);
        for hello in [Hello::new(V5, "a"), Hello::new(V5, "a").expiry(0), Hello::new(V3_1_1, "a")] {
            let client = world.join(&hello);
            client.subscribe("t", 1);
            client.cut();
            assert_eq!(world.metrics().sessions, 0);
            let again = world.dial(&hello.clean(false));
            assert!(!again.expect_accepted());
            again.leave();
            let gone = world.dial(&Hello::new(V5, "a"));
            assert!(!gone.expect_accepted());
            gone.leave();
        }
    }
}

#[test]
fn a_disconnect_changes_the_expiry_of_its_session() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::new(V5, "a").expiry(100));
        client.leave_with(ReasonCode::Success, &[Property::SessionExpiryInterval(5)]);
        world.advance(5);
        assert_eq!(world.metrics().sessions, 0);
        let client = world.join(&Hello::new(V5, "a").expiry(100));
        client.leave_with(ReasonCode::Success, &[Property::SessionExpiryInterval(0)]);
        assert_eq!(world.metrics().sessions, 0);
        let client = world.join(&Hello::new(V5, "a").expiry(5));
        client.leave_with(ReasonCode::Success, &[Property::SessionExpiryInterval(100)]);
        world.advance(99);
        assert_eq!(world.metrics().sessions, 1);
        world.advance(1);
        assert_eq!(world.metrics().sessions, 0);
        let client = world.join(&Hello::new(V5, "a"));
        client.leave_with(ReasonCode::Success, &[Property::SessionExpiryInterval(5)]);
        client.expect_disconnect(0x82);
        assert_eq!(world.metrics().sessions, 0);
    }
}

#[test]
fn the_expiry_is_cut_to_the_configured_one_and_the_client_is_told() {
    for shards in SHARDS {
        let world = configured(shards, |config| config.session_expiry_maximum = 10);
        let client = world.dial(&Hello::new(V5, "a").expiry(11));
        let (_, properties) = client.next_with_properties().unwrap();
        assert!(properties.contains(&"SessionExpiryInterval(10)".to_owned()), "{properties:?}");
        client.leave_with(ReasonCode::Success, &[Property::SessionExpiryInterval(u32::MAX)]);
        let old = world.join(&Hello::new(V3_1_1, "b").clean(false));
        old.cut();
        world.advance(9);
        assert_eq!(world.metrics().sessions, 2);
        world.advance(1);
        assert_eq!(world.metrics().sessions, 0);
    }
}

#[test]
fn an_older_connection_is_taken_over_with_its_state() {
    // [v5 MQTT-3.1.4-3] [v5 MQTT-3.2.2-2] [v3.1.1 MQTT-3.1.4-2] [v3.1.1 MQTT-3.2.2-1]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let older = world.join(&Hello::resume(version, "a"));
        older.subscribe("t", 1);
        publisher.publish("t", "1", 1);
        let open = older.expect_unanswered("t", "1", 1);
        let newer = world.dial(&Hello::resume(version, "a"));
        assert!(newer.expect_accepted());
        older.expect_disconnect(0x8E);
        let again = newer.expect_publish("t", "1", 1);
        assert!(again.dup && again.id == open.id);
        publisher.publish("t", "2", 1);
        newer.expect_publish("t", "2", 1);
        assert_eq!(world.connections(), (2, 2));
        let clean = world.dial(&Hello::new(version, "a"));
        assert!(!clean.expect_accepted());
        newer.expect_disconnect(0x8E);
        clean.expect_nothing();
    }
}

#[test]
fn a_taken_over_connection_publishes_its_will_unless_it_waits() {
    // [v5 MQTT-3.1.2-8] [v5 MQTT-3.1.3-9]
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = world.join(&Hello::new(V5, "watcher"));
        watcher.subscribe("will/#", 0);
        let hello = |delay| {
            let will = Testament::new("will/a", format!("{delay}").as_bytes()).delay(delay);
            Hello::new(V5, "a").clean(false).expiry(100).will(will)
        };
        world.join(&hello(0));
        world.join(&hello(50));
        watcher.expect_publish("will/a", "0", 0);
        world.join(&hello(60));
        watcher.expect_nothing();
        // A new session ends the old one, and with it the will's waiting.
        let last = world.join(&Hello::new(V5, "a"));
        watcher.expect_publish("will/a", "60", 0);
        last.leave();
        world.advance(1000);
        watcher.expect_nothing();
    }
}

#[test]
fn takeovers_in_a_row_leave_one_connection() {
    // [v5 MQTT-3.1.3-2] [v5 MQTT-3.1.4-3] [v3.1.1 MQTT-3.1.3-2] [v3.1.1 MQTT-3.1.4-2]
    for (shards, version) in everywhere() {
        for seed in 0..10 {
            let world = World::seeded(shards, seed);
            let all: Vec<_> = (0..10).map(|_| world.dial(&Hello::resume(version, "a"))).collect();
            world.run();
            assert_eq!(world.connections(), (1, 1));
            assert_eq!(all.iter().filter(|peer| !peer.is_closed()).count(), 1);
            assert_eq!(world.metrics().sessions, 1);
        }
    }
}

#[test]
fn topic_aliases_end_with_their_connection() {
    // [v5 MQTT-3.3.2-7] [v5 MQTT-3.3.2-9] [v5 MQTT-3.3.2-12]
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = world.join(&Hello::new(V5, "watcher"));
        watcher.subscribe("#", 0);
        let alias = |number| [Property::TopicAlias(std::num::NonZeroU16::new(number).unwrap())];
        let first = world.join(&Hello::resume(V5, "a"));
        first.publish_with("t", b"1", 0, false, &alias(1));
        first.publish_with("u", b"2", 0, false, &alias(32));
        first.publish_with("", b"3", 0, false, &alias(1));
        first.publish_with("", b"4", 0, false, &alias(32));
        for (topic, payload) in [("t", "1"), ("u", "2"), ("t", "3"), ("u", "4")] {
            assert_eq!(watcher.expect_publish(topic, payload, 0).alias, None);
        }
        first.cut();
        let second = world.join(&Hello::resume(V5, "a"));
        second.publish_with("", b"5", 0, false, &alias(1));
        second.expect_disconnect(0x82);
        let third = world.join(&Hello::resume(V5, "a"));
        third.publish_with("t", b"6", 0, false, &alias(33));
        third.expect_disconnect(0x94);
        watcher.expect_nothing();
    }
}

#[test]
fn a_client_may_come_back_a_thousand_times_and_leave_nothing_behind() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        for _ in 0..1000 {
            world.join(&Hello::resume(version, "a").keep_alive(60_000)).cut();
        }
        assert!(world.timers() < 3000, "{} timers", world.timers());
        world.join(&Hello::new(version, "a")).leave();
        assert_eq!(world.metrics().sessions, 0);
    }
}
