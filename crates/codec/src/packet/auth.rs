//! AUTH (5.0, section 3.15): a step of an extended authentication.

use super::ack::Ending;
use crate::reader::Reader;
use crate::{
    EncodeError, Malformed, PacketType, Properties, PropertyId, PropertySet, ReasonCode, Sink, Version,
};

/// An AUTH, which exists in 5.0 only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// The method, the data and more.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::AuthenticationMethod,
        PropertyId::AuthenticationData,
        PropertyId::ReasonString,
        PropertyId::UserProperty,
    ]);

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let Ending { reason, properties } =
            Ending::decode(Reader::new(body), PacketType::Auth, Self::PROPERTIES, version)?;
        // Only the shortest form, which says success, may leave the method out (section 3.15.2.1).
        if !body.is_empty() && properties.authentication_method().is_none() {
            return Err(Malformed::AuthenticationMethodMissing);
        }
        Ok(Self { reason, properties })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`]; [`Malformed::ReservedPacketType`] before 5.0.
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if !version.has_properties() {
            return Err(Malformed::ReservedPacketType.into());
        }
        let ending = Ending { reason: self.reason, properties: self.properties };
        if ending.packet_length(0, version)? > 2 && self.properties.authentication_method().is_none() {
            return Err(Malformed::AuthenticationMethodMissing.into());
        }
        ending.encode(PacketType::Auth, Self::PROPERTIES, version, out)
    }
}
