//! A message as the application sees it: what stays the same from connection to connection.

use colibri_codec::{Properties, PropertyId, PropertySet, QoS, TopicName};

use crate::Time;

/// A message to be sent, without what belongs to one connection (Packet Identifier, DUP, Topic Alias).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Publication<'a> {
    /// Where it goes.
    pub topic: TopicName<'a>,
    /// The QoS it is to be sent with.
    pub qos: QoS,
    /// The RETAIN flag it is to be sent with.
    pub retain: bool,
    /// When it is no longer worth sending; 5.0 receivers are told how long that is from now.
    pub expires: Option<Time>,
    /// The Subscription Identifiers it is sent for; empty from a client.
    pub subscription_identifiers: &'a [u32],
    /// The other properties, those of [`Publication::PASSED_ON`].
    pub properties: Properties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'a> Publication<'a> {
    /// The properties of a message that go with it to every receiver unchanged.
    // [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-17] [v5 MQTT-3.3.2-18]
    // [v5 MQTT-3.3.2-20]
    pub const PASSED_ON: PropertySet = PropertySet::of(&[
        PropertyId::PayloadFormatIndicator,
        PropertyId::ContentType,
        PropertyId::ResponseTopic,
        PropertyId::CorrelationData,
        PropertyId::UserProperty,
    ]);

    /// A message without properties.
    pub const fn new(topic: TopicName<'a>, qos: QoS, retain: bool, payload: &'a [u8]) -> Self {
        Self {
            topic,
            qos,
            retain,
            expires: None,
            subscription_identifiers: &[],
            properties: Properties::EMPTY,
            payload,
        }
    }

    /// Whether the message is no longer worth sending.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// What a driver keeps of a message so that it can be sent later or again.
pub trait Kept {
    /// The message.
    fn publication(&self) -> Publication<'_>;

    /// What a queue is charged for keeping it, in bytes; 0 for a message that is not to count at all.
    fn size(&self) -> usize {
        let publication = self.publication();
        publication.topic.as_str().len() + publication.properties.wire().len() + publication.payload.len()
    }
}

/// Of the properties of a PUBLISH or a will, writes those that belong to the message and not to one
/// connection behind what is in `out`, and gives them; with the time when the message expires.
pub fn passed_on<'w>(
    properties: &Properties<'_>,
    now: Time,
    out: &'w mut alloc::vec::Vec<u8>,
) -> (Properties<'w>, Option<Time>) {
    let expires = properties.message_expiry_interval().map(|seconds| now.plus_seconds(seconds));
    (properties.copy_within(Publication::PASSED_ON, out), expires)
}
