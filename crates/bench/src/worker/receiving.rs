//! Reading what the server sends, and judging each message.

use std::io;

use colibri_codec::{Frame, PacketType, Publish, QoS, ReasonCode, Split};
use colibri_protocol::{Delivered, Event, State};

use super::{Figures, Worker, plain, time};
use crate::header::Header;
use crate::link::{Link, Publisher, Stage};
use crate::plan::{Plan, Scenario};
use crate::receiver::Verdict;
use crate::tally::Tally;
use crate::tracker::Arrival;

/// How often one socket is read before the others get their turn.
const READS: usize = 4;

/// What the packets of one read have brought about, besides messages.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// The connection is accepted, and is to subscribe now.
    accepted: bool,
    /// It is subscribed.
    subscribed: bool,
    /// There is room for more messages.
    room: bool,
}

impl Worker<'_> {
    /// Reads a socket until it is empty, or has had its turn.
    pub(super) fn read(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut rounds = 0;
        let ended = loop {
            if rounds == READS {
                self.unread.push(index);
                break None;
            }
            rounds += 1;
            let (left, capacity) = match self.put_rest(index, &mut buffer) {
                Some(left) => (left, buffer.len() - left),
                None => break None,
            };
            let Some(free) = buffer.get_mut(left..) else { break None };
            match self.poller.read(index, free) {
                Ok(0) => break Some("the server closed the connection".to_owned()),
                Ok(length) => {
                    let input = buffer.get(..left + length).unwrap_or_default();
                    if let Err(reason) = self.on_bytes(index, input) {
                        break Some(reason);
                    }
                    // An end that came with the bytes is not announced again.
                    if length < capacity && !self.links.get(index).is_some_and(|link| link.hung_up) {
                        break None;
                    }
                }
                Err(error) => {
                    self.keep_rest(index, buffer.get(..left).unwrap_or_default());
                    match error.kind() {
                        io::ErrorKind::WouldBlock => break None,
                        io::ErrorKind::Interrupted => {}
                        io::ErrorKind::NotConnected => match self.poller.error(index) {
                            Some(error) => break Some(plain(&error)),
                            None => break None,
                        },
                        _ => break Some(plain(&error)),
                    }
                }
            }
        };
        self.buffer = buffer;
        if let Some(reason) = ended {
            self.end(index, reason);
        }
    }

    /// Puts what was left of the last read to the front of the buffer; how much that is. `None` if the
    /// connection is over.
    fn put_rest(&mut self, index: usize, buffer: &mut [u8]) -> Option<usize> {
        let link = self.links.get_mut(index)?;
        if !matches!(link.stage, Stage::Opening | Stage::Ready) {
            return None;
        }
        let length = link.rest.len();
        if length > 0 {
            buffer.get_mut(..length)?.copy_from_slice(&link.rest);
            link.rest.clear();
        }
        Some(length)
    }

    fn keep_rest(&mut self, index: usize, rest: &[u8]) {
        if let Some(link) = self.links.get_mut(index) {
            link.rest.extend_from_slice(rest);
        }
    }

    /// Takes in bytes; what is left of a packet is kept. The error is why the connection ends.
    fn on_bytes(&mut self, index: usize, input: &[u8]) -> Result<(), String> {
        let now = self.tally.now();
        let largest = self.largest;
        let mut outcome = Outcome::default();
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            match Frame::split(rest, largest).map_err(|error| error.to_string())? {
                Split::Need(_) => {
                    link.rest.extend_from_slice(rest);
                    break;
                }
                Split::Frame(frame, used) => {
                    on_frame(link, frame, now, self.plan, self.tally, &mut self.figures, &mut outcome)?;
                    at += used;
                }
            }
        }
        self.act(index, outcome, now)
    }

    fn act(&mut self, index: usize, outcome: Outcome, now: u64) -> Result<(), String> {
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        let waits_for_suback = outcome.accepted && link.subscribe(self.plan, time(now))?;
        if outcome.accepted && !waits_for_suback || outcome.subscribed {
            self.on_ready(index, now);
        }
        if outcome.room {
            self.list(index);
        }
        if self.links.get(index).is_some_and(|link| link.backlog() > 0) {
            self.touch(index);
        }
        Ok(())
    }
}

/// Takes in one packet. The error is why the connection ends.
#[inline]
fn on_frame(
    link: &mut Link,
    frame: Frame<'_>,
    now: u64,
    plan: &Plan,
    tally: &Tally,
    figures: &mut Figures,
    outcome: &mut Outcome,
) -> Result<(), String> {
    if frame.first_byte() >> 4 == PacketType::Publish.number() {
        let mut publish = Publish::EMPTY;
        let came = link.connection.handle_publish(frame, &mut publish, time(now), &mut link.out);
        if came.map_err(|violation| violation.to_string())?.is_some() {
            on_message(link, &publish, now, plan, tally, figures);
            link.connection.acknowledge(publish.delivery, ReasonCode::Success, time(now), &mut link.out);
        }
        return Ok(());
    }
    let event = link.connection.handle_frame(frame, time(now), &mut link.out);
    match event.map_err(|violation| violation.to_string())? {
        Event::Delivered(delivered) => {
            if let Some(publisher) = link.publisher.as_mut() {
                on_delivered(publisher, &delivered, now, tally, figures);
            }
            outcome.room = true;
        }
        Event::Release(id) => link.connection.complete(id, time(now), &mut link.out),
        Event::Connack(connack) if connack.reason == ReasonCode::Success => {
            outcome.accepted = true;
            return suits(link, plan);
        }
        Event::Connack(connack) => return Err(format!("the server refused it: {}", connack.reason)),
        Event::Suback(suback) => {
            if let Some(reason) = suback.reasons.iter().find(|reason| reason.is_failure()) {
                return Err(format!("the server refused the subscription: {reason}"));
            }
            outcome.subscribed = true;
        }
        Event::Disconnect(disconnect) => {
            return Err(format!("the server said goodbye: {}", disconnect.reason));
        }
        Event::Auth(_) => return Err("the server asks for an extended authentication".to_owned()),
        Event::Handled
        | Event::Publish(_)
        | Event::Unsuback(_)
        | Event::Connect(_)
        | Event::Subscribe(_)
        | Event::Unsubscribe(_) => {}
    }
    debug_assert_ne!(link.connection.state(), State::Closed);
    Ok(())
}

/// Whether the server takes what is to be sent to it.
fn suits(link: &Link, plan: &Plan) -> Result<(), String> {
    let Some(publisher) = &link.publisher else { return Ok(()) };
    let peer = link.connection.peer();
    let highest = match peer.maximum_qos {
        None => QoS::ExactlyOnce,
        Some(true) => QoS::AtLeastOnce,
        Some(false) => QoS::AtMostOnce,
    };
    if plan.qos > highest {
        return Err(format!("the server takes messages up to QoS {} only", highest.number()));
    }
    if plan.retain && !peer.retain_available {
        return Err("the server keeps no retained messages".to_owned());
    }
    if publisher.packet.len() > peer.maximum_packet_size as usize {
        return Err(format!("the server takes packets up to {} bytes only", peer.maximum_packet_size));
    }
    Ok(())
}

#[inline]
fn on_message(
    link: &mut Link,
    publish: &Publish<'_>,
    now: u64,
    plan: &Plan,
    tally: &Tally,
    figures: &mut Figures,
) {
    let Some(header) = Header::read(publish.payload) else {
        figures.counters.foreign += 1;
        return;
    };
    let (arrival, advance) = match link.receiver.arrived(&header, figures.run, &tally.group) {
        Verdict::Expected(arrival, advance) => (arrival, advance),
        Verdict::Misrouted => {
            figures.counters.misrouted += 1;
            return;
        }
        Verdict::Foreign => {
            figures.counters.foreign += 1;
            return;
        }
    };
    figures.counters.received += 1;
    match arrival {
        Arrival::InOrder => {}
        Arrival::OutOfOrder => figures.counters.out_of_order += 1,
        // It says nothing about how long messages take, and makes no room for another.
        Arrival::Duplicate => {
            figures.counters.duplicated += 1;
            return;
        }
    }
    let now = tally.micros_since_1970(now);
    let age = header.age(now);
    // The clock of another sender may be anywhere.
    let due = if plan.scenario == Scenario::Sub { now } else { now - age.min(now) };
    figures.record_if_measured(due, age, 1);
    figures.delivered(header.stream, advance, tally);
}

fn on_delivered<M>(
    publisher: &mut Publisher,
    delivered: &Delivered<'_, M>,
    now: u64,
    tally: &Tally,
    figures: &mut Figures,
) {
    publisher.acknowledged += 1;
    figures.counters.acknowledged += 1;
    if delivered.reason.is_failure() {
        figures.counters.refused += 1;
    }
    // Acknowledgements come in the order of the messages, nearly always.
    let found = publisher.under_way.iter().position(|(id, _)| *id == delivered.packet_id);
    if let Some((_, due)) = found.and_then(|at| publisher.under_way.remove(at)) {
        let latency = now.saturating_sub(due) / 1000;
        figures.record_if_measured(tally.micros_since_1970(due), latency, 1);
    }
}
