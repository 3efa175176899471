//! Properties that outlive the packet or the text they came from.

use std::fmt;

use colibri_codec::{Malformed, Properties, Property, PropertySet};

/// Properties of a packet in their order, as bytes of their own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnedProperties {
    wire: Vec<u8>,
}

/// Properties that came are of a packet that was checked, so any property may stand among them.
const ANY: PropertySet = {
    use colibri_codec::PropertyId;
    PropertySet::of(&PropertyId::ALL).repeating(PropertyId::SubscriptionIdentifier)
};

impl OwnedProperties {
    /// No properties.
    pub const fn new() -> Self {
        Self { wire: Vec::new() }
    }

    /// Puts one more behind the others.
    pub fn push(&mut self, property: Property<'_>) {
        property.encode(&mut self.wire);
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// The properties, to be looked at.
    pub fn view(&self) -> Properties<'_> {
        Properties::from_wire(&self.wire, ANY).unwrap_or(Properties::EMPTY)
    }

    /// The properties, if a packet may carry them all.
    ///
    /// # Errors
    /// What is wrong with the first that it may not carry.
    pub fn checked(&self, allowed: PropertySet) -> Result<Properties<'_>, Malformed> {
        Properties::from_wire(&self.wire, allowed)
    }
}

impl From<Properties<'_>> for OwnedProperties {
    fn from(properties: Properties<'_>) -> Self {
        let mut owned = Self::new();
        properties.list().iter().for_each(|property| owned.push(*property));
        owned.wire.extend_from_slice(properties.wire());
        owned
    }
}

impl<'a> FromIterator<Property<'a>> for OwnedProperties {
    fn from_iter<I: IntoIterator<Item = Property<'a>>>(properties: I) -> Self {
        let mut owned = Self::new();
        properties.into_iter().for_each(|property| owned.push(property));
        owned
    }
}

impl fmt::Debug for OwnedProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
