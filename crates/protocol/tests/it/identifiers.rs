//! Packet Identifiers (section 2.2.1).

use std::collections::{BTreeMap, BTreeSet};

use colibri_codec::{
    Properties, QoS, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter, Unsubscribe,
    Version,
};
use colibri_protocol::{Connection, Encoded, Kept, Role, Sent, Time};

use crate::VERSIONS;
use crate::end::Seen;
use crate::message::Message;
use crate::raw::{Raw, id};

const NOW: Time = Time::from_millis(0);

fn subscribe(client: &mut Raw) -> Option<u16> {
    let filter = TopicFilter::new("a").unwrap();
    let wanted = [Subscription { filter, options: SubscriptionOptions::default() }];
    let subscribe =
        Subscribe { packet_id: id(77), properties: Properties::EMPTY, subscriptions: Sequence::new(&wanted) };
    let sent = client.end.with(|connection, out| connection.subscribe(&subscribe, NOW, out));
    sent.unwrap().map(|id| id.get())
}

fn unsubscribe(client: &mut Raw) -> Option<u16> {
    let filters = [TopicFilter::new("a").unwrap()];
    let unsubscribe =
        Unsubscribe { packet_id: id(77), properties: Properties::EMPTY, filters: Sequence::new(&filters) };
    let sent = client.end.with(|connection, out| connection.unsubscribe(&unsubscribe, NOW, out));
    sent.unwrap().map(|id| id.get())
}

/// Sends a QoS 1 message without the harness, of which 65,535 are quick to send.
fn send_fast(connection: &mut Connection<Message>, message: &Message, out: &mut Vec<u8>) -> Option<u16> {
    out.clear();
    match connection.send(&message.publication(), || Some(message.clone()), NOW, out) {
        Sent::Written(written) => Some(written.unwrap().get()),
        Sent::Wait => None,
        other => panic!("{other:?}"),
    }
}

/// PUBACK for it.
fn acknowledge_fast(connection: &mut Connection<Message>, number: u16, out: &mut Vec<u8>) {
    let body = number.to_be_bytes();
    let event = connection.handle_frame(colibri_codec::Frame::new(0x40, &body), NOW, out).unwrap();
    let colibri_protocol::Event::Delivered(delivered) = event else { panic!("{number} is not known") };
    assert_eq!(delivered.packet_id, id(number));
}

#[test]
fn messages_and_requests_share_the_identifiers() {
    // [v5 MQTT-2.2.1-3] [v3.1.1 MQTT-2.3.1-2]
    for version in VERSIONS {
        let mut client = Raw::client(version);
        client.send("a", QoS::AtLeastOnce, "x");
        assert_eq!(subscribe(&mut client), Some(2));
        client.send("a", QoS::ExactlyOnce, "x");
        assert_eq!(unsubscribe(&mut client), Some(4));
        client.expect(
            "32 L 0001 'a' 0001 P 'x'; 82 L 0002 P 0001 'a' 00; 34 L 0001 'a' 0003 P 'x'; a2 L 0004 P 0001 'a'",
        );
        // client: [v5 MQTT-3.8.4-2] [v3.1.1 MQTT-3.8.4-2]
        client.feed("90 L 0002 P 00; b0 L 0004 P ?00; 90 L 0001 P 00; b0 L 0003 P ?00");
        let granted = colibri_codec::ReasonCode::Success;
        assert_eq!(client.seen(), [Seen::Suback(2, vec![granted]), Seen::Unsuback(4)]);
        assert_eq!(client.end.connection.session().in_flight(), 2);
    }
}

#[test]
fn a_server_answers_requests_under_their_identifiers() {
    // [v5 MQTT-2.2.1-6] [v5 MQTT-3.8.4-1] [v5 MQTT-3.10.4-5] [v3.1.1 MQTT-2.3.1-7] [v3.1.1 MQTT-3.8.4-1]
    for version in VERSIONS {
        let mut server = Raw::server(version);
        server.feed("82 L 1234 P 0001 'a' 00 0001 'b' 00; a2 L ffff P 0001 'a'");
        server.expect("90 L 1234 P 00 00; b0 L ffff P ?00");
        assert_eq!(server.seen(), [Seen::Subscribe(0x1234), Seen::Unsubscribe(0xffff)]);
    }
}

#[test]
fn an_identifier_in_use_is_passed_over_for_70_000_messages() {
    // [v5 MQTT-2.2.1-4] [v5 MQTT-4.3.2-1] [v3.1.1 MQTT-2.3.1-4]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.end.watch.blind = true;
        let message = Message::new("a", QoS::AtLeastOnce, "x");
        let mut out = Vec::new();
        let connection = &mut end.end.connection;
        assert_eq!(send_fast(connection, &message, &mut out), Some(1));
        assert_eq!(send_fast(connection, &message, &mut out), Some(2));
        assert_eq!(send_fast(connection, &message, &mut out), Some(3));
        acknowledge_fast(connection, 2, &mut out);
        for count in 0..70_000u32 {
            let number = send_fast(connection, &message, &mut out).unwrap();
            let expected = match count {
                0..65_532 => count + 4,
                65_532 => 2,
                _ => count - 65_533 + 4,
            };
            assert_eq!(u32::from(number), expected);
            acknowledge_fast(connection, number, &mut out);
        }
        assert_eq!(connection.session().in_flight(), 2);
        // The two left over are the oldest, also when they are sent again.
        send_fast(connection, &message, &mut out).unwrap();
        let mut end = end.resume("P");
        end.expect("3a L 0001 'a' 0001 P 'x'; 3a L 0001 'a' 0003 P 'x'; 3a L 0001 'a' 1177 P 'x'");
        acknowledge_fast(&mut end.end.connection, 1, &mut out);
        acknowledge_fast(&mut end.end.connection, 3, &mut out);
        acknowledge_fast(&mut end.end.connection, 0x1177, &mut out);
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn when_all_identifiers_are_in_use_a_message_waits() {
    // [v5 MQTT-2.2.1-3] [v3.1.1 MQTT-2.3.1-2]
    for version in VERSIONS {
        let mut end = Raw::client(version);
        end.end.watch.blind = true;
        let message = Message::new("a", QoS::AtLeastOnce, "x");
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        for _ in 0..65_535 {
            assert!(seen.insert(send_fast(&mut end.end.connection, &message, &mut out).unwrap()));
        }
        assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), None);
        assert_eq!(subscribe(&mut end), None);
        assert_eq!(end.end.connection.session().in_flight(), 65_535);
        for freed in [40_000, 3, 65_535, 20_000] {
            acknowledge_fast(&mut end.end.connection, freed, &mut out);
            assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), Some(freed));
            assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), None);
        }
        for number in 1..=65_535 {
            acknowledge_fast(&mut end.end.connection, number, &mut out);
        }
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn as_many_messages_as_there_are_identifiers_are_sent_again_in_their_order() {
    // server: [v5 MQTT-4.4.0-1] [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.4.0-1] [v3.1.1 MQTT-4.6.0-1]
    for version in VERSIONS {
        let mut end = Raw::server(version);
        end.end.watch.blind = true;
        let message = Message::new("a", QoS::AtLeastOnce, "x");
        let mut out = Vec::new();
        for _ in 0..65_535 {
            send_fast(&mut end.end.connection, &message, &mut out).unwrap();
        }
        // The third becomes the youngest.
        acknowledge_fast(&mut end.end.connection, 3, &mut out);
        assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), Some(3));
        let end = end.resume("P");
        let length = if version.has_properties() { 9 } else { 8 };
        let again = end.end.out.chunks(length).map(|packet| {
            assert_eq!(packet[0], 0x3a);
            u16::from_be_bytes([packet[5], packet[6]])
        });
        assert!(again.eq((1..=65_535).filter(|number| *number != 3).chain([3])));
    }
}

#[test]
fn messages_of_every_age_are_sent_again_as_the_quota_lets_them() {
    // [v5 MQTT-4.6.0-1] [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9]
    for role in [Role::Client, Role::Server] {
        let mut end = Raw::open(role, Version::V5);
        end.end.watch.blind = true;
        let message = Message::new("a", QoS::AtLeastOnce, "x");
        let mut out = Vec::new();
        for number in 1..=5 {
            assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), Some(number));
        }
        for _ in 0..40_000 {
            let number = send_fast(&mut end.end.connection, &message, &mut out).unwrap();
            acknowledge_fast(&mut end.end.connection, number, &mut out);
        }
        for number in 40_006..=40_010 {
            assert_eq!(send_fast(&mut end.end.connection, &message, &mut out), Some(number));
        }
        let mut end = end.resume("03 21 0002");
        let mut again = Vec::new();
        while !end.end.out.is_empty() {
            let packet = end.expect_packet(0x3a);
            again.push(u16::from_be_bytes([packet[5], packet[6]]));
            if end.end.out.is_empty() {
                // The younger of the two on their way is answered first.
                for number in again[again.len().saturating_sub(2)..].iter().rev() {
                    end.feed(&format!("40 02 {number:04x}"));
                }
            }
        }
        assert_eq!(again, [1, 2, 3, 4, 5, 40_006, 40_007, 40_008, 40_009, 40_010]);
        assert_eq!(end.end.connection.session().in_flight(), 0);
    }
}

#[test]
fn an_identifier_freed_by_a_request_is_enough_for_what_waits() {
    // With one request open there is quota for a message and no identifier.
    let mut client = Raw::client(Version::V3_1_1);
    let message = Message::new("a", QoS::AtLeastOnce, "x");
    let mut out = Vec::new();
    assert_eq!(subscribe(&mut client), Some(1));
    for _ in 1..65_535 {
        send_fast(&mut client.end.connection, &message, &mut out).unwrap();
    }
    assert_eq!(client.end.send(message, NOW), Sent::Wait);
    client.discard();
    client.end.pump(NOW);
    client.expect("");
    client.feed("90 03 0001 00");
    client.end.pump(NOW);
    client.expect("32 06 0001 'a' 0001 'x'");
}

#[test]
fn no_identifier_is_used_twice_over_many_turns_with_stragglers() {
    // [v5 MQTT-2.2.1-4] [v3.1.1 MQTT-2.3.1-4]
    let mut end = Raw::open(Role::Server, Version::V5);
    end.end.watch.blind = true;
    let mut out = Vec::new();
    let mut open: BTreeMap<u64, u16> = BTreeMap::new();
    let mut in_use = BTreeSet::new();
    let mut random = Random(1);
    let message = Message::new("a", QoS::AtLeastOnce, "x");
    for turn in 0..300_000u64 {
        let connection = &mut end.end.connection;
        let number = send_fast(connection, &message, &mut out).unwrap();
        assert!(in_use.insert(number), "{number} is in use");
        open.insert(turn, number);
        // One in five hundred stays while all identifiers go by, so that some are open of every age.
        while open.len() > 300 {
            let place = usize::try_from(random.below(300)).unwrap();
            let (&sent, &number) = open.iter().nth(place).unwrap();
            if sent % 500 == 0 && turn - sent < 100_000 {
                continue;
            }
            open.remove(&sent);
            in_use.remove(&number);
            acknowledge_fast(connection, number, &mut out);
        }
        if turn % 50_000 == 49_999 {
            end = end.resume("00");
            let mut again = Vec::new();
            while !end.end.out.is_empty() {
                let packet = end.expect_packet(0x3a);
                again.push(u16::from_be_bytes([packet[5], packet[6]]));
            }
            assert_eq!(again, open.values().copied().collect::<Vec<_>>(), "in the order of sending");
        }
    }
}

#[test]
fn a_message_for_many_takes_the_identifier_of_each() {
    // [v5 MQTT-4.3.3-1]
    for (role, version) in crate::both_ends() {
        let mut end = Raw::open(role, version);
        let message = Message::new("a", QoS::ExactlyOnce, "x");
        let mut bytes = Vec::new();
        let packet_id_offset =
            Connection::<Message>::encode(&message.publication(), version, NOW, &mut bytes).unwrap();
        let encoded = Encoded { bytes: &bytes, qos: QoS::ExactlyOnce, packet_id_offset };
        for number in 1..=3 {
            let sent = end.end.with(|connection, out| {
                connection.send_encoded(&encoded, || Some(message.clone()), out, NOW)
            });
            assert_eq!(sent, Sent::Written(Some(id(number))));
        }
        end.expect("34 L 0001 'a' 0001 P 'x'; 34 L 0001 'a' 0002 P 'x'; 34 L 0001 'a' 0003 P 'x'");
    }
}

/// A small generator (SplitMix64), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}
