//! One exploration: threads that bend and run inputs, and a main thread that counts and watches for hangs.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use colibri_fuzz::crash::{self, Crash};
use colibri_fuzz::mutate::Mutator;
use colibri_fuzz::{Target, seeds, trace};

/// How many executions lie between two looks at the clock.
const EXECUTIONS_PER_LOOK: u64 = 64;
/// An execution that takes longer hangs: they take microseconds.
const HANG: Duration = Duration::from_secs(20);
/// How many inputs a thread keeps at most because they did something new.
const POOL_MAX: usize = 20_000;
/// The last so many of those are bent as often as all others together.
const RECENT: usize = 64;

/// How to explore.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// After so many seconds it ends.
    pub(crate) seconds: u64,
    /// After so many executions of all threads it ends, whatever the time.
    pub(crate) executions: u64,
    /// Where the random numbers begin.
    pub(crate) seed: u64,
    /// How many threads.
    pub(crate) jobs: u64,
    /// A folder with more inputs to begin with, such as the corpus of libFuzzer.
    pub(crate) corpus: Option<PathBuf>,
    /// Instead of exploring, runs this one input and shows what happens.
    pub(crate) input: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seconds: 60, executions: u64::MAX, seed: 1, jobs: 1, corpus: None, input: None }
    }
}

/// What a thread and the watch over it share.
#[derive(Debug, Default)]
struct Shared {
    executions: AtomicU64,
    /// What is being run.
    input: Mutex<Vec<u8>>,
}

/// What a thread has to say.
enum News {
    Crash(Vec<u8>, Crash),
    Done { features: usize, pool: usize },
}

/// Explores a target; how many different crashes were found.
pub(crate) fn run(target: &'static Target, plan: &Plan) -> Result<usize, String> {
    if let Some(path) = &plan.input {
        trace::show();
        let input = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        (target.run)(&input);
        return Ok(0);
    }
    crash::quiet();
    let mut first = seeds::of(target)?;
    if let Some(corpus) = &plan.corpus {
        first.extend(seeds::folder(corpus)?.into_iter().map(|(_, bytes)| bytes));
    }
    let (sender, news) = channel();
    let start = Instant::now();
    let mut shared = Vec::new();
    for job in 0..plan.jobs {
        let share = Arc::new(Shared::default());
        shared.push(Arc::clone(&share));
        let (sender, first, plan) = (sender.clone(), first.clone(), plan.clone());
        thread::spawn(move || work(target, &plan, job, first, &share, &sender));
    }
    drop(sender);
    let (crashes, features, pool) = watch(target, &news, &shared)?;
    let executions: u64 = shared.iter().map(|share| share.executions.load(Ordering::Relaxed)).sum();
    println!(
        "{}: {executions} executions in {:.1} s, seed {}, {features} features, {pool} inputs kept, {crashes} crashes",
        target.name,
        start.elapsed().as_secs_f64(),
        plan.seed,
    );
    Ok(crashes)
}

/// Takes in what the threads say until the last is done; ends the process when one hangs.
fn watch(
    target: &Target,
    news: &Receiver<News>,
    shared: &[Arc<Shared>],
) -> Result<(usize, usize, usize), String> {
    let mut places = HashSet::new();
    let (mut features, mut pool) = (0, 0);
    let mut seen: Vec<(u64, Instant)> = shared.iter().map(|_| (0, Instant::now())).collect();
    loop {
        match news.recv_timeout(Duration::from_secs(1)) {
            Ok(News::Crash(input, crash)) if places.insert(crash.place.clone()) => {
                println!("{}: {} {}", target.name, crash.place, crash.message);
                let small = crash::minimize(target, &input, &crash);
                let path = save(target, &crash.place, &small).map_err(|error| error.to_string())?;
                println!("{}: {} bytes, saved as {}", target.name, small.len(), path.display());
            }
            Ok(News::Crash(..)) => {}
            Ok(News::Done { features: more, pool: kept }) => {
                features = features.max(more);
                pool += kept;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok((places.len(), features, pool)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        for (share, (executions, since)) in shared.iter().zip(&mut seen) {
            let now = share.executions.load(Ordering::Relaxed);
            if now != *executions || Arc::strong_count(share) == 1 {
                (*executions, *since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                let input = share.input.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let path = save(target, "hang", &input).map_err(|error| error.to_string())?;
                return Err(format!("an execution hangs; its input is {}", path.display()));
            }
        }
    }
}

/// One thread: bends, runs, keeps what is new.
fn work(
    target: &'static Target,
    plan: &Plan,
    job: u64,
    first: Vec<Vec<u8>>,
    shared: &Shared,
    sender: &Sender<News>,
) {
    trace::listen();
    let mut mutator =
        Mutator::new(target.kind, plan.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(job));
    let mut features = HashSet::new();
    let mut pool = first;
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let most = plan.executions / plan.jobs;
    let mut input = Vec::new();
    let begun = pool.len();
    for count in 0.. {
        if count == most || (count % EXECUTIONS_PER_LOOK == 0 && Instant::now() >= end) {
            break;
        }
        match usize::try_from(count) {
            // The seeds themselves come first.
            Ok(at) if at < begun => input.clone_from(&pool[at]),
            Ok(_) | Err(_) => {
                let recent = mutator.below(2) == 0;
                let from = if recent { pool.len().saturating_sub(RECENT) } else { 0 };
                let parent = from + mutator.below(pool.len() - from);
                let other = mutator.below(pool.len());
                mutator.bend(&pool[parent], &pool[other], &mut input);
            }
        }
        shared.input.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&input);
        if let Some(crash) = crash::run(target, &input)
            && sender.send(News::Crash(input.clone(), crash)).is_err()
        {
            break;
        }
        shared.executions.fetch_add(1, Ordering::Relaxed);
        let mut is_new = false;
        trace::take(|feature| is_new |= features.insert(feature));
        if is_new && pool.len() < begun + POOL_MAX {
            pool.push(input.clone());
        }
    }
    let done = News::Done { features: features.len(), pool: pool.len() - begun };
    // Nobody listens any more only when the process ends.
    drop(sender.send(done));
}

/// Saves an input that crashed, under the name of the place where it did.
fn save(target: &Target, place: &str, input: &[u8]) -> io::Result<PathBuf> {
    let folder = seeds::crashes(target);
    fs::create_dir_all(&folder)?;
    let name: String =
        place.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    let path = folder.join(name.trim_start_matches('-'));
    fs::write(&path, input)?;
    Ok(path)
}
