//! CONNACK (section 3.2): the server's answer to CONNECT.

use crate::fixed_header::{packet_length, put_fixed_header};
use crate::reader::Reader;
use crate::{
    ConnectReturnCode, EncodeError, Malformed, PacketType, Properties, PropertyId, PropertySet, ReasonCode,
    Sink, Version,
};

/// A CONNACK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connack<'a> {
    /// Whether the server goes on with a session it has stored; not known in 3.1.
    pub session_present: bool,
    /// Accepted or why not. Before 5.0 this stands for the return code of the same meaning.
    pub reason: ReasonCode,
    /// None before 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::SessionExpiryInterval,
        PropertyId::ReceiveMaximum,
        PropertyId::MaximumQos,
        PropertyId::RetainAvailable,
        PropertyId::MaximumPacketSize,
        PropertyId::AssignedClientIdentifier,
        PropertyId::TopicAliasMaximum,
        PropertyId::ReasonString,
        PropertyId::UserProperty,
        PropertyId::WildcardSubscriptionAvailable,
        PropertyId::SubscriptionIdentifierAvailable,
        PropertyId::SharedSubscriptionAvailable,
        PropertyId::ServerKeepAlive,
        PropertyId::ResponseInformation,
        PropertyId::ServerReference,
        PropertyId::AuthenticationMethod,
        PropertyId::AuthenticationData,
    ]);

    /// One that refuses, without properties.
    pub const fn refused(reason: ReasonCode) -> Self {
        Self { session_present: false, reason, properties: Properties::EMPTY }
    }

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        // [v5 MQTT-3.2.2-1]; in 3.1 the byte is reserved and not used.
        if flags & !1 != 0 && version != Version::V3_1 {
            return Err(Malformed::ConnackReservedFlags);
        }
        let session_present = flags & 1 != 0 && version != Version::V3_1;
        let number = reader.u8()?;
        let (reason, properties) = match version {
            // A server that does not speak 5.0 answers in the older form, without properties.
            Version::V5 if reader.is_empty() && number != 0 => {
                let older = ConnectReturnCode::from_number(number).map(ConnectReturnCode::reason);
                let reason = match older {
                    Some(reason) => reason,
                    None => ReasonCode::check(number, PacketType::Connack)?,
                };
                (reason, Properties::EMPTY)
            }
            Version::V5 => {
                let reason = ReasonCode::check(number, PacketType::Connack)?;
                (reason, Properties::decode(&mut reader, Self::PROPERTIES)?)
            }
            Version::V3_1 | Version::V3_1_1 => {
                let code = ConnectReturnCode::from_number(number)
                    .ok_or(Malformed::ReasonCode(PacketType::Connack, number))?;
                (code.reason(), Properties::EMPTY)
            }
        };
        reader.finish()?;
        // [v5 MQTT-3.2.2-6] [v3.1.1 MQTT-3.2.2-4]
        if session_present && reason != ReasonCode::Success {
            return Err(Malformed::SessionPresentOnRefusal);
        }
        Ok(Self { session_present, reason, properties })
    }

    /// Writes the packet.
    ///
    /// # Errors
    /// See [`EncodeError`]; [`Malformed::ReasonCode`] also where no return code of 3.x has the meaning.
    pub fn encode(&self, version: Version, out: &mut impl Sink) -> Result<(), EncodeError> {
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(Malformed::SessionPresentOnRefusal.into());
        }
        let number = match version {
            Version::V5 => {
                ReasonCode::check(self.reason.number(), PacketType::Connack)?;
                self.properties.check(Self::PROPERTIES)?;
                self.reason.number()
            }
            Version::V3_1 | Version::V3_1_1 => ConnectReturnCode::from_reason(self.reason)
                .ok_or_else(|| Malformed::ReasonCode(PacketType::Connack, self.reason.number()))?
                as u8,
        };
        put_fixed_header(out, PacketType::Connack.first_byte(), self.remaining_length(version))?;
        out.put(&[u8::from(self.session_present && version != Version::V3_1), number]);
        if version.has_properties() {
            self.properties.encode(out);
        }
        Ok(())
    }

    /// The length of the whole packet in bytes.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn length(&self, version: Version) -> Result<u32, EncodeError> {
        packet_length(self.remaining_length(version))
    }

    fn remaining_length(&self, version: Version) -> usize {
        2 + if version.has_properties() { self.properties.encoded_length() } else { 0 }
    }
}
