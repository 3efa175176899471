//! What a run has found, and whether it was as it should be.

mod html;
mod json;
mod svg;
mod text;

pub use html::html;
pub use json::json;

use crate::latency::Summary;
use crate::plan::{Plan, Scenario};
use crate::run::per_second;
use crate::tally;

/// How many samples are kept: of a longer run every second one goes, again and again.
const SAMPLES_MAX: usize = 1200;

/// Less processor time than this, in microseconds, says nothing: it is five steps of the system's count.
const CPU_LEAST: u64 = 50_000;

/// What was counted in a whole run, warm-up included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections that were accepted, and subscribed if they subscribe.
    pub connected: u64,
    /// Connections that did not get so far.
    pub failed: u64,
    /// Connections that ended before their time.
    pub dropped: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages acknowledged: PUBACK or PUBCOMP.
    pub acknowledged: u64,
    /// Messages that the server refused in its acknowledgement.
    pub refused: u64,
    /// Messages that came, also twice.
    pub received: u64,
    /// Those of them that had come before.
    pub duplicated: u64,
    /// Those that came behind a later one.
    pub out_of_order: u64,
    /// Those that came to somebody who had not subscribed to them.
    pub misrouted: u64,
    /// Messages that are not of this run.
    pub foreign: u64,
    /// Messages that were due and could not be sent.
    pub unsent: u64,
}

impl From<tally::Counters> for Counters {
    fn from(counters: tally::Counters) -> Self {
        Self {
            connected: counters.ready,
            failed: counters.failed,
            dropped: counters.dropped,
            sent: counters.sent,
            acknowledged: counters.acknowledged,
            refused: counters.refused,
            received: counters.received,
            duplicated: counters.duplicated,
            out_of_order: counters.out_of_order,
            misrouted: counters.misrouted,
            foreign: counters.foreign,
            unsent: counters.unsent,
        }
    }
}

/// What happened between the end of the warm-up and the end of publishing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// How long that was.
    pub seconds: f64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Processor time of the server in microseconds, if its process is known.
    pub target_cpu_micros: Option<u64>,
    /// Processor time of this process in microseconds.
    pub own_cpu_micros: Option<u64>,
}

/// One moment of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the run began.
    pub at: f64,
    /// Connections open.
    pub connected: u64,
    /// Since the sample before.
    pub connects_per_second: f64,
    /// Since the sample before.
    pub sent_per_second: f64,
    /// Since the sample before.
    pub received_per_second: f64,
    /// Latencies since the sample before, in microseconds; 0 without any.
    pub p50: u64,
    /// The same.
    pub p99: u64,
    /// The same.
    pub max: u64,
    /// Of the server, in percent of one processor.
    pub cpu_percent: Option<f64>,
    /// Of this process.
    pub own_cpu_percent: Option<f64>,
    /// Memory of the server in bytes.
    pub resident: Option<u64>,
}

/// What a run has found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who published to whom.
    pub scenario: Scenario,
    /// What was to be done.
    pub plan: Plan,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// What was counted.
    pub counters: Counters,
    /// Messages that did not come. [`Scenario::Pub`]: that were not acknowledged. [`Scenario::Sub`]: that are
    /// missing between others.
    pub lost: u64,
    /// How many deliveries there should have been.
    pub expected: u64,
    /// Why connections failed or were dropped, and how many.
    pub reasons: Vec<(String, u64)>,
    /// How long it took until all were connected or had failed.
    pub connect_seconds: f64,
    /// Processor time of the server meanwhile, in microseconds.
    pub connect_cpu_micros: Option<u64>,
    /// From when a connection was due until it was accepted, and subscribed if it subscribes.
    pub connect_latency: Summary,
    /// `None` if it did not come to that.
    pub measured: Option<Measured>,
    /// From when a message was due until it was received; [`Scenario::Pub`]: acknowledged.
    pub latency: Summary,
    /// Percentages, and the latencies that so many of all stay below.
    pub curve: Vec<(f64, u64)>,
    /// How late this program itself noticed that a message was due.
    pub lateness: Summary,
    /// Memory of the server before the first connection, in bytes.
    pub resident_before: Option<u64>,
    /// The same when all were connected.
    pub resident_connected: Option<u64>,
    /// The most that was seen.
    pub resident_most: Option<u64>,
    /// How it went.
    pub samples: Vec<Sample>,
}

impl Report {
    /// What is not as it should be, each in a sentence without its full stop. Nothing if all is well.
    pub fn faults(&self) -> Vec<String> {
        let Counters { failed, dropped, refused, duplicated, out_of_order, misrouted, .. } = self.counters;
        let unacknowledged = self.scenario == Scenario::Pub;
        let faults = [
            (self.lost, if unacknowledged { "messages were not acknowledged" } else { "messages were lost" }),
            (duplicated, "messages came more than once"),
            (out_of_order, "messages came out of order"),
            (misrouted, "messages came to somebody who had not asked for them"),
            (refused, "messages were refused"),
            (failed, "connections failed"),
            (dropped, "connections were dropped"),
        ];
        let told = faults.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, what)| format!("{count} {what}")).collect()
    }

    /// The messages that figures per message refer to: what was received, or else what was sent.
    pub fn measured_messages(&self) -> u64 {
        self.measured.map_or(0, |measured| match self.scenario {
            Scenario::Conn => 0,
            Scenario::Pub => measured.sent,
            Scenario::Sub
            | Scenario::Pair
            | Scenario::Fanout
            | Scenario::Fanin
            | Scenario::Share
            | Scenario::Latency => measured.received,
        })
    }

    /// Processor time of the server per message, in microseconds; `None` if it was too little to tell, since
    /// the system counts in steps of ten milliseconds.
    pub fn cpu_per_message(&self) -> Option<f64> {
        self.per_message(self.measured?.target_cpu_micros?)
    }

    /// Processor time of this process per message, in microseconds.
    pub fn own_cpu_per_message(&self) -> Option<f64> {
        self.per_message(self.measured?.own_cpu_micros?)
    }

    #[allow(clippy::cast_precision_loss, reason = "fifteen digits are enough")]
    fn per_message(&self, micros: u64) -> Option<f64> {
        let messages = self.measured_messages();
        (messages > 0 && micros >= CPU_LEAST).then(|| micros as f64 / messages as f64)
    }

    /// Processor time of the server per connection that was accepted, in microseconds.
    #[allow(clippy::cast_precision_loss, reason = "fifteen digits are enough")]
    pub fn cpu_per_connection(&self) -> Option<f64> {
        let connected = self.counters.connected;
        let micros = self.connect_cpu_micros.filter(|micros| connected > 0 && *micros >= CPU_LEAST)?;
        Some(micros as f64 / connected as f64)
    }

    /// By how much the memory of the server grew for each connection, in bytes.
    pub fn memory_per_connection(&self) -> Option<u64> {
        let grown = self.resident_connected?.saturating_sub(self.resident_before?);
        grown.checked_div(self.counters.connected)
    }

    /// Messages sent per second of the measurement.
    pub fn sent_per_second(&self) -> f64 {
        self.measured.map_or(0.0, |measured| per_second(measured.sent, measured.seconds))
    }

    /// Messages received per second of the measurement.
    pub fn received_per_second(&self) -> f64 {
        self.measured.map_or(0.0, |measured| per_second(measured.received, measured.seconds))
    }

    /// Messages acknowledged per second of the measurement.
    pub fn acknowledged_per_second(&self) -> f64 {
        self.measured.map_or(0.0, |measured| per_second(measured.acknowledged, measured.seconds))
    }

    /// Connections accepted per second while they were opened.
    pub fn connects_per_second(&self) -> f64 {
        per_second(self.counters.connected, self.connect_seconds)
    }
}

/// Keeps the number of samples bounded.
pub(crate) fn thin_out(samples: &mut Vec<Sample>) {
    if samples.len() >= SAMPLES_MAX {
        let mut keep = false;
        samples.retain(|_| {
            keep = !keep;
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{SAMPLES_MAX, Sample, thin_out};

    #[test]
    fn the_number_of_samples_is_bounded() {
        let mut samples = Vec::new();
        for _ in 0..SAMPLES_MAX * 3 {
            samples.push(Sample::default());
            thin_out(&mut samples);
            assert!(samples.len() < SAMPLES_MAX);
        }
        assert!(samples.len() >= SAMPLES_MAX / 2);
    }
}
