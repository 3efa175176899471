//! Keep Alive (section 3.1.2.10): when to ping, when to give the peer up.

use core::time::Duration;

use crate::{Role, Time};

/// Watches the silence of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    /// Seconds; 0 turns the watch off.
    interval: u16,
    last_received: Time,
    last_sent: Time,
    ping_sent: Option<Time>,
}

/// What the silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time, if ever.
    Later(Option<Time>),
    /// The client has to send a PINGREQ.
    Ping,
    /// The peer is gone.
    GiveUp,
}

impl KeepAlive {
    pub(crate) const fn new(interval: u16, now: Time) -> Self {
        Self { interval, last_received: now, last_sent: now, ping_sent: None }
    }

    /// Another interval, for the silence that has already begun.
    pub(crate) const fn change(&mut self, interval: u16) {
        self.interval = interval;
    }

    pub(crate) const fn received(&mut self, now: Time) {
        self.last_received = now;
    }

    pub(crate) const fn sent(&mut self, now: Time) {
        self.last_sent = now;
    }

    pub(crate) const fn pinged(&mut self, now: Time) {
        self.ping_sent = Some(now);
    }

    pub(crate) const fn ponged(&mut self) {
        self.ping_sent = None;
    }

    pub(crate) fn due(&self, role: Role, now: Time) -> Due {
        if self.interval == 0 {
            return Due::Later(None);
        }
        let interval = Duration::from_secs(u64::from(self.interval));
        match role {
            // [v5 MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]
            Role::Server => {
                let deadline = self.last_received + interval + interval / 2;
                if now >= deadline { Due::GiveUp } else { Due::Later(Some(deadline)) }
            }
            // [v5 MQTT-3.1.2-20] [v3.1.1 MQTT-3.1.2-23]
            Role::Client => match self.ping_sent {
                Some(sent) if now >= sent + interval => Due::GiveUp,
                Some(sent) => Due::Later(Some(sent + interval)),
                None if now >= self.last_sent + interval => Due::Ping,
                None => Due::Later(Some(self.last_sent + interval)),
            },
        }
    }
}
