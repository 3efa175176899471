//! Runs: packets of one kind that stand one behind the other, and differ in little.
//!
//! Who sends much sends runs: a hundred PUBLISH packets to one topic, a hundred PUBACKs. What such
//! packets have in common is looked at once, and for each of them only what may differ. Whatever does
//! not belong to the run ends it, and is for [`Frame`] and [`Packet`](crate::Packet) to judge.

use crate::{Frame, PacketId, PacketType, QoS, Sink, Split, Version};

/// What the PUBLISH packets of a run have in common: QoS and topic, and that DUP and RETAIN are 0 and there
/// are no properties. Packet Identifier and payload are free.
#[derive(Clone, Copy, Debug)]
pub struct Likeness<'t> {
    first: u8,
    has_packet_id: bool,
    has_properties: bool,
    topic: &'t [u8],
    maximum_packet_size: u32,
}

/// One PUBLISH of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike<'a> {
    /// The length of the whole packet in bytes.
    pub length: usize,
    /// Where the Packet Identifier stands in it; with QoS 0, where it would.
    pub packet_id_offset: usize,
    /// None with QoS 0.
    pub packet_id: Option<PacketId>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'t> Likeness<'t> {
    /// The packets with this QoS to this topic, which is the text of a [`TopicName`](crate::TopicName): it is
    /// not looked at again. `maximum_packet_size` is as for [`Frame::split`].
    #[must_use]
    pub const fn new(qos: QoS, topic: &'t str, version: Version, maximum_packet_size: u32) -> Self {
        Self {
            first: PacketType::Publish.number() << 4 | qos.number() << 1,
            has_packet_id: !matches!(qos, QoS::AtMostOnce),
            has_properties: version.has_properties(),
            topic: topic.as_bytes(),
            maximum_packet_size,
        }
    }

    /// The packet at the front of `input`, if it is whole and belongs to the run.
    #[inline]
    #[must_use]
    pub fn next<'a>(&self, input: &'a [u8]) -> Option<Alike<'a>> {
        if input.first() != Some(&self.first) {
            return None;
        }
        let Ok(Split::Frame(frame, length)) = Frame::split(input, self.maximum_packet_size) else {
            return None;
        };
        let body = frame.body();
        let (topic_length, rest) = body.split_first_chunk()?;
        if usize::from(u16::from_be_bytes(*topic_length)) != self.topic.len() {
            return None;
        }
        let (topic, mut rest) = rest.split_at_checked(self.topic.len())?;
        if topic != self.topic {
            return None;
        }
        let packet_id_offset = length - rest.len();
        let mut packet_id = None;
        if self.has_packet_id {
            let (number, behind) = rest.split_first_chunk()?;
            packet_id = Some(PacketId::new(u16::from_be_bytes(*number))?);
            rest = behind;
        }
        if self.has_properties {
            let (0, behind) = rest.split_first()? else { return None };
            rest = behind;
        }
        Some(Alike { length, packet_id_offset, packet_id, payload: rest })
    }
}

/// The Packet Identifiers of the acknowledgements of one type at the front of `input` that say nothing but
/// that: four bytes each. `acknowledgement` is PUBACK, PUBREC, PUBREL or PUBCOMP.
#[inline]
pub fn plain_acks(acknowledgement: PacketType, input: &[u8]) -> impl Iterator<Item = PacketId> {
    let first = acknowledgement.first_byte();
    let (packets, _) = input.as_chunks::<4>();
    packets.iter().map_while(move |&[kind, length, high, low]| {
        if kind != first || length != 2 {
            return None;
        }
        PacketId::new(u16::from_be_bytes([high, low]))
    })
}

/// Writes an acknowledgement that says nothing but its Packet Identifier, which in all versions is success.
/// `acknowledgement` is PUBACK, PUBREC, PUBREL or PUBCOMP.
#[inline]
pub fn put_plain_ack(acknowledgement: PacketType, id: PacketId, out: &mut impl Sink) {
    let [high, low] = id.get().to_be_bytes();
    out.put(&[acknowledgement.first_byte(), 2, high, low]);
}
