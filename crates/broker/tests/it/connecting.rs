//! Who may connect, how, and who is turned away (sections 3.1 and 3.2).

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use colibri_codec::Property;
use colibri_codec::Version::{V3_1, V3_1_1, V5};
use colibri_sim::World;

use crate::hello::{Hello, Testament};
use crate::packets::{Got, hex};
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

fn assigned(properties: &[String]) -> String {
    let property = properties.iter().find(|property| property.starts_with("AssignedClientIdentifier"));
    property.expect("an identifier").split('"').nth(1).unwrap().to_owned()
}

#[test]
fn a_connect_is_answered_and_a_disconnect_closes() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        for name in 0..20 {
            let client = world.join(&Hello::new(version, &format!("client-{name}")));
            client.ping();
            client.expect(&Got::Pingresp);
            client.send_hex("E000");
            client.expect_closed();
        }
        assert_eq!(world.connections(), (0, 0));
    }
}

#[test]
fn version_3_1_connects_and_sees_no_session_present() {
    for shards in SHARDS {
        let world = World::new(shards);
        world.join(&Hello::new(V3_1, "old").clean(false)).cut();
        let client = world.join(&Hello::new(V3_1, "old").clean(false));
        client.subscribe("a", 1);
        client.publish("a", "x", 1);
        client.expect_publish("a", "x", 1);
    }
}

#[test]
fn an_empty_client_identifier_gets_one_that_is_unique_and_can_be_used() {
    // [v5 MQTT-3.1.3-6] [v5 MQTT-3.1.3-7] [v5 MQTT-3.2.2-16]
    for shards in SHARDS {
        let world = World::new(shards);
        let mut all = HashSet::new();
        for _ in 0..20 {
            let client = world.dial(&Hello::new(V5, "").expiry(60));
            let (got, properties) = client.next_with_properties().unwrap();
            assert_eq!(got, Got::Connack { present: false, code: 0 });
            let name = assigned(&properties);
            assert!(all.insert(name.clone()));
            client.subscribe("a", 1);
            client.cut();
            let again = world.dial(&Hello::new(V5, &name).clean(false).expiry(60));
            assert!(again.expect_accepted());
            again.publish("a", "x", 1);
            again.expect_publish("a", "x", 1);
        }
        assert_eq!(world.connections().0, 20);
    }
}

#[test]
fn an_empty_client_identifier_needs_a_clean_session_before_5_0() {
    // [v3.1.1 MQTT-3.1.3-6] [v3.1.1 MQTT-3.1.3-8]
    for shards in SHARDS {
        let world = World::new(shards);
        let one = world.join(&Hello::new(V3_1_1, ""));
        let other = world.join(&Hello::new(V3_1_1, ""));
        one.expect_nothing();
        other.expect_nothing();
        let refused = world.dial(&Hello::new(V3_1_1, "").clean(false));
        refused.expect(&Got::Connack { present: false, code: 2 });
        refused.expect_closed();
        let refused = world.dial(&Hello::new(V3_1, ""));
        refused.expect(&Got::Connack { present: false, code: 2 });
        refused.expect_closed();
        assert_eq!(world.metrics().sessions, 2);
    }
}

#[test]
fn what_is_no_connect_is_closed_at_once() {
    for shards in SHARDS {
        let world = World::new(shards);
        for bytes in
            [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00", b"\x00", b"\xFF", b"G", b"\x30\x05"]
        {
            let client = world.open(V5);
            client.send_bytes(bytes);
            client.expect_closed();
        }
        // The first byte is that of CONNECT, what follows is not.
        for text in ["10 04 00 02 4D 51", "11 00", "10 00", "10 FF FF FF FF 7F", "10 80 00"] {
            let client = world.open(V3_1_1);
            client.send_hex(text);
            client.expect_closed();
        }
        assert_eq!(world.connections(), (0, 0));
    }
}

#[test]
fn an_unknown_version_is_told_so() {
    // [v5 MQTT-3.1.2-2] [v3.1.1 MQTT-3.1.2-2]
    let world = World::new(1);
    let client = world.open(V3_1_1);
    client.send_hex("10 0D 00 04 4D515454 07 02 003C 0001 61");
    client.expect(&Got::Connack { present: false, code: 1 });
    client.expect_closed();
    let client = world.open(V5);
    client.send_hex("10 0E 00 04 4D515454 06 02 003C 00 0001 61");
    client.expect(&Got::Connack { present: false, code: 0x84 });
    client.expect_closed();
}

#[test]
fn malformed_connects_are_refused() {
    // [v5 MQTT-3.1.2-3] [v5 MQTT-3.1.4-1] [v3.1.1 MQTT-3.1.2-3] [v3.1.1 MQTT-3.1.4-1]
    for shards in SHARDS {
        let world = World::new(shards);
        // The reserved flag; a property twice; bytes behind the end.
        for text in [
            "10 0E 00 04 4D515454 05 03 003C 00 0001 61",
            "10 18 00 04 4D515454 05 02 003C 0A 11 00000001 11 00000001 0001 61",
            "10 0F 00 04 4D515454 05 02 003C 00 0001 61 62",
        ] {
            let client = world.open(V5);
            client.send_hex(text);
            let Some(Got::Connack { present: false, code: 0x81 | 0x82 }) = client.next() else {
                panic!("{text}")
            };
            client.expect_closed();
        }
        let client = world.open(V3_1_1);
        client.send_hex("10 0D 00 04 4D515454 04 03 003C 0001 61");
        client.expect_closed();
    }
}

#[test]
fn an_authentication_method_is_refused() {
    let world = World::new(2);
    let client = world.open(V5);
    client.send_hex("10 14 00 04 4D515454 05 02 003C 06 15 0003 4E4F50 0001 61");
    client.expect(&Got::Connack { present: false, code: 0x8C });
    client.expect_closed();
}

#[test]
fn a_second_connect_ends_the_connection() {
    // [v5 MQTT-3.1.0-2] [v3.1.1 MQTT-3.1.0-2]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let client = world.join(&Hello::new(version, "a"));
        client.send_bytes(&Hello::new(version, "a").encode());
        client.expect_disconnect(0x82);
    }
}

#[test]
fn whatever_comes_before_connect_closes_the_connection() {
    for shards in SHARDS {
        let world = World::new(shards);
        let watcher = world.join(&Hello::new(V5, "watcher"));
        watcher.subscribe("#", 0);
        for text in ["30 04 0001 61 78", "C0 00", "E0 00", "82 06 0001 0001 61 00", "20 02 00 00"] {
            let client = world.open(V3_1_1);
            client.send_hex(text);
            client.send_bytes(&Hello::new(V3_1_1, "late").encode());
            client.expect_closed();
        }
        watcher.expect_nothing();
    }
}

#[test]
fn connect_subscribe_and_publish_may_come_in_one_segment() {
    for (shards, version) in everywhere() {
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let world = World::new(shards);
            let client = world.open(version);
            client.send_bytes(&Hello::new(version, name).encode());
            client.ask(&[crate::peer::wish("t", 1)]);
            let id = client.post("t", b"x", 1);
            client.expect_accepted();
            client.expect(&Got::Suback(1, vec![1]));
            let (one, other) = (client.next().unwrap(), client.next().unwrap());
            let got = if one == Got::Puback(id, 0) { other } else { one };
            let Got::Publish(message) = got else { panic!("{got:?}") };
            assert_eq!(message.payload, b"x");
        }
    }
}

#[test]
fn packets_may_be_cut_at_every_byte() {
    for (shards, version) in everywhere() {
        let script = |world: &World| {
            let client = world.open(version);
            client.send_bytes(&Hello::new(version, "cut").encode());
            client.ask(&[crate::peer::wish("t", 2)]);
            client.post("t", &[7; 300], 2);
            client.ping();
            client
        };
        let answers = |world: &World, client: &crate::peer::Peer| {
            let mut got = Vec::new();
            world.run();
            while let Some(packet) = client.next() {
                got.push(packet);
            }
            got.sort_by_key(|packet| format!("{packet:?}"));
            got
        };
        let whole = World::new(shards);
        let wanted = answers(&whole, &script(&whole));
        assert_eq!(wanted.len(), 5);
        let length = {
            let world = World::new(shards);
            let client = script(&world);
            client.link.unread()
        };
        let world = World::new(shards);
        let bytes: Vec<u8> = {
            let client = script(&world);
            client.link.take_back()
        };
        for cut in 1..length {
            let client = world.open(version);
            client.send_bytes(&bytes[..cut]);
            world.run();
            client.send_bytes(&bytes[cut..]);
            assert_eq!(answers(&world, &client), wanted, "cut at {cut}");
            client.leave();
        }
        let world = World::new(shards);
        world.fragment(1);
        assert_eq!(answers(&world, &script(&world)), wanted, "cut everywhere");
    }
}

#[test]
fn a_silent_connection_is_closed_after_the_connect_timeout() {
    for shards in SHARDS {
        let world = configured(shards, |config| config.connect_timeout = Duration::from_secs(3));
        let silent = world.open(V5);
        let slow = world.open(V5);
        slow.send_bytes(&Hello::new(V5, "slow").encode()[..9]);
        let connected = world.join(&Hello::new(V5, "fast"));
        world.advance_millis(2_999);
        assert!(!silent.is_closed() && !slow.is_closed());
        world.advance_millis(1);
        silent.expect_closed();
        slow.expect_closed();
        world.advance(100);
        connected.expect_nothing();
    }
}

#[test]
fn a_connect_larger_than_the_limit_is_refused_from_its_header() {
    for shards in SHARDS {
        let world = configured(shards, |config| {
            config.connect_size_maximum = NonZeroU32::new(1000).unwrap();
        });
        let client = world.open(V5);
        // 998 bytes behind three bytes of header.
        client.send_hex("10 E6 07");
        client.expect_closed();
        let long = "x".repeat(970);
        world.join(&Hello::new(V5, &long));
    }
}

#[test]
fn a_packet_larger_than_the_limit_is_refused_from_its_header() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| {
            config.limits.maximum_packet_size = NonZeroU32::new(1000).unwrap();
        });
        let client = world.join(&Hello::new(version, "a"));
        client.send_hex("30 E6 07");
        client.expect_disconnect(0x95);
    }
}

#[test]
fn a_client_is_told_the_limits() {
    let world = configured(2, |config| {
        config.limits.maximum_packet_size = NonZeroU32::new(1000).unwrap();
    });
    let client = world.dial(&Hello::new(V5, "a"));
    let (_, properties) = client.next_with_properties().unwrap();
    for wanted in ["ReceiveMaximum(1024)", "MaximumPacketSize(1000)", "TopicAliasMaximum(32)"] {
        assert!(properties.iter().any(|property| property == wanted), "{properties:?}");
    }
    assert!(!properties.iter().any(|property| property.starts_with("SessionExpiry")));
}

#[test]
fn a_client_that_takes_no_connack_is_closed() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.dial(&Hello::new(V5, "tiny").packet_size(4));
        client.expect_closed();
        assert_eq!(world.connections(), (0, 0));
        assert_eq!(world.metrics().sessions, 0);
    }
}

#[test]
fn a_silent_client_is_given_up_after_one_and_a_half_times_its_keep_alive() {
    // [v5 MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let watcher = world.join(&Hello::new(version, "watcher"));
        watcher.subscribe("will", 0);
        let client =
            world.join(&Hello::new(version, "a").keep_alive(10).will(Testament::new("will", b"gone")));
        world.advance_millis(14_999);
        client.ping();
        client.expect(&Got::Pingresp);
        world.advance_millis(14_999);
        client.expect_nothing();
        watcher.expect_nothing();
        world.advance_millis(1);
        client.expect_disconnect(0x8D);
        watcher.expect_publish("will", "gone", 0);
    }
}

#[test]
fn no_keep_alive_means_for_ever() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let client = world.join(&Hello::new(version, "a"));
        world.advance(1_000_000);
        client.expect_nothing();
    }
}

#[test]
fn reserved_flags_and_wrong_packets_end_the_connection() {
    // [v5 MQTT-2.1.3-1] [v5 MQTT-4.13.1-1] [v3.1.1 MQTT-2.2.2-2] [v3.1.1 MQTT-4.8.0-1]
    for (shards, version) in everywhere() {
        for text in ["C1 00", "36 05 0001 61 0001", "60 02 0001", "80 00", "20 02 00 00", "D0 00", "00 00"] {
            let world = World::new(shards);
            let client = world.join(&Hello::new(version, "a"));
            client.send_bytes(&hex(text));
            if version == V5 {
                let Some(Got::Disconnect(0x81 | 0x82)) = client.next() else { panic!("{text}") };
            }
            client.expect_closed();
            assert_eq!(world.connections(), (0, 0));
        }
    }
}

#[test]
fn a_connect_with_other_properties_works() {
    let world = World::new(2);
    let hello = Hello::new(V5, "a").with(Property::RequestProblemInformation(false));
    world.join(&hello.with(Property::RequestResponseInformation(true))).expect_nothing();
}
