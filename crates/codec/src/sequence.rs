//! The repeated fields of SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

use core::fmt;

use crate::reader::Reader;
use crate::{Malformed, Sink, Version};

/// What a [`Sequence`] repeats.
pub trait Element<'a>: Copy + PartialEq + fmt::Debug {
    #[doc(hidden)]
    fn read(bytes: &'a [u8], version: Version) -> Result<(Self, &'a [u8]), Malformed>;
    #[doc(hidden)]
    fn write(&self, version: Version, out: &mut impl Sink);
    #[doc(hidden)]
    fn length(&self) -> usize;
}

/// One or more fields of one kind: checked bytes of a packet, or a caller's slice.
#[derive(Clone, Copy)]
pub struct Sequence<'a, T> {
    source: Source<'a, T>,
}

#[derive(Clone, Copy)]
enum Source<'a, T> {
    Wire(&'a [u8], Version),
    List(&'a [T]),
}

impl<'a, T: Element<'a>> Sequence<'a, T> {
    /// The fields in a caller's slice.
    pub const fn new(list: &'a [T]) -> Self {
        Self { source: Source::List(list) }
    }

    /// Checks all fields up to the end of the packet.
    pub(crate) fn decode(mut reader: Reader<'a>, version: Version) -> Result<Self, Malformed> {
        let bytes = reader.rest();
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = T::read(rest, version)?.1;
        }
        Ok(Self { source: Source::Wire(bytes, version) })
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let mut source = self.source;
        core::iter::from_fn(move || match &mut source {
            Source::Wire([], _) => None,
            Source::Wire(bytes, version) => {
                // Checked when the packet was decoded, so this ends only at the end.
                let (element, rest) = T::read(bytes, *version).ok()?;
                *bytes = rest;
                Some(element)
            }
            Source::List(list) => {
                let (element, rest) = list.split_first()?;
                *list = rest;
                Some(*element)
            }
        })
    }

    /// Whether there is no field.
    pub const fn is_empty(&self) -> bool {
        match self.source {
            Source::Wire(bytes, _) => bytes.is_empty(),
            Source::List(list) => list.is_empty(),
        }
    }

    pub(crate) fn length(&self) -> usize {
        match self.source {
            Source::Wire(bytes, _) => bytes.len(),
            Source::List(list) => list.iter().map(Element::length).sum(),
        }
    }

    pub(crate) fn encode(&self, version: Version, out: &mut impl Sink) {
        self.iter().for_each(|element| element.write(version, out));
    }
}

impl<'a, T: Element<'a>> PartialEq for Sequence<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a>> fmt::Debug for Sequence<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
