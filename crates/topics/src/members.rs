//! The subscribers in one list, with an index by key once a search through the list would be slow.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hash};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// From how many members on the list has an index: about where a hash beats comparing 8-byte keys.
const INDEXED_FROM: usize = 32;

/// A subscriber and the options of its subscription.
#[derive(Clone, Copy)]
pub(crate) struct Member<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

/// Subscribers, each key once. A removal moves the last one into the gap.
pub(crate) struct Members<K, V> {
    list: Vec<Member<K, V>>,
    /// Positions in `list` by key; there from the time `list` is longer than [`INDEXED_FROM`] until
    /// it is shorter than half of that.
    index: Option<Box<HashTable<u32>>>,
}

impl<K: Copy + Eq + Hash, V: Copy> Members<K, V> {
    /// No members.
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), index: None }
    }

    /// All members, in the order in which they joined as long as none has left.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[Member<K, V>] {
        &self.list
    }

    /// The value of a member.
    pub(crate) fn get(&self, state: &FixedState, key: K) -> Option<&V> {
        let position = self.position(state, key)?;
        self.list.get(position).map(|member| &member.value)
    }

    /// Adds a member or replaces its value; the value before is returned.
    ///
    /// # Panics
    ///
    /// If there are 4,294,967,295 members: at 8 bytes each, memory for 32 GiB is gone before.
    pub(crate) fn insert(&mut self, state: &FixedState, key: K, value: V) -> Option<V> {
        if let Some(member) = self.position(state, key).and_then(|position| self.list.get_mut(position)) {
            return Some(core::mem::replace(&mut member.value, value));
        }
        assert!(self.list.len() < u32::MAX as usize, "the list of members has no position left");
        if self.list.len() == self.list.capacity() {
            // A quarter more instead of twice as much: spare room is memory per subscription.
            self.list.reserve_exact((self.list.len() / 4).max(2));
        }
        self.list.push(Member { key, value });
        if self.index.is_some() || self.list.len() > INDEXED_FROM {
            self.index_last(state);
        }
        None
    }

    /// Removes a member and returns its value.
    pub(crate) fn remove(&mut self, state: &FixedState, key: K) -> Option<V> {
        let position = self.position(state, key)?;
        let last = self.list.len() - 1;
        if let Some(index) = &mut self.index {
            let moved = self.list[last].key;
            if let Ok(entry) = index.find_entry(state.hash_one(key), |at| *at as usize == position) {
                let (vacated, _) = entry.remove();
                if let Some(at) = index.find_mut(state.hash_one(moved), |at| *at as usize == last) {
                    *at = vacated;
                }
            }
        }
        let removed = self.list.swap_remove(position).value;
        if self.list.len() < INDEXED_FROM / 2 {
            self.index = None;
        }
        if self.list.len() < self.list.capacity() / 4 {
            self.list.shrink_to(self.list.len() * 2);
        }
        Some(removed)
    }

    fn position(&self, state: &FixedState, key: K) -> Option<usize> {
        let Some(index) = &self.index else {
            return self.list.iter().position(|member| member.key == key);
        };
        let found = index.find(state.hash_one(key), |at| self.list[*at as usize].key == key)?;
        Some(*found as usize)
    }

    /// Enters the member that was pushed last into the index, or all members into a new index.
    fn index_last(&mut self, state: &FixedState) {
        let list = &self.list;
        let hash_at = |at: &u32| state.hash_one(list[*at as usize].key);
        let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
        let (first, index) = match &mut self.index {
            Some(index) => (count - 1, index),
            none => (0, none.insert(Box::default())),
        };
        for at in first..count {
            index.insert_unique(hash_at(&at), at, hash_at);
        }
    }
}
