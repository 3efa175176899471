//! Messages of every QoS, both ways, packet by packet (section 4.3).

use colibri_codec::{Delivery, QoS, ReasonCode, Version};
use colibri_protocol::{Sent, State};

use crate::end::{Answers, Seen};
use crate::raw::{Raw, id};
use crate::{VERSIONS, both_ends};

fn published(delivery: Delivery, dup: bool, payload: &str) -> Seen {
    Seen::Publish { topic: "a/b".into(), delivery, dup, payload: payload.into() }
}

fn delivered(id: u16, reason: ReasonCode, payload: &str) -> Seen {
    Seen::Delivered { id, reason, payload: Some(payload.into()) }
}

#[test]
fn qos_0_is_sent_once_and_never_answered() {
    // [v5 MQTT-3.3.1-2] [v3.1.1 MQTT-3.3.1-2]
    // [v5 MQTT-4.3.1-1] [v3.1.1 MQTT-4.3.1-1] [v5 MQTT-2.2.1-2] [v3.1.1 MQTT-2.3.1-5]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        assert_eq!(end.send("a/b", QoS::AtMostOnce, "x"), Sent::Written(None));
        end.expect("30 L 0003 'a/b' P 'x'");
        assert_eq!(end.end.connection.session().in_flight(), 0);

        // [v5 MQTT-3.3.4-1] [v3.1.1 MQTT-3.3.4-1]
        end.feed("30 L 0003 'a/b' P 'y'");
        assert_eq!(end.seen(), [published(Delivery::AtMostOnce, false, "y")]);
        end.expect("");
    }
}

#[test]
fn qos_1_is_sent_until_puback() {
    // [v5 MQTT-4.3.2-2] [v5 MQTT-4.3.2-3] [v3.1.1 MQTT-4.3.2-1]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        assert_eq!(end.send("a/b", QoS::AtLeastOnce, "x"), Sent::Written(Some(id(1))));
        end.expect("32 L 0003 'a/b' 0001 P 'x'");
        assert_eq!(end.end.connection.session().in_flight(), 1);
        end.feed("40 02 0001");
        assert_eq!(end.seen(), [delivered(1, ReasonCode::Success, "x")]);
        assert_eq!(end.end.connection.session().in_flight(), 0);
        end.expect("");
    }
}

#[test]
fn qos_1_is_answered_with_puback_and_then_forgotten() {
    // client: [v5 MQTT-3.4.2-1] of the codes it sends success alone.
    // [v5 MQTT-4.3.2-4] [v5 MQTT-4.3.2-5] [v3.1.1 MQTT-4.3.2-2] [v5 MQTT-2.2.1-5] [v3.1.1 MQTT-2.3.1-6]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.feed("32 L 0003 'a/b' ffff P 'x'");
        end.expect("40 02 ffff");
        end.feed("3a L 0003 'a/b' ffff P 'x'");
        end.expect("40 02 ffff");
        let delivery = Delivery::AtLeastOnce(id(u16::MAX));
        assert_eq!(end.seen(), [published(delivery, false, "x"), published(delivery, true, "x")]);
    }
}

#[test]
fn qos_2_is_sent_released_and_completed() {
    // [v5 MQTT-4.3.3-2] [v5 MQTT-4.3.3-4] [v5 MQTT-4.3.3-5] [v3.1.1 MQTT-4.3.3-1]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        assert_eq!(end.send("a/b", QoS::ExactlyOnce, "x"), Sent::Written(Some(id(1))));
        end.expect("34 L 0003 'a/b' 0001 P 'x'");
        end.feed("50 02 0001");
        end.expect("62 02 0001");
        assert_eq!(end.seen(), []);
        end.feed("70 02 0001");
        end.expect("");
        assert_eq!(end.seen(), [delivered(1, ReasonCode::Success, "x")]);
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn qos_2_is_handed_on_once_until_it_is_released() {
    // client: [v5 MQTT-3.5.2-1] of the codes it sends success alone.
    // [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-10] [v5 MQTT-4.3.3-11] [v5 MQTT-4.3.3-12] [v3.1.1 MQTT-4.3.3-2]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        let delivery = Delivery::ExactlyOnce(id(0x0102));
        end.feed("34 L 0003 'a/b' 0102 P 'x'");
        end.expect("50 02 0102");
        end.feed("3c L 0003 'a/b' 0102 P 'x'");
        end.expect("50 02 0102");
        assert_eq!(end.end.connection.session().unreleased(), 1);
        assert_eq!(end.end.connection.session().unreleased_ids().collect::<Vec<_>>(), [id(0x0102)]);
        end.feed("62 02 0102");
        end.expect("70 02 0102");
        assert_eq!(end.seen(), [published(delivery, false, "x"), Seen::Release(id(0x0102))]);
        assert_eq!(end.end.connection.session().unreleased(), 0);
        // The identifier is new now, whatever DUP says.
        end.feed("3c L 0003 'a/b' 0102 P 'y'");
        end.expect("50 02 0102");
        assert_eq!(end.seen(), [published(delivery, true, "y")]);
    }
}

#[test]
fn pubrel_for_nothing_known_is_completed() {
    // [v5 MQTT-3.7.2-1] [v5 MQTT-4.3.3-11]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.feed("62 02 0009");
        end.expect("70 L 0009 ?92");
        assert_eq!(end.seen(), []);
        assert_eq!(end.state(), State::Open);
    }
}

#[test]
fn pubrec_for_nothing_known_is_released() {
    // [v5 MQTT-3.6.2-1]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.feed("50 02 0009");
        end.expect("62 L 0009 ?92");
        assert_eq!(end.seen(), []);
        assert_eq!(end.state(), State::Open);
    }
}

#[test]
fn puback_and_pubcomp_for_nothing_known_change_nothing() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.send("a/b", QoS::AtLeastOnce, "one");
        end.send("a/b", QoS::ExactlyOnce, "two");
        end.discard();
        // Unknown, of another kind, and too early.
        end.feed("40 02 0009; 70 02 0009; 40 02 0002; 70 02 0001; 70 02 0002");
        end.expect("");
        assert_eq!(end.seen(), []);
        assert_eq!(end.end.connection.session().in_flight(), 2);
        assert_eq!(end.state(), State::Open);
    }
}

#[test]
fn a_repeated_pubrec_is_released_again() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.send("a/b", QoS::ExactlyOnce, "x");
        end.discard();
        end.feed("50 02 0001; 50 02 0001");
        end.expect("62 02 0001; 62 02 0001");
        end.feed("70 02 0001; 70 02 0001");
        end.expect("");
        assert_eq!(end.seen(), [delivered(1, ReasonCode::Success, "x")]);
    }
}

#[test]
fn a_refusing_puback_ends_the_exchange() {
    // [v5 MQTT-4.4.0-2]
    for role in [colibri_protocol::Role::Client, colibri_protocol::Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.send("a/b", QoS::AtLeastOnce, "x");
        end.discard();
        end.feed("40 03 0001 97");
        end.expect("");
        assert_eq!(end.seen(), [delivered(1, ReasonCode::QuotaExceeded, "x")]);
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn a_refusing_pubrec_ends_the_exchange_of_the_sender() {
    // [v5 MQTT-4.3.3-4] [v5 MQTT-4.4.0-2]
    for role in [colibri_protocol::Role::Client, colibri_protocol::Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.send("a/b", QoS::ExactlyOnce, "x");
        end.discard();
        end.feed("50 03 0001 87");
        end.expect("");
        assert_eq!(end.seen(), [delivered(1, ReasonCode::NotAuthorized, "x")]);
        assert_eq!(end.end.connection.session().in_flight(), 0);
        // A success below 0x80 goes on.
        end.send("a/b", QoS::ExactlyOnce, "y");
        end.discard();
        end.feed("50 03 0002 10");
        end.expect("62 02 0002");
    }
}

#[test]
fn a_refusing_pubrec_ends_the_exchange_of_the_receiver() {
    // [v5 MQTT-4.3.3-9]
    for role in [colibri_protocol::Role::Client, colibri_protocol::Role::Server] {
        let mut end = Raw::open(role, Version::V5).answering(Answers::Never);
        let delivery = Delivery::ExactlyOnce(id(5));
        end.feed("34 L 0003 'a/b' 0005 00 'x'");
        let now = end.now;
        end.end.with(|connection, out| connection.acknowledge(delivery, ReasonCode::NotAuthorized, now, out));
        end.expect("50 03 0005 87");
        assert_eq!(end.end.connection.session().unreleased(), 0);
        end.feed("34 L 0003 'a/b' 0005 00 'y'");
        assert_eq!(end.seen(), [published(delivery, false, "x"), published(delivery, false, "y")]);
    }
}

#[test]
fn before_5_0_a_refusal_looks_like_success() {
    // [v3.1.1 MQTT-3.3.5-2]
    let mut server = Raw::server(Version::V3_1_1).answering(Answers::Never);
    server.feed("32 L 0003 'a/b' 0001 'x'; 34 L 0003 'a/b' 0002 'x'");
    let now = server.now;
    let refused = ReasonCode::NotAuthorized;
    server.end.with(|connection, out| {
        connection.acknowledge(Delivery::AtLeastOnce(id(1)), refused, now, out);
        connection.acknowledge(Delivery::ExactlyOnce(id(2)), refused, now, out);
    });
    server.expect("40 02 0001; 50 02 0002");
}

#[test]
fn an_abandoned_message_is_new_when_it_comes_again() {
    for qos in [1, 2] {
        let mut server = Raw::server(Version::V3_1_1).answering(Answers::Never);
        let (first, again, delivery) = match qos {
            1 => ("32", "3a", Delivery::AtLeastOnce(id(1))),
            _ => ("34", "3c", Delivery::ExactlyOnce(id(1))),
        };
        server.feed(&format!("{first} L 0003 'a/b' 0001 'x'"));
        assert_eq!(server.seen(), [published(delivery, false, "x")]);
        server.end.with(|connection, _| connection.abandon(delivery));
        let mut server = server.resume("");
        server.feed(&format!("{again} L 0003 'a/b' 0001 'x'"));
        assert_eq!(server.seen(), [published(delivery, true, "x")]);
    }
}

#[test]
fn a_qos_1_receiver_may_say_more_than_success() {
    // server: [v5 MQTT-3.4.2-1]
    let mut server = Raw::server(Version::V5).answering(Answers::Never);
    server.feed("32 L 0003 'a/b' 0001 00 'x'");
    let now = server.now;
    server.end.with(|connection, out| {
        let reason = ReasonCode::NoMatchingSubscribers;
        connection.acknowledge(Delivery::AtLeastOnce(id(1)), reason, now, out);
    });
    server.expect("40 03 0001 10");
}

#[test]
fn every_ping_gets_its_answer() {
    // [v5 MQTT-3.12.4-1] [v3.1.1 MQTT-3.12.4-1]
    for version in VERSIONS {
        let mut server = Raw::server(version);
        server.feed("c0 00; c0 00");
        server.expect("d0 00; d0 00");
        assert_eq!(server.seen(), []);
    }
}

#[test]
fn properties_of_the_application_go_with_the_message() {
    use colibri_codec::{Properties, Property, TopicName, Utf8String};
    use colibri_protocol::Publication;
    let listed = [Property::ContentType(Utf8String::new("t").unwrap())];
    let wire = [0x26, 0, 1, b'k', 0, 1, b'v'];
    let stored = Properties::from_wire(&wire, Publication::PASSED_ON).unwrap();
    let topic = TopicName::new("a").unwrap();
    let table = [
        (Properties::new(&listed), "30 L 0001 'a' 04 03 0001 't' 'x'"),
        (stored, "30 L 0001 'a' 07 26 0001 'k' 0001 'v' 'x'"),
        (stored.with_list(&listed), "30 L 0001 'a' 0b 03 0001 't' 26 0001 'k' 0001 'v' 'x'"),
    ];
    for (properties, expected) in table {
        let mut client = Raw::client(Version::V5);
        let publication = Publication { properties, ..Publication::new(topic, QoS::AtMostOnce, false, b"x") };
        let now = client.now;
        client.end.with(|connection, out| connection.send(&publication, || None, now, out));
        client.expect(expected);
    }
}

#[test]
fn both_ends_exchange_all_qos() {
    use crate::message::Message;
    use crate::pair::{Pair, Setup};
    use colibri_protocol::Role;
    for version in VERSIONS {
        let mut pair = Pair::connected(Setup::new(version));
        for from in [Role::Client, Role::Server] {
            pair.end(from.other()).seen.clear();
            for qos in QoS::ALL {
                pair.send(from, Message::new("a/b", qos, "x"));
            }
            pair.settle();
            let received: Vec<Seen> = pair.end(from.other()).seen.drain(..).collect();
            assert_eq!(
                received,
                [
                    published(Delivery::AtMostOnce, false, "x"),
                    published(Delivery::AtLeastOnce(id(1)), false, "x"),
                    published(Delivery::ExactlyOnce(id(2)), false, "x"),
                    Seen::Release(id(2)),
                ]
            );
            assert_eq!(pair.end(from).connection.session().in_flight(), 0);
        }
    }
}
