//! Sending messages: each when it is due, or as many as may be under way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use colibri_protocol::{Encoded, Sent};

use super::{Figures, WAIT_MAX, WAIT_MIN, Worker, time};
use crate::header::Header;
use crate::link::{Link, Stage};
use crate::plan::{Plan, Scenario};
use crate::schedule::Schedule;
use crate::tally::Tally;

/// How many bytes a connection may have waiting before it gets no more messages. Chosen so that a write
/// carries some hundred small ones.
const OUT_MAX: usize = 64 << 10;

/// What keeps a publisher from sending more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// Nothing is due, or all has been sent.
    Done,
    /// Too much is under way, or the server takes no more.
    Window,
    /// There is enough to write for now.
    Output,
    /// It cannot send at all.
    Broken,
}

impl Worker<'_> {
    /// Sends what is due, and says how long to wait.
    pub(super) fn publish_due(&mut self, now: u64) -> Duration {
        let start = self.tally.start.load(Ordering::Acquire);
        if now < start {
            return Duration::from_nanos(start - now).clamp(WAIT_MIN, WAIT_MAX);
        }
        self.publishing = true;
        match self.plan.rate {
            Some(rate) => self.publish_on_schedule(Schedule::new(start, rate), now),
            None => self.publish_what_fits(now),
        }
    }

    fn publish_on_schedule(&mut self, schedule: Schedule, now: u64) -> Duration {
        self.schedule = Some(schedule);
        for index in std::mem::take(&mut self.listed) {
            self.unlist(index);
            self.produce(index, now);
        }
        let streams = self.plan.publishers;
        let until = self.tally.measured_until.load(Ordering::Acquire);
        loop {
            let (sequence, at) = self.cursor;
            let Some(index) = self.publishers.get(at).copied() else {
                if self.publishers.is_empty() {
                    return WAIT_MAX;
                }
                self.cursor = (sequence + 1, 0);
                continue;
            };
            let Some(publisher) = self.links.get_mut(index).and_then(|link| link.publisher.as_mut()) else {
                return WAIT_MAX;
            };
            let due = schedule.due_in_turn(sequence, publisher.stream, streams);
            if due >= until || sequence >= limit(self.plan, publisher.stream) {
                return WAIT_MAX;
            }
            if due > now {
                return self.wait_for(due - now);
            }
            publisher.owed += 1;
            self.cursor.1 += 1;
            self.figures.lateness.record((now - due) / 1000);
            self.produce(index, now);
        }
    }

    const fn wait_for(&self, nanos: u64) -> Duration {
        match nanos {
            0..1_000_000 if self.plan.spin => Duration::ZERO,
            0..1_000_000 => WAIT_MIN,
            1_000_000..5_000_000 if self.plan.spin => Duration::from_millis(nanos / 1_000_000),
            5_000_000.. => WAIT_MAX,
            _ => Duration::from_nanos(nanos),
        }
    }

    fn publish_what_fits(&mut self, now: u64) -> Duration {
        let mut more = false;
        self.listed.clear();
        for at in 0..self.publishers.len() {
            let Some(index) = self.publishers.get(at).copied() else { break };
            self.unlist(index);
            more |= self.produce(index, now) == Held::Output;
        }
        match (more, self.plan.threads) {
            (true, _) => Duration::ZERO,
            // Another thread may have received what makes room here.
            (false, 2..) => WAIT_MIN,
            (false, _) => WAIT_MAX,
        }
    }

    /// Sends what one publisher may send now.
    fn produce(&mut self, index: usize, now: u64) -> Held {
        let Some(link) = self.links.get_mut(index) else { return Held::Done };
        if link.stage != Stage::Ready {
            return Held::Broken;
        }
        let sent_before = link.publisher.as_ref().map_or(0, |publisher| publisher.sent);
        let held = fill(link, self.plan, self.tally, self.schedule, self.figures.run, now);
        if let Some(publisher) = &link.publisher
            && publisher.sent > sent_before
        {
            self.figures.counters.sent += publisher.sent - sent_before;
            if let Some(sent) = self.tally.sent.get(publisher.stream as usize) {
                sent.store(publisher.sent, Ordering::Release);
            }
            self.touch(index);
        }
        if held == Held::Broken {
            self.end(index, "the server takes no packet of this size".to_owned());
        }
        held
    }

    /// Puts a publisher that may send again into the list.
    pub(super) fn list(&mut self, index: usize) {
        if let Some(publisher) = self.links.get_mut(index).and_then(|link| link.publisher.as_mut())
            && !publisher.listed
            && publisher.owed > publisher.sent
        {
            publisher.listed = true;
            self.listed.push(index);
        }
    }

    fn unlist(&mut self, index: usize) {
        if let Some(publisher) = self.links.get_mut(index).and_then(|link| link.publisher.as_mut()) {
            publisher.listed = false;
        }
    }

    /// Notes all that was due by `now`, though it will not be sent any more.
    fn catch_up(&mut self, schedule: Schedule, now: u64) {
        let until = self.tally.measured_until.load(Ordering::Acquire).min(now);
        for index in self.publishers.iter().copied() {
            if let Some(publisher) = self.links.get_mut(index).and_then(|link| link.publisher.as_mut()) {
                let limit = limit(self.plan, publisher.stream);
                while publisher.owed < limit
                    && schedule.due_in_turn(publisher.owed, publisher.stream, self.plan.publishers) < until
                {
                    publisher.owed += 1;
                }
            }
        }
    }

    /// Counts what was due and could not be sent, with the latency that it has by now: it would have been
    /// longer.
    pub(super) fn stop_publishing(&mut self, now: u64) {
        self.publishing = false;
        let Some(schedule) = self.schedule else { return };
        self.catch_up(schedule, now);
        let streams = self.plan.publishers;
        for publisher in self.links.iter().filter_map(|link| link.publisher.as_ref()) {
            self.figures.counters.unsent += publisher.owed - publisher.sent;
            for sequence in publisher.sent..publisher.owed {
                let due = schedule.due_in_turn(sequence, publisher.stream, streams);
                self.figures.record_if_measured(
                    self.tally.micros_since_1970(due),
                    now.saturating_sub(due) / 1000,
                    self.plan.deliveries().max(1),
                );
            }
        }
    }
}

/// How many messages of a stream there are to be.
fn limit(plan: &Plan, stream: u32) -> u64 {
    let Some(all) = plan.messages else { return u64::MAX };
    let streams = u64::from(plan.publishers.max(1));
    all / streams + u64::from(u64::from(stream) < all % streams)
}

/// Appends as many messages as may be sent to the output of a connection.
#[inline]
fn fill(link: &mut Link, plan: &Plan, tally: &Tally, schedule: Option<Schedule>, run: u8, now: u64) -> Held {
    let Some(publisher) = link.publisher.as_mut() else { return Held::Done };
    let stream = publisher.stream;
    let delivered = tally.delivered.get(stream as usize).map_or(0, |count| count.load(Ordering::Relaxed));
    let room = publisher.room(plan, delivered, plan.deliveries());
    let target = if schedule.is_some() { publisher.owed } else { limit(plan, stream) };
    let wanted = target.saturating_sub(publisher.sent);
    // Without a rate it waits until half the window is free: a write for each message would cost more than
    // the messages.
    if schedule.is_none() && wanted > room && room * 2 < u64::from(plan.in_flight) {
        return Held::Window;
    }
    let keeps_due = plan.scenario == Scenario::Pub;
    for _ in 0..room.min(wanted) {
        if link.out.len() - link.written >= OUT_MAX {
            return Held::Output;
        }
        let due =
            schedule.map_or(now, |schedule| schedule.due_in_turn(publisher.sent, stream, plan.publishers));
        let start = link.out.len();
        let encoded =
            Encoded { bytes: &publisher.packet, packet_id_offset: publisher.packet_id_offset, qos: plan.qos };
        match link.connection.send_encoded(&encoded, || None, &mut link.out, time(now)) {
            Sent::Written(id) => {
                if let Some(id) = id.filter(|_| keeps_due) {
                    publisher.under_way.push_back((id, due));
                }
            }
            Sent::Wait => return Held::Window,
            Sent::TooLarge | Sent::Expired | Sent::NotSupported => return Held::Broken,
        }
        let header = Header { run, stream, sequence: publisher.sent, due: tally.micros_since_1970(due) };
        if let Some(payload) = link.out.get_mut(start + publisher.payload_offset..) {
            header.write(payload);
        }
        publisher.sent += 1;
    }
    if wanted <= room { Held::Done } else { Held::Window }
}

impl Figures {
    /// Adds a latency of something that was due at a time in microseconds since 1970.
    #[inline]
    pub(super) fn record_if_measured(&mut self, due: u64, latency: u64, times: u64) {
        if (self.from..self.until).contains(&due) {
            self.latencies.record_many(latency, times);
        }
    }

    /// Notes that a stream has come on at a receiver, so that its publisher may send more.
    #[inline]
    pub(super) fn delivered(&mut self, stream: u32, advance: u64, tally: &Tally) {
        if self.delivered.0 != stream {
            self.tell(tally);
            self.delivered.0 = stream;
        }
        self.delivered.1 += advance;
    }

    /// Tells the publishers what was delivered.
    #[inline]
    pub(super) fn tell(&mut self, tally: &Tally) {
        let (stream, count) = self.delivered;
        if count > 0
            && let Some(delivered) = tally.delivered.get(stream as usize)
        {
            delivered.fetch_add(count, Ordering::Release);
        }
        self.delivered.1 = 0;
    }
}
