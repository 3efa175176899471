//! What a caller puts together is refused before a byte is written, or written so that it reads the same.

use arbitrary::{Arbitrary as _, Unstructured};
use colibri_codec::{Frame, Packet, Split, Version};

use crate::packets;
use crate::trace;

pub(super) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    for _ in 0..64 {
        let Ok(number) = u8::arbitrary(&mut u) else { return };
        let version = Version::ALL[usize::from(number) % 3];
        if u.is_empty() || packets::build(&mut u, version, |packet| check(&packet, version)).is_err() {
            return;
        }
    }
}

fn check(packet: &Packet<'_>, version: Version) {
    let mut bytes = vec![0xEE];
    if let Err(error) = packet.encode(version, &mut bytes) {
        assert_eq!(bytes, [0xEE], "{packet:?} was written in part");
        assert!(!error.to_string().is_empty());
        trace::note((version, packet.packet_type(), error.to_string()));
        return;
    }
    assert_eq!(bytes.remove(0), 0xEE);
    packets::note(packet, version);
    if let Some(length) = packets::length(packet, version) {
        assert_eq!(length.map(|length| length as usize), Ok(bytes.len()));
    }
    let Ok(Split::Frame(frame, used)) = Frame::split(&bytes, u32::MAX) else { panic!("{bytes:02x?}") };
    assert_eq!(used, bytes.len());
    let read = Packet::decode(frame, version);
    let read = read.unwrap_or_else(|error| panic!("{error}: {packet:?} in {version} is {bytes:02x?}"));
    if version == Version::V5 {
        assert_eq!(without_dup(read), without_dup(*packet));
    } else {
        assert_eq!(read.packet_type(), packet.packet_type());
    }
    // In every version what was read is written as the same bytes.
    assert_eq!(packets::written(&read, version), Ok(bytes.clone()));
}

/// DUP is left out with QoS 0, so it may differ.
fn without_dup(packet: Packet<'_>) -> Packet<'_> {
    match packet {
        Packet::Publish(publish) if publish.delivery.packet_id().is_none() => {
            Packet::Publish(colibri_codec::Publish { dup: false, ..publish })
        }
        other => other,
    }
}
