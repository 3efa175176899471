//! A connection to the end under test that sends any bytes and says what it expects to come back.

mod expect;

use std::time::Duration;

use colibri_codec::Version;

use crate::Stop;
use crate::network::{Connection, Received, Sent};
use crate::raw::{Connack, Encode, Packet, hex, length, split, words};
use crate::transcript::{self, Transcript};
use crate::wait::{self, Stash, Wait};

/// What a connection brings next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet.
    Packet(Packet),
    /// The end of the connection.
    Closed,
    /// Nothing in the time that was given.
    Silence,
}

/// A connection to the server under test, or from the client under test.
#[derive(Debug)]
pub struct Peer {
    connection: Box<dyn Connection>,
    version: Version,
    patience: Duration,
    name: String,
    buffer: Vec<u8>,
    /// Packets that came while another was waited for.
    stash: Stash,
    transcript: Transcript,
    /// How many packets came.
    count: usize,
    /// How many bytes may come while one thing is waited for.
    bytes_max: usize,
    /// When the case has to be over, by the clock of the connection, and how long it may take.
    end: Option<(Duration, Duration)>,
    closed: bool,
    last_id: u16,
    fences: usize,
    connack: Connack,
}

impl Peer {
    pub(crate) fn new(
        connection: Box<dyn Connection>,
        version: Version,
        patience: Duration,
        name: &str,
    ) -> Self {
        Self {
            connection,
            version,
            patience,
            name: name.to_owned(),
            buffer: Vec::new(),
            stash: Stash::default(),
            transcript: Transcript::new(version),
            count: 0,
            bytes_max: wait::BYTES_MAX,
            end: None,
            closed: false,
            // Far from the identifiers that scripts choose.
            last_id: 40_000,
            fences: 0,
            connack: Connack::default(),
        }
    }

    /// The case that this peer belongs to has so much time left, of so much in all.
    pub(crate) fn until(mut self, left: Duration, all: Duration) -> Self {
        self.end = Some((self.connection.now() + left, all));
        self
    }

    /// So many bytes may come while one thing is waited for.
    pub(crate) fn bytes_max(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The CONNACK that [`Peer::expect_connack`] read.
    pub fn connack(&self) -> &Connack {
        &self.connack
    }

    /// Whether that CONNACK said Session Present 1.
    pub fn session_present(&self) -> bool {
        self.connack.flags & 1 == 1
    }

    /// A Packet Identifier that this peer has not used.
    pub fn next_id(&mut self) -> u16 {
        self.last_id += 1;
        self.last_id
    }

    /// Sends a packet or any bytes. A server that has closed the connection is noticed when reading.
    pub fn send(&mut self, packet: &(impl Encode + ?Sized)) -> Result<(), Stop> {
        let bytes = packet.encode(self.version);
        self.transcript.send(&bytes);
        match self.connection.send(&bytes) {
            Sent::Gone => Ok(()),
            Sent::Stuck => Err(self.fail("the server reads", format!("it did not in {:?}", self.patience))),
        }
    }

    /// A failure of this connection, with what went over it last.
    pub fn fail(&self, expected: impl Into<String>, came: impl Into<String>) -> Stop {
        Stop::failed(self.transcript.sent(), expected, came).with_received(self.transcript.received())
    }

    /// A failure because of a packet that came.
    pub fn fail_with(&self, expected: impl Into<String>, packet: &Packet) -> Stop {
        self.fail(expected, format!("{}: {}", words(packet), hex(&packet.bytes)))
    }

    fn fail_event(&self, expected: &str, event: &Event) -> Stop {
        match event {
            Event::Packet(packet) => self.fail_with(expected, packet),
            Event::Closed => self.fail(expected, "the end of the connection"),
            Event::Silence if self.buffer.is_empty() => {
                self.fail(expected, format!("nothing in {:?}", self.patience))
            }
            Event::Silence => self.fail(expected, transcript::part(&self.buffer)),
        }
    }

    /// Fails unless the condition holds.
    pub fn require(&self, holds: bool, expected: &str, came: impl Into<String>) -> Result<(), Stop> {
        if holds { Ok(()) } else { Err(self.fail(expected, came)) }
    }

    /// What comes next within this time.
    pub fn next_within(&mut self, time: Duration) -> Result<Event, Stop> {
        match self.stash.pop() {
            Some(packet) => Ok(Event::Packet(packet)),
            None => self.read_within(time),
        }
    }

    /// What comes next from the network.
    fn read_within(&mut self, time: Duration) -> Result<Event, Stop> {
        let until = self.connection.now() + time;
        // A busy machine may let the time pass before the first look.
        let mut left = time.max(Duration::from_millis(1));
        loop {
            self.require_time()?;
            if let Some(packet) = self.take_packet()? {
                return Ok(Event::Packet(packet));
            }
            if self.closed {
                return Ok(Event::Closed);
            }
            if left.is_zero() {
                return Ok(Event::Silence);
            }
            match self.connection.receive(left) {
                Received::Bytes(bytes) => self.buffer.extend_from_slice(&bytes),
                Received::Closed => self.closed = true,
                Received::Nothing => {}
            }
            left = until.saturating_sub(self.connection.now());
        }
    }

    /// Fails when the case has gone on for too long.
    fn require_time(&self) -> Result<(), Stop> {
        let over = self.end.filter(|(end, _)| self.connection.now() > *end);
        match over {
            Some((_, all)) => Err(self.fail(format!("the end of the case within {all:?}"), "it goes on")),
            None => Ok(()),
        }
    }

    /// Takes the first packet off the buffer, if it is whole.
    fn take_packet(&mut self) -> Result<Option<Packet>, Stop> {
        let no_packet = |fault| self.fail("a packet", format!("{fault}: {}", hex(&self.buffer)));
        if length(&self.buffer).map_err(no_packet)?.is_some_and(|size| size > self.bytes_max) {
            let came = format!("one that begins {}", hex(&self.buffer));
            return Err(self.fail(format!("packets of at most {} bytes", self.bytes_max), came));
        }
        let Some(packet) = split(&self.buffer, self.version).map_err(no_packet)? else { return Ok(None) };
        self.buffer.drain(..packet.bytes.len());
        self.transcript.receive(&packet.bytes);
        self.count += 1;
        if self.count > wait::CONNECTION_MAX {
            let most = format!("at most {} packets on one connection", wait::CONNECTION_MAX);
            return Err(self.fail_with(most, &packet));
        }
        Ok(Some(packet))
    }

    /// Begins to wait for this, for as long as an answer may take.
    pub fn wait_for(&self, what: impl Into<String>) -> Wait {
        self.wait_within(what, self.patience)
    }

    /// Begins to wait for this, for so long.
    pub fn wait_within(&self, what: impl Into<String>, time: Duration) -> Wait {
        Wait::new(what, self.connection.now(), time)
    }

    /// What comes next while this is waited for: silence at the end of its time, whatever came before.
    pub fn next_in(&mut self, wait: &mut Wait) -> Result<Event, Stop> {
        let event = self.next_within(wait.left(self.connection.now()))?;
        self.counted(wait, event)
    }

    fn counted(&self, wait: &mut Wait, event: Event) -> Result<Event, Stop> {
        if let Event::Packet(packet) = &event {
            wait.count(packet, self.bytes_max).map_err(|came| self.fail(wait.what(), came))?;
        }
        Ok(event)
    }

    /// The failure of a wait that ended like this.
    pub fn fail_wait(&self, wait: &Wait, event: &Event) -> Stop {
        match event {
            Event::Silence if self.buffer.is_empty() => self.fail(wait.what(), wait.in_vain()),
            Event::Silence | Event::Packet(_) | Event::Closed => self.fail_event(wait.what(), event),
        }
    }

    /// What comes next, within the time that an answer may take.
    pub fn next_event(&mut self) -> Result<Event, Stop> {
        self.next_within(self.patience)
    }

    /// What comes next, which is then still to come.
    pub fn peek(&mut self) -> Result<Event, Stop> {
        let event = self.next_event()?;
        if let Event::Packet(packet) = &event {
            self.stash.put_back(packet.clone());
        }
        Ok(event)
    }

    /// Closes the connection without a DISCONNECT, as a broken network would.
    pub fn cut(self) {
        drop(self);
    }

    /// Sends DISCONNECT and waits for the end of the connection.
    pub fn leave(self) -> Result<(), Stop> {
        self.leave_with(&crate::raw::disconnect())
    }

    /// Sends this DISCONNECT, ends the connection as a client has to [v5 MQTT-3.14.4-1], and waits until the
    /// server has done so too.
    pub fn leave_with(mut self, disconnect: &(impl Encode + ?Sized)) -> Result<(), Stop> {
        self.send(disconnect)?;
        self.connection.finish();
        self.expect_close(&[])
    }
}
