//! Rows of the store, made from messages.

use colibri_codec::{OwnedTopicFilter, TopicFilter};
use colibri_protocol::Time;
use colibri_storage::records::{
    QueueBody, QueueRecord, QueueState, StoredMessage, SubscriptionIdentifiers, queue_key,
};
use colibri_storage::{Batch, Put, Table};
use colibri_topics::GroupId;

use crate::message::{Delivery, Message};

/// Writes the row of a message in the queue of a session.
pub(super) fn put_row(
    batch: &mut Batch,
    storage: u64,
    delivery: &Delivery,
    state: QueueState,
    put: Put,
    epoch: u64,
) {
    let group = delivery.group().and_then(group_filter);
    let group = group.as_ref().map(OwnedTopicFilter::filter);
    let body = match delivery.body {
        0 => QueueBody::Inline(stored(&delivery.message, epoch)),
        body => QueueBody::Shared(body),
    };
    let record = QueueRecord {
        qos: delivery.qos,
        retain: delivery.retain,
        replayed: delivery.replayed,
        state,
        subscription_identifiers: SubscriptionIdentifiers::new(delivery.subscription_identifiers()),
        group,
        body,
    };
    let key = queue_key(storage, delivery.row);
    batch.put_with(Table::Queue, &key, put, |out| record.encode(out));
}

/// A shared group as the filter that its members subscribed to.
fn group_filter(group: &GroupId) -> Option<OwnedTopicFilter> {
    let text = format!("$share/{}/{}", group.share(), group.filter().as_str());
    TopicFilter::new(&text).ok().map(OwnedTopicFilter::from)
}

/// A message as it is stored. `epoch` is what makes milliseconds since 1970 of the shard's clock.
pub(super) fn stored(message: &Message, epoch: u64) -> StoredMessage<'_> {
    StoredMessage {
        topic: message.topic.name(),
        qos: message.qos,
        retain: message.retain,
        expires_at: message.expires.map(|at: Time| epoch + at.as_millis()),
        publisher: None,
        properties: message.properties().wire(),
        payload: message.payload(),
    }
}
