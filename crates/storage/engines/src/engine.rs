//! What a run asks of a store.

use std::path::Path;

use crate::Result;

/// Changes that are made at once and synced.
#[derive(Default)]
pub struct Group {
    /// Rows of queues.
    pub puts: Vec<([u8; 16], Vec<u8>)>,
    /// Rows of queues that go.
    pub deletes: Vec<[u8; 16]>,
    /// Rows of sessions.
    pub sessions: Vec<(String, Vec<u8>)>,
}

/// An embedded store.
pub trait Engine: Sized {
    /// In the output.
    const NAME: &str;

    /// A new store in an empty directory.
    fn create(directory: &Path) -> Result<Self> {
        Self::open(directory)
    }

    /// Opens a store.
    fn open(directory: &Path) -> Result<Self>;

    /// Makes the changes and syncs.
    fn commit(&mut self, group: &Group) -> Result<()>;

    /// Reads at most so many rows of queues with a prefix.
    fn count(&self, prefix: &[u8], most: usize) -> Result<usize>;
}

impl Group {
    /// Forgets the changes.
    pub fn clear(&mut self) {
        self.puts.clear();
        self.deletes.clear();
        self.sessions.clear();
    }
}
