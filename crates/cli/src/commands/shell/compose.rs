//! From a command to the bytes of its packet.

use colibri_codec::{
    Auth, BinaryData, Connect, Delivery, Disconnect, EncodeError, Malformed, Packet, PacketId, PacketType,
    Pingreq, Properties, Property, PropertyId, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS, ReasonCode,
    RetainHandling, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName,
    Unsubscribe, Utf8String, Version, Will,
};

use crate::anatomy::{Kind, kind};

use super::arguments::{self, Arguments};
use super::wrong::Wrong;

/// What a packet is composed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    /// The version it is written in.
    pub(super) version: Version,
    /// The Packet Identifier it has if it needs one and none was given.
    pub(super) next_id: Option<PacketId>,
}

/// Writes the packet of a command that sends one.
pub(super) fn compose(
    arguments: &Arguments,
    packet_type: PacketType,
    setting: Setting,
) -> Result<Vec<u8>, Wrong> {
    if let Some(given) = arguments.properties.first()
        && !setting.version.has_properties()
    {
        let name = arguments::option_name(given.id, given.of_will);
        return Err(Wrong::OnlyInV5(name, setting.version));
    }
    let Setting { version, .. } = setting;
    let refused = |error: EncodeError| Wrong::Encode(error, version);
    let wire = wire(arguments, false)?;
    let properties = |allowed| Properties::from_wire(&wire, allowed).map_err(|error| refused(error.into()));
    let mut out = Vec::new();
    let packet = match packet_type {
        PacketType::Connect => {
            connect(arguments, setting, properties(Connect::PROPERTIES)?, &mut out)?;
            return Ok(out);
        }
        PacketType::Subscribe => {
            subscribe(arguments, setting, properties(Subscribe::PROPERTIES)?, &mut out)?;
            return Ok(out);
        }
        PacketType::Unsubscribe => {
            unsubscribe(arguments, setting, properties(Unsubscribe::PROPERTIES)?, &mut out)?;
            return Ok(out);
        }
        PacketType::Publish => {
            publish(arguments, setting, properties(Publish::PROPERTIES)?, &mut out)?;
            return Ok(out);
        }
        PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp => {
            let (packet_id, reason) = (packet_id(arguments, setting)?, reason(arguments, setting)?);
            let properties = properties(Puback::PROPERTIES)?;
            acknowledgement(packet_type, packet_id, reason, properties)
        }
        PacketType::Disconnect => Packet::Disconnect(Disconnect {
            reason: reason(arguments, setting)?,
            properties: properties(Disconnect::PROPERTIES)?,
        }),
        PacketType::Auth if version.has_properties() => Packet::Auth(Auth {
            reason: reason(arguments, setting)?,
            properties: properties(Auth::PROPERTIES)?,
        }),
        PacketType::Auth => return Err(Wrong::OnlyInV5("auth".to_owned(), version)),
        PacketType::Pingreq => Packet::Pingreq(Pingreq),
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
            return Err(Wrong::ServerPacket(packet_type));
        }
    };
    packet.encode(version, &mut out).map_err(refused)?;
    Ok(out)
}

/// One of the four acknowledgements; any other type is taken for PUBACK.
fn acknowledgement(
    packet_type: PacketType,
    packet_id: PacketId,
    reason: ReasonCode,
    properties: Properties<'_>,
) -> Packet<'_> {
    match packet_type {
        PacketType::Pubrec => Packet::Pubrec(Pubrec { packet_id, reason, properties }),
        PacketType::Pubrel => Packet::Pubrel(Pubrel { packet_id, reason, properties }),
        PacketType::Pubcomp => Packet::Pubcomp(Pubcomp { packet_id, reason, properties }),
        _ => Packet::Puback(Puback { packet_id, reason, properties }),
    }
}

fn connect(
    arguments: &Arguments,
    Setting { version, .. }: Setting,
    properties: Properties<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Wrong> {
    let rule = |error: Malformed| Wrong::Encode(error.into(), version);
    let will_wire = wire(arguments, true)?;
    let will_payload = arguments.required("will-payload")?;
    let will = match arguments.given("will-topic") {
        Some(topic) => Some(Will {
            topic: TopicName::new(topic).map_err(|error| rule(Malformed::WillTopic(error)))?,
            payload: BinaryData::new(will_payload.as_bytes()).map_err(rule)?,
            qos: qos(arguments, "will-qos")?,
            retain: arguments.yes("will-retain")?,
            properties: Properties::from_wire(&will_wire, Will::PROPERTIES).map_err(rule)?,
        }),
        None if !will_wire.is_empty() => return Err(Wrong::Missing(arguments.command, "will-topic=")),
        None => ["will-payload", "will-qos", "will-retain"]
            .iter()
            .all(|name| arguments.given(name).is_none())
            .then_some(None)
            .ok_or(Wrong::Missing(arguments.command, "will-topic="))?,
    };
    let default_id = format!("colibri-shell-{}", std::process::id());
    let connect = Connect {
        version,
        clean_start: arguments.yes("clean")?,
        keep_alive: arguments.number("keep-alive")?,
        properties,
        client_id: Utf8String::new(arguments.given("id").unwrap_or(&default_id)).map_err(rule)?,
        will,
        user_name: arguments.given("user").map(Utf8String::new).transpose().map_err(rule)?,
        password: arguments
            .given("password")
            .map(str::as_bytes)
            .map(BinaryData::new)
            .transpose()
            .map_err(rule)?,
    };
    connect.encode(out).map_err(|error| Wrong::Encode(error, version))
}

fn publish(
    arguments: &Arguments,
    setting: Setting,
    properties: Properties<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Wrong> {
    let refused = |error| Wrong::Encode(error, setting.version);
    let topic = match arguments.required("topic")? {
        // The codec refuses it where no Topic Alias stands for it.
        "" => None,
        text => Some(TopicName::new(text).map_err(|error| refused(Malformed::TopicName(error).into()))?),
    };
    let payload = match arguments.given("payload-hex") {
        Some(_) => arguments.hex("payload-hex")?,
        None => arguments.required("payload")?.as_bytes().to_vec(),
    };
    let delivery = match qos(arguments, "qos")? {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(packet_id(arguments, setting)?),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(packet_id(arguments, setting)?),
    };
    let (dup, retain) = (arguments.yes("dup")?, arguments.yes("retain")?);
    let publish = Publish { dup, delivery, retain, topic, properties, payload: &payload };
    publish.encode(setting.version, out).map_err(refused)
}

fn subscribe(
    arguments: &Arguments,
    setting: Setting,
    properties: Properties<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Wrong> {
    let version = setting.version;
    for name in ["no-local", "retain-as-published", "retain-handling"] {
        if arguments.given(name).is_some() && !version.has_properties() {
            return Err(Wrong::OnlyInV5(name.to_owned(), version));
        }
    }
    let options = SubscriptionOptions {
        qos: qos(arguments, "qos")?,
        no_local: arguments.yes("no-local")?,
        retain_as_published: arguments.yes("retain-as-published")?,
        retain_handling: match arguments.number("retain-handling")? {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(arguments.wrong("retain-handling", "0, 1 or 2")),
        },
    };
    let filters = filters(arguments, version)?;
    let subscriptions = filters.into_iter().map(|filter| Subscription { filter, options });
    let subscriptions = subscriptions.collect::<Vec<_>>();
    let subscriptions = Sequence::new(&subscriptions);
    let subscribe = Subscribe { packet_id: packet_id(arguments, setting)?, properties, subscriptions };
    subscribe.encode(version, out).map_err(|error| Wrong::Encode(error, version))
}

fn unsubscribe(
    arguments: &Arguments,
    setting: Setting,
    properties: Properties<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Wrong> {
    let filters = filters(arguments, setting.version)?;
    let packet_id = packet_id(arguments, setting)?;
    let unsubscribe = Unsubscribe { packet_id, properties, filters: Sequence::new(&filters) };
    unsubscribe.encode(setting.version, out).map_err(|error| Wrong::Encode(error, setting.version))
}

fn filters(arguments: &Arguments, version: Version) -> Result<Vec<TopicFilter<'_>>, Wrong> {
    let refused = |error| Wrong::Encode(Malformed::TopicFilter(error).into(), version);
    arguments.several("filter")?.into_iter().map(|text| TopicFilter::new(text).map_err(refused)).collect()
}

fn qos(arguments: &Arguments, name: &'static str) -> Result<QoS, Wrong> {
    let number = arguments::number(arguments.required(name)?);
    number.and_then(QoS::from_number).ok_or_else(|| arguments.wrong(name, "0, 1 or 2"))
}

fn packet_id(arguments: &Arguments, setting: Setting) -> Result<PacketId, Wrong> {
    // Only the acknowledgements require one: they answer to an identifier of the other end.
    let required = arguments
        .command
        .arguments
        .iter()
        .any(|argument| argument.name == "id" && argument.need == super::grammar::Need::Required);
    if arguments.given("id").is_none() && !required {
        return setting.next_id.ok_or(Wrong::Missing(arguments.command, "id="));
    }
    PacketId::new(arguments.number("id")?).ok_or_else(|| arguments.wrong("id", "a number from 1 to 65535"))
}

fn reason(arguments: &Arguments, setting: Setting) -> Result<ReasonCode, Wrong> {
    if arguments.given("reason").is_some() && !setting.version.has_properties() {
        return Err(Wrong::OnlyInV5("a reason code".to_owned(), setting.version));
    }
    let number = arguments::number(arguments.required("reason")?);
    number
        .and_then(ReasonCode::from_number)
        .ok_or_else(|| arguments.wrong("reason", "a Reason Code like 0x87"))
}

/// The properties given, of the packet or of its will, as they stand behind the Property Length.
fn wire(arguments: &Arguments, of_will: bool) -> Result<Vec<u8>, Wrong> {
    let mut wire = Vec::new();
    for given in arguments.properties.iter().filter(|given| given.of_will == of_will) {
        put(given.id, &given.value, &mut wire)
            .map_err(|form| arguments.wrong(&arguments::option_name(given.id, of_will), form))?;
    }
    Ok(wire)
}

/// Appends one property; fails with the form its value must have.
fn put(id: PropertyId, value: &str, wire: &mut Vec<u8>) -> Result<(), &'static str> {
    let text = |text| Utf8String::new(text).map_err(|_| "text of at most 65535 bytes without U+0000");
    // The identifier and the value are written as the codec writes them, through one property of each form;
    // the section is then checked as if it came over the wire.
    let start = wire.len();
    match kind(id) {
        Kind::Flag => {
            let flag = arguments::yes(value).ok_or("yes or no")?;
            Property::PayloadFormatIndicator(flag).encode(wire);
        }
        Kind::U16 => {
            let number = arguments::number(value).ok_or("a number from 0 to 65535")?;
            Property::TopicAliasMaximum(number).encode(wire);
        }
        Kind::U32 => {
            let number = arguments::number(value).ok_or("a number from 0 to 4294967295")?;
            Property::SessionExpiryInterval(number).encode(wire);
        }
        Kind::Variable => {
            let form = "a number from 1 to 268435455";
            let number =
                arguments::number::<u32>(value).filter(|number| *number <= 0x0FFF_FFFF).ok_or(form)?;
            Property::SubscriptionIdentifier(number).encode(wire);
        }
        Kind::Text => Property::ContentType(text(value)?).encode(wire),
        Kind::Binary => {
            let bytes = match value.strip_prefix("0x") {
                Some(digits) => arguments::hex(digits).ok_or("text, or 0x and pairs of hex digits")?,
                None => value.as_bytes().to_vec(),
            };
            let data = BinaryData::new(&bytes).map_err(|_| "at most 65535 bytes")?;
            Property::CorrelationData(data).encode(wire);
        }
        Kind::Pair => {
            let (name, value) = value.split_once(':').ok_or("NAME:VALUE")?;
            Property::UserProperty((text(name)?, text(value)?)).encode(wire);
        }
    }
    if let Some(first) = wire.get_mut(start) {
        *first = id.number();
    }
    Ok(())
}
