//! Messages that no identifier, quota or room was free for, oldest first, and what they weigh.

use alloc::collections::VecDeque;

use colibri_codec::QoS;

use crate::Kept;

/// A queue that knows its size in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<M> {
    queue: VecDeque<M>,
    bytes: usize,
    /// How many have QoS 0.
    at_most_once: usize,
    /// How many have a size.
    counted: usize,
}

impl<M> Default for Waiting<M> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, at_most_once: 0, counted: 0 }
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
        }
        Some(message)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&M) -> bool) {
        self.queue.retain(keep);
        self.bytes = self.queue.iter().map(Kept::size).sum();
        self.counted = self.queue.iter().filter(|message| message.size() > 0).count();
        self.at_most_once = self.queue.iter().filter(|message| is_at_most_once(*message)).count();
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M> {
        self.bytes = 0;
        self.at_most_once = 0;
        self.counted = 0;
        self.queue.drain(..)
    }

    fn note(&mut self, message: &M) {
        let size = message.size();
        self.bytes += size;
        self.counted += usize::from(size > 0);
        self.at_most_once += usize::from(is_at_most_once(message));
    }
}

fn is_at_most_once(message: &impl Kept) -> bool {
    message.publication().qos == QoS::AtMostOnce
}
