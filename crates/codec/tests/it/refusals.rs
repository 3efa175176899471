//! What a caller may not ask for: refused before the first byte is written.

use core::num::NonZeroU16;

use colibri_codec::packet::{
    Auth, Connack, Connect, Delivery, Disconnect, Puback, Publish, Pubrel, Suback, Subscribe, Subscription,
    SubscriptionOptions, Unsuback, UnsubackReason, Unsubscribe,
};
use colibri_codec::{
    BinaryData, Blame, EncodeError, Malformed, Packet, PacketId, PacketType, Properties, Property,
    PropertyId, ReasonCode, Sequence, TopicFilter, TopicName, Utf8String, Version,
};

use crate::{Bytes, encode};

fn refused(packet: Packet<'_>, version: Version, error: Malformed) {
    let mut bytes = Bytes::default();
    assert_eq!(packet.encode(version, &mut bytes), Err(EncodeError::Malformed(error)), "{packet:?}");
    assert_eq!(bytes.0, [], "part of it was written");
}

fn id() -> PacketId {
    PacketId::new(10).unwrap()
}

fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id: Utf8String::new("c").unwrap(),
        will: None,
        user_name: None,
        password: None,
    }
}

#[test]
fn a_reason_code_of_another_packet_is_refused() {
    let code = ReasonCode::ServerBusy;
    let puback = Packet::Puback(Puback::new(id(), code));
    refused(puback, Version::V5, Malformed::ReasonCode(PacketType::Puback, 0x89));
    let pubrel = Packet::Pubrel(Pubrel::new(id(), code));
    refused(pubrel, Version::V5, Malformed::ReasonCode(PacketType::Pubrel, 0x89));
    let disconnect = Packet::Disconnect(Disconnect::new(ReasonCode::Banned));
    refused(disconnect, Version::V5, Malformed::ReasonCode(PacketType::Disconnect, 0x8A));
    let connack = Packet::Connack(Connack::refused(ReasonCode::KeepAliveTimeout));
    refused(connack, Version::V5, Malformed::ReasonCode(PacketType::Connack, 0x8D));
    let error = Malformed::ReasonCode(PacketType::Unsuback, 0x89);
    assert_eq!(UnsubackReason::new(code), Err(error));
}

#[test]
fn a_suback_with_a_reason_code_of_another_packet_is_refused_in_every_version() {
    for code in [ReasonCode::ServerBusy, ReasonCode::NoMatchingSubscribers, ReasonCode::PacketTooLarge] {
        let reasons = [ReasonCode::GrantedQos1, code];
        let suback =
            Suback { packet_id: id(), properties: Properties::EMPTY, reasons: Sequence::new(&reasons) };
        for version in Version::ALL {
            let error = Malformed::ReasonCode(PacketType::Suback, code.number());
            refused(Packet::Suback(suback), version, error);
        }
    }
}

#[test]
fn every_failure_of_a_suback_is_0x80_before_5() {
    let reasons = [ReasonCode::GrantedQos2, ReasonCode::NotAuthorized, ReasonCode::QuotaExceeded];
    let suback = Suback { packet_id: id(), properties: Properties::EMPTY, reasons: Sequence::new(&reasons) };
    let bytes = encode(&Packet::Suback(suback), Version::V3_1_1);
    assert_eq!(bytes, Ok(vec![0x90, 5, 0, 10, 2, 0x80, 0x80]));
}

#[test]
fn a_refusal_without_a_return_code_is_refused_before_5() {
    let connack = Packet::Connack(Connack::refused(ReasonCode::MalformedPacket));
    refused(connack, Version::V3_1_1, Malformed::ReasonCode(PacketType::Connack, 0x81));
    let connack = Packet::Connack(Connack::refused(ReasonCode::Banned));
    assert_eq!(encode(&connack, Version::V3_1_1), Ok(vec![0x20, 2, 0, 5]));
}

#[test]
fn a_session_is_not_present_on_a_refusal() {
    let connack = Connack { session_present: true, ..Connack::refused(ReasonCode::NotAuthorized) };
    for version in Version::ALL {
        refused(Packet::Connack(connack), version, Malformed::SessionPresentOnRefusal);
    }
}

#[test]
fn the_session_present_flag_is_not_sent_in_3_1() {
    let connack =
        Connack { session_present: true, reason: ReasonCode::Success, properties: Properties::EMPTY };
    assert_eq!(encode(&Packet::Connack(connack), Version::V3_1), Ok(vec![0x20, 2, 0, 0]));
}

#[test]
fn a_property_of_another_packet_is_refused() {
    let list = [Property::TopicAlias(NonZeroU16::MIN)];
    let properties = Properties::new(&list);
    let connect = Packet::Connect(Connect { properties, ..connect(Version::V5) });
    refused(connect, Version::V5, Malformed::PropertyNotAllowed(PropertyId::TopicAlias));
    let puback = Packet::Puback(Puback { properties, ..Puback::new(id(), ReasonCode::Success) });
    refused(puback, Version::V5, Malformed::PropertyNotAllowed(PropertyId::TopicAlias));
    assert_eq!(encode(&puback, Version::V3_1_1), Ok(vec![0x40, 2, 0, 10]), "3.1.1 knows no properties");
}

#[test]
fn a_property_stands_once() {
    let list = [Property::SessionExpiryInterval(1), Property::SessionExpiryInterval(1)];
    let connect = Connect { properties: Properties::new(&list), ..connect(Version::V5) };
    refused(
        Packet::Connect(connect),
        Version::V5,
        Malformed::PropertyTwice(PropertyId::SessionExpiryInterval),
    );
}

#[test]
fn a_property_stands_once_in_a_list_and_stored_bytes_together() {
    let stored = Properties::from_wire(&[0x11, 0, 0, 0, 1], Connect::PROPERTIES).unwrap();
    let list = [Property::SessionExpiryInterval(2)];
    let connect = Connect { properties: stored.with_list(&list), ..connect(Version::V5) };
    refused(
        Packet::Connect(connect),
        Version::V5,
        Malformed::PropertyTwice(PropertyId::SessionExpiryInterval),
    );
    let list = [Property::ReceiveMaximum(NonZeroU16::MAX)];
    let connect = Connect { properties: stored.with_list(&list), ..connect };
    let bytes = encode(&Packet::Connect(connect), Version::V5).unwrap();
    assert_eq!(bytes[12..21], [8, 0x21, 0xFF, 0xFF, 0x11, 0, 0, 0, 1]);
}

#[test]
fn a_subscription_identifier_is_within_its_bounds() {
    let filters =
        [Subscription { filter: TopicFilter::new("a").unwrap(), options: SubscriptionOptions::default() }];
    for number in [0, 268_435_456, u32::MAX] {
        let list = [Property::SubscriptionIdentifier(number)];
        let properties = Properties::new(&list);
        let subscribe = Subscribe { packet_id: id(), properties, subscriptions: Sequence::new(&filters) };
        let error = Malformed::PropertyValue(PropertyId::SubscriptionIdentifier);
        refused(Packet::Subscribe(subscribe), Version::V5, error);
    }
}

#[test]
fn authentication_data_without_a_method_is_refused() {
    let list = [Property::AuthenticationData(BinaryData::new(&[1]).unwrap())];
    let properties = Properties::new(&list);
    let connect = Packet::Connect(Connect { properties, ..connect(Version::V5) });
    refused(connect, Version::V5, Malformed::AuthenticationMethodMissing);
    let auth = Packet::Auth(Auth { reason: ReasonCode::Success, properties });
    refused(auth, Version::V5, Malformed::AuthenticationMethodMissing);
}

#[test]
fn an_auth_names_its_method_or_is_the_shortest() {
    let auth = |reason| Packet::Auth(Auth { reason, properties: Properties::EMPTY });
    refused(auth(ReasonCode::ContinueAuthentication), Version::V5, Malformed::AuthenticationMethodMissing);
    assert_eq!(encode(&auth(ReasonCode::Success), Version::V5), Ok(vec![0xF0, 0]));
    refused(auth(ReasonCode::Success), Version::V3_1_1, Malformed::ReservedPacketType);
}

#[test]
fn a_password_without_a_user_name_is_refused_before_5() {
    let password = Some(BinaryData::new(b"p").unwrap());
    for version in [Version::V3_1, Version::V3_1_1] {
        let connect = Packet::Connect(Connect { password, ..connect(version) });
        refused(connect, version, Malformed::PasswordWithoutUserName);
    }
    assert!(encode(&Packet::Connect(Connect { password, ..connect(Version::V5) }), Version::V5).is_ok());
}

#[test]
fn an_empty_payload_is_refused() {
    let (packet_id, properties) = (id(), Properties::EMPTY);
    for version in Version::ALL {
        let missing = Malformed::PayloadMissing;
        let packet = Subscribe { packet_id, properties, subscriptions: Sequence::new(&[]) };
        refused(Packet::Subscribe(packet), version, missing(PacketType::Subscribe));
        let packet = Suback { packet_id, properties, reasons: Sequence::new(&[]) };
        refused(Packet::Suback(packet), version, missing(PacketType::Suback));
        let packet = Unsubscribe { packet_id, properties, filters: Sequence::new(&[]) };
        refused(Packet::Unsubscribe(packet), version, missing(PacketType::Unsubscribe));
    }
    let packet = Unsuback { packet_id, properties, reasons: Sequence::new(&[]) };
    refused(Packet::Unsuback(packet), Version::V5, Malformed::PayloadMissing(PacketType::Unsuback));
}

#[test]
fn no_local_on_a_shared_subscription_is_refused() {
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    let list = [Subscription { filter: TopicFilter::new("$share/g/t").unwrap(), options }];
    let subscriptions = Sequence::new(&list);
    let subscribe = Subscribe { packet_id: id(), properties: Properties::EMPTY, subscriptions };
    refused(Packet::Subscribe(subscribe), Version::V5, Malformed::NoLocalOnShared);
}

#[test]
fn a_publish_has_a_topic_or_an_alias() {
    let list = [Property::TopicAlias(NonZeroU16::MIN)];
    let publish = Publish {
        dup: true,
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: None,
        properties: Properties::EMPTY,
        payload: b"",
    };
    for version in Version::ALL {
        refused(Packet::Publish(publish), version, Malformed::TopicMissing);
    }
    let aliased = Publish { properties: Properties::new(&list), ..publish };
    refused(Packet::Publish(aliased), Version::V3_1_1, Malformed::TopicMissing);
    let bytes = encode(&Packet::Publish(aliased), Version::V5);
    assert_eq!(bytes, Ok(vec![0x30, 6, 0, 0, 3, 0x23, 0, 1]), "DUP is left out with QoS 0");
    let named = Publish { topic: Some(TopicName::new("t").unwrap()), ..publish };
    assert_eq!(encode(&Packet::Publish(named), Version::V3_1_1), Ok(vec![0x30, 3, 0, 1, b't']));
}

#[test]
fn a_field_that_is_too_long_is_the_callers_fault() {
    let long = "a".repeat(65_536);
    assert_eq!(Utf8String::new(&long), Err(Malformed::StringTooLong));
    assert_eq!(BinaryData::new(long.as_bytes()), Err(Malformed::BinaryTooLong));
    assert!(Utf8String::new(&long[1..]).is_ok());
    assert!(BinaryData::new(&long.as_bytes()[1..]).is_ok());
    assert_eq!(Malformed::StringTooLong.blame(), Blame::Caller);
    assert_eq!(Malformed::BinaryTooLong.blame(), Blame::Caller);
}

#[test]
fn stored_bytes_are_checked_like_those_of_a_packet() {
    let check = |bytes| Properties::from_wire(bytes, Publish::PROPERTIES).map(|properties| properties.wire());
    assert_eq!(check(&[1, 1]), Ok(&[1, 1][..]));
    assert_eq!(check(&[]), Ok(&[][..]));
    assert_eq!(check(&[1]), Err(Malformed::PropertyLength));
    assert_eq!(check(&[1, 2]), Err(Malformed::PropertyValue(PropertyId::PayloadFormatIndicator)));
    assert_eq!(check(&[1, 1, 1, 1]), Err(Malformed::PropertyTwice(PropertyId::PayloadFormatIndicator)));
    assert_eq!(check(&[0x24, 1]), Err(Malformed::PropertyNotAllowed(PropertyId::MaximumQos)));
    assert_eq!(check(&[4, 1]), Err(Malformed::PropertyUnknown(4)));
}
