//! Starting a broker, stopping it, waiting for its end.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use colibri_protocol::Time;
use colibri_storage::{Store, StoreError};

use crate::config::{Config, SHARDS_MAX};
use crate::metrics::Metrics;
use crate::scribe::{Report, Scribe};
use crate::shard::inbox::{self, Inbox, Operation};
use crate::shard::{Next, Poller, Restored, Shard};

/// How long a shard may take to say what it has counted.
const METRICS_TIMEOUT: Duration = Duration::from_secs(1);

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    threads: Vec<JoinHandle<io::Result<()>>>,
    scribe: Option<Writing>,
    restored: Restored,
}

/// The thread that writes, and what it waits for.
#[derive(Debug)]
struct Writing {
    bell: Arc<Bell>,
    thread: JoinHandle<Result<(), StoreError>>,
}

/// Where a broker keeps what has to outlive it.
pub struct Storage {
    /// Sessions, their messages, retained messages.
    pub store: Box<dyn Store>,
    /// Told when the store cannot be written, and when it can again.
    pub report: Box<dyn FnMut(Report<'_>) + Send>,
}

/// What the scribe waits for.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<Rung>,
    change: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    rung: bool,
    /// Whether no shard is left that could ring.
    last: bool,
}

/// Stops a broker from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper {
    inboxes: Vec<Arc<Inbox>>,
}

/// Why a broker did not start.
#[derive(Debug)]
pub enum StartError {
    /// The number of shards is 0 or above [`SHARDS_MAX`].
    Shards(usize),
    /// There is no listener.
    NoListener,
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no poller or thread.
    System(io::Error),
    /// What is stored cannot be read.
    Store(StoreError),
}

impl Broker {
    /// Starts a broker that keeps everything in memory. Connections are accepted when this returns.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, None)
    }

    /// Starts a broker that keeps sessions and retained messages in a store, and begins with what that has.
    /// Connections are accepted when this returns.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running and nothing changed in the store.
    pub fn start_on(config: Config, storage: Storage) -> Result<Self, StartError> {
        Self::start_with(config, Some(storage))
    }

    fn start_with(config: Config, storage: Option<Storage>) -> Result<Self, StartError> {
        if config.shards == 0 || config.shards > SHARDS_MAX {
            return Err(StartError::Shards(config.shards));
        }
        if config.listeners.is_empty() {
            return Err(StartError::NoListener);
        }
        let mut pollers = Vec::new();
        let mut wakes: Vec<Box<dyn Fn() + Send + Sync>> = Vec::new();
        for _ in 0..config.shards {
            let (poller, wake) = Poller::new().map_err(StartError::System)?;
            pollers.push(poller);
            wakes.push(Box::new(move || wake.wake()));
        }
        // The first shard accepts for all: it reads CONNECT and hands the connection to its home.
        let mut addresses = Vec::new();
        if let Some(first) = pollers.first_mut() {
            for &address in &config.listeners {
                let explain = |source| StartError::Listen { address, source };
                addresses.push(first.listen(address).map_err(explain)?);
            }
        }
        let (mut shards, stopper) = Shard::all(&Arc::new(config), wakes, Time::default());
        let restored = Restored::default();
        let mut broker = Self { addresses, stopper, threads: Vec::new(), scribe: None, restored };
        let origin = Instant::now();
        if let Some(storage) = storage {
            broker.open(&mut shards, storage, origin)?;
        }
        for (number, (shard, poller)) in shards.into_iter().zip(pollers).enumerate() {
            let thread = thread::Builder::new().name(format!("shard-{number}"));
            let ending = Ending(broker.stopper());
            let work = move || {
                let _ending = ending;
                run(shard, poller, origin)
            };
            match thread.spawn(work) {
                Ok(thread) => broker.threads.push(thread),
                Err(error) => {
                    broker.stop();
                    return Err(StartError::System(error));
                }
            }
        }
        Ok(broker)
    }

    /// Puts back what is stored, and starts the thread that writes.
    fn open(&mut self, shards: &mut [Shard], storage: Storage, origin: Instant) -> Result<(), StartError> {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let epoch = u64::try_from(epoch).unwrap_or(u64::MAX);
        let bell = Arc::new(Bell::default());
        let ringer = Arc::clone(&bell);
        let wake = Box::new(move || ringer.ring(false));
        let Storage { store, report } = storage;
        let (scribe, restored) =
            Shard::restore_all(shards, store, epoch, wake, report).map_err(StartError::Store)?;
        let scribe = scribe.with_clock(Box::new(move || origin.elapsed()));
        self.restored = restored;
        let ending = Ending(self.stopper());
        let waiting = Arc::clone(&bell);
        let work = move || {
            let _ending = ending;
            write(scribe, &waiting, origin)
        };
        let thread =
            thread::Builder::new().name("scribe".to_owned()).spawn(work).map_err(StartError::System)?;
        self.scribe = Some(Writing { bell, thread });
        Ok(())
    }

    /// What all shards have counted by now; `None` if one of them does not answer within a second, as when
    /// the broker has stopped.
    ///
    /// Each shard answers at its next turn, so the parts are some microseconds apart.
    pub fn metrics(&self) -> Option<Metrics> {
        let (sender, answers) = mpsc::channel();
        for inbox in &self.stopper.inboxes {
            let operations = vec![Operation::Measure(sender.clone())];
            inbox.push(inbox::Batch { from: 0, operations });
        }
        let mut sum = Metrics::default();
        for _ in &self.stopper.inboxes {
            sum += answers.recv_timeout(METRICS_TIMEOUT).ok()?;
        }
        Some(sum)
    }

    /// What was found in the store at the start.
    pub const fn restored(&self) -> Restored {
        self.restored
    }

    /// Where connections are accepted, in the order of [`Config::listeners`].
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What stops this broker from anywhere, also from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Tells the broker to stop: 5.0 clients get DISCONNECT with Server shutting down (0x8B).
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Waits until the broker has stopped.
    ///
    /// # Errors
    /// What ended a shard that was not told to stop, or kept what is stored from being written.
    pub fn join(self) -> io::Result<()> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a shard has panicked")));
            if ended.is_err() {
                result = ended;
            }
        }
        if let Some(Writing { bell, thread }) = self.scribe {
            bell.ring(true);
            let written = thread.join().unwrap_or_else(|_| {
                Err(StoreError::Stopped { reason: "the thread that writes has panicked".to_owned() })
            });
            result = result.and_then(|()| written.map_err(|error| io::Error::other(unwritten(&error))));
        }
        result
    }
}

impl Bell {
    fn ring(&self, last: bool) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.rung = true;
        rung.last |= last;
        self.change.notify_one();
    }

    /// Waits until it rings, or for this time; says whether it was the last time.
    fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !rung.rung {
            match timeout {
                None => rung = self.change.wait(rung).unwrap_or_else(PoisonError::into_inner),
                Some(timeout) => {
                    (rung, _) =
                        self.change.wait_timeout(rung, timeout).unwrap_or_else(PoisonError::into_inner);
                    break;
                }
            }
        }
        rung.rung = false;
        rung.last
    }
}

/// Writes what the shards hand in until there are none.
fn write(mut scribe: Scribe, bell: &Bell, origin: Instant) -> Result<(), StoreError> {
    let mut timeout = None;
    while !bell.wait(timeout) {
        timeout = scribe.turn(now_since(origin));
    }
    scribe.finish(now_since(origin)).map(drop)
}

/// Why not all could be written at the end.
fn unwritten(error: &StoreError) -> String {
    match error {
        // "Make room" is no advice any more.
        StoreError::Full { path } => format!(
            "the disk of {} was full at the end: what was not synced is lost, which clients had been told of with \
             durability none or periodic only",
            path.display()
        ),
        other => other.to_string(),
    }
}

fn now_since(origin: Instant) -> Time {
    Time::from_millis(u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX))
}

impl Stopper {
    pub(crate) const fn new(inboxes: Vec<Arc<Inbox>>) -> Self {
        Self { inboxes }
    }

    /// As [`Broker::stop`].
    pub fn stop(&self) {
        self.inboxes.iter().for_each(|inbox| inbox.stop());
    }
}

/// Stops all shards when one ends, also when it panics: half a broker would lose messages without a word.
struct Ending(Stopper);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

fn run(mut shard: Shard, mut poller: Poller, origin: Instant) -> io::Result<()> {
    let mut ready = Vec::new();
    let mut next = Next::Wait(Some(Duration::ZERO));
    while let Next::Wait(timeout) = next {
        poller.wait(timeout, &mut ready)?;
        next = shard.step(now_since(origin), &ready, &mut poller);
        ready.clear();
    }
    Ok(())
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shards(count) => {
                write!(f, "the number of shards must be 1 to {SHARDS_MAX}, and is {count}")
            }
            Self::NoListener => f.write_str("there is no address to listen on"),
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::System(source) => write!(f, "the system does not let the broker start: {source}"),
            Self::Store(source) => source.fmt(f),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Shards(_) | Self::NoListener => None,
            Self::Listen { source, .. } | Self::System(source) => Some(source),
            Self::Store(source) => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_at_the_end_is_not_told_to_be_mended_by_room() {
        let told = unwritten(&StoreError::Full { path: "/data".into() });
        assert!(told.contains("/data was full at the end") && !told.contains("writing goes on"), "{told}");
        let other = StoreError::Stopped { reason: "as a disk might".into() };
        assert_eq!(unwritten(&other), other.to_string());
    }

    #[test]
    fn a_shard_that_panics_stops_the_others() {
        let config = Arc::new(Config::default());
        let (_, stopper) = Shard::all(&config, vec![Box::new(|| {}), Box::new(|| {})], Time::default());
        let ending = Ending(stopper.clone());
        let shard = thread::spawn(move || {
            let _ending = ending;
            panic!("as a shard might");
        });
        assert!(shard.join().is_err());
        assert!(stopper.inboxes.iter().all(|inbox| inbox.is_stopped()));
    }
}
