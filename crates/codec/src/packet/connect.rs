//! CONNECT (section 3.1): the first packet of a client.

use crate::fixed_header::{packet_length, put_fixed_header};
use crate::reader::Reader;
use crate::writer::{put_prefixed, put_u16};
use crate::{
    BinaryData, EncodeError, Malformed, PacketType, Properties, PropertyId, PropertySet, QoS, Sink,
    TopicName, Utf8String, Version,
};

/// A CONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Connect<'a> {
    /// The version that the connection is to speak.
    pub version: Version,
    /// Clean Start in 5.0, Clean Session before.
    pub clean_start: bool,
    /// The longest time between two packets of the client in seconds; 0 is for ever.
    pub keep_alive: u16,
    /// None before 5.0.
    pub properties: Properties<'a>,
    /// The key of the session; empty asks the server for one.
    pub client_id: Utf8String<'a>,
    /// What the server publishes when the client is lost.
    pub will: Option<Will<'a>>,
    /// Who the client says it is.
    pub user_name: Option<Utf8String<'a>>,
    /// What proves it.
    pub password: Option<BinaryData<'a>>,
}

/// A Will Message (section 3.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published.
    pub payload: BinaryData<'a>,
    /// The QoS it is published with.
    pub qos: QoS,
    /// Whether it is published with RETAIN.
    pub retain: bool,
    /// None before 5.0.
    pub properties: Properties<'a>,
}

/// The bits of the connect flags (section 3.1.2.3).
mod flag {
    pub(super) const RESERVED: u8 = 1;
    pub(super) const CLEAN_START: u8 = 1 << 1;
    pub(super) const WILL: u8 = 1 << 2;
    pub(super) const WILL_QOS_SHIFT: u8 = 3;
    pub(super) const WILL_RETAIN: u8 = 1 << 5;
    pub(super) const PASSWORD: u8 = 1 << 6;
    pub(super) const USER_NAME: u8 = 1 << 7;
}

impl<'a> Connect<'a> {
    /// What this packet may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::SessionExpiryInterval,
        PropertyId::ReceiveMaximum,
        PropertyId::MaximumPacketSize,
        PropertyId::TopicAliasMaximum,
        PropertyId::RequestResponseInformation,
        PropertyId::RequestProblemInformation,
        PropertyId::UserProperty,
        PropertyId::AuthenticationMethod,
        PropertyId::AuthenticationData,
    ]);

    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let version = decode_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = match version.has_properties() {
            true => Properties::decode(&mut reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        check_authentication(&properties)?;
        // [v5 MQTT-3.1.3-1] [v5 MQTT-3.1.3-3] [v5 MQTT-3.1.3-4] [v3.1.1 MQTT-3.1.3-1] [v3.1.1 MQTT-3.1.3-3]
        // [v3.1.1 MQTT-3.1.3-4]
        let client_id = reader.utf8_string()?;
        // [v5 MQTT-3.1.2-9] [v3.1.1 MQTT-3.1.2-9]
        let will = match flags & flag::WILL != 0 {
            true => Some(Will::decode(&mut reader, flags, version)?),
            false => None,
        };
        // [v5 MQTT-3.1.2-16] [v5 MQTT-3.1.2-17] [v5 MQTT-3.1.3-12] [v3.1.1 MQTT-3.1.2-18]
        // [v3.1.1 MQTT-3.1.2-19] [v3.1.1 MQTT-3.1.3-11]
        let user_name = match flags & flag::USER_NAME != 0 && !may_end(&reader, version) {
            true => Some(reader.utf8_string()?),
            false => None,
        };
        // [v5 MQTT-3.1.2-18] [v5 MQTT-3.1.2-19] [v3.1.1 MQTT-3.1.2-20] [v3.1.1 MQTT-3.1.2-21]
        let password = match flags & flag::PASSWORD != 0 && !may_end(&reader, version) {
            true => Some(reader.binary()?),
            false => None,
        };
        reader.finish()?;
        let clean_start = flags & flag::CLEAN_START != 0;
        Ok(Self { version, clean_start, keep_alive, properties, client_id, will, user_name, password })
    }

    /// The version that a CONNECT asks for, even where the rest of it is malformed; the answer is
    /// written for this version.
    pub fn peek_version(body: &[u8]) -> Option<Version> {
        decode_version(&mut Reader::new(body)).ok()
    }

    /// Writes the packet for its version.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn encode(&self, out: &mut impl Sink) -> Result<(), EncodeError> {
        let version = self.version;
        // [v3.1.1 MQTT-3.1.2-22]
        if !version.has_properties() && self.password.is_some() && self.user_name.is_none() {
            return Err(Malformed::PasswordWithoutUserName.into());
        }
        if version.has_properties() {
            self.properties.check(Self::PROPERTIES)?;
            check_authentication(&self.properties)?;
            if let Some(will) = &self.will {
                will.properties.check(Will::PROPERTIES)?;
            }
        }
        put_fixed_header(out, PacketType::Connect.first_byte(), self.remaining_length())?;
        put_prefixed(out, version.protocol_name().as_bytes());
        out.put(&[version.level(), self.flags()]);
        put_u16(out, self.keep_alive);
        if version.has_properties() {
            self.properties.encode(out);
        }
        put_prefixed(out, self.client_id.as_str().as_bytes());
        if let Some(will) = &self.will {
            if version.has_properties() {
                will.properties.encode(out);
            }
            put_prefixed(out, will.topic.as_str().as_bytes());
            put_prefixed(out, will.payload.as_bytes());
        }
        if let Some(user_name) = self.user_name {
            put_prefixed(out, user_name.as_str().as_bytes());
        }
        if let Some(password) = self.password {
            put_prefixed(out, password.as_bytes());
        }
        Ok(())
    }

    /// The length of the whole packet in bytes.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn length(&self) -> Result<u32, EncodeError> {
        packet_length(self.remaining_length())
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= flag::CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= flag::WILL | will.qos.number() << flag::WILL_QOS_SHIFT;
            if will.retain {
                flags |= flag::WILL_RETAIN;
            }
        }
        if self.password.is_some() {
            flags |= flag::PASSWORD;
        }
        if self.user_name.is_some() {
            flags |= flag::USER_NAME;
        }
        flags
    }

    fn remaining_length(&self) -> usize {
        let properties = self.version.has_properties();
        let will = self.will.as_ref().map_or(0, |will| {
            let own = 4 + will.topic.as_str().len() + will.payload.as_bytes().len();
            own + if properties { will.properties.encoded_length() } else { 0 }
        });
        2 + self.version.protocol_name().len()
            + 4
            + if properties { self.properties.encoded_length() } else { 0 }
            + 2
            + self.client_id.as_str().len()
            + will
            + self.user_name.map_or(0, |name| 2 + name.as_str().len())
            + self.password.map_or(0, |password| 2 + password.as_bytes().len())
    }
}

impl<'a> Will<'a> {
    /// What the will may carry.
    pub const PROPERTIES: PropertySet = PropertySet::of(&[
        PropertyId::WillDelayInterval,
        PropertyId::PayloadFormatIndicator,
        PropertyId::MessageExpiryInterval,
        PropertyId::ContentType,
        PropertyId::ResponseTopic,
        PropertyId::CorrelationData,
        PropertyId::UserProperty,
    ]);

    fn decode(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<Self, Malformed> {
        let properties = match version.has_properties() {
            true => Properties::decode(reader, Self::PROPERTIES)?,
            false => Properties::EMPTY,
        };
        // [v5 MQTT-3.1.3-11] [v3.1.1 MQTT-3.1.3-10]
        let topic = TopicName::new(reader.str()?).map_err(Malformed::WillTopic)?;
        let payload = reader.binary()?;
        // [v5 MQTT-3.1.2-12] [v3.1.1 MQTT-3.1.2-14]
        let qos = QoS::from_number(flags >> flag::WILL_QOS_SHIFT & 0b11).ok_or(Malformed::WillQosThree)?;
        Ok(Self { topic, payload, qos, retain: flags & flag::WILL_RETAIN != 0, properties })
    }
}

/// Authentication Data needs an Authentication Method (5.0, section 3.1.2.11.10).
fn check_authentication(properties: &Properties<'_>) -> Result<(), Malformed> {
    if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
        return Err(Malformed::AuthenticationMethodMissing);
    }
    Ok(())
}

fn decode_version(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
    let name = reader.prefixed()?;
    if !Version::ALL.iter().any(|version| version.protocol_name().as_bytes() == name) {
        // [v5 MQTT-3.1.2-1] [v3.1.1 MQTT-3.1.2-1]
        return Err(Malformed::ProtocolName);
    }
    // Bit 7 marks a bridge for some servers; it is no part of any standard.
    let level = reader.u8()?;
    // [v5 MQTT-3.1.2-2] [v3.1.1 MQTT-3.1.2-2]
    Version::ALL
        .into_iter()
        .find(|version| version.level() == level && version.protocol_name().as_bytes() == name)
        .ok_or(Malformed::ProtocolVersion(level))
}

/// Whether the packet may end here although the flags promise another field: in 3.1 the Remaining
/// Length takes precedence over the User Name and Password flags (its section 3.1).
const fn may_end(reader: &Reader<'_>, version: Version) -> bool {
    matches!(version, Version::V3_1) && reader.is_empty()
}

fn check_flags(flags: u8, version: Version) -> Result<(), Malformed> {
    // In 3.1 the bit is not used and nothing checks it.
    // [v5 MQTT-3.1.2-3] [v3.1.1 MQTT-3.1.2-3]
    if flags & flag::RESERVED != 0 && version != Version::V3_1 {
        return Err(Malformed::ConnectReservedFlag);
    }
    let will_qos = flags >> flag::WILL_QOS_SHIFT & 0b11;
    // 3.1 disregards Will QoS and Will Retain where there is no will (its section 3.1).
    if flags & flag::WILL == 0 && version != Version::V3_1 {
        // [v5 MQTT-3.1.2-11] [v3.1.1 MQTT-3.1.2-11] [v3.1.1 MQTT-3.1.2-13]
        if will_qos != 0 {
            return Err(Malformed::WillQosWithoutWill);
        }
        // [v5 MQTT-3.1.2-13] [v3.1.1 MQTT-3.1.2-15]
        if flags & flag::WILL_RETAIN != 0 {
            return Err(Malformed::WillRetainWithoutWill);
        }
    }
    // [v5 MQTT-3.1.2-12] [v3.1.1 MQTT-3.1.2-14]
    if flags & flag::WILL != 0 && will_qos == 3 {
        return Err(Malformed::WillQosThree);
    }
    // [v3.1.1 MQTT-3.1.2-22]
    let password_alone = flags & (flag::PASSWORD | flag::USER_NAME) == flag::PASSWORD;
    if password_alone && !version.has_properties() {
        return Err(Malformed::PasswordWithoutUserName);
    }
    Ok(())
}
