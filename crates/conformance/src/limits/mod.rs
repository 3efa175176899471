//! What a server can take and offers, found by asking and by trying.
//!
//! A limit is nothing to pass or to fail: the standards let a server choose most of them. Trials are bounded in
//! time and in memory, use topics and sessions of their own, and leave nothing behind.

mod announced;
mod features;
mod flight;
mod reasons;
mod search;
mod sizes;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use colibri_codec::Version;

use crate::tcp::Tcp;
use crate::{Context, Settings, Stop, wait};

/// How many trials of one version run at the same time.
const THREADS: usize = 6;

/// A limit, or whether something is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In which version it was looked for.
    pub version: Version,
    /// What is limited or offered, with its unit.
    pub what: &'static str,
    /// The figure, `yes`, `no`, or `unknown`.
    pub figure: String,
    /// How it was found.
    pub found: String,
}

/// What one search found: the figure and how it was found.
#[derive(Clone, Debug)]
struct Found {
    figure: String,
    how: String,
}

impl Found {
    fn new(figure: impl ToString, how: impl Into<String>) -> Self {
        Self { figure: figure.to_string(), how: how.into() }
    }

    fn yes(how: impl Into<String>) -> Self {
        Self::new("yes", how)
    }

    fn no(how: impl Into<String>) -> Self {
        Self::new("no", how)
    }
}

/// How far trials go.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// The largest packet that is sent, in bytes.
    packet: usize,
}

/// The search for one limit.
struct Probe {
    what: &'static str,
    /// The only version that it makes sense in, if there is one.
    only: Option<Version>,
    run: Run,
}

type Run = fn(&Context, Bounds) -> Result<Found, Stop>;

impl Probe {
    const fn both(what: &'static str, run: Run) -> Self {
        Self { what, only: None, run }
    }

    const fn v5(what: &'static str, run: Run) -> Self {
        Self { what, only: Some(Version::V5), run }
    }

    /// Of MQTT 3.1, whose packets are read as those of 3.1.1.
    const fn v31(what: &'static str, run: Run) -> Self {
        Self { what, only: Some(Version::V3_1_1), run }
    }
}

/// The searches that go on beside the cases.
const LIGHT: &[&[Probe]] = &[flight::PROBES, announced::PROBES, features::PROBES, reasons::PROBES];
/// The searches whose packets are so large that they would crowd out what a case waits for on `#`.
const HEAVY: &[&[Probe]] = &[sizes::PROBES];

/// Finds the limits that can be found beside the cases. `name` is one that nobody else uses.
pub(crate) fn find_light(server: SocketAddr, settings: &Settings, name: &str) -> Vec<Limit> {
    find(server, settings, LIGHT, &format!("{name}l"))
}

/// Finds the others, once the cases are done.
pub(crate) fn find_heavy(server: SocketAddr, settings: &Settings, name: &str) -> Vec<Limit> {
    find(server, settings, HEAVY, &format!("{name}m"))
}

fn find(server: SocketAddr, settings: &Settings, groups: &[&[Probe]], name: &str) -> Vec<Limit> {
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for version in &settings.versions {
            let found = &found;
            scope.spawn(move || find_in(server, settings, *version, groups, name, found));
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, limit)| limit).collect()
}

fn find_in(
    server: SocketAddr,
    settings: &Settings,
    version: Version,
    groups: &[&[Probe]],
    name: &str,
    found: &Mutex<Vec<((u8, usize), Limit)>>,
) {
    let wanted = |probe: &&Probe| probe.only.is_none_or(|only| only == version);
    let probes: Vec<&Probe> = groups.iter().copied().flatten().filter(wanted).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(probe) = probes.get(index) else { break };
                    let limit = find_one(server, settings, version, probe, &format!("{name}{index}"));
                    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    found.push(((version.level(), index), limit));
                }
            });
        }
    });
}

fn find_one(server: SocketAddr, settings: &Settings, version: Version, probe: &Probe, name: &str) -> Limit {
    let name = format!("{name}v{}", version.level());
    let network = Rc::new(Tcp::new(server));
    let context = Context::new(network, version, settings.patience, &name);
    // What is sent in search of a limit comes back.
    let context = context
        .within(settings.time_of_case())
        .bytes_max(wait::BYTES_MAX.max(settings.packet_bound.saturating_mul(2)));
    let bounds = Bounds { packet: settings.packet_bound };
    let (figure, found) = match (probe.run)(&context, bounds) {
        Ok(found) => (found.figure, found.how),
        Err(Stop::Failed(failure)) => {
            let (expected, came) = (failure.expected, failure.came);
            ("unknown".to_owned(), format!("the trial ended early: expected {expected}, came {came}"))
        }
        Err(Stop::NotApplicable(evidence)) => ("unknown".to_owned(), evidence),
    };
    Limit { version, what: probe.what, figure, found }
}
