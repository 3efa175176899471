//! The data representations of section 1.5 that need a type of their own.

use core::fmt;
use core::num::NonZeroU16;

use crate::Malformed;

/// The largest value of a Variable Byte Integer (section 1.5.5): 268,435,455.
pub const VARIABLE_BYTE_INTEGER_MAX: u32 = 0x0FFF_FFFF;

/// A Packet Identifier, 1 to 65,535 (section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier for a number, or `None` for 0, which no packet may carry.
    // [v5 MQTT-2.2.1-3] [v5 MQTT-2.2.1-4] [v3.1.1 MQTT-2.3.1-1]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The identifier after this one; 1 comes after 65,535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self(NonZeroU16::MIN),
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A UTF-8 Encoded String (section 1.5.4): at most 65,535 bytes and without U+0000.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8String<'a>(&'a str);

impl<'a> Utf8String<'a> {
    /// Checks what `str` does not already guarantee.
    ///
    /// # Errors
    /// [`Malformed::StringHasNul`], [`Malformed::StringTooLong`].
    // A `str` holds no surrogates and keeps U+FEFF as it came.
    // [v5 MQTT-1.5.4-1] [v5 MQTT-1.5.4-3] [v3.1.1 MQTT-1.5.3-1] [v3.1.1 MQTT-1.5.3-3]
    pub fn new(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > usize::from(u16::MAX) {
            return Err(Malformed::StringTooLong);
        }
        // Every byte is looked at, with no early exit, so that the compiler uses wide registers.
        // [v5 MQTT-1.5.4-2] [v3.1.1 MQTT-1.5.3-2]
        if text.bytes().fold(false, |seen, byte| seen | (byte == 0)) {
            return Err(Malformed::StringHasNul);
        }
        Ok(Self(text))
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether the text has no character.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Utf8String<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Utf8String<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether each byte is a character by itself, and none is U+0000.
// Not inlined: it is asked in a place for each kind of property, and the copies took eight kilobytes.
#[inline(never)]
pub(crate) fn is_ascii_without_nul(bytes: &[u8]) -> bool {
    /// The highest bit of each byte of a word.
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    /// 1 in each byte of a word.
    const ONES: u64 = 0x0101_0101_0101_0101;
    // 1 less than 0 sets the highest bit. Above a 0 the borrow can set others, which changes nothing.
    let suspicious = |seen: u64, word: u64| seen | word | word.wrapping_sub(ONES);
    let seen = match bytes.last_chunk() {
        // The last word overlaps the one before it where the length is not a multiple of eight.
        Some(last) => {
            let (words, _) = bytes.as_chunks();
            let words = words.iter().map(|word| u64::from_ne_bytes(*word));
            words.fold(suspicious(0, u64::from_ne_bytes(*last)), suspicious)
        }
        None => suspicious(0, bytes.iter().fold(ONES, |word, byte| word << 8 | u64::from(*byte))),
    };
    seen & HIGHEST == 0
}

/// Binary Data (section 1.5.6): at most 65,535 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinaryData<'a>(&'a [u8]);

impl<'a> BinaryData<'a> {
    /// Checks the length.
    ///
    /// # Errors
    /// [`Malformed::BinaryTooLong`].
    pub const fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > u16::MAX as usize { Err(Malformed::BinaryTooLong) } else { Ok(Self(bytes)) }
    }

    /// For bytes that came behind a two-byte length.
    pub(crate) const fn from_prefixed(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for BinaryData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
