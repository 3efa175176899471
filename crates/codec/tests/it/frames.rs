//! Cutting a stream into frames: nothing is claimed that is not there, and nothing too large is awaited.

use colibri_codec::{Frame, Malformed, Packet, PacketType, REMAINING_LENGTH_MAX, Split, Version};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

use crate::encode;
use crate::strategies::{configured, packet, version};

/// The largest packet there is: the largest body behind a first byte and a length of four bytes.
const PACKET_MAX: u32 = 5 + REMAINING_LENGTH_MAX;

/// A fixed header without its body.
fn header(first: u8, mut length: u32) -> Vec<u8> {
    let mut bytes = vec![first];
    loop {
        let digit = u8::try_from(length & 0x7F).unwrap();
        length >>= 7;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            return bytes;
        }
    }
}

/// Lengths of every size, not only the many long ones.
fn remaining_length() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..=127_u32,
        126..=129_u32,
        16_382..=16_385_u32,
        2_097_150..=2_097_153_u32,
        (0..=28_u32).prop_flat_map(|bits| 0..=(1_u32 << bits) - 1),
        Just(REMAINING_LENGTH_MAX),
    ]
}

#[test]
fn a_frame_is_its_first_byte_and_its_body() {
    let Ok(Split::Frame(frame, used)) = Frame::split(&[0x62, 2, 0, 1, 0xC0], u32::MAX) else {
        panic!("there is a whole packet");
    };
    assert_eq!((frame.first_byte(), frame.body(), used), (0x62, &[0, 1][..], 4));
    assert_eq!(frame, Frame::new(0x62, &[0, 1]));
    assert_eq!(frame.packet_type(Version::V5), Ok(PacketType::Pubrel));
}

#[test]
fn every_type_is_known_by_its_number() {
    for (number, packet_type) in (1..=15).zip(PacketType::ALL) {
        assert_eq!(packet_type.number(), number);
        assert_eq!(PacketType::from_number(number), Some(packet_type));
    }
    assert_eq!(PacketType::from_number(0), None);
    assert!((16..=255).all(|number| PacketType::from_number(number).is_none()));
}

#[test]
fn a_maximum_of_zero_takes_no_packet() {
    assert_eq!(Frame::split(&[0xC0, 0], 0), Err(Malformed::PacketTooLarge { size: 2, maximum: 0 }));
}

proptest! {
    #![proptest_config(configured(1_000))]

    #[test]
    fn the_maximum_packet_size_is_enforced_from_the_header_alone(
        first in any::<u8>(),
        length in remaining_length(),
        maximum in prop_oneof![0..=300_u32, any::<u32>(), Just(u32::MAX), Just(PACKET_MAX)],
    ) {
        let input = header(first, length);
        let size = u32::try_from(input.len()).unwrap() + length;
        let outcome = Frame::split(&input, maximum);
        if size > maximum {
            prop_assert_eq!(outcome, Err(Malformed::PacketTooLarge { size, maximum }));
        } else if length == 0 {
            prop_assert_eq!(outcome, Ok(Split::Frame(Frame::new(first, &[]), 2)));
        } else {
            prop_assert_eq!(outcome, Ok(Split::Need(size as usize)));
        }
        prop_assert!(size <= PACKET_MAX);
    }

    #[test]
    fn a_packet_that_is_as_large_as_allowed_passes_and_one_byte_less_refuses_it(
        first in any::<u8>(),
        body in vec(any::<u8>(), 0..=300),
    ) {
        let mut input = header(first, u32::try_from(body.len()).unwrap());
        input.extend_from_slice(&body);
        let size = u32::try_from(input.len()).unwrap();
        prop_assert_eq!(
            Frame::split(&input, size),
            Ok(Split::Frame(Frame::new(first, &body), input.len()))
        );
        let maximum = size - 1;
        prop_assert_eq!(Frame::split(&input, maximum), Err(Malformed::PacketTooLarge { size, maximum }));
    }

    #[test]
    fn a_split_never_claims_more_than_the_input(
        input in vec(prop_oneof![any::<u8>(), 0..=3_u8, 0x80..=0x83_u8], 0..=40),
        maximum in prop_oneof![0..=50_u32, Just(u32::MAX)],
    ) {
        match Frame::split(&input, maximum) {
            Ok(Split::Frame(frame, used)) => {
                prop_assert!(used <= input.len());
                prop_assert!(used <= maximum as usize);
                prop_assert_eq!(&input[used - frame.body().len()..used], frame.body());
                let length = u32::try_from(frame.body().len()).unwrap();
                prop_assert_eq!(&input[..used - frame.body().len()], header(frame.first_byte(), length));
            }
            Ok(Split::Need(need)) => prop_assert!(need > input.len()),
            Err(error) => {
                let of_the_header = matches!(
                    error,
                    Malformed::PacketTooLarge { .. }
                        | Malformed::VariableByteIntegerTooLong
                        | Malformed::VariableByteIntegerOverlong
                );
                prop_assert!(of_the_header, "{error:?}");
            }
        }
    }

    #[test]
    fn a_verdict_on_part_of_the_input_stands_when_more_comes(
        input in vec(prop_oneof![any::<u8>(), 0..=3_u8, 0x80..=0x83_u8], 0..=40),
        cut in 0..=40_usize,
        maximum in prop_oneof![0..=50_u32, Just(u32::MAX)],
    ) {
        let part = &input[..cut.min(input.len())];
        match Frame::split(part, maximum) {
            Ok(Split::Need(need)) if need > input.len() => {
                prop_assert!(!matches!(Frame::split(&input, maximum), Ok(Split::Frame(..))));
            }
            Ok(Split::Need(_)) => {}
            verdict => prop_assert_eq!(verdict, Frame::split(&input, maximum)),
        }
    }
}

/// A stream of packets of one version, and where it is cut into pieces.
fn stream() -> impl Strategy<Value = (Version, Vec<Packet<'static>>, Vec<usize>)> {
    let pieces = vec(prop_oneof![4 => 1..=7_usize, 1 => 1..=5_000_usize], 1..=12);
    version()
        .prop_flat_map(|version| (Just(version), vec(packet(version), 1..=6)))
        .prop_flat_map(move |(version, packets)| (Just(version), Just(packets), pieces.clone()))
}

proptest! {
    #![proptest_config(configured(128))]

    #[test]
    fn a_stream_in_any_pieces_gives_the_same_packets((version, packets, pieces) in stream()) {
        let stream = packets.iter().flat_map(|packet| encode(packet, version).unwrap()).collect::<Vec<_>>();
        let mut buffer = Vec::new();
        let mut rest = &stream[..];
        // The bytes of the current packet that must be there before another look at it pays.
        let mut need = 0;
        let mut decoded = 0;
        for piece in pieces.iter().cycle() {
            let (head, tail) = rest.split_at((*piece).min(rest.len()));
            buffer.extend_from_slice(head);
            rest = tail;
            loop {
                match Frame::split(&buffer, PACKET_MAX).unwrap() {
                    Split::Frame(frame, used) => {
                        prop_assert!(need <= buffer.len(), "{used} are enough");
                        prop_assert_eq!(Packet::decode(frame, version), Ok(packets[decoded]));
                        decoded += 1;
                        need = 0;
                        buffer.drain(..used);
                    }
                    Split::Need(more) => {
                        prop_assert!(more > buffer.len());
                        prop_assert!(more >= need, "{need} bytes were asked for and then only {more}");
                        need = more;
                        break;
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(decoded, packets.len());
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn fewer_bytes_than_needed_are_never_a_packet((version, packets, _) in stream()) {
        let bytes = encode(&packets[0], version).unwrap();
        let mut known = 0;
        while known < bytes.len() {
            let Ok(Split::Need(need)) = Frame::split(&bytes[..known], PACKET_MAX) else {
                panic!("{known} of {} bytes are taken for a packet", bytes.len());
            };
            prop_assert!(need > known && need <= bytes.len());
            for fewer in known..need {
                prop_assert!(matches!(Frame::split(&bytes[..fewer], PACKET_MAX), Ok(Split::Need(_))));
            }
            known = need;
        }
    }
}
