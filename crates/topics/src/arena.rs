//! Slots addressed by `u32`, reused after release: half the size of a pointer and safe to copy.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// The address that no slot has.
pub(crate) const NONE: u32 = u32::MAX;

/// A growing list of slots and the ones among them that are free.
pub(crate) struct Arena<T> {
    slots: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Arena<T> {
    /// An arena without slots, which owns no memory.
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Puts `value` into a free slot, or a new one.
    ///
    /// # Panics
    ///
    /// If 4,294,967,295 slots are in use: at 60 bytes each, memory for 240 GiB is gone before.
    pub(crate) fn claim(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self[index] = value;
            return index;
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        assert!(index != NONE, "the arena has no address left");
        self.slots.push(value);
        index
    }

    /// Frees a slot and drops what is in it. The caller holds its address nowhere else.
    pub(crate) fn release(&mut self, index: u32) {
        self[index] = T::default();
        self.free.push(index);
    }

    /// How many slots are in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.slots[index as usize]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.slots[index as usize]
    }
}
