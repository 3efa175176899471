//! PINGREQ (section 3.12): a client asks whether the server is there.

use crate::reader::Reader;
use crate::{Malformed, PacketType, Sink};

/// A PINGREQ, which carries nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pingreq;

impl Pingreq {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        Reader::new(body).finish()?;
        Ok(Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut impl Sink) {
        out.put(&[PacketType::Pingreq.first_byte(), 0]);
    }
}
