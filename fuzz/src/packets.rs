//! Control packets out of a fuzzer's bytes, as a caller would put them together, and what is asked of them.

use std::num::{NonZeroU16, NonZeroU32};

use arbitrary::{Arbitrary as _, Result, Unstructured};
use colibri_codec::{
    Auth, BinaryData, Connack, Connect, Delivery, Disconnect, EncodeError, Packet, PacketId, Pingreq,
    Pingresp, Properties, Property, PropertyId, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS, ReasonCode,
    RetainHandling, Sequence, Suback, Subscribe, Subscription, SubscriptionOptions, TopicFilter, TopicName,
    Unsuback, UnsubackReason, Unsubscribe, Utf8String, Version, Will,
};

use crate::trace;

const TOPICS: [&str; 6] = ["a", "a/b", "b", "$SYS/x", "a/b/c", "/"];
const FILTERS: [&str; 8] = ["#", "a", "a/+", "+/b", "$share/g/a", "$share/g/#", "b", "a/b/c"];

/// The bytes of a packet.
pub(crate) fn written(packet: &Packet<'_>, version: Version) -> std::result::Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes)?;
    Ok(bytes)
}

/// What the packet says of its own length, where its type has the method.
pub(crate) fn length(packet: &Packet<'_>, version: Version) -> Option<std::result::Result<u32, EncodeError>> {
    match packet {
        Packet::Connect(packet) => Some(packet.length()),
        Packet::Connack(packet) => Some(packet.length(version)),
        Packet::Publish(packet) => Some(packet.length(version)),
        Packet::Puback(packet) => Some(packet.length(version)),
        Packet::Pubrec(packet) => Some(packet.length(version)),
        Packet::Pubrel(packet) => Some(packet.length(version)),
        Packet::Pubcomp(packet) => Some(packet.length(version)),
        Packet::Disconnect(packet) => Some(packet.length(version)),
        Packet::Subscribe(_)
        | Packet::Suback(_)
        | Packet::Unsubscribe(_)
        | Packet::Unsuback(_)
        | Packet::Pingreq(_)
        | Packet::Pingresp(_)
        | Packet::Auth(_) => None,
    }
}

/// The properties of a packet.
pub(crate) fn properties<'a>(packet: &Packet<'a>) -> Properties<'a> {
    match packet {
        Packet::Connect(packet) => packet.properties,
        Packet::Connack(packet) => packet.properties,
        Packet::Publish(packet) => packet.properties,
        Packet::Puback(packet) => packet.properties,
        Packet::Pubrec(packet) => packet.properties,
        Packet::Pubrel(packet) => packet.properties,
        Packet::Pubcomp(packet) => packet.properties,
        Packet::Subscribe(packet) => packet.properties,
        Packet::Suback(packet) => packet.properties,
        Packet::Unsubscribe(packet) => packet.properties,
        Packet::Unsuback(packet) => packet.properties,
        Packet::Disconnect(packet) => packet.properties,
        Packet::Auth(packet) => packet.properties,
        Packet::Pingreq(_) | Packet::Pingresp(_) => Properties::EMPTY,
    }
}

/// Notes the packet's type and each of its properties as features.
pub(crate) fn note(packet: &Packet<'_>, version: Version) {
    trace::note((version, packet.packet_type()));
    for property in properties(packet).iter() {
        trace::note((version, packet.packet_type(), property.id()));
    }
}

/// Makes a packet and hands it to `use_`; it may break the rules that a caller can break.
pub(crate) fn build<'a, R>(
    u: &mut Unstructured<'a>,
    version: Version,
    use_: impl FnOnce(Packet<'_>) -> R,
) -> Result<R> {
    let kind = u8::arbitrary(u)? % 20;
    let list = property_list(u)?;
    let properties = Properties::new(&list);
    let packet_id = id(u)?;
    let packet = match kind {
        0 => {
            let will_list = property_list(u)?;
            let connect = connect(u, version, properties, Properties::new(&will_list))?;
            return Ok(use_(Packet::Connect(connect)));
        }
        1 => {
            let (session_present, reason) = (bool::arbitrary(u)?, reason(u)?);
            Packet::Connack(Connack { session_present, reason, properties })
        }
        2..=6 => Packet::Publish(publish(u, packet_id, properties)?),
        7 => Packet::Puback(Puback { packet_id, reason: reason(u)?, properties }),
        8 => Packet::Pubrec(Pubrec { packet_id, reason: reason(u)?, properties }),
        9 => Packet::Pubrel(Pubrel { packet_id, reason: reason(u)?, properties }),
        10 => Packet::Pubcomp(Pubcomp { packet_id, reason: reason(u)?, properties }),
        11 => {
            let list = several(u, subscription)?;
            let subscriptions = Sequence::new(&list);
            return Ok(use_(Packet::Subscribe(Subscribe { packet_id, properties, subscriptions })));
        }
        12 => {
            let list = several(u, reason)?;
            let reasons = Sequence::new(&list);
            return Ok(use_(Packet::Suback(Suback { packet_id, properties, reasons })));
        }
        13 => {
            let list = several(u, filter)?;
            let filters = Sequence::new(&list);
            return Ok(use_(Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })));
        }
        14 => {
            let list: Vec<_> =
                several(u, reason)?.into_iter().filter_map(|code| UnsubackReason::new(code).ok()).collect();
            let reasons = Sequence::new(&list);
            return Ok(use_(Packet::Unsuback(Unsuback { packet_id, properties, reasons })));
        }
        15 => Packet::Pingreq(Pingreq),
        16 => Packet::Pingresp(Pingresp),
        17 => Packet::Disconnect(Disconnect { reason: reason(u)?, properties }),
        18 => Packet::Auth(Auth { reason: reason(u)?, properties }),
        _ => Packet::Puback(Puback::new(packet_id, ReasonCode::Success)),
    };
    Ok(use_(packet))
}

fn connect<'a, 'p>(
    u: &mut Unstructured<'p>,
    version: Version,
    properties: Properties<'a>,
    will_properties: Properties<'a>,
) -> Result<Connect<'a>>
where
    'p: 'a,
{
    let will = Will {
        topic: topic(u)?,
        payload: binary(u)?,
        qos: qos(u)?,
        retain: bool::arbitrary(u)?,
        properties: will_properties,
    };
    Ok(Connect {
        version,
        clean_start: bool::arbitrary(u)?,
        keep_alive: u16::from(u8::arbitrary(u)?),
        properties,
        client_id: text(u)?,
        will: bool::arbitrary(u)?.then_some(will),
        user_name: maybe(u, text)?,
        password: maybe(u, binary)?,
    })
}

fn publish<'a, 'p: 'a>(
    u: &mut Unstructured<'p>,
    packet_id: PacketId,
    properties: Properties<'a>,
) -> Result<Publish<'a>> {
    let flags = u8::arbitrary(u)?;
    let delivery = match flags % 3 {
        0 => Delivery::AtMostOnce,
        1 => Delivery::AtLeastOnce(packet_id),
        _ => Delivery::ExactlyOnce(packet_id),
    };
    let topic = if flags & 0x70 == 0x70 { None } else { Some(topic(u)?) };
    let payload = binary(u)?.as_bytes();
    Ok(Publish { dup: flags & 0x80 != 0, delivery, retain: flags & 0x08 != 0, topic, properties, payload })
}

/// A Packet Identifier, nearly always one of the first few.
pub(crate) fn id(u: &mut Unstructured<'_>) -> Result<PacketId> {
    let byte = u8::arbitrary(u)?;
    let number = if byte < 240 { u16::from(byte % 6) + 1 } else { u16::arbitrary(u)?.max(1) };
    Ok(PacketId::new(number).unwrap())
}

pub(crate) fn qos(u: &mut Unstructured<'_>) -> Result<QoS> {
    Ok([QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(u8::arbitrary(u)? % 3)])
}

/// A reason code, half of the time Success.
pub(crate) fn reason(u: &mut Unstructured<'_>) -> Result<ReasonCode> {
    let byte = u8::arbitrary(u)?;
    let all = ReasonCode::ALL;
    Ok(if byte < 128 { ReasonCode::Success } else { all[usize::from(byte - 128) % all.len()] })
}

pub(crate) fn topic<'a>(u: &mut Unstructured<'a>) -> Result<TopicName<'a>> {
    let byte = usize::from(u8::arbitrary(u)?);
    let known = TopicName::new(TOPICS[byte % TOPICS.len()]).unwrap();
    Ok(if byte < 224 { known } else { TopicName::new(text(u)?.as_str()).unwrap_or(known) })
}

pub(crate) fn filter<'a>(u: &mut Unstructured<'a>) -> Result<TopicFilter<'a>> {
    let byte = usize::from(u8::arbitrary(u)?);
    let known = TopicFilter::new(FILTERS[byte % FILTERS.len()]).unwrap();
    Ok(if byte < 224 { known } else { TopicFilter::new(text(u)?.as_str()).unwrap_or(known) })
}

fn subscription<'a>(u: &mut Unstructured<'a>) -> Result<Subscription<'a>> {
    let bits = u8::arbitrary(u)?;
    let options = SubscriptionOptions {
        qos: qos(u)?,
        no_local: bits & 1 != 0,
        retain_as_published: bits & 2 != 0,
        retain_handling: [RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]
            [usize::from(bits >> 2) % 3],
    };
    Ok(Subscription { filter: filter(u)?, options })
}

fn several<'a, T>(
    u: &mut Unstructured<'a>,
    one: impl Fn(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u8::arbitrary(u)?;
    // Now and then there are enough to make a packet that the peer does not take.
    let count = if count >= 0xF8 { 40 } else { count % 4 };
    (0..count).map(|_| one(u)).collect()
}

fn maybe<'a, T>(
    u: &mut Unstructured<'a>,
    one: impl Fn(&mut Unstructured<'a>) -> Result<T>,
) -> Result<Option<T>> {
    if bool::arbitrary(u)? { one(u).map(Some) } else { Ok(None) }
}

pub(crate) fn binary<'a>(u: &mut Unstructured<'a>) -> Result<BinaryData<'a>> {
    let length = usize::from(u8::arbitrary(u)? % 24).min(u.len());
    Ok(BinaryData::new(u.bytes(length)?).unwrap())
}

pub(crate) fn text<'a>(u: &mut Unstructured<'a>) -> Result<Utf8String<'a>> {
    let bytes = binary(u)?.as_bytes();
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
    };
    Ok(Utf8String::new(valid).unwrap_or_default())
}

/// Half of the time nothing, else up to four properties of any kind.
pub(crate) fn property_list<'a>(u: &mut Unstructured<'a>) -> Result<Vec<Property<'a>>> {
    let count = u8::arbitrary(u)?;
    let count = if count < 128 { 0 } else { count % 5 };
    (0..count).map(|_| property(u)).collect()
}

fn property<'a>(u: &mut Unstructured<'a>) -> Result<Property<'a>> {
    use Property as P;
    let id = PropertyId::ALL[usize::from(u8::arbitrary(u)?) % PropertyId::ALL.len()];
    let two = |u: &mut Unstructured<'a>| Ok(NonZeroU16::new(small(u)?).unwrap_or(NonZeroU16::MAX));
    Ok(match id {
        PropertyId::PayloadFormatIndicator => P::PayloadFormatIndicator(bool::arbitrary(u)?),
        PropertyId::MessageExpiryInterval => P::MessageExpiryInterval(small(u)?.into()),
        PropertyId::ContentType => P::ContentType(text(u)?),
        PropertyId::ResponseTopic => P::ResponseTopic(topic(u)?),
        PropertyId::CorrelationData => P::CorrelationData(binary(u)?),
        PropertyId::SubscriptionIdentifier => {
            P::SubscriptionIdentifier(u32::arbitrary(u)? >> (small(u)? % 32))
        }
        PropertyId::SessionExpiryInterval => P::SessionExpiryInterval(small(u)?.into()),
        PropertyId::AssignedClientIdentifier => P::AssignedClientIdentifier(text(u)?),
        PropertyId::ServerKeepAlive => P::ServerKeepAlive(small(u)?),
        PropertyId::AuthenticationMethod => P::AuthenticationMethod(text(u)?),
        PropertyId::AuthenticationData => P::AuthenticationData(binary(u)?),
        PropertyId::RequestProblemInformation => P::RequestProblemInformation(bool::arbitrary(u)?),
        PropertyId::WillDelayInterval => P::WillDelayInterval(small(u)?.into()),
        PropertyId::RequestResponseInformation => P::RequestResponseInformation(bool::arbitrary(u)?),
        PropertyId::ResponseInformation => P::ResponseInformation(text(u)?),
        PropertyId::ServerReference => P::ServerReference(text(u)?),
        PropertyId::ReasonString => P::ReasonString(text(u)?),
        PropertyId::ReceiveMaximum => P::ReceiveMaximum(two(u)?),
        PropertyId::TopicAliasMaximum => P::TopicAliasMaximum(small(u)?),
        PropertyId::TopicAlias => P::TopicAlias(two(u)?),
        PropertyId::MaximumQos => P::MaximumQos(bool::arbitrary(u)?),
        PropertyId::RetainAvailable => P::RetainAvailable(bool::arbitrary(u)?),
        PropertyId::UserProperty => P::UserProperty((text(u)?, text(u)?)),
        PropertyId::MaximumPacketSize => {
            P::MaximumPacketSize(NonZeroU32::new(small(u)?.into()).unwrap_or(NonZeroU32::MAX))
        }
        PropertyId::WildcardSubscriptionAvailable => P::WildcardSubscriptionAvailable(bool::arbitrary(u)?),
        PropertyId::SubscriptionIdentifierAvailable => {
            P::SubscriptionIdentifierAvailable(bool::arbitrary(u)?)
        }
        PropertyId::SharedSubscriptionAvailable => P::SharedSubscriptionAvailable(bool::arbitrary(u)?),
    })
}

/// A number that is nearly always small.
fn small(u: &mut Unstructured<'_>) -> Result<u16> {
    let byte = u8::arbitrary(u)?;
    if byte < 224 { Ok(u16::from(byte % 32)) } else { u16::arbitrary(u) }
}
