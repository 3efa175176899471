//! Flow control (5.0, section 4.9): Receive Maximum, both ways.

/// How many more QoS 1 and 2 messages may go one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    maximum: u16,
    used: u16,
}

impl Quota {
    // [v5 MQTT-4.9.0-1]
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, used: 0 }
    }

    pub(crate) const fn is_used_up(&self) -> bool {
        self.used >= self.maximum
    }

    /// How many more there are.
    pub(crate) const fn left(&self) -> u16 {
        self.maximum.saturating_sub(self.used)
    }

    /// Takes one, if there is one. [v5 MQTT-4.9.0-2]
    pub(crate) const fn take(&mut self) -> bool {
        if self.is_used_up() {
            return false;
        }
        self.used += 1;
        true
    }

    /// Takes one although there may be none: an exchange of the connection before goes on in this one.
    pub(crate) const fn occupy(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// Gives one back; never more than were there to begin with.
    pub(crate) const fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }
}
