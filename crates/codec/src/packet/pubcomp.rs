//! PUBCOMP (section 3.7): the last answer of a QoS 2 exchange.

use super::ack::{self, Ending};
use crate::{
    EncodeError, Malformed, PacketId, PacketType, Properties, PropertySet, ReasonCode, Sink, Version,
};

/// A PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pubcomp<'a> {
    /// The identifier of the PUBREL. [v5 MQTT-2.2.1-5] [v3.1.1 MQTT-2.3.1-6]
    pub packet_id: PacketId,
    /// What became of it; before 5.0 always [`ReasonCode::Success`].
    pub reason: ReasonCode,
    /// Reason String and User Properties; none before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Pubcomp<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = ack::PROPERTIES;

    /// One without properties.
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: Properties::EMPTY }
    }

    #[inline]
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let (packet_id, Ending { reason, properties }) = ack::decode(body, PacketType::Pubcomp, version)?;
        Ok(Self { packet_id, reason, properties })
    }

    /// Writes the packet, as short as it may be.
    ///
    /// # Errors
    /// See [`EncodeError`].
    #[inline]
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        ack::encode(self.packet_id, self.ending(), PacketType::Pubcomp, version, out)
    }

    /// The length of the whole packet in bytes.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn length(&self, version: Version) -> Result<u32, EncodeError> {
        self.ending().packet_length(2, version)
    }

    const fn ending(&self) -> Ending<'a> {
        Ending { reason: self.reason, properties: self.properties }
    }
}
