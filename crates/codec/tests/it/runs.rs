//! Runs: what is taken into one is what the long way reads as a packet of its kind, and nothing else.

use colibri_codec::{
    Alike, Frame, Likeness, Packet, PacketId, PacketType, Properties, Property, Puback, Pubcomp, Publish,
    Pubrec, Pubrel, QoS, ReasonCode, Split, TopicName, Utf8String, Version, plain_acks, put_plain_ack,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;

use crate::strategies::{configured, packet, version};
use crate::{Bytes, encode};

const TOPIC: &str = "some/t";

/// A packet that is nearly one of a run, from parts of which each may be wrong.
#[derive(Clone, Debug)]
struct Draft {
    first: u8,
    topic: &'static [u8],
    id: Option<u16>,
    properties: &'static [u8],
    /// The Remaining Length to reach with the payload.
    remaining: usize,
    /// What is added to the Remaining Length that is written.
    off_by: isize,
    /// With how many bytes too many the Remaining Length is written.
    overlong: usize,
    /// How many bytes are missing at the end.
    missing: usize,
    behind: Vec<u8>,
}

impl Draft {
    fn bytes(&self) -> Vec<u8> {
        let mut body = u16::try_from(self.topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend_from_slice(self.topic);
        body.extend(self.id.into_iter().flat_map(u16::to_be_bytes));
        body.extend_from_slice(self.properties);
        body.resize(self.remaining.max(body.len()), b'x');
        let mut left = body.len().saturating_add_signed(self.off_by);
        let mut input = vec![self.first];
        loop {
            let digit = u8::try_from(left & 0x7F).unwrap();
            left >>= 7;
            let more = left > 0 || self.overlong > 0;
            input.push(if more { digit | 0x80 } else { digit });
            if left == 0 {
                break;
            }
        }
        for more in (0..self.overlong).rev() {
            input.push(if more > 0 { 0x80 } else { 0 });
        }
        input.extend_from_slice(&body);
        input.truncate(input.len() - self.missing.min(input.len()));
        input.extend_from_slice(&self.behind);
        input
    }
}

fn draft(remaining: impl Strategy<Value = usize>) -> impl Strategy<Value = Draft> {
    let first = prop_oneof![12 => select(&[0x30_u8, 0x32, 0x34][..]), 1 => any::<u8>(), 1 => 0x30..=0x3F_u8];
    let topics = [&b"some/t"[..], b"some/u", b"some/", b"some/tt", b"", b"some/#", b"some\xFFt"];
    let topic = prop_oneof![12 => Just(topics[0]), 1 => select(topics.to_vec())];
    let id = option::weighted(0.7, prop_oneof![1 => Just(0), 12 => any::<u16>()]);
    let lists = [&[0][..], &[], &[0x80, 0], &[2, 1, 1], &[2, 1, 2], &[3, 0x23, 0, 1], &[1], &[0x80]];
    let properties = prop_oneof![3 => Just(lists[0]), 3 => Just(lists[1]), 2 => select(lists.to_vec())];
    let off_by = prop_oneof![12 => Just(0), 1 => -3..=3_isize];
    let overlong = prop_oneof![12 => Just(0_usize), 1 => 1..=3_usize];
    let missing = prop_oneof![12 => Just(0_usize), 1 => 1..=300_usize];
    let behind = vec(any::<u8>(), 0..=4);
    (first, topic, id, properties, remaining, off_by, (overlong, missing, behind)).prop_map(
        |(first, topic, id, properties, remaining, off_by, (overlong, missing, behind))| Draft {
            first,
            topic,
            id,
            properties,
            remaining,
            off_by,
            overlong,
            missing,
            behind,
        },
    )
}

/// What the long way makes of the packet at the front, if it belongs to the run.
fn long_way(qos: QoS, version: Version, maximum: u32, input: &[u8]) -> Option<Alike<'_>> {
    let Ok(Split::Frame(frame, length)) = Frame::split(input, maximum) else { return None };
    if frame.packet_type(version) != Ok(PacketType::Publish) {
        return None;
    }
    let publish = Publish::decode(frame, version).ok()?;
    let alike = publish.qos() == qos
        && publish.topic.is_some_and(|topic| topic.as_str() == TOPIC)
        && !publish.dup
        && !publish.retain
        && publish.properties.is_empty();
    alike.then(|| Alike {
        length,
        packet_id_offset: publish.packet_id_offset(length, version),
        packet_id: publish.delivery.packet_id(),
        payload: publish.payload,
    })
}

fn likeness(qos: QoS, version: Version, maximum: u32) -> Likeness<'static> {
    Likeness::new(qos, TOPIC, version, maximum)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&QoS::ALL[..])
}

/// Remaining Lengths around where one is written with a byte more, but for the last border.
fn short() -> impl Strategy<Value = usize> {
    prop_oneof![0..=40_usize, 124..=131_usize, 16_381..=16_386_usize]
}

fn maximum() -> impl Strategy<Value = u32> {
    prop_oneof![Just(u32::MAX), 0..=40_u32, 126..=133_u32, 16_384..=16_390_u32]
}

proptest! {
    #![proptest_config(configured(20_000))]

    #[test]
    fn a_run_takes_exactly_what_the_long_way_reads_as_its_like(
        draft in draft(short()), qos in qos(), version in version(), maximum in maximum(),
    ) {
        let input = draft.bytes();
        prop_assert_eq!(
            likeness(qos, version, maximum).next(&input),
            long_way(qos, version, maximum, &input)
        );
    }

    #[test]
    fn acknowledgements_are_plain_as_long_as_each_says_nothing_but_its_identifier(
        kind in 4..=7_u8,
        packets in vec(
            (4..=7_u8, prop_oneof![9 => Just(2_u8), 1 => 0..=4_u8], any::<u16>(), prop_oneof![9 => Just(true), 1 => Just(false)]),
            0..=6,
        ),
        cut in 0..=3_usize,
    ) {
        let mut input = Vec::new();
        for (other, length, id, alike) in packets {
            let number = if alike { kind } else { other };
            let flags = if number == 6 { 2 } else { 0 };
            input.extend([number << 4 | flags, length]);
            let body = [id.to_be_bytes(), [0, 0]].concat();
            input.extend(&body[..usize::from(length)]);
        }
        input.truncate(input.len().saturating_sub(cut));
        let kind = PacketType::from_number(kind).unwrap();
        for version in Version::ALL {
            let short: Vec<_> = plain_acks(kind, &input).collect();
            prop_assert_eq!(short, acks_the_long_way(kind, version, &input));
        }
    }
}

/// The packets at the front of this type that have four bytes and that the long way reads.
fn acks_the_long_way(kind: PacketType, version: Version, input: &[u8]) -> Vec<PacketId> {
    let mut rest = input;
    let mut ids = Vec::new();
    while let Ok(Split::Frame(frame, 4)) = Frame::split(rest, u32::MAX) {
        let (id, reason) = match Packet::decode(frame, version) {
            Ok(Packet::Puback(ack)) if kind == PacketType::Puback => (ack.packet_id, ack.reason),
            Ok(Packet::Pubrec(ack)) if kind == PacketType::Pubrec => (ack.packet_id, ack.reason),
            Ok(Packet::Pubrel(ack)) if kind == PacketType::Pubrel => (ack.packet_id, ack.reason),
            Ok(Packet::Pubcomp(ack)) if kind == PacketType::Pubcomp => (ack.packet_id, ack.reason),
            _ => break,
        };
        assert_eq!(reason, ReasonCode::Success);
        ids.push(id);
        rest = &rest[4..];
    }
    ids
}

proptest! {
    #![proptest_config(configured(60))]

    #[test]
    fn a_run_takes_packets_on_both_sides_of_the_last_border_of_remaining_length(
        draft in draft(2_097_149..=2_097_155_usize),
        qos in qos(),
        version in version(),
        maximum in prop_oneof![Just(u32::MAX), 2_097_153..=2_097_160_u32],
    ) {
        let input = draft.bytes();
        prop_assert_eq!(
            likeness(qos, version, maximum).next(&input),
            long_way(qos, version, maximum, &input)
        );
    }
}

proptest! {
    #![proptest_config(configured(2_000))]

    #[test]
    fn any_packet_of_the_standard_fares_the_same(
        (version, packet) in version().prop_flat_map(|version| (Just(version), packet(version))),
        qos in qos(),
        retopic in any::<bool>(),
        plain in any::<bool>(),
    ) {
        let mut packet = packet;
        if let Packet::Publish(publish) = &mut packet {
            if retopic {
                publish.topic = Some(TopicName::new(TOPIC).unwrap());
            }
            if plain {
                *publish = Publish { dup: false, retain: false, properties: Properties::EMPTY, ..*publish };
                publish.topic = publish.topic.or_else(|| TopicName::new(TOPIC).ok());
            }
        }
        let input = encode(&packet, version).unwrap();
        prop_assert_eq!(
            likeness(qos, version, u32::MAX).next(&input),
            long_way(qos, version, u32::MAX, &input)
        );
    }
}

#[test]
fn the_drafts_are_often_enough_of_the_run() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (draft(short()), qos(), version());
    let taken = (0..2_000)
        .filter(|_| {
            let (draft, qos, version) = strategy.new_tree(&mut runner).unwrap().current();
            likeness(qos, version, u32::MAX).next(&draft.bytes()).is_some()
        })
        .count();
    assert!((100..1_000).contains(&taken), "{taken} of 2,000");
}

#[test]
fn a_plain_acknowledgement_is_written_as_the_packet_writes_itself() {
    for version in Version::ALL {
        for number in [1, 2, 255, 256, 65_535] {
            let id = PacketId::new(number).unwrap();
            let packets = [
                (PacketType::Puback, Packet::Puback(Puback::new(id, ReasonCode::Success))),
                (PacketType::Pubrec, Packet::Pubrec(Pubrec::new(id, ReasonCode::Success))),
                (PacketType::Pubrel, Packet::Pubrel(Pubrel::new(id, ReasonCode::Success))),
                (PacketType::Pubcomp, Packet::Pubcomp(Pubcomp::new(id, ReasonCode::Success))),
            ];
            for (kind, packet) in packets {
                let mut written = Bytes::default();
                put_plain_ack(kind, id, &mut written);
                assert_eq!(written.0, encode(&packet, version).unwrap());
                assert_eq!(plain_acks(kind, &written.0).collect::<Vec<_>>(), [id]);
            }
        }
    }
}

#[test]
fn acknowledgements_that_say_more_are_not_plain() {
    let id = PacketId::new(7).unwrap();
    let property = [Property::ReasonString(Utf8String::new("well").unwrap())];
    let refused = Packet::Puback(Puback::new(id, ReasonCode::QuotaExceeded));
    let worded = Puback { properties: Properties::new(&property), ..Puback::new(id, ReasonCode::Success) };
    for packet in [refused, Packet::Puback(worded)] {
        let bytes = encode(&packet, Version::V5).unwrap();
        assert_eq!(plain_acks(PacketType::Puback, &bytes).next(), None);
    }
}
