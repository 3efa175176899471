//! The tests of the codec from outside: vectors, properties, frames, slices and refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod dump;
mod frames;
mod properties;
mod property_bytes;
mod refusals;
mod runs;
mod slices;
mod strategies;
mod vectors;

use colibri_codec::{EncodeError, Packet, Sink, Version};

/// A sink that grows, so that these tests need no feature of the crate.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The bytes of a packet.
fn encode(packet: &Packet<'_>, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Bytes::default();
    packet.encode(version, &mut bytes)?;
    Ok(bytes.0)
}

/// What the packet says of its own length, where its type has the method.
fn stated_length(packet: &Packet<'_>, version: Version) -> Option<Result<u32, EncodeError>> {
    match packet {
        Packet::Connect(packet) => Some(packet.length()),
        Packet::Connack(packet) => Some(packet.length(version)),
        Packet::Publish(packet) => Some(packet.length(version)),
        Packet::Puback(packet) => Some(packet.length(version)),
        Packet::Pubrec(packet) => Some(packet.length(version)),
        Packet::Pubrel(packet) => Some(packet.length(version)),
        Packet::Pubcomp(packet) => Some(packet.length(version)),
        Packet::Disconnect(packet) => Some(packet.length(version)),
        Packet::Subscribe(_)
        | Packet::Suback(_)
        | Packet::Unsubscribe(_)
        | Packet::Unsuback(_)
        | Packet::Pingreq(_)
        | Packet::Pingresp(_)
        | Packet::Auth(_) => None,
    }
}
