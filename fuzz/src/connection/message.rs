//! What the drivers of the targets keep of a message: a serial number tells one from another.

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::{Kept, Publication, Time};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) serial: u32,
    pub(crate) topic: &'static str,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires: Option<Time>,
    /// Properties that go with it, as they stand behind the Property Length.
    pub(crate) wire: &'static [u8],
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// One whose payload is its serial number and so many more bytes.
    pub(crate) fn new(serial: u32, topic: &'static str, qos: QoS, filler: usize) -> Self {
        let mut payload = serial.to_be_bytes().to_vec();
        payload.resize(4 + filler, b'.');
        Self { serial, topic, qos, retain: false, expires: None, wire: &[], payload }
    }
}

/// The serial number in a payload, if there is one.
pub(crate) fn serial(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

impl Kept for Message {
    fn publication(&self) -> Publication<'_> {
        Publication {
            expires: self.expires,
            properties: Properties::from_wire(self.wire, Publication::PASSED_ON).unwrap(),
            ..Publication::new(TopicName::new(self.topic).unwrap(), self.qos, self.retain, &self.payload)
        }
    }
}
