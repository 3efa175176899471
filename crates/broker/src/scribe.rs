//! The one who writes: gathers what all shards hand in into one commit, and tells them what is there.
//!
//! Shards leave requests and go on; the scribe takes all that have come meanwhile, makes them one batch
//! and commits it, so that a thousand messages cost one sync of the disk. What one change makes and a
//! later one of the same batch undoes never reaches the disk: the queue of a client that keeps up costs
//! nothing.
//!
//! It is driven by [`Scribe::turn`], on a thread of its own or by a simulation.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use colibri_protocol::Time;
use colibri_storage::records::{QueueBody, QueueRecord, body_key, parse_queue_key, queue_key};
use colibri_storage::{Batch, Change, Coalescer, Store, StoreError, Table};

use crate::config::Durability;
use crate::shard::inbox::{self, Inbox, Operation};
use crate::shard::journal::{FetchRequest, Fetched, FetchedRow};
use crate::store_gauge::{StoreGauge, StoreState};

/// How long the scribe waits before it tries again to write to a disk that was full.
const RETRY: Duration = Duration::from_secs(1);
/// Memory for a group of changes beyond this is given back after it, in bytes.
const GROUP_SPARE: usize = 16 << 20;

/// What shards want to be written and read, in the order in which they asked.
pub(crate) struct Requests {
    queue: Mutex<Vec<Request>>,
    filled: AtomicBool,
    /// How the store is, for the shards.
    gauge: StoreGauge,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// One thing that a shard asks.
#[derive(Debug)]
pub(crate) enum Request {
    /// Changes, and the ticket to be told of when they are there.
    Commit { shard: u8, ticket: u64, batch: Batch },
    /// A part of the joint that a shard began under a ticket of its own, who alone knows how many there are.
    Part { shard: u8, ticket: u64, origin: (u8, u64), parts: Option<usize>, batch: Batch },
    /// Rows to be read.
    Fetch { shard: u8, request: FetchRequest },
}

impl Requests {
    pub(crate) fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { queue: Mutex::default(), filled: AtomicBool::new(false), gauge: StoreGauge::new(), wake }
    }

    pub(crate) fn push(&self, request: Request) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(request);
        drop(queue);
        if !self.filled.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
    }

    /// Whether the store takes changes at the moment.
    pub(crate) fn is_healthy(&self) -> bool {
        self.gauge.is_healthy()
    }

    /// The figures of the store.
    pub(crate) const fn gauge(&self) -> &StoreGauge {
        &self.gauge
    }

    fn take(&self) -> Vec<Request> {
        if !self.filled.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("healthy", &self.is_healthy()).finish_non_exhaustive()
    }
}

/// Writes what shards hand in to a store.
pub struct Scribe {
    requests: Arc<Requests>,
    store: Box<dyn Store>,
    inboxes: Vec<Arc<Inbox>>,
    durability: Durability,
    /// What was handed in and is in no group yet, by shard, in order: it waits for a joint before it.
    held: Vec<VecDeque<Held>>,
    joints: HashMap<(u8, u64), Joint>,
    /// What is to be committed next, and who is to be told.
    group: Batch,
    told: Vec<(u8, u64)>,
    /// What is to be read behind that.
    fetches: Vec<(u8, FetchRequest)>,
    /// What takes out of the group what its later changes make needless, and what is left.
    coalescer: Coalescer,
    reduced: Batch,
    /// When a failed commit is tried again.
    retry_at: Option<Time>,
    /// When what was committed without a sync is to be synced.
    sync_at: Option<Time>,
    /// Whether the store takes no more changes until the broker is started anew.
    broken: bool,
    /// What the time is since some moment, to see how long the disk takes.
    clock: Box<dyn Fn() -> Duration + Send>,
    report: Box<dyn FnMut(Report<'_>) + Send>,
}

/// What the operator has to know of the store.
#[derive(Debug)]
pub enum Report<'a> {
    /// Nothing can be written; acknowledgements wait, and what would have to be stored is refused.
    Failed(&'a StoreError),
    /// It can be written again.
    Healed,
    /// A row could not be read.
    Unreadable(&'a StoreError),
    /// At the start there were rows that belong to no session. They are deleted.
    Strays {
        /// How many.
        rows: usize,
        /// Which the first is.
        first: &'a StoreError,
    },
}

/// Changes of a shard.
#[derive(Debug)]
struct Held {
    ticket: u64,
    /// The joint that they are a part of.
    origin: Option<(u8, u64)>,
    batch: Batch,
}

/// A joint of which a part has come.
#[derive(Debug, Default)]
struct Joint {
    /// How many there are, once that is known.
    parts: Option<usize>,
    /// The shards and tickets of those that have been moved into the group.
    moved: Vec<(u8, u64)>,
}

impl Scribe {
    pub(crate) fn new(
        requests: Arc<Requests>,
        store: Box<dyn Store>,
        inboxes: Vec<Arc<Inbox>>,
        durability: Durability,
        report: Box<dyn FnMut(Report<'_>) + Send>,
    ) -> Self {
        requests.gauge.measure(&*store);
        Self {
            requests,
            store,
            held: inboxes.iter().map(|_| VecDeque::new()).collect(),
            inboxes,
            durability,
            joints: HashMap::new(),
            group: Batch::new(),
            told: Vec::new(),
            fetches: Vec::new(),
            coalescer: Coalescer::new(),
            reduced: Batch::new(),
            retry_at: None,
            sync_at: None,
            broken: false,
            clock: Box::new(|| Duration::ZERO),
            report,
        }
    }

    /// Gives the scribe a clock, which it looks at to see how long the disk takes, and for nothing else. Without
    /// one that is not known.
    #[must_use]
    pub fn with_clock(mut self, clock: Box<dyn Fn() -> Duration + Send>) -> Self {
        self.clock = clock;
        self
    }

    /// Writes all that was handed in, reads what was asked for, and tells the shards. Says when it is to be
    /// called again if nothing is handed in before; `None` is never.
    pub fn turn(&mut self, now: Time) -> Option<Duration> {
        for request in self.requests.take() {
            self.take_in(request);
        }
        self.gather();
        if self.retry_at.is_none_or(|at| now >= at) && !self.broken {
            self.commit(now);
        }
        self.tell();
        if self.sync_at.is_some_and(|at| now >= at) && !self.broken {
            self.sync_at = None;
            let began = (self.clock)();
            match self.store.sync() {
                Ok(()) => self.note_sync(began, now),
                Err(error) => self.fail(&error, now),
            }
        }
        let due = [self.retry_at, self.sync_at].into_iter().flatten().min();
        due.map(|at| at.since(now))
    }

    /// Whether something was handed in.
    pub fn has_work(&self) -> bool {
        self.requests.filled.load(Ordering::Acquire)
    }

    /// Writes all that was handed in, and makes it outlive power loss whatever the durability is; then gives
    /// the store back.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn finish(mut self, now: Time) -> Result<Box<dyn Store>, StoreError> {
        self.turn(now);
        if !self.group.is_empty() && !self.broken {
            self.store.commit(&self.group, true)?;
        }
        self.store.sync()?;
        Ok(self.store)
    }

    fn take_in(&mut self, request: Request) {
        match request {
            Request::Commit { shard, ticket, batch } => {
                self.hold(shard, Held { ticket, origin: None, batch })
            }
            Request::Part { shard, ticket, origin, parts, batch } => {
                let joint = self.joints.entry(origin).or_default();
                joint.parts = joint.parts.or(parts);
                self.hold(shard, Held { ticket, origin: Some(origin), batch });
            }
            Request::Fetch { shard, request } => self.fetches.push((shard, request)),
        }
    }

    fn hold(&mut self, shard: u8, changes: Held) {
        if let Some(held) = self.held.get_mut(usize::from(shard)) {
            held.push_back(changes);
        }
    }

    /// Moves what can be committed into the group: of each shard all up to the first part with changes of a
    /// joint that is not whole. What comes behind that may change the same rows again, and must not be there
    /// without it. Parts without changes, which are all for messages with QoS 1, keep nobody waiting but
    /// those who wait for the joint.
    fn gather(&mut self) {
        let cuts = self.cuts();
        for ((shard, held), cut) in (0u8..).zip(&mut self.held).zip(cuts) {
            for changes in held.drain(..cut) {
                merge(&mut self.group, changes.batch);
                let place = (shard, changes.ticket);
                let Some(origin) = changes.origin else {
                    self.told.push(place);
                    continue;
                };
                let joint = self.joints.entry(origin).or_default();
                joint.moved.push(place);
                if joint.parts == Some(joint.moved.len())
                    && let Some(joint) = self.joints.remove(&origin)
                {
                    self.told.extend(joint.moved);
                }
            }
        }
    }

    /// How much of what is held of each shard can be committed.
    fn cuts(&self) -> Vec<usize> {
        let mut cuts: Vec<usize> = self.held.iter().map(VecDeque::len).collect();
        let mut is_cut = !self.joints.is_empty();
        while is_cut {
            // A cut may have parted a joint of other shards that was whole before.
            let mut inside: HashMap<(u8, u64), usize> = HashMap::new();
            for (held, cut) in self.held.iter().zip(&cuts) {
                for origin in held.iter().take(*cut).filter_map(|changes| changes.origin) {
                    *inside.entry(origin).or_insert(0) += 1;
                }
            }
            let is_whole = |origin| {
                let Some(joint) = self.joints.get(&origin) else { return false };
                let inside = inside.get(&origin).copied().unwrap_or(0);
                joint.parts == Some(joint.moved.len() + inside)
            };
            is_cut = false;
            for (held, cut) in self.held.iter().zip(&mut cuts) {
                let cuts = |changes: &Held| {
                    !changes.batch.is_empty() && changes.origin.is_some_and(|origin| !is_whole(origin))
                };
                if let Some(first) = held.iter().take(*cut).position(cuts) {
                    *cut = first;
                    is_cut = true;
                }
            }
        }
        cuts
    }

    fn commit(&mut self, now: Time) {
        self.reduced.clear();
        self.coalescer.reduce(&self.group, &mut self.reduced);
        if !self.reduced.is_empty() {
            let sync = self.durability == Durability::Sync;
            let began = (self.clock)();
            if let Err(error) = self.store.commit(&self.reduced, sync) {
                return self.fail(&error, now);
            }
            if sync {
                self.note_sync(began, now);
            }
            self.requests.gauge.note_commit(&self.reduced);
            self.requests.gauge.measure(&*self.store);
            if let Durability::Periodic(interval) = self.durability {
                self.sync_at.get_or_insert(now + interval);
            }
        }
        // What was committed before may have to be made again.
        if self.reduced.is_empty()
            && self.retry_at.is_some()
            && let Err(still) = self.store.sync()
        {
            return self.fail(&still, now);
        }
        self.group.clear();
        self.group.shrink_to(GROUP_SPARE);
        self.reduced.shrink_to(GROUP_SPARE);
        self.coalescer.begin();
        if self.retry_at.take().is_some() {
            self.requests.gauge.set_state(StoreState::Ok);
            (self.report)(Report::Healed);
        }
    }

    /// Notes how long the disk was waited for since `began`.
    fn note_sync(&self, began: Duration, now: Time) {
        self.requests.gauge.note_sync((self.clock)().saturating_sub(began), now);
    }

    /// Tells the shards what was committed and what was read.
    fn tell(&mut self) {
        let mut news: Vec<Vec<Operation>> = self.inboxes.iter().map(|_| Vec::new()).collect();
        if self.group.is_empty() {
            for (shard, ticket) in self.told.drain(..) {
                if let Some(news) = news.get_mut(usize::from(shard)) {
                    news.push(Operation::Committed { ticket });
                }
            }
        }
        for (shard, request) in mem::take(&mut self.fetches) {
            if self.is_pending(request.number) {
                self.fetches.push((shard, request));
                continue;
            }
            match self.fetch(&request) {
                Some(fetched) => {
                    if let Some(news) = news.get_mut(usize::from(shard)) {
                        news.push(Operation::Fetched(Box::new(fetched)));
                    }
                }
                None => self.fetches.push((shard, request)),
            }
        }
        for ((from, inbox), operations) in (0u8..).zip(&self.inboxes).zip(news) {
            if !operations.is_empty() {
                inbox.push(inbox::Batch { from, operations });
            }
        }
    }

    fn fail(&mut self, error: &StoreError, now: Time) {
        // Some of it may be on the disk.
        self.coalescer.forget_insertions(&self.group);
        let state = if error.can_retry() { StoreState::Full } else { StoreState::Failed };
        self.requests.gauge.set_state(state);
        if !error.can_retry() {
            self.broken = true;
            self.retry_at = None;
            (self.report)(Report::Failed(error));
        } else if self.retry_at.replace(now + RETRY).is_none() {
            (self.report)(Report::Failed(error));
        }
    }

    /// Whether rows of a session's queue are still to be committed, so that reading them has to wait.
    fn is_pending(&self, session: u64) -> bool {
        let held = self.held.iter().flatten().map(|changes| &changes.batch);
        let waiting = held.chain([&self.group]);
        let mut changes = waiting.flat_map(|batch| batch.iter());
        changes.any(|change| {
            matches!(change, Change::Put { table: Table::Queue, key, .. }
                if parse_queue_key(key).is_ok_and(|(of, _)| of == session))
        })
    }

    /// Reads rows; `None` if the store cannot be read at the moment, as when the disk is full. Then they still wait
    /// there, for the next try or the next start.
    fn fetch(&mut self, request: &FetchRequest) -> Option<Fetched> {
        let mut rows = Vec::new();
        for row in &request.rows {
            let fetched = match self.read_row(request.number, *row) {
                Ok(fetched) => fetched,
                Err(StoreError::Full { .. } | StoreError::Stopped { .. }) => return None,
                Err(error) => {
                    (self.report)(Report::Unreadable(&error));
                    None
                }
            };
            rows.push((*row, fetched));
        }
        Some(Fetched { session: request.session, number: request.number, rows })
    }

    fn read_row(&self, session: u64, row: u64) -> Result<Option<FetchedRow>, StoreError> {
        let key = queue_key(session, row);
        let Some(row) = self.store.get(Table::Queue, &key)? else { return Ok(None) };
        let body = match QueueRecord::decode(&key, &row)?.body {
            QueueBody::Shared(body) => {
                let found = self.store.get(Table::Bodies, &body_key(body))?;
                let missing =
                    || StoreError::corrupt_row(Table::Queue, &key, format!("its body {body} is not there"));
                Some(found.ok_or_else(missing)?)
            }
            QueueBody::Inline(_) | QueueBody::Gone => None,
        };
        Ok(Some(FetchedRow { row, body }))
    }
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("durability", &self.durability).finish_non_exhaustive()
    }
}

/// Puts changes behind others.
fn merge(group: &mut Batch, batch: Batch) {
    if group.is_empty() {
        *group = batch;
    } else {
        group.merge(&batch);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use colibri_storage::memory::Memory;
    use colibri_storage::{Rows, Visit};

    use super::*;
    use crate::metrics::Metrics;

    /// A store that takes some milliseconds of a clock to write.
    struct Slow {
        inner: Memory,
        clock: Arc<AtomicU64>,
        takes: u64,
        /// Whether it cannot be read at the moment.
        closed: Arc<AtomicBool>,
    }

    impl Store for Slow {
        fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
            self.clock.fetch_add(self.takes, Ordering::Relaxed);
            self.takes /= 2;
            self.inner.commit(batch, sync)
        }

        fn sync(&mut self) -> Result<(), StoreError> {
            self.clock.fetch_add(1, Ordering::Relaxed);
            self.inner.sync()
        }

        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            match self.closed.load(Ordering::Relaxed) {
                true => Err(StoreError::Full { path: Default::default() }),
                false => self.inner.get(table, key),
            }
        }

        fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
            self.inner.scan(table, rows, visit)
        }

        fn size(&self) -> Option<u64> {
            self.inner.size()
        }

        fn rows(&self, table: Table) -> Option<u64> {
            self.inner.rows(table)
        }
    }

    fn figures(durability: Durability, commits: u64) -> Metrics {
        let clock = Arc::new(AtomicU64::new(0));
        let store =
            Slow { inner: Memory::new(), clock: Arc::clone(&clock), takes: 80, closed: Arc::default() };
        let requests = Arc::new(Requests::new(Box::new(|| {})));
        let inboxes = vec![Arc::new(Inbox::new(Box::new(|| {})))];
        let report = Box::new(|_: Report<'_>| {});
        let scribe = Scribe::new(Arc::clone(&requests), Box::new(store), inboxes, durability, report);
        let clock = Arc::clone(&clock);
        let mut scribe =
            scribe.with_clock(Box::new(move || Duration::from_millis(clock.load(Ordering::Relaxed))));
        let mut now = Time::default();
        for ticket in 1..=commits {
            let mut batch = Batch::new();
            batch.insert(Table::Queue, &queue_key(1, ticket), b"x");
            requests.push(Request::Commit { shard: 0, ticket, batch });
            scribe.turn(now);
            now = now + Duration::from_millis(10);
        }
        let mut metrics = Metrics::default();
        requests.gauge().add_to(&mut metrics, now);
        metrics
    }

    #[test]
    fn the_time_that_the_disk_takes_is_measured_by_the_clock_that_is_given() {
        let metrics = figures(Durability::Sync, 3);
        assert_eq!((metrics.store_commits, metrics.store_syncs, metrics.store_messages_total), (3, 3, 3));
        assert_eq!((metrics.store_rows, metrics.store_messages), (3, 3));
        assert_eq!((metrics.store_sync_micros, metrics.store_sync_micros_maximum), (20_000, 80_000));
    }

    #[test]
    fn a_full_disk_is_reported_once_when_it_begins_and_once_when_it_ends() {
        let store = colibri_storage::faulty::Faulty::new();
        let requests = Arc::new(Requests::new(Box::new(|| {})));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lines);
        let report = Box::new(move |report: Report<'_>| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(match report {
                Report::Failed(StoreError::Full { .. }) => "full",
                Report::Healed => "healed",
                Report::Failed(_) | Report::Unreadable(_) | Report::Strays { .. } => "other",
            });
        });
        let inboxes = vec![Arc::new(Inbox::new(Box::new(|| {})))];
        let mut scribe =
            Scribe::new(Arc::clone(&requests), Box::new(store.clone()), inboxes, Durability::Sync, report);
        let mut ticket = 0;
        let mut turns = |count: u64| {
            for _ in 0..count {
                ticket += 1;
                let mut batch = Batch::new();
                batch.insert(Table::Queue, &queue_key(1, ticket), b"x");
                requests.push(Request::Commit { shard: 0, ticket, batch });
                scribe.turn(Time::from_millis(ticket * 400));
            }
        };
        for capacity in [Some(20), None, Some(0), None] {
            store.set_capacity(capacity);
            turns(10);
        }
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*lines, ["full", "healed", "full", "healed"]);
        assert_eq!(store.rows(Table::Queue), Some(40));
    }

    #[test]
    fn rows_that_cannot_be_read_because_the_disk_is_full_are_read_later_and_not_lost() {
        let closed = Arc::new(AtomicBool::new(false));
        let store =
            Slow { inner: Memory::new(), clock: Arc::default(), takes: 0, closed: Arc::clone(&closed) };
        let requests = Arc::new(Requests::new(Box::new(|| {})));
        let inbox = Arc::new(Inbox::new(Box::new(|| {})));
        let report = Box::new(|report: Report<'_>| panic!("nothing is wrong: {report:?}"));
        let (inboxes, sync) = (vec![Arc::clone(&inbox)], Durability::Sync);
        let mut scribe = Scribe::new(Arc::clone(&requests), Box::new(store), inboxes, sync, report);
        let mut batch = Batch::new();
        let row = |out: &mut Vec<u8>| out.extend([1, 1, 1, 9]);
        batch.put_with(Table::Queue, &queue_key(1, 1), colibri_storage::Put::Insert, row);
        batch.insert(Table::Bodies, &body_key(9), b"body");
        requests.push(Request::Commit { shard: 0, ticket: 1, batch });
        scribe.turn(Time::default());
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        let mut fetched = || {
            taken.clear();
            inbox.take(&mut taken);
            let operations = taken.drain(..).flat_map(|batch| batch.operations);
            let rows = operations.filter_map(|operation| {
                if let Operation::Fetched(fetched) = operation { Some(fetched.rows) } else { None }
            });
            rows.collect::<Vec<_>>()
        };
        closed.store(true, Ordering::Relaxed);
        let request = FetchRequest { session: 0, number: 1, rows: vec![1] };
        requests.push(Request::Fetch { shard: 0, request });
        scribe.turn(Time::from_millis(1));
        assert!(fetched().is_empty());
        closed.store(false, Ordering::Relaxed);
        scribe.turn(Time::from_millis(2));
        let row = FetchedRow { row: vec![1, 1, 1, 9], body: Some(b"body".to_vec()) };
        assert_eq!(fetched(), [vec![(1, Some(row))]]);
    }

    #[test]
    fn only_what_waits_for_the_disk_counts_as_a_sync() {
        let metrics = figures(Durability::None, 3);
        assert_eq!((metrics.store_commits, metrics.store_syncs, metrics.store_sync_micros), (3, 0, 0));
        let metrics = figures(Durability::Periodic(Duration::from_millis(20)), 5);
        assert_eq!((metrics.store_commits, metrics.store_syncs), (5, 1));
        assert_eq!((metrics.store_sync_micros, metrics.store_sync_micros_maximum), (1000, 1000));
    }
}
