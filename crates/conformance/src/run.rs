//! Runs the cases on a pool of threads, so that those that wait do so at the same time.

use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use colibri_codec::Version;

use crate::statements::statements;
use crate::tcp::Tcp;
use crate::{Case, Context, Failure, Report, all_cases, limits};

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub address: SocketAddr,
    /// The versions. Default 3.1.1 and 5.0.
    pub versions: Vec<Version>,
    /// Only cases with this statement (`v5 MQTT-3.1.0-2`, `MQTT-3.1.0-2` or `3.1.0-2`), area, or name. Default
    /// all.
    pub filter: Option<String>,
    /// How long an answer may take. Default 5 s. Longer: slow servers pass. Shorter: a silent server is
    /// told sooner.
    pub patience: Duration,
    /// How many cases run at the same time. Default 48, most of which wait. More: done sooner. Fewer: fewer
    /// connections at once.
    pub threads: usize,
    /// Whether the limits of the server are looked for, most of them beside the cases and some after them.
    /// Default true; a dozen connections at once more, and some seconds.
    pub limits: bool,
    /// The largest packet sent in search of a limit, in bytes. Default 16 MiB, of which up to six copies are
    /// in memory in each version. More: higher limits are found. Less: less memory, here and at the server.
    pub packet_bound: usize,
}

impl Settings {
    /// The defaults for this server.
    pub fn new(address: SocketAddr) -> Self {
        let versions = vec![Version::V3_1_1, Version::V5];
        Self {
            address,
            versions,
            filter: None,
            patience: Duration::from_secs(5),
            threads: 48,
            limits: true,
            packet_bound: 16 << 20,
        }
    }

    /// Whether the filter lets no case through.
    pub fn is_empty(&self) -> bool {
        self.jobs().is_empty()
    }

    /// Whether the filter lets a case through.
    fn wants(&self, case: &Case, version: Version) -> bool {
        let Some(filter) = &self.filter else { return true };
        case.name.eq_ignore_ascii_case(filter)
            || case.ids_of(version).any(|id| {
                let short = id.split_once(' ').map_or(id, |(_, short)| short);
                let spellings = [id, short, short.trim_start_matches("MQTT-")];
                let area = statements().iter().find(|statement| statement.id == id).map(|found| found.area);
                spellings.iter().copied().chain(area).any(|spelling| spelling.eq_ignore_ascii_case(filter))
            })
    }

    fn jobs(&self) -> Vec<(&'static Case, Version)> {
        let both = |case| self.versions.iter().map(move |version| (case, *version));
        let jobs =
            all_cases().flat_map(both).filter(|(case, version)| case.ids_of(*version).next().is_some());
        jobs.filter(|(case, version)| self.wants(case, *version)).collect()
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server does what the statements ask for.
    Passed,
    /// It does something else.
    Failed(Box<Failure>),
    /// It declines what they are about, with the evidence.
    NotApplicable(String),
}

/// A case that ran.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case.
    pub case: &'static Case,
    /// In which version it ran.
    pub version: Version,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub time: Duration,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The cases that ended.
    pub done: usize,
    /// All cases.
    pub total: usize,
    /// The cases that failed.
    pub failed: usize,
}

/// Runs all cases that the settings ask for and tells `progress` after each of them.
///
/// # Errors
/// A sentence, if the server does not take connections or the filter lets no case through.
pub fn run(settings: &Settings, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, String> {
    let jobs = settings.jobs();
    if jobs.is_empty() {
        return Err(format!("no case is about {:?}", settings.filter.as_deref().unwrap_or_default()));
    }
    TcpStream::connect_timeout(&settings.address, settings.patience)
        .map_err(|error| format!("{} takes no connection: {error}", settings.address))?;
    let started = Instant::now();
    let name = run_name();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes = Mutex::new(Vec::new());
    let light = std::thread::scope(|scope| {
        let limits = settings.limits.then(|| scope.spawn(|| limits::find_light(settings, &name)));
        for _ in 0..settings.threads.clamp(1, jobs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, version)) = jobs.get(index) else { break };
                    let outcome = run_case(case, *version, settings, &format!("{name}x{index}"));
                    if matches!(outcome.verdict, Verdict::Failed(_)) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    let mut outcomes = outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    outcomes.push((index, outcome));
                    let done = outcomes.len();
                    progress(Progress { done, total: jobs.len(), failed: failed.load(Ordering::Relaxed) });
                }
            });
        }
        limits.and_then(|limits| limits.join().ok()).unwrap_or_default()
    });
    let heavy = if settings.limits { limits::find_heavy(settings, &name) } else { Vec::new() };
    let limits = heavy.into_iter().chain(light).collect();
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    Ok(Report::new(settings, outcomes, limits, started.elapsed()))
}

fn run_case(case: &'static Case, version: Version, settings: &Settings, name: &str) -> Outcome {
    let context = Context::new(Rc::new(Tcp::new(settings.address)), version, settings.patience, name);
    let started = Instant::now();
    let verdict = case.judge(&context);
    Outcome { case, version, verdict, time: started.elapsed() }
}

/// Seven letters and digits that no other run in half a year has: names of its own keep runs apart on one
/// server.
fn run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut ticks = since.as_millis() % 36_u128.pow(7);
    let mut name = String::new();
    for _ in 0..7 {
        let digit = u32::try_from(ticks % 36).unwrap_or(0);
        name.push(char::from_digit(digit, 36).unwrap_or('0'));
        ticks /= 36;
    }
    name
}
