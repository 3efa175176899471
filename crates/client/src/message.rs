//! A message that came from the server, and the stream of them.

use colibri_codec::{OwnedTopicName, PacketId, QoS, TopicName};
use colibri_protocol::Received;
use tokio::sync::mpsc;

use crate::OwnedProperties;

/// A message that came from the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    topic: OwnedTopicName,
    /// The application's bytes.
    pub payload: Vec<u8>,
    /// The QoS it came with.
    pub qos: QoS,
    /// Whether it was retained, or, with Retain As Published, published as such.
    pub retain: bool,
    /// Whether the server may have sent it before.
    pub dup: bool,
    /// Its identifier, with QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// All its properties; none before 5.0.
    pub properties: OwnedProperties,
}

impl Message {
    /// A message with QoS 0 and without properties, as a server might send it.
    pub fn new(topic: TopicName<'_>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            packet_id: None,
            properties: OwnedProperties::new(),
        }
    }

    /// The topic it was published to.
    pub fn topic(&self) -> TopicName<'_> {
        self.topic.name()
    }
}

impl From<&Received<'_>> for Message {
    fn from(received: &Received<'_>) -> Self {
        let publish = &received.publish;
        Self {
            topic: received.topic.name().into(),
            payload: publish.payload.to_vec(),
            qos: publish.qos(),
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.delivery.packet_id(),
            properties: publish.properties.into(),
        }
    }
}

/// The messages that come, in the order of their coming.
///
/// A message is acknowledged to the server when it is put in here. Once this is dropped, what comes is
/// acknowledged and thrown away.
#[derive(Debug)]
pub struct Messages {
    pub(crate) receiver: mpsc::Receiver<Message>,
}

impl Messages {
    /// The next message; `None` when the client has ended, and [`Client::status`](crate::Client::status)
    /// says why.
    pub async fn recv(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// The next message, if one is here.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.receiver.try_recv().ok()
    }
}
