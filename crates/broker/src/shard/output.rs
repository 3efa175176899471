//! Writing to clients: once per connection and turn, from buffers that are lent while needed.

use std::io;
use std::mem;
use std::time::Duration;

use colibri_protocol::{Sent, State};

use super::connections::Client;
use super::socket::Sockets;
use super::timers::Timer;
use super::{READ_BUFFER_SIZE, Shard};

/// Buffers that grew beyond this are given back to the system, in bytes.
const SPARE_SIZE_MAX: usize = 256 << 10;
/// How many buffers are kept for the next turn. Chosen so that a fan-out to some hundred receivers finds
/// its buffers again, and that they hold a few megabytes at most when they were used for small packets.
const SPARE_COUNT_MAX: usize = 1024;
/// All spare buffers together, in bytes.
const SPARE_TOTAL_MAX: usize = 8 << 20;
/// How long a client gets to read why it is disconnected before its socket is closed.
const LINGER: Duration = Duration::from_secs(1);
/// The same when the broker stops: most clients read at once, and nobody waits for the others for long.
const LINGER_WHEN_STOPPING: Duration = Duration::from_millis(200);
/// Output of one connection beyond this is written before more is read, so that a burst does not count
/// as slowness of its receiver.
pub(crate) const OVERFULL: usize = READ_BUFFER_SIZE / 2;

/// Buffers that are not in use.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    pub(crate) fn take_back(&mut self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        let fits = self.buffers.len() < SPARE_COUNT_MAX && self.bytes + size <= SPARE_TOTAL_MAX;
        if size > 0 && size <= SPARE_SIZE_MAX && fits {
            buffer.clear();
            self.bytes += size;
            self.buffers.push(buffer);
        }
    }
}

impl Shard {
    /// Notes that a connection has something to write or to be pumped.
    #[inline]
    pub(crate) fn touch(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        if !mem::replace(&mut client.flags.touched, true) {
            self.touched.push(number);
        }
        if client.output.len() > OVERFULL
            && !client.flags.blocked
            && !mem::replace(&mut client.flags.overfull, true)
        {
            self.overfull.push(number);
        }
    }

    /// Writes what is too much to wait for the end of the turn.
    pub(crate) fn flush_overfull(&mut self, sockets: &mut dyn Sockets) {
        if self.overfull.is_empty() {
            return;
        }
        self.hand_in_turn();
        let mut overfull = mem::take(&mut self.overfull);
        for number in overfull.drain(..) {
            if let Some(client) = self.connections.get_mut(number) {
                client.flags.overfull = false;
                self.write(number, sockets);
            }
        }
        overfull.append(&mut self.overfull);
        self.overfull = overfull;
    }

    /// Writes what the turn has for clients, and closes what is to be closed.
    pub(crate) fn flush_touched(&mut self, sockets: &mut dyn Sockets) {
        let mut touched = mem::take(&mut self.touched);
        for number in touched.drain(..) {
            if let Some(client) = self.connections.get_mut(number) {
                client.flags.touched = false;
                self.note_busy(number);
                self.write(number, sockets);
            }
        }
        // What is touched again while writing (a connection that broke publishes its will) comes first
        // in the next turn, which begins at once.
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    /// Writes what a connection has in its output before the turn is over, so that its buffer serves the next
    /// one. What comes of it, good or bad, is dealt with at the end of the turn.
    pub(crate) fn write_early(&mut self, number: u32, sockets: &mut dyn Sockets) {
        let Some(client) = self.connections.get_mut(number) else { return };
        if client.flags.blocked || client.flags.closing || client.written > 0 || client.output.is_empty() {
            return;
        }
        let Ok(count) = sockets.write(number, &client.output) else { return };
        self.metrics.bytes_sent += count as u64;
        if count == client.output.len() {
            self.spare.take_back(mem::take(&mut client.output));
        } else {
            client.written = count;
        }
    }

    fn write(&mut self, number: u32, sockets: &mut dyn Sockets) {
        self.advance_replays(number);
        self.write_all(number, sockets);
        self.count_queue_of(number);
        if self.has_replay_to_begin(number) {
            self.touch(number);
        }
    }

    fn write_all(&mut self, number: u32, sockets: &mut dyn Sockets) {
        loop {
            self.pump(number);
            let Some(client) = self.connections.get_mut(number) else { return };
            let outcome = write_out(client, number, sockets);
            self.metrics.bytes_sent += outcome.written as u64;
            match outcome.result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.flags.blocked = true,
                Err(_) => return self.drop_connection(number, sockets),
            }
            if client.flags.closing {
                return self.finish(number, sockets);
            }
            if client.pending() > 0 {
                return;
            }
            client.written = 0;
            let buffer = mem::take(&mut client.output);
            let resume_reading = mem::take(&mut client.flags.paused);
            let more_waits = client.protocol.state() == State::Open && client.protocol.has_backlog();
            client.flags.replaying &= more_waits;
            self.spare.take_back(buffer);
            if resume_reading {
                self.read_again(number);
            }
            if !more_waits || outcome.written == 0 {
                return;
            }
        }
    }

    /// Closes a connection, or first gives its client the time to read what it was told last.
    fn finish(&mut self, number: u32, sockets: &mut dyn Sockets) {
        let Some(client) = self.connections.get_mut(number) else { return };
        // What the client does not take while it is written to, it will not take later.
        if !client.flags.lingers || client.flags.ended || client.pending() > 0 {
            return self.drop_connection(number, sockets);
        }
        if mem::replace(&mut client.flags.lingering, true) {
            return;
        }
        let birth = client.birth;
        sockets.finish(number);
        let linger = if self.stopping { LINGER_WHEN_STOPPING } else { LINGER };
        self.timers.set(self.now + linger, Timer::Linger { connection: number, birth });
        self.read_again(number);
    }

    /// Moves what waits for a connection into its output, as far as the budget and the client go.
    fn pump(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        // What is held up for an answer comes behind it.
        if client.pending.is_some() || client.protocol.state() != State::Open || client.flags.sealed {
            return;
        }
        if client.flags.durable {
            return self.pump_recorded(number);
        }
        if !client.protocol.has_backlog() {
            return;
        }
        let room = self.config.output_budget.saturating_sub(client.pending());
        if room == 0 {
            return;
        }
        if client.output.capacity() == 0 {
            client.output = self.spare.lend();
        }
        let (mut expired, mut too_large) = (0, 0);
        let waiting = client.protocol.session().waiting() as u64;
        client.protocol.pump(room, self.now, &mut client.output, |_, sent| match sent {
            Sent::Expired => expired += 1,
            Sent::TooLarge | Sent::NotSupported => too_large += 1,
            Sent::Written(_) | Sent::Wait => {}
        });
        let gone = waiting.saturating_sub(client.protocol.session().waiting() as u64);
        self.metrics.publishes_sent += gone.saturating_sub(expired + too_large);
        self.metrics.dropped_expired += expired;
        self.metrics.dropped_too_large += too_large;
    }

    /// Frees a connection whose end has been dealt with, or that broke while it was written to.
    pub(crate) fn drop_connection(&mut self, number: u32, sockets: &mut dyn Sockets) {
        self.lose_connection(number);
        sockets.close(number);
        if let Some(client) = self.connections.remove(number) {
            let Client { output, partial, .. } = *client;
            self.spare.take_back(output);
            self.spare.take_back(partial);
        }
    }
}

struct WriteOutcome {
    written: usize,
    result: io::Result<()>,
}

fn write_out(client: &mut Client, number: u32, sockets: &mut dyn Sockets) -> WriteOutcome {
    let mut total = 0;
    let result = loop {
        let Some(bytes) = client.output.get(client.written..).filter(|bytes| !bytes.is_empty()) else {
            break Ok(());
        };
        if client.flags.blocked {
            break Err(io::ErrorKind::WouldBlock.into());
        }
        match sockets.write(number, bytes) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                client.written += count;
                total += count;
                if count < bytes.len() {
                    // The socket's buffer is full, and readiness comes at its edge.
                    break Err(io::ErrorKind::WouldBlock.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    // What is written is given up once it is the larger part, so that moving costs less than writing did.
    if client.written > client.output.len() / 2 && client.written > 0 {
        client.output.drain(..client.written);
        client.written = 0;
    }
    WriteOutcome { written: total, result }
}
