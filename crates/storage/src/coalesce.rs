//! Takes out of a group what its later changes make needless.

use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::{Batch, Change, Put, Table};

/// Reduces the changes of a group to the last one for each key, and drops rows that are inserted and deleted
/// within the group altogether: they cost the disk nothing.
///
/// A row is dropped only if its first change in the group is an insertion, because only then is it certain
/// that the disk does not have it; otherwise the deletion stays. After a failed commit nothing is certain any
/// more: what the group held until then may be on disk (see [`Coalescer::forget_insertions`]).
#[derive(Debug, Default)]
pub struct Coalescer {
    /// For each key of the group, the places of its first and last change.
    keys: HashTable<Key>,
    /// For each change of the group, whether it is written.
    kept: Vec<bool>,
    /// The insertions before this place of the group may be on disk.
    uncertain: usize,
    hasher: FixedState,
}

#[derive(Debug)]
struct Key {
    last: usize,
    /// Whether the group begins by inserting it.
    fresh: bool,
}

impl Coalescer {
    /// One without memory of any group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the group so far was perhaps written: no row of it is new to the disk any more.
    pub fn forget_insertions(&mut self, group: &Batch) {
        self.uncertain = group.len();
    }

    /// Starts a new group.
    pub const fn begin(&mut self) {
        self.uncertain = 0;
    }

    /// Appends to `out` what is left of `group`.
    pub fn reduce(&mut self, group: &Batch, out: &mut Batch) {
        self.keys.clear();
        self.kept.clear();
        self.kept.resize(group.len(), true);
        for (place, change) in group.iter().enumerate() {
            match change {
                Change::Put { table, key, value: _, put } => {
                    let fresh = put == Put::Insert && place >= self.uncertain;
                    self.note(group, place, table, key, fresh);
                }
                Change::Delete { table, key } => self.note(group, place, table, key, false),
                // It covers keys that this table of keys cannot find, so it is always written, in its place.
                Change::DeletePrefix { table: _, prefix: _ } => {}
            }
        }
        for entry in &self.keys {
            let deleted = matches!(group.get(entry.last), Some(Change::Delete { .. }));
            if entry.fresh
                && deleted
                && let Some(kept) = self.kept.get_mut(entry.last)
            {
                *kept = false;
            }
        }
        for (change, kept) in group.iter().zip(&self.kept) {
            if *kept {
                out.push(change);
            }
        }
    }

    /// Notes a change of a key; the one before it in the group is needless from now on.
    fn note(&mut self, group: &Batch, place: usize, table: Table, key: &[u8], fresh: bool) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one((table, key));
        let same = |entry: &Key| row(group, entry.last) == Some((table, key));
        if let Some(entry) = self.keys.find_mut(hash, same) {
            if let Some(kept) = self.kept.get_mut(entry.last) {
                *kept = false;
            }
            entry.last = place;
            return;
        }
        let rehash = |entry: &Key| hasher.hash_one(row(group, entry.last).unwrap_or((table, &[])));
        self.keys.insert_unique(hash, Key { last: place, fresh }, rehash);
    }
}

/// The row that a change is about.
fn row(group: &Batch, place: usize) -> Option<(Table, &[u8])> {
    match group.get(place)? {
        Change::Put { table, key, value: _, put: _ } | Change::Delete { table, key } => Some((table, key)),
        Change::DeletePrefix { table: _, prefix: _ } => None,
    }
}
