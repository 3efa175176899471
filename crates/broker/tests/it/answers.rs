//! Refusals say why, within what the client wants and takes.

use colibri_codec::Property;
use colibri_codec::Version::V5;
use colibri_sim::World;

use crate::SHARDS;
use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::{Peer, wish};
use crate::world::{Clients, configured};

const DEEP: &str = "a/b/c/d";

fn shallow(shards: usize) -> World {
    configured(shards, |config| config.topic_levels_maximum = 3)
}

/// What the answers to a message and two subscriptions that are refused carry.
fn refusals(client: &Peer) -> Vec<(Got, Vec<String>)> {
    client.send_publish(DEEP, b"", (1, false, false), 1, &[]);
    client.send_publish(DEEP, b"", (2, false, false), 2, &[]);
    let subscribe = client.ask(&[wish("a", 0), wish(DEEP, 0)]);
    let all: Vec<_> = (0..3).map(|_| client.next_with_properties().unwrap()).collect();
    let wanted = [Got::Puback(1, 0x90), Got::Pubrec(2, 0x90), Got::Suback(subscribe, vec![0, 0x8F])];
    assert!(all.iter().map(|(got, _)| got).eq(&wanted), "{all:?}");
    all
}

#[test]
fn a_refusal_says_why() {
    for shards in SHARDS {
        let client = shallow(shards).join(&Hello::new(V5, "a"));
        for (got, properties) in refusals(&client) {
            assert!(properties.iter().any(|one| one.contains("more levels")), "{got:?} {properties:?}");
        }
    }
}

#[test]
fn a_refusal_says_nothing_to_who_wants_no_words_or_takes_none_of_that_size() {
    // [v5 MQTT-3.1.2-29] [v5 MQTT-3.4.2-2] [v5 MQTT-3.5.2-2] [v5 MQTT-3.9.2-1]
    for shards in SHARDS {
        let hello = Hello::new(V5, "a");
        for hello in [hello.clone().with(Property::RequestProblemInformation(false)), hello.packet_size(32)] {
            let client = shallow(shards).join(&hello);
            assert!(refusals(&client).iter().all(|(_, properties)| properties.is_empty()));
        }
    }
}

#[test]
fn a_client_that_takes_no_suback_of_that_size_is_disconnected() {
    // [v5 MQTT-3.1.2-24]
    for shards in SHARDS {
        let client = World::new(shards).join(&Hello::new(V5, "a").packet_size(32));
        let wishes = [wish("a", 0); 27];
        let id = client.ask(&wishes);
        client.expect(&Got::Suback(id, vec![0; 27]));
        client.ask(&[wish("a", 0); 28]);
        client.expect_disconnect(0x95);
    }
}

#[test]
fn a_subscribe_under_the_identifier_of_an_unfinished_message_is_refused() {
    // [v5 MQTT-2.2.1-3]
    for shards in SHARDS {
        let client = World::new(shards).join(&Hello::new(V5, "a"));
        client.send_publish("t", b"x", (2, false, false), 1, &[]);
        client.expect(&Got::Pubrec(1, 0x10));
        let id = client.ask(&[wish("t", 0)]);
        assert_eq!(id, 1);
        client.expect(&Got::Suback(1, vec![0x91]));
        client.pubrel(1);
        client.expect(&Got::Pubcomp(1, 0));
        client.publish("t", "y", 1);
        client.expect_nothing();
    }
}
