//! The form that PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT and AUTH share: a reason code and
//! properties at the end, which may be left out.

use crate::fixed_header::{packet_length, put_fixed_header};
use crate::reader::Reader;
use crate::writer::put_u16;
use crate::{
    EncodeError, Malformed, PacketId, PacketType, Properties, PropertyId, PropertySet, ReasonCode, Sink,
    Version, put_plain_ack,
};

/// What the four acknowledgements may carry.
pub(super) const PROPERTIES: PropertySet =
    PropertySet::of(&[PropertyId::ReasonString, PropertyId::UserProperty]);

/// The reason code and the properties at the end of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ending<'a> {
    pub(super) reason: ReasonCode,
    pub(super) properties: Properties<'a>,
}

impl<'a> Ending<'a> {
    /// Reads an ending of which both parts may be missing; before 5.0 both must be.
    #[inline]
    pub(super) fn decode(
        mut reader: Reader<'a>,
        packet_type: PacketType,
        allowed: PropertySet,
        version: Version,
    ) -> Result<Self, Malformed> {
        let mut ending = Self { reason: ReasonCode::Success, properties: Properties::EMPTY };
        if version.has_properties() && !reader.is_empty() {
            ending.reason = ReasonCode::check(reader.u8()?, packet_type)?;
            if !reader.is_empty() {
                ending.properties = Properties::decode(&mut reader, allowed)?;
            }
        }
        reader.finish()?;
        Ok(ending)
    }

    /// The length in bytes, with everything left out that may be.
    fn length(&self, version: Version) -> usize {
        match (version.has_properties(), self.properties.is_empty(), self.reason) {
            (false, ..) | (true, true, ReasonCode::Success) => 0,
            (true, true, _) => 1,
            (true, false, _) => 1 + self.properties.encoded_length(),
        }
    }

    pub(super) fn check(
        &self,
        packet_type: PacketType,
        allowed: PropertySet,
        version: Version,
    ) -> Result<(), EncodeError> {
        if version.has_properties() {
            ReasonCode::check(self.reason.number(), packet_type)?;
            self.properties.check(allowed)?;
        }
        Ok(())
    }

    fn put(&self, version: Version, out: &mut impl Sink) {
        if self.length(version) > 0 {
            out.put_u8(self.reason.number());
            if !self.properties.is_empty() {
                self.properties.encode(out);
            }
        }
    }

    /// Writes a packet that consists of this ending alone.
    pub(super) fn encode(
        &self,
        packet_type: PacketType,
        allowed: PropertySet,
        version: Version,
        out: &mut impl Sink,
    ) -> Result<(), EncodeError> {
        self.check(packet_type, allowed, version)?;
        put_fixed_header(out, packet_type.first_byte(), self.length(version))?;
        self.put(version, out);
        Ok(())
    }

    /// The length of a packet that consists of `before` bytes and this ending.
    pub(super) fn packet_length(&self, before: usize, version: Version) -> Result<u32, EncodeError> {
        packet_length(before + self.length(version))
    }
}

/// Reads an acknowledgement: a Packet Identifier and an ending.
#[inline]
pub(super) fn decode(
    body: &[u8],
    packet_type: PacketType,
    version: Version,
) -> Result<(PacketId, Ending<'_>), Malformed> {
    let mut reader = Reader::new(body);
    let packet_id = reader.packet_id()?;
    Ok((packet_id, Ending::decode(reader, packet_type, PROPERTIES, version)?))
}

/// Writes an acknowledgement.
#[inline]
pub(super) fn encode(
    packet_id: PacketId,
    ending: Ending<'_>,
    packet_type: PacketType,
    version: Version,
    out: &mut impl Sink,
) -> Result<(), EncodeError> {
    // What says nothing but that all is well is the same in all versions.
    if ending.reason == ReasonCode::Success && ending.properties.is_empty() {
        put_plain_ack(packet_type, packet_id, out);
        return Ok(());
    }
    ending.check(packet_type, PROPERTIES, version)?;
    put_fixed_header(out, packet_type.first_byte(), 2 + ending.length(version))?;
    put_u16(out, packet_id.get());
    ending.put(version, out);
    Ok(())
}
