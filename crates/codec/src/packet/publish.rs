//! PUBLISH (section 3.3): a message on its way.

use crate::fixed_header::{packet_length, put_fixed_header};
use crate::reader::Reader;
use crate::writer::{put_prefixed, put_u16};
use crate::{
    EncodeError, Frame, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, QoS, Sink,
    TopicName, Version,
};

/// A PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Whether this packet may have been sent before; never with QoS 0.
    pub dup: bool,
    /// The QoS, with the Packet Identifier that QoS 1 and 2 have.
    pub delivery: Delivery,
    /// Whether the server keeps the message, or kept it.
    pub retain: bool,
    /// The topic; `None` where a Topic Alias stands for it (5.0).
    pub topic: Option<TopicName<'a>>,
    /// None before 5.0.
    pub properties: Properties<'a>,
    /// The application's bytes, up to what is left of the largest packet.
    pub payload: &'a [u8],
}

/// A QoS with the Packet Identifier that belongs to it. [v5 MQTT-2.2.1-2] [v3.1.1 MQTT-2.3.1-5]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0: no identifier.
    AtMostOnce,
    /// QoS 1: acknowledged with PUBACK.
    AtLeastOnce(PacketId),
    /// QoS 2: acknowledged with PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// The QoS.
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce(_) => QoS::AtLeastOnce,
            Self::ExactlyOnce(_) => QoS::ExactlyOnce,
        }
    }

    /// The identifier, if there is one.
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(id) | Self::ExactlyOnce(id) => Some(id),
        }
    }
}

impl<'a> Publish<'a> {
    /// What this packet may carry. That a client sends no Subscription Identifier is the
    /// connection's to check. [v5 MQTT-3.3.4-6]
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::PayloadFormatIndicator,
        PropertyId::MessageExpiryInterval,
        PropertyId::ContentType,
        PropertyId::ResponseTopic,
        PropertyId::CorrelationData,
        PropertyId::SubscriptionIdentifier,
        PropertyId::TopicAlias,
        PropertyId::UserProperty,
    ])
    .repeating(PropertyId::SubscriptionIdentifier);

    /// A PUBLISH of nothing, to be filled by [`Publish::read`].
    pub const EMPTY: Self = Self {
        dup: false,
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: None,
        properties: Properties::EMPTY,
        payload: &[],
    };

    /// Decodes a PUBLISH.
    ///
    /// # Errors
    /// The first broken rule, in the order of the standard.
    #[inline]
    pub fn decode(frame: Frame<'a>, version: Version) -> Result<Self, Malformed> {
        let mut publish = Self::EMPTY;
        publish.read(frame, version)?;
        Ok(publish)
    }

    /// Decodes a PUBLISH in place of this one, which is left half changed by an error.
    ///
    /// # Errors
    /// As for [`Publish::decode`].
    // In place and inlined by force: returned through memory, its hundred bytes were written and read again
    // three times per message, a quarter of what a QoS 0 message cost a server.
    #[inline(always)]
    pub fn read(&mut self, frame: Frame<'a>, version: Version) -> Result<(), Malformed> {
        let first = frame.first_byte();
        let mut reader = Reader::new(frame.body());
        // [v5 MQTT-3.3.1-4] [v3.1.1 MQTT-3.3.1-4]
        let qos = QoS::from_number(first >> 1 & 0b11).ok_or(Malformed::PublishQosThree)?;
        self.dup = first & 0b1000 != 0;
        self.retain = first & 1 != 0;
        // [v5 MQTT-3.3.1-2] [v3.1.1 MQTT-3.3.1-2]
        if self.dup && qos == QoS::AtMostOnce {
            return Err(Malformed::DupWithQosZero);
        }
        // [v5 MQTT-3.3.2-1] [v3.1.1 MQTT-3.3.2-1]
        self.topic = match reader.str()? {
            "" => None,
            // [v5 MQTT-3.3.2-2] [v3.1.1 MQTT-3.3.2-2]
            text => Some(TopicName::new(text).map_err(Malformed::TopicName)?),
        };
        self.delivery = match qos {
            QoS::AtMostOnce => Delivery::AtMostOnce,
            QoS::AtLeastOnce => Delivery::AtLeastOnce(reader.packet_id()?),
            QoS::ExactlyOnce => Delivery::ExactlyOnce(reader.packet_id()?),
        };
        self.properties = match version.has_properties() {
            true => Properties::decode(&mut reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        // [v5 MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-1]
        if self.topic.is_none() && !self.properties.contains(PropertyId::TopicAlias) {
            return Err(Malformed::TopicMissing);
        }
        self.payload = reader.rest();
        Ok(())
    }

    /// The QoS.
    pub const fn qos(&self) -> QoS {
        self.delivery.qos()
    }

    /// Writes the packet. DUP is left out with QoS 0. [v5 MQTT-4.3.1-1] [v3.1.1 MQTT-4.3.1-1]
    ///
    /// # Errors
    /// See [`EncodeError`].
    #[inline]
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if version.has_properties() {
            self.properties.check(Self::PROPERTIES)?;
        }
        let has_alias = version.has_properties() && self.properties.contains(PropertyId::TopicAlias);
        if self.topic.is_none() && !has_alias {
            return Err(Malformed::TopicMissing.into());
        }
        put_fixed_header(out, self.first_byte(), self.remaining_length(version))?;
        put_prefixed(out, self.topic.map_or("", TopicName::as_str).as_bytes());
        if let Some(packet_id) = self.delivery.packet_id() {
            put_u16(out, packet_id.get());
        }
        if version.has_properties() {
            self.properties.encode(out);
        }
        out.put(self.payload);
        Ok(())
    }

    /// The length of the whole packet in bytes.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn length(&self, version: Version) -> Result<u32, EncodeError> {
        packet_length(self.remaining_length(version))
    }

    /// Where the Packet Identifier stands in an encoded packet of this length, for QoS 1 and 2.
    pub fn packet_id_offset(&self, length: usize, version: Version) -> usize {
        length - self.remaining_length(version) + 2 + self.topic.map_or(0, |topic| topic.as_str().len())
    }

    fn first_byte(&self) -> u8 {
        let qos = self.qos();
        let dup = self.dup && qos != QoS::AtMostOnce;
        PacketType::Publish.number() << 4 | u8::from(dup) << 3 | qos.number() << 1 | u8::from(self.retain)
    }

    fn remaining_length(&self, version: Version) -> usize {
        let topic = self.topic.map_or(0, |topic| topic.as_str().len());
        let packet_id = if self.delivery.packet_id().is_some() { 2 } else { 0 };
        let properties = if version.has_properties() { self.properties.encoded_length() } else { 0 };
        2 + topic + packet_id + properties + self.payload.len()
    }
}
