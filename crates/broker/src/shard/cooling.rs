//! Giving back what busy connections needed, once they are idle.
//!
//! A connection that publishes remembers where its topic leads, and one that receives has a queue for what
//! is under way. Both are worth keeping from one message to the next, and not for the hours in between.

use std::mem;
use std::time::Duration;

use super::Shard;
use super::timers::Timer;

/// How often busy connections are looked at: one that did nothing for the whole of such a time is idle.
const INTERVAL: Duration = Duration::from_secs(10);

/// Connections that have something to give back, with their births.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    connections: Vec<(u32, u32)>,
    /// Whether the timer is set.
    watched: bool,
}

impl Shard {
    /// Notes that a connection is busy.
    #[inline]
    pub(crate) fn note_busy(&mut self, number: u32) {
        let Some(client) = self.connections.get_mut(number) else { return };
        client.flags.busy = true;
        if mem::replace(&mut client.flags.warm, true) {
            return;
        }
        self.warm.connections.push((number, client.birth));
        if !mem::replace(&mut self.warm.watched, true) {
            self.timers.set(self.now + INTERVAL, Timer::Cool);
        }
    }

    /// Takes from connections that were idle since the last time what they do not need.
    pub(crate) fn cool(&mut self) {
        let mut warm = mem::take(&mut self.warm);
        warm.connections.retain(|&(number, birth)| {
            let Some(client) = self.connections.born(number, birth) else { return false };
            if mem::take(&mut client.flags.busy) {
                return true;
            }
            client.flags.warm = false;
            client.route = None;
            client.protocol.give_back();
            false
        });
        if warm.connections.len() < warm.connections.capacity() / 4 {
            warm.connections.shrink_to_fit();
        }
        warm.watched = !warm.connections.is_empty();
        if warm.watched {
            self.timers.set(self.now + INTERVAL, Timer::Cool);
        }
        self.warm = warm;
    }

    /// How many connections have something to give back when they become idle.
    pub fn warm_connections(&self) -> usize {
        self.warm.connections.len()
    }
}
