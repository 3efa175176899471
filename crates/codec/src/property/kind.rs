//! The wire types of section 2.2.2.2, with the bounds that single properties put on them.

use core::num::{NonZeroU16, NonZeroU32};

use crate::primitive::{BinaryData, Utf8String};
use crate::reader::Reader;
use crate::writer::{
    Sink, put_prefixed, put_u16, put_u32, put_variable_byte_integer, variable_byte_integer_length,
};
use crate::{Malformed, PropertyId, TopicName};

/// A byte that is 0 or 1.
pub(super) struct Flag;

impl Flag {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<bool, Malformed> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::PropertyValue(id)),
        }
    }

    pub(super) fn check(_: bool, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: bool) -> usize {
        1
    }

    pub(super) fn write(value: bool, out: &mut impl Sink) {
        out.put_u8(u8::from(value));
    }
}

/// A Two Byte Integer.
pub(super) struct U16;

impl U16 {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<u16, Malformed> {
        reader.u16()
    }

    pub(super) fn check(_: u16, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: u16) -> usize {
        2
    }

    pub(super) fn write(value: u16, out: &mut impl Sink) {
        put_u16(out, value);
    }
}

/// A Four Byte Integer.
pub(super) struct U32;

impl U32 {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<u32, Malformed> {
        reader.u32()
    }

    pub(super) fn check(_: u32, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: u32) -> usize {
        4
    }

    pub(super) fn write(value: u32, out: &mut impl Sink) {
        put_u32(out, value);
    }
}

/// A Variable Byte Integer above 0.
pub(super) struct VarInt;

impl VarInt {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<u32, Malformed> {
        let value = reader.variable_byte_integer()?;
        Self::check(value, id)?;
        Ok(value)
    }

    pub(super) fn check(value: u32, id: PropertyId) -> Result<(), Malformed> {
        if value == 0 || value > crate::VARIABLE_BYTE_INTEGER_MAX {
            return Err(Malformed::PropertyValue(id));
        }
        Ok(())
    }

    pub(super) fn length(value: u32) -> usize {
        variable_byte_integer_length(value) as usize
    }

    pub(super) fn write(value: u32, out: &mut impl Sink) {
        put_variable_byte_integer(out, value);
    }
}

/// A Two Byte Integer above 0.
pub(super) struct NonZeroTwo;

impl NonZeroTwo {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<NonZeroU16, Malformed> {
        NonZeroU16::new(reader.u16()?).ok_or(Malformed::PropertyValue(id))
    }

    pub(super) fn check(_: NonZeroU16, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: NonZeroU16) -> usize {
        2
    }

    pub(super) fn write(value: NonZeroU16, out: &mut impl Sink) {
        put_u16(out, value.get());
    }
}

/// A Four Byte Integer above 0.
pub(super) struct NonZeroFour;

impl NonZeroFour {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, id: PropertyId) -> Result<NonZeroU32, Malformed> {
        NonZeroU32::new(reader.u32()?).ok_or(Malformed::PropertyValue(id))
    }

    pub(super) fn check(_: NonZeroU32, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: NonZeroU32) -> usize {
        4
    }

    pub(super) fn write(value: NonZeroU32, out: &mut impl Sink) {
        put_u32(out, value.get());
    }
}

/// A topic alias: a Two Byte Integer above 0 with an error of its own.
pub(super) struct Alias;

impl Alias {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, _: PropertyId) -> Result<NonZeroU16, Malformed> {
        // [v5 MQTT-3.3.2-8]
        NonZeroU16::new(reader.u16()?).ok_or(Malformed::TopicAliasZero)
    }

    pub(super) fn check(_: NonZeroU16, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(_: NonZeroU16) -> usize {
        2
    }

    pub(super) fn write(value: NonZeroU16, out: &mut impl Sink) {
        put_u16(out, value.get());
    }
}

/// A UTF-8 Encoded String.
pub(super) struct Text;

impl Text {
    #[inline]
    pub(super) fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<Utf8String<'a>, Malformed> {
        // [v5 MQTT-3.3.2-19]
        reader.utf8_string()
    }

    pub(super) fn check(_: Utf8String<'_>, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(value: Utf8String<'_>) -> usize {
        2 + value.as_str().len()
    }

    pub(super) fn write(value: Utf8String<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_str().as_bytes());
    }
}

/// A UTF-8 Encoded String that is a topic name.
pub(super) struct Topic;

impl Topic {
    #[inline]
    pub(super) fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<TopicName<'a>, Malformed> {
        // [v5 MQTT-3.3.2-13] [v5 MQTT-3.3.2-14]
        TopicName::new(reader.str()?).map_err(Malformed::ResponseTopic)
    }

    pub(super) fn check(_: TopicName<'_>, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(value: TopicName<'_>) -> usize {
        2 + value.as_str().len()
    }

    pub(super) fn write(value: TopicName<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_str().as_bytes());
    }
}

/// Binary Data.
pub(super) struct Binary;

impl Binary {
    #[inline]
    pub(super) fn read<'a>(reader: &mut Reader<'a>, _: PropertyId) -> Result<BinaryData<'a>, Malformed> {
        reader.binary()
    }

    pub(super) fn check(_: BinaryData<'_>, _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(value: BinaryData<'_>) -> usize {
        2 + value.as_bytes().len()
    }

    pub(super) fn write(value: BinaryData<'_>, out: &mut impl Sink) {
        put_prefixed(out, value.as_bytes());
    }
}

/// A UTF-8 String Pair.
pub(super) struct Pair;

impl Pair {
    #[inline]
    pub(super) fn read<'a>(
        reader: &mut Reader<'a>,
        _: PropertyId,
    ) -> Result<(Utf8String<'a>, Utf8String<'a>), Malformed> {
        // [v5 MQTT-1.5.7-1]
        Ok((reader.utf8_string()?, reader.utf8_string()?))
    }

    pub(super) fn check(_: (Utf8String<'_>, Utf8String<'_>), _: PropertyId) -> Result<(), Malformed> {
        Ok(())
    }

    pub(super) fn length(value: (Utf8String<'_>, Utf8String<'_>)) -> usize {
        4 + value.0.as_str().len() + value.1.as_str().len()
    }

    pub(super) fn write(value: (Utf8String<'_>, Utf8String<'_>), out: &mut impl Sink) {
        put_prefixed(out, value.0.as_str().as_bytes());
        put_prefixed(out, value.1.as_str().as_bytes());
    }
}
