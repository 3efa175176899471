//! SUBSCRIBE and UNSUBSCRIBE in the making.

use colibri_codec::Version;

use super::{Encode, field, frame, properties};

/// A SUBSCRIBE in the making, without a filter at first.
#[derive(Clone, Debug)]
pub struct Subscribe {
    id: u16,
    filters: Vec<(Vec<u8>, u8)>,
    properties: Vec<u8>,
}

impl Subscribe {
    /// A SUBSCRIBE under this Packet Identifier, which may be 0.
    pub fn new(id: u16) -> Self {
        Self { id, filters: Vec::new(), properties: Vec::new() }
    }

    /// Adds a filter with its options byte: the QoS, and in 5.0 No Local 0x04, Retain As Published 0x08,
    /// Retain Handling 0x10 and 0x20.
    pub fn filter(mut self, filter: impl AsRef<[u8]>, options: u8) -> Self {
        self.filters.push((filter.as_ref().to_vec(), options));
        self
    }

    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }
}

impl Encode for Subscribe {
    fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        properties(&mut body, &self.properties, version);
        for (filter, options) in &self.filters {
            field(&mut body, filter);
            body.push(*options);
        }
        frame(0x82, &body)
    }
}

/// An UNSUBSCRIBE in the making, without a filter at first.
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    id: u16,
    filters: Vec<Vec<u8>>,
    properties: Vec<u8>,
}

impl Unsubscribe {
    /// An UNSUBSCRIBE under this Packet Identifier, which may be 0.
    pub fn new(id: u16) -> Self {
        Self { id, filters: Vec::new(), properties: Vec::new() }
    }

    /// Adds a filter.
    pub fn filter(mut self, filter: impl AsRef<[u8]>) -> Self {
        self.filters.push(filter.as_ref().to_vec());
        self
    }

    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }
}

impl Encode for Unsubscribe {
    fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        properties(&mut body, &self.properties, version);
        for filter in &self.filters {
            field(&mut body, filter);
        }
        frame(0xA2, &body)
    }
}
