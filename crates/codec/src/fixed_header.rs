//! The fixed header (section 2.1): packet type, reserved flags, Remaining Length.

use core::fmt;

use crate::writer::{Sink, put_variable_byte_integer, variable_byte_integer_length};
use crate::{EncodeError, Malformed, Version};

/// The largest Remaining Length: 268,435,455 bytes.
pub const REMAINING_LENGTH_MAX: u32 = crate::VARIABLE_BYTE_INTEGER_MAX;

/// The type of a control packet, 1 to 15 (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the standard's own")]
pub enum PacketType {
    Connect = 1,
    Connack = 2,
    Publish = 3,
    Puback = 4,
    Pubrec = 5,
    Pubrel = 6,
    Pubcomp = 7,
    Subscribe = 8,
    Suback = 9,
    Unsubscribe = 10,
    Unsuback = 11,
    Pingreq = 12,
    Pingresp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// All fifteen types in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The number in the high four bits of the first byte.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The type for a number, or `None` for 0 and for 16 and above.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The name as the standard writes it, e.g. `PUBLISH`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The value the four flag bits must have; `None` for PUBLISH, which uses them.
    pub const fn reserved_flags(self) -> Option<u8> {
        match self {
            Self::Publish => None,
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => Some(0b0010),
            Self::Connect
            | Self::Connack
            | Self::Puback
            | Self::Pubrec
            | Self::Pubcomp
            | Self::Suback
            | Self::Unsuback
            | Self::Pingreq
            | Self::Pingresp
            | Self::Disconnect
            | Self::Auth => Some(0),
        }
    }

    /// The first byte of a packet of this type other than PUBLISH.
    pub(crate) const fn first_byte(self) -> u8 {
        let flags = match self.reserved_flags() {
            Some(flags) => flags,
            None => 0,
        };
        (self as u8) << 4 | flags
    }

    /// Checks the first byte of a packet.
    pub(crate) fn check(first: u8, version: Version) -> Result<Self, Malformed> {
        let packet_type = Self::from_number(first >> 4).ok_or(Malformed::ReservedPacketType)?;
        if packet_type == Self::Auth && version < Version::V5 {
            return Err(Malformed::ReservedPacketType);
        }
        if let Some(reserved) = packet_type.reserved_flags() {
            let mut flags = first & 0x0F;
            if version == Version::V3_1 && reserved != 0 {
                // MQTT 3.1 marks a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE with DUP (its section 2.1).
                flags &= !0b1000;
            }
            // [v5 MQTT-2.1.3-1] [v5 MQTT-3.6.1-1] [v5 MQTT-3.8.1-1] [v5 MQTT-3.10.1-1] [v5 MQTT-3.14.1-1]
            // [v5 MQTT-3.15.1-1] [v3.1.1 MQTT-2.2.2-1] [v3.1.1 MQTT-2.2.2-2] [v3.1.1 MQTT-3.6.1-1]
            // [v3.1.1 MQTT-3.8.1-1] [v3.1.1 MQTT-3.10.1-1] [v3.1.1 MQTT-3.14.1-1]
            if flags != reserved {
                return Err(Malformed::ReservedFlags(packet_type));
            }
        }
        Ok(packet_type)
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes the fixed header of a packet whose body has `remaining` bytes.
#[inline]
pub(crate) fn put_fixed_header(out: &mut impl Sink, first: u8, remaining: usize) -> Result<(), EncodeError> {
    let length = remaining_length(remaining)?;
    out.put_u8(first);
    put_variable_byte_integer(out, length);
    Ok(())
}

/// The length of a whole packet whose body has `remaining` bytes.
pub(crate) fn packet_length(remaining: usize) -> Result<u32, EncodeError> {
    let length = remaining_length(remaining)?;
    Ok(length + 1 + variable_byte_integer_length(length))
}

fn remaining_length(remaining: usize) -> Result<u32, EncodeError> {
    u32::try_from(remaining)
        .ok()
        .filter(|length| *length <= REMAINING_LENGTH_MAX)
        .ok_or(EncodeError::PacketTooLarge { remaining_length: remaining })
}
