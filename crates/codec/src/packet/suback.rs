//! SUBACK (section 3.9): what became of each subscription of a SUBSCRIBE.

use crate::fixed_header::put_fixed_header;
use crate::reader::Reader;
use crate::writer::put_u16;
use crate::{
    Element, EncodeError, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, ReasonCode,
    Sequence, Sink, Version,
};

/// A SUBACK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suback<'a> {
    /// The identifier of the SUBSCRIBE. [v5 MQTT-2.2.1-6] [v3.1.1 MQTT-2.3.1-7]
    pub packet_id: PacketId,
    /// Reason String and User Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// One per filter, in their order: the QoS granted, or a failure. Before 5.0 each failure is sent as 0x80.
    pub reasons: Sequence<'a, ReasonCode>,
}

impl<'a> Suback<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet =
        PropertySet::of(&[PropertyId::ReasonString, PropertyId::UserProperty]);

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = match version.has_properties() {
            true => Properties::decode(&mut reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        let reasons = Sequence::decode(reader, version)?;
        if reasons.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Suback));
        }
        Ok(Self { packet_id, properties, reasons })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if self.reasons.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Suback).into());
        }
        for reason in self.reasons.iter() {
            ReasonCode::check(reason.number(), PacketType::Suback)?;
        }
        let mut remaining = 2 + self.reasons.length();
        if version.has_properties() {
            self.properties.check(Self::PROPERTIES)?;
            remaining += self.properties.encoded_length();
        }
        put_fixed_header(out, PacketType::Suback.first_byte(), remaining)?;
        put_u16(out, self.packet_id.get());
        if version.has_properties() {
            self.properties.encode(out);
        }
        self.reasons.encode(version, out);
        Ok(())
    }
}

/// A reason code of a SUBACK.
impl<'a> Element<'a> for ReasonCode {
    fn read(bytes: &'a [u8], version: Version) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let code = Self::check_suback(reader.u8()?, version)?;
        Ok((code, reader.rest()))
    }

    fn write(&self, version: Version, out: &mut impl Sink) {
        out.put_u8(self.suback_byte(version));
    }

    fn length(&self) -> usize {
        1
    }
}
