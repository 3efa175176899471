//! Reading sockets: once per turn, all whole packets, the rest kept for the next time.

use std::io;
use std::mem;
use std::time::Duration;

use colibri_codec::{Frame, PacketType, Split};
use colibri_protocol::{State, Violation};

use super::gate::GATE_BYTES_MAX;
use super::socket::Sockets;
use super::timers::Timer;
use super::{PAUSE_FACTOR, READ_BUFFER_SIZE, Shard};

/// How long a client is not read that was refused something because the store takes nothing. A tenth of the
/// time after which the store is tried again.
const REST: Duration = Duration::from_millis(100);

impl Shard {
    /// Reads a socket once, and deals with all whole packets.
    pub(crate) fn read(&mut self, number: u32, sockets: &mut dyn Sockets) {
        let limit = self.config.output_budget.saturating_mul(PAUSE_FACTOR);
        let Some(client) = self.connections.get_mut(number) else { return };
        client.flags.more = false;
        if client.flags.closing {
            return self.discard(number, sockets);
        }
        if client.pending.is_some() || client.flags.adopted {
            // It is read again when the answers have come, or when what it brought has been dealt with.
            return;
        }
        if client.pending() > limit {
            // Who does not read its answers is not asked anything more until it does.
            client.flags.paused = true;
            return;
        }
        if client.gate.as_ref().is_some_and(|gate| gate.len() >= GATE_BYTES_MAX) {
            // Nor is one asked whose answers the store is behind with.
            client.flags.gate_full = true;
            return;
        }
        if client.flags.resting {
            return;
        }
        let birth = client.birth;
        let mut buffer = mem::take(&mut self.read_buffer);
        let partial = mem::take(&mut client.partial);
        let kept = if partial.len() < READ_BUFFER_SIZE / 2 { partial.len() } else { 0 };
        let (head, room) = buffer.split_at_mut(kept);
        head.copy_from_slice(partial.get(..kept).unwrap_or_default());
        let result = sockets.read(number, room);
        let filled = matches!(&result, Ok(count) if *count == room.len());
        if let Ok(count @ 1..) = result {
            self.metrics.bytes_received += count as u64;
            self.note_busy(number);
            // What another shard did before the client sent this comes first. It may have ended this
            // connection, and its number may be that of another one by now.
            self.take_inbox(sockets);
            let input = buffer.get(..kept + count).unwrap_or_default();
            if self.connections.born(number, birth).is_none() {
                self.spare.take_back(partial);
            } else if kept == partial.len() {
                self.spare.take_back(partial);
                self.take_in(number, input, sockets);
            } else {
                self.take_in_large(number, partial, input, sockets);
            }
            let ended = self.connections.get(number).is_some_and(|client| client.flags.ended);
            if filled || ended {
                self.read_again(number);
            }
        } else if let Some(client) = self.connections.get_mut(number) {
            client.partial = partial;
        }
        self.read_buffer = buffer;
        match result {
            Ok(0) => self.drop_connection(number, sockets),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.read_again(number),
            Err(_) => self.drop_connection(number, sockets),
        }
    }

    /// Does not read a client for a moment: it was refused a message because the store takes nothing, and
    /// would otherwise learn that again as often as it can ask.
    #[cold]
    pub(crate) fn rest(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        if !mem::replace(&mut client.flags.resting, true) {
            let timer = Timer::Rest { connection: number, birth: client.birth };
            self.timers.set(self.now + REST, timer);
        }
    }

    /// Reads a client again.
    pub(crate) fn end_rest(&mut self, number: u32, birth: u32) {
        if let Some(client) = self.connections.born(number, birth) {
            client.flags.resting = false;
            self.read_again(number);
        }
    }

    /// Throws away what a client sends that has been told that its connection ends.
    fn discard(&mut self, number: u32, sockets: &mut dyn Sockets) {
        let Some(flags) = self.connections.get(number).map(|client| client.flags) else { return };
        if !flags.lingering {
            return;
        }
        match sockets.read(number, &mut self.read_buffer) {
            Ok(0) => self.drop_connection(number, sockets),
            Ok(count) if count == self.read_buffer.len() || flags.ended => self.read_again(number),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.read_again(number),
            Err(_) => self.drop_connection(number, sockets),
        }
    }

    /// Deals with all whole packets in `input` and keeps the rest.
    pub(crate) fn take_in(&mut self, number: u32, input: &[u8], sockets: &mut dyn Sockets) {
        let used = self.process(number, input, sockets);
        let rest = input.get(used..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        let mut buffer = self.spare.lend();
        buffer.extend_from_slice(rest);
        match self.connections.get_mut(number) {
            Some(client) => client.partial = buffer,
            None => self.spare.take_back(buffer),
        }
    }

    /// The same for a packet that is too large for the read buffer: it is gathered first.
    fn take_in_large(&mut self, number: u32, mut gathered: Vec<u8>, input: &[u8], sockets: &mut dyn Sockets) {
        gathered.extend_from_slice(input);
        let Some(client) = self.connections.get_mut(number) else { return };
        if gathered.len() < client.needed {
            client.partial = gathered;
        } else {
            self.take_in(number, &gathered, sockets);
        }
    }

    /// Deals with the whole packets at the front of `input`; says how many bytes they were.
    fn process(&mut self, number: u32, input: &[u8], sockets: &mut dyn Sockets) -> usize {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let Some(client) = self.connections.get_mut(number) else { return input.len() };
            // [v5 MQTT-3.1.4-6] [v3.1.1 MQTT-3.1.4-5]
            if client.flags.closing {
                return input.len();
            }
            if client.pending.is_some() {
                self.give_back_output(number);
                return used;
            }
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            let awaiting_connect = client.protocol.state() == State::AwaitingConnect;
            let maximum = if awaiting_connect {
                self.config.connect_size_maximum.get()
            } else {
                client.protocol.limits().maximum_packet_size.get()
            };
            if awaiting_connect
                && rest.first().is_some_and(|first| first >> 4 != PacketType::Connect.number())
            {
                // No need to await the rest of what is not MQTT.
                self.violate(number, Violation::ConnectMissing(PacketType::Connect));
                return input.len();
            }
            let run = self.take_run(number, rest, sockets);
            if run > 0 {
                used += run;
                continue;
            }
            match Frame::split(rest, maximum) {
                Ok(Split::Frame(frame, length)) => {
                    if awaiting_connect && self.hand_over(number, frame, rest, sockets) {
                        return input.len();
                    }
                    let packet = rest.get(..length).unwrap_or_default();
                    self.handle(number, frame, packet);
                    used += length;
                }
                Ok(Split::Need(needed)) => {
                    if let Some(client) = self.connections.get_mut(number) {
                        client.needed = needed;
                    }
                    self.give_back_output(number);
                    return used;
                }
                Err(malformed) => {
                    self.violate(number, malformed.into());
                    return input.len();
                }
            }
        }
    }

    /// A buffer that was lent and not written to is not needed.
    fn give_back_output(&mut self, number: u32) {
        if let Some(client) = self.connections.get_mut(number) {
            if client.output.is_empty() {
                self.spare.take_back(mem::take(&mut client.output));
            } else {
                self.touch(number);
            }
        }
    }
}
