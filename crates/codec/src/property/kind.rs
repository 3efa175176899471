//! The wire types of section 2.2.2.2, with the bounds that single properties put on them.

use core::num::{NonZeroU16, NonZeroU32};

use crate::primitive::{BinaryData, Utf8String};
use crate::reader::Reader;
use crate::writer::{
    Sink, put_prefixed, put_u16, put_u32, put_variable_byte_integer, variable_byte_integer_length,
};
use crate::{Malformed, PropertyId, TopicName};

/// How the values of one wire type are read, checked and written.
pub(super) trait Kind {
    /// Its values.
    type Value<'a>: Copy;

    /// Reads and checks a value that came.
    fn read<'a>(reader: &mut Reader<'a>, id: PropertyId) -> Result<Self::Value<'a>, Malformed>;

    /// The same for who does not need the value.
    #[inline]
    fn verify(reader: &mut Reader<'_>, id: PropertyId) -> Result<(), Malformed> {
        Self::read(reader, id).map(|_| ())
    }

    /// Goes past a value without looking at more than its length.
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed>;

    /// Checks of a caller's value what its type does not guarantee.
    fn check(_: Self::Value<'_>, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    /// The length of a value in bytes.
    fn length(value: Self::Value<'_>) -> usize;

    /// Writes a value.
    fn write(value: Self::Value<'_>, out: &mut impl Sink);
}

/// A byte that is 0 or 1.
pub(super) struct Flag;

impl Kind for Flag {
    type Value<'a> = bool;

    #[inline]
    fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<bool, Malformed> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::PropertyValue(id)),
        }
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(1).map(|_| ())
    }

    fn length(_: bool) -> usize {
        1
    }

    fn write(value: bool, out: &mut impl Sink) {
        out.put_u8(u8::from(value));
    }
}

/// A Two Byte Integer.
pub(super) struct U16;

impl Kind for U16 {
    type Value<'a> = u16;

    #[inline]
    fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<u16, Malformed> {
        reader.u16()
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(2).map(|_| ())
    }

    fn length(_: u16) -> usize {
        2
    }

    fn write(value: u16, out: &mut impl Sink) {
        put_u16(out, value);
    }
}

/// A Four Byte Integer.
pub(super) struct U32;

impl Kind for U32 {
    type Value<'a> = u32;

    #[inline]
    fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<u32, Malformed> {
        reader.u32()
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(4).map(|_| ())
    }

    fn length(_: u32) -> usize {
        4
    }

    fn write(value: u32, out: &mut impl Sink) {
        put_u32(out, value);
    }
}

/// A Variable Byte Integer above 0.
pub(super) struct VarInt;

impl Kind for VarInt {
    type Value<'a> = u32;

    #[inline]
    fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<u32, Malformed> {
        let value = reader.variable_byte_integer()?;
        Self::check(value, id)?;
        Ok(value)
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.variable_byte_integer().map(|_| ())
    }

    fn check(value: u32, id: PropertyId) -> Result<(), Malformed> {
        if value == 0 || value > crate::VARIABLE_BYTE_INTEGER_MAX {
            return Err(Malformed::PropertyValue(id));
        }
        Ok(())
    }

    fn length(value: u32) -> usize {
        variable_byte_integer_length(value) as usize
    }

    fn write(value: u32, out: &mut impl Sink) {
        put_variable_byte_integer(out, value);
    }
}

/// A Two Byte Integer above 0.
pub(super) struct NonZeroTwo;

impl Kind for NonZeroTwo {
    type Value<'a> = NonZeroU16;

    #[inline]
    fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<NonZeroU16, Malformed> {
        NonZeroU16::new(reader.u16()?).ok_or(Malformed::PropertyValue(id))
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(2).map(|_| ())
    }

    fn length(_: NonZeroU16) -> usize {
        2
    }

    fn write(value: NonZeroU16, out: &mut impl Sink) {
        put_u16(out, value.get());
    }
}

/// A Four Byte Integer above 0.
pub(super) struct NonZeroFour;

impl Kind for NonZeroFour {
    type Value<'a> = NonZeroU32;

    #[inline]
    fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<NonZeroU32, Malformed> {
        NonZeroU32::new(reader.u32()?).ok_or(Malformed::PropertyValue(id))
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(4).map(|_| ())
    }

    fn length(_: NonZeroU32) -> usize {
        4
    }

    fn write(value: NonZeroU32, out: &mut impl Sink) {
        put_u32(out, value.get());
    }
}

/// A topic alias: a Two Byte Integer above 0 with an error of its own.
pub(super) struct Alias;

impl Kind for Alias {
    type Value<'a> = NonZeroU16;

    #[inline]
    fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<NonZeroU16, Malformed> {
        // [v5 MQTT-3.3.2-8]
        NonZeroU16::new(reader.u16()?).ok_or(Malformed::TopicAliasZero)
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.take(2).map(|_| ())
    }

    fn length(_: NonZeroU16) -> usize {
        2
    }

    fn write(value: NonZeroU16, out: &mut impl Sink) {
        put_u16(out, value.get());
    }
}

/// A UTF-8 Encoded String.
pub(super) struct Text;

impl Kind for Text {
    type Value<'a> = Utf8String<'a>;

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<Utf8String<'a>, Malformed> {
        reader.utf8_string()
    }

    #[inline]
    fn verify(reader: &mut Reader<'_>, _: PropertyId) -> Result<(), Malformed> {
        // [v5 MQTT-3.3.2-19]
        reader.verify_utf8_string()
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.prefixed().map(|_| ())
    }

    fn length(value: Utf8String<'_>) -> usize {
        2 + value.as_str().len()
    }

    fn write(value: Utf8String<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_str().as_bytes());
    }
}

/// A UTF-8 Encoded String that is a topic name.
pub(super) struct Topic;

impl Kind for Topic {
    type Value<'a> = TopicName<'a>;

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<TopicName<'a>, Malformed> {
        // [v5 MQTT-3.3.2-13] [v5 MQTT-3.3.2-14]
        TopicName::new(reader.str()?).map_err(Malformed::ResponseTopic)
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.prefixed().map(|_| ())
    }

    fn length(value: TopicName<'_>) -> usize {
        2 + value.as_str().len()
    }

    fn write(value: TopicName<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_str().as_bytes());
    }
}

/// Binary Data.
pub(super) struct Binary;

impl Kind for Binary {
    type Value<'a> = BinaryData<'a>;

    #[inline]
    fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<BinaryData<'a>, Malformed> {
        reader.binary()
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.prefixed().map(|_| ())
    }

    fn length(value: BinaryData<'_>) -> usize {
        2 + value.as_bytes().len()
    }

    fn write(value: BinaryData<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_bytes());
    }
}

/// A UTF-8 String Pair.
pub(super) struct Pair;

impl Kind for Pair {
    type Value<'a> = (Utf8String<'a>, Utf8String<'a>);

    #[inline]
    fn read<'a>(
        reader: &mut Reader<'a>,
        _: PropertyId,
    ) -> Result<(Utf8String<'a>, Utf8String<'a>), Malformed> {
        Ok((reader.utf8_string()?, reader.utf8_string()?))
    }

    #[inline]
    fn verify(reader: &mut Reader<'_>, _: PropertyId) -> Result<(), Malformed> {
        // [v5 MQTT-1.5.7-1]
        reader.verify_utf8_string()?;
        reader.verify_utf8_string()
    }

    #[inline]
    fn skip(reader: &mut Reader<'_>) -> Result<(), Malformed> {
        reader.prefixed()?;
        reader.prefixed().map(|_| ())
    }

    fn length(value: (Utf8String<'_>, Utf8String<'_>)) -> usize {
        4 + value.0.as_str().len() + value.1.as_str().len()
    }

    fn write(value: (Utf8String<'_>, Utf8String<'_>), out: &mut impl Sink) {
        put_prefixed(out, value.0.as_str().as_bytes());
        put_prefixed(out, value.1.as_str().as_bytes());
    }
}
