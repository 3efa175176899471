//! Messages that no identifier, quota or room was free for, oldest first, and what they weigh.

use alloc::collections::VecDeque;
use core::time::Duration;

use colibri_codec::QoS;

use crate::{Kept, Time};

/// How often a queue is gone through for expired messages at most: one of 100,000 takes some milliseconds.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
/// Later than all times.
const NEVER: Time = Time::from_millis(u64::MAX);

/// A queue that knows its size in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<M> {
    queue: VecDeque<M>,
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
        Self { queue: VecDeque::new(), bytes: 0, at_most_once: 0, counted: 0, expiry: NEVER }
    }
}

impl<M> Waiting<M> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether a message of QoS 0 waits, which another of QoS 0 must not overtake.
    pub(crate) const fn has_at_most_once(&self) -> bool {
        self.at_most_once > 0
    }

    /// How many have a size, see [`Kept::size`].
    pub(crate) const fn counted(&self) -> usize {
        self.counted
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &M> {
        self.queue.iter()
    }
}

impl<M: Kept> Waiting<M> {
    pub(crate) fn push_back(&mut self, message: M) {
        self.note(&message);
        self.queue.push_back(message);
    }

    pub(crate) fn push_front(&mut self, message: M) {
        self.note(&message);
        self.queue.push_front(message);
    }

    pub(crate) fn front(&self) -> Option<&M> {
        self.queue.front()
    }

    pub(crate) fn pop_front(&mut self) -> Option<M> {
        let message = self.queue.pop_front()?;
        let size = message.size();
        self.bytes = self.bytes.saturating_sub(size);
        self.counted = self.counted.saturating_sub(usize::from(size > 0));
        self.at_most_once = self.at_most_once.saturating_sub(usize::from(is_at_most_once(&message)));
        if self.queue.is_empty() {
            // What a backlog once needed is given back.
            self.queue = VecDeque::new();
            self.expiry = NEVER;
        }
        Some(message)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&M) -> bool) {
        self.queue.retain(keep);
        self.bytes = self.queue.iter().map(Kept::size).sum();
        self.counted = self.queue.iter().filter(|message| message.size() > 0).count();
        self.at_most_once = self.queue.iter().filter(|message| is_at_most_once(*message)).count();
        let expiries = self.queue.iter().filter_map(|message| message.publication().expires);
        self.expiry = expiries.min().unwrap_or(NEVER);
    }

    /// Drops messages that have expired; says how many. The queue is gone through if one may have, and not
    /// more often than every [`EXPIRY_INTERVAL`].
    // [v5 MQTT-3.3.2-5]
    pub(crate) fn drop_expired(&mut self, now: Time) -> usize {
        if now < self.expiry {
            return 0;
        }
        let before = self.queue.len();
        self.retain(|message| !message.publication().is_expired(now));
        self.expiry = self.expiry.max(now + EXPIRY_INTERVAL);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
            self.expiry = NEVER;
        }
        before - self.queue.len()
    }

    /// When it is next worth looking for messages that have expired; `None` is never.
    pub(crate) fn expiry(&self) -> Option<Time> {
        (self.expiry != NEVER).then_some(self.expiry)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M> {
        self.bytes = 0;
        self.at_most_once = 0;
        self.counted = 0;
        self.expiry = NEVER;
        self.queue.drain(..)
    }

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
