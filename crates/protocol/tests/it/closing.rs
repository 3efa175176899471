//! DISCONNECT, AUTH, violations and what comes after the end.

use colibri_codec::{
    Delivery, Disconnect, Properties, Property, QoS, ReasonCode, Sequence, Subscribe, Subscription,
    SubscriptionOptions, TopicFilter, UnsubackReason, Version,
};
use colibri_protocol::{Limits, Role, Sent, State, Violation};

use crate::end::{Answers, Seen};
use crate::raw::{Raw, client_with, id};
use crate::{VERSIONS, both_ends};

fn disconnect(end: &mut Raw, reason: ReasonCode, properties: &[Property<'_>]) {
    let disconnect = Disconnect { reason, properties: Properties::new(properties) };
    end.end.with(|connection, out| connection.disconnect(&disconnect, out));
    assert_eq!(end.state(), State::Closed);
}

#[test]
fn a_client_disconnects_with_its_reason() {
    // [v5 MQTT-3.14.4-2] [v3.1.1 MQTT-3.14.4-1]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        disconnect(&mut client, ReasonCode::Success, &[]);
        client.expect("e0 00");
        let mut client = Raw::client(version);
        disconnect(&mut client, ReasonCode::DisconnectWithWillMessage, &[]);
        client.expect("e0 L ?04");
    }
}

#[test]
fn only_a_5_0_server_disconnects_with_a_packet() {
    let mut server = Raw::server(Version::V5);
    disconnect(&mut server, ReasonCode::SessionTakenOver, &[]);
    server.expect("e0 01 8e");
    let mut server = Raw::server(Version::V3_1_1);
    disconnect(&mut server, ReasonCode::SessionTakenOver, &[]);
    server.expect("");
}

#[test]
fn no_disconnect_goes_before_connack() {
    // [v5 MQTT-3.14.0-1]
    for version in VERSIONS {
        let mut server = Raw::fresh_server(version, Limits::default());
        disconnect(&mut server, ReasonCode::ServerShuttingDown, &[]);
        server.expect("");
        let mut client = client_with(version, 0, &[]);
        client.discard();
        disconnect(&mut client, ReasonCode::Success, &[]);
        client.expect("");
    }
}

#[test]
fn the_peers_disconnect_closes() {
    for version in VERSIONS {
        let mut server = Raw::server(version);
        server.feed("e0 L ?04");
        let reason = if version.has_properties() {
            ReasonCode::DisconnectWithWillMessage
        } else {
            ReasonCode::Success
        };
        assert_eq!(server.seen(), [Seen::Disconnect(reason)]);
        assert_eq!(server.state(), State::Closed);
        server.expect("");
    }
    let mut client = Raw::client(Version::V5);
    client.feed("e0 01 8b");
    assert_eq!(client.seen(), [Seen::Disconnect(ReasonCode::ServerShuttingDown)]);
    assert_eq!(client.state(), State::Closed);
}

#[test]
fn the_session_expiry_interval_is_not_raised_from_0_at_the_end() {
    // Section 3.14.2.2.2.
    let table = [
        ("00", "11 0000000a", false),
        ("05 11 00000000", "11 0000000a", false),
        ("05 11 00000001", "11 0000000a", true),
        ("05 11 00000001", "11 00000000", true),
        ("00", "11 00000000", true),
    ];
    for (at_start, at_end, allowed) in table {
        let mut server = Raw::server_to(Version::V5, Limits::default(), at_start);
        server.feed(&format!("e0 L 00 05 {at_end}"));
        if allowed {
            assert_eq!(server.seen(), [Seen::Disconnect(ReasonCode::Success)]);
            server.expect("");
        } else {
            assert_eq!(server.seen(), [Seen::Violation(Violation::SessionExpiryAfterZero)]);
            assert_eq!(server.expect_packet(0xe0)[2], 0x82);
        }
        assert_eq!(server.state(), State::Closed);
    }
}

#[test]
fn a_server_changes_no_session_expiry_interval() {
    // [v5 MQTT-3.14.2-2]
    let mut client = Raw::client(Version::V5);
    client.feed("e0 07 00 05 11 0000000a");
    assert_eq!(client.seen(), [Seen::Violation(Violation::SessionExpiryFromServer)]);
    assert_eq!(client.expect_packet(0xe0)[2], 0x82);
}

#[test]
fn a_client_refers_to_no_server() {
    let mut server = Raw::server(Version::V5);
    server.feed("e0 L 00 04 1c 0001 's'");
    assert_eq!(server.seen(), [Seen::Violation(Violation::ServerReferenceFromClient)]);
    assert_eq!(server.expect_packet(0xe0)[2], 0x82);
}

#[test]
fn a_client_publishes_with_no_subscription_identifier() {
    // [v5 MQTT-3.3.4-6]
    let mut server = Raw::server(Version::V5);
    server.feed("30 L 0001 'a' 02 0b 01");
    assert_eq!(server.seen(), [Seen::Violation(Violation::SubscriptionIdentifierFromClient)]);
    assert_eq!(server.expect_packet(0xe0)[2], 0x82);
    // A server does, also with several.
    let mut client = Raw::client(Version::V5);
    client.feed("30 L 0001 'a' 04 0b 01 0b 02");
    assert_eq!(client.state(), State::Open);
}

#[test]
fn malformed_packets_are_answered_with_their_code_in_5_0_and_with_nothing_before() {
    // [v5 MQTT-4.13.1-1] [v5 MQTT-4.13.2-1] [v3.1.1 MQTT-4.8.0-1] [v5 MQTT-3.14.1-1] [v3.1.1 MQTT-3.14.1-1]
    let table = [
        ("36 L 0001 'a' 0001 P", 0x81),
        ("32 L 0001 'a' 0000 P", 0x82),
        ("30 L 0001 '#' P", 0x90),
        ("60 02 0001", 0x81),
        ("e1 00", 0x81),
        ("00 00", 0x81),
        ("40 01 00", 0x81),
        ("30 8000", 0x81),
        ("30 ffffffff", 0x81),
        ("30 L 0002 ffff P", 0x81),
    ];
    for (role, version) in both_ends() {
        for (packet, reason) in table {
            let mut end = Raw::open(role, version);
            end.feed(packet);
            assert!(matches!(end.seen()[..], [Seen::Violation(_)]), "{packet}");
            assert_eq!(end.state(), State::Closed);
            if version.has_properties() {
                assert_eq!(end.expect_packet(0xe0)[2], reason, "{packet}");
            }
            end.expect("");
        }
    }
}

#[test]
fn a_reason_string_goes_along_only_if_the_peer_takes_packets_of_that_size() {
    // [v5 MQTT-3.14.2-3]
    let text = Violation::TopicAliasUnknown.to_string();
    let whole = 2 + 1 + 1 + 3 + text.len();
    for role in [Role::Client, Role::Server] {
        for (limit, length) in [(whole, whole), (whole - 1, 3), (3, 3), (2, 0)] {
            if role == Role::Server && limit < 5 {
                // Not even CONNACK would be taken.
                continue;
            }
            let limit = u32::try_from(limit).unwrap();
            let properties = format!("05 27 {limit:08x}");
            let mut end = Raw::open_to(role, Version::V5, Limits::default(), &properties);
            end.end.with(|connection, out| connection.fail(Violation::TopicAliasUnknown, out));
            assert_eq!(end.end.out.len(), length, "{role:?} {limit}");
            if length == whole {
                assert!(end.end.out.ends_with(text.as_bytes()));
            }
            assert_eq!(end.state(), State::Closed);
        }
    }
}

#[test]
fn a_client_too_small_for_connack_finds_the_connection_closed() {
    // [v5 MQTT-3.1.2-24]
    let mut server = Raw::fresh_server(Version::V5, Limits::default());
    server.feed("10 L 0004 'MQTT' 05 02 0000 05 27 00000004 0001 'c'");
    server.expect("");
    assert_eq!(server.state(), State::Closed);
}

#[test]
fn after_the_end_nothing_is_taken() {
    // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version);
        disconnect(&mut end, ReasonCode::Success, &[]);
        end.discard();
        for (first, body) in [
            (0xc0, &[][..]),
            (0xd0, &[]),
            (0xe0, &[]),
            (0x30, &[0, 1, b'a', 0]),
            (0x62, &[0, 1]),
            (0x50, &[0, 1]),
            (0x10, &[0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 0]),
            (0x20, &[0, 0, 0]),
        ] {
            end.end.handle(colibri_codec::Frame::new(first, body), end.now);
            assert!(matches!(end.seen()[..], [Seen::Violation(_)]), "{first:02x}");
        }
        end.expect("");
        assert_eq!(end.state(), State::Closed);
        assert_eq!(end.end.connection.poll_timeout(end.now), None);
    }
}

#[test]
fn after_the_end_nothing_is_sent() {
    // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
    for (role, version) in both_ends() {
        let mut end = Raw::open(role, version).answering(Answers::Held);
        end.send("a", QoS::AtLeastOnce, "1");
        end.feed("34 L 0001 'a' 0001 P; 34 L 0001 'a' 0002 P");
        disconnect(&mut end, ReasonCode::Success, &[]);
        end.discard();
        let now = end.now;
        assert_eq!(end.send("a", QoS::AtLeastOnce, "2"), Sent::Wait);
        assert_eq!(end.send("a", QoS::AtMostOnce, "3"), Sent::Wait);
        end.end.pump(now);
        let filter = TopicFilter::new("a").unwrap();
        let wanted = [Subscription { filter, options: SubscriptionOptions::default() }];
        let subscribe = Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            subscriptions: Sequence::new(&wanted),
        };
        end.end.with(|connection, out| {
            let success = ReasonCode::Success;
            connection.acknowledge_held(id(1), success, now, out);
            connection.acknowledge_held(id(2), success, now, out);
            connection.acknowledge(Delivery::AtLeastOnce(id(3)), success, now, out);
            connection.complete(id(1), now, out);
            connection.suback(id(1), &[success], now, out);
            connection.unsuback(id(1), &[UnsubackReason::new(success).unwrap()], now, out);
            connection.ping(now, out);
            assert_eq!(connection.subscribe(&subscribe, now, out), Ok(None));
            connection.disconnect(&Disconnect::new(success), out);
            connection.fail(Violation::KeepAliveTimeout, out);
            assert_eq!(connection.handle_timeout(now, out), Ok(()));
        });
        end.expect("");
        // All of it is still there for the next connection.
        let mut end = end.resume("P");
        let rest = "32 L 0001 'a' 0002 P '2'; 30 L 0001 'a' P '3'";
        end.expect(&format!("3a L 0001 'a' 0001 P '1'; {rest}"));
        end.feed("3c L 0001 'a' 0001 P");
        end.expect("50 02 0001");
    }
}

#[test]
fn a_message_sent_before_the_connection_is_open_waits() {
    for version in VERSIONS {
        let mut client = client_with(version, 0, &[]);
        client.discard();
        assert_eq!(client.send("a", QoS::AtLeastOnce, "1"), Sent::Wait);
        client.expect("");
        client.feed("20 L 00 00 P");
        client.expect("32 L 0001 'a' 0001 P '1'");
    }
}

#[test]
fn auth_without_a_method_ends_the_connection() {
    // [v5 MQTT-4.12.0-6] [v5 MQTT-4.12.0-7]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.feed("f0 L 18 04 15 0001 'm'");
        assert_eq!(end.seen(), [Seen::Violation(Violation::AuthenticationMethodMismatch)]);
        assert_eq!(end.expect_packet(0xe0)[2], 0x82);
        assert_eq!(end.state(), State::Closed);
    }
}

#[test]
fn auth_with_the_method_of_connect_is_handed_on() {
    let mut server = Raw::server_to(Version::V5, Limits::default(), "04 15 0001 'm'");
    server.feed("f0 L 19 04 15 0001 'm'");
    assert_eq!(server.seen(), [Seen::Auth(ReasonCode::ReAuthenticate)]);
    let method = [Property::AuthenticationMethod(colibri_codec::Utf8String::new("m").unwrap())];
    let mut client = client_with(Version::V5, 0, &method);
    client.feed("f0 L 18 04 15 0001 'm'");
    assert_eq!(client.seen(), [Seen::Auth(ReasonCode::ContinueAuthentication)]);
    assert_eq!(client.state(), State::AwaitingConnack);
}

#[test]
fn every_violation_has_a_code_that_disconnect_may_carry_and_words() {
    // [v5 MQTT-3.14.2-1]
    use colibri_codec::{Malformed, PacketType};
    let all = [
        Violation::Malformed(Malformed::Truncated),
        Violation::ConnectMissing(PacketType::Pingreq),
        Violation::SecondConnect,
        Violation::BeforeConnack(PacketType::Publish),
        Violation::WrongDirection(PacketType::Suback),
        Violation::UnexpectedConnack,
        Violation::SessionPresentUnasked,
        Violation::ReceiveMaximumExceeded,
        Violation::TopicAliasTooHigh,
        Violation::TopicAliasUnknown,
        Violation::SubscriptionIdentifierFromClient,
        Violation::SessionExpiryAfterZero,
        Violation::SessionExpiryFromServer,
        Violation::AuthenticationMethodMismatch,
        Violation::ServerReferenceFromClient,
        Violation::PacketIdInUse,
        Violation::KeepAliveTimeout,
    ];
    for violation in all {
        assert!(violation.reason_code().allowed_in(PacketType::Disconnect), "{violation}");
        assert!(!violation.to_string().is_empty());
        for version in Version::ALL {
            for statement in violation.statements(version) {
                assert_eq!(statement.split(['.', '-']).count(), 4, "{statement}");
            }
        }
    }
}
