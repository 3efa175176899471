//! What a shard does at a certain time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use colibri_codec::OwnedTopicName;
use colibri_protocol::Time;

/// What is due.
///
/// A timer is not cancelled: whoever it is for looks whether it still means anything. `birth` and
/// `stay` tell whether the connection or session is still the one it was set for. Those that mean
/// nothing any more are thrown out together when they may be the larger part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// When a connection has had its time to send CONNECT.
    Connect { connection: u32, birth: u32 },
    /// When a client has had its time to authenticate.
    Authentication { connection: u32, birth: u32 },
    /// When a client has had its time to read what it was told last.
    Linger { connection: u32, birth: u32 },
    /// When a client may have been silent for too long.
    KeepAlive { connection: u32, birth: u32 },
    /// When the session of an absent client ends.
    SessionExpiry { session: u32, stay: u32 },
    /// When a message may have expired in the queue of a session.
    QueueExpiry { session: u32, stay: u32 },
    /// When the will of an absent client is to be published.
    WillDelay { session: u32, stay: u32 },
    /// When a retained message is no longer worth keeping.
    RetainedExpiry { topic: Box<OwnedTopicName> },
    /// When a client is read again that was refused something because the store takes nothing.
    Rest { connection: u32, birth: u32 },
    /// When a listener is tried again from which no connection could be accepted.
    Accept { listener: usize },
    /// When connections that are idle give back what they needed while they were not.
    Cool,
    /// When the `$SYS` topics are to be published.
    SysTopics,
}

/// All timers of a shard; they cost nothing until the first is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
    /// How many there were when they were last gone through.
    kept: usize,
}

/// Fewer timers than this are not gone through: they weigh less than looking at them costs.
const TIDY_MIN: usize = 1024;

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

    /// Whether half of them or more may mean nothing any more.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.heap.len() >= TIDY_MIN && self.heap.len() / 2 >= self.kept
    }

    /// Throws out those for which `is_live` says no.
    pub(crate) fn tidy(&mut self, mut is_live: impl FnMut(Time, &Timer) -> bool) {
        self.heap.retain(|Reverse(entry)| is_live(entry.due, &entry.timer));
        self.kept = self.heap.len();
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
