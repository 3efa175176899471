//! The journal: batches with tickets go in, tickets that are done come out.

use core::mem;
use core::time::Duration;

use colibri_protocol::Time;

use super::{Coalescer, Durability};
use crate::{Batch, Rows, Store, StoreError, Table, Visit};

/// How long a full disk is left alone before writing is tried again: long enough not to keep the disk busy,
/// short enough that clients hardly notice that there is room again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Memory of a group that is kept for the next one, in bytes of keys and values.
const KEPT_BYTES: usize = 4 << 20;

/// Gathers batches and commits them in groups.
#[derive(Debug)]
pub struct Journal<S> {
    store: S,
    durability: Durability,
    coalescer: Coalescer,
    /// All that waits, in order.
    group: Batch,
    /// What is left of it.
    reduced: Batch,
    /// The last ticket of each shard in the group.
    waiting: Vec<Done>,
    done: Vec<Done>,
    health: Health,
    /// When the first commit was made that was not synced yet.
    unsynced_since: Option<Time>,
    retry_at: Option<Time>,
}

/// A shard's tickets up to this one are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The shard that submitted them.
    pub shard: u16,
    /// The last ticket that is done; all before it are too.
    pub ticket: u64,
}

/// Whether what is submitted gets done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// Not now: writing is tried again and again. Nothing is lost, and nothing is reported done meanwhile.
    Full(StoreError),
    /// Not any more: the store has to be opened anew. Nothing more is reported done.
    Stopped(StoreError),
}

impl<S: Store> Journal<S> {
    /// A journal that has nothing waiting.
    pub fn new(store: S, durability: Durability) -> Self {
        Self {
            store,
            durability,
            coalescer: Coalescer::new(),
            group: Batch::new(),
            reduced: Batch::new(),
            waiting: Vec::new(),
            done: Vec::new(),
            health: Health::Good,
            unsynced_since: None,
            retry_at: None,
        }
    }

    /// Adds a batch to the group. The tickets of a shard must ascend. An empty batch is done when all
    /// before it is.
    pub fn submit(&mut self, shard: u16, ticket: u64, batch: &Batch) {
        if let Health::Stopped(_) = self.health {
            return;
        }
        self.group.merge(batch);
        match self.waiting.iter_mut().find(|done| done.shard == shard) {
            Some(done) => {
                debug_assert!(done.ticket < ticket, "tickets of a shard ascend");
                done.ticket = ticket;
            }
            None => self.waiting.push(Done { shard, ticket }),
        }
    }

    /// Commits all that waits, and gives for each shard the last ticket that this has done; nothing if the
    /// store failed, which [`Journal::health`] then tells, or is not to be tried again yet.
    pub fn commit(&mut self, now: Time) -> &[Done] {
        self.done.clear();
        if matches!(self.health, Health::Stopped(_)) || self.retry_at.is_some_and(|at| now < at) {
            return &self.done;
        }
        if !self.waiting.is_empty() {
            self.commit_group(now);
        }
        if self.sync_at().is_some_and(|at| now >= at) && self.health == Health::Good {
            self.sync();
        }
        &self.done
    }

    fn commit_group(&mut self, now: Time) {
        let sync = self.durability == Durability::Sync;
        self.reduced.clear();
        self.coalescer.reduce(&self.group, &mut self.reduced);
        // What the group cancels out needs no disk, unless an earlier group has still to be synced.
        let result = match self.reduced.is_empty() {
            true => Ok(()),
            false => self.store.commit(&self.reduced, sync),
        };
        match result {
            Ok(()) => {
                if !sync && !self.reduced.is_empty() {
                    self.unsynced_since.get_or_insert(now);
                }
                mem::swap(&mut self.waiting, &mut self.done);
                self.waiting.clear();
                self.group.clear();
                self.group.shrink_to(KEPT_BYTES);
                self.reduced.clear();
                self.reduced.shrink_to(KEPT_BYTES);
                self.coalescer.begin();
                self.health = Health::Good;
                self.retry_at = None;
            }
            Err(error) if error.can_retry() => {
                self.coalescer.forget_insertions(&self.group);
                self.retry_at = Some(now + RETRY_AFTER);
                self.health = Health::Full(error);
            }
            Err(error) => self.stop(error),
        }
    }

    fn sync(&mut self) {
        match self.store.sync() {
            Ok(()) => self.unsynced_since = None,
            // What was written before has an unknown fate now, so this cannot be tried again.
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, error: StoreError) {
        self.health = Health::Stopped(error);
        self.retry_at = None;
        self.unsynced_since = None;
        self.group = Batch::new();
        self.waiting.clear();
    }

    /// Commits what waits and syncs, for an orderly end: it is tried once more even if the disk was full.
    pub fn finish(&mut self, now: Time) -> &[Done] {
        self.retry_at = None;
        self.done.clear();
        if matches!(self.health, Health::Stopped(_)) {
            return &self.done;
        }
        if !self.waiting.is_empty() {
            self.commit_group(now);
        }
        if self.unsynced_since.is_some() && self.health == Health::Good {
            self.sync();
        }
        &self.done
    }

    /// Whether there is anything to commit.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When [`Journal::commit`] is to be called although nothing new was submitted.
    #[must_use]
    pub fn timeout(&self) -> Option<Time> {
        self.retry_at.into_iter().chain(self.sync_at()).min()
    }

    fn sync_at(&self) -> Option<Time> {
        match self.durability {
            Durability::Sync | Durability::None => None,
            Durability::Periodic(period) => Some(self.unsynced_since? + period),
        }
    }

    /// Whether what is submitted gets done.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// How many bytes of keys and values wait. Who submits has to keep this within bounds.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.group.size()
    }

    /// Visits rows as they were committed; what waits is not among them.
    ///
    /// # Errors
    /// As for [`Store::scan`].
    pub fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(table, rows, visit)
    }

    /// The store, for reading.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Gives the store back; what waits is lost.
    pub fn into_store(self) -> S {
        self.store
    }
}
