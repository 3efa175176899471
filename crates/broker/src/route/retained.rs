//! Retained messages (section 3.3.1.3): each topic has one shard that keeps its message.
//!
//! A subscriber asks all shards. While it waits, messages go on coming to it directly, and one of them
//! may be newer than what some shard answers; another may be on its way from its publisher's shard to the
//! one that keeps it, and come to the subscriber neither directly nor with the answer. So each shard
//! numbers the retained messages that it has for each other. An answer says up to which number of each
//! shard it holds, and which numbers the answering shard had reached when it learned of the subscriber.
//! The asker leaves out what a live message with a higher number has overtaken, and asks a shard again
//! that lacks a message of which another had not known that there is a subscriber for it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use colibri_codec::{OwnedTopicFilter, OwnedTopicName, ReasonCode, TopicFilter, TopicName};
use colibri_protocol::Time;
use colibri_topics::RetainedTree;
use hashbrown::HashMap;

use crate::message::{Delivery, Extra, Inbound, Message};
use crate::shard::inbox::Operation;
use crate::shard::timers::Timer;
use crate::shard::{Shard, Sockets};
use crate::subscriber::Options;

/// How many messages may wait for a session when another replay begins for it. Large enough that the
/// client never waits for the next, small enough that whoever asks for everything many times over gets
/// it at the speed at which it reads.
const REPLAY_WINDOW: usize = 10_000;
/// How many replays of one session other shards are asked for at a time; as above.
const AWAITED_MAX: usize = 8;
/// How many replays of one session begin in a turn, so that other clients come to their turn.
const REPLAYS_PER_TURN: usize = 16;

/// The retained messages that this shard keeps. They belong to no session. [v3.1.1 MQTT-3.1.2-7]
pub(crate) struct Retained {
    tree: RetainedTree<Kept>,
    bytes: usize,
    /// The number of the last message from each shard that is in here.
    applied: Vec<u64>,
    /// How many retained messages the clients of this shard have published for each shard to keep.
    published: Vec<u64>,
    /// How many times this shard has asked the others.
    queries: u32,
}

/// A retained message, with the shard that it was published at and its number there.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    message: Arc<Message>,
    from: u8,
    number: u64,
}

/// What a shard retains for a filter.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The number of the last message retained here from each shard.
    applied: Box<[u64]>,
    /// The number of the last message that the clients of this shard had for each shard. None of them was
    /// sent to the asker directly.
    published: Box<[u64]>,
    messages: Vec<Kept>,
}

/// What a session is waiting for after a SUBSCRIBE.
#[derive(Debug)]
pub(crate) struct Awaited {
    query: u32,
    filter: OwnedTopicFilter,
    options: Options,
    /// How many shards have not answered.
    outstanding: u8,
    /// What each shard had published when it learned of the subscription; empty until it answers.
    published: Vec<Box<[u64]>>,
    /// Answers that are not passed on yet, with the shards they are from.
    answers: Vec<(u8, Answer)>,
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
            published: vec![0; usize::from(shards)],
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
    // [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7] [v3.1.1 MQTT-3.3.1-7] [v3.1.1 MQTT-3.3.1-10] [v3.1.1 MQTT-3.3.1-11]
    fn apply(&mut self, message: Arc<Message>, from: u8, number: u64) {
        if let Some(applied) = self.applied.get_mut(usize::from(from)) {
            *applied = number;
        }
        let topic = message.topic.clone();
        let before = if message.payload().is_empty() {
            self.tree.remove(topic.name())
        } else {
            self.bytes += message.size();
            self.tree.insert(topic.name(), Kept { message, from, number })
        };
        self.bytes -= before.map_or(0, |before| before.message.size());
    }

    /// Puts back what was retained by the broker before.
    pub(crate) fn restore(&mut self, message: Arc<Message>, shard: u8) {
        self.bytes += message.size();
        let topic = message.topic.clone();
        self.tree.insert(topic.name(), Kept { message, from: shard, number: 0 });
    }

    /// Drops the message of a topic if it has expired.
    fn remove_expired(&mut self, topic: TopicName<'_>, now: Time) -> bool {
        let expired = self.tree.get(topic).is_some_and(|kept| kept.message.is_expired(now));
        if expired {
            self.bytes -= self.tree.remove(topic).map_or(0, |kept| kept.message.size());
        }
        expired
    }

    /// When the message of a topic expires.
    pub(crate) fn expires(&self, topic: TopicName<'_>) -> Option<Time> {
        self.tree.get(topic)?.message.expires
    }

    fn answer(&self, filter: TopicFilter<'_>, now: Time) -> Answer {
        let mut messages = Vec::new();
        self.tree.for_each_match(filter, |kept| {
            if !kept.message.is_expired(now) {
                messages.push(kept.clone());
            }
        });
        Answer {
            applied: self.applied.as_slice().into(),
            published: self.published.as_slice().into(),
            messages,
        }
    }
}

/// Subscriptions whose retained messages a session has yet to get, each filter once.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    order: VecDeque<OwnedTopicFilter>,
    options: HashMap<OwnedTopicFilter, Options, foldhash::fast::FixedState>,
}

impl Replays {
    /// Adds a subscription; one with the same filter that has not begun comes to the same.
    fn add(&mut self, filter: OwnedTopicFilter, options: Options) {
        if self.options.insert(filter.clone(), options).is_none() {
            self.order.push_back(filter);
        }
    }

    fn next(&mut self) -> Option<(OwnedTopicFilter, Options)> {
        let filter = self.order.pop_front()?;
        let options = self.options.remove(&filter)?;
        Some((filter, options))
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

impl Awaited {
    /// A retained message has come directly.
    pub(crate) fn note_live(&mut self, topic: TopicName<'_>, (shard, number): (u8, u64)) {
        self.live.push((topic.into(), shard, number));
    }

    /// Whether a message has come directly, or a newer one than a shard had when it answered.
    fn is_overtaken(&self, kept: &Kept, applied: &[u64]) -> bool {
        self.live.iter().any(|(topic, shard, number)| {
            let is_this = *shard == kept.from && *number == kept.number;
            let is_newer = applied.get(usize::from(*shard)).is_some_and(|applied| number > applied);
            topic.name() == kept.message.topic.name() && (is_this || is_newer)
        })
    }

    /// Whether a shard's answer has all that the others had published for it before they learned of the
    /// subscription.
    fn is_complete(&self, shard: u8, answer: &Answer) -> bool {
        self.published.iter().zip(&answer.applied).all(|(published, applied)| {
            published.get(usize::from(shard)).is_none_or(|published| published <= applied)
        })
    }
}

impl Shard {
    /// Keeps a message for the subscribers to come, here or at the shard that its topic belongs to.
    pub(crate) fn store_retained(&mut self, inbound: &mut Inbound<'_>) -> Result<(), ReasonCode> {
        let owner = self.placement.shard_of(inbound.topic.as_str());
        let full = self.links.retained_bytes(owner) >= self.config.retained_bytes_maximum;
        if full && !inbound.payload.is_empty() {
            return Err(ReasonCode::QuotaExceeded);
        }
        let Some(published) = self.retained.published.get_mut(usize::from(owner)) else { return Ok(()) };
        *published += 1;
        let number = *published;
        inbound.retained = Some((self.number, number));
        let message = inbound.keep().clone();
        if owner == self.number {
            self.retain(message, owner, number);
        } else {
            let joint = self.join_retained(owner, inbound.qos);
            self.links.send(owner, Operation::Retain { message, number, joint });
        }
        Ok(())
    }

    /// Keeps a message whose topic belongs to this shard.
    pub(crate) fn retain(&mut self, message: Arc<Message>, from: u8, number: u64) {
        if let Some(expires) = message.expires {
            self.timers.set(expires, Timer::RetainedExpiry { topic: Box::new(message.topic.clone()) });
        }
        self.record_retained(&message);
        self.retained.apply(message, from, number);
        self.links.set_retained_bytes(self.retained.bytes);
    }

    /// Drops the retained message of a topic if it has expired.
    pub(crate) fn expire_retained(&mut self, topic: TopicName<'_>) {
        if self.retained.remove_expired(topic, self.now) {
            self.forget_retained(topic);
        }
    }

    /// Sends a session what is retained for a new subscription, once those before it have been sent.
    pub(crate) fn request_replay(&mut self, session: u32, filter: OwnedTopicFilter, options: Options) {
        if let Some(entry) = self.sessions.get_mut(session) {
            entry.replays.get_or_insert_default().add(filter, options);
        }
    }

    /// Begins replays that were requested by the session of a connection, as far as it keeps up.
    pub(crate) fn advance_replays(&mut self, connection: u32) {
        for _ in 0..REPLAYS_PER_TURN {
            if !self.has_replay_to_begin(connection) {
                return;
            }
            let Some(session) = self.connections.get(connection).and_then(|client| client.session) else {
                return;
            };
            let Some(entry) = self.sessions.get_mut(session) else { return };
            let Some(replays) = &mut entry.replays else { return };
            let next = replays.next();
            if replays.is_empty() {
                entry.replays = None;
            }
            if let Some((filter, options)) = next {
                self.replay_retained(session, &filter, options);
            }
        }
    }

    /// Whether a requested replay can begin now: not too many are awaited, and the client keeps up.
    pub(crate) fn has_replay_to_begin(&self, connection: u32) -> bool {
        let Some(client) = self.connections.get(connection) else { return false };
        let Some(entry) = client.session.and_then(|session| self.sessions.get(session)) else { return false };
        entry.replays.is_some()
            && entry.awaited.len() < AWAITED_MAX
            && client.protocol.session().waiting() < REPLAY_WINDOW
    }

    fn replay_retained(&mut self, session: u32, filter: &OwnedTopicFilter, options: Options) {
        let others = self.links.count() - 1;
        if others == 0 {
            for kept in self.retained.answer(filter.filter(), self.now).messages {
                self.replay(session, retained_delivery(kept.message, options));
            }
            return;
        }
        self.retained.queries = self.retained.queries.wrapping_add(1);
        let query = self.retained.queries;
        let Some(entry) = self.sessions.get_mut(session) else { return };
        entry.awaited.push(Awaited {
            query,
            filter: filter.clone(),
            options,
            outstanding: others,
            published: vec![Box::default(); usize::from(others) + 1],
            answers: Vec::new(),
            live: Vec::new(),
        });
        self.links.send_all(|| Operation::RetainedQuery { session, query, filter: filter.clone() });
    }

    pub(crate) fn answer_retained(&mut self, from: u8, session: u32, query: u32, filter: &OwnedTopicFilter) {
        let answer = Box::new(self.retained.answer(filter.filter(), self.now));
        self.links.send(from, Operation::RetainedAnswer { session, query, answer });
    }

    /// Whether a session waits for what other shards retain.
    pub(crate) fn awaits_retained(&self, session: u32) -> bool {
        self.sessions.get(session).is_some_and(|entry| !entry.awaited.is_empty())
    }

    pub(crate) fn on_retained_answer(
        &mut self,
        from: u8,
        session: u32,
        query: u32,
        answer: Answer,
        sockets: &mut dyn Sockets,
    ) {
        let own = self.number;
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let Some(place) = entry.awaited.iter().position(|awaited| awaited.query == query) else { return };
        let Some(awaited) = entry.awaited.get_mut(place) else { return };
        awaited.outstanding = awaited.outstanding.saturating_sub(1);
        let is_first = awaited.published.get(usize::from(from)).is_some_and(|published| published.is_empty());
        if is_first && let Some(published) = awaited.published.get_mut(usize::from(from)) {
            *published = answer.published.clone();
        }
        awaited.answers.push((from, answer));
        if awaited.outstanding > 0 {
            return;
        }
        if is_first {
            // What the others had for this shard came before their answers.
            let answer = self.retained.answer(awaited.filter.filter(), self.now);
            awaited.answers.push((own, answer));
        }
        let mut wanted = Vec::new();
        for (shard, answer) in mem::take(&mut awaited.answers) {
            if awaited.is_complete(shard, &answer) {
                let new = answer.messages.iter().filter(|kept| !awaited.is_overtaken(kept, &answer.applied));
                wanted.extend(new.map(|kept| Arc::clone(&kept.message)));
            } else {
                awaited.outstanding += 1;
                let filter = awaited.filter.clone();
                self.links.send(shard, Operation::RetainedQuery { session, query, filter });
            }
        }
        let options = awaited.options;
        if awaited.outstanding == 0 {
            entry.awaited.swap_remove(place);
        }
        for message in wanted {
            self.replay(session, retained_delivery(message, options));
        }
        if let Some(connection) = self.sessions.get(session).and_then(|entry| entry.connection) {
            self.touch(connection);
            self.answer_held_subscribe(connection, sockets);
        }
    }
}

/// A retained message as a new subscription gets it.
// [v3.1.1 MQTT-3.3.1-8]
fn retained_delivery(message: Arc<Message>, options: Options) -> Delivery {
    let qos = options.qos().min(message.qos);
    let mut delivery = Delivery::new(message, qos, true, Extra::new(options.identifier().as_slice(), None));
    delivery.replayed = true;
    delivery
}
