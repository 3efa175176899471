//! `colibri bench`: puts load on a server and says what became of it.

mod options;
mod plans;

use std::fs::{OpenOptions, remove_file};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use colibri_bench::{Case, Failure, Plan, Progress, Report, Scale, Scenario, Stop, cases};
use signal_hook::consts::{SIGINT, SIGTERM};

use options::{Common, Suite, What};

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

/// How long a use case of the suite is measured if nothing is said, in seconds.
const SUITE_DURATION: f64 = 30.0;

/// What goes wrong, by whose fault it is.
enum Wrong {
    /// The command line; exit code 2.
    Usage(String),
    /// What came after; exit code 1.
    Run(String),
}

/// Runs the benchmark. The exit code is 0 if all came as it should, 1 if something was lost, doubled, out of
/// order or refused or nothing could be measured, 2 if the command line is wrong.
pub(crate) fn run(options: &Options) -> ExitCode {
    match measure(&options.what) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Wrong::Usage(sentence)) => {
            eprintln!("colibri bench: {sentence}");
            ExitCode::from(2)
        }
        Err(Wrong::Run(sentence)) => {
            eprintln!("colibri bench: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn measure(what: &What) -> Result<bool, Wrong> {
    let (plan, common) = match what {
        What::Conn(options) => (plans::conn(options), &options.common),
        What::Pub(options) => (plans::one(Scenario::Pub, options), &options.common),
        What::Sub(options) => (plans::listen(options), &options.common),
        What::Pair(options) => (plans::one(Scenario::Pair, options), &options.common),
        What::Fanout(options) => (plans::crowd(Scenario::Fanout, options), &options.common),
        What::Fanin(options) => (plans::crowd(Scenario::Fanin, options), &options.common),
        What::Share(options) => (plans::crowd(Scenario::Share, options), &options.common),
        What::Latency(options) => (plans::one(Scenario::Latency, options), &options.common),
        What::Suite(options) => return suite(options),
    };
    let plan = plan.map_err(Wrong::Usage)?;
    plans::check_files(&plan).map_err(Wrong::Usage)?;
    try_files(common)?;
    let stop = stop_on_signals().map_err(Wrong::Run)?;
    let report = carry_out(&plan, &stop, common)?;
    print(&report.to_string())?;
    let name = plan.scenario.name().to_owned();
    finish("", vec![(name, report)], common)
}

fn carry_out(plan: &Plan, stop: &Stop, common: &Common) -> Result<Report, Wrong> {
    let live = std::io::stderr().is_terminal();
    let report = colibri_bench::run(plan, stop, &mut |progress| {
        if !common.quiet {
            show(progress, live);
        }
    });
    if live && !common.quiet {
        eprint!("\r\x1b[K");
    }
    report.map_err(|failure| match failure {
        Failure::Plan(sentence) => Wrong::Usage(sentence),
        Failure::NobodyConnected { .. } | Failure::System(_) => Wrong::Run(failure.to_string()),
    })
}

/// One line; on a terminal it takes the place of the one before.
fn show(progress: &Progress, live: bool) {
    let Progress { phase, sample, connections, failed, sent, received } = progress;
    let (start, end) = if live { ("\r\x1b[K", "") } else { ("", "\n") };
    let mut line = format!("{:.0} s {phase}: {} of {connections} connected", sample.at, sample.connected);
    if *failed > 0 {
        line.push_str(&format!(", {failed} failed"));
    }
    if sent + received > 0 {
        let (out, back) = (sample.sent_per_second, sample.received_per_second);
        line.push_str(&format!(", {out:.0}/s sent ({sent}), {back:.0}/s received ({received})"));
    }
    if sample.max > 0 {
        line.push_str(&format!(", p50 {} us, p99 {} us", sample.p50, sample.p99));
    }
    if let (Some(cpu), Some(resident)) = (sample.cpu_percent, sample.resident) {
        line.push_str(&format!(", server {cpu:.0} % CPU, {} MB", resident / 1_000_000));
    }
    let mut stderr = std::io::stderr().lock();
    // Nobody looking on is no reason to stop.
    drop(write!(stderr, "{start}{line}{end}").and_then(|()| stderr.flush()));
}

/// The first signal ends the measurement, the second the program.
fn stop_on_signals() -> Result<Stop, String> {
    let stop = Stop::new();
    for signal in [SIGINT, SIGTERM] {
        let explain = |error| format!("cannot listen for signals: {error}");
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag()).map_err(explain)?;
        signal_hook::flag::register(signal, Arc::clone(&stop.flag())).map_err(explain)?;
    }
    Ok(stop)
}

fn suite(options: &Suite) -> Result<bool, Wrong> {
    let common = &options.common;
    let scale = Scale::from(options.scale);
    let wanted = |case: &&Case| options.only.as_deref().is_none_or(|only| case.name.starts_with(only));
    let chosen: Vec<&Case> = cases(scale).iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = cases(scale).iter().map(|case| case.name).collect();
        let only = options.only.as_deref().unwrap_or_default();
        return Err(Wrong::Usage(format!("--only {only}: the use cases are {}", names.join(", "))));
    }
    try_files(common)?;
    let server = plans::resolve(common).map_err(Wrong::Usage)?;
    let seconds = common.duration.unwrap_or(SUITE_DURATION);
    let files = plans::files_left();
    let mut preface = scale.sources();
    print(&preface)?;
    let stop = stop_on_signals().map_err(Wrong::Run)?;
    let mut reports = Vec::new();
    for case in chosen {
        let mut scaled = case.scaled(server, files, Duration::from_secs_f64(seconds));
        plans::common(&mut scaled.plan, common, seconds).map_err(Wrong::Usage)?;
        let heading =
            format!("\n{}\nscaled: {}\n{}", case.name, scaled.notes.join("; "), case.published_text());
        print(&heading)?;
        preface.push_str(&heading);
        let report = carry_out(&scaled.plan, &stop, common)?;
        print(&report.to_string())?;
        reports.push((case.name.to_owned(), report));
        if stop.is_asked() {
            break;
        }
    }
    finish(&preface, reports, common)
}

/// Writes the files that were asked for; whether all runs were as they should be.
fn finish(preface: &str, reports: Vec<(String, Report)>, common: &Common) -> Result<bool, Wrong> {
    write_if(common.json.as_deref(), "--json", || colibri_bench::json(&reports))?;
    write_if(common.html.as_deref(), "--html", || colibri_bench::html(preface, &reports))?;
    Ok(reports.iter().all(|(_, report)| report.faults().is_empty()))
}

/// Looks whether the files that were asked for can be written: better known before a run of half an hour.
fn try_files(common: &Common) -> Result<(), Wrong> {
    for (path, flag) in [(&common.json, "--json"), (&common.html, "--html")] {
        let Some(path) = path else { continue };
        let is_new = !path.exists();
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let tried = opened.and_then(|_| if is_new { remove_file(path) } else { Ok(()) });
        tried.map_err(|error| Wrong::Usage(cannot_write(flag, path, &error)))?;
    }
    Ok(())
}

fn cannot_write(flag: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{flag} {} cannot be written: {error}", path.display())
}

fn write_if(path: Option<&Path>, flag: &str, text: impl FnOnce() -> String) -> Result<(), Wrong> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()).map_err(|error| Wrong::Run(cannot_write(flag, path, &error)))
}

fn print(text: &str) -> Result<(), Wrong> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        // Whoever does not read on still gets the exit code.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Wrong::Run(format!("the report cannot be printed: {error}"))),
    }
}
