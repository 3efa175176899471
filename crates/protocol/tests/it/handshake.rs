//! CONNECT and CONNACK.

use std::num::{NonZeroU16, NonZeroU32};

use colibri_codec::{Malformed, PacketType, Property, ReasonCode, Utf8String, Version};
use colibri_protocol::{Acceptance, Limits, Role, Session, State, Violation};

use crate::VERSIONS;
use crate::end::Seen;
use crate::pair::{Pair, Setup};
use crate::raw::{Raw, client_with};

const CONNECT_V3: &str = "10 0d 0004 'MQTT' 04 02 000a 0001 'c'";
const CONNECT_V5: &str = "10 0e 0004 'MQTT' 05 02 000a 00 0001 'c'";

fn connect_for(version: Version) -> &'static str {
    if version.has_properties() { CONNECT_V5 } else { CONNECT_V3 }
}

#[test]
fn a_client_begins_with_connect() {
    // client: [v5 MQTT-3.1.2-1] [v5 MQTT-2.2.2-1]
    // [v5 MQTT-3.1.0-1] [v3.1.1 MQTT-3.1.0-1]
    for version in VERSIONS {
        let mut client = client_with(version, 10, &[]);
        assert_eq!(client.state(), State::AwaitingConnack);
        client.expect(connect_for(version));
    }
}

#[test]
fn the_limits_of_a_client_stand_in_its_connect_and_defaults_do_not() {
    let limits = Limits {
        receive_maximum: NonZeroU16::new(7).unwrap(),
        maximum_packet_size: NonZeroU32::new(300).unwrap(),
        topic_alias_maximum: 9,
        ..Limits::default()
    };
    let mut client = Raw::fresh_client(Version::V5, limits, Session::new());
    client.expect("10 L 0004 'MQTT' 05 00 0000 0b 21 0007 27 0000012c 22 0009 0001 'c'");
    // What 3.1.1 has no words for is left unsaid.
    let mut client = Raw::fresh_client(Version::V3_1_1, limits, Session::new());
    client.expect("10 L 0004 'MQTT' 04 00 0000 0001 'c'");
}

#[test]
fn an_accepted_client_gets_connack_and_both_ends_are_open() {
    // [v5 MQTT-3.1.4-5] [v3.1.1 MQTT-3.1.4-4]
    // server: [v5 MQTT-2.2.2-1]
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.feed(connect_for(version));
        server.expect("20 L 00 00 P");
        assert_eq!(server.state(), State::Open);
        assert_eq!(server.end.connection.version(), version);

        let mut client = client_with(version, 10, &[]);
        client.feed("20 L 00 00 P");
        assert_eq!(client.state(), State::Open);
        let reason = ReasonCode::Success;
        assert_eq!(client.seen(), [Seen::Connack { session_present: false, reason }]);
    }
}

#[test]
fn a_stored_session_is_announced_and_comes_back() {
    // [v5 MQTT-3.2.2-3] [v3.1.1 MQTT-3.2.2-2]
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.end.stored = Some(Session::new());
        let level = if version.has_properties() { "05" } else { "04" };
        server.feed(&format!("10 L 0004 'MQTT' {level} 00 0000 P 0001 'c'"));
        server.expect("20 L 01 00 P");
    }
}

#[test]
fn the_limits_of_a_server_stand_in_its_connack() {
    let limits = Limits {
        receive_maximum: NonZeroU16::new(7).unwrap(),
        maximum_packet_size: NonZeroU32::new(300).unwrap(),
        topic_alias_maximum: 9,
        ..Limits::default()
    };
    let mut server = Raw::fresh_server(Version::V5, limits);
    server.feed(CONNECT_V5);
    server.expect("20 L 00 00 0b 21 0007 27 0000012c 22 0009");
    let mut server = Raw::fresh_server(Version::V3_1_1, limits);
    server.feed(CONNECT_V3);
    server.expect("20 02 00 00");
}

#[test]
fn an_assigned_client_identifier_and_keep_alive_stand_in_the_connack() {
    // [v5 MQTT-3.1.3-7] [v5 MQTT-3.2.2-16]
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.end.assigned_client_id = Some("made-up".into());
    server.end.server_keep_alive = Some(20);
    server.feed("10 L 0004 'MQTT' 05 02 000a 00 0000");
    server.expect("20 L 00 00 0d 12 0007 'made-up' 13 0014");
    // In 3.1.1 the client is not told.
    let mut server = Raw::fresh_server(Version::V3_1_1, Limits::default());
    server.end.assigned_client_id = Some("made-up".into());
    server.end.server_keep_alive = Some(20);
    server.feed("10 L 0004 'MQTT' 04 02 000a 0000");
    server.expect("20 02 00 00");
}

#[test]
fn a_refusal_carries_the_code_of_the_version_and_closes() {
    // [v5 MQTT-3.2.2-7] [v3.1.1 MQTT-3.2.2-5] [v3.1.1 MQTT-3.2.2-6] [v5 MQTT-3.1.3-8] [v3.1.1 MQTT-3.1.3-9]
    let table = [
        (ReasonCode::ClientIdentifierNotValid, "20 02 00 02", "20 03 00 85 00"),
        (ReasonCode::ServerUnavailable, "20 02 00 03", "20 03 00 88 00"),
        (ReasonCode::BadUserNameOrPassword, "20 02 00 04", "20 03 00 86 00"),
        (ReasonCode::NotAuthorized, "20 02 00 05", "20 03 00 87 00"),
        (ReasonCode::Banned, "20 02 00 05", "20 03 00 8a 00"),
        (ReasonCode::QosNotSupported, "", "20 03 00 9b 00"),
    ];
    for (reason, v3, v5) in table {
        for (version, connect, expected) in [(Version::V3_1_1, CONNECT_V3, v3), (Version::V5, CONNECT_V5, v5)]
        {
            let mut server = Raw::fresh_server(version, Limits::default());
            server.end.accepts = false;
            server.feed(connect);
            assert_eq!(server.state(), State::Deciding);
            server.end.with(|connection, out| connection.refuse(reason, &[], out));
            assert_eq!(server.state(), State::Closed);
            match expected {
                "" => assert!(server.end.out.is_empty()),
                _ => server.expect(expected),
            }
        }
    }
}

#[test]
fn a_refusal_says_why_only_if_the_client_takes_packets_of_that_size() {
    // [v5 MQTT-3.2.2-19] [v5 MQTT-3.2.2-20]
    let why = Property::ReasonString(Utf8String::new("no").unwrap());
    for (limit, expected) in [("0000000a", "20 08 00 87 05 1f 0002 'no'"), ("00000009", "20 03 00 87 00")] {
        let mut server = Raw::fresh_server(Version::V5, Limits::default());
        server.end.accepts = false;
        server.feed(&format!("10 L 0004 'MQTT' 05 02 0000 05 27 {limit} 0001 'c'"));
        server.end.with(|connection, out| connection.refuse(ReasonCode::NotAuthorized, &[why], out));
        server.expect(expected);
    }
}

#[test]
fn an_acceptance_says_more_only_if_the_client_takes_packets_of_that_size() {
    // [v5 MQTT-3.2.2-19] [v5 MQTT-3.2.2-20]
    let why = Property::ReasonString(Utf8String::new("hello").unwrap());
    let alone = Property::RetainAvailable(false);
    let table = [("0000000f", "20 0d 00 00 0a 1f 0005 'hello' 25 00"), ("0000000e", "20 05 00 00 02 25 00")];
    for (limit, expected) in table {
        let mut server = Raw::fresh_server(Version::V5, Limits::default());
        server.end.accepts = false;
        server.feed(&format!("10 L 0004 'MQTT' 05 02 0000 05 27 {limit} 0001 'c'"));
        let (now, properties) = (server.now, [why, alone]);
        let acceptance = Acceptance { properties: &properties, ..Acceptance::default() };
        server.end.with(|connection, out| connection.accept(&acceptance, Session::new(), now, out));
        server.expect(expected);
    }
}

#[test]
fn a_refused_client_is_closed_and_knows_why() {
    for (version, connack, reason) in [
        (Version::V3_1_1, "20 02 00 05", ReasonCode::NotAuthorized),
        (Version::V5, "20 03 00 87 00", ReasonCode::NotAuthorized),
        // A server that knows no 5.0 answers in the form it knows.
        (Version::V5, "20 02 00 84", ReasonCode::UnsupportedProtocolVersion),
    ] {
        let mut client = client_with(version, 10, &[]);
        client.feed(connack);
        assert_eq!(client.seen(), [Seen::Connack { session_present: false, reason }]);
        assert_eq!(client.state(), State::Closed);
    }
}

#[test]
fn an_unknown_version_is_refused_in_the_form_that_its_client_reads() {
    // [v5 MQTT-3.1.2-2] [v3.1.1 MQTT-3.1.2-2]
    for (level, expected) in [("09", "20 02 00 01"), ("06", "20 03 00 84 00"), ("00", "20 02 00 01")] {
        let mut server = Raw::fresh_server(Version::V3_1_1, Limits::default());
        server.feed(&format!("10 L 0004 'MQTT' {level} 02 000a 0001 'c'"));
        let version = if level == "06" { Version::V5 } else { Version::V3_1_1 };
        assert_eq!(server.end.connection.version(), version);
        server.expect(expected);
        assert_eq!(server.state(), State::Closed);
    }
}

#[test]
fn another_protocol_gets_no_answer() {
    // server: [v5 MQTT-3.1.2-1] [v3.1.1 MQTT-3.1.2-1]
    let mut server = Raw::fresh_server(Version::V3_1_1, Limits::default());
    server.feed("10 L 0004 'MQTX' 04 02 000a 0001 'c'");
    server.expect("");
    assert_eq!(server.seen(), [Seen::Violation(Violation::Malformed(Malformed::ProtocolName))]);
    assert_eq!(server.state(), State::Closed);
}

#[test]
fn the_first_packet_of_a_client_is_connect() {
    // server: [v5 MQTT-3.1.0-1] [v3.1.1 MQTT-3.1.0-1]
    for (packet, packet_type) in [
        ("c0 00", PacketType::Pingreq),
        ("30 06 0003 'a/b' '!'", PacketType::Publish),
        ("20 02 00 00", PacketType::Connack),
        ("e0 00", PacketType::Disconnect),
        ("f0 00", PacketType::Auth),
    ] {
        let mut server = Raw::fresh_server(Version::V3_1_1, Limits::default());
        server.feed(packet);
        server.expect("");
        assert_eq!(server.seen(), [Seen::Violation(Violation::ConnectMissing(packet_type))]);
        assert_eq!(server.state(), State::Closed);
    }
}

#[test]
fn a_malformed_connect_is_answered_in_5_0_only() {
    // [v5 MQTT-3.1.2-3] [v5 MQTT-3.1.4-1] [v3.1.1 MQTT-3.1.2-3] [v3.1.1 MQTT-3.1.4-1]
    let mut server = Raw::fresh_server(Version::V3_1_1, Limits::default());
    server.feed("10 0d 0004 'MQTT' 04 03 000a 0001 'c'");
    server.expect("");
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.feed("10 0e 0004 'MQTT' 05 03 000a 00 0001 'c'");
    let connack = server.expect_packet(0x20);
    assert_eq!(connack[2..4], [0x00, 0x81]);
    assert_eq!(server.state(), State::Closed);
}

#[test]
fn a_second_connect_ends_the_connection() {
    // [v5 MQTT-3.1.0-2] [v3.1.1 MQTT-3.1.0-2]
    for version in VERSIONS {
        let mut server = Raw::server(version);
        server.feed(connect_for(version));
        assert_eq!(server.seen(), [Seen::Violation(Violation::SecondConnect)]);
        assert_eq!(server.state(), State::Closed);
        if version.has_properties() {
            assert_eq!(server.expect_packet(0xe0)[2], 0x82);
        }
        server.expect("");
    }
}

#[test]
fn a_second_connect_of_another_version_ends_the_connection_just_the_same() {
    for version in VERSIONS {
        for level in ["03", "09"] {
            let mut server = Raw::server(version);
            server.feed(&format!("10 L 0004 'MQTT' {level} 02 000a 0001 'c'"));
            assert_eq!(server.seen(), [Seen::Violation(Violation::SecondConnect)]);
            if version.has_properties() {
                assert_eq!(server.expect_packet(0xe0)[2], 0x82);
            }
            server.expect("");
        }
    }
}

#[test]
fn a_client_waits_for_connack_before_anything_else() {
    // client: [v5 MQTT-3.2.0-1] [v3.1.1 MQTT-3.2.0-1]
    for version in VERSIONS {
        for (packet, packet_type) in [
            ("30 L 0003 'a/b' P '!'", PacketType::Publish),
            ("d0 00", PacketType::Pingresp),
            ("90 L 0001 P 00", PacketType::Suback),
        ] {
            let mut client = client_with(version, 0, &[]);
            client.discard();
            client.feed(packet);
            assert_eq!(client.seen(), [Seen::Violation(Violation::BeforeConnack(packet_type))]);
            client.expect("");
            assert_eq!(client.state(), State::Closed);
        }
    }
}

#[test]
fn a_second_connack_ends_the_connection() {
    // client: [v5 MQTT-3.2.0-2]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        client.feed("20 L 00 00 P");
        assert_eq!(client.seen(), [Seen::Violation(Violation::UnexpectedConnack)]);
        assert_eq!(client.state(), State::Closed);
    }
}

#[test]
fn what_comes_while_a_server_decides_is_refused() {
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.end.accepts = false;
        server.feed(connect_for(version));
        assert_eq!(server.seen(), [Seen::Connect { client_id: "c".into() }]);
        let frame = colibri_codec::Frame::new(0xc0, &[]);
        server.end.handle(frame, server.now);
        let violation = Violation::BeforeConnack(PacketType::Pingreq);
        assert_eq!(server.seen(), [Seen::Violation(violation)]);
        assert_eq!(server.state(), State::Closed);
    }
}

#[test]
fn what_comes_behind_connect_is_read_once_the_server_has_accepted() {
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        server.end.accepts = false;
        server.feed(&format!("{}; c0 00", connect_for(version)));
        server.expect("");
        server.end.accept(true, server.now);
        server.feed("c0 00");
        server.expect("20 L 00 00 P; d0 00; d0 00");
    }
}

#[test]
fn a_session_that_nobody_asked_for_ends_the_connection() {
    // client: [v5 MQTT-3.2.2-2] [v5 MQTT-3.2.2-4] [v3.1.1 MQTT-3.2.2-1]
    for version in VERSIONS {
        let mut client = client_with(version, 10, &[]);
        client.feed("20 L 01 00 P");
        assert_eq!(client.seen(), [Seen::Violation(Violation::SessionPresentUnasked)]);
        assert_eq!(client.state(), State::Closed);
    }
}

#[test]
fn each_end_sends_only_what_is_its_own() {
    // [v3.1.1 MQTT-4.8.0-1] [v5 MQTT-4.13.1-1]
    for version in VERSIONS {
        for (packet, packet_type) in [
            ("20 L 00 00 P", PacketType::Connack),
            ("90 L 0001 P 00", PacketType::Suback),
            ("b0 L 0001 P ?00", PacketType::Unsuback),
            ("d0 00", PacketType::Pingresp),
        ] {
            let mut server = Raw::server(version);
            server.feed(packet);
            assert_eq!(server.seen(), [Seen::Violation(Violation::WrongDirection(packet_type))]);
            assert_eq!(server.state(), State::Closed);
        }
        for (packet, packet_type) in [
            ("10 L 0004 'MQTT' 04 02 000a 0001 'c'", PacketType::Connect),
            ("82 L 0001 P 0001 'a' 00", PacketType::Subscribe),
            ("a2 L 0001 P 0001 'a'", PacketType::Unsubscribe),
            ("c0 00", PacketType::Pingreq),
        ] {
            let mut client = Raw::client(version);
            client.feed(packet);
            assert_eq!(client.seen(), [Seen::Violation(Violation::WrongDirection(packet_type))]);
            assert_eq!(client.state(), State::Closed);
        }
    }
    // Before 5.0 a server has no DISCONNECT, and neither end AUTH.
    let mut client = Raw::client(Version::V3_1_1);
    client.feed("e0 00");
    let violation = Violation::WrongDirection(PacketType::Disconnect);
    assert_eq!(client.seen(), [Seen::Violation(violation)]);
    client.expect("");
    let mut server = Raw::server(Version::V3_1_1);
    server.feed("f0 00");
    assert_eq!(server.seen(), [Seen::Violation(Violation::Malformed(Malformed::ReservedPacketType))]);
    server.expect("");
}

#[test]
fn two_ends_connect_over_a_link_of_single_bytes() {
    // [v5 MQTT-4.2.0-1] [v3.1.1 MQTT-7.1.1-1] [v3.1.1 MQTT-7.1.2-1]
    for version in VERSIONS {
        let mut pair = Pair::new(Setup::new(version));
        while pair.carry(Role::Client, 1) == 1 {}
        while pair.carry(Role::Server, 1) == 1 {}
        assert!(pair.is_open());
    }
}
