//! A report as one HTML page that needs nothing else.

use super::svg::{Axis, Line, plot};
use super::{Report, Sample};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2em auto;padding:0 1em;\
color:#222;background:#fff}pre{background:#f4f4f2;padding:1em;overflow-x:auto;font-size:13px}\
figure{margin:1.5em 0}figcaption{font-weight:600}svg{width:100%}svg text{font-size:11px;fill:#555}\
.grid{stroke:#ddd}.key{font-size:13px;margin:0}.bad{color:#a4161a}.good{color:#2b7a2b}\
table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}\
@media(prefers-color-scheme:dark){body{background:#1c1c1c;color:#ddd}pre{background:#282828}.grid{stroke:#444}\
svg text{fill:#aaa}}";

/// Reports as one page. `preface` is plain text that stands above them.
pub fn html(preface: &str, reports: &[(String, Report)]) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>colibri bench</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>colibri bench</h1>\n"
    );
    if !preface.is_empty() {
        put(&mut out, format_args!("<pre>{}</pre>\n", escape(preface)));
    }
    for (name, report) in reports {
        put(&mut out, format_args!("<h2>{}</h2>\n", escape(name)));
        match report.faults().as_slice() {
            [] => out.push_str("<p class=\"good\">Nothing was lost, doubled, out of order or refused.</p>\n"),
            faults => put(&mut out, format_args!("<p class=\"bad\">{}.</p>\n", escape(&faults.join("; ")))),
        }
        put(&mut out, format_args!("<pre>{}</pre>\n", escape(&report.to_string())));
        percentiles(&mut out, report);
        plots(&mut out, report);
    }
    out.push_str("</body></html>\n");
    out
}

fn percentiles(out: &mut String, report: &Report) {
    if report.curve.is_empty() {
        return;
    }
    out.push_str(
        "<details><summary>Percentiles</summary><table><tr><th>percent</th><th>microseconds</th></tr>\n",
    );
    for (percent, micros) in &report.curve {
        put(out, format_args!("<tr><td>{percent}</td><td>{micros}</td></tr>\n"));
    }
    out.push_str("</table></details>\n");
}

fn plots(out: &mut String, report: &Report) {
    out.push_str(&curve(report));
    let line = |name, value: fn(&Sample) -> Option<f64>| Line {
        name,
        points: report.samples.iter().filter_map(|sample| Some((sample.at, value(sample)?))).collect(),
    };
    let seconds = "seconds since the beginning";
    let linear = |title, lines: &[Line]| plot(title, seconds, &[], lines, Axis::Linear);
    out.push_str(&linear(
        "Messages per second",
        &[
            line("sent", |sample| Some(sample.sent_per_second)),
            line("received", |sample| Some(sample.received_per_second)),
        ],
    ));
    out.push_str(&plot(
        "Latency in microseconds",
        seconds,
        &[],
        &[
            line("median", |sample| measured(sample, sample.p50)),
            line("99 %", |sample| measured(sample, sample.p99)),
            line("longest", |sample| measured(sample, sample.max)),
        ],
        Axis::Logarithmic,
    ));
    out.push_str(&linear("Connections", &[line("open", |sample| Some(number(sample.connected)))]));
    out.push_str(&linear(
        "Processor time in percent of one processor",
        &[line("server", |sample| sample.cpu_percent), line("this program", |sample| sample.own_cpu_percent)],
    ));
    out.push_str(&linear(
        "Memory of the server in bytes",
        &[line("resident", |sample| sample.resident.map(number))],
    ));
}

/// The latencies by percentage, stretched where it is nearly all: each step to the right is ten times fewer.
fn curve(report: &Report) -> String {
    let place = |percent: f64| -((100.0 - percent).max(0.001) / 100.0).log10();
    let points = report.curve.iter().map(|(percent, micros)| (place(*percent), number(*micros))).collect();
    let ticks = [0.0, 90.0, 99.0, 99.9, 99.99, 99.999].map(|percent| (place(percent), format!("{percent}")));
    plot(
        "Latency by percentage, in microseconds",
        "percent of all messages",
        &ticks,
        &[Line { name: "latency", points }],
        Axis::Logarithmic,
    )
}

fn measured(sample: &Sample, micros: u64) -> Option<f64> {
    (sample.max > 0).then(|| number(micros))
}

#[allow(clippy::cast_precision_loss, reason = "a plot has fewer digits")]
const fn number(number: u64) -> f64 {
    number as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}
