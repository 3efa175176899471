//! What a case is given: the way to the server, the version, and names that nobody else uses.

use std::rc::Rc;
use std::time::Duration;

use colibri_codec::Version;

use crate::network::Network;
use crate::raw::property::{four, id};
use crate::raw::{Connect, Kind, Packet};
use crate::{Peer, Stop, wait};

/// The shortest Keep Alive of a client that is not to be dropped, in seconds: the longest time in which a case
/// lets all its clients be silent is 15 s, and a server waits for half as long again.
const KEEP_ALIVE_MIN: u64 = 20;

/// What a case is given.
#[derive(Clone, Debug)]
pub struct Context {
    network: Rc<dyn Network>,
    version: Version,
    patience: Duration,
    /// Differs for every run and every case.
    name: String,
    /// When the case has to be over, by the clock of the network, and how long it may take.
    end: (Duration, Duration),
    /// How many bytes may come while one thing is waited for.
    bytes_max: usize,
}

impl Context {
    /// What one run of one case gets. `name` is letters and digits, at most 15, that no other run of a case
    /// against the same server has. The case has a minute and a hundred times `patience`, which
    /// [`Context::within`] changes.
    pub fn new(network: Rc<dyn Network>, version: Version, patience: Duration, name: &str) -> Self {
        let (name, bytes_max) = (name.to_owned(), wait::BYTES_MAX);
        let end = (Duration::ZERO, Duration::ZERO);
        Self { network, version, patience, name, end, bytes_max }.within(wait::case_time(patience))
    }

    /// From now the case may take so long; then it fails.
    pub fn within(mut self, time: Duration) -> Self {
        self.end = (self.network.now() + time, time);
        self
    }

    /// The server may send so many bytes while one thing is waited for.
    pub(crate) fn bytes_max(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The version under test.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether that is 5.0.
    pub fn v5(&self) -> bool {
        self.version == Version::V5
    }

    /// How long an answer may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// A Client Identifier of letters and digits, at most 23 of them if `role` has at most 8.
    pub fn client_id(&self, role: &str) -> String {
        format!("{}{role}", self.name)
    }

    /// A topic name or filter below a level of this case's own.
    pub fn topic(&self, rest: &str) -> String {
        format!("conformance/{}/{rest}", self.name)
    }

    /// A CONNECT for a session that ends with its connection. Its Keep Alive is short, since 3.1.1 has no way
    /// for a server to ask for a shorter one than it takes, and long enough for a client that only waits.
    pub fn hello(&self, role: &str) -> Connect {
        let seconds = self.patience.as_secs().saturating_mul(6).max(KEEP_ALIVE_MIN);
        let keep_alive = u16::try_from(seconds).unwrap_or(u16::MAX);
        Connect::new(self.client_id(role)).keep_alive(keep_alive)
    }

    /// A CONNECT for a session that stays for two minutes (for ever in 3.1.1), new or not.
    pub fn staying(&self, role: &str) -> Connect {
        let connect = self.hello(role).resuming();
        if self.v5() { connect.property(four(id::SESSION_EXPIRY, 120)) } else { connect }
    }

    /// A connection on which nothing was sent.
    pub fn open(&self) -> Result<Peer, Stop> {
        let (end, all) = self.end;
        let left = end.saturating_sub(self.network.now());
        if left.is_zero() {
            let expected = format!("the end of the case within {all:?}");
            return Err(Stop::failed("nothing", expected, "it goes on with another connection"));
        }
        let connection = self.network.connect(self.patience);
        let connection = connection.map_err(|came| Stop::failed("nothing", "a connection", came))?;
        let peer = Peer::new(connection, self.version, self.patience, &self.name);
        Ok(peer.until(left, all).bytes_max(self.bytes_max))
    }

    /// A connection that the server accepts; its CONNACK is in [`Peer::connack`].
    pub fn accept(&self, connect: &Connect) -> Result<Peer, Stop> {
        let mut peer = self.open()?;
        peer.send(connect)?;
        peer.expect_connack()?;
        Ok(peer)
    }

    /// An accepted connection with a session that ends with it.
    pub fn peer(&self, role: &str) -> Result<Peer, Stop> {
        self.accept(&self.hello(role))
    }

    /// The time since some moment before the case, by the clock that the server goes by.
    pub fn now(&self) -> Duration {
        self.network.now()
    }

    /// Lets time pass that the statement itself speaks of: an expiry, a delay. A server over TCP has its own
    /// clock, so there is none to drain; nothing else may be waited for in this way.
    pub fn wait(&self, time: Duration) {
        self.network.wait(time);
    }

    /// How late the server may do what falls due.
    pub fn slack(&self) -> Duration {
        self.network.slack()
    }

    /// What `subscriber` gets before a message that `publisher` now sends to it, which therefore comes last.
    pub fn drain(&self, publisher: &mut Peer, subscriber: &mut Peer) -> Result<Vec<Packet>, Stop> {
        let (topic, payload) = subscriber.raise_fence()?;
        publisher.send(&crate::raw::Publish::new(topic, &payload))?;
        subscriber.collect_until(&payload)
    }

    /// As [`Context::drain`], but waits for at least so many messages: the order of messages on different
    /// topics is not given, so that the fence may overtake them. Fewer come only if patience ends.
    pub fn drain_messages(
        &self,
        publisher: &mut Peer,
        subscriber: &mut Peer,
        least: usize,
    ) -> Result<Vec<Packet>, Stop> {
        let mut packets = self.drain(publisher, subscriber)?;
        let publishes = packets.iter().filter(|packet| packet.kind() == Kind::Publish).count();
        for _ in publishes..least {
            if !subscriber.take_up_to_publish(&mut packets)? {
                break;
            }
        }
        Ok(packets)
    }
}
