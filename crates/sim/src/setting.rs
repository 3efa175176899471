//! What kind of broker and clients a run has, apart from what happens to them.

use std::time::Duration;

use colibri_broker::{Durability, QueueFull};

use crate::Random;
use crate::client::PUBLISHED_MAX;
use crate::workload::CLIENTS;

/// What is set for a run, decided by its seed unless a test says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What an acknowledgement means.
    pub durability: Durability,
    /// Which clients come to a listener whose acknowledgements do not wait for the store, a bit each.
    pub unsynced: u8,
    /// What happens when a queue is full, and with how many messages it is; `None` is far more than a run has.
    pub queue: Option<(QueueFull, usize)>,
    /// Which clients are driven by the client end of the state machine, a bit each. The others write their
    /// packets themselves.
    pub protocol: u8,
    /// How many messages the broker takes at once from a client.
    pub receive_maximum: u16,
    /// How many bytes the broker reads at a time, if that is not as ever.
    pub fragment: Option<usize>,
}

impl Setting {
    /// The broker as it is by default, and clients that write their packets themselves.
    pub const PLAIN: Self = Self {
        durability: Durability::Sync,
        unsynced: 0,
        queue: None,
        protocol: 0,
        receive_maximum: PUBLISHED_MAX,
        fragment: None,
    };

    /// The setting of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5E77);
        let interval = [50, 500, 5_000][random.below(3)];
        let (durability, is_unsynced) = match random.below(12) {
            0..7 => (Durability::Sync, false),
            7 | 8 => (Durability::Periodic(Duration::from_millis(interval)), false),
            9 => (Durability::None, false),
            10 => (Durability::Sync, true),
            _ => (Durability::Periodic(Duration::from_millis(interval)), true),
        };
        let unsynced = if is_unsynced { random.next() & random.next() } else { 0 };
        let queue_full =
            [QueueFull::Refuse, QueueFull::DropOldest, QueueFull::DropNewest, QueueFull::Disconnect];
        let queue_full = match queue_full[random.below(4)] {
            QueueFull::Refuse if seed.is_multiple_of(2) => QueueFull::BySession,
            other => other,
        };
        let queue = (queue_full, [3, 10, 30][random.below(3)]);
        let queue = (random.below(3) == 0).then_some(queue);
        let protocol = if random.below(4) == 0 { 0 } else { random.next() };
        let fragment = (random.below(10) == 0).then_some(1);
        let receive_maximum = [PUBLISHED_MAX, PUBLISHED_MAX, 3][random.below(3)];
        let bits = |word: u64| u8::try_from(word & 0xFF).unwrap_or(0);
        Self {
            durability,
            unsynced: bits(unsynced),
            queue,
            protocol: bits(protocol),
            receive_maximum,
            fragment,
        }
    }

    /// Whether a power loss may take back what was acknowledged.
    pub(crate) fn is_lossy(&self) -> bool {
        self.durability != Durability::Sync
    }

    /// Whether a client is told what the store does not have yet.
    pub(crate) const fn is_unsynced(&self, client: usize) -> bool {
        client < CLIENTS && self.unsynced >> client & 1 != 0
    }

    /// Whether a client is driven by the state machine.
    pub(crate) const fn has_protocol(&self, client: usize) -> bool {
        client < CLIENTS && self.protocol >> client & 1 != 0
    }
}
