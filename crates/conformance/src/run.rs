//! Runs the cases on a pool of threads, so that those that wait do so at the same time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use colibri_codec::Version;

use crate::case::Heading;
use crate::client::{Program, Stage};
use crate::raw::{Connect, Encode};
use crate::statements::statements;
use crate::tcp::Tcp;
use crate::{Case, Context, Failure, Report, all_cases, all_client_cases, limits, wait};

/// What is tested.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A server, to which the suite connects.
    Server(SocketAddr),
    /// A client, which the suite starts and whose server it is.
    Client(Program),
}

/// What is run, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is tested.
    pub subject: Subject,
    /// The versions. Default 3.1.1 and 5.0.
    pub versions: Vec<Version>,
    /// Only cases with this statement (`v5 MQTT-3.1.0-2`, `MQTT-3.1.0-2` or `3.1.0-2`), area, or name. Default
    /// all.
    pub filter: Option<String>,
    /// How long an answer may take. Default 5 s. Longer: slow servers pass. Shorter: a silent server is
    /// told sooner.
    pub patience: Duration,
    /// How long a case may take in all. Default a minute and a hundred times the patience. Longer: who keeps a
    /// case busy for ever does so for longer. Shorter: a slow server fails cases of many steps.
    pub case_time: Option<Duration>,
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
        Self::about(Subject::Server(address))
    }

    /// The defaults for the client that this program starts.
    pub fn for_client(program: Program) -> Self {
        Self::about(Subject::Client(program))
    }

    fn about(subject: Subject) -> Self {
        let versions = vec![Version::V3_1_1, Version::V5];
        Self {
            subject,
            versions,
            filter: None,
            patience: Duration::from_secs(5),
            case_time: None,
            threads: 48,
            limits: true,
            packet_bound: 16 << 20,
        }
    }

    /// Whether the filter lets no case through.
    pub fn is_empty(&self) -> bool {
        self.jobs().is_empty()
    }

    /// See [`Settings::case_time`].
    pub(crate) fn time_of_case(&self) -> Duration {
        self.case_time.unwrap_or_else(|| wait::case_time(self.patience))
    }

    /// Whether the filter lets a case through.
    fn wants(&self, heading: Heading, version: Version) -> bool {
        let Some(filter) = &self.filter else { return true };
        heading.name.eq_ignore_ascii_case(filter)
            || heading.ids_of(version).any(|id| {
                let short = id.split_once(' ').map_or(id, |(_, short)| short);
                let spellings = [id, short, short.trim_start_matches("MQTT-")];
                let area = statements().iter().find(|statement| statement.id == id).map(|found| found.area);
                spellings.iter().copied().chain(area).any(|spelling| spelling.eq_ignore_ascii_case(filter))
            })
    }

    fn jobs(&self) -> Vec<Job> {
        let both = |case: (Heading, Script)| self.versions.iter().map(move |version| (case, *version));
        let cases: Vec<(Heading, Script)> = match &self.subject {
            Subject::Server(_) => all_cases().map(|case| (case.heading(), Script::Server(case))).collect(),
            Subject::Client(_) => {
                all_client_cases().map(|case| (case.heading(), Script::Client(case))).collect()
            }
        };
        let jobs = cases.into_iter().flat_map(both);
        let jobs = jobs.map(|((heading, script), version)| Job { heading, script, version });
        let jobs = jobs.filter(|job| job.heading.ids_of(job.version).next().is_some());
        jobs.filter(|job| self.wants(job.heading, job.version)).collect()
    }
}

/// A case that is to run in a version.
#[derive(Clone, Copy, Debug)]
struct Job {
    heading: Heading,
    script: Script,
    version: Version,
}

/// A case of one end or the other.
#[derive(Clone, Copy, Debug)]
enum Script {
    Server(&'static Case),
    Client(&'static Case<Stage>),
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server or client does what the statements ask for.
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
    pub case: Heading,
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
/// A sentence, if the server does not take connections, the client cannot be started, or the filter lets no
/// case through.
pub fn run(settings: &Settings, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report, String> {
    let jobs = settings.jobs();
    if jobs.is_empty() {
        return Err(format!("no case is about {:?}", settings.filter.as_deref().unwrap_or_default()));
    }
    let server = match &settings.subject {
        Subject::Server(address) => {
            check_speaks_mqtt(*address, settings)?;
            Some(*address)
        }
        Subject::Client(program) => {
            program.check()?;
            None
        }
    };
    // A client has no limits that a statement speaks of.
    let limited = server.filter(|_| settings.limits);
    let started = Instant::now();
    let name = run_name();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes = Mutex::new(Vec::new());
    let light = std::thread::scope(|scope| {
        let limits = limited.map(|server| {
            let name = &name;
            scope.spawn(move || limits::find_light(server, settings, name))
        });
        for _ in 0..settings.threads.clamp(1, jobs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { break };
                    let outcome = run_job(*job, settings, &format!("{name}x{index}"));
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
    let heavy = limited.map(|server| limits::find_heavy(server, settings, &name)).unwrap_or_default();
    let limits = heavy.into_iter().chain(light).collect();
    let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    Ok(Report::new(settings, outcomes, limits, started.elapsed()))
}

fn run_job(job: Job, settings: &Settings, name: &str) -> Outcome {
    let Job { heading, script, version } = job;
    let patience = settings.patience;
    let started = Instant::now();
    let verdict = match (&settings.subject, script) {
        (Subject::Server(address), Script::Server(case)) => {
            let context = Context::new(Rc::new(Tcp::new(*address)), version, patience, name);
            case.judge(&context.within(settings.time_of_case()))
        }
        (Subject::Client(program), Script::Client(case)) => {
            let stage = Stage::new(program.clone(), version, patience, settings.time_of_case());
            stage.with_commands(case.judge(&stage))
        }
        (Subject::Server(_), Script::Client(_)) | (Subject::Client(_), Script::Server(_)) => {
            Verdict::NotApplicable("the case is about the other end".to_owned())
        }
    };
    Outcome { case: heading, version, verdict, time: started.elapsed() }
}

/// Checks that somebody there answers CONNECT with CONNACK, in one of the versions at least: cases that await
/// the end of a connection would be content with whoever closes every one.
fn check_speaks_mqtt(address: SocketAddr, settings: &Settings) -> Result<(), String> {
    let mut came = Vec::new();
    for version in &settings.versions {
        let stream = TcpStream::connect_timeout(&address, settings.patience);
        let mut stream = stream.map_err(|error| format!("{address} takes no connection: {error}"))?;
        let connect = Connect::new(format!("{}pre", run_name())).encode(*version);
        let mut first = [0];
        let asked = stream
            .set_read_timeout(Some(settings.patience))
            .and_then(|()| stream.write_all(&connect))
            .and_then(|()| stream.read(&mut first));
        came.push(match asked {
            Ok(1) if first == [0x20] => return Ok(()),
            Ok(0) => "it closed the connection".to_owned(),
            Ok(_) => format!("the first byte was {:02X}", first[0]),
            Err(error) => error.to_string(),
        });
    }
    came.dedup();
    let came = came.join("; ");
    Err(format!("{address} does not answer CONNECT with CONNACK, so it is no MQTT server: {came}"))
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
