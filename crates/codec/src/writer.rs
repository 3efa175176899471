//! Where encoded bytes go; with `reader.rs` the only index arithmetic of the crate.

use crate::EncodeError;

/// Takes the bytes of encoded packets in order.
///
/// A packet's length is checked before its first byte is put, so a sink never sees half a packet
/// because of what is in it.
pub trait Sink {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn put_u8(&mut self, byte: u8) {
        self.put(&[byte]);
    }
}

#[cfg(feature = "alloc")]
impl Sink for alloc::vec::Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_u8(&mut self, byte: u8) {
        self.push(byte);
    }
}

/// A sink over a slice of fixed size, for machines without an allocator.
#[derive(Debug)]
pub struct SliceSink<'a> {
    buffer: &'a mut [u8],
    /// How many bytes were put, also past the end of the buffer.
    put: usize,
}

impl<'a> SliceSink<'a> {
    /// A sink that fills `buffer` from its start.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, put: 0 }
    }

    /// The bytes put so far.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`] with the size that would have been enough.
    pub fn finish(self) -> Result<&'a [u8], EncodeError> {
        let put = self.put;
        self.buffer.get(..put).ok_or(EncodeError::BufferTooSmall { needed: put })
    }
}

impl Sink for SliceSink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.put.saturating_add(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.put..end) {
            room.copy_from_slice(bytes);
        }
        self.put = end;
    }
}

pub(crate) fn put_u16(out: &mut impl Sink, value: u16) {
    out.put(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut impl Sink, value: u32) {
    out.put(&value.to_be_bytes());
}

/// Writes a field with its two-byte length in front. The callers' types bound the length.
#[inline]
pub(crate) fn put_prefixed(out: &mut impl Sink, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX));
    put_u16(out, u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put(bytes);
}

/// Writes a Variable Byte Integer in as few bytes as it needs. [v5 MQTT-1.5.5-1]
#[inline]
pub(crate) fn put_variable_byte_integer(out: &mut impl Sink, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8((value & 0x7F) as u8);
}

/// How many bytes [`put_variable_byte_integer`] writes: 1 to 4.
pub(crate) const fn variable_byte_integer_length(value: u32) -> u32 {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}
