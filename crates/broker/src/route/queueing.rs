//! A message waits for one session: within the limits of its queue and those of all queues together, or as
//! the policy says.

use colibri_codec::QoS;
use colibri_protocol::{Kept, Session};

use crate::config::QueueFull;
use crate::message::Delivery;
use crate::shard::Shard;
use crate::totals::{Level, Levels, Limit, Pool};

impl Shard {
    /// Puts a message into a session's queue, if there is room or the policy makes some.
    pub(super) fn enqueue(&mut self, number: u32, delivery: Delivery) {
        let may_spill = delivery.may_be_stored_alone();
        match self.full_after_expiry(number, may_spill) {
            Some(limit) if !self.make_room(number, limit, &delivery) => return,
            Some(_) => {}
            None if self.policy_for(number, Limit::Session) == QueueFull::Disconnect
                && !self.queue_is_half_full(number) =>
            {
                self.note_caught_up(number);
            }
            None => {}
        }
        self.enqueue_here(number, delivery);
        if self.queue_is_full(number) && !self.ends_at(number, Limit::Session) || self.queued.is_any_full() {
            self.note_full();
        }
    }

    /// What happens to one more message at a limit.
    pub(super) fn policy_for(&self, number: u32, limit: Limit) -> QueueFull {
        match self.config.queue_full {
            QueueFull::BySession if limit == Limit::Session && !self.is_kept(number) => QueueFull::Disconnect,
            QueueFull::BySession => QueueFull::Refuse,
            other => other,
        }
    }

    /// Whether a session that reaches this limit ends, so that it is nobody else's concern.
    pub(super) fn ends_at(&self, number: u32, limit: Limit) -> bool {
        self.config.queue_full == QueueFull::BySession
            && self.policy_for(number, limit) == QueueFull::Disconnect
    }

    fn is_kept(&self, number: u32) -> bool {
        self.sessions.get(number).is_some_and(|session| session.outlives_connection())
    }

    /// Puts a message behind those that wait: in the store if the session is stored, and there alone if it
    /// need not be in memory.
    pub(super) fn enqueue_here(&mut self, number: u32, delivery: Delivery) {
        if let Some(delivery) = self.record_waiting(number, delivery)
            && let Some(queue) = self.queue_of_mut(number)
        {
            queue.enqueue(delivery);
        }
        self.count_queue(number);
        self.watch_expiry(number);
    }

    /// Does what the policy says about a limit that is reached; says whether a message may come in.
    fn make_room(&mut self, number: u32, limit: Limit, delivery: &Delivery) -> bool {
        if !self.ends_at(number, limit) {
            self.note_full();
        }
        match self.policy_for(number, limit) {
            // Its publisher takes it for delivered, and at the other shard nobody could know. No more are on their
            // way than an inbox holds and a turn reads.
            QueueFull::Refuse if self.routing.promised && delivery.qos > QoS::AtMostOnce => true,
            // Whoever could be refused was. This one has QoS 0, or is the broker's own or a will, and as much
            // again is kept for such.
            QueueFull::Refuse if !self.is_overfull(number, limit) => true,
            QueueFull::Refuse | QueueFull::BySession | QueueFull::DropNewest => {
                self.note_dropped(limit);
                false
            }
            QueueFull::DropOldest => self.drop_oldest_for(number, limit, delivery.size()),
            QueueFull::Disconnect => {
                self.note_dropped(limit);
                // A client that comes back to much that waits gets the chance to take it, or it could never come
                // back while somebody publishes; who gets what it publishes itself is enough.
                if !self.is_catching_up(number) {
                    self.give_up(number);
                }
                false
            }
        }
    }

    fn is_catching_up(&self, number: u32) -> bool {
        let connection = self.sessions.get(number).and_then(|session| session.connection);
        connection
            .and_then(|number| self.connections.get(number))
            .is_some_and(|client| client.flags.catching_up)
    }

    fn note_caught_up(&mut self, number: u32) {
        let connection = self.sessions.get(number).and_then(|session| session.connection);
        if let Some(client) = connection.and_then(|number| self.connections.get_mut(number)) {
            client.flags.catching_up = false;
        }
    }

    /// Makes others ask before they send to sessions of this shard.
    pub(crate) fn note_full(&mut self) {
        if !self.routing.crowded {
            self.routing.crowded = true;
            self.links.set_crowded(true);
        }
    }

    /// Drops the messages of a session that have waited longest until one of this size has room; says whether
    /// it has.
    fn drop_oldest_for(&mut self, number: u32, limit: Limit, size: usize) -> bool {
        let mut freed = 0;
        loop {
            let has_room = match limit {
                Limit::Session => !self.queue_is_full(number),
                // What others have waiting is not this session's to drop.
                Limit::Total(_) => freed >= size,
            };
            if has_room {
                return true;
            }
            let dropped = self.drop_oldest(number, limit);
            freed += dropped.unwrap_or(0);
            self.note_dropped(limit);
            match dropped {
                Some(1..) => {}
                // One that does not count is older than those that do, and goes first. It leaves no room that a
                // total knows of, and all of them are not to go for the sake of other sessions.
                Some(0) if limit == Limit::Session => {}
                Some(0) => return false,
                // The new one is what is dropped.
                None => return false,
            }
        }
    }

    /// Takes the message out that has waited longest where the limit counts; gives what it counted with, in
    /// bytes.
    fn drop_oldest(&mut self, number: u32, limit: Limit) -> Option<usize> {
        let size = match limit {
            Limit::Session => self.drop_oldest_in_memory(number).or_else(|| self.drop_oldest_spilled(number)),
            Limit::Total(Pool::Memory) => self.drop_oldest_in_memory(number),
            Limit::Total(Pool::Store) => {
                self.drop_oldest_spilled(number).or_else(|| self.drop_oldest_in_memory(number))
            }
        };
        self.count_queue(number);
        size
    }

    fn drop_oldest_in_memory(&mut self, number: u32) -> Option<usize> {
        let oldest = self.queue_of_mut(number).and_then(Session::pop_waiting)?;
        self.forget_delivery(number, &oldest);
        Some(oldest.size())
    }

    const fn note_dropped(&mut self, limit: Limit) {
        let counter = match limit {
            Limit::Session => &mut self.metrics.dropped_queue_full,
            Limit::Total(Pool::Memory) => &mut self.metrics.dropped_queued_total,
            Limit::Total(Pool::Store) => &mut self.metrics.dropped_stored_total,
        };
        *counter += 1;
    }

    /// Counts a message that was refused to its publisher.
    pub(crate) const fn note_refused(&mut self, limit: Limit) {
        let counter = match limit {
            Limit::Session => &mut self.metrics.refused_queue_full,
            Limit::Total(Pool::Memory) => &mut self.metrics.refused_queued_total,
            Limit::Total(Pool::Store) => &mut self.metrics.refused_stored_total,
        };
        *counter += 1;
    }

    fn is_overfull(&self, number: u32, limit: Limit) -> bool {
        match limit {
            Limit::Session => {
                let Level { messages, bytes } = self.waiting(number);
                messages / 2 >= self.config.queued_messages_maximum
                    || bytes / 2 >= self.config.queued_bytes_maximum
            }
            Limit::Total(pool) => self.queued.is_overfull(pool),
        }
    }

    /// What counts against the limits of a session's queue.
    pub(crate) fn waiting(&self, number: u32) -> Level {
        let Levels { memory, store } = self.levels(number);
        Level { messages: memory.messages + store.messages, bytes: memory.bytes + store.bytes }
    }

    /// The same by where it waits.
    fn levels(&self, number: u32) -> Levels {
        let Some(queue) = self.queue_of(number) else { return Levels::default() };
        let spilled = self.sessions.get(number).and_then(|session| session.spilled.as_deref());
        let (messages, bytes) = spilled.map_or((0, 0), |spilled| (spilled.counted(), spilled.bytes()));
        Levels {
            memory: Level { messages: queue.waiting_counted(), bytes: queue.waiting_bytes() },
            store: Level { messages, bytes },
        }
    }

    /// Notes in the totals what waits for a session now.
    pub(crate) fn count_queue(&mut self, number: u32) {
        let levels = self.levels(number);
        let waits = self.queued.count(number, levels);
        if let Some(session) = self.sessions.get_mut(number) {
            session.backlogged = waits;
        }
    }

    /// What waits for all sessions here, summed up; that of [`Queued::own`](crate::totals::Queued::own)
    /// between two turns.
    pub(crate) fn recount(&self) -> Levels {
        self.sessions.numbers().fold(Levels::default(), |sum, number| sum.plus(self.levels(number)))
    }

    /// Counts the queue of a connection's session anew, if something waits or did.
    pub(crate) fn count_queue_of(&mut self, connection: u32) {
        let Some(client) = self.connections.get(connection) else { return };
        let Some(number) = client.session else { return };
        let waits = client.protocol.session().waiting() > 0;
        if waits || self.sessions.get(number).is_some_and(|session| session.backlogged) {
            self.count_queue(number);
        }
    }

    /// Whether the queue of a session takes no more by its own limits.
    fn queue_is_full(&self, number: u32) -> bool {
        let Level { messages, bytes } = self.waiting(number);
        messages >= self.config.queued_messages_maximum || bytes >= self.config.queued_bytes_maximum
    }

    /// Whether the queue of a session has as much room as is taken in it, or less.
    fn queue_is_half_full(&self, number: u32) -> bool {
        let Level { messages, bytes } = self.waiting(number);
        let is_half = |found: usize, maximum: usize| found > 0 && found >= maximum.saturating_sub(found);
        is_half(messages, self.config.queued_messages_maximum)
            || is_half(bytes, self.config.queued_bytes_maximum)
    }

    /// Whether a session has a queue that is half full, or a part in the queues that are full together.
    pub(crate) fn is_backed_up(&self, number: u32) -> bool {
        let waits = self.sessions.get(number).is_some_and(|session| session.backlogged);
        self.queue_is_half_full(number) || waits && self.queued.is_any_full()
    }

    /// Which limit leaves no room for a message to a session; `may_spill` says whether the store alone may
    /// have it.
    pub(crate) fn full(&self, number: u32, may_spill: bool) -> Option<Limit> {
        if self.queue_is_full(number) {
            return Some(Limit::Session);
        }
        if !self.queued.is_any_full() {
            return None;
        }
        let pool = if may_spill && self.spills_next(number) { Pool::Store } else { Pool::Memory };
        (self.queued.is_full(pool) && self.has_to_wait(number)).then_some(Limit::Total(pool))
    }

    /// Whether a message to a session would have to wait, as far as is known before it is written.
    fn has_to_wait(&self, number: u32) -> bool {
        let Some(session) = self.sessions.get(number) else { return false };
        let Some(client) = session.connection.and_then(|connection| self.connections.get(connection)) else {
            return true;
        };
        let is_slow = client.pending() + client.gated() > self.config.output_budget;
        let is_held = client.flags.replaying || client.flags.sealed || session.spilled.is_some();
        is_slow || is_held || client.protocol.has_to_wait()
    }

    /// Whether some limit is reached here, of a session or of all.
    pub(crate) fn any_queue_is_full(&self) -> bool {
        self.queued.is_any_full() || self.sessions.numbers().any(|number| self.queue_is_full(number))
    }

    /// Looks at what waits at the other shards, when a turn begins.
    pub(crate) fn look_at_totals(&mut self) {
        self.queued.refresh();
        if self.queued.is_any_full() {
            self.note_full();
        }
    }

    /// Tells the other shards what waits here, when a turn ends.
    pub(crate) fn tell_totals(&mut self) {
        if self.queued.tell() && self.queued.is_any_full() {
            self.links.set_all_crowded();
        }
    }
}
