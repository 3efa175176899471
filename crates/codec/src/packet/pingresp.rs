//! PINGRESP (section 3.13): the server is there.

use crate::reader::Reader;
use crate::{Malformed, PacketType, Sink};

/// A PINGRESP, which carries nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pingresp;

impl Pingresp {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        Reader::new(body).finish()?;
        Ok(Self)
    }

    /// Writes the packet.
    pub fn encode(&self, out: &mut impl Sink) {
        out.put(&[PacketType::Pingresp.first_byte(), 0]);
    }
}
