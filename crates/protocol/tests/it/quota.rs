//! Receive Maximum, both ways (section 4.9).

use std::num::NonZeroU16;

use colibri_codec::{Delivery, QoS, ReasonCode, Version};
use colibri_protocol::{Acceptance, Limits, Role, Sent, Session, State, Violation};

use crate::end::{Answers, Seen};
use crate::raw::{Raw, id};

const ENDS: [Role; 2] = [Role::Client, Role::Server];

fn two_at_once() -> Limits {
    Limits { receive_maximum: NonZeroU16::new(2).unwrap(), ..Limits::default() }
}

#[test]
fn a_sender_stops_at_the_peers_receive_maximum() {
    // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-1] [v5 MQTT-4.9.0-2]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 21 0002");
        assert_eq!(end.send("a", QoS::AtLeastOnce, "1"), Sent::Written(Some(id(1))));
        assert_eq!(end.send("a", QoS::ExactlyOnce, "2"), Sent::Written(Some(id(2))));
        for payload in ["3", "4", "5"] {
            assert_eq!(end.send("a", QoS::ExactlyOnce, payload), Sent::Wait);
        }
        end.expect("32 L 0001 'a' 0001 00 '1'; 34 L 0001 'a' 0002 00 '2'");
        assert_eq!(end.end.connection.session().waiting(), 3);
        // PUBREC gives nothing back, PUBCOMP, PUBACK and a refusal do.
        end.feed("50 02 0002");
        end.expect("62 02 0002");
        end.feed("70 02 0002");
        end.expect("34 L 0001 'a' 0003 00 '3'");
        end.feed("40 02 0001");
        end.expect("34 L 0001 'a' 0004 00 '4'");
        end.feed("50 03 0003 97");
        end.expect("34 L 0001 'a' 0005 00 '5'");
    }
}

#[test]
fn answers_to_nothing_give_no_quota() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 21 0001");
        end.send("a", QoS::AtLeastOnce, "1");
        assert_eq!(end.send("a", QoS::AtLeastOnce, "2"), Sent::Wait);
        end.discard();
        end.feed("40 02 0009; 70 02 0009; 70 02 0001; 50 03 0009 80");
        end.expect("");
        assert_eq!(end.end.connection.session().waiting(), 1);
    }
}

#[test]
fn everything_else_goes_on_when_the_quota_is_used_up() {
    // [v5 MQTT-3.3.4-8] [v5 MQTT-3.3.4-10] [v5 MQTT-4.9.0-3]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), "03 21 0001");
        end.send("a", QoS::ExactlyOnce, "1");
        end.send("a", QoS::ExactlyOnce, "2");
        end.discard();
        assert_eq!(end.send("a", QoS::AtMostOnce, "-"), Sent::Written(None));
        end.feed("32 L 0001 'a' 0001 00; 34 L 0001 'a' 0002 00; 62 02 0002; 50 02 0001");
        end.expect("30 L 0001 'a' 00 '-'; 40 02 0001; 50 02 0002; 70 02 0002; 62 02 0001");
    }
}

#[test]
fn a_peer_that_sends_more_than_receive_maximum_is_told_and_left() {
    // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9]
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_at_once(), "00").answering(Answers::Held);
        end.feed("32 L 0001 'a' 0001 00; 34 L 0001 'a' 0002 00; 30 L 0001 'a' 00");
        assert_eq!(end.state(), State::Open);
        end.feed("32 L 0001 'a' 0003 00");
        assert_eq!(end.seen().last(), Some(&Seen::Violation(Violation::ReceiveMaximumExceeded)));
        assert_eq!(end.expect_packet(0xe0)[2], 0x93);
        assert_eq!(end.state(), State::Closed);
    }
}

#[test]
fn puback_pubcomp_and_a_refusing_pubrec_make_room_for_the_peer() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_at_once(), "00");
        for _ in 0..5 {
            end.feed("32 L 0001 'a' 0001 00; 34 L 0001 'a' 0002 00; 62 02 0002");
        }
        end.discard();
        end.end.answers = Answers::Never;
        let now = end.now;
        for _ in 0..5 {
            end.feed("34 L 0001 'a' 0003 00");
            end.end.with(|connection, out| {
                let delivery = Delivery::ExactlyOnce(id(3));
                connection.acknowledge(delivery, ReasonCode::QuotaExceeded, now, out);
            });
        }
        // PUBREC alone makes none.
        end.end.answers = Answers::AtOnce;
        end.feed("34 L 0001 'a' 0004 00; 34 L 0001 'a' 0005 00");
        assert_eq!(end.state(), State::Open);
        end.feed("34 L 0001 'a' 0006 00");
        assert_eq!(end.state(), State::Closed);
    }
}

#[test]
fn a_repeated_message_takes_nothing_from_the_quota() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, two_at_once(), "00");
        end.feed("34 L 0001 'a' 0001 00; 3c L 0001 'a' 0001 00; 3c L 0001 'a' 0001 00");
        assert_eq!(end.state(), State::Open);
    }
}

#[test]
fn a_server_may_send_less_at_once_than_its_client_would_take() {
    for (version, properties, sent) in
        [(Version::V3_1_1, "", 2), (Version::V5, "00", 2), (Version::V5, "03 21 0001", 1)]
    {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.end.accepts = false;
        let level = if version.has_properties() { "05" } else { "04" };
        server.feed(&format!("10 L 0004 'MQTT' {level} 02 0000 {properties} 0001 'c'"));
        let acceptance = Acceptance { send_maximum: Some(2), ..Acceptance::default() };
        let now = server.now;
        server.end.with(|connection, out| connection.accept(&acceptance, Session::new(), now, out));
        for payload in ["1", "2", "3"] {
            server.send("a", QoS::AtLeastOnce, payload);
        }
        assert_eq!(server.end.connection.session().in_flight(), sent);
        assert_eq!(server.end.connection.session().waiting(), 3 - sent);
    }
}

#[test]
fn before_5_0_nobody_is_bound() {
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V3_1_1, two_at_once(), "P").answering(Answers::Held);
        for _ in 0..10 {
            end.feed("32 L 0001 'a' 0001");
        }
        assert_eq!(end.state(), State::Open);
        assert_eq!(end.end.connection.held(), 10);
    }
}

#[test]
fn a_message_beyond_our_receive_maximum_is_taken_when_it_comes_again() {
    // [v5 MQTT-4.3.3-10]: it was refused with its connection, so nobody has had it.
    let maximum = Limits { receive_maximum: NonZeroU16::MIN, ..Limits::default() };
    for role in ENDS {
        let mut end = Raw::open_to(role, Version::V5, maximum, "00");
        end.feed("34 L 0001 'a' 0001 00 '1'; 34 L 0001 'a' 0002 00 '2'");
        assert_eq!(end.seen().last(), Some(&Seen::Violation(Violation::ReceiveMaximumExceeded)));
        assert_eq!(end.end.connection.session().unreleased_ids().collect::<Vec<_>>(), [id(1)]);
        let mut end = end.resume("00");
        end.discard();
        end.feed("62 02 0001; 3c L 0001 'a' 0002 00 '2'");
        end.expect("70 02 0001; 50 02 0002");
        assert!(
            matches!(&end.seen()[..], [Seen::Release(_), Seen::Publish { payload, .. }] if payload == "2")
        );
    }
}
