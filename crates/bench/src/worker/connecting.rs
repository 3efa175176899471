//! Opening the connections of a thread, at their rate.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{WAIT_MAX, WAIT_MIN, Worker, plain, time};
use crate::link::Stage;
use crate::schedule::Schedule;

impl Worker<'_> {
    /// Opens what is due, and says how long to wait.
    pub(super) fn open_due(&mut self, now: u64) -> Duration {
        let start = self.tally.connect_start.load(Ordering::Acquire);
        if now < start {
            return WAIT_MIN;
        }
        let schedule = self.plan.connect_rate.map(|rate| Schedule::new(start, rate));
        let most = (self.plan.connecting / self.plan.threads.max(1)).max(1);
        while let Some(link) = self.links.get(self.next_to_open) {
            let due = match schedule {
                Some(schedule) => schedule.due(u64::from(link.place)),
                None if self.opening < most => now,
                None => return WAIT_MAX,
            };
            if due > now {
                return Duration::from_nanos(due - now).clamp(WAIT_MIN, WAIT_MAX);
            }
            self.open(self.next_to_open, due, now);
            self.next_to_open += 1;
        }
        WAIT_MAX
    }

    fn open(&mut self, index: usize, due: u64, now: u64) {
        let largest = self.largest;
        let addresses = &self.plan.addresses;
        let Some(link) = self.links.get_mut(index) else { return };
        (link.due, link.opened) = (due, now);
        let from = addresses.get(link.place as usize % addresses.len().max(1)).copied();
        if let Err(sentence) = link.begin(self.plan, largest, time(now)) {
            return self.end(index, sentence);
        }
        self.opening += 1;
        if let Err(error) = self.poller.connect(index, self.plan.server, from) {
            let place = from.map_or(String::new(), |from| format!(" from {from}"));
            self.end(index, format!("{}{place}", plain(&error)));
        }
    }

    /// A connection is accepted, and subscribed if it subscribes.
    pub(super) fn on_ready(&mut self, index: usize, now: u64) {
        let Some(link) = self.links.get_mut(index) else { return };
        if link.stage != Stage::Opening {
            return;
        }
        link.stage = Stage::Ready;
        self.opening = self.opening.saturating_sub(1);
        self.figures.counters.ready += 1;
        self.figures.connect_latencies.record(now.saturating_sub(link.due) / 1000);
    }
}
