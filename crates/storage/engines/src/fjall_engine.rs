//! `fjall`: a log-structured merge tree with a journal.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::Result;
use crate::engine::{Engine, Group};

/// A database with two keyspaces.
pub struct Fjall {
    database: Database,
    queue: Keyspace,
    sessions: Keyspace,
}

impl Engine for Fjall {
    const NAME: &str = "fjall";

    fn open(directory: &Path) -> Result<Self> {
        let mib = |name: &str, default: u64| -> u64 {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default) << 20
        };
        let mut builder = Database::builder(directory).cache_size(mib("CACHE", 32));
        builder = builder.max_journaling_size(mib("JOURNAL", 512)).worker_threads(1);
        let database = builder.open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(mib("MEMTABLE", 64));
        let queue = database.keyspace("queue", options)?;
        let sessions = database.keyspace("sessions", options)?;
        Ok(Self { database, queue, sessions })
    }

    fn commit(&mut self, group: &Group) -> Result<()> {
        let changes = group.puts.len() + group.deletes.len() + group.sessions.len();
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), changes)
            .durability(Some(PersistMode::SyncData));
        let weak = std::env::var_os("WEAK").is_some();
        for (key, row) in &group.puts {
            batch.insert(&self.queue, key.as_slice(), row.as_slice());
        }
        for key in &group.deletes {
            if weak {
                batch.remove_weak(&self.queue, key.as_slice());
            } else {
                batch.remove(&self.queue, key.as_slice());
            }
        }
        for (key, row) in &group.sessions {
            batch.insert(&self.sessions, key.as_bytes(), row.as_slice());
        }
        batch.commit()?;
        Ok(())
    }

    fn count(&self, prefix: &[u8], most: usize) -> Result<usize> {
        let mut rows = 0;
        for row in self.queue.prefix(prefix).take(most) {
            let (_key, _row) = row.into_inner()?;
            rows += 1;
        }
        Ok(rows)
    }
}
