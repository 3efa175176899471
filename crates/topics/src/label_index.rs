//! One hash table for the children of all nodes: from a parent and a label to the child's address.

use core::hash::{BuildHasher as _, Hasher as _};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Where the children of all nodes of one tree are found by their label.
///
/// The labels stay with their nodes; the table holds eight bytes for each.
pub(crate) struct LabelIndex {
    entries: HashTable<Entry>,
    state: FixedState,
}

/// A child and 32 bits of its hash, so that growing the table never touches the children.
struct Entry {
    hash: u32,
    child: u32,
}

impl LabelIndex {
    /// An empty table. The seed should be unknown to peers, who choose the labels.
    pub(crate) const fn new(state: FixedState) -> Self {
        Self { entries: HashTable::new(), state }
    }

    /// The hash under which the child of `parent` named `label` is kept.
    #[inline]
    pub(crate) fn hash(&self, parent: u32, label: &[u8]) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write_u32(parent);
        hasher.write(label);
        (hasher.finish() >> 32) as u32
    }

    /// The child under `hash` that is the right one.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is_right: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = self.entries.find(spread(hash), |entry| entry.hash == hash && is_right(entry.child))?;
        Some(found.child)
    }

    /// Adds a child that is not in the table.
    pub(crate) fn insert(&mut self, hash: u32, child: u32) {
        self.entries.insert_unique(spread(hash), Entry { hash, child }, |entry| spread(entry.hash));
    }

    /// Takes a child out of the table, if it is there.
    pub(crate) fn remove(&mut self, hash: u32, child: u32) {
        if let Ok(entry) = self.entries.find_entry(spread(hash), |entry| entry.child == child) {
            entry.remove();
        }
    }
}

/// Widens a hash: the table takes its bucket from the low bits and its tag from the high ones.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
