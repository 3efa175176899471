//! Wills: when they are published and when not (sections 3.1.2.5 and 3.1.3.2).

use colibri_codec::Version::V5;
use colibri_codec::{Property, ReasonCode, Utf8String};
use colibri_sim::World;

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::peer::{Peer, wish};
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

fn watched(world: &World) -> Peer {
    let watcher = world.join(&Hello::new(V5, "watcher"));
    watcher.subscribe_to(wish("will/#", 2).as_published());
    watcher
}

#[test]
fn a_lost_connection_publishes_its_will_once() {
    // [v5 MQTT-3.1.2-7] [v5 MQTT-3.1.2-10] [v5 MQTT-3.1.2-14] [v3.1.1 MQTT-3.1.2-8] [v3.1.1 MQTT-3.1.2-10]
    // [v3.1.1 MQTT-3.1.2-12] [v3.1.1 MQTT-3.1.2-16]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = watched(&world);
        for qos in 0..3 {
            let will = Testament::new("will/a", b"gone").qos(qos);
            world.join(&Hello::resume(version, "a").will(will)).cut();
            assert!(!watcher.expect_publish("will/a", "gone", qos).retain);
            // The session goes on without a will.
            world.join(&Hello::resume(version, "a")).cut();
            watcher.expect_nothing();
        }
        watcher.subscribe("will/b", 0);
        watcher.expect_nothing();
    }
}

#[test]
fn a_disconnect_drops_the_will_unless_it_asks_for_it() {
    // [v5 MQTT-3.14.4-3] [v3.1.1 MQTT-3.14.4-3]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = watched(&world);
        let hello = Hello::new(version, "a").will(Testament::new("will/a", b"gone"));
        world.join(&hello).leave();
        watcher.expect_nothing();
        if version == V5 {
            world.join(&hello).leave_with(ReasonCode::DisconnectWithWillMessage, &[]);
            watcher.expect_publish("will/a", "gone", 0);
        }
        world.join(&hello).send_hex("C1 00");
        watcher.expect_publish("will/a", "gone", 0);
        watcher.expect_nothing();
    }
}

#[test]
fn a_client_that_ends_its_stream_is_lost() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = watched(&world);
        let client = world.join(&Hello::new(version, "a").will(Testament::new("will/a", b"gone")));
        client.link.end();
        watcher.expect_publish("will/a", "gone", 0);
        assert_eq!(world.connections().0, 1);
    }
}

#[test]
fn an_end_right_behind_the_last_bytes_is_seen() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = watched(&world);
        let client = world.join(&Hello::new(version, "a").will(Testament::new("will/a", b"gone")));
        // The bytes and the end are told in one event.
        client.post("will/last", b"words", 0);
        client.link.end();
        watcher.expect_publish("will/last", "words", 0);
        watcher.expect_publish("will/a", "gone", 0);
        assert_eq!(world.connections().0, 1);
    }
}

#[test]
fn a_will_waits_for_its_delay_and_is_dropped_when_the_session_goes_on() {
    // [v5 MQTT-3.1.2-8] [v5 MQTT-3.1.3-9]
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = watched(&world);
        let will = Testament::new("will/a", b"gone").delay(10);
        let hello = Hello::new(V5, "a").clean(false).expiry(100).will(will);
        world.join(&hello).cut();
        world.advance(9);
        watcher.expect_nothing();
        let back = world.join(&hello);
        world.advance(50);
        watcher.expect_nothing();
        back.cut();
        world.advance_millis(9_999);
        watcher.expect_nothing();
        world.advance_millis(1);
        watcher.expect_publish("will/a", "gone", 0);
        world.advance(500);
        watcher.expect_nothing();
    }
}

#[test]
fn the_end_of_the_session_publishes_a_will_that_still_waits() {
    // [v5 MQTT-3.1.2-8]
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = watched(&world);
        let will = Testament::new("will/a", b"gone").delay(100);
        world.join(&Hello::new(V5, "a").expiry(5).will(will.clone())).cut();
        world.advance(4);
        watcher.expect_nothing();
        world.advance(1);
        watcher.expect_publish("will/a", "gone", 0);
        world.join(&Hello::new(V5, "a").will(will.clone())).cut();
        watcher.expect_publish("will/a", "gone", 0);
        // A clean start ends the session too.
        world.join(&Hello::new(V5, "a").expiry(50).will(will)).cut();
        watcher.expect_nothing();
        world.join(&Hello::new(V5, "a")).leave();
        watcher.expect_publish("will/a", "gone", 0);
        world.advance(500);
        watcher.expect_nothing();
    }
}

#[test]
fn a_retained_will_is_retained() {
    // [v5 MQTT-3.1.2-15] [v3.1.1 MQTT-3.1.2-17]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = watched(&world);
        let will = Testament::new("will/a", b"gone").qos(1).retained();
        world.join(&Hello::new(version, "a").will(will)).cut();
        assert!(watcher.expect_publish("will/a", "gone", 1).retain);
        let late = world.join(&Hello::new(version, "late"));
        late.subscribe("will/a", 1);
        assert!(late.expect_publish("will/a", "gone", 1).retain);
        world.join(&Hello::new(version, "b").will(Testament::new("will/a", b"").retained())).cut();
        watcher.expect_publish("will/a", "", 0);
        late.expect_publish("will/a", "", 0);
        late.subscribe("will/#", 1);
        late.expect_nothing();
    }
}

#[test]
fn a_will_keeps_its_properties_and_begins_to_expire_when_it_is_published() {
    // [v5 MQTT-3.1.3-10]
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = watched(&world);
        let pair = |name, value| {
            Property::UserProperty((Utf8String::new(name).unwrap(), Utf8String::new(value).unwrap()))
        };
        let will = Testament::new("will/a", b"gone").retained().delay(50);
        let will = will.with(Property::MessageExpiryInterval(20)).with(pair("b", "1"));
        let will = will.with(pair("a", "2")).with(pair("b", "3"));
        world.join(&Hello::new(V5, "a").expiry(100).will(will)).cut();
        world.advance(50);
        let message = watcher.expect_publish("will/a", "gone", 0);
        assert_eq!(message.expiry, Some(20));
        let names: Vec<_> = message.others.iter().map(|pair| pair.split('"').nth(1).unwrap()).collect();
        assert_eq!(names, ["b", "a", "b"]);
        world.advance(15);
        watcher.subscribe_to(wish("will/+", 0));
        assert_eq!(watcher.expect_publish("will/a", "gone", 0).expiry, Some(5));
        world.advance(5);
        watcher.subscribe_to(wish("will/+", 0));
        watcher.expect_nothing();
    }
}

#[test]
fn a_will_goes_only_where_its_client_may_publish() {
    // [v5 MQTT-3.1.4-2]
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.topic_levels_maximum = 4);
        let watcher = world.join(&Hello::new(V5, "watcher"));
        watcher.subscribe("$SYS/#", 0);
        watcher.subscribe("#", 0);
        let client = world
            .dial(&Hello::new(version, "a").will(Testament::new("$SYS/broker/version", b"mine").retained()));
        let code = if version == V5 { 0x87 } else { 5 };
        client.expect(&Got::Connack { present: false, code });
        client.expect_closed();
        let client = world.dial(&Hello::new(version, "a").will(Testament::new("a/b/c/d/e", b"deep")));
        if version == V5 {
            client.expect(&Got::Connack { present: false, code: 0x90 });
        }
        client.expect_closed();
        watcher.expect_nothing();
        assert_eq!(world.metrics().retained_messages, 0);
    }
}

#[test]
fn a_will_reaches_other_shards_when_the_connection_breaks_in_a_write() {
    for (shards, version) in everywhere() {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let world = World::new(shards);
            let watcher = watched(&world);
            let client = world.join(&Hello::new(version, name).will(Testament::new("will/a", b"gone")));
            client.link.fail_writes();
            client.ping();
            watcher.expect_publish("will/a", "gone", 0);
        }
    }
}
