//! PUBACK (section 3.4): the answer to a PUBLISH with QoS 1.

use super::ack::{self, Ending};
use crate::{
    EncodeError, Malformed, PacketId, PacketType, Properties, PropertySet, ReasonCode, Sink, Version,
};

/// A PUBACK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Puback<'a> {
    /// The identifier of the PUBLISH. [v5 MQTT-2.2.1-5] [v3.1.1 MQTT-2.3.1-6]
    pub packet_id: PacketId,
    /// What became of it; before 5.0 always [`ReasonCode::Success`].
    pub reason: ReasonCode,
    /// Reason String and User Properties; none before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Puback<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = ack::PROPERTIES;

    /// One without properties.
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self { packet_id, reason, properties: Properties::EMPTY }
    }

    /// Decodes the body of a PUBACK.
    ///
    /// # Errors
    /// The first broken rule, in the order of the standard.
    #[inline]
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let (packet_id, Ending { reason, properties }) = ack::decode(body, PacketType::Puback, version)?;
        Ok(Self { packet_id, reason, properties })
    }

    /// Writes the packet, as short as it may be.
    ///
    /// # Errors
    /// See [`EncodeError`].
    #[inline]
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        ack::encode(self.packet_id, self.ending(), PacketType::Puback, version, out)
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
