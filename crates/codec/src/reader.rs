//! A cursor over one packet's bytes; with `writer.rs` the only index arithmetic of the crate.

use crate::Malformed;
use crate::primitive::{BinaryData, PacketId, Utf8String, VARIABLE_BYTE_INTEGER_MAX, is_ascii_without_nul};

/// Reads the primitives of section 1.5 from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// What was read since the reader was `before`.
    #[inline]
    pub(crate) fn since(&self, before: &Self) -> &'a [u8] {
        let read = before.rest.len().saturating_sub(self.rest.len());
        before.rest.get(..read).unwrap_or_default()
    }

    /// Fails when bytes are left after the last field.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let (&byte, tail) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<2>().ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(u16::from_be_bytes(*head))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        self.rest = tail;
        Ok(u32::from_be_bytes(*head))
    }

    /// A Variable Byte Integer, section 1.5.5: at most four bytes, and no more than it needs.
    #[inline]
    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u32;
        for shift in [0u32, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                // [v5 MQTT-1.5.5-1]
                if byte == 0 && shift > 0 {
                    return Err(Malformed::VariableByteIntegerOverlong);
                }
                debug_assert!(value <= VARIABLE_BYTE_INTEGER_MAX);
                return Ok(value);
            }
        }
        Err(Malformed::VariableByteIntegerTooLong)
    }

    /// A Packet Identifier; 0 is malformed.
    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.u16()?).ok_or(Malformed::PacketIdZero)
    }

    /// The bytes of a field with a two-byte length in front.
    #[inline]
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(crate) fn binary(&mut self) -> Result<BinaryData<'a>, Malformed> {
        Ok(BinaryData::from_prefixed(self.prefixed()?))
    }

    /// The text of a field that has rules of its own on top (topics), unchecked for U+0000.
    pub(crate) fn str(&mut self) -> Result<&'a str, Malformed> {
        text(self.prefixed()?)
    }

    pub(crate) fn utf8_string(&mut self) -> Result<Utf8String<'a>, Malformed> {
        Utf8String::new(self.str()?)
    }

    /// Checks what [`Reader::utf8_string`] would give, for who does not need it: of most strings every byte
    /// is a character.
    #[inline]
    pub(crate) fn verify_utf8_string(&mut self) -> Result<(), Malformed> {
        let bytes = self.prefixed()?;
        if is_ascii_without_nul(bytes) { Ok(()) } else { Self::verify_any_text(bytes) }
    }

    #[cold]
    fn verify_any_text(bytes: &[u8]) -> Result<(), Malformed> {
        Utf8String::new(text(bytes)?).map(|_| ())
    }
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    core::str::from_utf8(bytes).map_err(|_| Malformed::StringNotUtf8)
}
