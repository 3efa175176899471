//! What the drivers of these tests keep of a message.

use colibri_codec::{Properties, QoS, TopicName};
use colibri_protocol::{Kept, Publication, Time};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) qos: QoS,
    pub(crate) expires: Option<Time>,
    /// Properties that go with it, as they stand behind the Property Length.
    pub(crate) wire: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    pub(crate) fn new(topic: &str, qos: QoS, payload: &str) -> Self {
        Self {
            topic: topic.into(),
            qos,
            expires: None,
            wire: Vec::new(),
            payload: payload.as_bytes().to_vec(),
        }
    }

    pub(crate) fn expiring(self, expires: Time) -> Self {
        Self { expires: Some(expires), ..self }
    }
}

impl Kept for Message {
    fn publication(&self) -> Publication<'_> {
        let topic = TopicName::new(&self.topic).unwrap();
        Publication {
            expires: self.expires,
            properties: Properties::from_wire(&self.wire, Publication::PASSED_ON).unwrap(),
            ..Publication::new(topic, self.qos, false, &self.payload)
        }
    }
}
