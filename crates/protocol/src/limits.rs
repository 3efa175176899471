//! Everything negotiated or bounded on a connection, with defaults and units.

use colibri_codec::{Connack, Connect, Properties, Property, REMAINING_LENGTH_MAX};
use core::num::{NonZeroU16, NonZeroU32};

/// The largest packet there can be: a five-byte fixed header and the largest Remaining Length, in bytes.
pub const PACKET_SIZE_MAX: u32 = REMAINING_LENGTH_MAX + 5;

/// What this end accepts, which a 5.0 peer is told, and what it keeps for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many QoS 1 and 2 messages the peer may have unacknowledged, 1 to 65,535. Default 65,535, which
    /// is what the standard says where nothing is said. Higher: more throughput over long lines. Lower:
    /// less memory per peer. Binding in 5.0 only (section 3.1.2.11.3).
    pub receive_maximum: NonZeroU16,
    /// The largest packet in bytes, fixed header included. Default [`PACKET_SIZE_MAX`]. Higher: larger
    /// messages. Lower: less memory that one peer can claim (section 3.1.2.11.4).
    pub maximum_packet_size: NonZeroU32,
    /// The highest topic alias the peer may set, 0 to 65,535. Default 0, none. Higher: fewer bytes on the
    /// line. Lower: less memory, as each alias keeps a topic (section 3.1.2.11.5).
    pub topic_alias_maximum: u16,
    /// How many topic aliases this end sets, however many the peer takes, 0 to 65,535. Default 64. Higher:
    /// fewer bytes on the line. Lower: less memory, as each alias keeps a topic, and a peer may take 65,535.
    pub aliases_set_maximum: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_maximum: NonZeroU16::MAX,
            maximum_packet_size: NonZeroU32::new(PACKET_SIZE_MAX).unwrap_or(NonZeroU32::MAX),
            topic_alias_maximum: 0,
            aliases_set_maximum: 64,
        }
    }
}

impl Limits {
    /// The properties of CONNECT or CONNACK that say so, without those that say what is meant anyway.
    pub(crate) fn properties<'a>(self) -> impl Iterator<Item = Property<'a>> {
        let standard = Self::default();
        let receive_maximum = Property::ReceiveMaximum(self.receive_maximum);
        let maximum_packet_size = Property::MaximumPacketSize(self.maximum_packet_size);
        let topic_alias_maximum = Property::TopicAliasMaximum(self.topic_alias_maximum);
        [
            (self.receive_maximum != standard.receive_maximum).then_some(receive_maximum),
            (self.maximum_packet_size != standard.maximum_packet_size).then_some(maximum_packet_size),
            (self.topic_alias_maximum != 0).then_some(topic_alias_maximum),
        ]
        .into_iter()
        .flatten()
    }
}

/// What the peer accepts, as its CONNECT or CONNACK said or left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// How many QoS 1 and 2 messages may be unacknowledged at the peer.
    pub receive_maximum: u16,
    /// The largest packet in bytes, fixed header included.
    pub maximum_packet_size: u32,
    /// The highest topic alias; 0 is none.
    pub topic_alias_maximum: u16,
    /// Whether Reason String and User Properties are welcome on every packet (section 3.1.2.11.7).
    pub problem_information: bool,
    /// Whether the server takes QoS 2 (`None`), 1 or 0 at most (section 3.2.2.3.4).
    pub maximum_qos: Option<bool>,
    /// Whether the server keeps retained messages (section 3.2.2.3.5).
    pub retain_available: bool,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: PACKET_SIZE_MAX,
            topic_alias_maximum: 0,
            problem_information: true,
            maximum_qos: None,
            retain_available: true,
        }
    }
}

impl PeerLimits {
    pub(crate) fn from_connect(connect: &Connect<'_>) -> Self {
        let mut limits = Self::from_properties(&connect.properties);
        limits.problem_information = connect.properties.request_problem_information().unwrap_or(true);
        limits
    }

    pub(crate) fn from_connack(connack: &Connack<'_>) -> Self {
        let mut limits = Self::from_properties(&connack.properties);
        limits.maximum_qos = connack.properties.maximum_qos();
        limits.retain_available = connack.properties.retain_available().unwrap_or(true);
        limits
    }

    fn from_properties(properties: &Properties<'_>) -> Self {
        let standard = Self::default();
        if properties.is_empty() {
            return standard;
        }
        Self {
            receive_maximum: properties.receive_maximum().map_or(standard.receive_maximum, NonZeroU16::get),
            maximum_packet_size: properties
                .maximum_packet_size()
                .map_or(standard.maximum_packet_size, NonZeroU32::get),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            ..standard
        }
    }
}
