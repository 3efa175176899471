//! The properties that stand in a packet: their bytes, and which they are.

use crate::reader::Reader;
use crate::{Malformed, Property, PropertyId, PropertySet};

/// The bit that says that a property other than User Property may stand there more than once.
const REPEATS: u64 = 1;

/// Properties as bytes, one behind the other.
#[derive(Clone, Copy, Default)]
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    /// The bits of all properties there, and [`REPEATS`].
    present: u64,
}

/// Notes one more property in a set of bits.
#[inline]
pub(super) fn note(present: &mut u64, id: PropertyId) {
    let bit = id.bit();
    if *present & bit & !PropertyId::UserProperty.bit() != 0 {
        *present |= REPEATS;
    }
    *present |= bit;
}

impl<'a> Wire<'a> {
    /// No properties.
    pub(super) const EMPTY: Self = Self { bytes: &[], present: 0 };

    /// Checks that the bytes are properties that may stand in one packet.
    pub(super) fn check(bytes: &'a [u8], allowed: PropertySet) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut present = 0;
        while !reader.is_empty() {
            let number = reader.variable_byte_integer().map_err(ends_inside)?;
            let id = PropertyId::from_number(number).ok_or(Malformed::PropertyUnknown(number))?;
            allowed.admit(&mut present, id)?;
            Property::verify(&mut reader, id).map_err(ends_inside)?;
        }
        Ok(Self { bytes, present })
    }

    /// Looks at identifiers and lengths alone, up to the first that is wrong.
    pub(super) fn scan(bytes: &'a [u8]) -> Self {
        let mut whole = Self { bytes, present: 0 };
        let (mut present, mut length) = (0, 0);
        for (id, property) in whole.each() {
            note(&mut present, id);
            length += property.len();
        }
        whole.bytes = bytes.get(..length).unwrap_or_default();
        whole.present = present;
        whole
    }

    /// Bytes that are as `present` says.
    #[cfg(feature = "alloc")]
    pub(super) const fn known(bytes: &'a [u8], present: u64) -> Self {
        Self { bytes, present }
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All properties in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            // Checked when the packet was decoded, so this ends only at the end.
            let id = PropertyId::from_number(reader.variable_byte_integer().ok()?)?;
            Property::read(&mut reader, id).ok()
        })
    }

    /// All properties in order, each with all its bytes.
    pub(super) fn each(&self) -> impl Iterator<Item = (PropertyId, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let before = reader;
            let id = PropertyId::from_number(reader.variable_byte_integer().ok()?)?;
            Property::skip(&mut reader, id).ok()?;
            Some((id, reader.since(&before)))
        })
    }

    /// The first property with this identifier: a reader that stands before its value.
    #[inline]
    pub(super) fn find(&self, id: PropertyId) -> Option<Reader<'a>> {
        if self.contains(id) { self.search(id) } else { None }
    }

    fn search(&self, id: PropertyId) -> Option<Reader<'a>> {
        let mut reader = Reader::new(self.bytes);
        loop {
            let found = PropertyId::from_number(reader.variable_byte_integer().ok()?)?;
            if found == id {
                return Some(reader);
            }
            Property::skip(&mut reader, found).ok()?;
        }
    }

    /// Whether there is such a property.
    #[inline]
    pub(super) const fn contains(&self, id: PropertyId) -> bool {
        self.present & id.bit() != 0
    }

    /// Whether all properties are of a set.
    #[inline]
    pub(super) const fn is_within(&self, set: PropertySet) -> bool {
        self.present & !(set.bits | REPEATS) == 0
    }

    /// Says what is wrong with these properties in a packet that has those of `seen` already.
    #[inline]
    pub(super) fn admit(&self, allowed: PropertySet, seen: u64) -> Result<(), Malformed> {
        let again = self.present & seen & !allowed.repeatable;
        if self.is_within(allowed) && self.present & REPEATS == 0 && again == 0 {
            return Ok(());
        }
        self.admit_each(allowed, seen)
    }

    #[cold]
    fn admit_each(&self, allowed: PropertySet, mut seen: u64) -> Result<(), Malformed> {
        self.each().try_for_each(|(id, _)| allowed.admit(&mut seen, id))
    }

    /// Writes the properties of a set behind those of `listed`, and gives the bits of all.
    #[cfg(feature = "alloc")]
    pub(super) fn copy_within(&self, set: PropertySet, listed: u64, out: &mut alloc::vec::Vec<u8>) -> u64 {
        out.reserve(self.bytes.len());
        // Those that stand together are copied together.
        let (mut rest, mut run) = (self.bytes, 0);
        for (id, property) in self.each() {
            if set.contains(id) {
                run += property.len();
                continue;
            }
            let (copied, behind) = rest.split_at_checked(run).unwrap_or_default();
            out.extend_from_slice(copied);
            rest = behind.get(property.len()..).unwrap_or_default();
            run = 0;
        }
        out.extend_from_slice(rest.get(..run).unwrap_or_default());
        // What repeats may have been left out. To think that it repeats still costs time and nothing else.
        let copied = self.present & (set.bits | REPEATS);
        let again = listed & copied & !PropertyId::UserProperty.bit() != 0;
        listed | copied | if again { REPEATS } else { 0 }
    }
}

/// A property that runs past the end of the section means that the section's length lies.
fn ends_inside(error: Malformed) -> Malformed {
    match error {
        Malformed::Truncated => Malformed::PropertyLength,
        other => other,
    }
}
