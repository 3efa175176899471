//! Messages that no identifier, quota or room was free for, oldest first, and what they weigh.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::time::Duration;

use colibri_codec::QoS;

use crate::{Kept, Time};

/// How often a queue is gone through for expired messages at most: one of 100,000 takes some milliseconds.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
/// Later than all times.
const NEVER: Time = Time::from_millis(u64::MAX);

/// A queue that knows its size in bytes. An empty one, which nearly all are, has no memory of its own.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<M>(Option<Box<Queue<M>>>);

#[derive(Clone, Debug)]
struct Queue<M> {
    /// Never empty.
    messages: VecDeque<M>,
    bytes: usize,
    /// How many have QoS 0.
    at_most_once: usize,
    /// How many have a size.
    counted: usize,
    /// No message expires before this time.
    expiry: Time,
}

impl<M> Default for Waiting<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M> Default for Queue<M> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0, at_most_once: 0, counted: 0, expiry: NEVER }
    }
}

impl<M> Waiting<M> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.messages.len())
    }

    /// Whether a message of QoS 0 waits, which another of QoS 0 must not overtake.
    pub(crate) fn has_at_most_once(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.at_most_once > 0)
    }

    /// How many have a size, see [`Kept::size`].
    pub(crate) fn counted(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.counted)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &M> {
        self.0.iter().flat_map(|queue| queue.messages.iter())
    }
}

impl<M: Kept> Waiting<M> {
    pub(crate) fn push_back(&mut self, message: M) {
        let queue = self.0.get_or_insert_default();
        queue.note(&message);
        queue.messages.push_back(message);
    }

    pub(crate) fn push_front(&mut self, message: M) {
        let queue = self.0.get_or_insert_default();
        queue.note(&message);
        queue.messages.push_front(message);
    }

    pub(crate) fn front(&self) -> Option<&M> {
        self.0.as_ref()?.messages.front()
    }

    pub(crate) fn pop_front(&mut self) -> Option<M> {
        let queue = self.0.as_mut()?;
        let message = queue.messages.pop_front()?;
        let size = message.size();
        queue.bytes = queue.bytes.saturating_sub(size);
        queue.counted = queue.counted.saturating_sub(usize::from(size > 0));
        queue.at_most_once = queue.at_most_once.saturating_sub(usize::from(is_at_most_once(&message)));
        self.give_back();
        Some(message)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&M) -> bool) {
        let Some(queue) = &mut self.0 else { return };
        queue.messages.retain(keep);
        queue.bytes = queue.messages.iter().map(Kept::size).sum();
        queue.counted = queue.messages.iter().filter(|message| message.size() > 0).count();
        queue.at_most_once = queue.messages.iter().filter(|message| is_at_most_once(*message)).count();
        let expiries = queue.messages.iter().filter_map(|message| message.publication().expires);
        queue.expiry = expiries.min().unwrap_or(NEVER);
        self.give_back();
    }

    /// Drops messages that have expired; says how many. The queue is gone through if one may have, and not
    /// more often than every [`EXPIRY_INTERVAL`].
    // [v5 MQTT-3.3.2-5]
    pub(crate) fn drop_expired(&mut self, now: Time) -> usize {
        if self.0.as_ref().is_none_or(|queue| now < queue.expiry) {
            return 0;
        }
        let before = self.len();
        self.retain(|message| !message.publication().is_expired(now));
        if let Some(queue) = &mut self.0 {
            queue.expiry = queue.expiry.max(now + EXPIRY_INTERVAL);
        }
        before - self.len()
    }

    /// When it is next worth looking for messages that have expired; `None` is never.
    pub(crate) fn expiry(&self) -> Option<Time> {
        self.0.as_ref().map(|queue| queue.expiry).filter(|expiry| *expiry != NEVER)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M> + use<M> {
        self.0.take().into_iter().flat_map(|queue| queue.messages)
    }

    /// What a backlog once needed is given back.
    fn give_back(&mut self) {
        if self.0.as_ref().is_some_and(|queue| queue.messages.is_empty()) {
            self.0 = None;
        }
    }
}

impl<M: Kept> Queue<M> {
    fn note(&mut self, message: &M) {
        let size = message.size();
        self.bytes += size;
        self.counted += usize::from(size > 0);
        let publication = message.publication();
        self.at_most_once += usize::from(publication.qos == QoS::AtMostOnce);
        if let Some(expires) = publication.expires {
            self.expiry = self.expiry.min(expires);
        }
    }
}

fn is_at_most_once(message: &impl Kept) -> bool {
    message.publication().qos == QoS::AtMostOnce
}
