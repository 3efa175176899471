//! One thread of a run: its part of the connections, driven in turns.

mod connecting;
mod publishing;
mod receiving;

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use colibri_codec::{Disconnect, ReasonCode};
use colibri_protocol::Time;

use crate::latency::Latencies;
use crate::link::{Link, Stage};
use crate::plan::Plan;
use crate::poller::{Poller, Ready};
use crate::schedule::Schedule;
use crate::tally::{Counters, Lane, Phase, Tally, lock};

/// The smallest read buffer, in bytes: what a busy socket gives at once.
const BUFFER_MIN: usize = 256 << 10;
/// How often connections are looked at that nothing happens to, in nanoseconds.
const SWEEP: u64 = 250_000_000;
/// The longest wait. Bounds how late a thread sees that the phase has changed.
const WAIT_MAX: Duration = Duration::from_millis(5);
/// The shortest wait that the system's poller can do.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// One thread's part of a run.
pub(crate) struct Worker<'a> {
    plan: &'a Plan,
    tally: &'a Tally,
    lane: &'a Lane,
    poller: Poller,
    links: Vec<Link>,
    figures: Figures,
    /// The read buffer, and the largest packet that fits.
    buffer: Vec<u8>,
    largest: u32,
    /// Connections with something to write.
    touched: Vec<usize>,
    /// Connections whose socket has more to read.
    unread: Vec<usize>,
    /// The first connection that has not been begun, and how many are being opened.
    next_to_open: usize,
    opening: u32,
    /// The connections that publish, in the order of their streams.
    publishers: Vec<usize>,
    /// Publishers that may send although nothing became due.
    listed: Vec<usize>,
    /// When messages are due, once publishing has begun with a rate.
    schedule: Option<Schedule>,
    /// The sequence number and the place in `publishers` of the next message that becomes due.
    cursor: (u64, usize),
    publishing: bool,
    next_sweep: u64,
    sampled: u64,
}

/// What a thread has counted, and what it needs to judge a message.
pub(crate) struct Figures {
    counters: Counters,
    latencies: Latencies,
    connect_latencies: Latencies,
    lateness: Latencies,
    run: u8,
    /// What was due in between counts, in microseconds since 1970.
    from: u64,
    until: u64,
    /// Deliveries of one stream that the others have not been told yet.
    delivered: (u32, u64),
}

impl<'a> Worker<'a> {
    /// The `number`th thread of a run.
    pub(crate) fn new(
        plan: &'a Plan,
        tally: &'a Tally,
        lane: &'a Lane,
        number: u32,
        run: u8,
    ) -> Result<Self, WorkerError> {
        let mine = |count: u32| (number..count).step_by(plan.threads.max(1) as usize);
        let mut links: Vec<Link> = mine(plan.subscribers).map(|at| Link::subscriber(plan, at)).collect();
        let first_publisher = links.len();
        for at in mine(plan.publishers) {
            links.push(Link::publisher(plan, at).map_err(WorkerError::Plan)?);
        }
        let publishers = (first_publisher..links.len()).collect();
        links.extend(mine(plan.idle).map(|at| Link::idle(plan, at)));
        let buffer = vec![0; BUFFER_MIN.max(plan.payload * 2)];
        Ok(Self {
            plan,
            tally,
            lane,
            poller: Poller::new().map_err(WorkerError::System)?,
            links,
            figures: Figures {
                counters: Counters::default(),
                latencies: Latencies::new(),
                connect_latencies: Latencies::new(),
                lateness: Latencies::new(),
                run,
                from: u64::MAX,
                until: u64::MAX,
                delivered: (0, 0),
            },
            largest: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
            buffer,
            touched: Vec::new(),
            unread: Vec::new(),
            next_to_open: 0,
            opening: 0,
            publishers,
            listed: Vec::new(),
            schedule: None,
            cursor: (0, 0),
            publishing: false,
            next_sweep: SWEEP,
            sampled: 0,
        })
    }

    /// Works until the run is over.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            let now = self.tally.now();
            let phase = self.tally.phase();
            self.look_around(phase, now);
            let wait = match phase {
                Phase::Connecting => self.open_due(now),
                Phase::Publishing => self.publish_due(now),
                Phase::Draining => WAIT_MAX,
                Phase::Ending => break,
            };
            self.flush();
            self.lane.publish(self.figures.counters);
            let wait = if self.unread.is_empty() { wait } else { Duration::ZERO };
            self.poller.wait(wait, &mut ready)?;
            self.take_in(&mut ready);
            self.flush();
        }
        self.finish();
        Ok(())
    }

    /// What is done between two turns, whatever happens.
    fn look_around(&mut self, phase: Phase, now: u64) {
        if phase != Phase::Publishing && self.publishing {
            self.stop_publishing(now);
        }
        // What was sent is known to all before this is.
        self.lane.publish(self.figures.counters);
        self.lane.seen.store(phase as u8, Ordering::Release);
        self.figures.from = self.bound(&self.tally.measured_from);
        self.figures.until = self.bound(&self.tally.measured_until);
        let sample = self.tally.sample.load(Ordering::Acquire);
        if sample != self.sampled {
            self.sampled = sample;
            self.hand_over();
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep(now);
        }
    }

    /// A bound of the measurement in microseconds since 1970.
    fn bound(&self, nanos: &std::sync::atomic::AtomicU64) -> u64 {
        match nanos.load(Ordering::Acquire) {
            u64::MAX => u64::MAX,
            nanos => self.tally.micros_since_1970(nanos),
        }
    }

    /// Gives the histograms to whoever takes the samples.
    fn hand_over(&mut self) {
        lock(&self.lane.latencies).take_from(&mut self.figures.latencies);
        lock(&self.lane.connect_latencies).take_from(&mut self.figures.connect_latencies);
        lock(&self.lane.lateness).take_from(&mut self.figures.lateness);
    }

    /// Gives up what takes too long to open, and keeps the others alive.
    fn sweep(&mut self, now: u64) {
        let patience = u64::try_from(self.plan.connect_timeout.as_nanos()).unwrap_or(u64::MAX);
        let time = time(now);
        for index in 0..self.links.len() {
            let Some(link) = self.links.get_mut(index) else { continue };
            match link.stage {
                Stage::Opening if now.saturating_sub(link.opened) > patience => {
                    self.end(index, format!("no answer within {} s", self.plan.connect_timeout.as_secs()));
                }
                Stage::Ready => {
                    if let Err(violation) = link.connection.handle_timeout(time, &mut link.out) {
                        self.end(index, violation.to_string());
                    } else if link.backlog() > 0 {
                        self.touch(index);
                    }
                }
                Stage::Waiting | Stage::Opening | Stage::Ended => {}
            }
        }
    }

    fn take_in(&mut self, ready: &mut Vec<Ready>) {
        for index in std::mem::take(&mut self.unread) {
            self.read(index);
        }
        for event in ready.drain(..) {
            if event.writable {
                self.on_writable(event.socket);
            }
            if event.ended
                && let Some(link) = self.links.get_mut(event.socket)
            {
                link.hung_up = true;
            }
            if event.readable {
                self.read(event.socket);
            }
        }
        self.figures.tell(self.tally);
    }

    fn on_writable(&mut self, index: usize) {
        let Some(link) = self.links.get(index) else { return };
        match link.stage {
            Stage::Opening => {
                if let Some(error) = self.poller.error(index) {
                    return self.end(index, plain(&error));
                }
                self.touch(index);
            }
            Stage::Ready => {
                self.touch(index);
                self.list(index);
            }
            Stage::Waiting | Stage::Ended => {}
        }
    }

    fn touch(&mut self, index: usize) {
        if let Some(link) = self.links.get_mut(index)
            && !link.touched
        {
            link.touched = true;
            self.touched.push(index);
        }
    }

    /// Writes what there is, each connection once.
    fn flush(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for index in touched.drain(..) {
            if let Some(link) = self.links.get_mut(index) {
                link.touched = false;
            }
            if let Err(error) = self.write(index) {
                self.end(index, plain(&error));
            }
        }
        self.touched = touched;
    }

    fn write(&mut self, index: usize) -> io::Result<()> {
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        while let Some(rest) = link.out.get(link.written..).filter(|rest| !rest.is_empty()) {
            match self.poller.write(index, rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => link.written += length,
                // It will be writable again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It is not open yet.
                Err(error) if error.kind() == io::ErrorKind::NotConnected && link.stage == Stage::Opening => {
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        link.out.clear();
        link.written = 0;
        Ok(())
    }

    /// Ends a connection that has failed, and notes why.
    fn end(&mut self, index: usize, reason: String) {
        let Some(link) = self.links.get_mut(index) else { return };
        let was = link.stage;
        link.stage = Stage::Ended;
        // Nothing more comes of it: its memory is free for others.
        link.out = Vec::new();
        link.rest = Vec::new();
        link.written = 0;
        self.poller.close(index);
        match was {
            Stage::Waiting => self.figures.counters.failed += 1,
            Stage::Opening => {
                self.figures.counters.failed += 1;
                self.opening = self.opening.saturating_sub(1);
            }
            Stage::Ready => self.figures.counters.dropped += 1,
            Stage::Ended => return,
        }
        self.lane.failed(reason);
    }

    /// Takes leave of the server and counts what is missing.
    fn finish(&mut self) {
        let disconnect = Disconnect::new(ReasonCode::Success);
        for index in 0..self.links.len() {
            let Some(link) = self.links.get_mut(index) else { continue };
            if link.stage == Stage::Ready {
                link.connection.disconnect(&disconnect, &mut link.out);
                // Whether it arrives changes nothing any more.
                drop(self.write(index));
            }
            self.poller.close(index);
        }
        let lost = self.links.iter().map(|link| link.receiver.lost(&self.tally.sent)).sum();
        self.figures.counters.lost = lost;
        self.hand_over();
        self.lane.publish(self.figures.counters);
    }
}

/// Why a thread did not begin.
pub(crate) enum WorkerError {
    Plan(String),
    System(io::Error),
}

/// The clock of the protocol.
const fn time(now: u64) -> Time {
    Time::from_millis(now / 1_000_000)
}

/// What went wrong, without the system's number for it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
