//! A report for people, as plain text.

use std::fmt;

use super::Report;
use crate::latency::Summary;
use crate::plan::Scenario;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_connections(f)?;
        if self.scenario != Scenario::Conn {
            self.fmt_messages(f)?;
        }
        self.fmt_server(f)?;
        if self.interrupted {
            writeln!(f, "ended early   what stands above is what was measured until then")?;
        }
        match self.faults().as_slice() {
            [] => writeln!(f, "verdict       nothing was lost, doubled, out of order or refused"),
            faults => writeln!(f, "verdict       {}", faults.join("; ")),
        }
    }
}

impl Report {
    fn fmt_connections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = &self.counters;
        writeln!(
            f,
            "connections   {} of {} accepted in {:.2} s, {:.0}/s; {} failed, {} dropped",
            counters.connected,
            self.plan.connections(),
            self.connect_seconds,
            self.connects_per_second(),
            counters.failed,
            counters.dropped
        )?;
        for (reason, count) in &self.reasons {
            writeln!(f, "              {count} x {reason}")?;
        }
        writeln!(f, "connecting    {}", Line(&self.connect_latency))
    }

    fn fmt_messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = &self.counters;
        write!(f, "messages      {} sent", counters.sent)?;
        match self.scenario {
            Scenario::Pub if self.plan.qos.number() > 0 => {
                write!(f, ", {} acknowledged, {} not", counters.acknowledged, self.lost)?;
            }
            Scenario::Conn | Scenario::Pub => {}
            Scenario::Sub => write!(f, ", {} received, {} missing", counters.received, self.lost)?,
            Scenario::Pair | Scenario::Fanout | Scenario::Fanin | Scenario::Share | Scenario::Latency => {
                write!(f, ", {} of {} received, {} lost", counters.received, self.expected, self.lost)?;
            }
        }
        writeln!(
            f,
            ", {} duplicated, {} out of order, {} misrouted",
            counters.duplicated, counters.out_of_order, counters.misrouted
        )?;
        for (count, what) in [
            (counters.unsent, "were due and could not be sent"),
            (counters.refused, "were refused by the server"),
            (counters.foreign, "came that are not of this run"),
        ] {
            if count > 0 {
                writeln!(f, "              {count} {what}")?;
            }
        }
        let seconds = self.measured.map_or(0.0, |measured| measured.seconds);
        writeln!(
            f,
            "throughput    {:.0}/s sent, {:.0}/s received, over {seconds:.2} s",
            self.sent_per_second(),
            self.received_per_second()
        )?;
        if self.latency.count > 0 {
            let what = match (self.scenario, self.plan.rate) {
                (Scenario::Sub, _) => "from when it was due by the clock of the sender",
                (_, Some(_)) => "from when it was due",
                (_, None) => "from when it was sent: as many are under way as may be",
            };
            writeln!(f, "latency       {}\n              {what}", Line(&self.latency))?;
        }
        if self.lateness.count > 0 {
            writeln!(f, "own lateness  {}", Line(&self.lateness))?;
        }
        Ok(())
    }

    fn fmt_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own_cpu_per_message();
        if let Some(pid) = self.plan.pid {
            write!(f, "server        process {pid}")?;
            if let Some(micros) = self.cpu_per_message() {
                write!(f, ", {micros:.3} us per message")?;
            }
            if let Some(micros) = self.cpu_per_connection() {
                write!(f, ", {micros:.1} us per connection")?;
            }
            if let Some(bytes) = self.memory_per_connection() {
                write!(f, ", {bytes} bytes per connection")?;
            }
            if let Some(bytes) = self.resident_most.or(self.resident_connected) {
                write!(f, ", {:.1} MB at most", megabytes(bytes))?;
            }
            writeln!(f)?;
        }
        if let Some(micros) = own {
            let busy = self.plan.rate.is_some() && self.plan.spin;
            let busy = if busy { ", waiting for the next to become due included (--no-spin)" } else { "" };
            writeln!(f, "this program  {micros:.3} us per message{busy}")?;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A summary in one line, in milliseconds.
struct Line<'a>(&'a Summary);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(summary) = self;
        let figures = [
            ("min", summary.min),
            ("mean", summary.mean),
            ("p50", summary.p50),
            ("p90", summary.p90),
            ("p99", summary.p99),
            ("p99.9", summary.p999),
            ("max", summary.max),
        ];
        for (name, micros) in figures {
            write!(f, "{name} {}  ", Millis(micros))?;
        }
        f.write_str("ms")
    }
}

/// Microseconds as milliseconds, to three digits behind the point below a second.
pub(super) struct Millis(pub(super) u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if whole >= 1000 { write!(f, "{whole}") } else { write!(f, "{whole}.{rest:03}") }
    }
}
