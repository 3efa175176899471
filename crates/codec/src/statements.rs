//! Which numbered statements of the standards each way to be malformed breaks.

use crate::{Malformed, PacketType, TopicError, Version};

/// Ids without the `MQTT-` in front.
type Ids = &'static [&'static str];

impl Malformed {
    /// The numbered statements this breaks, without the `MQTT-` in front; empty where the rule has no number.
    pub const fn statements(self, version: Version) -> &'static [&'static str] {
        match version {
            Version::V5 => self.statements_v5(),
            Version::V3_1 | Version::V3_1_1 => self.statements_v3(),
        }
    }

    const fn statements_v5(self) -> Ids {
        match self {
            Self::ReservedFlags(packet_type) => reserved_flags_v5(packet_type),
            Self::VariableByteIntegerOverlong => &["1.5.5-1"],
            Self::StringNotUtf8 => &["1.5.4-1"],
            Self::StringHasNul => &["1.5.4-2"],
            Self::PacketIdZero => &["2.2.1-3", "2.2.1-4"],
            Self::ProtocolName => &["3.1.2-1"],
            Self::ProtocolVersion(_) => &["3.1.2-2"],
            Self::ConnectReservedFlag => &["3.1.2-3"],
            Self::WillQosWithoutWill => &["3.1.2-11"],
            Self::WillRetainWithoutWill => &["3.1.2-13"],
            Self::WillQosThree => &["3.1.2-12"],
            Self::WillTopic(error) => name_v5(error, &["4.7.0-1"]),
            Self::ConnackReservedFlags => &["3.2.2-1"],
            Self::SessionPresentOnRefusal => &["3.2.2-6"],
            Self::PublishQosThree => &["3.3.1-4"],
            Self::DupWithQosZero => &["3.3.1-2"],
            Self::TopicName(error) => name_v5(error, &["3.3.2-2", "4.7.0-1"]),
            Self::TopicMissing => &["4.7.3-1"],
            Self::PayloadMissing(PacketType::Subscribe) => &["3.8.3-2"],
            Self::PayloadMissing(PacketType::Unsubscribe) => &["3.10.3-2"],
            Self::TopicFilter(error) => filter_v5(error),
            Self::SubscribeReservedBits => &["3.8.3-5"],
            Self::NoLocalOnShared => &["3.8.3-4"],
            Self::ReasonCode(packet_type, _) => reason_code_v5(packet_type),
            Self::ResponseTopic(error) => name_v5(error, &["3.3.2-14"]),
            Self::TopicAliasZero => &["3.3.2-8"],
            Self::ReservedPacketType
            | Self::VariableByteIntegerTooLong
            | Self::PacketTooLarge { .. }
            | Self::Truncated
            | Self::TrailingBytes
            | Self::StringTooLong
            | Self::BinaryTooLong
            | Self::PasswordWithoutUserName
            | Self::PayloadMissing(_)
            | Self::SubscribeQosThree
            | Self::RetainHandlingThree
            | Self::PropertyLength
            | Self::PropertyUnknown(_)
            | Self::PropertyNotAllowed(_)
            | Self::PropertyTwice(_)
            | Self::PropertyValue(_)
            | Self::AuthenticationMethodMissing => &[],
        }
    }

    const fn statements_v3(self) -> Ids {
        match self {
            Self::ReservedFlags(packet_type) => reserved_flags_v3(packet_type),
            Self::StringNotUtf8 => &["1.5.3-1"],
            Self::StringHasNul => &["1.5.3-2"],
            Self::PacketIdZero => &["2.3.1-1"],
            Self::ProtocolName => &["3.1.2-1"],
            Self::ProtocolVersion(_) => &["3.1.2-2"],
            Self::ConnectReservedFlag => &["3.1.2-3"],
            Self::WillQosWithoutWill => &["3.1.2-11", "3.1.2-13"],
            Self::WillRetainWithoutWill => &["3.1.2-11", "3.1.2-15"],
            Self::WillQosThree => &["3.1.2-14"],
            Self::PasswordWithoutUserName => &["3.1.2-22"],
            Self::WillTopic(error) => name_v3(error, &["4.7.1-1"]),
            Self::SessionPresentOnRefusal => &["3.2.2-4"],
            Self::PublishQosThree => &["3.3.1-4"],
            Self::DupWithQosZero => &["3.3.1-2"],
            Self::TopicName(error) => name_v3(error, &["3.3.2-2", "4.7.1-1"]),
            Self::TopicMissing => &["4.7.3-1"],
            Self::PayloadMissing(PacketType::Subscribe) => &["3.8.3-3"],
            Self::PayloadMissing(PacketType::Unsubscribe) => &["3.10.3-2"],
            Self::TopicFilter(error) => filter_v3(error),
            Self::SubscribeQosThree | Self::SubscribeReservedBits => &["3.8.3-4"],
            Self::ReasonCode(PacketType::Suback, _) => &["3.9.3-2"],
            Self::ReservedPacketType
            | Self::VariableByteIntegerTooLong
            | Self::VariableByteIntegerOverlong
            | Self::PacketTooLarge { .. }
            | Self::Truncated
            | Self::TrailingBytes
            | Self::StringTooLong
            | Self::BinaryTooLong
            | Self::ConnackReservedFlags
            | Self::PayloadMissing(_)
            | Self::RetainHandlingThree
            | Self::NoLocalOnShared
            | Self::ReasonCode(..)
            | Self::PropertyLength
            | Self::PropertyUnknown(_)
            | Self::PropertyNotAllowed(_)
            | Self::PropertyTwice(_)
            | Self::PropertyValue(_)
            | Self::ResponseTopic(_)
            | Self::TopicAliasZero
            | Self::AuthenticationMethodMissing => &[],
        }
    }
}

const fn reserved_flags_v5(packet_type: PacketType) -> Ids {
    match packet_type {
        PacketType::Pubrel => &["2.1.3-1", "3.6.1-1"],
        PacketType::Subscribe => &["2.1.3-1", "3.8.1-1"],
        PacketType::Unsubscribe => &["2.1.3-1", "3.10.1-1"],
        PacketType::Disconnect => &["2.1.3-1", "3.14.1-1"],
        PacketType::Auth => &["2.1.3-1", "3.15.1-1"],
        _ => &["2.1.3-1"],
    }
}

const fn reserved_flags_v3(packet_type: PacketType) -> Ids {
    match packet_type {
        PacketType::Pubrel => &["2.2.2-1", "2.2.2-2", "3.6.1-1"],
        PacketType::Subscribe => &["2.2.2-1", "2.2.2-2", "3.8.1-1"],
        PacketType::Unsubscribe => &["2.2.2-1", "2.2.2-2", "3.10.1-1"],
        PacketType::Disconnect => &["2.2.2-1", "2.2.2-2", "3.14.1-1"],
        _ => &["2.2.2-1", "2.2.2-2"],
    }
}

const fn reason_code_v5(packet_type: PacketType) -> Ids {
    match packet_type {
        PacketType::Connack => &["3.2.2-8"],
        PacketType::Puback => &["3.4.2-1"],
        PacketType::Pubrec => &["3.5.2-1"],
        PacketType::Pubrel => &["3.6.2-1"],
        PacketType::Pubcomp => &["3.7.2-1"],
        PacketType::Suback => &["3.9.3-2"],
        PacketType::Unsuback => &["3.11.3-2"],
        PacketType::Disconnect => &["3.14.2-1"],
        PacketType::Auth => &["3.15.2-1"],
        _ => &[],
    }
}

/// `wildcard` are the statements that a wildcard in this topic name breaks.
const fn name_v5(error: TopicError, wildcard: Ids) -> Ids {
    match error {
        TopicError::Nul => &["1.5.4-2", "4.7.3-2"],
        TopicError::Empty => &["4.7.3-1"],
        TopicError::TooLong => &["4.7.3-3"],
        _ => wildcard,
    }
}

const fn name_v3(error: TopicError, wildcard: Ids) -> Ids {
    match error {
        TopicError::Nul => &["1.5.3-2", "4.7.3-2"],
        TopicError::Empty => &["4.7.3-1"],
        TopicError::TooLong => &["4.7.3-3"],
        _ => wildcard,
    }
}

const fn filter_v5(error: TopicError) -> Ids {
    match error {
        TopicError::Nul => &["1.5.4-2", "4.7.3-2"],
        TopicError::Empty => &["4.7.3-1"],
        TopicError::TooLong => &["4.7.3-3"],
        TopicError::MultiLevelWildcardMisplaced => &["4.7.1-1"],
        TopicError::SingleLevelWildcardMisplaced => &["4.7.1-2"],
        TopicError::ShareNameInvalid => &["4.8.2-1", "4.8.2-2"],
        TopicError::ShareFilterMissing => &["4.8.2-2"],
        TopicError::WildcardInName => &[],
    }
}

const fn filter_v3(error: TopicError) -> Ids {
    match error {
        TopicError::Nul => &["1.5.3-2", "4.7.3-2"],
        TopicError::Empty => &["4.7.3-1"],
        TopicError::TooLong => &["4.7.3-3"],
        TopicError::MultiLevelWildcardMisplaced => &["4.7.1-2"],
        TopicError::SingleLevelWildcardMisplaced => &["4.7.1-3"],
        TopicError::ShareNameInvalid | TopicError::ShareFilterMissing | TopicError::WildcardInName => &[],
    }
}
