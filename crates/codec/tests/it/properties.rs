//! What holds for every packet and for all bytes.

use colibri_codec::{Frame, Malformed, Packet, Split, Version};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::strategies::{configured, packet, publish, version};
use crate::{encode, stated_length};

fn frame(bytes: &[u8]) -> Frame<'_> {
    match Frame::split(bytes, u32::MAX) {
        Ok(Split::Frame(frame, used)) if used == bytes.len() => frame,
        other => panic!("{bytes:02X?} is no packet but {other:?}"),
    }
}

/// A version and a packet of it.
fn any_packet() -> impl Strategy<Value = (Version, Packet<'static>)> {
    version().prop_flat_map(|version| (Just(version), packet(version)))
}

/// Checks that whatever is accepted is written in a form that reads as the same and is written as itself.
fn is_stable(frame: Frame<'_>, version: Version) -> Result<(), TestCaseError> {
    let Ok(packet) = Packet::decode(frame, version) else { return Ok(()) };
    let bytes = encode(&packet, version);
    prop_assert!(bytes.is_ok(), "{packet:?} is accepted and not written: {bytes:?}");
    let bytes = bytes.unwrap();
    let again = Packet::decode(self::frame(&bytes), version);
    prop_assert_eq!(again.as_ref(), Ok(&packet));
    prop_assert_eq!(encode(&again.unwrap(), version), Ok(bytes.clone()));
    if let Some(length) = stated_length(&packet, version) {
        prop_assert_eq!(length.map(|length| length as usize), Ok(bytes.len()));
    }
    Ok(())
}

/// One change to the bytes of a packet.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Truncate(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![any::<u8>(), 0..=3_u8, 0x7E..=0x82_u8, Just(0xFF)];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Truncate),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        match self {
            Self::Set(..) | Self::Flip(..) | Self::Remove(_) if length == 0 => {}
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Remove(at) => {
                bytes.remove(at.index(length));
            }
            Self::Insert(at, byte) => bytes.insert(at.index(length + 1), *byte),
            Self::Truncate(at) => bytes.truncate(at.index(length + 1)),
        }
    }
}

proptest! {
    #![proptest_config(configured(1_000))]

    #[test]
    fn what_is_written_reads_as_it_was((version, packet) in any_packet()) {
        let bytes = encode(&packet, version).unwrap();
        let decoded = Packet::decode(frame(&bytes), version);
        prop_assert_eq!(decoded.as_ref(), Ok(&packet));
        let decoded = decoded.unwrap();
        prop_assert_eq!(decoded.packet_type(), packet.packet_type());
        prop_assert_eq!(encode(&decoded, version), Ok(bytes.clone()));
        for packet in [packet, decoded] {
            if let Some(length) = stated_length(&packet, version) {
                prop_assert_eq!(length.map(|length| length as usize), Ok(bytes.len()));
            }
        }
    }

    #[test]
    fn the_packet_identifier_stands_where_the_publish_says(
        (version, publish) in version().prop_flat_map(|version| (Just(version), publish(version))),
        other in 1..=u16::MAX,
    ) {
        let packet = Packet::Publish(publish);
        let mut bytes = encode(&packet, version).unwrap();
        if let Some(id) = publish.delivery.packet_id() {
            let at = publish.packet_id_offset(bytes.len(), version);
            prop_assert_eq!(&bytes[at..at + 2], &id.get().to_be_bytes());
            bytes[at..at + 2].copy_from_slice(&other.to_be_bytes());
            let Ok(Packet::Publish(patched)) = Packet::decode(frame(&bytes), version) else {
                panic!("a PUBLISH with another identifier is a PUBLISH");
            };
            prop_assert_eq!(patched.delivery.packet_id().unwrap().get(), other);
            prop_assert_eq!(patched.payload, publish.payload);
        }
    }

    #[test]
    fn what_another_version_cannot_say_is_left_out((version, packet) in any_packet(), other in version()) {
        // Not every packet can be written for another version; what is written must be read there.
        if !matches!(packet, Packet::Connect(_))
            && let Ok(bytes) = encode(&packet, other)
        {
            let decoded = Packet::decode(frame(&bytes), other);
            prop_assert!(decoded.is_ok(), "{packet:?} of {version} for {other}: {bytes:02X?}: {decoded:?}");
        }
    }

    #[test]
    fn a_changed_packet_is_refused_or_stable(
        (version, packet) in any_packet(),
        changes in vec(change(), 1..=3),
        other in version(),
    ) {
        let bytes = encode(&packet, version).unwrap();
        let frame = frame(&bytes);
        let mut body = frame.body().to_vec();
        changes.iter().for_each(|change| change.apply(&mut body));
        is_stable(Frame::new(frame.first_byte(), &body), version)?;
        is_stable(Frame::new(frame.first_byte(), &body), other)?;
    }
}

proptest! {
    #![proptest_config(configured(10_000))]

    #[test]
    fn arbitrary_bytes_are_refused_or_stable(
        first in any::<u8>(),
        body in vec(prop_oneof![2 => any::<u8>(), 3 => 0..=4_u8, 1 => 0x20..=0x2A_u8], 0..=24),
    ) {
        for version in Version::ALL {
            is_stable(Frame::new(first, &body), version)?;
        }
    }
}

#[test]
fn every_body_of_two_bytes_is_refused_or_stable_in_every_version() {
    for first in 0..=u8::MAX {
        for body in (0..=u16::MAX).map(u16::to_be_bytes) {
            for version in Version::ALL {
                if let Ok(packet) = Packet::decode(Frame::new(first, &body), version) {
                    let bytes = encode(&packet, version).unwrap();
                    assert_eq!(Packet::decode(frame(&bytes), version), Ok(packet));
                }
            }
        }
    }
}

#[test]
fn every_refusal_has_words() {
    let body = [0, 4, b'M', b'Q', b'T', b'T', 9];
    let error = Packet::decode(Frame::new(0x10, &body), Version::V5).unwrap_err();
    assert_eq!(error, Malformed::ProtocolVersion(9));
    assert_eq!(error.to_string(), "protocol version 9 is not supported");
}
