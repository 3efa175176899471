//! The fields of the fifteen packets, in the order in which they stand.

use colibri_codec::{
    Auth, Connack, Connect, ConnectReturnCode, Disconnect, Frame, Malformed, PacketType, PropertyId,
    PropertySet, Puback, Publish, ReasonCode, Suback, Subscribe, TopicFilter, TopicName, Unsuback,
    Unsubscribe, Version, Will,
};

use super::Sender;
use super::bits;
use super::property::{self, Found};
use super::section::Place;
use super::walk::{Walk, data};

/// Notes all fields of one packet.
pub(super) fn walk(walk: &mut Walk<'_>) {
    let Some((first, packet_type)) = fixed_header(walk) else {
        return walk.rest("Bytes that cannot be read", walk.section("2.1", "2.2"));
    };
    let done = packet_type.and_then(|packet_type| match packet_type {
        PacketType::Connect => connect(walk),
        PacketType::Connack => connack(walk),
        PacketType::Publish => publish(walk, first),
        PacketType::Puback => acknowledgement(walk, packet_type, "3.4.2", "3.4.2.1"),
        PacketType::Pubrec => acknowledgement(walk, packet_type, "3.5.2", "3.5.2.1"),
        PacketType::Pubrel => acknowledgement(walk, packet_type, "3.6.2", "3.6.2.1"),
        PacketType::Pubcomp => acknowledgement(walk, packet_type, "3.7.2", "3.7.2.1"),
        PacketType::Subscribe => subscribe(walk),
        PacketType::Suback => suback(walk),
        PacketType::Unsubscribe => unsubscribe(walk),
        PacketType::Unsuback => unsuback(walk),
        PacketType::Pingreq | PacketType::Pingresp => Some(()),
        PacketType::Disconnect => ending(walk, packet_type, Disconnect::PROPERTIES, "3.14.2.1").map(drop),
        PacketType::Auth => auth(walk),
    });
    match done {
        Some(()) if walk.left() > 0 => {
            walk.rest("Bytes behind the last field", walk.section("2.1.4", "2.2.3"));
            walk.blame_last(Malformed::TrailingBytes);
        }
        Some(()) => {}
        None => walk.rest("Bytes that cannot be read", walk.section("2.1.4", "2.2.3")),
    }
}

/// What is odd about a packet that its bytes alone do not show.
pub(super) fn remarks(walk: &Walk<'_>, packet_type: Option<PacketType>, sender: Sender) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    let Some(packet_type) = packet_type else { return remarks };
    let wrong_way = match packet_type {
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::Pingreq => {
            sender == Sender::Server
        }
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
            sender == Sender::Client
        }
        // Before 5.0 only clients send it.
        PacketType::Disconnect => sender == Sender::Server && walk.version() < Version::V5,
        PacketType::Publish
        | PacketType::Puback
        | PacketType::Pubrec
        | PacketType::Pubrel
        | PacketType::Pubcomp
        | PacketType::Auth => false,
    };
    match sender {
        Sender::Client if wrong_way => remarks.push("only a server sends this packet"),
        Sender::Server if wrong_way => remarks.push("only a client sends this packet"),
        Sender::Client | Sender::Server | Sender::Unknown => {}
    }
    let subscription_id = PropertyId::SubscriptionIdentifier.name();
    let from_client = packet_type == PacketType::Publish && sender == Sender::Client;
    if from_client && walk.fields().iter().any(|field| field.name == subscription_id) {
        remarks.push("a client sends no Subscription Identifier with PUBLISH [v5 MQTT-3.3.4-6]");
    }
    remarks
}

/// The first byte and the Remaining Length.
fn fixed_header(walk: &mut Walk<'_>) -> Option<(u8, Option<PacketType>)> {
    let version = walk.version();
    let section = walk.section("2.1.1", "2.2");
    let type_of = |byte: u8| PacketType::from_number(byte >> 4);
    let name = |byte| type_of(byte).map_or("reserved", PacketType::name).to_owned();
    let first = walk.byte("Packet type and flags", section, name)?;
    walk.bits(bits::first_byte(first, type_of(first), version));
    let checked = Frame::new(first, &[]).packet_type(version);
    if let Err(error) = checked {
        walk.blame_last(error);
    }
    if type_of(first) == Some(PacketType::Publish) {
        match (first >> 1 & 0b11, first & 0b1000 != 0) {
            (3, _) => walk.blame_last(Malformed::PublishQosThree),
            (0, true) => walk.blame_last(Malformed::DupWithQosZero),
            _ => {}
        }
    }
    let section = walk.section("2.1.4", "2.2.3");
    walk.variable("Remaining Length", section, |length| length.to_string())?;
    let known = type_of(first).filter(|_| checked != Err(Malformed::ReservedPacketType));
    Some((first, known))
}

fn connect(walk: &mut Walk<'_>) -> Option<()> {
    let section = walk.section("3.1.2.1", "3.1.2.1");
    let name = walk.prefixed("Protocol Name", section, data)?;
    let known_name = Version::ALL.iter().any(|version| version.protocol_name().as_bytes() == name);
    if !known_name {
        walk.blame_last(Malformed::ProtocolName);
    }
    let section = walk.section("3.1.2.2", "3.1.2.2");
    let level_name = if walk.version().has_properties() { "Protocol Version" } else { "Protocol Level" };
    let speaks = |level: u8| {
        Version::ALL.into_iter().find(|v| v.level() == level && v.protocol_name().as_bytes() == name)
    };
    let level = walk.byte(level_name, section, |level| match speaks(level) {
        Some(version) => format!("{level}, MQTT {version}"),
        None => format!("{level}, which goes with no such name"),
    })?;
    if known_name && speaks(level).is_none() {
        walk.blame_last(Malformed::ProtocolVersion(level));
    }
    let flags = connect_flags(walk)?;
    let section = walk.section("3.1.2.10", "3.1.2.10");
    walk.fixed("Keep Alive", section, |bytes| match u16::from_be_bytes(bytes) {
        0 => "0, off".to_owned(),
        seconds => format!("{seconds} seconds"),
    })?;
    if walk.version().has_properties() {
        let found = property::walk(walk, Place::Packet(PacketType::Connect), Connect::PROPERTIES)?;
        if let (Some(offset), None) =
            (found.offset(PropertyId::AuthenticationData), found.offset(PropertyId::AuthenticationMethod))
        {
            walk.blame(offset, Malformed::AuthenticationMethodMissing);
        }
    }
    walk.text("Client Identifier", walk.section("3.1.3.1", "3.1.3.1"))?;
    if flags & 0x04 != 0 {
        will(walk)?;
    }
    // In 3.1 the packet may end here whatever the flags say.
    let may_end = |walk: &Walk<'_>| walk.version() == Version::V3_1 && walk.left() == 0;
    if flags & 0x80 != 0 && !may_end(walk) {
        walk.text("User Name", walk.section("3.1.3.5", "3.1.3.4"))?;
    }
    if flags & 0x40 != 0 && !may_end(walk) {
        walk.binary("Password", walk.section("3.1.3.6", "3.1.3.5"))?;
    }
    Some(())
}

fn connect_flags(walk: &mut Walk<'_>) -> Option<u8> {
    let version = walk.version();
    let section = walk.section("3.1.2.3", "3.1.2.3");
    let flags = walk.byte("Connect Flags", section, |_| String::new())?;
    walk.bits(bits::connect_flags(flags, version));
    let will_qos = flags >> 3 & 0b11;
    // 3.1 disregards what it does not use.
    if version != Version::V3_1 {
        if flags & 0x01 != 0 {
            walk.blame_last(Malformed::ConnectReservedFlag);
        }
        if flags & 0x04 == 0 && will_qos != 0 {
            walk.blame_last(Malformed::WillQosWithoutWill);
        }
        if flags & 0x24 == 0x20 {
            walk.blame_last(Malformed::WillRetainWithoutWill);
        }
    }
    if flags & 0x04 != 0 && will_qos == 3 {
        walk.blame_last(Malformed::WillQosThree);
    }
    if flags & 0xC0 == 0x40 && !version.has_properties() {
        walk.blame_last(Malformed::PasswordWithoutUserName);
    }
    Some(flags)
}

fn will(walk: &mut Walk<'_>) -> Option<()> {
    if walk.version().has_properties() {
        property::walk(walk, Place::Will, Will::PROPERTIES)?;
    }
    let section = walk.section("3.1.3.3", "3.1.3.2");
    topic_name(walk, "Will Topic", section, Malformed::WillTopic)?;
    let name = if walk.version().has_properties() { "Will Payload" } else { "Will Message" };
    walk.binary(name, walk.section("3.1.3.4", "3.1.3.3")).map(drop)
}

/// Notes a topic name that may not be empty.
fn topic_name(
    walk: &mut Walk<'_>,
    name: &str,
    section: &'static str,
    problem: fn(colibri_codec::TopicError) -> Malformed,
) -> Option<()> {
    if let Some(error) = walk.string(name, section)?.and_then(|text| TopicName::new(text).err()) {
        walk.blame_last(problem(error));
    }
    Some(())
}

fn connack(walk: &mut Walk<'_>) -> Option<()> {
    let version = walk.version();
    let section = walk.section("3.2.2.1", "3.2.2.1");
    let flags = walk.byte("Connect Acknowledge Flags", section, |_| String::new())?;
    walk.bits(bits::connack_flags(flags, version));
    let flags_offset = walk.last_offset();
    if flags & !1 != 0 && version != Version::V3_1 {
        walk.blame_last(Malformed::ConnackReservedFlags);
    }
    let refused = if version.has_properties() {
        let code = reason_code(walk, "Connect Reason Code", "3.2.2.2", PacketType::Connack)?;
        // A server that does not speak 5.0 answers in the older form, without properties.
        if code < 0x80 || walk.left() > 0 {
            property::walk(walk, Place::Packet(PacketType::Connack), Connack::PROPERTIES)?;
        }
        code != 0
    } else {
        let section = walk.section("3.2.2.2", "3.2.2.3");
        let code = walk.byte("Connect Return Code", section, return_code)?;
        if ConnectReturnCode::from_number(code).is_none() {
            walk.blame_last(Malformed::ReasonCode(PacketType::Connack, code));
        }
        code != 0
    };
    if flags & 1 != 0 && refused && version != Version::V3_1 {
        walk.blame(flags_offset, Malformed::SessionPresentOnRefusal);
    }
    Some(())
}

fn return_code(code: u8) -> String {
    let words = match ConnectReturnCode::from_number(code) {
        Some(ConnectReturnCode::Accepted) => "Connection Accepted",
        Some(ConnectReturnCode::UnacceptableProtocolVersion) => "unacceptable protocol version",
        Some(ConnectReturnCode::IdentifierRejected) => "identifier rejected",
        Some(ConnectReturnCode::ServerUnavailable) => "Server unavailable",
        Some(ConnectReturnCode::BadUserNameOrPassword) => "bad user name or password",
        Some(ConnectReturnCode::NotAuthorized) => "not authorized",
        None => "reserved",
    };
    format!("{code} {words}")
}

fn publish(walk: &mut Walk<'_>, first: u8) -> Option<()> {
    let section = walk.section("3.3.2.1", "3.3.2.1");
    let topic = walk.string("Topic Name", section)?;
    let topic_offset = walk.last_offset();
    if let Some(error) = topic.filter(|text| !text.is_empty()).and_then(|text| TopicName::new(text).err()) {
        walk.blame_last(Malformed::TopicName(error));
    }
    if first & 0b0110 != 0 {
        packet_id(walk, walk.section("3.3.2.2", "3.3.2.2"))?;
    }
    let mut has_alias = false;
    if walk.version().has_properties() {
        let found = property::walk(walk, Place::Packet(PacketType::Publish), Publish::PROPERTIES)?;
        has_alias = found.offset(PropertyId::TopicAlias).is_some();
    }
    if topic == Some("") && !has_alias {
        walk.blame(topic_offset, Malformed::TopicMissing);
    }
    walk.rest("Payload", walk.section("3.3.3", "3.3.3"));
    Some(())
}

fn packet_id(walk: &mut Walk<'_>, section: &'static str) -> Option<()> {
    let bytes = walk.fixed("Packet Identifier", section, |bytes| u16::from_be_bytes(bytes).to_string())?;
    if bytes == [0, 0] {
        walk.blame_last(Malformed::PacketIdZero);
    }
    Some(())
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
fn acknowledgement(
    walk: &mut Walk<'_>,
    packet_type: PacketType,
    section: &'static str,
    reason_section: &'static str,
) -> Option<()> {
    packet_id(walk, walk.section(section, section))?;
    ending(walk, packet_type, Puback::PROPERTIES, reason_section).map(drop)
}

/// A reason code and properties, both of which may be left out.
fn ending(
    walk: &mut Walk<'_>,
    packet_type: PacketType,
    allowed: PropertySet,
    section: &'static str,
) -> Option<Found> {
    if !walk.version().has_properties() || walk.left() == 0 {
        return Some(Found::default());
    }
    reason_code(walk, "Reason Code", section, packet_type)?;
    if walk.left() == 0 {
        return Some(Found::default());
    }
    property::walk(walk, Place::Packet(packet_type), allowed)
}

fn reason_code(
    walk: &mut Walk<'_>,
    name: &str,
    section: &'static str,
    packet_type: PacketType,
) -> Option<u8> {
    let code = walk.byte(name, section, reason_words)?;
    if !ReasonCode::from_number(code).is_some_and(|reason| reason.allowed_in(packet_type)) {
        walk.blame_last(Malformed::ReasonCode(packet_type, code));
    }
    Some(code)
}

fn reason_words(code: u8) -> String {
    match ReasonCode::from_number(code) {
        Some(reason) => format!("0x{code:02x} {}", reason.name()),
        None => format!("0x{code:02x}, which does not exist"),
    }
}

fn auth(walk: &mut Walk<'_>) -> Option<()> {
    let empty = walk.left() == 0;
    let found = ending(walk, PacketType::Auth, Auth::PROPERTIES, "3.15.2.1")?;
    if !empty && found.offset(PropertyId::AuthenticationMethod).is_none() {
        walk.blame_end(Malformed::AuthenticationMethodMissing);
    }
    Some(())
}

/// The properties of a packet that always has them in 5.0.
fn properties(walk: &mut Walk<'_>, packet_type: PacketType, allowed: PropertySet) -> Option<()> {
    if walk.version().has_properties() {
        property::walk(walk, Place::Packet(packet_type), allowed)?;
    }
    if walk.left() == 0 {
        walk.blame_end(Malformed::PayloadMissing(packet_type));
    }
    Some(())
}

fn subscribe(walk: &mut Walk<'_>) -> Option<()> {
    packet_id(walk, walk.section("3.8.2", "3.8.2"))?;
    properties(walk, PacketType::Subscribe, Subscribe::PROPERTIES)?;
    let version = walk.version();
    while walk.left() > 0 {
        let filter = topic_filter(walk, walk.section("3.8.3", "3.8.3"))?;
        let name = if version.has_properties() { "Subscription Options" } else { "Requested QoS" };
        let section = walk.section("3.8.3.1", "3.8.3");
        let options = walk.byte(name, section, |_| String::new())?;
        walk.bits(bits::subscription_options(options, version));
        let reserved = if version.has_properties() { 0b1100_0000 } else { 0b1111_1100 };
        if options & reserved != 0 {
            walk.blame_last(Malformed::SubscribeReservedBits);
        }
        if options & 0b11 == 3 {
            walk.blame_last(Malformed::SubscribeQosThree);
        }
        if version.has_properties() && options & 0b11_0000 == 0b11_0000 {
            walk.blame_last(Malformed::RetainHandlingThree);
        }
        let shared = filter.is_some_and(|filter| filter.share().is_some());
        if version.has_properties() && options & 0b100 != 0 && shared {
            walk.blame_last(Malformed::NoLocalOnShared);
        }
    }
    Some(())
}

/// Notes a topic filter; the inner `None` is one that breaks a rule.
fn topic_filter<'a>(walk: &mut Walk<'a>, section: &'static str) -> Option<Option<TopicFilter<'a>>> {
    Some(match walk.string("Topic Filter", section)?.map(TopicFilter::new) {
        Some(Ok(filter)) => Some(filter),
        Some(Err(error)) => {
            walk.blame_last(Malformed::TopicFilter(error));
            None
        }
        None => None,
    })
}

fn suback(walk: &mut Walk<'_>) -> Option<()> {
    packet_id(walk, walk.section("3.9.2", "3.9.2"))?;
    properties(walk, PacketType::Suback, Suback::PROPERTIES)?;
    let section = walk.section("3.9.3", "3.9.3");
    while walk.left() > 0 {
        if walk.version().has_properties() {
            reason_code(walk, "Reason Code", section, PacketType::Suback)?;
            continue;
        }
        let code = walk.byte("Return Code", section, |code| match code {
            0..=2 => format!("{code}, granted QoS {code}"),
            0x80 => "0x80, failure".to_owned(),
            _ => format!("0x{code:02x}, which does not exist"),
        })?;
        if !matches!(code, 0..=2 | 0x80) {
            walk.blame_last(Malformed::ReasonCode(PacketType::Suback, code));
        }
    }
    Some(())
}

fn unsubscribe(walk: &mut Walk<'_>) -> Option<()> {
    packet_id(walk, walk.section("3.10.2", "3.10.2"))?;
    properties(walk, PacketType::Unsubscribe, Unsubscribe::PROPERTIES)?;
    while walk.left() > 0 {
        topic_filter(walk, walk.section("3.10.3", "3.10.3"))?;
    }
    Some(())
}

fn unsuback(walk: &mut Walk<'_>) -> Option<()> {
    packet_id(walk, walk.section("3.11.2", "3.11.2"))?;
    if !walk.version().has_properties() {
        return Some(());
    }
    properties(walk, PacketType::Unsuback, Unsuback::PROPERTIES)?;
    while walk.left() > 0 {
        reason_code(walk, "Reason Code", "3.11.3", PacketType::Unsuback)?;
    }
    Some(())
}
