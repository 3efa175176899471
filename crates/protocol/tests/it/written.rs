//! What the ends write, byte by byte: the fields of CONNECT, flag bits, lengths, and what they refuse to write.

use colibri_codec::{
    BinaryData, Connect, Disconnect, Properties, Property, QoS, ReasonCode, Sequence, Subscribe,
    Subscription, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe, Utf8String, Version, Will,
};
use colibri_protocol::{Connection, Limits, Publication, Role, Session, State, Time};

use crate::end::{Answers, Seen, connect};
use crate::hex::{bytes, dump};
use crate::message::Message;
use crate::raw::{Raw, client_with, id};
use crate::{VERSIONS, both_ends};

const NOW: Time = Time::from_millis(0);

/// The CONNECT that a client begins with.
fn begins_with(connect: &Connect<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let _: Connection<Message> =
        Connection::client(connect, Limits::default(), Session::new(), NOW, &mut out).unwrap();
    out
}

#[track_caller]
fn expect_connect(connect: &Connect<'_>, text: &str) {
    assert_eq!(dump(&begins_with(connect)), dump(&bytes(connect.version, text)), "{}", connect.version);
}

fn will(qos: QoS, retain: bool) -> Option<Will<'static>> {
    let topic = TopicName::new("w").unwrap();
    let payload = BinaryData::new(b"gone").unwrap();
    Some(Will { topic, payload, qos, retain, properties: Properties::EMPTY })
}

#[test]
fn a_connect_without_will_and_login_has_the_client_identifier_and_no_flag() {
    // [v5 MQTT-3.1.2-11] [v5 MQTT-3.1.2-13] [v5 MQTT-3.1.2-16] [v5 MQTT-3.1.2-18] [v5 MQTT-3.1.3-3]
    // [v3.1.1 MQTT-3.1.2-11] [v3.1.1 MQTT-3.1.2-13] [v3.1.1 MQTT-3.1.2-15] [v3.1.1 MQTT-3.1.2-18]
    // [v3.1.1 MQTT-3.1.2-20] [v3.1.1 MQTT-3.1.3-3]
    expect_connect(&connect(Version::V3_1_1, false, 10, &[]), "10 L 0004 'MQTT' 04 00 000a 0001 'c'");
    expect_connect(&connect(Version::V5, false, 10, &[]), "10 L 0004 'MQTT' 05 00 000a 00 0001 'c'");
    // One that is empty is there all the same.
    for (version, level) in [(Version::V3_1_1, "04"), (Version::V5, "05")] {
        let client_id = Utf8String::new("").unwrap();
        let nameless = Connect { client_id, ..connect(version, true, 10, &[]) };
        expect_connect(&nameless, &format!("10 L 0004 'MQTT' {level} 02 000a P 0000"));
    }
}

#[test]
fn the_fields_of_a_connect_come_in_their_order_and_each_with_its_flag() {
    // [v5 MQTT-3.1.2-9] [v5 MQTT-3.1.2-17] [v5 MQTT-3.1.2-19] [v5 MQTT-3.1.3-1]
    // [v5 MQTT-3.1.3-4] [v5 MQTT-3.1.3-11] [v5 MQTT-3.1.3-12]
    // [v3.1.1 MQTT-3.1.2-9] [v3.1.1 MQTT-3.1.2-19] [v3.1.1 MQTT-3.1.2-21] [v3.1.1 MQTT-3.1.3-1]
    // [v3.1.1 MQTT-3.1.3-4] [v3.1.1 MQTT-3.1.3-10] [v3.1.1 MQTT-3.1.3-11]
    for (version, level) in [(Version::V3_1_1, "04"), (Version::V5, "05")] {
        let full = Connect {
            will: will(QoS::ExactlyOnce, true),
            user_name: Some(Utf8String::new("n\u{e9}").unwrap()),
            password: Some(BinaryData::new(b"\x00\xFF").unwrap()),
            ..connect(version, true, 0, &[])
        };
        let start = format!("10 L 0004 'MQTT' {level} f6 0000 P 0001 'c'");
        expect_connect(&full, &format!("{start} P 0001 'w' 0004 'gone' 0003 'n\u{e9}' 0002 00ff"));
        // A user name alone, and (in 5.0) a password alone.
        let named = Connect { will: None, password: None, ..full };
        expect_connect(&named, &format!("10 L 0004 'MQTT' {level} 82 0000 P 0001 'c' 0003 'n\u{e9}'"));
    }
    let password = Some(BinaryData::new(b"x").unwrap());
    let alone = Connect { password, ..connect(Version::V5, true, 0, &[]) };
    expect_connect(&alone, "10 L 0004 'MQTT' 05 42 0000 00 0001 'c' 0001 'x'");
}

#[test]
fn a_will_is_of_one_of_three_qos() {
    // [v5 MQTT-3.1.2-9] [v5 MQTT-3.1.2-12] [v3.1.1 MQTT-3.1.2-9] [v3.1.1 MQTT-3.1.2-14]
    for version in VERSIONS {
        let flags = |qos, retain| {
            begins_with(&Connect { will: will(qos, retain), ..connect(version, false, 0, &[]) })[9]
        };
        assert_eq!(QoS::ALL.map(|qos| flags(qos, false)), [0x04, 0x0c, 0x14]);
        assert_eq!(QoS::ALL.map(|qos| flags(qos, true)), [0x24, 0x2c, 0x34]);
    }
}

#[test]
fn before_5_0_a_password_needs_a_user_name() {
    // [v3.1.1 MQTT-3.1.2-22]
    let password = Some(BinaryData::new(b"x").unwrap());
    let alone = Connect { password, ..connect(Version::V3_1_1, true, 0, &[]) };
    let mut out = Vec::new();
    let refused: Result<Connection<Message>, _> =
        Connection::client(&alone, Limits::default(), Session::new(), NOW, &mut out);
    assert!(refused.is_err() && out.is_empty());
}

#[test]
fn before_5_0_a_client_without_identifier_asks_for_a_clean_session() {
    // [v3.1.1 MQTT-3.1.3-7]
    let nameless =
        |version| Connect { client_id: Utf8String::new("").unwrap(), ..connect(version, false, 10, &[]) };
    expect_connect(&nameless(Version::V3_1_1), "10 L 0004 'MQTT' 04 02 000a 0000");
    expect_connect(&nameless(Version::V5), "10 L 0004 'MQTT' 05 00 000a 00 0000");
}

#[test]
fn a_client_with_a_method_sends_nothing_before_its_connack() {
    // [v5 MQTT-3.1.2-30]
    let method = [Property::AuthenticationMethod(Utf8String::new("m").unwrap())];
    let mut client = client_with(Version::V5, 10, &method);
    client.discard();
    for qos in QoS::ALL {
        client.send("a", qos, "x");
    }
    assert_eq!(subscribe(&mut client, &[("a", false)]), Ok(None));
    assert_eq!(unsubscribe(&mut client, &["a"]), Ok(None));
    let now = client.now;
    client.end.with(|connection, out| connection.ping(now, out));
    client.advance(100_000);
    client.expect("");
    assert_eq!(client.state(), State::AwaitingConnack);
    client.feed("20 L 00 00 04 15 0001 'm'");
    client.expect("30 L 0001 'a' 00 'x'; 32 L 0001 'a' 0001 00 'x'; 34 L 0001 'a' 0002 00 'x'");
}

fn subscribe(client: &mut Raw, filters: &[(&str, bool)]) -> Result<Option<u16>, ()> {
    let wanted: Vec<Subscription<'_>> = filters
        .iter()
        .map(|(filter, no_local)| Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options: SubscriptionOptions { no_local: *no_local, ..SubscriptionOptions::default() },
        })
        .collect();
    let subscriptions = Sequence::new(&wanted);
    let subscribe = Subscribe { packet_id: id(77), properties: Properties::EMPTY, subscriptions };
    let sent = client.end.with(|connection, out| connection.subscribe(&subscribe, NOW, out));
    sent.map(|sent| sent.map(|id| id.get())).map_err(drop)
}

fn unsubscribe(client: &mut Raw, filters: &[&str]) -> Result<Option<u16>, ()> {
    let filters: Vec<TopicFilter<'_>> =
        filters.iter().map(|filter| TopicFilter::new(filter).unwrap()).collect();
    let unsubscribe =
        Unsubscribe { packet_id: id(77), properties: Properties::EMPTY, filters: Sequence::new(&filters) };
    let sent = client.end.with(|connection, out| connection.unsubscribe(&unsubscribe, NOW, out));
    sent.map(|sent| sent.map(|id| id.get())).map_err(drop)
}

#[test]
fn requests_hold_their_filters_one_after_the_other() {
    // [v5 MQTT-3.8.3-1] [v5 MQTT-3.10.3-1] [v3.1.1 MQTT-3.8.3-1] [v3.1.1 MQTT-3.10.3-1]
    // client: [v5 MQTT-3.8.1-1] [v5 MQTT-3.10.1-1] [v3.1.1 MQTT-3.8.1-1] [v3.1.1 MQTT-3.10.1-1]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        assert_eq!(subscribe(&mut client, &[("\u{e9}/+", false), ("#", false)]), Ok(Some(1)));
        client.expect("82 L 0001 P 0004 '\u{e9}/+' 00 0001 '#' 00");
        assert_eq!(unsubscribe(&mut client, &["\u{e9}/+", "#"]), Ok(Some(2)));
        client.expect("a2 L 0002 P 0004 '\u{e9}/+' 0001 '#'");
    }
}

#[test]
fn a_request_without_a_filter_is_not_sent() {
    // [v5 MQTT-3.8.3-2] [v5 MQTT-3.10.3-2] [v3.1.1 MQTT-3.8.3-3] [v3.1.1 MQTT-3.10.3-2]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        assert_eq!(subscribe(&mut client, &[]), Err(()));
        assert_eq!(unsubscribe(&mut client, &[]), Err(()));
        client.expect("");
        assert_eq!(subscribe(&mut client, &[("a", false)]), Ok(Some(3)));
    }
}

#[test]
fn a_shared_subscription_without_local_messages_is_not_asked_for() {
    // [v5 MQTT-3.8.3-4]
    let mut client = Raw::client(Version::V5);
    assert_eq!(subscribe(&mut client, &[("$share/g/t", true)]), Err(()));
    client.expect("");
    assert!(subscribe(&mut client, &[("$share/g/t", false)]).is_ok());
    assert!(subscribe(&mut client, &[("t", true)]).is_ok());
}

/// The packets of a stream whose Remaining Lengths have one byte.
fn packets(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let Some(length) = stream.get(1) {
        let (packet, rest) = stream.split_at(2 + usize::from(*length));
        packets.push(packet);
        stream = rest;
    }
    packets
}

#[test]
fn the_reserved_flags_of_all_that_is_written_are_as_they_must_be() {
    // [v5 MQTT-2.1.3-1] [v3.1.1 MQTT-2.2.2-1]
    // client: [v5 MQTT-3.6.1-1] [v3.1.1 MQTT-3.6.1-1]
    for (role, version) in both_ends() {
        let mut end = match role {
            Role::Client => client_with(version, 0, &[]),
            Role::Server => Raw::fresh_server(version, Limits::default()),
        };
        match (role, version.has_properties()) {
            (Role::Client, _) => end.feed("20 L 00 00 P"),
            (Role::Server, true) => end.feed("10 L 0004 'MQTT' 05 02 0000 00 0001 'c'"),
            (Role::Server, false) => end.feed("10 L 0004 'MQTT' 04 02 0000 0001 'c'"),
        }
        for qos in QoS::ALL {
            end.send("a", qos, "x");
        }
        end.feed("50 02 0002; 32 L 0001 'a' 0001 P; 34 L 0001 'a' 0002 P; 62 02 0002");
        match role {
            Role::Client => {
                subscribe(&mut end, &[("a", false)]).unwrap();
                unsubscribe(&mut end, &["a"]).unwrap();
                end.end.with(|connection, out| connection.ping(NOW, out));
            }
            Role::Server => end.feed("82 L 0005 P 0001 'a' 00; a2 L 0006 P 0001 'a'; c0 00"),
        }
        let farewell = Disconnect::new(ReasonCode::Success);
        end.end.with(|connection, out| connection.disconnect(&farewell, out));
        let first: Vec<u8> = packets(&end.end.out).iter().map(|packet| packet[0]).collect();
        let expected: &[u8] = match (role, version.has_properties()) {
            (Role::Client, _) => &[0x10, 0x30, 0x32, 0x34, 0x62, 0x40, 0x50, 0x70, 0x82, 0xa2, 0xc0, 0xe0],
            (Role::Server, true) => &[0x20, 0x30, 0x32, 0x34, 0x62, 0x40, 0x50, 0x70, 0x90, 0xb0, 0xd0, 0xe0],
            (Role::Server, false) => &[0x20, 0x30, 0x32, 0x34, 0x62, 0x40, 0x50, 0x70, 0x90, 0xb0, 0xd0],
        };
        assert_eq!(first, expected);
    }
}

#[test]
fn lengths_take_as_few_bytes_as_they_need() {
    // [v5 MQTT-1.5.5-1]
    let table: [(usize, &[u8]); 6] = [
        (127, &[0x7f]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xff, 0xff, 0x7f]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
    ];
    for (role, version) in both_ends() {
        for (length, expected) in table {
            let mut end = Raw::open(role, version);
            // Topic and, in 5.0, an empty property section come first.
            let payload = "x".repeat(length - if version.has_properties() { 4 } else { 3 });
            end.send("a", QoS::AtMostOnce, &payload);
            assert_eq!(&end.end.out[1..=expected.len()], expected);
            assert_eq!(end.end.out.len(), 1 + expected.len() + length);
        }
    }
}

#[test]
fn acknowledgements_say_no_more_than_their_code() {
    // [v5 MQTT-3.4.2-2] [v5 MQTT-3.4.2-3] [v5 MQTT-3.5.2-2] [v5 MQTT-3.5.2-3] [v5 MQTT-3.6.2-2]
    // [v5 MQTT-3.6.2-3] [v5 MQTT-3.7.2-2] [v5 MQTT-3.7.2-3] [v5 MQTT-3.1.2-29]
    for role in [Role::Client, Role::Server] {
        // The peer takes packets of 8 bytes and asks for no Request Problem Information.
        let properties = by_role(role, "05 27 00000008", "07 27 00000008 17 00");
        let mut end = Raw::open_to(role, Version::V5, Limits::default(), properties);
        end.end.answers = Answers::Never;
        end.feed("32 L 0001 'a' 0001 00; 34 L 0001 'a' 0002 00; 62 02 0009; 50 02 0009");
        end.end.with(|connection, out| {
            let refused = ReasonCode::QuotaExceeded;
            connection.acknowledge(colibri_codec::Delivery::AtLeastOnce(id(1)), refused, NOW, out);
            connection.acknowledge(colibri_codec::Delivery::ExactlyOnce(id(2)), refused, NOW, out);
        });
        end.expect("70 03 0009 92; 62 03 0009 92; 40 03 0001 97; 50 03 0002 97");
    }
}

#[test]
fn the_answers_to_requests_say_no_more_than_their_codes() {
    // [v5 MQTT-3.9.2-1] [v5 MQTT-3.9.2-2] [v5 MQTT-3.11.2-1] [v5 MQTT-3.11.2-2] [v5 MQTT-3.1.2-29]
    let mut server = Raw::server_to(Version::V5, Limits::default(), "07 27 00000006 17 00");
    server.feed("82 L 0001 00 0001 'a' 00; a2 L 0002 00 0001 'a'");
    server.expect("90 04 0001 00 00; b0 04 0002 00 00");
}

#[test]
fn the_user_properties_of_a_disconnect_go_along_only_if_the_peer_takes_packets_of_that_size() {
    // [v5 MQTT-3.14.2-4]
    let (name, value) = (Utf8String::new("k").unwrap(), Utf8String::new("v").unwrap());
    let properties = [Property::UserProperty((name, value))];
    let farewell =
        Disconnect { reason: ReasonCode::UnspecifiedError, properties: Properties::new(&properties) };
    for role in [Role::Client, Role::Server] {
        for (limit, expected) in [("0000000b", "e0 09 80 07 26 0001 'k' 0001 'v'"), ("0000000a", "e0 01 80")]
        {
            let mut end = Raw::open_to(role, Version::V5, Limits::default(), &format!("05 27 {limit}"));
            end.end.with(|connection, out| connection.disconnect(&farewell, out));
            end.expect(expected);
        }
    }
}

#[test]
fn a_message_of_a_client_has_no_subscription_identifier() {
    // client: [v5 MQTT-3.3.4-6]
    let mut client = Raw::client(Version::V5);
    let topic = TopicName::new("a").unwrap();
    let publication = Publication::new(topic, QoS::AtMostOnce, false, b"x");
    assert!(publication.subscription_identifiers.is_empty());
    assert!(!Publication::PASSED_ON.contains(colibri_codec::PropertyId::SubscriptionIdentifier));
    client.end.with(|connection, out| connection.send(&publication, || None, NOW, out));
    client.expect("30 L 0001 'a' 00 'x'");
}

#[test]
fn a_client_whose_session_outlives_its_connection_goes_on_with_it() {
    // client: [v5 MQTT-3.1.2-23] [v3.1.1 MQTT-3.1.2-4] [v3.1.1 MQTT-4.1.0-1]
    let hour = [Property::SessionExpiryInterval(3_600)];
    for (version, properties) in [(Version::V3_1_1, &[][..]), (Version::V5, &hour[..])] {
        let begin = |session| {
            let connect = connect(version, false, 0, properties);
            let end = crate::end::End::client(&connect, Limits::default(), session, NOW);
            Raw { end, version, now: NOW }
        };
        let mut client = begin(Session::new());
        client.feed("20 L 00 00 P");
        client.send("a", QoS::AtLeastOnce, "1");
        client.send("a", QoS::ExactlyOnce, "2");
        client.feed("50 02 0002; 34 L 0001 'a' 0009 P 'in'");
        let mut client = begin(client.end.connection.into_session());
        client.end.watch.blind = true;
        client.discard();
        client.feed("20 L 01 00 P; 3c L 0001 'a' 0009 P 'in'");
        client.expect("62 02 0002; 3a L 0001 'a' 0001 P '1'; 50 02 0009");
    }
}

#[test]
fn a_client_that_asks_for_a_clean_start_leaves_its_session_behind() {
    // client: [v5 MQTT-3.1.2-4] [v3.1.1 MQTT-3.1.2-6]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        for payload in ["1", "2", "3"] {
            client.send("a", QoS::ExactlyOnce, payload);
        }
        client.feed("50 02 0001; 34 L 0001 'a' 0009 P 'in'");
        let session = client.end.connection.into_session();
        let end = crate::end::End::client(&connect(version, true, 0, &[]), Limits::default(), session, NOW);
        let mut client = Raw { end, version, now: NOW };
        client.discard();
        client.feed("20 L 00 00 P");
        // No PUBREL and no DUP: what has not arrived is a new message of the new session.
        client.expect("34 L 0001 'a' 0001 P '2'; 34 L 0001 'a' 0002 P '3'");
        client.seen();
        client.feed("34 L 0001 'a' 0009 P 'in'");
        assert!(matches!(client.seen()[..], [Seen::Publish { .. }]));
    }
}

fn by_role<T>(role: Role, client: T, server: T) -> T {
    crate::end::by_role(role, client, server)
}
