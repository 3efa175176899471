//! Starting a broker, stopping it, waiting for its end.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use colibri_protocol::Time;

use crate::config::{Config, SHARDS_MAX};
use crate::shard::inbox::Inbox;
use crate::shard::{Next, Poller, Shard};

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    addresses: Vec<SocketAddr>,
    stopper: Stopper,
    threads: Vec<JoinHandle<io::Result<()>>>,
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
}

impl Broker {
    /// Starts a broker. Connections are accepted when this returns.
    ///
    /// # Errors
    /// [`StartError`], with nothing left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
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
        let (shards, stopper) = Shard::all(&Arc::new(config), wakes, Time::default());
        let mut broker = Self { addresses, stopper, threads: Vec::new() };
        let origin = Instant::now();
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
    /// What ended a shard that was not told to stop.
    pub fn join(self) -> io::Result<()> {
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a shard has panicked")));
            if ended.is_err() {
                result = ended;
            }
        }
        result
    }
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

fn run(mut shard: Shard, mut poller: Poller, origin: Instant) -> io::Result<()> {
    let mut ready = Vec::new();
    let mut next = Next::Wait(Some(std::time::Duration::ZERO));
    while let Next::Wait(timeout) = next {
        poller.wait(timeout, &mut ready)?;
        let now = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        next = shard.step(Time::from_millis(now), &ready, &mut poller);
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
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Shards(_) | Self::NoListener => None,
            Self::Listen { source, .. } | Self::System(source) => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
