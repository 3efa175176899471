//! Packets on a link as a simulated client looks at them: owned, with numbers for codes.

use std::fmt;

use colibri_codec::{Frame, Packet, Property, Publish, Split, Version};

/// A packet that the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Connack { present: bool, code: u8 },
    Publish(Message),
    Puback(u16, u8),
    Pubrec(u16, u8),
    Pubrel(u16),
    Pubcomp(u16),
    Suback(u16, Vec<u8>),
    Unsuback(u16),
    Pingresp,
    Disconnect(u8),
}

/// A PUBLISH that the broker sent.
#[derive(Clone, Default, PartialEq, Eq)]
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
    pub(crate) alias: Option<u16>,
}

/// The number at the front of a payload, by which a message is known; 0 for none.
pub(crate) fn serial(payload: &[u8]) -> u64 {
    let digits = payload.get(1..8).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.payload.get(..8).unwrap_or(&self.payload));
        write!(f, "PUBLISH {} {text:?} qos {} id {}", self.topic, self.qos, self.id)?;
        let flags = [(self.dup, " dup"), (self.retain, " retain")];
        flags.iter().filter(|(set, _)| *set).try_for_each(|(_, name)| f.write_str(name))?;
        self.expiry.map_or(Ok(()), |seconds| write!(f, " expires in {seconds} s"))
    }
}

/// The first packet in `bytes` and its length; `None` if it is not whole. The error is a sentence.
pub(crate) fn first(bytes: &[u8], version: Version) -> Result<Option<(Got, usize)>, String> {
    let split = Frame::split(bytes, u32::MAX).map_err(|error| format!("no packet: {error}"))?;
    let Split::Frame(frame, length) = split else { return Ok(None) };
    let packet = Packet::decode(frame, version).map_err(|error| format!("a malformed packet: {error}"))?;
    let got = match packet {
        Packet::Connack(connack) => {
            Got::Connack { present: connack.session_present, code: bytes.get(3).copied().unwrap_or(0) }
        }
        Packet::Publish(publish) => Got::Publish(message(&publish)),
        Packet::Puback(ack) => Got::Puback(ack.packet_id.get(), ack.reason.number()),
        Packet::Pubrec(ack) => Got::Pubrec(ack.packet_id.get(), ack.reason.number()),
        Packet::Pubrel(ack) => Got::Pubrel(ack.packet_id.get()),
        Packet::Pubcomp(ack) => Got::Pubcomp(ack.packet_id.get()),
        Packet::Suback(suback) => {
            let codes = suback.reasons.iter().map(|reason| reason.number()).collect();
            Got::Suback(suback.packet_id.get(), codes)
        }
        Packet::Unsuback(unsuback) => Got::Unsuback(unsuback.packet_id.get()),
        Packet::Pingresp(_) => Got::Pingresp,
        Packet::Disconnect(disconnect) => Got::Disconnect(disconnect.reason.number()),
        other => return Err(format!("a server does not send {other:?}")),
    };
    Ok(Some((got, length)))
}

fn message(publish: &Publish<'_>) -> Message {
    let mut message = Message {
        topic: publish.topic.map(|topic| topic.as_str().to_owned()).unwrap_or_default(),
        payload: publish.payload.to_vec(),
        qos: publish.qos().number(),
        id: publish.delivery.packet_id().map_or(0, |id| id.get()),
        dup: publish.dup,
        retain: publish.retain,
        ..Message::default()
    };
    for property in publish.properties.iter() {
        match property {
            Property::MessageExpiryInterval(seconds) => message.expiry = Some(seconds),
            Property::TopicAlias(alias) => message.alias = Some(alias.get()),
            _ => {}
        }
    }
    message
}
