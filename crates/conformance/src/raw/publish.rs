//! PUBLISH in the making.

use colibri_codec::Version;

use super::{Encode, field, frame, properties};

/// A PUBLISH in the making: QoS 0, no flags, no payload.
#[derive(Clone, Debug)]
pub struct Publish {
    topic: Vec<u8>,
    payload: Vec<u8>,
    qos: u8,
    id: Option<u16>,
    dup: bool,
    retain: bool,
    properties: Vec<u8>,
}

impl Publish {
    /// A PUBLISH to this topic.
    pub fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Self {
        let (topic, payload) = (topic.as_ref().to_vec(), payload.as_ref().to_vec());
        Self { topic, payload, qos: 0, id: None, dup: false, retain: false, properties: Vec::new() }
    }

    /// The QoS with a Packet Identifier (which may be 0); QoS 0 is written without one.
    pub fn qos(self, qos: u8, id: u16) -> Self {
        Self { qos, id: (qos != 0).then_some(id), ..self }
    }

    /// DUP 1.
    pub fn dup(self) -> Self {
        Self { dup: true, ..self }
    }

    /// RETAIN 1.
    pub fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    /// Adds a property.
    pub fn property(mut self, property: Vec<u8>) -> Self {
        self.properties.extend(property);
        self
    }

    /// The QoS it has.
    pub fn level(&self) -> u8 {
        self.qos
    }

    /// The Packet Identifier it has.
    pub fn id(&self) -> Option<u16> {
        self.id
    }
}

impl Encode for Publish {
    fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        field(&mut body, &self.topic);
        body.extend(self.id.into_iter().flat_map(u16::to_be_bytes));
        properties(&mut body, &self.properties, version);
        body.extend(&self.payload);
        frame(0x30 | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain), &body)
    }
}
