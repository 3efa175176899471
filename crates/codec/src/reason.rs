//! Reason codes (5.0, section 2.4) with the packets that may carry them, and the 3.x return codes.

use core::fmt;

use crate::{Malformed, PacketType, Version};

/// One row per reason code: value, name, the standard's words, the packets that may carry it.
macro_rules! reason_codes {
    ($($value:literal $name:ident $text:literal [$($packet:ident)+])+) => {
        /// What became of a packet (5.0, section 2.4). Codes of 0x80 and above say that it failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(#[doc = concat!(stringify!($value), ": ", $text, ".")] $name = $value,)+
        }

        impl ReasonCode {
            /// All reason codes in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code for a number, or `None` if the standard names none.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($value => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The name in the standard's words.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// A bit per packet type that may carry this code.
            const fn packets(self) -> u16 {
                match self {
                    $(Self::$name => 0 $(| 1 << (PacketType::$packet as u16))+,)+
                }
            }
        }
    };
}

reason_codes! {
    0x00 Success "Success" [Connack Puback Pubrec Pubrel Pubcomp Suback Unsuback Disconnect Auth]
    0x01 GrantedQos1 "Granted QoS 1" [Suback]
    0x02 GrantedQos2 "Granted QoS 2" [Suback]
    0x04 DisconnectWithWillMessage "Disconnect with Will Message" [Disconnect]
    0x10 NoMatchingSubscribers "No matching subscribers" [Puback Pubrec]
    0x11 NoSubscriptionExisted "No subscription existed" [Unsuback]
    0x18 ContinueAuthentication "Continue authentication" [Auth]
    0x19 ReAuthenticate "Re-authenticate" [Auth]
    0x80 UnspecifiedError "Unspecified error" [Connack Puback Pubrec Suback Unsuback Disconnect]
    0x81 MalformedPacket "Malformed Packet" [Connack Disconnect]
    0x82 ProtocolError "Protocol Error" [Connack Disconnect]
    0x83 ImplementationSpecificError "Implementation specific error" [Connack Puback Pubrec Suback Unsuback Disconnect]
    0x84 UnsupportedProtocolVersion "Unsupported Protocol Version" [Connack]
    0x85 ClientIdentifierNotValid "Client Identifier not valid" [Connack]
    0x86 BadUserNameOrPassword "Bad User Name or Password" [Connack]
    0x87 NotAuthorized "Not authorized" [Connack Puback Pubrec Suback Unsuback Disconnect]
    0x88 ServerUnavailable "Server unavailable" [Connack]
    0x89 ServerBusy "Server busy" [Connack Disconnect]
    0x8A Banned "Banned" [Connack]
    0x8B ServerShuttingDown "Server shutting down" [Disconnect]
    0x8C BadAuthenticationMethod "Bad authentication method" [Connack Disconnect]
    0x8D KeepAliveTimeout "Keep Alive timeout" [Disconnect]
    0x8E SessionTakenOver "Session taken over" [Disconnect]
    0x8F TopicFilterInvalid "Topic Filter invalid" [Suback Unsuback Disconnect]
    0x90 TopicNameInvalid "Topic Name invalid" [Connack Puback Pubrec Disconnect]
    0x91 PacketIdentifierInUse "Packet Identifier in use" [Puback Pubrec Suback Unsuback]
    0x92 PacketIdentifierNotFound "Packet Identifier not found" [Pubrel Pubcomp]
    0x93 ReceiveMaximumExceeded "Receive Maximum exceeded" [Disconnect]
    0x94 TopicAliasInvalid "Topic Alias invalid" [Disconnect]
    0x95 PacketTooLarge "Packet too large" [Connack Disconnect]
    0x96 MessageRateTooHigh "Message rate too high" [Disconnect]
    0x97 QuotaExceeded "Quota exceeded" [Connack Puback Pubrec Suback Disconnect]
    0x98 AdministrativeAction "Administrative action" [Disconnect]
    0x99 PayloadFormatInvalid "Payload format invalid" [Connack Puback Pubrec Disconnect]
    0x9A RetainNotSupported "Retain not supported" [Connack Disconnect]
    0x9B QosNotSupported "QoS not supported" [Connack Disconnect]
    0x9C UseAnotherServer "Use another server" [Connack Disconnect]
    0x9D ServerMoved "Server moved" [Connack Disconnect]
    0x9E SharedSubscriptionsNotSupported "Shared Subscriptions not supported" [Suback Disconnect]
    0x9F ConnectionRateExceeded "Connection rate exceeded" [Connack Disconnect]
    0xA0 MaximumConnectTime "Maximum connect time" [Disconnect]
    0xA1 SubscriptionIdentifiersNotSupported "Subscription Identifiers not supported" [Suback Disconnect]
    0xA2 WildcardSubscriptionsNotSupported "Wildcard Subscriptions not supported" [Suback Disconnect]
}

impl ReasonCode {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the code says that something failed: 0x80 and above.
    pub const fn is_failure(self) -> bool {
        self as u8 >= 0x80
    }

    /// Whether a packet of this type may carry the code in 5.0.
    pub const fn allowed_in(self, packet_type: PacketType) -> bool {
        self.packets() & (1 << (packet_type as u16)) != 0
    }

    /// Reads the code of a packet of this type.
    // [v5 MQTT-3.2.2-8] [v5 MQTT-3.4.2-1] [v5 MQTT-3.5.2-1] [v5 MQTT-3.6.2-1] [v5 MQTT-3.7.2-1]
    // [v5 MQTT-3.9.3-2] [v5 MQTT-3.11.3-2] [v5 MQTT-3.14.2-1] [v5 MQTT-3.15.2-1]
    pub(crate) fn check(number: u8, packet_type: PacketType) -> Result<Self, Malformed> {
        Self::from_number(number)
            .filter(|code| code.allowed_in(packet_type))
            .ok_or(Malformed::ReasonCode(packet_type, number))
    }

    /// Reads one code of a SUBACK. Before 5.0 only 0, 1, 2 and 0x80 exist. [v3.1.1 MQTT-3.9.3-2]
    pub(crate) fn check_suback(number: u8, version: Version) -> Result<Self, Malformed> {
        let code = Self::check(number, PacketType::Suback)?;
        if version < Version::V5 && !matches!(number, 0 | 1 | 2 | 0x80) {
            return Err(Malformed::ReasonCode(PacketType::Suback, number));
        }
        Ok(code)
    }

    /// The byte that says this in a SUBACK: before 5.0 every failure is 0x80. [v3.1.1 MQTT-3.9.3-2]
    pub(crate) const fn suback_byte(self, version: Version) -> u8 {
        match version {
            Version::V5 => self as u8,
            Version::V3_1 | Version::V3_1_1 if self.is_failure() => 0x80,
            Version::V3_1 | Version::V3_1_1 => self as u8,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.number())
    }
}

/// The return code of a CONNACK before 5.0 (3.1.1, section 3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnectReturnCode {
    /// 0: the connection is accepted.
    Accepted = 0,
    /// 1: the server does not support the level of the protocol that the client asks for.
    UnacceptableProtocolVersion = 1,
    /// 2: the client identifier is not allowed by the server.
    IdentifierRejected = 2,
    /// 3: the service is not available.
    ServerUnavailable = 3,
    /// 4: the user name or the password is malformed.
    BadUserNameOrPassword = 4,
    /// 5: the client is not authorized to connect.
    NotAuthorized = 5,
}

impl ConnectReturnCode {
    /// The code for a number, or `None` for the reserved ones from 6.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Accepted),
            1 => Some(Self::UnacceptableProtocolVersion),
            2 => Some(Self::IdentifierRejected),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// The return code that says what this reason code says; `None` where no return code fits, in
    /// which case the server closes without a CONNACK. [v3.1.1 MQTT-3.2.2-6]
    pub const fn from_reason(reason: ReasonCode) -> Option<Self> {
        match reason {
            ReasonCode::Success => Some(Self::Accepted),
            ReasonCode::UnsupportedProtocolVersion => Some(Self::UnacceptableProtocolVersion),
            ReasonCode::ClientIdentifierNotValid => Some(Self::IdentifierRejected),
            ReasonCode::ServerUnavailable
            | ReasonCode::ServerBusy
            | ReasonCode::ServerShuttingDown
            | ReasonCode::QuotaExceeded
            | ReasonCode::ConnectionRateExceeded
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved => Some(Self::ServerUnavailable),
            ReasonCode::BadUserNameOrPassword => Some(Self::BadUserNameOrPassword),
            ReasonCode::NotAuthorized | ReasonCode::Banned | ReasonCode::BadAuthenticationMethod => {
                Some(Self::NotAuthorized)
            }
            _ => None,
        }
    }

    /// The 5.0 reason code with the same meaning.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::Accepted => ReasonCode::Success,
            Self::UnacceptableProtocolVersion => ReasonCode::UnsupportedProtocolVersion,
            Self::IdentifierRejected => ReasonCode::ClientIdentifierNotValid,
            Self::ServerUnavailable => ReasonCode::ServerUnavailable,
            Self::BadUserNameOrPassword => ReasonCode::BadUserNameOrPassword,
            Self::NotAuthorized => ReasonCode::NotAuthorized,
        }
    }
}
