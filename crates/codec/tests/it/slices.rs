//! Writing into a slice of fixed size: exact room is enough, less is refused with the size needed.

use colibri_codec::packet::{Delivery, Pingreq, Publish};
use colibri_codec::{
    EncodeError, Packet, Properties, REMAINING_LENGTH_MAX, Sink, SliceSink, TopicName, Version,
};
use proptest::prelude::{Just, any, prop_assert_eq, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy;

use crate::encode;
use crate::strategies::{configured, packet, version};

/// A sink that only counts, for packets that are too large to be kept.
struct Count(usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

fn publish(payload: &[u8]) -> Publish<'_> {
    Publish {
        dup: false,
        delivery: Delivery::AtMostOnce,
        retain: false,
        topic: Some(TopicName::new("t").unwrap()),
        properties: Properties::EMPTY,
        payload,
    }
}

#[test]
fn no_room_at_all_is_too_small() {
    let mut sink = SliceSink::new(&mut []);
    Pingreq.encode(&mut sink);
    assert_eq!(sink.finish(), Err(EncodeError::BufferTooSmall { needed: 2 }));
}

#[test]
fn an_untouched_sink_holds_nothing() {
    assert_eq!(SliceSink::new(&mut [1, 2, 3]).finish(), Ok(&[][..]));
}

#[test]
fn several_packets_fit_behind_one_another() {
    let mut buffer = [0xEE; 5];
    let mut sink = SliceSink::new(&mut buffer);
    Pingreq.encode(&mut sink);
    Pingreq.encode(&mut sink);
    assert_eq!(sink.finish(), Ok(&[0xC0, 0, 0xC0, 0][..]));
    assert_eq!(buffer[4], 0xEE);
}

#[test]
fn what_overflows_is_counted_and_nothing_behind_it_is_written() {
    let mut buffer = [0xEE; 3];
    let mut sink = SliceSink::new(&mut buffer);
    sink.put(&[1, 2]);
    sink.put(&[3, 4]);
    sink.put_u8(5);
    assert_eq!(sink.finish(), Err(EncodeError::BufferTooSmall { needed: 5 }));
    assert_eq!(buffer, [1, 2, 0xEE]);
}

#[test]
fn the_largest_packet_is_written_and_one_byte_more_is_refused() {
    let before = 3;
    let largest = REMAINING_LENGTH_MAX as usize;
    let payload = vec![0; largest - before + 1];
    let packet = publish(&payload[1..]);
    let mut count = Count(0);
    assert_eq!(packet.encode(Version::V3_1_1, &mut count), Ok(()));
    assert_eq!(count.0, largest + 5);
    assert_eq!(packet.length(Version::V3_1_1), Ok(REMAINING_LENGTH_MAX + 5));

    let error = EncodeError::PacketTooLarge { remaining_length: largest + 1 };
    let mut count = Count(0);
    assert_eq!(publish(&payload).encode(Version::V3_1_1, &mut count), Err(error));
    assert_eq!(packet.encode(Version::V5, &mut count), Err(error));
    assert_eq!(count.0, 0);
    assert_eq!(publish(&payload).length(Version::V3_1_1), Err(error));
}

proptest! {
    #![proptest_config(configured(256))]

    #[test]
    fn exactly_enough_room_is_enough_and_any_less_is_not(
        (version, packet) in version().prop_flat_map(|version| (Just(version), packet(version))),
        share in any::<Index>(),
    ) {
        let bytes = encode(&packet, version).unwrap();
        let needed = bytes.len();
        prop_assert_eq!(written(&packet, version, needed), Ok(bytes.clone()));
        prop_assert_eq!(written(&packet, version, needed + 7), Ok(bytes));
        for room in [0, 1, share.index(needed), needed - 1] {
            prop_assert_eq!(written(&packet, version, room), Err(EncodeError::BufferTooSmall { needed }));
        }
    }
}

fn written(packet: &Packet<'_>, version: Version, room: usize) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = vec![0; room];
    let mut sink = SliceSink::new(&mut buffer);
    packet.encode(version, &mut sink)?;
    sink.finish().map(<[u8]>::to_vec)
}
