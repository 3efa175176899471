//! Client or server, and which packets each may send.

use colibri_codec::{PacketType, Version};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that sends CONNECT.
    Client,
    /// The end that answers it.
    Server,
}

impl Role {
    /// Whether this end may send a packet of this type (section 2.1.2, table 2-1).
    pub const fn may_send(self, packet_type: PacketType, version: Version) -> bool {
        match packet_type {
            PacketType::Publish
            | PacketType::Puback
            | PacketType::Pubrec
            | PacketType::Pubrel
            | PacketType::Pubcomp => true,
            PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::Pingreq => {
                matches!(self, Self::Client)
            }
            PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
                matches!(self, Self::Server)
            }
            PacketType::Disconnect => matches!(self, Self::Client) || matches!(version, Version::V5),
            PacketType::Auth => matches!(version, Version::V5),
        }
    }

    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
