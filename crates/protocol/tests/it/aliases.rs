//! Topic aliases (5.0, section 3.3.2.3.4).

use colibri_codec::{Delivery, Malformed, QoS, Version};
use colibri_protocol::{Limits, Role, Sent, State, Violation};

use crate::end::Seen;
use crate::message::Message;
use crate::raw::Raw;

const ENDS: [Role; 2] = [Role::Client, Role::Server];

fn two_aliases() -> Limits {
    Limits { topic_alias_maximum: 2, ..Limits::default() }
}

fn topics(end: &mut Raw) -> Vec<String> {
    end.seen()
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Publish { topic, .. } => Some(topic),
            _ => None,
        })
        .collect()
}

#[test]
fn an_alias_is_set_used_and_set_anew() {
    // [v5 MQTT-3.3.2-10] [v5 MQTT-3.3.2-12]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_aliases(), "00");
        end.feed("30 L 0001 'a' 03 23 0001; 30 L 0001 'b' 03 23 0002");
        end.feed("30 L 0000 03 23 0001; 30 L 0000 03 23 0002; 30 L 0001 'c' 00");
        end.feed("30 L 0001 'd' 03 23 0001; 30 L 0000 03 23 0001; 32 L 0000 0009 03 23 0002");
        assert_eq!(topics(&mut end), ["a", "b", "a", "b", "c", "d", "d", "b"]);
        end.expect("40 02 0009");
    }
}

#[test]
fn an_alias_that_cannot_be_ends_the_connection() {
    // [v5 MQTT-3.3.2-8] [v5 MQTT-3.3.2-9] [v5 MQTT-3.3.2-11]
    let table = [
        ("30 L 0001 'a' 03 23 0003", Violation::TopicAliasTooHigh, 0x94),
        ("30 L 0000 03 23 0003", Violation::TopicAliasTooHigh, 0x94),
        ("30 L 0001 'a' 03 23 0000", Violation::Malformed(Malformed::TopicAliasZero), 0x94),
        ("30 L 0000 03 23 0002", Violation::TopicAliasUnknown, 0x82),
        ("30 L 0000 00", Violation::Malformed(Malformed::TopicMissing), 0x82),
    ];
    for role in ENDS {
        for (packet, violation, reason) in table {
            let mut end = Raw::open_to(role, Version::V5, two_aliases(), "00");
            end.feed(packet);
            assert_eq!(end.seen(), [Seen::Violation(violation)]);
            assert_eq!(end.expect_packet(0xe0)[2], reason);
            assert_eq!(end.state(), State::Closed);
        }
    }
}

#[test]
fn without_a_topic_alias_maximum_there_are_no_aliases() {
    // [v5 MQTT-3.1.2-27] [v5 MQTT-3.2.2-18]
    for role in ENDS {
        let mut end = Raw::open(role, Version::V5);
        for _ in 0..2 {
            end.send("a", QoS::AtMostOnce, "x");
            end.expect("30 L 0001 'a' 00 'x'");
        }
        assert!(end.end.connection.takes_encoded());
        end.feed("30 L 0001 'a' 03 23 0001");
        assert_eq!(end.seen(), [Seen::Violation(Violation::TopicAliasTooHigh)]);
    }
}

#[test]
fn aliases_end_with_their_connection() {
    // [v5 MQTT-3.3.2-7]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_aliases(), "03 22 0002");
        end.feed("30 L 0001 'a' 03 23 0001");
        end.send("b", QoS::AtLeastOnce, "1");
        end.expect("32 L 0001 'b' 0001 03 23 0001 '1'");
        end.send("b", QoS::AtLeastOnce, "2");
        end.expect("32 L 0000 0002 03 23 0001 '2'");
        let mut end = end.resume("03 22 0002");
        end.expect("3a L 0001 'b' 0001 00 '1'; 3a L 0001 'b' 0002 00 '2'");
        end.send("b", QoS::AtMostOnce, "3");
        end.expect("30 L 0001 'b' 03 23 0001 '3'");
        end.feed("30 L 0000 03 23 0001");
        assert_eq!(end.seen(), [Seen::Violation(Violation::TopicAliasUnknown)]);
    }
}

#[test]
fn the_first_topics_get_the_aliases_that_the_peer_allows() {
    // [v5 MQTT-3.1.2-26] [v5 MQTT-3.2.2-17] [v5 MQTT-3.3.2-9] [v5 MQTT-3.3.2-11]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 22 0002");
        assert!(!end.end.connection.takes_encoded());
        for topic in ["a", "b", "c", "a", "b", "c"] {
            end.send(topic, QoS::AtMostOnce, "");
        }
        end.expect(
            "30 L 0001 'a' 03 23 0001; 30 L 0001 'b' 03 23 0002; 30 L 0001 'c' 00; \
             30 L 0000 03 23 0001; 30 L 0000 03 23 0002; 30 L 0001 'c' 00",
        );
    }
}

#[test]
fn a_message_that_is_not_sent_sets_no_alias() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "0b 22 0002 27 00000014 21 0001");
        let long = "a-payload-of-thirty-characters";
        assert_eq!(end.send("a", QoS::AtMostOnce, long), Sent::TooLarge);
        end.send("b", QoS::AtLeastOnce, "");
        assert_eq!(end.send("c", QoS::AtLeastOnce, ""), Sent::Wait);
        end.end.connection.session_mut().pop_waiting();
        let expired = Message::new("d", QoS::AtMostOnce, "").expiring(end.now);
        assert_eq!(end.end.send(expired, end.now), Sent::Expired);
        end.send("e", QoS::AtMostOnce, "");
        end.send("f", QoS::AtMostOnce, "");
        end.expect("32 L 0001 'b' 0001 03 23 0001; 30 L 0001 'e' 03 23 0002; 30 L 0001 'f' 00");
    }
}

#[test]
fn a_message_that_fits_only_without_its_alias_goes_without() {
    // [v5 MQTT-3.1.2-25]
    for role in ENDS {
        // 20 bytes are allowed: 6 for header, topic and properties, 14 for the payload.
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "08 22 0002 27 00000014");
        let sent = end.send("a", QoS::AtMostOnce, "12345678901234");
        assert_eq!(sent, Sent::Written(None));
        assert_eq!(end.send("a", QoS::AtMostOnce, "123456789012345"), Sent::TooLarge);
        end.send("a", QoS::AtMostOnce, "x");
        end.expect("30 L 0001 'a' 00 '12345678901234'; 30 L 0001 'a' 03 23 0001 'x'");
        // With the alias set, the topic alone is the shorter form here.
        end.send("a", QoS::AtMostOnce, "12345678901234");
        end.expect("30 L 0001 'a' 00 '12345678901234'");
    }
}

#[test]
fn an_alias_stands_for_its_topic_in_repeated_qos_2_messages_too() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_aliases(), "00");
        end.feed("34 L 0001 'a' 0001 03 23 0001; 34 L 0000 0002 03 23 0001");
        end.expect("50 02 0001; 50 02 0002");
        let deliveries: Vec<_> = end
            .seen()
            .into_iter()
            .map(|seen| match seen {
                Seen::Publish { topic, delivery, .. } => (topic, delivery),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [1, 2].map(|number| ("a".to_owned(), Delivery::ExactlyOnce(crate::raw::id(number))));
        assert_eq!(deliveries, expected);
    }
}
