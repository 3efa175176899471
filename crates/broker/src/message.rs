//! Messages while they are routed, and while they are kept.

use std::sync::Arc;

use colibri_codec::{OwnedTopicName, Properties, QoS, TopicName};
use colibri_protocol::{Kept, Publication, Time};
use colibri_storage::records::StoredMessage;
use colibri_topics::GroupId;

use crate::subscriber::Subscriber;

/// A message on its way through a shard: borrowed, and made a [`Message`] once if somebody has to keep it.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) topic: TopicName<'a>,
    pub(crate) qos: QoS,
    /// The RETAIN flag that it was published with.
    pub(crate) retain: bool,
    pub(crate) expires: Option<Time>,
    /// Those that are passed on unchanged.
    pub(crate) properties: Properties<'a>,
    pub(crate) payload: &'a [u8],
    /// Who published it, for No Local.
    pub(crate) publisher: Subscriber,
    /// If it is retained: the shard that its publisher is at, and its number among the retained of that.
    pub(crate) retained: Option<(u8, u64)>,
    /// The packet as it came, if a receiver can get the same bytes but for the Packet Identifier.
    pub(crate) wire: Option<Wire<'a>>,
    /// The topic where it is kept already.
    owned_topic: Option<&'a OwnedTopicName>,
    kept: Option<Arc<Message>>,
}

/// A PUBLISH whose bytes can be passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether it is in the form of 5.0.
    pub(crate) has_properties: bool,
}

/// A message that outlives the packet it came in, shared by all who wait for it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: OwnedTopicName,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) expires: Option<Time>,
    pub(crate) publisher: Subscriber,
    /// The properties that are passed on, then the payload.
    body: Box<[u8]>,
    properties_length: usize,
}

/// What it takes to send a message to one receiver, now or later.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Whether it is a retained message for a new subscription, which no queue is charged for: it is shared
    /// with all who get it, and has a limit of its own.
    pub(crate) replayed: bool,
    /// Its row in the stored queue of its session; 0 if it is not stored.
    pub(crate) row: u64,
    /// Where its body is stored, if that is not in the row; else 0.
    pub(crate) body: u64,
    extra: Option<Arc<Extra>>,
}

/// What seldom goes with a message; those that are sent alike share it.
#[derive(Debug)]
pub(crate) struct Extra {
    subscription_identifiers: Vec<u32>,
    /// The group it was sent for, so that another member can get it.
    group: Option<GroupId>,
}

impl<'a> Inbound<'a> {
    pub(crate) const fn new(publication: &Publication<'a>, publisher: Subscriber) -> Self {
        Self {
            topic: publication.topic,
            qos: publication.qos,
            retain: publication.retain,
            expires: publication.expires,
            properties: publication.properties,
            payload: publication.payload,
            publisher,
            retained: None,
            wire: None,
            owned_topic: None,
            kept: None,
        }
    }

    /// The message with its bytes passed on where that is possible.
    pub(crate) const fn with_wire(mut self, wire: Option<Wire<'a>>) -> Self {
        self.wire = wire;
        self
    }

    /// The message with its topic as it is kept elsewhere, which saves a copy.
    pub(crate) const fn with_topic(mut self, topic: &'a OwnedTopicName) -> Self {
        self.owned_topic = Some(topic);
        self
    }

    /// The message with another time of expiry.
    pub(crate) fn expiring(mut self, at: Time) -> Self {
        self.expires = Some(at);
        self.kept = None;
        self.wire = None;
        self
    }

    /// One that came from another shard or from storage.
    pub(crate) fn from_message(message: &'a Arc<Message>) -> Self {
        Self {
            topic: message.topic.name(),
            qos: message.qos,
            retain: message.retain,
            expires: message.expires,
            properties: message.properties(),
            payload: message.payload(),
            publisher: message.publisher,
            retained: None,
            wire: None,
            owned_topic: None,
            kept: Some(Arc::clone(message)),
        }
    }

    /// The message for those who keep it, made at the first call.
    pub(crate) fn keep(&mut self) -> &Arc<Message> {
        self.kept.get_or_insert_with(|| {
            let properties = self.properties.wire();
            let mut body = Vec::with_capacity(properties.len() + self.payload.len());
            body.extend_from_slice(properties);
            body.extend_from_slice(self.payload);
            Arc::new(Message {
                topic: self.owned_topic.cloned().unwrap_or_else(|| self.topic.into()),
                qos: self.qos,
                retain: self.retain,
                expires: self.expires,
                publisher: self.publisher,
                properties_length: properties.len(),
                body: body.into_boxed_slice(),
            })
        })
    }

    /// The message as one receiver gets it.
    pub(crate) const fn publication<'b>(
        &self,
        qos: QoS,
        retain: bool,
        subscription_identifiers: &'b [u32],
    ) -> Publication<'b>
    where
        'a: 'b,
    {
        Publication {
            topic: self.topic,
            qos,
            retain,
            expires: self.expires,
            subscription_identifiers,
            properties: self.properties,
            payload: self.payload,
        }
    }
}

impl Message {
    /// One that was stored. `epoch` is what makes milliseconds since 1970 of the shard's clock.
    pub(crate) fn from_stored(stored: &StoredMessage<'_>, epoch: u64) -> Self {
        let mut body = Vec::with_capacity(stored.properties.len() + stored.payload.len());
        body.extend_from_slice(stored.properties);
        body.extend_from_slice(stored.payload);
        Self {
            topic: stored.topic.into(),
            qos: stored.qos,
            retain: stored.retain,
            expires: stored.expires_at.map(|at| Time::from_millis(at.saturating_sub(epoch))),
            publisher: Subscriber::NOBODY,
            body: body.into_boxed_slice(),
            properties_length: stored.properties.len(),
        }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.body.get(self.properties_length..).unwrap_or_default()
    }

    pub(crate) fn properties(&self) -> Properties<'_> {
        let wire = self.body.get(..self.properties_length).unwrap_or_default();
        // They were checked when they came, or when they were read from the store.
        Properties::from_checked(wire)
    }

    /// How many bytes of it are stored.
    pub(crate) fn stored_size(&self) -> usize {
        self.topic.name().as_str().len() + self.body.len()
    }

    /// What keeping it costs, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.topic.name().as_str().len() + self.body.len() + size_of::<Self>()
    }

    pub(crate) fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

impl Extra {
    /// `None` if there is nothing to go with a message.
    pub(crate) fn new(subscription_identifiers: &[u32], group: Option<&GroupId>) -> Option<Arc<Self>> {
        if subscription_identifiers.is_empty() && group.is_none() {
            return None;
        }
        let subscription_identifiers = subscription_identifiers.to_vec();
        Some(Arc::new(Self { subscription_identifiers, group: group.cloned() }))
    }
}

impl Delivery {
    pub(crate) const fn new(
        message: Arc<Message>,
        qos: QoS,
        retain: bool,
        extra: Option<Arc<Extra>>,
    ) -> Self {
        Self { message, qos, retain, replayed: false, row: 0, body: 0, extra }
    }

    /// The same with its place in the store.
    pub(crate) const fn stored_at(mut self, row: u64, body: u64) -> Self {
        self.row = row;
        self.body = body;
        self
    }

    /// Whether it can wait in the store alone, if its session is stored.
    pub(crate) fn may_be_stored_alone(&self) -> bool {
        self.qos > QoS::AtMostOnce && !self.replayed && self.group().is_none()
    }

    pub(crate) fn group(&self) -> Option<&GroupId> {
        self.extra.as_ref()?.group.as_ref()
    }

    pub(crate) fn subscription_identifiers(&self) -> &[u32] {
        self.extra.as_ref().map_or(&[], |extra| extra.subscription_identifiers.as_slice())
    }
}

impl Kept for Delivery {
    fn publication(&self) -> Publication<'_> {
        Publication {
            topic: self.message.topic.name(),
            qos: self.qos,
            retain: self.retain,
            expires: self.message.expires,
            subscription_identifiers: self.subscription_identifiers(),
            properties: self.message.properties(),
            payload: self.message.payload(),
        }
    }

    fn size(&self) -> usize {
        if self.replayed { 0 } else { self.message.size() }
    }
}
