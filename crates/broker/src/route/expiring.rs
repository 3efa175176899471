//! Messages that expire in a queue make room there.

use std::time::Duration;

use colibri_protocol::Progress;

use crate::shard::Shard;
use crate::shard::timers::Timer;
use crate::totals::Limit;

/// How often the queue of a client that is away or slow is looked through for expired messages at most. They
/// weigh on its limits until then; when it is full, it is looked through anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

impl Shard {
    /// Which limit leaves no room for a message to a session, though what has expired in its queue is gone.
    pub(crate) fn full_after_expiry(&mut self, session: u32, may_spill: bool) -> Option<Limit> {
        self.full(session, may_spill)?;
        self.drop_expired(session);
        self.full(session, may_spill)
    }

    /// Sets the timer for the first message that expires in the queue of a session, unless it is set.
    pub(crate) fn watch_expiry(&mut self, session: u32) {
        let now = self.now;
        let Some(entry) = self.sessions.get(session).filter(|entry| !entry.expiry_watched) else { return };
        let in_memory = self.queue_of(session).and_then(|queue| queue.next_expiry());
        let spilled = entry.spilled.as_ref().and_then(|spilled| spilled.next_expiry());
        let Some(next) = in_memory.into_iter().chain(spilled).min() else { return };
        let Some(entry) = self.sessions.get_mut(session) else { return };
        entry.expiry_watched = true;
        let timer = Timer::QueueExpiry { session, stay: entry.stay };
        self.timers.set(next.max(now + LOOK_INTERVAL), timer);
    }

    /// Messages may have expired in the queue of a session.
    pub(crate) fn on_queue_expiry(&mut self, session: u32, stay: u32) {
        let Some(entry) = self.sessions.get_mut(session) else { return };
        if entry.stay != stay {
            return;
        }
        entry.expiry_watched = false;
        self.drop_expired(session);
        self.watch_expiry(session);
    }

    fn drop_expired(&mut self, session: u32) {
        let now = self.now;
        self.expire_spilled(session);
        let Some(queue) = self.queue_of_mut(session) else { return };
        // What the queue does not look at yet stays in the store, too.
        if queue.next_expiry().is_none_or(|at| now < at) {
            return self.count_queue(session);
        }
        let waiting = queue.messages().filter(|(_, progress)| *progress == Progress::Waiting);
        let expired = waiting.filter(|(delivery, _)| delivery.message.is_expired(now));
        let rows: Vec<_> = expired.map(|(delivery, _)| (delivery.row, delivery.body)).collect();
        let dropped = queue.drop_expired(now);
        debug_assert_eq!(dropped, rows.len());
        self.metrics.dropped_expired += dropped as u64;
        for (row, body) in rows {
            self.forget_row(session, row, body);
        }
        self.count_queue(session);
    }
}
