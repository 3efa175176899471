//! Anatomies cover every byte once, agree with the codec, and survive any bytes.

use colibri_codec::{
    Auth, BinaryData, Connack, Connect, Delivery, Disconnect, Packet, PacketId, PacketType, Pingreq,
    Pingresp, Properties, Property, PropertyId, PropertySet, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS,
    ReasonCode, RetainHandling, Sequence, Suback, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
    TopicName, Unsuback, UnsubackReason, Unsubscribe, Utf8String, Version, Will,
};

use super::{Anatomy, Plain, Sender, Verdict, dissect, pieces, render};

/// A random number generator good enough to mutate bytes (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_le_bytes()[3]
    }
}

fn text(text: &str) -> Utf8String<'_> {
    Utf8String::new(text).unwrap()
}

fn every_property() -> Vec<Property<'static>> {
    let text = text("some text");
    let binary = BinaryData::new(&[1, 2, 0xFF]).unwrap();
    PropertyId::ALL
        .into_iter()
        .map(|id| match id {
            PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(true),
            PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(60),
            PropertyId::ContentType => Property::ContentType(text),
            PropertyId::ResponseTopic => Property::ResponseTopic(TopicName::new("answers/1").unwrap()),
            PropertyId::CorrelationData => Property::CorrelationData(binary),
            PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(300),
            PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(u32::MAX),
            PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
            PropertyId::ServerKeepAlive => Property::ServerKeepAlive(30),
            PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
            PropertyId::AuthenticationData => Property::AuthenticationData(binary),
            PropertyId::RequestProblemInformation => Property::RequestProblemInformation(false),
            PropertyId::WillDelayInterval => Property::WillDelayInterval(5),
            PropertyId::RequestResponseInformation => Property::RequestResponseInformation(true),
            PropertyId::ResponseInformation => Property::ResponseInformation(text),
            PropertyId::ServerReference => Property::ServerReference(text),
            PropertyId::ReasonString => Property::ReasonString(text),
            PropertyId::ReceiveMaximum => Property::ReceiveMaximum(20.try_into().unwrap()),
            PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(10),
            PropertyId::TopicAlias => Property::TopicAlias(7.try_into().unwrap()),
            PropertyId::MaximumQos => Property::MaximumQos(true),
            PropertyId::RetainAvailable => Property::RetainAvailable(true),
            PropertyId::UserProperty => Property::UserProperty((text, text)),
            PropertyId::MaximumPacketSize => Property::MaximumPacketSize(1000.try_into().unwrap()),
            PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(true),
            PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(false),
            PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(true),
        })
        .collect()
}

/// Those properties that a packet may carry; none if it is to be bare.
fn some(allowed: PropertySet, full: bool) -> Vec<Property<'static>> {
    every_property().into_iter().filter(|property| full && allowed.contains(property.id())).collect()
}

/// Every packet type, bare and with all it may carry, encoded for `version`.
fn packets(version: Version) -> Vec<Vec<u8>> {
    [false, true]
        .into_iter()
        .flat_map(|full| {
            [connection(version, full), messages(version, full), subscriptions(version, full)].concat()
        })
        .collect()
}

fn encode(packets: &[Packet<'_>], version: Version) -> Vec<Vec<u8>> {
    let encode = |packet: &Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        bytes
    };
    packets.iter().map(encode).collect()
}

fn connection(version: Version, full: bool) -> Vec<Vec<u8>> {
    let (connect, will) = (some(Connect::PROPERTIES, full), some(Will::PROPERTIES, full));
    let (connack, disconnect) = (some(Connack::PROPERTIES, full), some(Disconnect::PROPERTIES, full));
    let auth = some(Auth::PROPERTIES, full);
    let mut packets = vec![
        Packet::Connect(Connect {
            version,
            clean_start: full,
            keep_alive: if full { 60 } else { 0 },
            properties: Properties::new(&connect),
            client_id: text(if full { "student" } else { "" }),
            will: full.then_some(Will {
                topic: TopicName::new("haus/küche").unwrap(),
                payload: BinaryData::new(b"gone").unwrap(),
                qos: QoS::ExactlyOnce,
                retain: true,
                properties: Properties::new(&will),
            }),
            user_name: full.then(|| text("user")),
            password: full.then(|| BinaryData::new(b"secret").unwrap()),
        }),
        Packet::Connack(Connack {
            session_present: full,
            reason: ReasonCode::Success,
            properties: Properties::new(&connack),
        }),
        Packet::Connack(Connack::refused(ReasonCode::NotAuthorized)),
        Packet::Pingreq(Pingreq),
        Packet::Pingresp(Pingresp),
        Packet::Disconnect(Disconnect {
            reason: if full { ReasonCode::DisconnectWithWillMessage } else { ReasonCode::Success },
            properties: Properties::new(&disconnect),
        }),
    ];
    if version == Version::V5 {
        let reason = if full { ReasonCode::ContinueAuthentication } else { ReasonCode::Success };
        packets.push(Packet::Auth(Auth { reason, properties: Properties::new(&auth) }));
    }
    encode(&packets, version)
}

fn messages(version: Version, full: bool) -> Vec<Vec<u8>> {
    let packet_id = PacketId::new(258).unwrap();
    let topic = TopicName::new("haus/küche").unwrap();
    let (publish, ack) = (some(Publish::PROPERTIES, full), some(Puback::PROPERTIES, full));
    let (success, properties) = (ReasonCode::Success, Properties::new(&ack));
    let reason = if full { ReasonCode::PacketIdentifierNotFound } else { success };
    let packets = [
        Packet::Publish(Publish {
            dup: full,
            delivery: if full { Delivery::ExactlyOnce(packet_id) } else { Delivery::AtMostOnce },
            retain: full,
            topic: Some(topic),
            properties: Properties::new(&publish),
            payload: if full { &[0, 1, 2, 0xFF] } else { b"" },
        }),
        Packet::Publish(Publish {
            dup: false,
            delivery: Delivery::AtLeastOnce(packet_id),
            retain: false,
            topic: Some(topic),
            properties: Properties::EMPTY,
            payload: &[b'x'; 300],
        }),
        Packet::Puback(Puback { packet_id, reason: success, properties }),
        Packet::Pubrec(Pubrec { packet_id, reason: success, properties }),
        Packet::Pubrel(Pubrel { packet_id, reason, properties }),
        Packet::Pubcomp(Pubcomp { packet_id, reason, properties }),
    ];
    encode(&packets, version)
}

fn subscriptions(version: Version, full: bool) -> Vec<Vec<u8>> {
    let packet_id = PacketId::new(258).unwrap();
    let filters = [TopicFilter::new("a/+/#").unwrap(), TopicFilter::new("$share/g/x").unwrap()];
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let subscriptions = [
        Subscription { filter: filters[0], options },
        Subscription { filter: filters[1], options: SubscriptionOptions::default() },
    ];
    let reasons = [ReasonCode::GrantedQos1, ReasonCode::UnspecifiedError];
    let unsuback = [UnsubackReason::new(ReasonCode::NoSubscriptionExisted).unwrap()];
    let (subscribe, unsubscribe) = (some(Subscribe::PROPERTIES, full), some(Unsubscribe::PROPERTIES, full));
    let ack = some(Suback::PROPERTIES, full);
    let ack = Properties::new(&ack);
    let packets = [
        Packet::Subscribe(Subscribe {
            packet_id,
            properties: Properties::new(&subscribe),
            subscriptions: Sequence::new(&subscriptions),
        }),
        Packet::Suback(Suback { packet_id, properties: ack, reasons: Sequence::new(&reasons) }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id,
            properties: Properties::new(&unsubscribe),
            filters: Sequence::new(&filters),
        }),
        Packet::Unsuback(Unsuback { packet_id, properties: ack, reasons: Sequence::new(&unsuback) }),
    ];
    encode(&packets, version)
}

fn assert_tiles(bytes: &[u8], anatomy: &Anatomy) {
    let mut at = 0;
    for field in &anatomy.fields {
        assert_eq!(field.range.start, at, "a gap or an overlap in {bytes:02x?}: {anatomy:#?}");
        assert!(field.range.end > at, "an empty field in {bytes:02x?}: {anatomy:#?}");
        at = field.range.end;
    }
    assert_eq!(at, bytes.len(), "bytes are left over in {bytes:02x?}: {anatomy:#?}");
}

/// Looks at one piece of bytes: its fields tile it, and it agrees with the codec.
fn check(bytes: &[u8], version: Version) {
    for sender in [Sender::Client, Sender::Server, Sender::Unknown] {
        let anatomy = dissect(bytes, version, sender);
        assert_tiles(bytes, &anatomy);
        assert!(!anatomy.title().is_empty());
        assert!(!render(bytes, &anatomy, &Plain).is_empty() || bytes.is_empty());
        match anatomy.verdict {
            Verdict::WellFormed => assert!(anatomy.problems.is_empty(), "{bytes:02x?}: {anatomy:#?}"),
            Verdict::Malformed(error, place) => {
                assert!(place.is_some(), "{error} has no place in {bytes:02x?}: {anatomy:#?}");
            }
            Verdict::Incomplete(missing) => assert!(missing > 0),
        }
    }
}

#[test]
fn every_packet_type_is_tiled_and_well_formed() {
    for version in Version::ALL {
        let packets = packets(version);
        for bytes in &packets {
            check(bytes, version);
            let anatomy = dissect(bytes, version, Sender::Unknown);
            assert_eq!(anatomy.verdict, Verdict::WellFormed, "{bytes:02x?}: {anatomy:#?}");
        }
        let types = packets.iter().filter_map(|bytes| PacketType::from_number(bytes[0] >> 4));
        let count = types.collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(count, if version == Version::V5 { 15 } else { 14 });
    }
}

#[test]
fn every_beginning_of_a_packet_is_tiled_and_incomplete() {
    for version in Version::ALL {
        for bytes in packets(version) {
            for length in 0..bytes.len() {
                let part = &bytes[..length];
                check(part, version);
                let anatomy = dissect(part, version, Sender::Unknown);
                assert!(matches!(anatomy.verdict, Verdict::Incomplete(_)), "{anatomy:#?}");
            }
        }
    }
}

#[test]
fn every_wrong_byte_is_tiled_and_its_broken_rule_has_a_place() {
    for version in Version::ALL {
        for bytes in packets(version).into_iter().filter(|bytes| bytes.len() < 300) {
            for place in 0..bytes.len() {
                let right = bytes[place];
                let flips = (0..8).map(|bit| right ^ 1 << bit);
                let bounds = [0, 3, 0x7F, 0xFF, right.wrapping_add(1), right.wrapping_sub(1)];
                for wrong in flips.chain(bounds) {
                    let mut bytes = bytes.clone();
                    bytes[place] = wrong;
                    pieces(&bytes).into_iter().for_each(|piece| check(piece, version));
                }
            }
        }
    }
}

#[test]
fn packets_with_several_wrong_bytes_and_random_bytes_are_tiled() {
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    for round in 0..12_000usize {
        let version = Version::ALL[round % 3];
        let bytes: Vec<u8> = match round % 2 {
            0 => (0..dice.below(40)).map(|_| dice.byte()).collect(),
            _ => {
                // A body that is cut or mangled behind a Remaining Length that fits it.
                let packet_type = u8::try_from(dice.below(16)).unwrap();
                let flags = if dice.below(2) == 0 { 2 } else { 0 };
                let body: Vec<u8> = (0..dice.below(30)).map(|_| dice.byte() >> dice.below(8)).collect();
                [&[packet_type << 4 | flags, u8::try_from(body.len()).unwrap()][..], &body].concat()
            }
        };
        pieces(&bytes).into_iter().for_each(|piece| check(piece, version));
    }
}

#[test]
fn a_connect_is_read_as_the_version_it_names() {
    let connect = packets(Version::V3_1).swap_remove(0);
    let anatomy = dissect(&connect, Version::V5, Sender::Client);
    assert_eq!(anatomy.version, Version::V3_1);
    assert!(anatomy.fields.iter().all(|field| field.section.matches('.').count() == 1), "{anatomy:#?}");
}

#[test]
fn a_server_that_sends_pingreq_is_odd_but_not_malformed() {
    let anatomy = dissect(&[0xC0, 0], Version::V5, Sender::Server);
    assert_eq!(anatomy.verdict, Verdict::WellFormed);
    assert_eq!(anatomy.remarks, ["only a client sends this packet"]);
}

#[test]
fn text_from_a_peer_cannot_command_the_terminal() {
    let bytes = [0x30, 0x08, 0x00, 0x01, b'a', 0x1B, b'[', b'2', b'J', 0x07];
    let anatomy = dissect(&bytes, Version::V3_1_1, Sender::Server);
    let shown = render(&bytes, &anatomy, &Plain);
    assert!(shown.contains("Payload: 0x1b5b324a07, not text"), "{shown}");
    assert!(!shown.contains('\x1B'));
}
