//! Which shard has what: sessions by client identifier, retained messages by topic.

use std::hash::BuildHasher;

/// A hash that all shards agree on.
#[derive(Debug)]
pub(crate) struct Placement {
    state: foldhash::fast::FixedState,
    shards: u8,
}

impl Placement {
    pub(crate) const fn new(seed: u64, shards: u8) -> Self {
        Self { state: foldhash::fast::FixedState::with_seed(seed), shards }
    }

    /// The shard for a client identifier or a topic.
    pub(crate) fn shard_of(&self, text: &str) -> u8 {
        if self.shards == 1 {
            return 0;
        }
        let hash = self.state.hash_one(text) >> 32;
        // The high half scaled to the number of shards, which is below 256.
        u8::try_from((hash * u64::from(self.shards)) >> 32).unwrap_or_default()
    }
}
