//! How long one thing is waited for, and how much else may come in that time: a server that sends without end
//! is told so, and makes the suite neither wait nor grow without end.

use std::collections::VecDeque;
use std::time::Duration;

use crate::raw::Packet;

/// How many packets may come while one thing is waited for. No case makes a server send a tenth of it.
pub(crate) const PACKETS_MAX: usize = 10_000;
/// How many bytes these packets may have, and one packet: forty times what a case makes a server send. Whoever
/// sends larger packets to the server raises it for its connections.
pub(crate) const BYTES_MAX: usize = 4 << 20;
/// How many packets may come on one connection: as many as there are Packet Identifiers, and as many again.
pub(crate) const CONNECTION_MAX: usize = 2 * 65_536;

/// How long a case may take if an answer may take this long: a minute that it lets pass itself, and a hundred
/// answers by a server that takes the whole of its time for each.
pub(crate) fn case_time(patience: Duration) -> Duration {
    Duration::from_secs(60) + patience * 100
}

/// One thing that is waited for, with one deadline whatever comes meanwhile.
#[derive(Debug)]
pub struct Wait {
    what: String,
    time: Duration,
    /// By the clock of the connection.
    until: Duration,
    packets: usize,
    bytes: usize,
}

impl Wait {
    /// Waits from `now` for so long.
    pub(crate) fn new(what: impl Into<String>, now: Duration, time: Duration) -> Self {
        Self { what: what.into(), time, until: now + time, packets: 0, bytes: 0 }
    }

    /// What is waited for.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The time that is left.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        self.until.saturating_sub(now)
    }

    /// Takes note of a packet; what is too much if it was one too many.
    pub(crate) fn count(&mut self, packet: &Packet, bytes_max: usize) -> Result<(), String> {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(packet.bytes.len());
        if self.packets > PACKETS_MAX {
            return Err(format!("more than {PACKETS_MAX} packets while we waited for it"));
        }
        if self.bytes > bytes_max {
            return Err(format!("packets of more than {bytes_max} bytes while we waited for it"));
        }
        Ok(())
    }

    /// What to say when the time is over.
    pub(crate) fn in_vain(&self) -> String {
        match self.packets {
            0 => format!("nothing in {:?}", self.time),
            1 => format!("one other packet and no more in {:?}", self.time),
            count => format!("{count} other packets and no more in {:?}", self.time),
        }
    }
}

/// Packets that came while another was waited for.
#[derive(Debug, Default)]
pub(crate) struct Stash {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Stash {
    /// The one that came first.
    pub(crate) fn pop(&mut self) -> Option<Packet> {
        self.take(|_| true)
    }

    /// The first that is wanted.
    pub(crate) fn take(&mut self, wanted: impl Fn(&Packet) -> bool) -> Option<Packet> {
        let at = self.packets.iter().position(wanted)?;
        let packet = self.packets.remove(at)?;
        self.bytes = self.bytes.saturating_sub(packet.bytes.len());
        Some(packet)
    }

    /// Puts one back in front.
    pub(crate) fn put_back(&mut self, packet: Packet) {
        self.bytes += packet.bytes.len();
        self.packets.push_front(packet);
    }

    /// Keeps one for later; `false` if there is no room for more.
    pub(crate) fn keep(&mut self, packet: Packet, bytes_max: usize) -> bool {
        self.bytes = self.bytes.saturating_add(packet.bytes.len());
        self.packets.push_back(packet);
        self.packets.len() <= PACKETS_MAX && self.bytes <= bytes_max
    }
}
