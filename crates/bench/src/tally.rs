//! What the threads of a run tell each other: counters, and in which phase the run is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::latency::Latencies;
use crate::plan::{Plan, Scenario};
use crate::tracker::Tracker;

/// How many different reasons for failures are told apart.
const REASONS_MAX: usize = 32;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Connections are opened.
    Connecting = 0,
    /// Messages are sent.
    Publishing = 1,
    /// No more are sent; what is under way may come.
    Draining = 2,
    /// Connections are closed.
    Ending = 3,
}

/// The counters of one thread, written by it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Connections accepted, and subscribed if they subscribe.
    pub(crate) ready: u64,
    /// Connections that did not get so far.
    pub(crate) failed: u64,
    /// Connections that were ready and ended without being asked to.
    pub(crate) dropped: u64,
    /// Messages sent.
    pub(crate) sent: u64,
    /// Messages acknowledged: PUBACK or PUBCOMP.
    pub(crate) acknowledged: u64,
    /// Messages that the server refused in its acknowledgement.
    pub(crate) refused: u64,
    /// Messages of this run that came, whether twice or not.
    pub(crate) received: u64,
    /// Those that had come before.
    pub(crate) duplicated: u64,
    /// Those that came behind a later one.
    pub(crate) out_of_order: u64,
    /// Those that came to a receiver which had not asked for them.
    pub(crate) misrouted: u64,
    /// Messages that are not of this run.
    pub(crate) foreign: u64,
    /// Messages that were due and could not be sent.
    pub(crate) unsent: u64,
    /// Messages that did not come; known at the end only.
    pub(crate) lost: u64,
}

impl Counters {
    fn fields(&mut self) -> [&mut u64; COUNTERS] {
        [
            &mut self.ready,
            &mut self.failed,
            &mut self.dropped,
            &mut self.sent,
            &mut self.acknowledged,
            &mut self.refused,
            &mut self.received,
            &mut self.duplicated,
            &mut self.out_of_order,
            &mut self.misrouted,
            &mut self.foreign,
            &mut self.unsent,
            &mut self.lost,
        ]
    }
}

const COUNTERS: usize = 13;

/// What one thread tells.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    counters: [AtomicU64; COUNTERS],
    /// What was recorded since it was last taken.
    pub(crate) latencies: Mutex<Latencies>,
    pub(crate) connect_latencies: Mutex<Latencies>,
    /// How late this thread itself was with messages that nothing else held up.
    pub(crate) lateness: Mutex<Latencies>,
    reasons: Mutex<BTreeMap<String, u64>>,
    /// The last phase that the thread has seen.
    pub(crate) seen: AtomicU8,
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Tally {
    origin: Instant,
    /// Microseconds since 1970 at the origin.
    origin_micros: u64,
    phase: AtomicU8,
    /// When connecting and publishing begin, in nanoseconds since the origin.
    pub(crate) connect_start: AtomicU64,
    pub(crate) start: AtomicU64,
    /// What is due in between is measured; nanoseconds since the origin.
    pub(crate) measured_from: AtomicU64,
    pub(crate) measured_until: AtomicU64,
    /// Changes when the histograms are to be handed over.
    pub(crate) sample: AtomicU64,
    pub(crate) lanes: Vec<Lane>,
    /// How many messages of each stream were sent.
    pub(crate) sent: Vec<AtomicU64>,
    /// How many deliveries of each stream there were.
    pub(crate) delivered: Vec<AtomicU64>,
    /// What has come of each stream at a group of receivers that share a subscription.
    pub(crate) group: Vec<Mutex<Tracker>>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan) -> Self {
        let zeros = |count: u32| (0..count).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let shared = if plan.scenario == Scenario::Share { plan.publishers } else { 0 };
        Self {
            origin: Instant::now(),
            origin_micros: u64::try_from(since_1970.as_micros()).unwrap_or(0),
            phase: AtomicU8::new(Phase::Connecting as u8),
            connect_start: AtomicU64::new(u64::MAX),
            start: AtomicU64::new(u64::MAX),
            measured_from: AtomicU64::new(u64::MAX),
            measured_until: AtomicU64::new(u64::MAX),
            sample: AtomicU64::new(0),
            lanes: (0..plan.threads).map(|_| Lane::default()).collect(),
            sent: zeros(plan.publishers),
            delivered: zeros(plan.publishers),
            group: (0..shared).map(|_| Mutex::default()).collect(),
        }
    }

    /// Nanoseconds since the origin.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The origin's time as microseconds since 1970.
    #[inline]
    pub(crate) const fn micros_since_1970(&self, now: u64) -> u64 {
        self.origin_micros + now / 1000
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Connecting,
            1 => Phase::Publishing,
            2 => Phase::Draining,
            _ => Phase::Ending,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// The sum of all threads.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for lane in &self.lanes {
            for (field, counter) in sum.fields().into_iter().zip(&lane.counters) {
                *field += counter.load(Ordering::Relaxed);
            }
        }
        sum
    }

    /// Why connections failed or were lost, and how many.
    pub(crate) fn reasons(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for lane in &self.lanes {
            for (reason, count) in lock(&lane.reasons).iter() {
                *all.entry(reason.clone()).or_insert(0) += count;
            }
        }
        all
    }
}

impl Lane {
    /// Shows the counters of the thread to the others.
    pub(crate) fn publish(&self, mut counters: Counters) {
        for (field, counter) in counters.fields().into_iter().zip(&self.counters) {
            counter.store(*field, Ordering::Relaxed);
        }
    }

    /// Notes why a connection failed.
    pub(crate) fn failed(&self, reason: String) {
        let mut reasons = lock(&self.reasons);
        let known = reasons.len() < REASONS_MAX || reasons.contains_key(&reason);
        let reason = if known { reason } else { "something else".to_owned() };
        *reasons.entry(reason).or_insert(0) += 1;
    }
}

/// A panic elsewhere does not make counters worse than they are.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
