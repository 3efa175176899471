//! What a session brings to its next connection (sections 4.1 and 4.4).

use colibri_codec::{QoS, ReasonCode, Version};
use colibri_protocol::{Limits, Progress, Role, Sent, Session, State};

use crate::end::Seen;
use crate::message::Message;
use crate::raw::{Raw, client_with, id};
use crate::{VERSIONS, both_ends};

#[test]
fn unacknowledged_messages_come_again_in_their_order_under_their_identifiers() {
    // [v5 MQTT-4.3.3-3]
    // [v5 MQTT-4.4.0-1] [v5 MQTT-4.6.0-1] [v5 MQTT-3.3.1-1] [v3.1.1 MQTT-4.4.0-1] [v3.1.1 MQTT-4.6.0-1]
    // [v3.1.1 MQTT-3.3.1-1] [v3.1.1 MQTT-2.3.1-3]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        for (qos, payload) in [
            (QoS::AtLeastOnce, "1"),
            (QoS::ExactlyOnce, "2"),
            (QoS::AtMostOnce, "-"),
            (QoS::AtLeastOnce, "3"),
            (QoS::ExactlyOnce, "4"),
        ] {
            end.send("a", qos, payload);
        }
        end.feed("40 02 0003");
        let mut end = end.resume("P");
        end.expect("3a L 0001 'a' 0001 P '1'; 3c L 0001 'a' 0002 P '2'; 3c L 0001 'a' 0004 P '4'");
        // And once more, in the same order.
        let mut end = end.resume("P");
        end.expect("3a L 0001 'a' 0001 P '1'; 3c L 0001 'a' 0002 P '2'; 3c L 0001 'a' 0004 P '4'");
        end.feed("40 02 0001; 50 02 0002; 50 02 0004; 70 02 0002; 70 02 0004");
        end.expect("62 02 0002; 62 02 0004");
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn pubrels_come_again_in_the_order_of_their_pubrecs() {
    // [v5 MQTT-4.3.3-5] [v5 MQTT-4.3.3-6] [v5 MQTT-4.6.0-4] [v3.1.1 MQTT-4.3.3-1] [v3.1.1 MQTT-4.6.0-4]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        for payload in ["1", "2", "3", "4"] {
            end.send("a", QoS::ExactlyOnce, payload);
        }
        end.feed("50 02 0003; 50 02 0001; 50 02 0004");
        let mut end = end.resume("P");
        end.expect("62 02 0003; 62 02 0001; 62 02 0004; 3c L 0001 'a' 0002 P '2'");
        end.feed("70 02 0001");
        let mut end = end.resume("P");
        end.expect("62 02 0003; 62 02 0004; 3c L 0001 'a' 0002 P '2'");
    }
}

#[test]
fn nothing_is_sent_again_on_the_connection_it_was_sent_on() {
    // [v5 MQTT-4.4.0-1]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.send("a", QoS::AtLeastOnce, "1");
        end.send("a", QoS::ExactlyOnce, "2");
        end.discard();
        end.advance(1_000_000_000);
        let now = end.now;
        end.end.pump(now);
        end.send("a", QoS::AtMostOnce, "-");
        end.expect("30 L 0001 'a' P '-'");
    }
}

#[test]
fn a_smaller_receive_maximum_holds_while_messages_are_sent_again() {
    // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-1]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        for payload in ["1", "2", "3", "4"] {
            end.send("a", QoS::AtLeastOnce, payload);
        }
        let mut end = end.resume("03 21 0002");
        end.expect("3a L 0001 'a' 0001 00 '1'; 3a L 0001 'a' 0002 00 '2'");
        // A new one waits behind all of them.
        assert_eq!(end.send("a", QoS::AtLeastOnce, "5"), Sent::Wait);
        end.feed("40 02 0002");
        end.expect("3a L 0001 'a' 0003 00 '3'");
        end.feed("40 02 0001; 40 02 0003");
        end.expect("3a L 0001 'a' 0004 00 '4'; 32 L 0001 'a' 0005 00 '5'");
    }
}

#[test]
fn an_answer_to_a_message_that_has_not_been_sent_again_gives_no_quota() {
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        for payload in ["1", "2", "3", "4"] {
            end.send("a", QoS::AtLeastOnce, payload);
        }
        let mut end = end.resume("03 21 0001");
        end.expect("3a L 0001 'a' 0001 00 '1'");
        // The peer remembers the third from the connection before.
        end.feed("40 02 0003");
        end.expect("");
        end.feed("40 02 0001");
        end.expect("3a L 0001 'a' 0002 00 '2'");
    }
}

#[test]
fn exchanges_that_are_only_released_count_towards_receive_maximum() {
    // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        for payload in ["1", "2", "3"] {
            end.send("a", QoS::ExactlyOnce, payload);
        }
        end.feed("50 02 0001; 50 02 0002");
        let mut end = end.resume("03 21 0002");
        end.expect("62 02 0001; 62 02 0002");
        end.feed("70 02 0001");
        end.expect("3c L 0001 'a' 0003 00 '3'");
        assert_eq!(end.send("a", QoS::ExactlyOnce, "4"), Sent::Wait);
        end.feed("70 02 0002");
        end.expect("34 L 0001 'a' 0004 00 '4'");
    }
}

#[test]
fn messages_that_waited_come_behind_those_that_were_under_way() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.send("a", QoS::AtLeastOnce, "1");
        end.end.connection.session_mut().enqueue(Message::new("a", QoS::ExactlyOnce, "2"));
        end.end.connection.session_mut().enqueue(Message::new("a", QoS::AtMostOnce, "3"));
        assert_eq!(end.send("a", QoS::AtLeastOnce, "4"), Sent::Wait);
        let mut end = end.resume("P");
        end.expect(
            "3a L 0001 'a' 0001 P '1'; 34 L 0001 'a' 0002 P '2'; 30 L 0001 'a' P '3'; 32 L 0001 'a' 0003 P '4'",
        );
    }
}

#[test]
fn a_qos_2_identifier_is_known_on_the_next_connection() {
    // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        end.feed("34 L 0001 'a' 0007 P 'x'");
        let mut end = end.resume("P");
        end.feed("3c L 0001 'a' 0007 P 'x'");
        end.expect("50 02 0007");
        assert_eq!(end.seen(), []);
        end.feed("62 02 0007");
        end.expect("70 02 0007");
        assert_eq!(end.seen(), [Seen::Release(id(7))]);
    }
}

#[test]
fn a_client_without_its_server_session_sends_everything_anew() {
    // [v5 MQTT-3.2.2-5]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        for (qos, payload) in [
            (QoS::AtLeastOnce, "1"),
            (QoS::ExactlyOnce, "2"),
            (QoS::ExactlyOnce, "3"),
            (QoS::AtLeastOnce, "4"),
        ] {
            client.send("a", qos, payload);
        }
        client.feed("50 02 0002; 34 L 0001 'a' 0009 P 'in'");
        let mut session = client.end.connection.into_session();
        session.enqueue(Message::new("a", QoS::AtLeastOnce, "5"));
        let mut client = Raw::fresh_client(version, Limits::default(), session);
        client.discard();
        client.feed("20 L 00 00 P");
        // The second had been taken over by the receiver and is not repeated.
        client.expect(
            "32 L 0001 'a' 0001 P '1'; 34 L 0001 'a' 0002 P '3'; 32 L 0001 'a' 0003 P '4'; 32 L 0001 'a' 0004 P '5'",
        );
        assert_eq!(client.end.connection.session().unreleased(), 0);
    }
}

#[test]
fn a_3_1_client_goes_on_with_its_session_although_connack_cannot_say_so() {
    let mut client = client_with(Version::V3_1, 0, &[]);
    client.feed("20 02 00 00");
    client.send("a", QoS::ExactlyOnce, "1");
    let session = client.end.connection.into_session();
    let mut client = Raw::fresh_client(Version::V3_1, Limits::default(), session);
    client.end.watch.blind = true;
    client.discard();
    client.feed("20 02 00 00");
    client.expect("3c L 0001 'a' 0001 '1'");
}

#[test]
fn requests_do_not_outlive_their_connection() {
    use colibri_codec::{Properties, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter};
    for version in VERSIONS {
        let mut client = Raw::client(version);
        let filter = TopicFilter::new("a").unwrap();
        let wanted = [Subscription { filter, options: SubscriptionOptions::default() }];
        let subscribe = Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            subscriptions: Sequence::new(&wanted),
        };
        client.send("a", QoS::AtLeastOnce, "x");
        let now = client.now;
        let sent = client.end.with(|connection, out| connection.subscribe(&subscribe, now, out));
        assert_eq!(sent, Ok(Some(id(2))));
        let mut client = client.resume("P");
        client.expect("3a L 0001 'a' 0001 P 'x'");
        assert_eq!(client.end.connection.session().in_flight(), 1);
        client.feed("90 L 0002 P 00");
        assert_eq!(client.seen(), []);
    }
}

#[test]
fn a_session_tells_how_far_its_messages_have_come() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        for (qos, payload) in [
            (QoS::AtLeastOnce, "1"),
            (QoS::ExactlyOnce, "2"),
            (QoS::ExactlyOnce, "3"),
            (QoS::AtLeastOnce, "4"),
        ] {
            end.send("a", qos, payload);
        }
        end.feed("50 02 0002; 40 02 0004");
        let mut session = end.end.connection.into_session();
        session.enqueue(Message::new("a", QoS::AtLeastOnce, "5"));
        session.enqueue(Message::new("a", QoS::AtLeastOnce, "6"));
        session.retain_waiting(|message| message.payload != b"5");
        let stages: Vec<_> =
            session.messages().map(|(message, progress)| (message.payload[0], progress)).collect();
        let expected = [
            (b'1', Progress::Sent(id(1))),
            (b'2', Progress::Released(id(2))),
            (b'3', Progress::Sent(id(3))),
            (b'6', Progress::Waiting),
        ];
        assert_eq!(stages, expected);
        let left: Vec<_> = session.into_messages().map(|message| message.payload[0]).collect();
        assert_eq!(left, *b"136");
    }
}

#[test]
fn a_message_of_which_nothing_was_kept_is_not_sent_again() {
    use colibri_protocol::Kept;
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        let message = Message::new("a", QoS::AtLeastOnce, "x");
        let now = end.now;
        let sent = end.end.with(|connection, out| connection.send(&message.publication(), || None, now, out));
        assert_eq!(sent, Sent::Written(Some(id(1))));
        let mut end = end.resume("P");
        end.expect("");
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn a_message_that_the_new_connection_is_too_small_for_is_dropped_and_its_driver_told() {
    // [v5 MQTT-3.1.2-25]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.send("a", QoS::AtLeastOnce, "a-long-payload-of-which-there-is-too-much");
        end.send("a", QoS::AtLeastOnce, "x");
        let mut end = end.resume_seeing("05 27 00000020");
        end.expect("3a L 0001 'a' 0002 00 'x'");
        let dropped = "a-long-payload-of-which-there-is-too-much".into();
        assert_eq!(end.seen(), [Seen::Dropped(dropped, Sent::TooLarge)]);
        assert_eq!(end.end.connection.session().in_flight(), 1);
    }
}

#[test]
fn room_in_the_output_bounds_what_is_sent_at_once() {
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        for payload in ["1", "2"] {
            end.send("a", QoS::AtLeastOnce, payload);
        }
        for payload in ["3", "4"] {
            end.end.connection.session_mut().enqueue(Message::new("a", QoS::AtLeastOnce, payload));
        }
        let now = end.now;
        let more = end.end.with(|connection, out| connection.pump(1, now, out, |_, _| unreachable!()));
        assert!(more);
        let more = end.end.with(|connection, out| connection.pump(1, now, out, |_, _| unreachable!()));
        assert!(!more);
        end.expect(
            "32 L 0001 'a' 0001 P '1'; 32 L 0001 'a' 0002 P '2'; 32 L 0001 'a' 0003 P '3'; 32 L 0001 'a' 0004 P '4'",
        );
        assert!(!end.end.connection.has_backlog());
    }
}

#[test]
fn pubcomp_that_knows_nothing_of_a_repeated_pubrel_ends_the_exchange() {
    let mut end = Raw::open(Role::Client, Version::V5);
    end.send("a", QoS::ExactlyOnce, "x");
    end.feed("50 02 0001");
    let mut end = end.resume("00");
    end.expect("62 02 0001");
    end.feed("70 03 0001 92");
    let reason = ReasonCode::PacketIdentifierNotFound;
    assert_eq!(end.seen(), [Seen::Delivered { id: 1, reason, payload: Some("x".into()) }]);
    assert_eq!(end.end.connection.session().in_flight(), 0);
    assert_eq!(end.state(), State::Open);
}

#[test]
fn qos_0_overtakes_no_qos_0_that_waits() {
    // [v5 MQTT-4.6.0-5] [v3.1.1 MQTT-4.6.0-6]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 21 0001");
        end.send("a", QoS::AtLeastOnce, "1");
        for (qos, payload) in [(QoS::AtLeastOnce, "2"), (QoS::AtMostOnce, "3")] {
            end.end.connection.session_mut().enqueue(Message::new("a", qos, payload));
        }
        assert_eq!(end.send("a", QoS::AtMostOnce, "4"), Sent::Wait);
        end.discard();
        end.feed("40 02 0001");
        end.expect("32 L 0001 'a' 0002 00 '2'; 30 L 0001 'a' 00 '3'; 30 L 0001 'a' 00 '4'");
        assert_eq!(end.send("a", QoS::AtMostOnce, "5"), Sent::Written(None));
    }
}

#[test]
fn a_new_session_has_nothing() {
    let session: Session<Message> = Session::new();
    assert_eq!((session.in_flight(), session.waiting(), session.unreleased()), (0, 0, 0));
}

#[test]
fn a_session_knows_what_its_waiting_messages_weigh() {
    let mut session = Session::new();
    for payload in ["1", "22", "333"] {
        session.enqueue(Message::new("a", QoS::AtLeastOnce, payload));
    }
    assert_eq!((session.waiting(), session.waiting_bytes()), (3, 9));
    assert_eq!(session.pop_waiting().unwrap().payload, b"1");
    assert_eq!(session.waiting_bytes(), 7);
    session.retain_waiting(|message| message.payload != b"22");
    assert_eq!((session.waiting(), session.waiting_bytes()), (1, 4));
    assert!(session.pop_waiting().is_some() && session.pop_waiting().is_none());
    assert_eq!(session.waiting_bytes(), 0);
}

#[test]
fn a_session_that_is_put_back_in_another_order_than_its_identifiers_loses_nothing() {
    // [v5 MQTT-2.2.1-3] [v5 MQTT-2.2.1-4] [v5 MQTT-4.4.0-1] [v3.1.1 MQTT-2.3.1-2] [v3.1.1 MQTT-4.4.0-1]
    // What a broker has stored may have been sent in another order than it was stored.
    let orders: [&[u16]; 5] =
        [&[1, 2, 4, 3, 5], &[1, 2, 4, 3], &[4, 3], &[65_533, 2, 65_535, 1], &[1, 30_000, 4_465, 4_466]];
    for version in VERSIONS {
        for order in orders {
            let mut session = Session::new();
            for number in order {
                let message = Message::new("a", QoS::AtLeastOnce, "1");
                session.restore(message, Progress::Sent(id(*number)), 0);
            }
            assert_eq!(session.in_flight(), order.len());
            let mut end = Raw::fresh_client(version, Limits::default(), session);
            // It knows nothing of what was sent before.
            end.end.watch.blind = true;
            end.discard();
            end.feed("20 L 01 00 P");
            end.discard();
            // None of them is in use by then.
            let ids = (0..3).map(|_| match end.send("a", QoS::AtLeastOnce, "2") {
                Sent::Written(Some(id)) => id.get(),
                other => panic!("{other:?}"),
            });
            let mut all: Vec<u16> = ids.chain(order.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), order.len() + 3);
            for number in all {
                end.feed(&format!("40 02 {number:04x}"));
            }
            assert_eq!(end.end.connection.session().in_flight(), 0, "{order:?}");
        }
    }
}
