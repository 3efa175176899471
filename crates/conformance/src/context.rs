//! What a case is given: the server's address, the version, and names that nobody else uses.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use colibri_codec::Version;

use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Connect, Kind, Packet};
use crate::{Peer, Stop};

/// What a case is given.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) address: SocketAddr,
    pub(crate) version: Version,
    pub(crate) patience: Duration,
    /// Differs for every run and every case.
    pub(crate) name: String,
}

impl Context {
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

    /// A CONNECT for a session that ends with its connection.
    pub fn hello(&self, role: &str) -> Connect {
        Connect::new(self.client_id(role))
    }

    /// A CONNECT for a session that stays for two minutes (for ever in 3.1.1), new or not.
    pub fn staying(&self, role: &str) -> Connect {
        let connect = self.hello(role).resuming();
        if self.v5() { connect.property(four(id::SESSION_EXPIRY, 120)) } else { connect }
    }

    /// A TCP connection on which nothing was sent.
    pub fn open(&self) -> Result<Peer, Stop> {
        let stream = TcpStream::connect_timeout(&self.address, self.patience);
        let stream = stream.map_err(|error| {
            Stop::failed("a TCP connection", format!("{} takes it", self.address), error.to_string())
        })?;
        Peer::new(stream, self.version, self.patience, &self.name)
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

    /// Lets time pass that the statement itself speaks of: an expiry, a delay. A server over TCP has its own
    /// clock, so there is none to drain; nothing else may be waited for in this way.
    pub fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
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
        while packets.iter().filter(|packet| packet.kind() == Kind::Publish).count() < least {
            match subscriber.next_event()? {
                Event::Packet(packet) => packets.push(packet),
                Event::Closed | Event::Silence => break,
            }
        }
        Ok(packets)
    }
}
