//! What the thread that writes tells the others about the store: whether it takes changes, and figures.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use colibri_protocol::Time;
use colibri_storage::{Batch, Change, Put, Store, Table};

use crate::metrics::Metrics;

/// For how long a slow sync is told of, at least and up to twice as long, in milliseconds.
const RECENT: u64 = 60_000;

/// How the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreState {
    /// There is none.
    #[default]
    None,
    /// It takes changes.
    Ok,
    /// There is no room for more; it is tried again every second.
    Full,
    /// It takes no more changes until the broker is started anew.
    Failed,
}

/// The figures, written by one thread and read by all.
#[derive(Debug)]
pub(crate) struct StoreGauge {
    state: AtomicU8,
    rows: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    syncs: AtomicU64,
    messages_total: AtomicU64,
    failures: AtomicU64,
    /// All in microseconds.
    last_sync: AtomicU64,
    slowest: AtomicU64,
    slowest_before: AtomicU64,
    /// The period of [`RECENT`] that `slowest` is of, counted from the start.
    period: AtomicU64,
}

impl StoreState {
    const ALL: [Self; 4] = [Self::None, Self::Ok, Self::Full, Self::Failed];

    /// The word that `$SYS/broker/store/state` has for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ok => "ok",
            Self::Full => "full",
            Self::Failed => "failed",
        }
    }

    /// The state that [`Metrics::store_state`] stands for.
    #[must_use]
    pub fn from_metric(number: u64) -> Self {
        Self::ALL.into_iter().find(|state| *state as u64 == number).unwrap_or_default()
    }
}

impl StoreGauge {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            state: AtomicU8::new(StoreState::Ok as u8),
            rows: zero(),
            messages: zero(),
            bytes: zero(),
            commits: zero(),
            syncs: zero(),
            messages_total: zero(),
            failures: zero(),
            last_sync: zero(),
            slowest: zero(),
            slowest_before: zero(),
            period: zero(),
        }
    }

    /// Whether the store takes changes at the moment.
    pub(crate) fn is_healthy(&self) -> bool {
        self.state.load(Ordering::Acquire) == StoreState::Ok as u8
    }

    pub(crate) fn set_state(&self, state: StoreState) {
        let before = self.state.swap(state as u8, Ordering::AcqRel);
        if before == StoreState::Ok as u8 && state != StoreState::Ok {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A batch has been committed.
    pub(crate) fn note_commit(&self, batch: &Batch) {
        let is_new =
            |change: &Change<'_>| matches!(change, Change::Put { table: Table::Queue, put: Put::Insert, .. });
        let messages = batch.iter().filter(is_new).count() as u64;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.messages_total.fetch_add(messages, Ordering::Relaxed);
    }

    /// The disk has been waited for.
    pub(crate) fn note_sync(&self, took: Duration, now: Time) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.last_sync.store(took, Ordering::Relaxed);
        let period = now.as_millis() / RECENT;
        let before = self.period.swap(period, Ordering::Relaxed);
        if before != period {
            let slowest = self.slowest.swap(0, Ordering::Relaxed);
            self.slowest_before.store(if before + 1 == period { slowest } else { 0 }, Ordering::Relaxed);
        }
        self.slowest.fetch_max(took, Ordering::Relaxed);
    }

    /// Looks how much the store holds.
    pub(crate) fn measure(&self, store: &dyn Store) {
        let rows = Table::ALL.into_iter().filter_map(|table| store.rows(table)).sum();
        self.rows.store(rows, Ordering::Relaxed);
        self.messages.store(store.rows(Table::Queue).unwrap_or(0), Ordering::Relaxed);
        self.bytes.store(store.size().unwrap_or(0), Ordering::Relaxed);
    }

    /// The longest recent wait for the disk, in microseconds.
    fn slowest(&self, now: Time) -> u64 {
        let (period, slowest) = (self.period.load(Ordering::Relaxed), self.slowest.load(Ordering::Relaxed));
        match (now.as_millis() / RECENT).saturating_sub(period) {
            0 => slowest.max(self.slowest_before.load(Ordering::Relaxed)),
            1 => slowest,
            _ => 0,
        }
    }

    /// The figures among the metrics.
    pub(crate) fn add_to(&self, metrics: &mut Metrics, now: Time) {
        let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        metrics.store_state = self.state.load(Ordering::Acquire).into();
        metrics.store_rows = get(&self.rows);
        metrics.store_messages = get(&self.messages);
        metrics.store_bytes = get(&self.bytes);
        metrics.store_commits = get(&self.commits);
        metrics.store_syncs = get(&self.syncs);
        metrics.store_messages_total = get(&self.messages_total);
        metrics.store_failures = get(&self.failures);
        metrics.store_sync_micros = get(&self.last_sync);
        metrics.store_sync_micros_maximum = self.slowest(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_sync_is_told_for_a_minute_or_two_and_then_forgotten() {
        let gauge = StoreGauge::new();
        let at = |seconds: u64| Time::from_millis(seconds * 1000);
        gauge.note_sync(Duration::from_micros(900), at(10));
        gauge.note_sync(Duration::from_micros(300), at(59));
        assert_eq!((gauge.slowest(at(59)), gauge.slowest(at(119)), gauge.slowest(at(120))), (900, 900, 0));
        gauge.note_sync(Duration::from_micros(100), at(61));
        assert_eq!((gauge.slowest(at(61)), gauge.slowest(at(121))), (900, 100));
        gauge.note_sync(Duration::from_micros(50), at(600));
        let mut metrics = Metrics::default();
        gauge.add_to(&mut metrics, at(600));
        assert_eq!((metrics.store_syncs, metrics.store_sync_micros), (4, 50));
        assert_eq!(metrics.store_sync_micros_maximum, 50);
    }

    #[test]
    fn each_state_is_told_as_a_number_and_has_a_word() {
        let gauge = StoreGauge::new();
        for state in [StoreState::Full, StoreState::Failed, StoreState::Ok, StoreState::Full] {
            gauge.set_state(state);
            let mut metrics = Metrics::default();
            gauge.add_to(&mut metrics, Time::default());
            assert_eq!(StoreState::from_metric(metrics.store_state), state);
            assert_eq!(gauge.is_healthy(), state.name() == "ok");
        }
        let mut metrics = Metrics::default();
        gauge.add_to(&mut metrics, Time::default());
        assert_eq!(metrics.store_failures, 2);
        assert_eq!(StoreState::from_metric(Metrics::default().store_state).name(), "none");
    }
}
