//! Messages that expire in a queue make room there.

use std::time::Duration;

use crate::shard::Shard;
use crate::shard::timers::Timer;

/// How often the queue of an absent client is looked through for expired messages at most. They weigh on
/// its limits until then; when it is full, it is looked through anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

impl Shard {
    /// Whether a session's queue is full, and no message in it has expired.
    pub(crate) fn has_full_queue(&mut self, session: u32) -> bool {
        if !self.queue_of(session).is_some_and(|queue| self.is_full(queue)) {
            return false;
        }
        self.drop_expired(session);
        self.queue_of(session).is_some_and(|queue| self.is_full(queue))
    }

    /// Sets the timer for the first message that expires in the queue of an absent client, unless it is set.
    pub(crate) fn watch_expiry(&mut self, session: u32) {
        let now = self.now;
        let Some(entry) = self.sessions.get_mut(session) else { return };
        if entry.expiry_watched || entry.is_connected() {
            return;
        }
        let Some(next) = entry.stored.as_deref().and_then(|queue| queue.next_expiry()) else { return };
        entry.expiry_watched = true;
        let timer = Timer::QueueExpiry { session, stay: entry.stay };
        self.timers.set(next.max(now + LOOK_INTERVAL), timer);
    }

    /// Messages may have expired in the queue of an absent client.
    pub(crate) fn on_queue_expiry(&mut self, session: u32, stay: u32) {
        let Some(entry) = self.sessions.get_mut(session) else { return };
        if entry.stay != stay || entry.is_connected() {
            return;
        }
        entry.expiry_watched = false;
        self.drop_expired(session);
        self.watch_expiry(session);
    }

    fn drop_expired(&mut self, session: u32) {
        let now = self.now;
        let dropped = self.queue_of_mut(session).map_or(0, |queue| queue.drop_expired(now));
        self.metrics.dropped_expired += dropped as u64;
    }
}
