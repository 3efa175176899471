//! Maximum Packet Size, both ways (5.0, section 3.1.2.11.4).

use std::num::NonZeroU32;

use colibri_codec::{
    Malformed, Properties, QoS, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter, Version,
};
use colibri_protocol::{Limits, Role, Sent, State, Violation};

use crate::VERSIONS;
use crate::end::Seen;
use crate::raw::{Raw, id};

const ENDS: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn a_message_larger_than_the_peer_takes_is_not_sent() {
    // [v5 MQTT-3.1.2-24] [v5 MQTT-3.1.2-25] [v5 MQTT-3.2.2-15]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "05 27 00000014");
        for (qos, fits) in [(QoS::AtMostOnce, 14), (QoS::AtLeastOnce, 12), (QoS::ExactlyOnce, 12)] {
            assert_eq!(end.send("a", qos, &"x".repeat(fits + 1)), Sent::TooLarge);
            end.expect("");
            assert!(matches!(end.send("a", qos, &"x".repeat(fits)), Sent::Written(_)));
            assert_eq!(end.end.out.len(), 20);
            end.discard();
        }
        assert_eq!(end.end.connection.session().in_flight(), 2);
    }
}

#[test]
fn a_message_that_waited_and_is_too_large_does_not_stop_those_behind_it() {
    // [v5 MQTT-3.1.2-25]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "08 27 00000014 21 0001");
        end.send("a", QoS::AtLeastOnce, "1");
        let long = "x".repeat(20);
        end.end.connection.session_mut().enqueue(crate::message::Message::new("a", QoS::AtLeastOnce, &long));
        assert_eq!(end.send("a", QoS::AtLeastOnce, "2"), Sent::Wait);
        end.discard();
        end.feed("40 02 0001");
        end.expect("32 L 0001 'a' 0002 00 '2'");
        assert_eq!(end.seen()[1], Seen::Dropped(long, Sent::TooLarge));
    }
}

#[test]
fn a_request_larger_than_the_server_takes_is_not_sent_and_frees_its_identifier() {
    // [v5 MQTT-3.2.2-15]
    let mut client = Raw::client_to(Version::V5, Limits::default(), "05 27 00000014");
    let now = client.now;
    for (filter, sent) in [("a-filter-that-is-long", None), ("a", Some(id(2)))] {
        let filter = TopicFilter::new(filter).unwrap();
        let wanted = [Subscription { filter, options: SubscriptionOptions::default() }];
        let subscribe = Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            subscriptions: Sequence::new(&wanted),
        };
        let result = client.end.with(|connection, out| connection.subscribe(&subscribe, now, out));
        assert_eq!(result.ok().flatten(), sent);
    }
    client.expect("82 07 0002 00 0001 'a' 00");
    assert_eq!(client.end.connection.session().in_flight(), 1);
}

#[test]
fn a_packet_larger_than_this_end_takes_is_refused_before_its_body_comes() {
    let limits = Limits { maximum_packet_size: NonZeroU32::new(20).unwrap(), ..Limits::default() };
    for role in ENDS {
        for version in VERSIONS {
            let mut end = Raw::open_to(role, version, limits, "P");
            end.feed("30 12 0003 'a/b' P");
            assert_eq!(end.state(), State::Open);
            let mut end = Raw::open_to(role, version, limits, "P");
            end.feed("30 13");
            let violation = Violation::Malformed(Malformed::PacketTooLarge { size: 21, maximum: 20 });
            assert_eq!(end.seen(), [Seen::Violation(violation)]);
            assert_eq!(end.state(), State::Closed);
            if version.has_properties() {
                assert_eq!(end.expect_packet(0xe0)[2], 0x95);
            }
            end.expect("");
        }
    }
}

#[test]
fn a_client_keeps_to_what_its_server_supports() {
    // [v5 MQTT-3.2.2-11] [v5 MQTT-3.2.2-14]
    let mut client = Raw::client_to(Version::V5, Limits::default(), "04 24 01 25 00");
    assert_eq!(client.send("a", QoS::ExactlyOnce, "x"), Sent::NotSupported);
    assert!(matches!(client.send("a", QoS::AtLeastOnce, "x"), Sent::Written(Some(_))));
    let mut client = Raw::client_to(Version::V5, Limits::default(), "02 24 00");
    assert_eq!(client.send("a", QoS::AtLeastOnce, "x"), Sent::NotSupported);
    assert!(matches!(client.send("a", QoS::AtMostOnce, "x"), Sent::Written(None)));
    client.expect("30 L 0001 'a' 00 'x'");
    let mut client = Raw::client_to(Version::V5, Limits::default(), "02 25 00");
    let topic = colibri_codec::TopicName::new("a").unwrap();
    let retained = colibri_protocol::Publication::new(topic, QoS::AtMostOnce, true, b"x");
    let now = client.now;
    let sent = client.end.with(|connection, out| connection.send(&retained, || None, now, out));
    assert_eq!(sent, Sent::NotSupported);
}

#[test]
fn what_was_sent_before_is_not_sent_again_to_a_server_that_no_longer_supports_it() {
    // [v5 MQTT-3.2.2-11]
    let mut client = Raw::client(Version::V5);
    client.send("a", QoS::ExactlyOnce, "2");
    client.send("a", QoS::AtLeastOnce, "1");
    let mut client = client.resume_seeing("02 24 01");
    client.expect("3a L 0001 'a' 0002 00 '1'");
    assert_eq!(client.seen(), [Seen::Dropped("2".into(), Sent::NotSupported)]);
}
