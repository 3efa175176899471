//! A report for programs.

use serde_json::{Value, json};

use super::{Report, Sample};
use crate::latency::Summary;
use crate::plan::Plan;

/// Reports as one JSON document: an object for one run, a list in an object for several.
pub fn json(reports: &[(String, Report)]) -> String {
    let runs: Vec<Value> = reports.iter().map(|(name, report)| one(name, report)).collect();
    let document = json!({ "program": "colibri bench", "version": env!("CARGO_PKG_VERSION"), "runs": runs });
    format!("{document:#}\n")
}

fn one(name: &str, report: &Report) -> Value {
    let plan = &report.plan;
    let counters = &report.counters;
    let measured = report.measured;
    let reasons: serde_json::Map<String, Value> =
        report.reasons.iter().map(|(reason, count)| (reason.clone(), json!(count))).collect();
    json!({
        "name": name,
        "scenario": report.scenario.name(),
        "plan": planned(&report.plan),
        "interrupted": report.interrupted,
        "faults": report.faults(),
        "connections": {
            "accepted": counters.connected,
            "failed": counters.failed,
            "dropped": counters.dropped,
            "reasons": reasons,
            "seconds": report.connect_seconds,
            "per_second": report.connects_per_second(),
            "latency_us": summary(&report.connect_latency),
        },
        "messages": {
            "sent": counters.sent,
            "expected": report.expected,
            "received": counters.received,
            "acknowledged": counters.acknowledged,
            "lost": report.lost,
            "duplicated": counters.duplicated,
            "out_of_order": counters.out_of_order,
            "misrouted": counters.misrouted,
            "refused": counters.refused,
            "unsent": counters.unsent,
            "foreign": counters.foreign,
        },
        "measured": measured.map(|measured| json!({
            "seconds": measured.seconds,
            "sent": measured.sent,
            "received": measured.received,
            "acknowledged": measured.acknowledged,
            "sent_per_second": report.sent_per_second(),
            "received_per_second": report.received_per_second(),
            "acknowledged_per_second": report.acknowledged_per_second(),
        })),
        "latency_us": summary(&report.latency),
        "latency_counts_from": if plan.rate.is_some() { "due" } else { "sent" },
        "latency_curve_us": report.curve.iter().map(|(percent, micros)| json!([percent, micros])).collect::<Vec<_>>(),
        "own_lateness_us": summary(&report.lateness),
        "server": plan.pid.map(|pid| json!({
            "pid": pid,
            "cpu_us": measured.and_then(|measured| measured.target_cpu_micros),
            "cpu_us_per_message": report.cpu_per_message(),
            "cpu_us_per_connection": report.cpu_per_connection(),
            "bytes_per_connection": report.memory_per_connection(),
            "resident_before_bytes": report.resident_before,
            "resident_connected_bytes": report.resident_connected,
            "resident_most_bytes": report.resident_most,
        })),
        "generator": {
            "cpu_us": measured.and_then(|measured| measured.own_cpu_micros),
            "cpu_us_per_message": report.own_cpu_per_message(),
        },
        "samples": report.samples.iter().map(sample).collect::<Vec<_>>(),
    })
}

fn planned(plan: &Plan) -> Value {
    json!({
    "server": plan.server.to_string(),
    "version": plan.version.to_string(),
    "publishers": plan.publishers,
    "subscribers": plan.subscribers,
    "idle": plan.idle,
    "qos": plan.qos.number(),
    "retain": plan.retain,
    "clean_start": plan.clean_start,
    "keep_alive_seconds": plan.keep_alive,
    "payload_bytes": plan.payload,
    "in_flight": plan.in_flight,
    "messages_per_second": plan.rate.map(thousandths),
    "connections_per_second": plan.connect_rate.map(thousandths),
    "messages": plan.messages,
    "warm_up_seconds": plan.warm_up.as_secs_f64(),
    "duration_seconds": plan.duration.as_secs_f64(),
    "threads": plan.threads,
    })
}

fn summary(summary: &Summary) -> Value {
    if summary.count == 0 {
        return Value::Null;
    }
    json!({
        "count": summary.count,
        "min": summary.min,
        "mean": summary.mean,
        "p50": summary.p50,
        "p75": summary.p75,
        "p90": summary.p90,
        "p95": summary.p95,
        "p99": summary.p99,
        "p99.9": summary.p999,
        "p99.99": summary.p9999,
        "max": summary.max,
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "seconds": sample.at,
        "connected": sample.connected,
        "connects_per_second": sample.connects_per_second,
        "sent_per_second": sample.sent_per_second,
        "received_per_second": sample.received_per_second,
        "p50_us": sample.p50,
        "p99_us": sample.p99,
        "max_us": sample.max,
        "server_cpu_percent": sample.cpu_percent,
        "generator_cpu_percent": sample.own_cpu_percent,
        "server_resident_bytes": sample.resident,
    })
}

#[allow(clippy::cast_precision_loss, reason = "rates have fewer digits")]
fn thousandths(number: u64) -> f64 {
    number as f64 / 1000.0
}
