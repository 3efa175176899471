//! Messages that no identifier, quota or room was free for, oldest first, and what they weigh.

use alloc::collections::VecDeque;

use crate::Kept;

/// A queue that knows its size in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<M> {
    queue: VecDeque<M>,
    bytes: usize,
}

impl<M> Default for Waiting<M> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0 }
    }
}

impl<M> Waiting<M> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
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
        self.bytes += message.size();
        self.queue.push_back(message);
    }

    pub(crate) fn push_front(&mut self, message: M) {
        self.bytes += message.size();
        self.queue.push_front(message);
    }

    pub(crate) fn front(&self) -> Option<&M> {
        self.queue.front()
    }

    pub(crate) fn pop_front(&mut self) -> Option<M> {
        let message = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(message.size());
        if self.queue.is_empty() {
            // What a backlog once needed is given back.
            self.queue = VecDeque::new();
        }
        Some(message)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&M) -> bool) {
        self.queue.retain(keep);
        self.bytes = self.queue.iter().map(Kept::size).sum();
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = M> {
        self.bytes = 0;
        self.queue.drain(..)
    }
}
