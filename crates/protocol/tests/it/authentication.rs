//! Extended authentication, step by step (5.0, section 4.12).

use colibri_codec::{BinaryData, Property, ReasonCode, Utf8String, Version};
use colibri_protocol::{Limits, State, Violation};

use crate::end::Seen;
use crate::raw::{Raw, client_with};

const CONTINUE: ReasonCode = ReasonCode::ContinueAuthentication;

fn step(end: &mut Raw, reason: ReasonCode, properties: &[Property<'_>]) -> bool {
    let now = end.now;
    end.end.with(|connection, out| connection.authenticate(reason, properties, now, out))
}

fn data(bytes: &[u8]) -> Property<'_> {
    Property::AuthenticationData(BinaryData::new(bytes).unwrap())
}

fn words(text: &str) -> Property<'_> {
    Property::ReasonString(Utf8String::new(text).unwrap())
}

/// A server that has accepted a client with the method `m`.
fn server() -> Raw {
    Raw::server_to(Version::V5, Limits::default(), "04 15 0001 'm'")
}

/// A client that asked with the method `m`.
fn asking() -> Raw {
    let method = [Property::AuthenticationMethod(Utf8String::new("m").unwrap())];
    let mut client = client_with(Version::V5, 0, &method);
    client.discard();
    client
}

/// A client that was accepted with the method `m`.
fn client() -> Raw {
    let mut client = asking();
    client.feed("20 07 00 00 04 15 0001 'm'");
    assert_eq!(client.state(), State::Open);
    client.discard();
    client
}

#[track_caller]
fn expect_violation(end: &mut Raw, violation: Violation) {
    assert_eq!(end.seen(), [Seen::Violation(violation)]);
    assert_eq!(end.state(), State::Closed);
}

#[test]
fn a_server_challenges_a_client_until_it_accepts_with_the_method() {
    // [v5 MQTT-4.12.0-2] [v5 MQTT-4.12.0-5]
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.end.accepts = false;
    server.feed("10 L 0004 'MQTT' 05 02 0000 04 15 0001 'm' 0001 'c'");
    for answer in ["1", "2"] {
        assert!(step(&mut server, CONTINUE, &[data(b"?")]));
        server.expect("f0 0a 18 08 15 0001 'm' 16 0001 '?'");
        // It is the client's turn.
        assert!(!step(&mut server, CONTINUE, &[]));
        server.discard();
        server.handle(&format!("f0 0a 18 08 15 0001 'm' 16 0001 '{answer}'"));
        assert_eq!(server.seen(), [Seen::Auth(CONTINUE)]);
    }
    let now = server.now;
    server.end.accept(true, now);
    server.expect("20 07 00 00 04 15 0001 'm'");
    assert!(!step(&mut server, CONTINUE, &[]), "no exchange is under way");
}

#[test]
fn during_the_exchange_a_server_takes_nothing_but_auth_and_disconnect() {
    // [v5 MQTT-3.1.2-30]
    for packet in ["c0 00", "30 04 0001 'a' 00", "82 07 0001 00 0001 'a' 00"] {
        let mut server = deciding_server();
        assert!(step(&mut server, CONTINUE, &[]));
        server.discard();
        server.handle(packet);
        assert!(matches!(server.seen()[..], [Seen::Violation(Violation::BeforeConnack(_))]));
        assert_eq!(server.expect_packet(0x20)[3], 0x82);
        assert_eq!(server.state(), State::Closed);
    }
    let mut server = deciding_server();
    server.handle("e0 00");
    assert_eq!(server.seen(), [Seen::Disconnect(ReasonCode::Success)]);
}

/// A server that has read CONNECT with the method `m`.
fn deciding_server() -> Raw {
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.end.accepts = false;
    server.feed("10 L 0004 'MQTT' 05 02 0000 04 15 0001 'm' 0001 'c'");
    server.discard();
    server
}

#[test]
fn a_step_out_of_turn_with_another_method_or_of_another_kind_ends_the_connection() {
    // [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.1-1] [v5 MQTT-3.15.2-1]
    for (packet, violation) in [
        ("f0 L 18 04 15 0001 'm'", Violation::AuthenticationOutOfTurn),
        ("f0 L 19 04 15 0001 'm'", Violation::AuthenticationOutOfTurn),
        ("f0 L 18 04 15 0001 'n'", Violation::AuthenticationMethodMismatch),
    ] {
        let mut server = deciding_server();
        server.handle(packet);
        expect_violation(&mut server, violation);
    }
    for packet in ["f0 L 18 04 15 0001 'm'", "f0 L 00 04 15 0001 'm'", "f0 00"] {
        let mut server = server();
        server.handle(packet);
        expect_violation(&mut server, Violation::AuthenticationOutOfTurn);
    }
    for packet in ["f0 L 18 04 15 0001 'm'", "f0 L 19 04 15 0001 'm'", "f0 L 00 04 15 0001 'm'"] {
        let mut client = client();
        client.handle(packet);
        expect_violation(&mut client, Violation::AuthenticationOutOfTurn);
    }
    let mut server = server();
    server.handle("f0 L 19 04 15 0001 'm'");
    server.discard();
    server.handle("f0 L 19 04 15 0001 'm'");
    expect_violation(&mut server, Violation::AuthenticationOutOfTurn);
}

#[test]
fn a_client_answers_and_is_accepted() {
    // [v5 MQTT-4.12.0-3]
    let mut client = asking();
    assert!(!step(&mut client, CONTINUE, &[]), "nobody asked");
    client.feed("f0 L 18 04 15 0001 'm'");
    assert_eq!(client.seen(), [Seen::Auth(CONTINUE)]);
    assert!(step(&mut client, CONTINUE, &[data(b"!")]));
    client.expect("f0 0a 18 08 15 0001 'm' 16 0001 '!'");
    client.feed("20 07 00 00 04 15 0001 'm'");
    assert_eq!(client.state(), State::Open);
}

#[test]
fn a_connack_without_the_method_or_with_one_that_nobody_named_ends_the_connection() {
    // [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.0-6]
    let mut client = asking();
    client.feed("20 03 00 00 00");
    expect_violation(&mut client, Violation::AuthenticationMethodMismatch);
    let mut client = client_with(Version::V5, 0, &[]);
    client.feed("20 07 00 00 04 15 0001 'm'");
    expect_violation(&mut client, Violation::AuthenticationMethodMismatch);
}

#[test]
fn both_ends_authenticate_again_while_the_connection_is_open() {
    // [v5 MQTT-4.12.1-1]
    let (mut client, mut server) = (client(), server());
    assert!(step(&mut client, ReasonCode::ReAuthenticate, &[]));
    assert!(!step(&mut client, ReasonCode::ReAuthenticate, &[]), "one is under way");
    client.expect("f0 06 19 04 15 0001 'm'");
    server.feed("f0 06 19 04 15 0001 'm'");
    assert!(step(&mut server, CONTINUE, &[]));
    server.expect("f0 06 18 04 15 0001 'm'");
    // Other traffic goes on.
    server.feed("c0 00");
    server.expect("d0 00");
    client.feed("f0 06 18 04 15 0001 'm'");
    assert!(step(&mut client, CONTINUE, &[]));
    client.expect("f0 06 18 04 15 0001 'm'");
    server.feed("f0 06 18 04 15 0001 'm'");
    assert!(step(&mut server, ReasonCode::Success, &[]));
    server.expect("f0 06 00 04 15 0001 'm'");
    client.feed("f0 06 00 04 15 0001 'm'");
    assert_eq!(client.seen().last(), Some(&Seen::Auth(ReasonCode::Success)));
    assert!(step(&mut client, ReasonCode::ReAuthenticate, &[]), "and again");
}

#[test]
fn without_a_method_there_is_no_authentication() {
    // [v5 MQTT-4.12.0-6] [v5 MQTT-4.12.0-7]
    for mut end in [Raw::client(Version::V5), Raw::server(Version::V5)] {
        for reason in [CONTINUE, ReasonCode::ReAuthenticate, ReasonCode::Success] {
            assert!(!step(&mut end, reason, &[]));
        }
        end.expect("");
    }
}

#[test]
fn an_auth_leaves_its_words_out_where_they_are_unwanted_or_too_much() {
    // [v5 MQTT-3.1.2-29] [v5 MQTT-3.15.2-2] [v5 MQTT-3.15.2-3]
    for properties in ["06 15 0001 'm' 17 00", "09 15 0001 'm' 27 00000014"] {
        let mut server = Raw::fresh_server(Version::V5, Limits::default());
        server.end.accepts = false;
        server.feed(&format!("10 L 0004 'MQTT' 05 02 0000 {properties} 0001 'c'"));
        assert!(step(&mut server, CONTINUE, &[words("show me the proof"), data(b"?")]));
        server.expect("f0 0a 18 08 15 0001 'm' 16 0001 '?'");
    }
    let mut server = deciding_server();
    assert!(step(&mut server, CONTINUE, &[words("why")]));
    server.expect("f0 0c 18 0a 15 0001 'm' 1f 0003 'why'");
}

#[test]
fn a_client_that_takes_no_challenge_of_that_size_is_refused() {
    // [v5 MQTT-3.1.2-24]
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.end.accepts = false;
    server.feed("10 L 0004 'MQTT' 05 02 0000 09 15 0001 'm' 27 00000008 0001 'c'");
    assert!(!step(&mut server, CONTINUE, &[data(b"a long challenge")]));
    server.expect("20 03 00 95 00");
    assert_eq!(server.state(), State::Closed);
}
