//! Each way to be malformed, the reason code it calls for and the statements it breaks.

use core::fmt;

use crate::{PacketType, PropertyId, ReasonCode, TopicError};

/// Who has to mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The other end of the connection sent what the standard forbids.
    Peer,
    /// Our own caller asked for what cannot be done.
    Caller,
}

/// A packet that cannot be what the standard calls a packet.
///
/// One variant per broken rule; [`Malformed::reason_code`] is what a 5.0 peer is told, and
/// [`Malformed::statements`] names the numbered statements that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Packet type 0, or 15 before 5.0.
    ReservedPacketType,
    /// The flag bits of the fixed header differ from the value reserved for this packet type.
    ReservedFlags(PacketType),
    /// A Variable Byte Integer goes on after its fourth byte.
    VariableByteIntegerTooLong,
    /// A Variable Byte Integer takes more bytes than its value needs.
    VariableByteIntegerOverlong,
    /// The whole packet is larger than its receiver takes.
    PacketTooLarge {
        /// The size that the fixed header announces, in bytes.
        size: u32,
        /// The largest size the receiver takes, in bytes.
        maximum: u32,
    },
    /// A field goes on past the end of the packet.
    Truncated,
    /// Bytes are left after the last field of the packet.
    TrailingBytes,
    /// A string is not well-formed UTF-8.
    StringNotUtf8,
    /// A string holds U+0000.
    StringHasNul,
    /// A string is longer than 65,535 bytes (only when made by a caller).
    StringTooLong,
    /// Binary data is longer than 65,535 bytes (only when made by a caller).
    BinaryTooLong,
    /// The Packet Identifier is 0.
    PacketIdZero,

    /// CONNECT names a protocol that is not MQTT.
    ProtocolName,
    /// CONNECT asks for a version that we do not speak.
    ProtocolVersion(u8),
    /// Bit 0 of the connect flags is set.
    ConnectReservedFlag,
    /// Will QoS is above 0 although Will Flag is 0.
    WillQosWithoutWill,
    /// Will Retain is 1 although Will Flag is 0.
    WillRetainWithoutWill,
    /// Will QoS is 3.
    WillQosThree,
    /// Password Flag is 1 although User Name Flag is 0, before 5.0.
    PasswordWithoutUserName,
    /// The Will Topic breaks a rule for topic names.
    WillTopic(TopicError),

    /// Bits 1 to 7 of the connect acknowledge flags are not 0.
    ConnackReservedFlags,
    /// Session Present is 1 although the connection is refused.
    SessionPresentOnRefusal,

    /// Both QoS bits of a PUBLISH are set.
    PublishQosThree,
    /// DUP is set on a PUBLISH with QoS 0.
    DupWithQosZero,
    /// The Topic Name breaks a rule for topic names.
    TopicName(TopicError),
    /// The Topic Name is empty and there is no Topic Alias.
    TopicMissing,

    /// A SUBSCRIBE, UNSUBSCRIBE, SUBACK or UNSUBACK has an empty payload.
    PayloadMissing(PacketType),
    /// A Topic Filter breaks a rule for topic filters.
    TopicFilter(TopicError),
    /// A subscription asks for QoS 3.
    SubscribeQosThree,
    /// A subscription asks for Retain Handling 3.
    RetainHandlingThree,
    /// Reserved bits of the subscription options are set.
    SubscribeReservedBits,
    /// No Local is set on a Shared Subscription.
    NoLocalOnShared,

    /// The reason code is none that this packet may carry.
    ReasonCode(PacketType, u8),

    /// The property section is longer than the packet, or ends inside a property.
    PropertyLength,
    /// No property has this identifier.
    PropertyUnknown(u32),
    /// This packet may not carry this property.
    PropertyNotAllowed(PropertyId),
    /// The property may stand only once.
    PropertyTwice(PropertyId),
    /// The property's value is outside its bounds.
    PropertyValue(PropertyId),
    /// The Response Topic breaks a rule for topic names.
    ResponseTopic(TopicError),
    /// Topic Alias 0.
    TopicAliasZero,
    /// Authentication Data without an Authentication Method, or an AUTH without one.
    AuthenticationMethodMissing,
}

impl Malformed {
    /// The 5.0 reason code that says this to the peer (sections 2.4 and 4.13).
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReservedPacketType
            | Self::ReservedFlags(_)
            | Self::VariableByteIntegerTooLong
            | Self::VariableByteIntegerOverlong
            | Self::Truncated
            | Self::TrailingBytes
            | Self::StringNotUtf8
            | Self::StringHasNul
            | Self::StringTooLong
            | Self::BinaryTooLong
            | Self::ConnectReservedFlag
            | Self::WillQosWithoutWill
            | Self::WillRetainWithoutWill
            | Self::WillQosThree
            | Self::PasswordWithoutUserName
            | Self::ConnackReservedFlags
            | Self::PublishQosThree
            | Self::DupWithQosZero
            | Self::SubscribeReservedBits
            | Self::ReasonCode(..)
            | Self::PropertyLength
            | Self::PropertyUnknown(_)
            | Self::PropertyNotAllowed(_) => ReasonCode::MalformedPacket,
            Self::PacketIdZero
            | Self::SessionPresentOnRefusal
            | Self::TopicMissing
            | Self::PayloadMissing(_)
            | Self::SubscribeQosThree
            | Self::RetainHandlingThree
            | Self::NoLocalOnShared
            | Self::PropertyTwice(_)
            | Self::PropertyValue(_)
            | Self::AuthenticationMethodMissing => ReasonCode::ProtocolError,
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::ProtocolVersion(_) => ReasonCode::UnsupportedProtocolVersion,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            // U+0000 in a string is malformed wherever it stands (section 1.5.4).
            Self::TopicFilter(TopicError::Nul) => ReasonCode::MalformedPacket,
            Self::TopicFilter(_) => ReasonCode::TopicFilterInvalid,
            Self::WillTopic(error) | Self::TopicName(error) | Self::ResponseTopic(error) => match error {
                TopicError::Nul => ReasonCode::MalformedPacket,
                TopicError::Empty
                | TopicError::TooLong
                | TopicError::WildcardInName
                | TopicError::MultiLevelWildcardMisplaced
                | TopicError::SingleLevelWildcardMisplaced
                | TopicError::ShareNameInvalid
                | TopicError::ShareFilterMissing => ReasonCode::TopicNameInvalid,
            },
        }
    }

    /// Whoever sent the bytes, except where a caller made the value.
    pub const fn blame(self) -> Blame {
        match self {
            Self::StringTooLong | Self::BinaryTooLong => Blame::Caller,
            _ => Blame::Peer,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedPacketType => f.write_str("the packet type is reserved"),
            Self::ReservedFlags(packet) => {
                write!(f, "the fixed header flags of {packet} are not the reserved value")
            }
            Self::VariableByteIntegerTooLong => {
                f.write_str("a variable byte integer goes on after four bytes")
            }
            Self::VariableByteIntegerOverlong => {
                f.write_str("a variable byte integer takes more bytes than its value needs")
            }
            Self::PacketTooLarge { size, maximum } => {
                write!(f, "the packet has {size} bytes and {maximum} are allowed")
            }
            Self::Truncated => f.write_str("a field goes on past the end of the packet"),
            Self::TrailingBytes => f.write_str("bytes are left after the last field of the packet"),
            Self::StringNotUtf8 => f.write_str("a string is not well-formed UTF-8"),
            Self::StringHasNul => f.write_str("a string holds U+0000"),
            Self::StringTooLong => f.write_str("a string is longer than 65,535 bytes"),
            Self::BinaryTooLong => f.write_str("binary data is longer than 65,535 bytes"),
            Self::PacketIdZero => f.write_str("the packet identifier is 0"),
            Self::ProtocolName => f.write_str("the protocol name is not MQTT"),
            Self::ProtocolVersion(level) => write!(f, "protocol version {level} is not supported"),
            Self::ConnectReservedFlag => f.write_str("bit 0 of the connect flags is set"),
            Self::WillQosWithoutWill => f.write_str("will QoS is set without a will"),
            Self::WillRetainWithoutWill => f.write_str("will retain is set without a will"),
            Self::WillQosThree => f.write_str("will QoS is 3"),
            Self::PasswordWithoutUserName => f.write_str("there is a password without a user name"),
            Self::WillTopic(error) => write!(f, "will topic: {error}"),
            Self::ConnackReservedFlags => f.write_str("reserved connect acknowledge flags are set"),
            Self::SessionPresentOnRefusal => f.write_str("session present is set on a refused connection"),
            Self::PublishQosThree => f.write_str("both QoS bits of PUBLISH are set"),
            Self::DupWithQosZero => f.write_str("DUP is set on a PUBLISH with QoS 0"),
            Self::TopicName(error) => write!(f, "topic name: {error}"),
            Self::TopicMissing => f.write_str("the topic name is empty and there is no topic alias"),
            Self::PayloadMissing(packet) => write!(f, "{packet} has an empty payload"),
            Self::TopicFilter(error) => write!(f, "topic filter: {error}"),
            Self::SubscribeQosThree => f.write_str("a subscription asks for QoS 3"),
            Self::RetainHandlingThree => f.write_str("a subscription asks for retain handling 3"),
            Self::SubscribeReservedBits => f.write_str("reserved bits of the subscription options are set"),
            Self::NoLocalOnShared => f.write_str("no local is set on a shared subscription"),
            Self::ReasonCode(packet, code) => write!(f, "{packet} may not carry reason code 0x{code:02X}"),
            Self::PropertyLength => f.write_str("the property length does not fit the packet"),
            Self::PropertyUnknown(id) => write!(f, "there is no property 0x{id:02X}"),
            Self::PropertyNotAllowed(id) => write!(f, "{id} is not allowed in this packet"),
            Self::PropertyTwice(id) => write!(f, "{id} stands twice"),
            Self::PropertyValue(id) => write!(f, "the value of {id} is out of bounds"),
            Self::ResponseTopic(error) => write!(f, "response topic: {error}"),
            Self::TopicAliasZero => f.write_str("the topic alias is 0"),
            Self::AuthenticationMethodMissing => f.write_str("there is no authentication method"),
        }
    }
}

impl core::error::Error for Malformed {}

/// A packet that cannot be written as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The body is longer than the largest Remaining Length.
    PacketTooLarge {
        /// The length of the body in bytes.
        remaining_length: usize,
    },
    /// The buffer is too small.
    BufferTooSmall {
        /// The size that is enough, in bytes.
        needed: usize,
    },
    /// What was asked for breaks a rule for this packet.
    Malformed(Malformed),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacketTooLarge { remaining_length } => {
                write!(f, "a packet body of {remaining_length} bytes is longer than 268,435,455")
            }
            Self::BufferTooSmall { needed } => {
                write!(f, "the buffer is smaller than the {needed} bytes needed")
            }
            Self::Malformed(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncodeError {}

impl From<Malformed> for EncodeError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}
