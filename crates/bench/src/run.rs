//! A run from beginning to end: the threads, the phases, the samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use colibri_codec::QoS;

use crate::failure::Failure;
use crate::latency::Latencies;
use crate::plan::{Plan, Scenario};
use crate::process::Usage;
use crate::report::{Measured, Report, Sample, thin_out};
use crate::schedule::Schedule;
use crate::tally::{Counters, Phase, Tally, lock};
use crate::worker::{Worker, WorkerError};

/// How often the state of a run is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long the threads have to hand over their histograms; they wait less than that.
const HAND_OVER: u64 = 10_000_000;
/// How long after the measurement what was due in it is still sent.
const GRACE: u64 = 100_000_000;
/// Publishing begins this long after all are connected, so that all threads begin together.
const RUN_UP: u64 = 30_000_000;

/// Ends a run early, from anywhere; what was measured until then is reported.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a signal handler may set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a run is going.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub phase: &'static str,
    /// The last sample.
    pub sample: Sample,
    /// How many connections there are to be.
    pub connections: u32,
    /// How many failed or were lost.
    pub failed: u64,
    /// Messages so far.
    pub sent: u64,
    /// Messages so far.
    pub received: u64,
}

/// Carries out a plan and reports. `show` is told how it goes, once per interval.
///
/// # Errors
/// [`Failure`] when there is nothing to report.
pub fn run(plan: &Plan, stop: &Stop, show: &mut dyn FnMut(&Progress)) -> Result<Report, Failure> {
    plan.check().map_err(Failure::Plan)?;
    let tally = Tally::new(plan);
    let run_byte = fastrand::u8(..);
    let mut workers = Vec::new();
    for (number, lane) in (0u32..).zip(&tally.lanes) {
        workers.push(Worker::new(plan, &tally, lane, number, run_byte).map_err(|error| match error {
            WorkerError::Plan(sentence) => Failure::Plan(sentence),
            WorkerError::System(error) => Failure::System(error),
        })?);
    }
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for worker in workers {
            let thread = thread::Builder::new().name("bench".to_owned());
            match thread.spawn_scoped(scope, move || worker.run()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    tally.enter(Phase::Ending);
                    return Err(Failure::System(error));
                }
            }
        }
        let mut watch = Watch::new(plan, &tally, stop, show);
        let outcome = watch.conduct(&threads);
        tally.enter(Phase::Ending);
        for thread in threads {
            // A thread that panicked has left its counters behind.
            if let Ok(ended) = thread.join() {
                ended?;
            }
        }
        outcome.and_then(|()| watch.report())
    })
}

/// One look at all counters.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at: u64,
    counters: Counters,
    target: Option<Usage>,
    own: Option<Usage>,
}

type Threads<'scope> = [ScopedJoinHandle<'scope, std::io::Result<()>>];

/// Follows a run.
struct Watch<'a> {
    plan: &'a Plan,
    tally: &'a Tally,
    stop: &'a Stop,
    show: &'a mut dyn FnMut(&Progress),
    phase: &'static str,
    /// The last sample's look, and when the next is due.
    last: Look,
    next_sample: u64,
    handing_over: bool,
    samples: Vec<Sample>,
    latencies: Latencies,
    connect_latencies: Latencies,
    lateness: Latencies,
    begun: Look,
    connected: Look,
    measured: Option<(Look, Look)>,
}

impl<'a> Watch<'a> {
    fn new(plan: &'a Plan, tally: &'a Tally, stop: &'a Stop, show: &'a mut dyn FnMut(&Progress)) -> Self {
        let mut watch = Self {
            plan,
            tally,
            stop,
            show,
            phase: "connecting",
            last: Look::default(),
            next_sample: 0,
            handing_over: false,
            samples: Vec::new(),
            latencies: Latencies::new(),
            connect_latencies: Latencies::new(),
            lateness: Latencies::new(),
            begun: Look::default(),
            connected: Look::default(),
            measured: None,
        };
        watch.begun = watch.look();
        watch.last = watch.begun;
        watch.next_sample = nanos(plan.interval);
        watch
    }

    fn conduct(&mut self, threads: &Threads<'_>) -> Result<(), Failure> {
        self.begun = self.look();
        self.tally.connect_start.store(self.begun.at, Ordering::Release);
        let all = u64::from(self.plan.connections());
        self.wait(threads, |look, _| look.counters.ready + look.counters.failed >= all);
        self.connected = self.look();
        if self.connected.counters.ready == 0 && !self.stop.is_asked() {
            let reasons = self.tally.reasons();
            let most = reasons.into_iter().max_by_key(|(_, count)| *count);
            let reason = most.map_or_else(|| "it took too long".to_owned(), |(reason, _)| reason);
            return Err(Failure::NobodyConnected { server: self.plan.server, reason });
        }
        if !self.stop.is_asked() {
            self.publish(threads);
        }
        Ok(())
    }

    fn publish(&mut self, threads: &Threads<'_>) {
        let start = self.tally.now() + RUN_UP;
        let from = start + nanos(self.plan.warm_up);
        let until = from.saturating_add(nanos(self.plan.duration));
        self.tally.start.store(start, Ordering::Release);
        self.tally.measured_from.store(from, Ordering::Release);
        self.tally.measured_until.store(until, Ordering::Release);
        self.tally.enter(Phase::Publishing);
        self.phase = "warming up";
        // Without a warm-up the first messages count, which may have left before somebody looks again.
        let idle = Look { at: from, ..self.look() };
        self.wait(threads, |look, _| look.at >= from);
        let first = if self.plan.warm_up.is_zero() { idle } else { self.look() };
        self.phase = "measuring";
        let messages = self.plan.messages.unwrap_or(u64::MAX);
        let patience = nanos(self.plan.drain);
        let limited = self.plan.messages.is_some();
        let due = self.plan.rate.map_or(0, |rate| Schedule::new(start, rate).due_before(until)).min(messages);
        self.wait(threads, |look, quiet| {
            let gone = look.counters.dropped >= look.counters.ready;
            // What became due at the last moment is not to go unsent for that.
            let all_sent = look.counters.sent >= due || look.at >= until.saturating_add(GRACE);
            look.at >= until && all_sent
                || gone
                || look.counters.sent >= messages
                || limited && quiet > patience
        });
        let mut last = self.look();
        // In what came early there was nothing to wait for.
        self.tally.measured_until.fetch_min(last.at, Ordering::AcqRel);
        self.tally.enter(Phase::Draining);
        self.phase = "draining";
        if first.at > last.at {
            last.at = first.at;
        }
        self.measured = Some((first, last));
        let lanes = &self.tally.lanes;
        let all_stopped =
            || lanes.iter().all(|lane| lane.seen.load(Ordering::Acquire) >= Phase::Draining as u8);
        let (deliveries, qos) = (self.plan.deliveries(), self.plan.qos);
        self.wait_even_if_stopped(threads, |look, quiet| {
            let Counters { sent, received, duplicated, acknowledged, .. } = look.counters;
            let delivered = received - duplicated >= sent * deliveries;
            let answered = qos == QoS::AtMostOnce || acknowledged >= sent;
            all_stopped() && (delivered && answered || quiet > patience)
        });
        self.sample();
    }

    /// Waits until something is the case, or the user has had enough. The condition is given how long no
    /// message has moved, in nanoseconds.
    fn wait(&mut self, threads: &Threads<'_>, enough: impl Fn(&Look, u64) -> bool) {
        let stop = self.stop;
        self.wait_even_if_stopped(threads, |look, quiet| stop.is_asked() || enough(look, quiet));
    }

    fn wait_even_if_stopped(&mut self, threads: &Threads<'_>, enough: impl Fn(&Look, u64) -> bool) {
        let mut moved = (self.tally.now(), Counters::default());
        loop {
            let look = Look { at: self.tally.now(), counters: self.tally.counters(), ..Look::default() };
            if look.counters != moved.1 {
                moved = (look.at, look.counters);
            }
            if enough(&look, look.at - moved.0) || threads.iter().any(ScopedJoinHandle::is_finished) {
                return;
            }
            self.sample_if_due(look.at);
            thread::sleep(LOOK);
        }
    }

    fn look(&self) -> Look {
        Look {
            at: self.tally.now(),
            counters: self.tally.counters(),
            target: self.plan.pid.and_then(Usage::of),
            own: Usage::own(),
        }
    }

    fn sample_if_due(&mut self, now: u64) {
        if now >= self.next_sample && !self.handing_over {
            self.tally.sample.fetch_add(1, Ordering::AcqRel);
            self.handing_over = true;
        } else if self.handing_over && now >= self.next_sample + HAND_OVER {
            self.sample();
            self.handing_over = false;
            self.next_sample += nanos(self.plan.interval).max(HAND_OVER * 2);
        }
    }

    fn sample(&mut self) {
        let mut latencies = self.collect();
        let look = self.look();
        let summary = latencies.summary();
        self.latencies.take_from(&mut latencies);
        let seconds = seconds(look.at.saturating_sub(self.last.at));
        let rate = |now: u64, before: u64| per_second(now.saturating_sub(before), seconds);
        let cpu = |now: Option<Usage>, before: Option<Usage>| {
            let used = now?.cpu_micros.saturating_sub(before?.cpu_micros);
            Some(per_second(used, seconds) / 10_000.0)
        };
        let sample = Sample {
            at: self::seconds(look.at),
            connected: look.counters.ready.saturating_sub(look.counters.dropped),
            connects_per_second: rate(look.counters.ready, self.last.counters.ready),
            sent_per_second: rate(look.counters.sent, self.last.counters.sent),
            received_per_second: rate(look.counters.received, self.last.counters.received),
            p50: summary.p50,
            p99: summary.p99,
            max: summary.max,
            cpu_percent: cpu(look.target, self.last.target),
            own_cpu_percent: cpu(look.own, self.last.own),
            resident: look.target.map(|usage| usage.resident),
        };
        (self.show)(&Progress {
            phase: self.phase,
            sample: sample.clone(),
            connections: self.plan.connections(),
            failed: look.counters.failed + look.counters.dropped,
            sent: look.counters.sent,
            received: look.counters.received,
        });
        self.samples.push(sample);
        thin_out(&mut self.samples);
        self.last = look;
    }

    /// Takes over what the threads have handed over.
    fn collect(&mut self) -> Latencies {
        let mut latencies = Latencies::new();
        for lane in &self.tally.lanes {
            latencies.take_from(&mut lock(&lane.latencies));
            self.connect_latencies.take_from(&mut lock(&lane.connect_latencies));
            self.lateness.take_from(&mut lock(&lane.lateness));
        }
        latencies
    }

    fn report(&mut self) -> Result<Report, Failure> {
        let mut rest = self.collect();
        self.latencies.take_from(&mut rest);
        let counters = self.tally.counters();
        let lost = match (self.plan.scenario, self.plan.qos) {
            (Scenario::Share, _) => {
                let missed = |(tracker, sent): (
                    &std::sync::Mutex<crate::tracker::Tracker>,
                    &std::sync::atomic::AtomicU64,
                )| {
                    sent.load(Ordering::Acquire).saturating_sub(lock(tracker).unique())
                };
                self.tally.group.iter().zip(&self.tally.sent).map(missed).sum()
            }
            (Scenario::Pub, QoS::AtLeastOnce | QoS::ExactlyOnce) => {
                counters.sent.saturating_sub(counters.acknowledged)
            }
            _ => counters.lost,
        };
        let measured = self.measured.map(|(first, last)| Measured {
            seconds: seconds(last.at - first.at),
            sent: last.counters.sent - first.counters.sent,
            received: last.counters.received - first.counters.received,
            acknowledged: last.counters.acknowledged - first.counters.acknowledged,
            target_cpu_micros: difference(last.target, first.target),
            own_cpu_micros: difference(last.own, first.own),
        });
        let resident = |look: &Look| look.target.map(|usage| usage.resident);
        Ok(Report {
            scenario: self.plan.scenario,
            plan: self.plan.clone(),
            interrupted: self.stop.is_asked(),
            counters: counters.into(),
            lost,
            expected: counters.sent * self.plan.deliveries(),
            reasons: self.tally.reasons().into_iter().collect(),
            connect_seconds: seconds(self.connected.at - self.begun.at),
            connect_cpu_micros: difference(self.connected.target, self.begun.target),
            connect_latency: self.connect_latencies.summary(),
            measured,
            latency: self.latencies.summary(),
            curve: self.latencies.curve(),
            lateness: self.lateness.summary(),
            resident_before: resident(&self.begun),
            resident_connected: resident(&self.connected),
            resident_most: self.samples.iter().filter_map(|sample| sample.resident).max(),
            samples: std::mem::take(&mut self.samples),
        })
    }
}

fn difference(now: Option<Usage>, before: Option<Usage>) -> Option<u64> {
    Some(now?.cpu_micros.saturating_sub(before?.cpu_micros))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

const fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// A rate; zero in no time.
#[allow(clippy::cast_precision_loss, reason = "fifteen digits are enough for a rate")]
pub(crate) fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}
