//! What a shard does at a certain time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use colibri_codec::OwnedTopicName;
use colibri_protocol::Time;

/// What is due.
///
/// A timer is never cancelled: whoever it is for looks whether it still means anything. `birth` and
/// `stay` tell whether the connection or session is still the one it was set for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// When a connection has had its time to send CONNECT.
    Connect { connection: u32, birth: u32 },
    /// When a client may have been silent for too long.
    KeepAlive { connection: u32, birth: u32 },
    /// When the session of an absent client ends.
    SessionExpiry { session: u32, stay: u32 },
    /// When the will of an absent client is to be published.
    WillDelay { session: u32, stay: u32 },
    /// When a retained message is no longer worth keeping.
    RetainedExpiry { topic: OwnedTopicName },
    /// When a listener is tried again from which no connection could be accepted.
    Accept { listener: usize },
    /// When the `$SYS` topics are to be published.
    SysTopics,
}

/// All timers of a shard; they cost nothing until the first is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    due: Time,
    /// Those due at the same time come in the order in which they were set.
    order: u64,
    timer: Timer,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Timers {
    pub(crate) fn set(&mut self, due: Time, timer: Timer) {
        self.count += 1;
        self.heap.push(Reverse(Entry { due, order: self.count, timer }));
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// The next timer that is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.timer)
    }
}
