//! What was decoded is written as bytes that decode to the same; written again they stay as they are.

use colibri_codec::{EncodeError, Frame, Packet, PacketType, SliceSink, Split, Version};

use crate::packets::{self, length};

pub(super) fn run(data: &[u8]) {
    for version in Version::ALL {
        if let Some((&first, body)) = data.split_first() {
            round_trip(Frame::new(first, body), version);
        }
        if let Ok(Split::Frame(frame, _)) = Frame::split(data, u32::MAX) {
            round_trip(frame, version);
        }
    }
}

fn round_trip(frame: Frame<'_>, version: Version) {
    let Ok(packet) = Packet::decode(frame, version) else { return };
    let canonical = packets::written(&packet, version).expect("what was read can be written");
    packets::note(&packet, version);
    let again = whole(&canonical);
    assert_eq!(Packet::decode(again, version), Ok(packet), "{frame:?}");
    let rewritten = Packet::decode(again, version).map(|packet| packets::written(&packet, version));
    assert_eq!(rewritten, Ok(Ok(canonical.clone())));
    if let Some(length) = length(&packet, version) {
        assert_eq!(length.map(|length| length as usize), Ok(canonical.len()));
    }
    // A server that does not speak 5.0 answers in a shorter form than that of 5.0.
    let may_grow = packet.packet_type() == PacketType::Connack && version == Version::V5;
    assert!(may_grow || again.body().len() <= frame.body().len(), "{frame:?} grew to {again:?}");
    exact_room(&packet, version, &canonical);
    for other in Version::ALL {
        into_other_version(&packet, other);
    }
}

/// Exactly enough room is enough, and one byte less is told from what is needed.
fn exact_room(packet: &Packet<'_>, version: Version, canonical: &[u8]) {
    let needed = canonical.len();
    let mut buffer = vec![0; needed];
    let mut sink = SliceSink::new(&mut buffer);
    packet.encode(version, &mut sink).unwrap();
    assert_eq!(sink.finish(), Ok(canonical));
    let mut sink = SliceSink::new(&mut buffer[1..]);
    packet.encode(version, &mut sink).unwrap();
    assert_eq!(sink.finish(), Err(EncodeError::BufferTooSmall { needed }));
}

/// A packet of one version written for another is refused with nothing written, or can be read there.
fn into_other_version(packet: &Packet<'_>, other: Version) {
    let mut bytes = Vec::new();
    match packet.encode(other, &mut bytes) {
        Err(_) => assert!(bytes.is_empty(), "{packet:?} was written in part"),
        Ok(()) => {
            let read = Packet::decode(whole(&bytes), other);
            let read = read.unwrap_or_else(|error| panic!("{packet:?} in {other}: {error}, {bytes:02x?}"));
            assert_eq!(read.packet_type(), packet.packet_type());
            assert_eq!(packets::written(&read, other), Ok(bytes.clone()));
        }
    }
}

/// The one packet that these bytes are.
fn whole(bytes: &[u8]) -> Frame<'_> {
    match Frame::split(bytes, u32::MAX) {
        Ok(Split::Frame(frame, used)) if used == bytes.len() => frame,
        other => panic!("{other:?} of {bytes:02x?}"),
    }
}
