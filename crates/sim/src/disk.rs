//! What goes wrong with the disk, and that it is right again when the faults stop.

use colibri_storage::Store;
use colibri_storage::faulty::{Call, Fault};

use crate::World;

/// The disk under a world's store, which outlives the broker's processes.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The most bytes it takes, while it is short of room.
    capacity: Option<u64>,
    /// Whether it has ever been short of room or failed, so that something may have been refused.
    pub(crate) has_failed: bool,
    /// Whether it takes nothing until the broker is started again.
    pub(crate) is_broken: bool,
}

impl Disk {
    pub(crate) fn fail_commit(&mut self, world: &World, how: Fault) {
        self.has_failed = true;
        if let Some(store) = world.store() {
            store.fail_next(Call::Commit, how);
        }
    }

    pub(crate) fn fail_sync(&mut self, world: &World) {
        self.has_failed = true;
        self.is_broken = true;
        if let Some(store) = world.store() {
            store.fail_next(Call::Sync, Fault::Io);
        }
    }

    pub(crate) fn fill(&mut self, world: &World, bytes: u64) {
        self.has_failed = true;
        if let Some(store) = world.store() {
            self.capacity = Some(store.size().unwrap_or(0) + bytes);
            store.set_capacity(self.capacity);
        }
    }

    pub(crate) fn free(&mut self, world: &World) {
        self.capacity = None;
        if let Some(store) = world.store() {
            store.set_capacity(None);
        }
    }

    /// The broker has been started anew, on the same disk.
    pub(crate) fn is_opened(&mut self, world: &World) {
        self.is_broken = false;
        if let Some(store) = world.store() {
            store.set_capacity(self.capacity);
        }
    }
}
