//! What a connection is told only when the store has what it depends on.
//!
//! Packets in the gate leave in their order. Each has the ticket that it waits for; none waits for less
//! than one before it. Messages of QoS 0 and 1 go past the gate: whether they are stored is their
//! publisher's business. So do PINGRESPs, or a slow disk would look like a dead server.
//!
//! A message in the gate has not been sent. If the disk is so slow that it expires there, it is taken back; if
//! it has seconds less to go, it says so when it leaves.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use colibri_codec::{Frame, PacketType, Publish, Split, Version};
use colibri_protocol::{Connection, Time};

use super::Shard;
use super::journal::Ticket;
use crate::message::Delivery;

/// How many bytes may wait in a gate before its client is not read any more. Acknowledgements take some
/// bytes each; a 5.0 client's Receive Maximum bounds them earlier.
pub(crate) const GATE_BYTES_MAX: usize = 256 << 10;

/// Packets that have waited for less than this leave as they are: expiry is told in seconds.
const STALE: Duration = Duration::from_millis(500);

/// Packets that wait for the store.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    bytes: Vec<u8>,
    waits: VecDeque<Wait>,
    /// No message in it that was noted expires before this time.
    expiry: Option<Time>,
    /// Whether messages of all kinds are in it, which those that come now must not overtake.
    pub(crate) holds_messages: bool,
}

/// Bytes that wait for a ticket, and for none before it.
#[derive(Clone, Copy, Debug)]
struct Wait {
    ticket: Ticket,
    bytes: usize,
    /// Since when.
    since: Time,
}

impl Gate {
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The ticket that the last packet waits for.
    fn last(&self) -> Ticket {
        self.waits.back().map_or(0, |wait| wait.ticket)
    }

    /// Notes when a message expires that was written into it.
    pub(crate) fn note_expiry(&mut self, expires: Option<Time>) {
        self.expiry = self.expiry.into_iter().chain(expires).min();
    }

    /// Puts in what has been written behind `start`.
    fn note(&mut self, start: usize, after: Option<Ticket>, now: Time) {
        let bytes = self.bytes.len() - start;
        if bytes == 0 {
            return;
        }
        let ticket = after.unwrap_or(0).max(self.last());
        match self.waits.back_mut() {
            Some(back) if back.ticket == ticket && now.since(back.since) < STALE => back.bytes += bytes,
            Some(_) | None => self.waits.push_back(Wait { ticket, bytes, since: now }),
        }
    }

    /// Lets packets through whose tickets are complete. Gives the messages that have expired meanwhile.
    fn release(
        &mut self,
        protocol: &mut Connection<Delivery>,
        out: &mut Vec<u8>,
        now: Time,
        is_complete: impl Fn(Ticket) -> bool,
    ) -> Vec<Delivery> {
        let mut expired = Vec::new();
        let mut length = 0;
        while let Some(wait) = self.waits.front().copied().filter(|wait| is_complete(wait.ticket)) {
            let bytes = self.bytes.get(length..length + wait.bytes).unwrap_or_default();
            if now.since(wait.since) >= STALE || self.expiry.is_some_and(|at| now >= at) {
                sift(bytes, protocol, (wait.since, now), out, &mut expired);
            } else {
                out.extend_from_slice(bytes);
            }
            length += wait.bytes;
            self.waits.pop_front();
        }
        self.bytes.drain(..length);
        expired
    }
}

/// Passes packets on that have waited for a long time, without the messages that have expired and with the
/// seconds that the others have left.
// [v5 MQTT-3.3.2-5] [v5 MQTT-3.3.2-6]
fn sift(
    mut bytes: &[u8],
    protocol: &mut Connection<Delivery>,
    (since, now): (Time, Time),
    out: &mut Vec<u8>,
    expired: &mut Vec<Delivery>,
) {
    let version = protocol.version();
    while let Ok(Split::Frame(frame, length)) = Frame::split(bytes, u32::MAX) {
        let (packet, rest) = bytes.split_at(length);
        bytes = rest;
        let start = out.len();
        out.extend_from_slice(packet);
        if frame.first_byte() >> 4 != PacketType::Publish.number() {
            continue;
        }
        // What was sent before does not expire any more. [v5 MQTT-4.3.3-7]
        let Some(publish) = Publish::decode(frame, version).ok().filter(|publish| !publish.dup) else {
            continue;
        };
        let id = publish.delivery.packet_id();
        let kept = id.and_then(|id| protocol.session_mut().message(id)).map(|(kept, _)| kept.message.expires);
        let told = publish.properties.message_expiry_interval().map(|seconds| since.plus_seconds(seconds));
        let Some(expires) = kept.unwrap_or(told) else { continue };
        if now >= expires {
            out.truncate(start);
            expired.extend(id.and_then(|id| protocol.take_back(id)));
        } else if let Some(place) = interval_of(&publish, frame.body().len(), version)
            && let Some(interval) = out.get_mut(start + place..start + place + 4)
        {
            interval.copy_from_slice(&expires.seconds_from(now).to_be_bytes());
        }
    }
    // All that is in a gate is whole packets.
    debug_assert!(bytes.is_empty());
}

/// Where the Message Expiry Interval of a packet stands that this end has written: it is the first property.
fn interval_of(publish: &Publish<'_>, remaining: usize, version: Version) -> Option<usize> {
    publish.properties.message_expiry_interval().filter(|_| version.has_properties())?;
    let topic = publish.topic.map_or(0, |topic| topic.as_str().len());
    let id = if publish.delivery.packet_id().is_some() { 2 } else { 0 };
    let properties = remaining - 2 - topic - id - publish.payload.len();
    // The length of the properties is in it, too.
    let prefix = (1..=4).find(|prefix| varint_length(properties - prefix) == *prefix)?;
    Some(1 + varint_length(remaining) + 2 + topic + id + prefix + 1)
}

/// How many bytes a Variable Byte Integer takes (section 1.5.5).
const fn varint_length(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

impl Shard {
    /// Writes to a connection: at once if the store has all up to `after` and nothing waits in the gate,
    /// else into the gate.
    pub(crate) fn write_after<T>(
        &mut self,
        number: u32,
        after: Option<Ticket>,
        write: impl FnOnce(&mut Connection<Delivery>, &mut Vec<u8>) -> T,
    ) -> Option<T> {
        let after = after.filter(|ticket| !self.journal.is_complete(*ticket));
        let client = self.connections.get_mut(number)?;
        let after = after.filter(|_| !client.flags.unsynced);
        if after.is_none() && client.gate.is_none() {
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            return Some(write(&mut client.protocol, &mut client.output));
        }
        if let Some(ticket) = after {
            self.journal.note_awaited(ticket);
        }
        let is_new = client.gate.is_none();
        let gate = client.gate.get_or_insert_default();
        let start = gate.bytes.len();
        let result = write(&mut client.protocol, &mut gate.bytes);
        gate.note(start, after, self.now);
        if gate.waits.is_empty() {
            client.gate = None;
        } else if is_new {
            self.journal.gated.push((number, client.birth));
        }
        Some(result)
    }

    /// Lets through what waited for tickets that are complete by now.
    pub(crate) fn open_gates(&mut self) {
        if !self.journal.advance() {
            return;
        }
        let mut expired = Vec::new();
        let now = self.now;
        let mut gated = mem::take(&mut self.journal.gated);
        gated.retain(|&(number, birth)| {
            let Some(client) = self.connections.born(number, birth) else { return false };
            let Some(gate) = &mut client.gate else { return false };
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            let journal = &self.journal;
            let is_complete = |ticket| journal.is_complete(ticket);
            let gone = gate.release(&mut client.protocol, &mut client.output, now, is_complete);
            let empty = gate.waits.is_empty();
            if !gone.is_empty() {
                expired.push((number, client.session, gone));
            }
            // CONNACK was the first that waited.
            client.flags.sealed &= client.output.is_empty();
            let room = gate.len() < GATE_BYTES_MAX;
            if empty {
                client.gate = None;
            }
            let resume = room && mem::take(&mut client.flags.gate_full);
            if client.output.is_empty() {
                self.spare.take_back(mem::take(&mut client.output));
            } else {
                self.touch(number);
            }
            if resume {
                self.read_again(number);
            }
            !empty
        });
        gated.append(&mut self.journal.gated);
        self.journal.gated = gated;
        for (number, session, messages) in expired {
            self.metrics.dropped_expired += messages.len() as u64;
            for message in session.into_iter().flat_map(|session| messages.iter().map(move |m| (session, m)))
            {
                self.forget_delivery(message.0, message.1);
            }
            // Their quota is free for others.
            self.touch(number);
        }
    }
}
