//! A message to be sent, and what became of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use colibri_codec::{OwnedTopicName, PacketId, Properties, QoS, ReasonCode, TopicName};
use colibri_protocol::{Kept, Publication, Time};
use tokio::sync::oneshot;

use crate::{OwnedProperties, PublishError};

/// A message to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    topic: OwnedTopicName,
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    expiry: Option<u32>,
    properties: OwnedProperties,
}

impl Publish {
    /// A message with QoS 0 and without properties.
    pub fn new(topic: TopicName<'_>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            expiry: None,
            properties: OwnedProperties::new(),
        }
    }

    /// The QoS it is sent with.
    #[must_use]
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The server keeps it for those who subscribe later.
    #[must_use]
    pub const fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// How many seconds it is worth delivering; on its way a server takes off what has passed.
    #[must_use]
    pub const fn expires_after(mut self, seconds: u32) -> Self {
        self.expiry = Some(seconds);
        self
    }

    /// Payload Format Indicator, Content Type, Response Topic, Correlation Data, User Properties. Topic
    /// aliases are the connection's own affair, and the expiry has a method of its own.
    #[must_use]
    pub fn properties(mut self, properties: OwnedProperties) -> Self {
        self.properties = properties;
        self
    }

    pub(crate) fn check(&self) -> Result<(), PublishError> {
        self.properties.checked(Publication::PASSED_ON).map_err(PublishError::Invalid)?;
        Ok(())
    }
}

/// The end of an exchange: the receiver has the message.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The identifier it was sent under; none with QoS 0.
    pub packet_id: Option<PacketId>,
    /// Success, or No Matching Subscribers.
    pub reason: ReasonCode,
    /// What the receiver added.
    pub properties: OwnedProperties,
}

/// What will become of a message. Dropping it changes nothing.
#[derive(Debug)]
pub struct Receipt(pub(crate) oneshot::Receiver<Result<Delivery, PublishError>>);

impl Future for Receipt {
    type Output = Result<Delivery, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The task ended and dropped what it had under way.
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.unwrap_or(Err(PublishError::Ended)))
    }
}

/// A message under way: what sends it again and who is told of its end.
#[derive(Debug)]
pub(crate) struct InFlight {
    message: Arc<Publish>,
    expires: Option<Time>,
    pub(crate) reply: oneshot::Sender<Result<Delivery, PublishError>>,
}

impl InFlight {
    pub(crate) fn new(
        message: Publish,
        reply: oneshot::Sender<Result<Delivery, PublishError>>,
        now: Time,
    ) -> Self {
        let expires = message.expiry.map(|seconds| now.plus_seconds(seconds));
        Self { message: Arc::new(message), expires, reply }
    }

    /// The message apart from its owner, who can be moved while it is sent.
    pub(crate) fn shared(&self) -> Shared {
        Shared { message: Arc::clone(&self.message), expires: self.expires }
    }

    pub(crate) fn end(self, outcome: Result<Delivery, PublishError>) {
        // Whoever dropped the receipt does not want to know.
        drop(self.reply.send(outcome));
    }
}

/// See [`InFlight::shared`].
pub(crate) struct Shared {
    message: Arc<Publish>,
    expires: Option<Time>,
}

impl Shared {
    pub(crate) fn publication(&self) -> Publication<'_> {
        publication(&self.message, self.expires)
    }
}

impl Kept for InFlight {
    fn publication(&self) -> Publication<'_> {
        publication(&self.message, self.expires)
    }
}

fn publication(message: &Publish, expires: Option<Time>) -> Publication<'_> {
    Publication {
        expires,
        // Checked when it was handed in.
        properties: message.properties.checked(Publication::PASSED_ON).unwrap_or(Properties::EMPTY),
        ..Publication::new(message.topic.name(), message.qos, message.retain, &message.payload)
    }
}
