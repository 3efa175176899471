//! A store in memory that crashes, fails and fills up on demand, for tests and the simulation.

use core::ops::ControlFlow;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::memory::Memory;
use crate::{Batch, Rows, Store, StoreError, Table, Visit};

/// A store with faults. Clones are handles of the same store: one goes into the code under test, the other
/// stays with the test.
///
/// It keeps what was synced apart from the batches that were not. How slow it is, is up to its caller.
#[derive(Clone, Debug, Default)]
pub struct Faulty {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What outlives power loss.
    synced: Memory,
    /// Batches behind it, in order, those too whose commit failed after they were written. The fate of each
    /// at power loss is open.
    unsynced: Vec<Batch>,
    /// How many batches were written before these, ever, in all that this store is the continuation of.
    before: u64,
    /// What reads see: all of the above without the failed commits.
    visible: Memory,
    commits: u64,
    syncs: u64,
    failing: Vec<Failure>,
    /// The most bytes of keys and values; a batch that would make it more is refused.
    capacity: Option<u64>,
    stopped: Option<StoreError>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    call: Call,
    /// Of the calls from the beginning of the store, from 1.
    number: u64,
    how: Fault,
}

/// Which calls a [`Fault`] is planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Store::commit`].
    Commit,
    /// [`Store::sync`], and commits with sync, which fail after the batch was written.
    Sync,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full, and nothing of the batch was written.
    Full,
    /// The disk is full, but the batch was written before that was known: it may be there after a crash.
    FullAfterWriting,
    /// The disk failed; the store takes no more changes.
    Io,
}

impl Faulty {
    /// An empty store without planned faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans that a call fails: the `number`th of its kind from the beginning of this store, counted from 1.
    pub fn fail(&self, call: Call, number: u64, how: Fault) {
        self.lock().failing.push(Failure { call, number, how });
    }

    /// Plans that the next call of a kind fails.
    pub fn fail_next(&self, call: Call, how: Fault) {
        let mut inner = self.lock();
        let number = 1 + match call {
            Call::Commit => inner.commits,
            Call::Sync => inner.syncs,
        };
        inner.failing.push(Failure { call, number, how });
    }

    /// Sets the most bytes of keys and values; a batch beyond that is refused until rows are deleted or the
    /// limit is raised. `None` is no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// How many commits were asked for, failed ones included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// How many syncs were asked for, those of commits included.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// How many batches were written, those too whose commit failed after that. A store that goes on where
    /// another crashed counts on from what outlived the crash.
    #[must_use]
    pub fn position(&self) -> u64 {
        let inner = self.lock();
        inner.before + inner.unsynced.len() as u64
    }

    /// How many of these are synced.
    #[must_use]
    pub fn synced_position(&self) -> u64 {
        self.lock().before
    }

    /// Pulls the plug: a new store with what was synced and an arbitrary prefix of the batches that were
    /// not, chosen by `seed`. A last batch that was torn is dropped whole, as every store does when it is
    /// opened. This store stops.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        self.end_with(|batches| usize::try_from(scramble(seed) % (batches as u64 + 1)).unwrap_or(batches))
    }

    /// The luckiest crash, or an orderly end: a new store with all that was committed, synced or not. A batch
    /// whose commit failed after writing is there too. This store stops.
    #[must_use]
    pub fn end_luckily(&self) -> Self {
        self.end_with(|batches| batches)
    }

    /// Kills the process: a new store with all that was written, of which the machine may still lose what was
    /// not synced. A batch whose commit failed after writing is there too. This store stops.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut inner = self.lock();
        inner.stopped = Some(StoreError::Stopped { reason: "its process died".into() });
        let (synced, unsynced, before) = (inner.synced.clone(), inner.unsynced.clone(), inner.before);
        let mut visible = synced.clone();
        unsynced.iter().for_each(|batch| visible.apply(batch));
        let inner = Inner { synced, unsynced, before, visible, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// A new store with what was synced and as many of the batches behind it as `keep` says.
    fn end_with(&self, keep: impl FnOnce(usize) -> usize) -> Self {
        let mut inner = self.lock();
        inner.stopped = Some(StoreError::Stopped { reason: "it crashed".into() });
        let mut state = inner.synced.clone();
        let kept = keep(inner.unsynced.len());
        inner.unsynced.iter().take(kept).for_each(|batch| state.apply(batch));
        let before = inner.before + kept.min(inner.unsynced.len()) as u64;
        let inner = Inner { synced: state.clone(), visible: state, before, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// What reads see now, as a copy.
    #[must_use]
    pub fn visible(&self) -> Memory {
        self.lock().visible.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere is the failure to report, not this.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn planned(&self, call: Call, number: u64) -> Option<Fault> {
        self.failing
            .iter()
            .find(|failure| failure.call == call && failure.number == number)
            .map(|failure| failure.how)
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.stopped {
            Some(StoreError::Stopped { reason }) => Err(StoreError::Stopped { reason: reason.clone() }),
            Some(error) => Err(StoreError::Stopped { reason: error.to_string() }),
            None => Ok(()),
        }
    }

    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        self.check()?;
        batch.check()?;
        self.commits += 1;
        if let Some(fault) = self.planned(Call::Commit, self.commits) {
            return self.fault(fault, batch);
        }
        if let Some(capacity) = self.capacity {
            let mut next = self.visible.clone();
            next.apply(batch);
            if next.size() > Some(capacity) && next.size() > self.visible.size() {
                return Err(full());
            }
        }
        if sync {
            self.syncs += 1;
            if let Some(fault) = self.planned(Call::Sync, self.syncs) {
                return self.fault(fault, batch);
            }
        }
        self.visible.apply(batch);
        self.unsynced.push(batch.clone());
        if sync {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.before += self.unsynced.len() as u64;
        for batch in self.unsynced.drain(..) {
            self.synced.apply(&batch);
        }
    }

    fn fault(&mut self, fault: Fault, batch: &Batch) -> Result<(), StoreError> {
        let error = match fault {
            Fault::Full => full(),
            Fault::FullAfterWriting => {
                self.unsynced.push(batch.clone());
                full()
            }
            Fault::Io => {
                self.unsynced.push(batch.clone());
                let kind = io::ErrorKind::Other;
                StoreError::Io { path: PathBuf::new(), kind, message: "a planned fault".into() }
            }
        };
        if !error.can_retry() {
            self.stopped = Some(error.clone());
        }
        Err(error)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.syncs += 1;
        match self.planned(Call::Sync, self.syncs) {
            // What was written before has an unknown fate, so this is never tried again.
            Some(Fault::Full | Fault::FullAfterWriting | Fault::Io) => self.fault(Fault::Io, &Batch::new()),
            None => {
                self.flush();
                Ok(())
            }
        }
    }
}

fn full() -> StoreError {
    StoreError::Full { path: PathBuf::new() }
}

/// Spreads a seed over all bits (`splitmix64`), so that neighbouring seeds choose differently.
const fn scramble(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    seed ^ (seed >> 31)
}

impl Store for Faulty {
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        self.lock().commit(batch, sync)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.lock().sync()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.lock().visible.get(table, key)
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        // A visitor may use another handle of this store, so the lock is not held meanwhile.
        let rows = {
            let inner = self.lock();
            let mut copies = Vec::new();
            inner.visible.scan(table, rows, &mut |key, value| {
                copies.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })?;
            copies
        };
        for (key, value) in &rows {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn size(&self) -> Option<u64> {
        self.lock().visible.size()
    }

    fn rows(&self, table: Table) -> Option<u64> {
        self.lock().visible.rows(table)
    }
}
