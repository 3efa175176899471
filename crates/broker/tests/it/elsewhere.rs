//! What CONNACK and DISCONNECT may tell: another Keep Alive, where to await answers, another server.

use std::num::NonZeroU16;

use colibri_broker::ServerReference;
use colibri_codec::Property;
use colibri_codec::Version::{V3_1_1, V5};
use colibri_sim::World;

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::peer::Peer;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

fn connack(client: &Peer, code: u8) -> Vec<String> {
    let (got, properties) = client.next_with_properties().expect("a CONNACK");
    assert_eq!(got, Got::Connack { present: false, code });
    properties
}

#[test]
fn a_keep_alive_that_is_too_long_is_replaced_and_kept_to() {
    // [v5 MQTT-3.2.2-22]
    for shards in SHARDS {
        let world = configured(shards, |config| config.keep_alive_maximum = NonZeroU16::new(10));
        for asked in [0, 11, 65_535] {
            let client = world.dial(&Hello::new(V5, "a").keep_alive(asked));
            assert!(connack(&client, 0).contains(&"ServerKeepAlive(10)".to_owned()));
            world.advance_millis(14_999);
            client.expect_nothing();
            world.advance_millis(1);
            client.expect_disconnect(0x8D);
        }
        let client = world.dial(&Hello::new(V5, "a").keep_alive(10));
        assert!(!connack(&client, 0).iter().any(|property| property.starts_with("ServerKeepAlive")));
        // An older client cannot be told.
        for (asked, code) in [(0, 2), (11, 2), (10, 0)] {
            let client = world.dial(&Hello::new(V3_1_1, "b").keep_alive(asked));
            client.expect(&Got::Connack { present: false, code });
        }
    }
}

#[test]
fn response_information_comes_if_it_is_asked_for() {
    // [v5 MQTT-3.1.2-28]
    for shards in SHARDS {
        let world = World::new(shards);
        let ask = |name: &str, asked| {
            let hello = Hello::new(V5, name).with(Property::RequestResponseInformation(asked));
            connack(&world.dial(&hello), 0)
        };
        let wanted = r#"ResponseInformation("response/a")"#.to_owned();
        assert!(ask("a", true).contains(&wanted));
        assert!(!ask("a", false).contains(&wanted));
        assert!(!connack(&world.dial(&Hello::new(V5, "a")), 0).contains(&wanted));
        let has_any = |all: Vec<String>| all.iter().any(|property| property.starts_with("ResponseInf"));
        // No topic name could begin like that.
        assert!(!has_any(ask("a+b", true)));
        // An identifier that the server has chosen is as good.
        assert!(ask("", true).iter().any(|one| one.starts_with(r#"ResponseInformation("response/colibri-"#)));
        let none = configured(shards, |config| config.response_topic_prefix = None);
        let hello = Hello::new(V5, "a").with(Property::RequestResponseInformation(true));
        assert!(!has_any(connack(&none.dial(&hello), 0)));
    }
}

fn reference(is_permanent: bool, redirects: bool) -> Option<ServerReference> {
    Some(ServerReference { servers: "other.example:1883".to_owned(), is_permanent, redirects })
}

const OTHER: &str = r#"ServerReference("other.example:1883")"#;

#[test]
fn clients_are_sent_to_another_server_when_they_connect() {
    for shards in SHARDS {
        for (is_permanent, code) in [(false, 0x9C), (true, 0x9D)] {
            let world = configured(shards, |config| config.server_reference = reference(is_permanent, true));
            let client = world.dial(&Hello::new(V5, "a"));
            assert_eq!(connack(&client, code), [OTHER]);
            client.expect_closed();
            let client = world.dial(&Hello::new(V3_1_1, "a"));
            client.expect(&Got::Connack { present: false, code: 3 });
            client.expect_closed();
            assert_eq!((world.connections(), world.metrics().sessions), ((0, 0), 0));
        }
    }
}

#[test]
fn clients_are_sent_to_another_server_when_the_broker_stops() {
    for (shards, version) in everywhere() {
        for (is_permanent, code) in [(false, 0x9C), (true, 0x9D)] {
            let world = configured(shards, |config| config.server_reference = reference(is_permanent, false));
            let client = world.join(&Hello::new(version, "a"));
            world.stop();
            if version == V5 {
                let (got, properties) = client.next_with_properties().unwrap();
                assert_eq!((got, properties), (Got::Disconnect(code), vec![OTHER.to_owned()]));
            }
            client.expect_closed();
        }
    }
}

#[test]
fn a_payload_that_is_not_the_text_it_is_said_to_be_is_refused_if_that_is_looked_at() {
    for shards in SHARDS {
        let text = [Property::PayloadFormatIndicator(true)];
        let world = configured(shards, |config| config.check_payload_format = true);
        let watcher = world.join(&Hello::new(V5, "watcher"));
        watcher.subscribe("t", 0);
        let client = world.join(&Hello::new(V5, "a"));
        client.send_publish("t", b"\xFF", (1, false, false), 1, &text);
        let (got, properties) = client.next_with_properties().unwrap();
        assert_eq!(got, Got::Puback(1, 0x99));
        assert!(properties.iter().any(|property| property.starts_with("ReasonString")));
        client.send_publish("t", b"\xFF", (2, false, false), 1, &text);
        client.expect(&Got::Pubrec(1, 0x99));
        client.publish_with("t", "gr\u{fc}n".as_bytes(), 2, false, &text);
        client.publish_with("t", b"\xFF", 2, false, &[Property::PayloadFormatIndicator(false)]);
        client.publish_with("t", b"\xFF", 2, false, &[]);
        client.send_publish("t", b"\xFF", (0, false, false), 0, &text);
        client.expect_disconnect(0x99);
        assert_eq!(watcher.drain().len(), 3);
        let will = |payload: &[u8]| Testament::new("t", payload).with(Property::PayloadFormatIndicator(true));
        let client = world.dial(&Hello::new(V5, "a").will(will(b"\xFF")));
        client.expect(&Got::Connack { present: false, code: 0x99 });
        client.expect_closed();
        world.join(&Hello::new(V5, "a").will(will(b"text"))).leave();
        // Nobody looks if it was not asked for.
        let world = World::new(shards);
        let client = world.join(&Hello::new(V5, "a").will(will(b"\xFF")));
        client.publish_with("t", b"\xFF", 1, false, &text);
    }
}
