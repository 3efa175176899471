//! UNSUBACK (section 3.11): what became of each filter of an UNSUBSCRIBE.

use crate::fixed_header::put_fixed_header;
use crate::reader::Reader;
use crate::writer::put_u16;
use crate::{
    Element, EncodeError, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, ReasonCode,
    Sequence, Sink, Version,
};

/// An UNSUBACK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsuback<'a> {
    /// The identifier of the UNSUBSCRIBE. [v5 MQTT-2.2.1-6] [v3.1.1 MQTT-2.3.1-7]
    pub packet_id: PacketId,
    /// Reason String and User Properties; none before 5.0.
    pub properties: Properties<'a>,
    /// One per filter, in their order; before 5.0 there are none and they are not sent.
    pub reasons: Sequence<'a, UnsubackReason>,
}

/// A reason code that an UNSUBACK may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubackReason(ReasonCode);

impl UnsubackReason {
    /// Checks that an UNSUBACK may carry the code.
    ///
    /// # Errors
    /// [`Malformed::ReasonCode`].
    pub fn new(reason: ReasonCode) -> Result<Self, Malformed> {
        ReasonCode::check(reason.number(), PacketType::Unsuback).map(Self)
    }

    /// The code.
    pub const fn get(self) -> ReasonCode {
        self.0
    }
}

impl<'a> Unsuback<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet =
        PropertySet::of(&[PropertyId::ReasonString, PropertyId::UserProperty]);

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        if !version.has_properties() {
            reader.finish()?;
            return Ok(Self { packet_id, properties: Properties::EMPTY, reasons: Sequence::new(&[]) });
        }
        let properties = Properties::decode(&mut reader, Self::PROPERTIES)?;
        let reasons = Sequence::decode(reader, version)?;
        if reasons.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Unsuback));
        }
        Ok(Self { packet_id, properties, reasons })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if !version.has_properties() {
            put_fixed_header(out, PacketType::Unsuback.first_byte(), 2)?;
            put_u16(out, self.packet_id.get());
            return Ok(());
        }
        if self.reasons.is_empty() {
            return Err(Malformed::PayloadMissing(PacketType::Unsuback).into());
        }
        self.properties.check(Self::PROPERTIES)?;
        let remaining = 2 + self.properties.encoded_length() + self.reasons.length();
        put_fixed_header(out, PacketType::Unsuback.first_byte(), remaining)?;
        put_u16(out, self.packet_id.get());
        self.properties.encode(out);
        self.reasons.encode(version, out);
        Ok(())
    }
}

impl<'a> Element<'a> for UnsubackReason {
    fn read(bytes: &'a [u8], _: Version) -> Result<(Self, &'a [u8]), Malformed> {
        let mut reader = Reader::new(bytes);
        let code = ReasonCode::check(reader.u8()?, PacketType::Unsuback)?;
        Ok((Self(code), reader.rest()))
    }

    fn write(&self, _: Version, out: &mut impl Sink) {
        out.put_u8(self.0.number());
    }

    fn length(&self) -> usize {
        1
    }
}
