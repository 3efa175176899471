//! Packets from the broker as a test looks at them: owned, with numbers for codes.

use colibri_codec::{Frame, Packet, Property, Publish, Split, Version};

/// A packet that the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Connack { present: bool, code: u8 },
    Publish(Message),
    Puback(u16, u8),
    Pubrec(u16, u8),
    Pubrel(u16, u8),
    Pubcomp(u16, u8),
    Suback(u16, Vec<u8>),
    Unsuback(u16, Vec<u8>),
    Pingresp,
    Disconnect(u8),
    Auth(u8),
}

/// A PUBLISH that the broker sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// Empty where an alias stands for it.
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    /// 0 with QoS 0.
    pub(crate) id: u16,
    pub(crate) dup: bool,
    pub(crate) retain: bool,
    pub(crate) expiry: Option<u32>,
    pub(crate) identifiers: Vec<u32>,
    pub(crate) alias: Option<u16>,
    /// All other properties, as text.
    pub(crate) others: Vec<String>,
    /// The length of the whole packet.
    pub(crate) length: usize,
}

/// The first packet in `bytes` and its length; `None` if it is not whole.
pub(crate) fn first(bytes: &[u8], version: Version) -> Option<(Got, Vec<String>, usize)> {
    let (frame, length) = match Frame::split(bytes, u32::MAX).expect("the broker sends packets") {
        Split::Frame(frame, length) => (frame, length),
        Split::Need(_) => return None,
    };
    let packet = Packet::decode(frame, version).expect("the broker sends packets of the version");
    let (got, properties) = match packet {
        Packet::Connack(connack) => {
            let code = bytes[3];
            (Got::Connack { present: connack.session_present, code }, connack.properties)
        }
        Packet::Publish(publish) => (Got::Publish(message(&publish, length)), publish.properties),
        Packet::Puback(ack) => (Got::Puback(ack.packet_id.get(), ack.reason.number()), ack.properties),
        Packet::Pubrec(ack) => (Got::Pubrec(ack.packet_id.get(), ack.reason.number()), ack.properties),
        Packet::Pubrel(ack) => (Got::Pubrel(ack.packet_id.get(), ack.reason.number()), ack.properties),
        Packet::Pubcomp(ack) => (Got::Pubcomp(ack.packet_id.get(), ack.reason.number()), ack.properties),
        Packet::Suback(suback) => {
            let codes = suback.reasons.iter().map(|reason| reason.number()).collect();
            (Got::Suback(suback.packet_id.get(), codes), suback.properties)
        }
        Packet::Unsuback(unsuback) => {
            let codes = unsuback.reasons.iter().map(|reason| reason.get().number()).collect();
            (Got::Unsuback(unsuback.packet_id.get(), codes), unsuback.properties)
        }
        Packet::Pingresp(_) => (Got::Pingresp, colibri_codec::Properties::EMPTY),
        Packet::Disconnect(disconnect) => {
            (Got::Disconnect(disconnect.reason.number()), disconnect.properties)
        }
        Packet::Auth(auth) => (Got::Auth(auth.reason.number()), auth.properties),
        other => panic!("the broker sent {other:?}"),
    };
    let properties = properties.iter().map(|property| format!("{property:?}")).collect();
    Some((got, properties, length))
}

fn message(publish: &Publish<'_>, length: usize) -> Message {
    let mut message = Message {
        topic: publish.topic.map(|topic| topic.as_str().to_owned()).unwrap_or_default(),
        payload: publish.payload.to_vec(),
        qos: publish.qos().number(),
        id: publish.delivery.packet_id().map_or(0, |id| id.get()),
        dup: publish.dup,
        retain: publish.retain,
        length,
        ..Message::default()
    };
    for property in publish.properties.iter() {
        match property {
            Property::MessageExpiryInterval(seconds) => message.expiry = Some(seconds),
            Property::SubscriptionIdentifier(id) => message.identifiers.push(id),
            Property::TopicAlias(alias) => message.alias = Some(alias.get()),
            other => message.others.push(format!("{other:?}")),
        }
    }
    message.identifiers.sort_unstable();
    message
}

/// Bytes written in hex, with or without spaces.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}
