//! DISCONNECT (section 3.14): the last packet that an end sends, with the reason.

use super::ack::Ending;
use crate::reader::Reader;
use crate::{
    EncodeError, Malformed, PacketType, Properties, PropertyId, PropertySet, ReasonCode, Sink, Version,
};

/// A DISCONNECT. Before 5.0 only clients send it and it carries nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// Why the connection ends.
    pub reason: ReasonCode,
    /// None before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::SessionExpiryInterval,
        PropertyId::ReasonString,
        PropertyId::UserProperty,
        PropertyId::ServerReference,
    ]);

    /// One without properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: Properties::EMPTY }
    }

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let Ending { reason, properties } =
            Ending::decode(Reader::new(body), PacketType::Disconnect, Self::PROPERTIES, version)?;
        Ok(Self { reason, properties })
    }

    /// Writes the packet, as short as it may be.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        self.ending().encode(PacketType::Disconnect, Self::PROPERTIES, version, out)
    }

    /// The length of the whole packet in bytes.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn length(&self, version: Version) -> Result<u32, EncodeError> {
        self.ending().packet_length(0, version)
    }

    const fn ending(&self) -> Ending<'a> {
        Ending { reason: self.reason, properties: self.properties }
    }
}
