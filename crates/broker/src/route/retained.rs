//! Retained messages (section 3.3.1.3): each topic has one shard that keeps its message.
//!
//! A subscriber asks all shards. While it waits, messages go on coming to it directly, and one of them
//! may be newer than what some shard answers. Each shard numbers the retained messages that its clients
//! publish, an answer says up to which number of each shard it holds, and the asker leaves out what a
//! live message with a higher number has overtaken.

use std::sync::Arc;

use colibri_codec::{OwnedTopicFilter, OwnedTopicName, ReasonCode, TopicFilter, TopicName};
use colibri_protocol::Time;
use colibri_topics::RetainedTree;

use crate::message::{Delivery, Inbound, Message};
use crate::shard::Shard;
use crate::shard::inbox::Operation;
use crate::shard::timers::Timer;
use crate::subscriber::Options;

/// The retained messages that this shard keeps.
pub(crate) struct Retained {
    tree: RetainedTree<Arc<Message>>,
    bytes: usize,
    /// The number of the last message from each shard that is in here.
    applied: Vec<u64>,
    /// How many retained messages the clients of this shard have published.
    published: u64,
    /// How many times this shard has asked the others.
    queries: u32,
}

/// What a session is waiting for after a SUBSCRIBE.
#[derive(Debug)]
pub(crate) struct Awaited {
    query: u32,
    options: Options,
    /// How many shards have not answered.
    outstanding: u8,
    /// Retained messages that have come directly meanwhile: topic, shard, number.
    live: Vec<(OwnedTopicName, u8, u64)>,
}

impl std::fmt::Debug for Retained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retained").field("messages", &self.tree.len()).finish_non_exhaustive()
    }
}

impl Retained {
    pub(crate) fn new(seed: u64, shards: u8) -> Self {
        Self {
            tree: RetainedTree::new(seed),
            bytes: 0,
            applied: vec![0; usize::from(shards)],
            published: 0,
            queries: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.tree.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a message in place of the one before; an empty payload only takes that away.
    // [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7] [v3.1.1 MQTT-3.3.1-10] [v3.1.1 MQTT-3.3.1-11]
    fn apply(&mut self, message: Arc<Message>, from: u8, number: u64) {
        if let Some(applied) = self.applied.get_mut(usize::from(from)) {
            *applied = number;
        }
        let topic = message.topic.clone();
        let before = if message.payload().is_empty() {
            self.tree.remove(topic.name())
        } else {
            self.bytes += message.size();
            self.tree.insert(topic.name(), message)
        };
        self.bytes -= before.map_or(0, |before| before.size());
    }

    /// Drops the message of a topic if it has expired.
    pub(crate) fn remove_expired(&mut self, topic: TopicName<'_>, now: Time) {
        if self.tree.get(topic).is_some_and(|message| message.is_expired(now)) {
            self.bytes -= self.tree.remove(topic).map_or(0, |message| message.size());
        }
    }

    fn matching(&self, filter: TopicFilter<'_>, now: Time) -> Vec<Arc<Message>> {
        let mut messages = Vec::new();
        self.tree.for_each_match(filter, |message| {
            if !message.is_expired(now) {
                messages.push(Arc::clone(message));
            }
        });
        messages
    }
}

impl Awaited {
    /// A retained message has come directly.
    pub(crate) fn note_live(&mut self, topic: TopicName<'_>, (shard, number): (u8, u64)) {
        self.live.push((topic.into(), shard, number));
    }

    /// Whether a message that came directly is newer than what a shard had when it answered.
    fn is_overtaken(&self, topic: TopicName<'_>, applied: &[u64]) -> bool {
        self.live.iter().any(|(live, shard, number)| {
            live.name() == topic && applied.get(usize::from(*shard)).is_some_and(|applied| number > applied)
        })
    }
}

impl Shard {
    /// Keeps a message for the subscribers to come, here or at the shard that its topic belongs to.
    pub(crate) fn store_retained(&mut self, inbound: &mut Inbound<'_>) -> Result<(), ReasonCode> {
        if self.retained.bytes >= self.config.retained_bytes_maximum && !inbound.payload.is_empty() {
            return Err(ReasonCode::QuotaExceeded);
        }
        self.retained.published += 1;
        let number = self.retained.published;
        inbound.retained = Some((self.number, number));
        let owner = self.placement.shard_of(inbound.topic.as_str());
        let message = inbound.keep().clone();
        if owner == self.number {
            self.retain(message, owner, number);
        } else {
            self.links.send(owner, Operation::Retain { message, number });
        }
        Ok(())
    }

    /// Keeps a message whose topic belongs to this shard.
    pub(crate) fn retain(&mut self, message: Arc<Message>, from: u8, number: u64) {
        if let Some(expires) = message.expires {
            self.timers.set(expires, Timer::RetainedExpiry { topic: message.topic.clone() });
        }
        self.retained.apply(message, from, number);
    }

    /// Sends a session what is retained for a new subscription.
    pub(crate) fn replay_retained(&mut self, session: u32, filter: &OwnedTopicFilter, options: Options) {
        for message in self.retained.matching(filter.filter(), self.now) {
            self.replay(session, retained_delivery(message, options));
        }
        let others = self.links.count() - 1;
        if others == 0 {
            return;
        }
        self.retained.queries = self.retained.queries.wrapping_add(1);
        let query = self.retained.queries;
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let awaited = Awaited { query, options, outstanding: others, live: Vec::new() };
        entry.awaited.push(awaited);
        self.links.send_all(|| Operation::RetainedQuery { session, query, filter: filter.clone() });
    }

    pub(crate) fn answer_retained(&mut self, from: u8, session: u32, query: u32, filter: &OwnedTopicFilter) {
        let messages = self.retained.matching(filter.filter(), self.now);
        let applied = self.retained.applied.clone().into_boxed_slice();
        self.links.send(from, Operation::RetainedAnswer { session, query, applied, messages });
    }

    pub(crate) fn on_retained_answer(
        &mut self,
        session: u32,
        query: u32,
        applied: &[u64],
        messages: &[Arc<Message>],
    ) {
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let Some(place) = entry.awaited.iter().position(|awaited| awaited.query == query) else { return };
        let Some(awaited) = entry.awaited.get_mut(place) else { return };
        awaited.outstanding = awaited.outstanding.saturating_sub(1);
        let options = awaited.options;
        let wanted: Vec<_> = messages
            .iter()
            .filter(|message| !awaited.is_overtaken(message.topic.name(), applied))
            .cloned()
            .collect();
        if awaited.outstanding == 0 {
            entry.awaited.swap_remove(place);
        }
        for message in wanted {
            self.replay(session, retained_delivery(message, options));
        }
    }
}

/// A retained message as a new subscription gets it.
// [v3.1.1 MQTT-3.3.1-8]
fn retained_delivery(message: Arc<Message>, options: Options) -> Delivery {
    let qos = options.qos().min(message.qos);
    Delivery::new(message, qos, true, options.identifier().as_slice(), None)
}
