//! Answers in words, within what the peer takes; identifiers that are in use; aliases that are kept.

use colibri_codec::{
    Delivery, Properties, Property, QoS, ReasonCode, Sequence, Suback, Unsuback, UnsubackReason, Utf8String,
    Version,
};
use colibri_protocol::{Limits, Role, State, Violation};

use crate::end::{Answers, Seen};
use crate::raw::{Raw, id};

fn refuse(server: &mut Raw, delivery: Delivery) {
    let now = server.now;
    let full = ReasonCode::QuotaExceeded;
    server.end.with(|connection, out| connection.refuse_publish(delivery, full, "full", now, out));
}

fn to(properties: &str) -> Raw {
    Raw::server_to(Version::V5, Limits::default(), properties).answering(Answers::Never)
}

#[test]
fn a_refusal_says_why_if_the_sender_wants_it_and_takes_it() {
    // [v5 MQTT-3.1.2-29] [v5 MQTT-3.4.2-2] [v5 MQTT-3.5.2-2]
    for (properties, in_words) in [
        ("00", true),
        ("02 17 01", true),
        ("02 17 00", false),
        ("05 27 0000000d", true),
        ("05 27 0000000c", false),
    ] {
        let mut server = to(properties);
        server.feed("32 L 0001 'a' 0001 P");
        refuse(&mut server, Delivery::AtLeastOnce(id(1)));
        server.expect(if in_words { "40 0b 0001 97 07 1f 0004 'full'" } else { "40 03 0001 97" });
        server.feed("34 L 0001 'a' 0002 P");
        refuse(&mut server, Delivery::ExactlyOnce(id(2)));
        server.expect(if in_words { "50 0b 0002 97 07 1f 0004 'full'" } else { "50 03 0002 97" });
        assert_eq!(server.end.connection.session().unreleased(), 0);
    }
}

#[test]
fn refusals_in_words_keep_their_place_behind_answers_that_are_held_back() {
    // [v5 MQTT-4.6.0-2]
    let mut server = to("00");
    server.feed("32 L 0001 'a' 0001 P; 32 L 0001 'a' 0002 P");
    let now = server.now;
    server.end.with(|connection, _| connection.hold(Delivery::AtLeastOnce(id(1))));
    refuse(&mut server, Delivery::AtLeastOnce(id(2)));
    server.expect("");
    let success = ReasonCode::Success;
    server.end.with(|connection, out| connection.acknowledge_held(id(1), success, now, out));
    server.expect("40 02 0001 40 0b 0002 97 07 1f 0004 'full'");
}

#[test]
fn a_refusal_gives_the_receive_quota_back() {
    // [v5 MQTT-4.9.0-2]
    let limits = Limits { receive_maximum: 1.try_into().unwrap(), ..Limits::default() };
    let mut server = Raw::server_to(Version::V5, limits, "00").answering(Answers::Never);
    for _ in 0..3 {
        server.feed("34 L 0001 'a' 0001 P");
        refuse(&mut server, Delivery::ExactlyOnce(id(1)));
        assert_eq!(server.state(), State::Open);
    }
}

/// Answers a SUBSCRIBE with so many refusals, in words.
fn suback(server: &mut Raw, count: usize) {
    let reasons = vec![ReasonCode::QuotaExceeded; count];
    let words = [Property::ReasonString(Utf8String::new("full").unwrap())];
    let properties = Properties::new(&words);
    let suback = Suback { packet_id: id(1), properties, reasons: Sequence::new(&reasons) };
    let now = server.now;
    server.end.with(|connection, out| connection.suback(&suback, now, out));
}

#[test]
fn a_suback_leaves_its_words_out_where_they_are_unwanted_or_too_much() {
    // [v5 MQTT-3.1.2-29] [v5 MQTT-3.9.2-1]
    let mut server = to("00");
    suback(&mut server, 1);
    server.expect("90 0b 0001 07 1f 0004 'full' 97");
    for properties in ["02 17 00", "05 27 0000000c"] {
        let mut server = to(properties);
        suback(&mut server, 1);
        server.expect("90 04 0001 00 97");
    }
}

#[test]
fn a_client_that_takes_no_answer_of_that_size_is_disconnected() {
    // [v5 MQTT-3.1.2-24]
    let mut server = to("05 27 0000000a");
    suback(&mut server, 5);
    server.expect("90 08 0001 00 9797979797");
    suback(&mut server, 6);
    server.expect("e0 01 95");
    assert_eq!(server.state(), State::Closed);
    let mut server = to("05 27 0000000a");
    let reasons = vec![UnsubackReason::new(ReasonCode::Success).unwrap(); 6];
    let reasons = Sequence::new(&reasons);
    let unsuback = Unsuback { packet_id: id(1), properties: Properties::EMPTY, reasons };
    let now = server.now;
    server.end.with(|connection, out| connection.unsuback(&unsuback, now, out));
    server.expect("e0 01 95");
}

#[test]
fn a_server_that_takes_no_acknowledgement_is_no_server_for_a_client() {
    // [v5 MQTT-3.2.2-15]
    let mut client = Raw::fresh_client(Version::V5, Limits::default(), colibri_protocol::Session::new());
    client.discard();
    client.feed("20 08 00 00 05 27 00000004");
    assert_eq!(client.seen(), [Seen::Violation(Violation::PacketSizeTooSmall(4))]);
    assert_eq!(client.state(), State::Closed);
    assert_eq!(Raw::client_to(Version::V5, Limits::default(), "05 27 00000005").state(), State::Open);
}

#[test]
fn an_identifier_of_an_unfinished_message_is_in_use_for_everything_else() {
    // [v5 MQTT-2.2.1-3]
    let words = "1f 0036 'a' 20 'message' 20 'is' 20 'not' 20 'finished' 20 'under' 20 'this' 20 'packet' 20 \
                 'identifier'";
    for (packet, answer) in [
        ("32 L 0001 'a' 0001 P", format!("40 L 0001 91 39 {words}")),
        ("82 L 0001 P 0001 'a' 00 0001 'b' 00", format!("90 L 0001 39 {words} 9191")),
        ("a2 L 0001 P 0001 'a'", format!("b0 L 0001 39 {words} 91")),
    ] {
        let mut server = Raw::server(Version::V5);
        server.feed("34 L 0001 'a' 0001 P");
        server.discard();
        server.feed(packet);
        server.expect(&answer);
        assert_eq!(server.seen(), []);
        // The exchange goes on, and then the identifier is free.
        server.feed("62 02 0001");
        server.expect("70 02 0001");
        server.discard();
        server.feed(packet);
        assert!(server.seen().iter().any(|seen| !matches!(seen, Seen::Release(_))));
    }
}

#[test]
fn an_identifier_of_a_message_that_waits_for_its_answer_is_in_use_for_qos_2() {
    // [v5 MQTT-2.2.1-3]
    let mut server = Raw::server_to(Version::V5, Limits::default(), "02 17 00").answering(Answers::Held);
    server.feed("32 L 0001 'a' 0001 P; 34 L 0001 'b' 0001 P");
    let now = server.now;
    assert_eq!(server.seen().len(), 1);
    let success = ReasonCode::Success;
    server.end.with(|connection, out| connection.acknowledge_held(id(1), success, now, out));
    server.expect("40 02 0001 50 03 0001 91");
    assert_eq!(server.end.connection.session().unreleased(), 0);
}

#[test]
fn before_5_0_nobody_is_told_that_an_identifier_is_in_use() {
    let mut server = Raw::server(Version::V3_1_1);
    server.feed("34 L 0001 'a' 0001");
    server.discard();
    server.feed("32 L 0001 'a' 0001");
    server.expect("40 02 0001");
    server.feed("82 L 0001 0001 'a' 00");
    server.expect("90 03 0001 00");
}

#[test]
fn no_more_aliases_are_kept_than_this_end_wants_to() {
    for role in [Role::Client, Role::Server] {
        let limits = Limits { aliases_set_maximum: 2, ..Limits::default() };
        let mut end = Raw::open_to(role, Version::V5, limits, "03 22 ffff");
        for topic in ["a", "b", "c"] {
            end.send(topic, QoS::AtMostOnce, "");
        }
        end.expect("30 07 0001 'a' 03 23 0001 30 07 0001 'b' 03 23 0002 30 04 0001 'c' 00");
    }
}
