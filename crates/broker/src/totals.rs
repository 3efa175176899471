//! How much waits for all sessions together, and how much of it may.
//!
//! Each shard counts its own sessions exactly. At the end of a turn in which that changed it adds the
//! difference to counts that all shards share, and at the beginning of a turn it reads those. So a shard
//! knows its own part to the message and that of the others as of their last turns: a limit is exceeded by
//! at most what the other shards take in during one turn. No message costs an atomic operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use crate::config::Config;

/// Messages and what they weigh in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Where messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// In memory, whether or not they are in the store as well.
    Memory,
    /// In the store alone.
    Store,
}

/// Which limit of queues is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// That of one session.
    Session,
    /// That of all sessions together.
    Total(Pool),
}

/// What waits for one session or for many, in each pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) memory: Level,
    pub(crate) store: Level,
}

/// What waits at all shards, as each has said last.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    memory: SharedLevel,
    store: SharedLevel,
}

#[derive(Debug, Default)]
struct SharedLevel {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

/// What waits for the sessions of one shard, and what it knows of the others.
#[derive(Debug)]
pub(crate) struct Queued {
    totals: Arc<Totals>,
    maximum: Levels,
    /// What waits here.
    own: Levels,
    /// What of it the others have been told.
    told: Levels,
    /// What waits elsewhere, as of the beginning of the turn.
    others: Levels,
    /// What each session was counted with; those with nothing are not in it.
    sessions: HashMap<u32, Levels, foldhash::fast::FixedState>,
}

impl Level {
    // All of these wrap: what is taken away was added before, though perhaps by way of another shard's count.
    const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.wrapping_add(other.messages),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.wrapping_sub(other.messages),
            bytes: self.bytes.wrapping_sub(other.bytes),
        }
    }

    const fn reaches(self, maximum: Self) -> bool {
        self.messages >= maximum.messages || self.bytes >= maximum.bytes
    }
}

impl Levels {
    pub(crate) const fn of(self, pool: Pool) -> Level {
        match pool {
            Pool::Memory => self.memory,
            Pool::Store => self.store,
        }
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { memory: self.memory.plus(other.memory), store: self.store.plus(other.store) }
    }

    const fn minus(self, other: Self) -> Self {
        Self { memory: self.memory.minus(other.memory), store: self.store.minus(other.store) }
    }
}

impl SharedLevel {
    fn get(&self) -> Level {
        let (messages, bytes) = (&self.messages, &self.bytes);
        Level { messages: messages.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    fn add(&self, difference: Level) {
        self.messages.fetch_add(difference.messages, Ordering::Relaxed);
        self.bytes.fetch_add(difference.bytes, Ordering::Relaxed);
    }
}

impl Queued {
    pub(crate) fn new(totals: Arc<Totals>, config: &Config) -> Self {
        let memory = Level {
            messages: config.queued_messages_total_maximum,
            bytes: config.queued_bytes_total_maximum,
        };
        let store = Level {
            messages: config.stored_messages_total_maximum,
            bytes: config.stored_bytes_total_maximum,
        };
        Self {
            totals,
            maximum: Levels { memory, store },
            own: Levels::default(),
            told: Levels::default(),
            others: Levels::default(),
            sessions: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(config.seed)),
        }
    }

    /// Reads what the other shards have said, at the beginning of a turn.
    pub(crate) fn refresh(&mut self) {
        let all = Levels { memory: self.totals.memory.get(), store: self.totals.store.get() };
        self.others = all.minus(self.told);
    }

    /// Tells the other shards, at the end of a turn; says whether there was something to tell.
    pub(crate) fn tell(&mut self) -> bool {
        if self.own == self.told {
            return false;
        }
        let difference = self.own.minus(self.told);
        if difference.memory != Level::default() {
            self.totals.memory.add(difference.memory);
        }
        if difference.store != Level::default() {
            self.totals.store.add(difference.store);
        }
        self.told = self.own;
        true
    }

    /// Counts a session anew; says whether something waits for it.
    pub(crate) fn count(&mut self, session: u32, levels: Levels) -> bool {
        let waits = levels != Levels::default();
        let before = if waits {
            self.sessions.insert(session, levels)
        } else {
            let before = self.sessions.remove(&session);
            if self.sessions.is_empty() {
                // What a backlog once needed is given back.
                self.sessions.shrink_to(0);
            }
            before
        };
        self.own = self.own.minus(before.unwrap_or_default()).plus(levels);
        waits
    }

    /// What waits for the sessions of this shard.
    pub(crate) const fn own(&self) -> Levels {
        self.own
    }

    const fn level(&self, pool: Pool) -> Level {
        self.others.plus(self.own).of(pool)
    }

    /// Whether no more may wait in a pool.
    pub(crate) const fn is_full(&self, pool: Pool) -> bool {
        self.level(pool).reaches(self.maximum.of(pool))
    }

    /// Whether as much again waits as may.
    pub(crate) const fn is_overfull(&self, pool: Pool) -> bool {
        let Level { messages, bytes } = self.level(pool);
        Level { messages: messages / 2, bytes: bytes / 2 }.reaches(self.maximum.of(pool))
    }

    /// Whether no more may wait in some pool.
    pub(crate) const fn is_any_full(&self) -> bool {
        self.is_full(Pool::Memory) || self.is_full(Pool::Store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(messages: usize, bytes: usize) -> Level {
        Level { messages, bytes }
    }

    #[test]
    fn a_shard_knows_its_own_part_at_once_and_that_of_others_when_both_had_a_turn() {
        let config = Config {
            queued_messages_total_maximum: 10,
            queued_bytes_total_maximum: 1000,
            ..Config::default()
        };
        let totals = Arc::new(Totals::default());
        let mut one = Queued::new(Arc::clone(&totals), &config);
        let mut other = Queued::new(totals, &config);
        assert!(one.count(7, Levels { memory: level(6, 60), store: level(1, 1) }));
        assert!(other.count(7, Levels { memory: level(4, 40), ..Levels::default() }));
        assert!(!one.is_any_full() && !other.is_any_full());
        assert!(one.tell() && !one.tell());
        assert!(!other.is_any_full(), "it has not looked");
        other.refresh();
        assert!(
            other.is_full(Pool::Memory) && !other.is_full(Pool::Store) && !other.is_overfull(Pool::Memory)
        );
        assert!(other.count(8, Levels { memory: level(1, 2000), ..Levels::default() }));
        assert!(other.is_overfull(Pool::Memory));
        assert!(!other.count(8, Levels::default()) && !other.count(7, Levels::default()));
        assert!(!other.tell() && !other.is_any_full());
        // What was counted elsewhere may have gone meanwhile.
        assert!(!one.count(7, Levels::default()) && one.tell());
        other.refresh();
        assert_eq!((other.level(Pool::Memory), other.level(Pool::Store)), (level(0, 0), level(0, 0)));
    }
}
