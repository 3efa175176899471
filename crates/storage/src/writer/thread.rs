//! The thread around a [`Journal`]: batches come through a channel, answers go to a callback per shard.

use core::time::Duration;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use colibri_protocol::Time;

use super::{Durability, Fetch, Fetched, Health, Journal};
use crate::{Batch, Store, StoreError};

/// A group is committed when it has so many bytes, even if more waits: enough that the sync is a small part
/// of the cost, and little enough that a group takes some tens of milliseconds.
const GROUP_BYTES: usize = 8 << 20;
/// How many used batches are kept for the shards, and how many bytes each keeps.
const SPARE_BATCHES: usize = 256;
const SPARE_BYTES: usize = 256 << 10;

/// What a shard is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// All batches up to this ticket are done.
    Done {
        /// The last one.
        ticket: u64,
    },
    /// The rows that were asked for, as they are after all that this shard had submitted before.
    Fetched(Result<Fetched, (Fetch, StoreError)>),
    /// The state of the store has changed.
    Health(Health),
}

/// Takes the answers for one shard; called on the thread of the store, so it must not block.
pub type Notify = Box<dyn FnMut(Reply) + Send>;

enum Command {
    Submit { shard: u16, ticket: u64, batch: Batch },
    Fetch { shard: u16, fetch: Fetch },
    Stop,
}

/// The thread of a store. Dropping it commits what was submitted and waits for the end.
#[derive(Debug)]
pub struct StoreThread {
    sender: StoreSender,
    thread: Option<JoinHandle<Health>>,
}

/// Submits batches; a clone for each shard.
#[derive(Clone, Debug)]
pub struct StoreSender {
    commands: Sender<Command>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of keys and values that were submitted and are not done.
    pending: AtomicUsize,
    spare: Mutex<Vec<Batch>>,
}

impl StoreThread {
    /// Starts the thread. `notify` has a callback for each shard, by its number.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn spawn<S: Store + 'static>(
        store: S,
        durability: Durability,
        notify: Vec<Notify>,
    ) -> Result<Self, StoreError> {
        let (commands, receiver) = channel();
        let shared = Arc::new(Shared::default());
        let state = Worker {
            journal: Journal::new(store, durability),
            notify,
            shared: Arc::clone(&shared),
            fetches: Vec::new(),
            told: Health::Good,
            started: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("storage".into())
            .spawn(move || state.run(&receiver))
            .map_err(|error| StoreError::io(PathBuf::from("the thread of the store"), &error))?;
        Ok(Self { sender: StoreSender { commands, shared }, thread: Some(thread) })
    }

    /// What submits to this thread.
    #[must_use]
    pub fn sender(&self) -> StoreSender {
        self.sender.clone()
    }

    /// Commits and syncs what was submitted before, answers, and ends the thread.
    ///
    /// # Errors
    /// Why something that was submitted is not on disk.
    pub fn stop(mut self) -> Result<(), StoreError> {
        match self.end() {
            Some(Health::Good) | None => Ok(()),
            Some(Health::Full(error) | Health::Stopped(error)) => Err(error),
        }
    }

    fn end(&mut self) -> Option<Health> {
        let thread = self.thread.take()?;
        // If the thread is gone already, joining it tells why.
        if self.sender.commands.send(Command::Stop).is_err() {
            return Some(Health::Stopped(gone()));
        }
        Some(thread.join().unwrap_or_else(|_| Health::Stopped(gone())))
    }
}

impl Drop for StoreThread {
    fn drop(&mut self) {
        self.end();
    }
}

impl StoreSender {
    /// An empty batch, with the memory of a used one if there is one.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Submits a batch; its ticket, which must be above the shard's last, comes back in [`Reply::Done`].
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn submit(&self, shard: u16, ticket: u64, batch: Batch) -> Result<(), StoreError> {
        self.shared.pending.fetch_add(batch.size(), Ordering::Relaxed);
        self.commands.send(Command::Submit { shard, ticket, batch }).map_err(|_| gone())
    }

    /// Asks for rows; they come in [`Reply::Fetched`], in the order of the requests of a shard.
    ///
    /// # Errors
    /// When the thread has ended.
    pub fn fetch(&self, shard: u16, fetch: Fetch) -> Result<(), StoreError> {
        self.commands.send(Command::Fetch { shard, fetch }).map_err(|_| gone())
    }

    /// How many bytes of keys and values of all shards are submitted and not done. The channel has no limit
    /// of its own: a broker takes no more from its publishers when this is too much.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }
}

fn gone() -> StoreError {
    StoreError::Io {
        path: PathBuf::from("the thread of the store"),
        kind: io::ErrorKind::BrokenPipe,
        message: "it has ended".into(),
    }
}

/// The state of the thread.
struct Worker<S> {
    journal: Journal<S>,
    notify: Vec<Notify>,
    shared: Arc<Shared>,
    /// Requests that wait for the group before them, with their shards.
    fetches: Vec<(u16, Fetch)>,
    /// The health that the shards were told last.
    told: Health,
    started: Instant,
}

impl<S: Store> Worker<S> {
    fn run(mut self, commands: &Receiver<Command>) -> Health {
        while self.gather(commands) {
            let now = self.now();
            self.work(now);
        }
        let now = self.now();
        self.report(now, true);
        self.answer();
        self.journal.health().clone()
    }

    /// Waits for something to do and takes in all that waits; false at the end.
    fn gather(&mut self, commands: &Receiver<Command>) -> bool {
        let first = match self.journal.timeout() {
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => commands.recv_timeout(self.until(at)),
        };
        let mut next = match first {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        while let Some(command) = next {
            match command {
                Command::Submit { shard, ticket, batch } => self.submit(shard, ticket, batch),
                Command::Fetch { shard, fetch } => self.fetches.push((shard, fetch)),
                Command::Stop => return false,
            }
            let full = self.journal.waiting_bytes() >= GROUP_BYTES && *self.journal.health() == Health::Good;
            next = if full { None } else { commands.try_recv().ok() };
        }
        true
    }

    fn submit(&mut self, shard: u16, ticket: u64, mut batch: Batch) {
        self.journal.submit(shard, ticket, &batch);
        if matches!(self.journal.health(), Health::Stopped(_)) {
            // It will never be done, and waits no longer.
            self.shared.pending.fetch_sub(batch.size(), Ordering::Relaxed);
        }
        batch.clear();
        batch.shrink_to(SPARE_BYTES);
        let mut spare = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BATCHES {
            spare.push(batch);
        }
    }

    fn work(&mut self, now: Time) {
        self.report(now, false);
        // A request sees what its shard submitted before it. While the disk is full it waits; when the store
        // has stopped, what can be read still is.
        if self.journal.is_idle() {
            self.answer();
        }
    }

    /// Commits, and tells the shards what is done and how the store is.
    fn report(&mut self, now: Time, last: bool) {
        let bytes = self.journal.waiting_bytes();
        let done = if last { self.journal.finish(now) } else { self.journal.commit(now) };
        for done in done {
            if let Some(notify) = self.notify.get_mut(usize::from(done.shard)) {
                notify(Reply::Done { ticket: done.ticket });
            }
        }
        self.shared.pending.fetch_sub(bytes - self.journal.waiting_bytes(), Ordering::Relaxed);
        if *self.journal.health() != self.told {
            self.told = self.journal.health().clone();
            for notify in &mut self.notify {
                notify(Reply::Health(self.told.clone()));
            }
        }
    }

    fn answer(&mut self) {
        for (shard, fetch) in self.fetches.drain(..) {
            let fetched = fetch.read(self.journal.store()).map_err(|error| (fetch, error));
            if let Some(notify) = self.notify.get_mut(usize::from(shard)) {
                notify(Reply::Fetched(fetched));
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A millisecond is added because [`Time`] has no finer parts: a wait must not end before it.
    fn until(&self, at: Time) -> Duration {
        at.since(self.now()) + Duration::from_millis(u64::from(at > self.now()))
    }
}
