//! Keep Alive (section 3.1.2.10): when to ping, when to give the peer up.

use core::time::Duration;

use crate::{Role, Time};

/// Watches the silence of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    /// When the peer of a server was last heard, or when a client last sent something: what the silence is
    /// counted from. The other is nobody's concern.
    since: Time,
    /// When the last PINGREQ was sent; means something while `pinged`.
    ping_sent: Time,
    /// Seconds; 0 turns the watch off.
    interval: u16,
    /// Whether a PINGREQ waits for its PINGRESP.
    pinged: bool,
    role: Role,
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
    pub(crate) const fn new(role: Role, interval: u16, now: Time) -> Self {
        Self { since: now, ping_sent: now, interval, pinged: false, role }
    }

    /// Another interval, for the silence that has already begun.
    pub(crate) const fn change(&mut self, interval: u16) {
        self.interval = interval;
    }

    #[inline]
    pub(crate) const fn received(&mut self, now: Time) {
        if matches!(self.role, Role::Server) {
            self.since = now;
        }
    }

    #[inline]
    pub(crate) const fn sent(&mut self, now: Time) {
        if matches!(self.role, Role::Client) {
            self.since = now;
        }
    }

    pub(crate) const fn pinged(&mut self, now: Time) {
        self.ping_sent = now;
        self.pinged = true;
    }

    pub(crate) const fn ponged(&mut self) {
        self.pinged = false;
    }

    pub(crate) fn due(&self, now: Time) -> Due {
        if self.interval == 0 {
            return Due::Later(None);
        }
        let interval = Duration::from_secs(u64::from(self.interval));
        match self.role {
            // [v5 MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]
            Role::Server => {
                let deadline = self.since + interval + interval / 2;
                if now >= deadline { Due::GiveUp } else { Due::Later(Some(deadline)) }
            }
            // [v5 MQTT-3.1.2-20] [v3.1.1 MQTT-3.1.2-23]
            Role::Client if self.pinged => {
                let deadline = self.ping_sent + interval;
                if now >= deadline { Due::GiveUp } else { Due::Later(Some(deadline)) }
            }
            Role::Client => {
                let deadline = self.since + interval;
                if now >= deadline { Due::Ping } else { Due::Later(Some(deadline)) }
            }
        }
    }
}
