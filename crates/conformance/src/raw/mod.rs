//! Packets written and read by hand, well formed or not; it knows the layout of MQTT and no rule of it.

mod acknowledge;
mod connect;
mod packet;
pub mod property;
mod publish;
mod request;
mod respond;
mod subscribe;
mod words;

pub use acknowledge::{
    AUTH, Acknowledge, DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, Reason, auth, disconnect, puback,
    pubcomp, pubrec, pubrel,
};
pub use connect::{Connect, Will};
pub use packet::{Ack, Answer, Connack, Content, Kind, Packet, Publication, length, split};
pub use publish::Publish;
pub use request::{Hello, Request, Testament};
pub use respond::{PINGRESP, Response, connack, suback, unsuback};
pub use subscribe::{Subscribe, Unsubscribe};
pub use words::{hex, words};

use colibri_codec::Version;

/// Something that can be sent: a packet in the making, or bytes.
pub trait Encode {
    /// Its bytes in this version.
    fn encode(&self, version: Version) -> Vec<u8>;
}

impl Encode for [u8] {
    fn encode(&self, _: Version) -> Vec<u8> {
        self.to_vec()
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, _: Version) -> Vec<u8> {
        self.to_vec()
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, _: Version) -> Vec<u8> {
        self.clone()
    }
}

/// PINGREQ.
pub const PINGREQ: [u8; 2] = [0xC0, 0x00];

/// A whole packet: the first byte, the Remaining Length in as few bytes as it needs, and the body.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    variable(&mut bytes, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// Writes a Variable Byte Integer.
pub fn variable(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value % 128).unwrap_or(0);
        value /= 128;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Writes a field with a length of two bytes in front: a string, valid or not, or binary data.
pub fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Writes the properties with their length in front, in 5.0; nothing before.
fn properties(out: &mut Vec<u8>, properties: &[u8], version: Version) {
    if version == Version::V5 {
        variable(out, properties.len());
        out.extend_from_slice(properties);
    }
}
