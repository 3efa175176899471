//! From a byte stream to whole packets; enforces the maximum packet size before a body is buffered.

use crate::{Malformed, PacketType, Version};

/// One whole packet, cut from the stream but not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    first: u8,
    body: &'a [u8],
}

/// What the front of a byte stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A whole packet, and how many bytes of the input it takes.
    Frame(Frame<'a>, usize),
    /// Part of a packet: the input must grow to at least this many bytes before it is worth asking again.
    Need(usize),
}

impl<'a> Frame<'a> {
    /// Cuts the first packet off `input`, which may end anywhere.
    ///
    /// `maximum_packet_size` bounds the whole packet in bytes, fixed header included (section
    /// 3.1.2.11.4). It is checked as soon as the Remaining Length is known.
    ///
    /// # Errors
    /// [`Malformed::PacketTooLarge`], [`Malformed::VariableByteIntegerTooLong`],
    /// [`Malformed::VariableByteIntegerOverlong`].
    #[inline]
    pub fn split(input: &'a [u8], maximum_packet_size: u32) -> Result<Split<'a>, Malformed> {
        let Some((&first, after_first)) = input.split_first() else { return Ok(Split::Need(2)) };
        let (length, header) = match after_first.first() {
            None => return Ok(Split::Need(2)),
            Some(&byte) if byte < 0x80 => (u32::from(byte), 2usize),
            Some(_) => match long_length(after_first)? {
                Some(parsed) => parsed,
                None => return Ok(Split::Need(input.len() + 1)),
            },
        };
        let total = header + length as usize;
        if total > maximum_packet_size as usize {
            let size = u32::try_from(total).unwrap_or(u32::MAX);
            return Err(Malformed::PacketTooLarge { size, maximum: maximum_packet_size });
        }
        match input.get(header..total) {
            Some(body) => Ok(Split::Frame(Frame { first, body }, total)),
            None => Ok(Split::Need(total)),
        }
    }

    /// A frame from its parts: the first byte and everything after the Remaining Length.
    pub const fn new(first: u8, body: &'a [u8]) -> Self {
        Self { first, body }
    }

    /// The first byte: packet type and flags.
    pub const fn first_byte(&self) -> u8 {
        self.first
    }

    /// Everything after the Remaining Length.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The packet's type, with its reserved flags checked.
    ///
    /// # Errors
    /// [`Malformed::ReservedPacketType`], [`Malformed::ReservedFlags`].
    pub fn packet_type(&self, version: Version) -> Result<PacketType, Malformed> {
        PacketType::check(self.first, version)
    }
}

/// A Remaining Length of two to four bytes and the length of the fixed header; `None` if it goes on.
fn long_length(bytes: &[u8]) -> Result<Option<(u32, usize)>, Malformed> {
    let mut value = 0u32;
    for (index, shift) in [0u32, 7, 14, 21].into_iter().enumerate() {
        let Some(&byte) = bytes.get(index) else { return Ok(None) };
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(Malformed::VariableByteIntegerOverlong);
            }
            return Ok(Some((value, index + 2)));
        }
    }
    Err(Malformed::VariableByteIntegerTooLong)
}
